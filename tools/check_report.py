"""Check the report of `kd_ecom quickstart`: `python tools/check_report.py FOLDER`. Exit code 1 with one line for each finding.

The goals themselves, with intervals, stand in report.md, reached or missed; here are the least values below which something is broken."""
import csv, sys
from pathlib import Path

NEEDED = ('report.md', 'table.csv', 'goals.csv', 'ranker.json', 'items.parquet', 'student/model.safetensors', 'student/meta.json')
STUDENTS = ('token interaction', 'two-tower', 'small cross-encoder')
NAMES = {'popularity', 'BM25', 'MiniLM cosine, zero-shot', 'teacher', *(f'{s}, {h}' for s in STUDENTS for h in ('labels only', 'distilled'))}
MAYBE = {"teacher's lexical member"} # If it improves the teacher
FLAGSHIP, METRICS = 'token interaction', ('ndcg@10', 'group_auc')
LEAST = {'share of the teacher': .9, 'times its pairs per second': 100}

def missing(folder):
    "Files that are not there or empty"
    yield from (f'{nm} is missing or empty' for nm in NEEDED if not ((f := folder/nm).is_file() and f.stat().st_size))
    if not list(folder.glob('plots/*.png')): yield 'plots/ has no figure'

def read(path):
    "Scorer → numbers"
    with open(path, newline='', encoding='utf-8') as f: rows = {r.pop('scorer'): r for r in csv.DictReader(f)}
    return {nm: {k: float(v) if v else None for k,v in r.items()} for nm,r in rows.items()}

def intervals(t):
    "Numbers that lie outside their own interval, or are no share"
    for nm,r in t.items():
        for m in METRICS:
            if None in (r[m], r[f'{m}_low'], r[f'{m}_high']): yield f'{nm}: {m} has no value'
            elif not 0<=r[f'{m}_low']<=r[m]<=r[f'{m}_high']<=1: yield f'{nm}: {m} is {r[m]} with interval {r[m+"_low"]} to {r[m+"_high"]}'

def order(t):
    "What must stand above what"
    d,t_,b,a = (t[nm] for nm in (f'{FLAGSHIP}, distilled', 'teacher', 'BM25', f'{FLAGSHIP}, labels only'))
    for m in METRICS:
        if d[m]<=b[m]: yield f'the distilled student is not above BM25: {m} {d[m]:.3f}, BM25 {b[m]:.3f}'
    if d['group_auc']<=a['group_auc']: yield f'the teacher adds nothing: group AUC {d["group_auc"]:.3f}, with labels only {a["group_auc"]:.3f}'
    got = {'share of the teacher': d['ndcg@10']/t_['ndcg@10'], 'times its pairs per second': d['pairs_per_s']/t_['pairs_per_s']}
    yield from (f'{k}: {v:.3g}, at least {LEAST[k]} was expected' for k,v in got.items() if v<LEAST[k])

def check(folder):
    "Findings in a report's folder"
    folder = Path(folder)
    found = list(missing(folder))
    if not (folder/'table.csv').is_file(): return found
    t = read(folder/'table.csv')
    if odd := (set(t)^NAMES)-MAYBE: return [*found, f'table.csv: rows {sorted(odd)} are missing or too many']
    found += intervals(t)
    return found if any('no value' in o for o in found) else [*found, *order(t)]

if __name__=='__main__':
    if len(sys.argv)!=2: sys.exit(__doc__)
    found = check(sys.argv[1])
    print(*found or [f'{sys.argv[1]}: the report is complete and its numbers are sound'], sep='\n')
    sys.exit(bool(found))
