"""Run notebooks with a real kernel and save clean outputs: `python tools/run_nbs.py [--flags "slow cuda"] [NOTEBOOK ...]`.

Cells with a flag of settings.ini run only when `--flags` names it, cells with `eval: false` never; what was saved for a cell that is
skipped stays. No execution count, progress bar, stderr text or path of this machine is saved. Exit code 1 when a cell fails."""
import argparse, os, re, sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbdev.clean import clean_nb

sys.path.insert(0, str(Path(__file__).parent))
from check_nbs import BAR, FLAGS, bad_output, directives, text

ROOT = Path(__file__).resolve().parent.parent
QUIET = dict(TQDM_DISABLE='1', HF_HUB_DISABLE_PROGRESS_BARS='1', HF_HUB_DISABLE_TELEMETRY='1', TRANSFORMERS_VERBOSITY='error', NO_COLOR='1',
    TOKENIZERS_PARALLELISM='false')

def skipped(cell, flags=()):
    "Is this code cell left alone?"
    d = directives(cell.source)
    return d.get('eval', '').lower()=='false' or bool(d.keys() & (FLAGS-set(flags))) or 'nbdev_export(' in cell.source

def no_path(s, root=ROOT):
    "Name files as anyone has them: relative to the repository, or from `site-packages` on"
    s = re.sub(r'[^\s\'"(<]*/site-packages/', '', s)
    s = re.sub(r'/\S*?/ipykernel_\d+/\d+\.py', '<cell>', s)
    for p in dict.fromkeys([str(root), str(root.resolve())]): s = s.replace(p+'/', '').replace(p, '.')
    return s

def no_bar(s):
    "What a terminal shows in the end: a carriage return starts its line again; lines that are still a bar go"
    ls = [l.rstrip('\r').rsplit('\r', 1)[-1] for l in s.split('\n')]
    return '\n'.join(l for l in ls if not BAR.search(l))

def clean_output(o, root=ROOT):
    "The output as it is saved, or None to drop it"
    if o.output_type=='stream':
        if o.name=='stderr': return
        o.text = no_path(no_bar(re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', o.text)), root)
        return o if o.text.strip() else None
    if 'data' not in o: return o
    for k in [k for k in o.data if 'widget' in k]: del o.data[k]
    if not o.data or (len(o.data)==1 and 'text/plain' in o.data and re.search(r'\|[ █▏▎▍▌▋▊▉]*\|', o.data['text/plain'])): return
    if 'text/html' in o.data:
        h = re.sub(r'\s*<style>(?:(?!</style>).)*progress(?:(?!</style>).)*</style>\s*', '', text(o.data['text/html']), flags=re.S)
        h = re.sub(r'\s*<div>\s*<progress.*?</progress>.*?</div>\s*', '', h, flags=re.S)
        if not h.strip(): return
        o.data['text/html'] = h
    if set(o.data)=={'text/plain'} and not text(o.data['text/plain']).strip(): return
    for k in o.data:
        if k.startswith('text/'): o.data[k] = no_path(text(o.data[k]), root)
    return o

def merge_streams(outs):
    "Join neighbouring texts of one stream"
    res = []
    for o in outs:
        if res and o.output_type=='stream'==res[-1].output_type and o.name==res[-1].name: res[-1].text += o.text
        else: res.append(o)
    return res

def run(fn, flags=(), timeout=1800, root=ROOT):
    "Run one notebook and save it; the findings in its new outputs"
    fn = Path(fn)
    nb = nbformat.read(fn, 4)
    todo = [c for c in nb.cells if c.cell_type=='code' and c.source.strip() and not skipped(c, flags)]
    for c in todo: c.outputs, c.execution_count = [], None
    part = nbformat.from_dict({**nb, 'cells': todo})
    env = dict(os.environ, **QUIET, PYTHONPATH=os.pathsep.join(filter(None, [str(root), os.environ.get('PYTHONPATH')])))
    client = NotebookClient(part, timeout=timeout, kernel_name='python3', resources={'metadata':{'path':str(fn.parent)}},
        extra_arguments=['--IPKernelApp.log_level=40'])
    client.execute(env=env)
    found = []
    for old,new in zip(todo, part.cells):
        for o in new.outputs:
            if o.output_type=='stream' and o.name=='stderr': print(f'{fn}: not saved: {o.text.strip()[-300:]}', file=sys.stderr)
        old.outputs = [o for o in (clean_output(o, root) for o in merge_streams(new.outputs)) if o is not None]
        for o in old.outputs:
            if 'execution_count' in o: o.execution_count = None
            found += [f'{fn}: {w} in the output of: {old.source.strip().splitlines()[-1]}' for w in bad_output(o)]
    clean_nb(nb)
    nbformat.write(nb, fn)
    return found

def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('notebooks', nargs='*', help='default: every notebook under nbs')
    p.add_argument('--flags', default='', help='flags to run as well, split by spaces or commas')
    p.add_argument('--timeout', type=int, default=1800, help='seconds for one cell')
    a = p.parse_args(argv)
    flags = set(re.split(r'[ ,]+', a.flags))-{''}
    if flags-FLAGS: p.error(f'unknown flag {", ".join(sorted(flags-FLAGS))}; the flags are {", ".join(sorted(FLAGS))}')
    fns = a.notebooks or sorted(f for f in (ROOT/'nbs').rglob('*.ipynb') if not any(o[0] in '._' for o in f.relative_to(ROOT).parts))
    bad = 0
    for fn in fns:
        try: found = run(fn, flags, a.timeout)
        except CellExecutionError as e: found = [f'{fn}: not saved: a cell failed\n{e}']
        print(*found or [f'{fn}: saved'], sep='\n', flush=True)
        bad += bool(found)
    return int(bool(bad))

if __name__=='__main__': sys.exit(main())
