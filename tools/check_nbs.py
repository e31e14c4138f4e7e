"""Style checks of the notebooks: `python tools/check_nbs.py [FOLDER]` (`nbs` when none is given).

Prints every finding as `notebook: cell: what is wrong`, then the sizes of functions and cells; exit code 1 with findings."""
import argparse, ast, json, math, os, re, statistics, sys
from configparser import ConfigParser
from pathlib import Path

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

FLAGS = {'slow', 'cuda', 'hub'}  # the only flags; settings.ini says the same
DIRECTIVES = {'export', 'exporti', 'exports', 'default_exp', 'hide', 'hide_line', 'hide_input', 'filter_stream', 'exec_doc',
    'echo', 'eval', 'output', 'include', 'warning', 'code-fold', 'code-summary', 'label', 'column', 'fig-cap', 'fig-alt',
    'fig-width', 'fig-height', 'tbl-cap'}
EXPORTS = {'export', 'exporti', 'exports'}
NO_EXPORT = ('tutorials', 'guides', 'explain')  # folders that only teach
MAX_CELL, MAX_LINE = 40, 140
MEAN_CHECKS, MIN_CHECKS = 2, 1  # per exported cell: over the project, in each notebook

# ---- cells

def src(c): return ''.join(c['source'])
def text(o): return o if isinstance(o, str) else ''.join(o)
def first_line(s): return next((l.strip() for l in s.splitlines() if l.strip()), '')[:50]

def directives(s):
    "The `#| key value` lines at the top of a code cell, as nbdev reads them"
    res = {}
    for l in s.splitlines():
        if not l.strip(): continue
        m = re.match(r'\s*#\s*\|\s*([\w-]+)\s*:?\s*(.*?)\s*$', l)
        if not m: break
        res[m[1]] = m[2]
    return res

def stray(s):
    "Directives below the first line of code, which nbdev ignores"
    ls = [l for l in s.splitlines() if l.strip()]
    top = next((i for i,l in enumerate(ls) if not re.match(r'\s*#\s*\|', l)), len(ls))
    return [l.strip() for l in ls[top:] if re.match(r'\s*#\|\s*[\w-]', l)]

def code(s): return '\n'.join(l for l in s.splitlines() if not re.match(r'\s*#\s*\|', l)).strip('\n')

def parse(s):
    "Syntax tree of a cell without its IPython magics; None for a cell in another language"
    if code(s).lstrip().startswith('%%'): return
    return ast.parse('\n'.join(re.sub(r'^(\s*)[%!].*', r'\1pass', l) for l in s.splitlines()))

def n_checks(tree):
    "Asserts and calls of `test_...`, `assert_...` or `ExceptionExpected`"
    def is_check(n):
        if isinstance(n, ast.Assert): return True
        if not isinstance(n, ast.Call): return False
        if isinstance(n.func, ast.Attribute): return n.func.attr.startswith('assert_')
        nm = getattr(n.func, 'id', '')
        return nm=='test' or nm.startswith(('test_', 'assert_')) or nm in ('ExceptionExpected', 'expect_fail')
    return sum(map(is_check, ast.walk(tree)))

def imported(tree, lib, here=''):
    "Modules of `lib` that a syntax tree imports, at the top or inside functions"
    for n in ast.walk(tree):
        if isinstance(n, ast.Import): yield from (a.name[len(lib)+1:] for a in n.names if a.name.startswith(lib+'.'))
        if isinstance(n, ast.ImportFrom):
            m = n.module or ''
            if n.level:
                up = here.split('.')[:-1]
                m = '.'.join([lib, *up[:len(up)-n.level+1], *([m] if m else [])])
            if m==lib: yield from (a.name for a in n.names if a.name!='__version__')
            elif m.startswith(lib+'.'):
                yield m[len(lib)+1:]
                yield from ('?'+m[len(lib)+1:]+'.'+a.name for a in n.names) # a submodule, perhaps

# ---- saved outputs

