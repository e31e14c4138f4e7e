"""README.md from nbs/index.ipynb, without Quarto: `python tools/make_readme.py [--check]`.

Text stays as it is, code becomes fenced blocks without directives, saved outputs follow (HTML tables as Markdown tables), links to notebooks
go to the site. Nothing is run, so the same notebook always gives the same README. `--check` writes nothing: exit code 1 when README.md differs."""
import argparse, base64, difflib, json, posixpath, re, sys
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from check_nbs import code, directives, src, text

ROOT = Path(__file__).resolve().parent.parent
NOTE = '<!-- Made from nbs/index.ipynb by tools/make_readme.py: edit the notebook -->'

class Tables(HTMLParser):
    "The tables of an HTML text as lists of rows; a row is a list of (cell, column span)"
    def __init__(self):
        super().__init__()
        self.tables, self.head, self.cell = [], [], None
    def handle_starttag(self, tag, attrs):
        if tag=='table': self.tables.append([]); self.head.append(0)
        elif tag=='tr' and self.tables: self.tables[-1].append([])
        elif tag in ('td', 'th') and self.tables: self.cell, self.span = '', int(dict(attrs).get('colspan') or 1)
        elif tag=='br' and self.cell is not None: self.cell += ' '
        elif tag in ('b', 'strong') and self.cell is not None: self.cell += '**'
    def handle_endtag(self, tag):
        if tag in ('td', 'th') and self.cell is not None:
            self.tables[-1][-1].append((' '.join(self.cell.split()).replace('|', r'\|'), self.span))
            self.cell = None
        elif tag=='thead' and self.tables: self.head[-1] = len(self.tables[-1])
        elif tag in ('b', 'strong') and self.cell is not None: self.cell += '**'
    def handle_data(self, data):
        if self.cell is not None: self.cell += data

def is_number(s): return bool(re.fullmatch(r'[-+−]?[\d.,]+ ?%?(?:\s*\(.*\)|\s*±.*|\s*\[.*\])?', s))

def md_table(rows, n_head=1):
    "A Markdown table; several header rows become one, columns of numbers stand right"
    rows = [[c for c,n in r for c in [c]*n] for r in rows if r]
    n = max(map(len, rows))
    rows = [r+['']*(n-len(r)) for r in rows]
    n_head = max(n_head, 1)
    head = [' '.join(dict.fromkeys(filter(None, o))) for o in zip(*rows[:n_head])]
    body = rows[n_head:]
    right = [any(r[i] for r in body) and all(is_number(r[i]) for r in body if r[i]) for i in range(n)]
    line = lambda r: '| '+' | '.join(r)+' |'
    return '\n'.join([line(head), line(['---:' if o else '---' for o in right]), *map(line, body)])

def html_md(s):
    "The tables of an HTML output as Markdown; None without a table"
    p = Tables()
    p.feed(re.sub(r'<style.*?</style>', '', s, flags=re.S))
    res = [md_table(t, h) for t,h in zip(p.tables, p.head) if t]
    return '\n\n'.join(res) or None

def fence(s, lang=''):
    tick = '```'
    while tick in s: tick += '`'
    return f'{tick}{lang}\n{s}\n{tick}'

