"The package as settings.ini describes it: nothing is said twice"
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).parent
ini = ConfigParser(delimiters=['='])
ini.read(here/'settings.ini', encoding='utf-8')
cfg = ini['DEFAULT']
readme = here/'README.md'
lib, extra = cfg['lib_path'], '_requirements'
status = {1:'Planning', 2:'Pre-Alpha', 3:'Alpha', 4:'Beta', 5:'Production/Stable', 6:'Mature', 7:'Inactive'}[cfg.getint('status')]

setup(
    name = cfg['lib_name'],
    version = cfg['version'],
    description = cfg['description'],
    long_description = readme.read_text(encoding='utf-8') if readme.exists() else cfg['description'],
    long_description_content_type = 'text/markdown',
    author = cfg['author'],
    url = cfg['git_url'],
    project_urls = {'Documentation': cfg['doc_host']+cfg['doc_baseurl']},
    license = 'Apache-2.0',
    keywords = cfg['keywords'],
    classifiers = [f'Development Status :: {cfg["status"]} - {status}', f'Intended Audience :: {cfg["audience"]}',
        f'Natural Language :: {cfg["language"]}', *[f'Programming Language :: Python :: 3.{o}' for o in (10,11,12)]],
    python_requires = f'>={cfg["min_python"]}',
    packages = find_packages(include=[lib, f'{lib}.*']),
    package_data = {lib: ['judgements/*.csv']},
    install_requires = cfg['requirements'].split(),
    extras_require = {k[:-len(extra)]: v.split() for k,v in cfg.items() if k.endswith(extra)},
    entry_points = {'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f'{lib}={lib}._modidx:d']},
    zip_safe = False,
)