_usual = 'home root tmp usr opt var mnt media srv private Users Volumes content workspace'.split()
_mine = [o for o in os.listdir('/') if re.fullmatch(r'\w+', o)] if os.name=='posix' else []
def _path_re(skip=()):
    dirs = sorted({*_usual, *_mine}-{'dev', *skip})
    return re.compile(r'(?<![\w.:/<~-])/(?:'+'|'.join(dirs)+r')/[\w.-]+|\b[A-Z]:\\+Users\b')
OUT_PATH, SRC_PATH = _path_re(), _path_re(('tmp', 'usr', 'etc', 'var', 'bin', 'proc', 'sys', 'content'))
BAR = re.compile(r'[█▉▊▋▌▍▎▏━╸╺]|\d%\||\d(?:it|s|ex|examples|batch)/(?:s|it)\b|<progress\b')

def bad_text(s, mime='text/plain'):
    "What must not stand in a saved text"
    if '\r' in s.replace('\r\n', '\n'): yield 'a carriage return (a progress bar?)'
    if m := BAR.search(s): yield f'a progress bar ({m[0]!r})'
    if '\x1b[' in s: yield 'terminal colours'
    if m := OUT_PATH.search(s): yield f'a path of one machine ({m[0]!r})'
    if m := re.search(r' at 0x[0-9a-fA-F]{6,}', s): yield f'a memory address ({m[0].strip()!r})'
    if 'Traceback (most recent call last)' in s: yield 'a traceback'

def bad_output(o):
    "What is wrong with one saved output"
    kind = o['output_type']
    if kind=='error': yield f"an error ({o.get('ename')}: {o.get('evalue')})"; return
    if o.get('execution_count') is not None: yield 'an execution count'
    if kind=='stream':
        if o.get('name')=='stderr': yield f'text on stderr ({first_line(text(o["text"]))!r})'
        yield from bad_text(text(o['text']))
    for mime,d in o.get('data', {}).items():
        if 'widget' in mime: yield f'a widget ({mime})'
        elif mime.startswith('text/') and not (mime=='text/plain' and len(o['data'])>1 and '<Figure' in text(d)): yield from bad_text(text(d), mime)

# ---- notebooks

