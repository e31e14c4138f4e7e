"""Check the report of `kd_ecom quickstart`: `python tools/check_report.py FOLDER`. Exit code 1 with one line for each finding."""
import sys
from pathlib import Path

NEEDED = ('report.md', 'table.csv')

def check(folder):
    "Findings in a report's folder"
    # TODO: the bars that the measured table must clear
    return [f'{folder}/{nm} is missing or empty' for nm in NEEDED if not ((f := Path(folder)/nm).is_file() and f.stat().st_size)]

if __name__=='__main__':
    if len(sys.argv)!=2: sys.exit(__doc__)
    found = check(sys.argv[1])
    print(*found or [f'{sys.argv[1]}: report and table are there'], sep='\n')
    sys.exit(bool(found))
