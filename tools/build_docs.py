"""Build the site without Quarto and without a network: `python tools/build_docs.py [--check]`.

nbdev processes the notebooks, the pages get their final names, smalldocs renders them to _docs. KaTeX, which smalldocs takes from a CDN,
is shipped with the site where npm can fetch it. Every local link of the finished pages is then followed; `--check` makes findings an error."""
import argparse, json, os, re, shutil, subprocess, sys, tarfile, tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
CDN = re.compile(r'https://[\w./-]+/katex@([\d.]+)/dist')

# ---- pages

def final_names(cache):
    "Name each page as its `output-file` says (`00_x.ipynb` -> `x.ipynb`), so that nbdev's own links resolve"
    names = {}
    for f in sorted(cache.rglob('*.ipynb')):
        nb = json.loads(f.read_text(encoding='utf-8'))
        c = nb['cells'][0]
        s = ''.join(c['source'])
        o = re.search(r'^output-file: *(\S+)\.html\n', s, re.M)
        if not o: continue
        c['source'] = s.replace(o[0], '')
        new = f.with_name(o[1]+'.ipynb')
        if new!=f:
            if new.exists(): sys.exit(f'{f.name} and another notebook are both named {new.name} on the site')
            names[f.name] = new.name
            f.unlink()
        new.write_text(json.dumps(nb), encoding='utf-8')
    if not names: return
    pat = re.compile(r'(?<![\w.])(?<!/nbs/)('+'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))+r')\b')
    for f in [cache/'sidebar.yml', cache/'_quarto.yml', *cache.rglob('*.ipynb'), *cache.rglob('*.qmd'), *cache.rglob('*.md')]:
        f.write_text(pat.sub(lambda m: names[m[1]], f.read_text(encoding='utf-8')), encoding='utf-8')

def local_links(cache, site):
    "Make links to this same site relative, so that a broken one is found and a local copy works"
    for f in cache.rglob('*.ipynb'):
        up = '../'*(len(f.relative_to(cache).parts)-1) or './'
        f.write_text(f.read_text(encoding='utf-8').replace(f'{site}/', up), encoding='utf-8')

def process(cfg):
    "nbdev's processed notebooks, with final names and relative links"
    import nbdev.doclinks
    from nbdev.quarto import refresh_quarto_yml
    from nbdev.serve import proc_nbs
    shutil.rmtree(cfg.config_path/'_proc', ignore_errors=True)
    refresh_quarto_yml()
    nbdev.doclinks._build_modidx()
    cache = Path(proc_nbs(n_workers=2))
    final_names(cache)
    local_links(cache, f'{cfg.doc_host}{cfg.doc_baseurl}')
    return cache

def smalldocs(*args): return subprocess.run([sys.executable, '-m', 'smalldocs.cli', *map(str, args)], capture_output=True, text=True)

# ---- maths