class Notebook:
    "One notebook, its findings and its numbers"
    def __init__(self, path, root):
        self.path, self.name, self.found = path, path.relative_to(root).as_posix(), []
        self.nb = json.loads(path.read_text(encoding='utf-8'))
        self.cells = self.nb['cells']
        self.code_cells = [(i,c,src(c),directives(src(c))) for i,c in enumerate(self.cells) if c['cell_type']=='code' and src(c).strip()]
        self.module = next((d['default_exp'] for *_,d in self.code_cells if 'default_exp' in d), None)
        m = re.match(r'(\d+)\w*?_', path.name)
        self.num = int(m[1]) if m else None
        self.trees, self.checks, self.exported, self.cell_lens, self.fun_lens = {}, 0, 0, [], []

    def say(self, what, i=None):
        where = '' if i is None else f' cell {i} ({first_line(code(src(self.cells[i])))}):'
        self.found.append(f'{self.name}:{where} {what}')

    def check(self):
        self.check_head()
        self.check_links()
        for i,c,s,d in self.code_cells: self.check_cell(i, c, s, d)
        self.check_names()
        n = len([1 for *_,d in self.code_cells if not d.keys() & {'default_exp', 'hide'}])
        if self.exported and self.checks<MIN_CHECKS*self.exported:
            self.say(f'{self.checks} checks for {self.exported} exported cells; at least {MIN_CHECKS} a cell is needed')
        elif n and not self.checks: self.say('has code and not one check')

    def check_head(self):
        head = src(self.cells[0]) if self.cells else ''
        if not (re.search(r'^# \S', head, re.M) and re.search(r'^> \S', head, re.M)) and not head.startswith('---'):
            self.say('the first cell must be `# Title` and a line `> what the reader gets`')
        elif rest := [l for l in head.splitlines() if l.strip() and not re.match(r'# |> |- .*:|---', l)]:
            if not head.startswith('---'): self.say(f'only title, `>` line and `- key: value` in the first cell; the site drops the rest ({first_line(rest[0])!r})')
        if any('skip_exec' in src(c) for c in self.cells) or 'skip_exec' in str(self.nb['metadata']): self.say('skip_exec is not used here')
        if 'widgets' in self.nb['metadata']: self.say('widget state in the metadata')
        exports = [i for i,_,_,d in self.code_cells if d.keys() & EXPORTS]
        if self.name.startswith(NO_EXPORT):
            if exports or self.module: self.say('notebooks of this folder export nothing', exports[0] if exports else None)
        elif exports and not self.module: self.say('exports, and has no `#| default_exp`')
        elif self.module and not re.fullmatch(rf'\d\d_{re.escape(self.module)}\.ipynb', self.path.name):
            self.say(f'exports {self.module}, so its name must be NN_{self.module}.ipynb')

    def check_links(self):
        "Links to pages of the site name the notebook's own file, from this folder; both Quarto and smalldocs follow that"
        for i,c in enumerate(self.cells):
            if c['cell_type']!='markdown': continue
            for l in re.findall(r'\[`[^`\n]*`\]\([^)\s]+\.ipynb[^)\s]*\)', src(c)):
                self.found.append(f'{self.name}: cell {i}: {l}: a name in backticks gets its own link, which breaks this one: no backticks')
            for l in re.findall(r'\]\(([^)\s]+)', re.sub(r'```.*?```|`[^`\n]*`', '', src(c), flags=re.S)):
                path = l.partition('#')[0]
                if not path or re.match(r'[a-z]+:', path): continue
                if path.endswith('.html'): self.found.append(f'{self.name}: cell {i}: link {l}: name the notebook (.ipynb), not its page')
                elif not (self.path.parent/path).exists(): self.found.append(f'{self.name}: cell {i}: link {l}: no such file')

    def check_cell(self, i, c, s, d):
        if c.get('execution_count') is not None: self.say('execution count saved', i)
        for o in c.get('outputs', []):
            for w in bad_output(o): self.say(f'{w} in the saved output', i)
        for k in d.keys()-DIRECTIVES-FLAGS: self.say(f'unknown directive or flag `{k}`; the flags are {", ".join(sorted(FLAGS))}', i)
        for l in stray(s): self.say(f'`{l}` stands below code, where it is ignored', i)
        if m := SRC_PATH.search(s): self.say(f'a path of one machine ({m[0]!r}) in the source', i)
        try: tree = parse(s)
        except SyntaxError as e: return self.say(f'does not parse: {e}', i)
        if tree is None: return
        self.trees[i] = tree
        if d.keys() & EXPORTS: self.check_export(i, s, tree)
        elif self.runs(i):
            self.checks += n_checks(tree)
            self.check_mixed(i, s, tree)

    def check_names(self):
        "Every name that a cell uses comes from a cell of this notebook"
        far,body = 1_000_000,[] # Line numbers tell the cell
        for i,tree in self.trees.items():
            if self.runs(i): body += ast.increment_lineno(parse(src(self.cells[i])), i*far).body
        for m in Checker(ast.Module(body, []), builtins={'display', 'get_ipython'}).messages:
            if isinstance(m, UndefinedName): self.say(f'no cell defines {m.message_args[0]!r}', m.lineno//far)

    def runs(self, i): return directives(src(self.cells[i])).get('eval', '').lower()!='false'

    def check_mixed(self, i, s, tree):
        "The site build runs every cell with an import, and no other cell before it: names of other cells are missing there"
        if not self.module or 'nbdev_export(' in s: return
        imp = (ast.Import, ast.ImportFrom)
        if any(isinstance(n, imp) for n in ast.walk(tree)) and not all(isinstance(n, imp) for n in tree.body):
            self.say('imports and other code in one cell; the site build runs such a cell alone, so imports need a cell of their own', i)

    def check_export(self, i, s, tree):
        ls = code(s).splitlines()
        self.exported += 1
        self.cell_lens.append(len(ls))
        self.fun_lens += [n.end_lineno-n.lineno+1 for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        if len(ls)>MAX_CELL: self.say(f'{len(ls)} lines exported; {MAX_CELL} at most', i)
        if any(len(l)>MAX_LINE for l in ls): self.say(f'a line over {MAX_LINE} characters', i)
        for n in ast.walk(tree):
            if isinstance(n, ast.ImportFrom) and any(a.name=='*' for a in n.names): self.say(f'star import of {n.module}', i)

def check_imports(nbs, lib):
    "A module's notebook imports only modules of lower number; each of them comes from a notebook"
    nums = {n.module:n.num for n in nbs if n.module and n.num is not None}
    for n in nbs:
        for i,tree in n.trees.items():
            exp = directives(src(n.cells[i])).keys() & EXPORTS
            for m in imported(tree, lib, n.module or ''):
                maybe = m.startswith('?')
                m = m.lstrip('?')
                if m not in nums:
                    if not maybe and not any(o.startswith(m+'.') for o in nums): n.say(f'imports {lib}.{m}, which no notebook exports', i)
                elif n.module and n.num is not None and (nums[m]>n.num or (nums[m]==n.num and (m!=n.module or exp))):
                    n.say(f'number {n.num} imports {lib}.{m} of number {nums[m]}; only lower numbers may be imported', i)

def check_sidebar(nbs, folder):
    "sidebar.yml names every notebook once, and no other"
    f = folder/'sidebar.yml'
    if not f.exists(): return
    have, want = re.findall(r'([\w./-]+\.ipynb)', f.read_text(encoding='utf-8')), {n.name for n in nbs}
    for o in sorted(want-set(have)): yield f'sidebar.yml: {o} is missing'
    for o in sorted(set(have)-want): yield f'sidebar.yml: {o} is listed, and there is no such notebook'
    for o in sorted({o for o in have if have.count(o)>1}): yield f'sidebar.yml: {o} is listed twice'

def check_settings(folder):
    f = folder.parent/'settings.ini'
    if not f.exists(): return 'kd_ecom', []
    cfg = ConfigParser(delimiters=['='], interpolation=None)
    cfg.read(f, encoding='utf-8')
    flags = set(cfg['DEFAULT'].get('tst_flags', '').split())
    return cfg['DEFAULT']['lib_name'], [] if flags==FLAGS else [f'settings.ini: tst_flags must be {" ".join(sorted(FLAGS))}, not {" ".join(sorted(flags))}']

def spread(xs):
    "Median and 90th percentile, as text"
    if not xs: return 'none'
    return f'median {statistics.median(xs):g}, p90 {sorted(xs)[math.ceil(.9*len(xs))-1]}, longest {max(xs)}'

def check(folder):
    "All findings in `folder`, and the lines of the summary"
    folder = Path(folder).resolve()
    nbs = [Notebook(f, folder) for f in sorted(folder.rglob('*.ipynb')) if not any(p[0] in '._' for p in f.relative_to(folder).parts)]
    lib, found = check_settings(folder)
    for n in nbs: n.check()
    check_imports(nbs, lib)
    found += [o for n in nbs for o in n.found] + list(check_sidebar(nbs, folder))
    checks, cells = sum(n.checks for n in nbs if n.exported), sum(n.exported for n in nbs)
    if cells and checks<MEAN_CHECKS*cells: found.append(f'the project: {checks} checks for {cells} exported cells; {MEAN_CHECKS} a cell on average are needed')
    lines = [f'{len(nbs)} notebooks, {cells} exported cells, {checks} checks ({checks/max(cells,1):.2f} a cell; aim: {MEAN_CHECKS} or more)',
        f'lines of a function:      {spread([l for n in nbs for l in n.fun_lens])} (aim: median 6, p90 16)',
        f'lines of an exported cell: {spread([l for n in nbs for l in n.cell_lens])} (aim: median 8, p90 25)']
    low = [f'{n.name} {n.checks/n.exported:.2f}' for n in sorted(nbs, key=lambda n: n.checks/max(n.exported,1)) if n.exported and n.checks<MEAN_CHECKS*n.exported]
    if low: lines.append(f'below {MEAN_CHECKS} checks a cell: {", ".join(low)}')
    return found, lines

if __name__=='__main__':
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', nargs='?', default=Path(__file__).parent.parent/'nbs')
    found, lines = check(p.parse_args().folder)
    print(*found, *lines, f'{len(found)} findings', sep='\n')
    sys.exit(bool(found))
