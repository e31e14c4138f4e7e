"""Tests of the tools on notebooks and pages made on the fly: `python tools/test_tools.py`. Every check must find the fault it is there for."""
import contextlib, io, json, sys, tempfile, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import build_docs, check_nbs, check_report, make_readme

INI = '''[DEFAULT]
lib_name = kd_ecom
nbs_path = nbs
tst_flags = slow cuda hub
doc_host = https://x.github.io
doc_baseurl = /kd_ecom
'''
HEAD = '# A title\n\n> What the reader gets'
EXP = '#| export\ndef f(x):\n    "Twice `x`"\n    return 2*x'
TESTS = 'assert f(1)==2\nassert f(0)==0'

def md(s): return dict(cell_type='markdown', id='m', metadata={}, source=s)
def py(s, *outs, n=None): return dict(cell_type='code', id='c', metadata={}, source=s, outputs=list(outs), execution_count=n)
def stream(s, name='stdout'): return dict(output_type='stream', name=name, text=s)
def data(**kw): return dict(output_type='display_data', metadata={}, data={k.replace('_', '/', 1): v for k,v in kw.items()})
def nb(*cells, **meta): return dict(cells=list(cells), metadata=meta, nbformat=4, nbformat_minor=5)
def module(name, *cells): return nb(md(HEAD), py(f'#| default_exp {name}'), *cells)
good = lambda name='core': module(name, py(EXP), py(TESTS))

@contextlib.contextmanager
def project(files, ini=INI):
    "A project of notebooks (dicts) and texts in a folder of its own"
    with tempfile.TemporaryDirectory() as tmp:
        root = Path(tmp).resolve()
        for nm,c in {'settings.ini': ini, **files}.items():
            f = root/nm
            f.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(c, bytes): f.write_bytes(c)
            else: f.write_text(c if isinstance(c, str) else json.dumps(c), encoding='utf-8')
        yield root

def findings(*nbs, ini=INI, **named):
    files = {f'nbs/{k}': v for k,v in dict(nbs).items()}
    with project(files, ini) as root: return check_nbs.check(root/'nbs')[0]

def finds(what, *nbs, n=1, **kw):
    "`what` stands in exactly `n` findings, and nothing else is found"
    found = findings(*nbs, **kw)
    assert len(found)==n and all(what in o for o in found), f'expected {n} x {what!r}, got {found}'

def one(*cells): return ('00_core.ipynb', module('core', py(EXP), py(TESTS), *cells))
def out(*outs): return one(py('1', *outs))

def test_clean():
    assert not findings(('00_core.ipynb', good()), ('tutorials/a.ipynb', nb(md(HEAD), py('import kd_ecom\nfrom kd_ecom.core import f\nassert f(1)==2'))))

def test_checks():
    finds('at least 1', ('00_core.ipynb', module('core', py(EXP))), ('10_b.ipynb', module('b', py(EXP), py(TESTS+'\n'+TESTS))))
    found = findings(('00_core.ipynb', module('core', py(EXP), py('assert f(1)'))))
    assert len(found)==1 and '2 a cell on average' in found[0], found
    finds('not one check', ('00_core.ipynb', good()), ('tutorials/a.ipynb', nb(md(HEAD), py('print(1)'))))
    finds('at least 1', ('00_core.ipynb', module('core', py(EXP), py('#| eval: false\n'+TESTS))), ('10_b.ipynb', module('b', py(EXP), py(TESTS+'\n'+TESTS))))
    finds('at least 1', ('00_core.ipynb', module('core', py(EXP), py('f.test_dl(1)'))), ('10_b.ipynb', module('b', py(EXP), py(TESTS+'\n'+TESTS))))

def test_undefined():
    finds("no cell defines 'g'", one(py('assert g(1)')))
    finds("no cell defines 'os'", one(py('def h(): return os.sep')))
    finds("no cell defines 'k'", one(py('assert k()'), py('def k(): return 1')))
    assert not findings(one(py('#| eval: false\nnowhere'), py('%time f(1)\ndisplay(1)')))

def test_cells():
    long = '#| export\ndef g(x):\n'+'    x += 1\n'*40
    finds('41 lines', one(py(long), py(TESTS)))
    finds('over 140', one(py('#| export\ny = "'+'a'*140+'"'), py(TESTS)))
    finds('star import', one(py('#| export\nfrom os import *'), py(TESTS)))
    finds('imports and other code', one(py('import os\nos.getcwd()')))
    finds('imports and other code', one(py('def h():\n    import os')))
    assert not findings(one(py('import os\nfrom os import path')))
    finds('does not parse', one(py('def')))
    assert not findings(one(py('%matplotlib inline\n!ls'), py('%%bash\nif then')))

