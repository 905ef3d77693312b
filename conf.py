"""The book for plain Sphinx, without jupyter-book: `_config.yml` in Sphinx's own words.

`_config.yml` stays the one place where the book is configured. jupyter-book reads it by itself; where it is not
installed, `python -m lib read` gives Sphinx this file. What it has no word for is an error, so nothing gets lost.
"""

import sys
from pathlib import Path

import yaml

# What jupyter-book 1 loads by itself, as far as the book has a use for it: no LaTeX, no thebe, no comments, and no
# intersphinx, which would ask other hosts.
EXTENSIONS = [
    "myst_nb",
    "sphinx_book_theme",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_external_toc",
    "sphinx_togglebutton",
]

# What jupyter-book 1 sets by itself, as far as Sphinx and the extensions have it otherwise.
SETTINGS = {
    "html_theme": "sphinx_book_theme",
    "html_sourcelink_suffix": "",  # the notebooks are downloaded as NAME.ipynb, not NAME.ipynb.txt
}

# The keys of `_config.yml` that go by another name.
NAMES = {
    "title": "html_title",
    "author": "author",
    "copyright": "copyright",
    "exclude_patterns": "exclude_patterns",
    "only_build_toc_files": "external_toc_exclude_missing",
    "execute.execute_notebooks": "nb_execution_mode",
    "bibtex_bibfiles": "bibtex_bibfiles",
    "html.favicon": "html_favicon",
    "html.use_issues_button": "html_theme_options.use_issues_button",
    "html.use_repository_button": "html_theme_options.use_repository_button",
    "html.home_page_in_navbar": "html_theme_options.home_page_in_toc",
    "parse.myst_enable_extensions": "myst_enable_extensions",
}


def in_sphinx(config: dict) -> dict:
    """The settings of Sphinx for the content of `_config.yml`; KeyError for a key that has no name here."""
    own = config.get("sphinx", {})
    extensions = [*EXTENSIONS, *own.get("extra_extensions", [])]
    if "bibtex_bibfiles" in config:
        extensions.append("sphinxcontrib.bibtex")
    made = SETTINGS | {"extensions": extensions, "project": config["title"]}
    for key, value in _leaves(config):
        _set(made, NAMES[key], value)
    for name, value in own.get("config", {}).items():
        if isinstance(value, dict):
            value = made.get(name, {}) | value
        made[name] = value
    if unknown := sorted(set(own) - {"extra_extensions", "config"}):
        raise KeyError(f"sphinx.{unknown[0]}")
    return made


def _leaves(config: dict):
    """The keys outside `sphinx`, those of a section as `section.key`, with their values."""
    for key, value in config.items():
        if isinstance(value, dict) and key != "sphinx":
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        elif key != "sphinx":
            yield key, value


def _set(made: dict, name: str, value) -> None:
    """`made[name] = value`, where `a.b` is the key b of the dict a."""
    group, _, key = name.rpartition(".")
    (made.setdefault(group, {}) if group else made)[key] = value


# Sphinx executes this file and takes its settings from the names that it leaves
ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # for lib.book.extension
globals().update(in_sphinx(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))))