class Readme:
    "Text of README.md, and the image files that it needs"
    def __init__(self, root=ROOT):
        self.root, self.images = root, {}
        cfg = ConfigParser(delimiters=['='], interpolation=None)
        cfg.read(root/'settings.ini', encoding='utf-8')
        cfg = cfg['DEFAULT']
        self.nbs, self.site = root/cfg['nbs_path'], cfg['doc_host']+cfg['doc_baseurl']
        self.nb = json.loads((self.nbs/cfg.get('readme_nb', 'index.ipynb')).read_text(encoding='utf-8'))

    def link(self, m):
        "A link of the notebook, as it must read in the root of the repository"
        pre, to, post = m.groups()
        if re.match(r'[a-z]+:|#|/', to): return m[0]
        path, _, frag = to.partition('#')
        path = posixpath.normpath(path)
        if path.endswith('.ipynb'):
            d, nm = posixpath.split(path)
            path = f'{self.site}/'+posixpath.join(d, re.sub(r'^\d+[a-zA-Z0-9]*_', '', nm.lower())[:-len('.ipynb')]+'.html')
        elif path.endswith('.html'): path = f'{self.site}/{path}'
        else: path = posixpath.normpath(posixpath.join(self.nbs.name, path))
        return pre+path+(f'#{frag}' if frag else '')+post

    def markdown(self, s):
        "A text cell: links fit the repository, what only Quarto reads goes"
        parts = re.split(r'(^(?:```|~~~).*?^(?:```|~~~)[ \t]*$)', s, flags=re.S|re.M)
        for i in range(0, len(parts), 2):
            p = re.sub(r'(\]\()([^)\s]+)((?:\s+"[^"]*")?\))', self.link, parts[i])
            p = re.sub(r'(<img[^>]*\bsrc=")([^"]+)(")', self.link, p)
            p = re.sub(r'^:::.*\n?', '', p, flags=re.M)
            parts[i] = re.sub(r'^(#+ .*?)\s*\{[#.][^}]*\}\s*$', r'\1', p, flags=re.M)
        return ''.join(parts).strip()

    def output(self, o):
        "One saved output"
        if o['output_type']=='stream': return fence(text(o['text']).rstrip())
        d = o.get('data', {})
        if 'text/markdown' in d: return text(d['text/markdown']).strip()
        if 'text/html' in d and (t := html_md(text(d['text/html']))): return t
        for kind,ext in (('image/png','png'), ('image/svg+xml','svg')):
            if kind in d: return self.image(d[kind], ext)
        if 'text/plain' in d: return fence(text(d['text/plain']).rstrip())

    def image(self, data, ext):
        nm = f'README_files/figure-{len(self.images)+1}.{ext}'
        self.images[nm] = base64.b64decode(text(data)) if ext=='png' else text(data).encode()
        return f'![]({nm})'

    def cell(self, c):
        "Blocks of one cell"
        s = src(c)
        if c['cell_type']=='markdown': return [self.markdown(s)]
        if c['cell_type']!='code': return []
        d = directives(s)
        if d.keys() & {'hide', 'default_exp', 'export', 'exporti'} or d.get('include', '').lower()=='false': return []
        body, lang = code(s), 'python'
        body = '\n'.join(l for l in body.splitlines() if not re.search(r'#\|\s*hide_line\s*$', l))
        if m := re.match(r'%%(\w+).*\n', body): lang, body = dict(bash='sh').get(m[1], m[1]), body[m.end():]
        elif body.startswith('!'): lang, body = 'sh', re.sub(r'^!\s*', '', body, flags=re.M)
        res = [fence(body, lang)] if body.strip() and 'hide_input' not in d and d.get('echo', '').lower()!='false' else []
        if d.get('output', '').lower()!='false': res += [self.output(o) for o in c.get('outputs', [])]
        return res

    def make(self):
        blocks = [b for c in self.nb['cells'] for b in self.cell(c) if b]
        if blocks and (m := re.match(r'---\n(.*?)\n---', src(self.nb['cells'][0]), re.S)):
            fm = dict(re.findall(r'^(title|description): *["\']?(.*?)["\']?$', m[1], re.M))
            blocks = [b for b in (f'# {fm["title"]}' if 'title' in fm else '', f'> {fm["description"]}' if 'description' in fm else '') if b]+blocks
        return '\n\n'.join([NOTE, *blocks])+'\n'

def main(argv=None, root=ROOT):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--check', action='store_true', help='write nothing; exit code 1 when README.md is not what index.ipynb gives')
    a = p.parse_args(argv)
    r = Readme(root)
    new = {'README.md': r.make().encode(), **r.images}
    files = {nm: root/nm for nm in new}
    if not a.check:
        for nm,f in files.items(): f.parent.mkdir(exist_ok=True); f.write_bytes(new[nm])
        print('README.md written')
        return 0
    old = {nm: f.read_bytes() if f.exists() else b'' for nm,f in files.items()}
    if old==new: print('README.md fits index.ipynb'); return 0
    lines = [o['README.md'].decode().splitlines() for o in (old, new)]
    print(*difflib.unified_diff(*lines, 'README.md', 'index.ipynb', lineterm=''), sep='\n')
    print('README.md is not what nbs/index.ipynb gives: run `python tools/make_readme.py`', file=sys.stderr)
    return 1

if __name__=='__main__': sys.exit(main())