def test_order():
    b = module('b', py('#| export\nfrom kd_ecom.core import f'), py(EXP), py(TESTS+'\n'+TESTS))
    assert not findings(('00_core.ipynb', good()), ('10_b.ipynb', b))
    for s in ('from kd_ecom.b import f', 'import kd_ecom.b', 'from kd_ecom import b', 'from .b import f', 'def h():\n    from kd_ecom.b import f'):
        finds('only lower numbers', ('00_core.ipynb', module('core', py(EXP), py(TESTS), py('#| export\n'+s), py(TESTS))), ('10_b.ipynb', good('b')))
    up = module('data.b', py('#| export\nfrom ..core import f'), py(EXP), py(TESTS+'\n'+TESTS))
    assert not findings(('00_core.ipynb', good()), ('10_data.b.ipynb', up))
    finds('which no notebook exports', one(py('from kd_ecom.gone import x')))
    finds('export nothing', ('00_core.ipynb', good()), ('explain/a.ipynb', nb(md(HEAD), py(EXP), py(TESTS))))
    finds('no `#| default_exp`', ('00_core.ipynb', nb(md(HEAD), py(EXP), py(TESTS))))
    finds('must be NN_b.ipynb', ('10_c.ipynb', good('b')))

def test_flags():
    assert not findings(one(py('#| slow\nf(1)'), py('#| cuda\nf(1)'), py('#| hub\nf(1)')))
    finds('`notest`', one(py('#| notest\nf(1)')))
    finds('below code', one(py('f(1)\n#| slow')))
    finds('tst_flags', ('00_core.ipynb', good()), ini=INI.replace('slow cuda hub', 'slow'))
    finds('skip_exec', ('00_core.ipynb', module('core', py(EXP), py(TESTS), dict(md('---\nskip_exec: true\n---'), cell_type='raw'))))
    finds('first cell', ('00_core.ipynb', nb(md('no title'), py('#| default_exp core'), py(EXP), py(TESTS))))
    finds('the site drops', ('00_core.ipynb', nb(md(HEAD+'\n\nMore.'), py('#| default_exp core'), py(EXP), py(TESTS))))

def test_outputs():
    assert not findings(out(stream('a/b and 3/4, GET /v1/search\n'), data(text_html='<td>1</td>/<td>2</td>'), data(image_png='iVBOR/home/x')))
    finds('an error', out(dict(output_type='error', ename='E', evalue='x', traceback=[])))
    finds('stderr', out(stream('UserWarning\n', 'stderr')))
    finds('carriage return', out(stream('1\r2')))
    for s in ('█▌   |', ' 50%|##', '12.3it/s', '━━━━'): finds('a progress bar', out(stream(s)))
    finds('a progress bar', out(data(text_html='<progress value="1">')))
    for s in ('saved in /home/me/x.csv', "'/tmp/tmp1/x'", '/root/.cache/a', r'C:\Users\me'): finds('a path of one machine', out(stream(s)))
    finds('a path of one machine', one(py('x = "/home/me/data.csv"')))
    finds('a memory address', out(data(text_plain='<object at 0x7f0123456789>')))
    finds('a widget', out(data(**{'application_vnd.jupyter.widget-view+json': {}})))
    finds('execution count', out(dict(output_type='execute_result', execution_count=3, metadata={}, data={})))
    finds('execution count', one(py('1', n=1)))
    finds('terminal colours', out(stream('\x1b[31mred')))
    finds('traceback', out(stream('Traceback (most recent call last):')))

def test_nb_links():
    ok = md('[a](00_core.ipynb#f) [b](https://x.y/z.html) [c](#here) `[d](no.ipynb)` [e](tutorials/a.ipynb)')
    t = ('tutorials/a.ipynb', nb(md(HEAD), md('[a](../00_core.ipynb)'), py('assert 1')))
    assert not findings(one(ok), t)
    finds('no such file', one(md('[a](core.ipynb)')))
    finds('no such file', one(md('[a](../tutorials/a.ipynb#x)')), t)
    finds('name the notebook', one(md('[a](core.html)')))
    finds('no backticks', one(md('[`a`](00_core.ipynb)')))