def fetch_katex(version, to):
    "Unpack what a page needs of npm's katex to `to`; False where npm is absent or fails"
    if not shutil.which('npm'): return False
    with tempfile.TemporaryDirectory() as tmp:
        r = subprocess.run(['npm', 'pack', f'katex@{version}', '--silent'], cwd=tmp, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        packed = [*Path(tmp).glob('*.tgz')]
        if r.returncode or not packed: return False
        with tarfile.open(packed[0]) as t:
            for m in t.getmembers():
                p = re.fullmatch(r'package/(?:dist/(katex\.min\.(?:css|js)|contrib/auto-render\.min\.js|fonts/[\w-]+\.woff2)|(LICENSE))', m.name)
                if not (p and m.isfile()): continue
                f = to/(p[1] or p[2])
                f.parent.mkdir(parents=True, exist_ok=True)
                f.write_bytes(t.extractfile(m).read())
    css = to/'katex.min.css' # only the fonts that every browser of today reads
    css.write_text(re.sub(r',url\(fonts/[^)]+\.(?:woff|ttf)\) format\("\w+"\)', '', css.read_text(encoding='utf-8')), encoding='utf-8')
    return True

def ship_katex(site):
    "Rewrite the CDN's links to a copy inside the site; say what was done"
    pages = [f for f in site.rglob('*.html') if CDN.search(f.read_text(encoding='utf-8'))]
    if not pages: return 'no page has maths'
    version = CDN.search(pages[0].read_text(encoding='utf-8'))[1]
    if not fetch_katex(version, site/'site_libs/katex'): return f'{len(pages)} pages take KaTeX from a CDN (npm could not fetch it)'
    for f in pages:
        up = '../'*(len(f.relative_to(site).parts)-1)
        f.write_text(CDN.sub(f'{up}site_libs/katex', f.read_text(encoding='utf-8')), encoding='utf-8')
    return f'{len(pages)} pages with KaTeX {version} of the site itself'

# ---- links

class Links(HTMLParser):
    "Ids and links of a page"
    def __init__(self):
        super().__init__()
        self.ids, self.links = set(), []
    def handle_starttag(self, tag, attrs):
        d = dict(attrs)
        self.ids |= {d[k] for k in ('id', 'name') if d.get(k) and (k=='id' or tag=='a')}
        self.links += [d[k] for k in ('href', 'src', 'data-src', 'poster') if d.get(k) is not None]
        self.links += [o.split()[0] for o in (d.get('srcset') or '').split(',') if o.strip()]
        self.links += re.findall(r'url\(\s*["\']?([^"\')]+)', d.get('style') or '')

def read_links(f):
    p = Links()
    p.feed(f.read_text(encoding='utf-8'))
    return p

def soften(site):
    "nbdev links every `name` in backticks to its documentation; one without an entry of its own (a private name, a method) gets its page alone"
    site = Path(site).resolve()
    ids = {f: read_links(f).ids for f in site.rglob('*.html')}
    for f in ids:
        def page_only(m):
            path, frag, nm = unquote(m[2]), unquote(m[3]), m[5]
            to = Path(os.path.normpath(f.parent/path)) if path else f
            own = frag.lower() in (nm.lower(), nm.lower().split('.')[-1]) or nm.lower()==frag.lower().split('.')[-1]
            return m[0] if not own or to not in ids or frag in ids[to] else f'{m[1]}{m[2] or f.name}{m[4]}{nm}</code>'
        s = f.read_text(encoding='utf-8')
        f.write_text(re.sub(r'(<a [^>]*href=")([^"#:]*)#([^"]+)("[^>]*><code[^>]*>)([\w.]+)</code>', page_only, s), encoding='utf-8')

def broken_links(site, base=''):
    "Local links, files and fragments that are not in the folder `site`; `base` is the path under which a server shows it"
    site = Path(site).resolve()
    pages = {f: read_links(f) for f in sorted(site.rglob('*.html'))}
    todo = [(f, l) for f,p in pages.items() for l in p.links]
    todo += [(f, l) for f in sorted(site.rglob('*.css')) for l in re.findall(r'url\(\s*["\']?([^"\')]+)', f.read_text(encoding='utf-8'))]
    idx = site/'search.json'
    if idx.exists(): todo += [(idx, o['href']) for o in json.loads(idx.read_text(encoding='utf-8'))]
    bad = []
    for f,l in todo:
        u = urlsplit(l.strip())
        if u.scheme or u.netloc: continue
        path, to = unquote(u.path), f
        if path:
            to = site/path.removeprefix(base).lstrip('/') if path.startswith('/') else f.parent/path
            to = Path(os.path.normpath(to))
            if to.is_dir(): to = to/'index.html'
        where = f.relative_to(site)
        if not to.is_relative_to(site): bad.append(f'{where}: {l} leaves the site')
        elif not to.is_file(): bad.append(f'{where}: {l} leads nowhere')
        elif u.fragment and u.fragment!='top' and to in pages and not {u.fragment, unquote(u.fragment)} & pages[to].ids:
            bad.append(f'{where}: {l} names no id of {to.relative_to(site)}')
    return list(dict.fromkeys(bad)), len(todo)

# ---- all of it

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--check', action='store_true', help='exit code 1 for anything that smalldocs or the link check finds')
    a = p.parse_args()
    os.chdir(ROOT)
    from nbdev.config import get_config
    cfg = get_config()
    cache = process(cfg)
    found = smalldocs('check', cache).stdout.splitlines()
    r = smalldocs('render', cache, '--quiet')
    if r.returncode: sys.exit(f'smalldocs could not render the site:\n{r.stdout}{r.stderr}')
    shutil.rmtree(cfg.doc_path, ignore_errors=True)
    shutil.move(cache/cfg.doc_path.name, cfg.doc_path)
    site = cfg.doc_path
    (site/'.nojekyll').touch()
    print('maths:', ship_katex(site))
    soften(site)
    bad, n = broken_links(site, cfg.doc_baseurl)
    found += bad
    print(*found, f'{len([*site.rglob("*.html")])} pages, {n} links, {len(found)} findings', sep='\n')
    sys.exit(bool(found) and a.check)

if __name__=='__main__': main()