def test_sidebar():
    with project({'nbs/00_core.ipynb': good(), 'nbs/sidebar.yml': '- 00_core.ipynb\n- gone.ipynb\n- gone.ipynb'}) as root:
        found = check_nbs.check(root/'nbs')[0]
    assert len(found)==2 and 'no such notebook' in found[0] and 'twice' in found[1], found
    with project({'nbs/00_core.ipynb': good(), 'nbs/sidebar.yml': 'x'}) as root: assert 'is missing' in check_nbs.check(root/'nbs')[0][0]

PAGE = '<html><body id="top-of-it"><a href="{}">x</a></body></html>'

def test_links():
    def bad(href, **more):
        with project({'s/a.html': PAGE.format(href), 's/d/b.html': PAGE.format('../a.html#top-of-it'), 's/d/index.html': '', **more}) as root:
            return build_docs.broken_links(root/'s', '/base')[0]
    for ok in ('d/b.html', 'd/b.html#top-of-it', '#', '#top-of-it', 'd/', 'https://x.y/z#q', 'mailto:a@b', '/base/d/b.html', 'a.html?x=1'): assert not bad(ok), ok
    for no in ('c.html', 'd/b.html#gone', '#gone', '../x.html', '/d/c.html', 'd/b.ipynb'): assert len(bad(no))==1, no
    assert 'leads nowhere' in bad('#', **{'s/x.css': 'a { background: url("gone.png") }'})[0]
    assert 'leads nowhere' in bad('#', **{'s/search.json': '[{"href": "gone.html"}]'})[0]
    assert bad('"><img src="gone.png')==['a.html: gone.png leads nowhere']

def test_soften():
    page = '<a href="b.html#{0}"><code>{1}</code></a> <b id="f"></b> <a href="#{0}"><code>{1}</code></a>'
    for frag,nm,n in (('_rows','_rows',0), ('f','f',0), ('c.of','C.of',0), ('c.of','of',0), ('other','f',2)):
        with project({'s/a.html': page.format(frag, nm), 's/b.html': '<b id="f"></b>'}) as root:
            build_docs.soften(root/'s')
            assert len(build_docs.broken_links(root/'s')[0])==n, (frag, nm)
            assert ('b.html#f"' in (root/'s/a.html').read_text())==(frag=='f')

def test_names():
    page = nb(dict(md('---\ntitle: A\noutput-file: a.html\n\n---\n'), cell_type='raw'), md('[b](../10_b.ipynb) https://x/nbs/10_b.ipynb https://x.github.io/kd_ecom/b.html#f'))
    with project({'_quarto.yml': '- 10_b.ipynb', 'sidebar.yml': '- t/a.ipynb', '10_b.ipynb': nb(md('output-file: b.html\n')), 't/a.ipynb': page}) as root:
        build_docs.final_names(root)
        build_docs.local_links(root, 'https://x.github.io/kd_ecom')
        assert (root/'b.ipynb').exists() and not (root/'10_b.ipynb').exists() and (root/'_quarto.yml').read_text()=='- b.ipynb'
        s = (root/'t/a.ipynb').read_text()
        assert '[b](../b.ipynb)' in s and '/nbs/10_b.ipynb' in s and ' ../b.html#f' in s and 'output-file' not in s, s

TABLE = '<table><thead><tr><th></th><th>NDCG</th></tr><tr><th>model</th><th></th></tr></thead><tbody><tr><th>a|b</th><td>0.5</td></tr></tbody></table>'

def test_readme():
    text = '[t](tutorials/q.ipynb#x) [m](10_pairs.ipynb) ![p](images/a.png) [w](https://a.b/c.ipynb)\n\n```sh\n[k](c.ipynb)\n```\n\n::: {.callout-note}\nnote\n:::\n\n## Head {#h}'
    cells = [md(HEAD), md(text), py('#| hide\nsecret'), py('#| echo: false\ndf', data(text_html=TABLE, text_plain='no')),
        py('#| slow\nf(1)', stream('one\n')), py('#| output: false\ng(1)', stream('two\n')), py('plot()', data(image_png='AAAA'))]
    with project({'nbs/index.ipynb': nb(*cells)}) as root:
        s = make_readme.Readme(root).make()
        for o in ('[t](https://x.github.io/kd_ecom/tutorials/q.html#x) [m](https://x.github.io/kd_ecom/pairs.html) ![p](nbs/images/a.png) [w](https://a.b/c.ipynb)',
            '[k](c.ipynb)', '\nnote\n', '## Head\n', '| model | NDCG |\n| --- | ---: |\n| a\\|b | 0.5 |', '```python\nf(1)\n```\n\n```\none\n```',
            '```python\ng(1)\n```', '![](README_files/figure-1.png)'): assert o in s, (o, s)
        for o in ('secret', '#|', ':::', '{#h}', 'two', 'df\n'): assert o not in s, (o, s)
        run = lambda *a: make_readme.main(list(a), root)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert [run('--check'), run(), run('--check')]==[1, 0, 0]
            (root/'README.md').write_text(s.replace('note', 'other'))
            assert run('--check')==1
        assert make_readme.Readme(root).make()==s

def test_report():
    cols = ['scorer', *(c+e for c in check_report.METRICS for e in ('', '_low', '_high')), 'pairs_per_s']
    def table(flag=.7, bm25=.5, speed=1e5, more=frozenset()):
        q = {'BM25': bm25, 'token interaction, distilled': flag, 'teacher': .71}
        rows = [[f'"{n}"', *[f'{q.get(n, .6)+d:.3f}' for _ in range(2) for d in (0, -.1, .1)], str(100 if n=='teacher' else speed)] for n in sorted(check_report.NAMES|more)]
        return '\n'.join(map(','.join, [cols, *rows]))
    rest = {f'r/{f}': 'x' for f in (*check_report.NEEDED, 'plots/a.png') if f!='table.csv'}
    for t,says in ((table(), []), (table(more=check_report.MAYBE), []), (table(more={'x'}), ["rows ['x']"]), (table(flag=.52, bm25=.55), ['not above BM25', 'not above BM25', 'adds nothing', 'share of the teacher']),
        (table(speed=500), ['times its pairs']), (table().replace('0.600,0.500', '0.600,0.650', 1), ['with interval']), ('scorer,x\na,1', ['rows'])):
        with project({**rest, 'r/table.csv': t}) as root:
            found = check_report.check(root/'r')
            assert len(found)==len(says) and all(w in f for w,f in zip(says, found)), (says, found)
    with project({'e/report.md': ''}) as root: assert len(check_report.check(root/'e'))==len(check_report.NEEDED)+1

def test_run():
    "A real kernel: clean outputs, skipped cells keep theirs, a failing cell leaves the notebook as it was"
    import run_nbs
    bar = "import sys\nprint('50%|##  |\\rready')\nprint('warn', file=sys.stderr)"
    cells = [md(HEAD), py(bar, stream('old')), py('import os, sys\nprint(os.getcwd()); 1+1'), py('#| slow\nprint("ran")', stream('kept\n')), py('#| eval: false\nno', stream('as it is\n'))]
    with project({'nbs/a.ipynb': nb(*cells), 'nbs/b.ipynb': nb(md(HEAD), py('1/0', stream('old\n')))}) as root:
        fn = root/'nbs/a.ipynb'
        read = lambda: [''.join(o.get('text', '') or o['data']['text/plain']) for c in json.loads(fn.read_text())['cells'] for o in c.get('outputs', [])]
        with contextlib.redirect_stderr(io.StringIO()):
            assert run_nbs.run(fn, root=root)==[]
            assert read()==['ready\n', 'nbs\n', '2', 'kept\n', 'as it is\n'], read()
            assert run_nbs.run(fn, flags=['slow'], root=root)==[] and read()[3]=='ran\n'
            assert 'execution_count": 1' not in fn.read_text()
            before = (root/'nbs/b.ipynb').read_text()
            try: run_nbs.run(root/'nbs/b.ipynb', root=root); raise SystemExit('a failing cell went unseen')
            except run_nbs.CellExecutionError: assert (root/'nbs/b.ipynb').read_text()==before
    o = run_nbs.clean_output
    new = lambda **kw: run_nbs.nbformat.from_dict(dict(output_type='display_data', metadata={}, **kw))
    assert o(new(data={'text/html': '<style>progress { color: red }</style>'})) is None
    assert o(new(data={'text/html': '<div>\n<progress value="1"></progress> 100%</div>'})) is None
    assert o(new(data={'application/vnd.jupyter.widget-view+json': {}, 'text/plain': '100%|████| 5/5'})) is None

if __name__=='__main__':
    tests = {k:f for k,f in list(globals().items()) if k.startswith('test_') and callable(f)}
    for k,f in tests.items():
        t = time.time()
        f()
        print(f'{k}: ok ({time.time()-t:.1f} s)')
    print(f'{len(tests)} tests of the tools are fine')
