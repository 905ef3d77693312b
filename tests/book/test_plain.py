"""The site without jupyter-book: conf.py says all that _config.yml says, and builds where its stack is installed."""

import re
import runpy
import subprocess
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from lib.book import site
from lib.paths import ROOT
from tests.conftest import environment, make_repository, one_line

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
PLAIN = ROOT / ".venv-plain" / "bin" / "python"  # made by `make plain`

# What jupyter-book has and conf.py leaves out.
EXTENSIONS = {
    "jupyter_book",  # its own
    "sphinx_jupyterbook_latex",  # for a PDF by LaTeX
    "sphinx_multitoc_numbering",  # sphinx_external_toc loads it
    "sphinx_thebe",  # lib.book.extension removes its scripts
    "sphinx_comments",  # no comments
    "sphinx.ext.intersphinx",  # no other books
}
DEFAULTS = {  # equal to what Sphinx and its extensions have without them, or of no effect on our pages
    *("comments_config", "html_baseurl", "html_logo", "latex_engine", "myst_url_schemes", "pygments_style"),
    *("nb_execution_allow_errors", "nb_execution_cache_path", "nb_execution_excludepatterns", "nb_execution_in_temp"),
    *("nb_execution_timeout", "nb_output_stderr", "use_jupyterbook_latex", "use_multitoc_numbering"),
}
LITTER = {"Thumbs.db", ".DS_Store"}  # jupyter-book never reads these; they are no pages
BUTTONS = {"use_issues_button": False, "use_repository_button": False}  # as they are without a word


@pytest.fixture
def conf(monkeypatch):
    """The names that Sphinx gets from conf.py."""
    monkeypatch.setattr(sys, "path", [*sys.path])  # conf.py adds to it
    return runpy.run_path(str(ROOT / "conf.py"))


# What is configured ----------------------------------------------------------------------------------------


def test_every_option_of_the_book_is_one_of_sphinx(conf):
    sphinx = CONFIG["sphinx"]
    assert set(sphinx["extra_extensions"]) <= set(conf["extensions"])
    for name, value in sphinx["config"].items():
        assert conf[name].items() >= value.items() if isinstance(value, dict) else conf[name] == value, name
    for key, value in conf["_leaves"](CONFIG):
        group, _, name = conf["NAMES"][key].rpartition(".")
        assert (conf[group] if group else conf)[name] == value, key


@pytest.mark.skipif(not find_spec("jupyter_book"), reason="jupyter-book is not installed")
def test_the_same_as_jupyter_book_makes_of_it(conf):
    from jupyter_book.config import get_final_config

    theirs, _ = get_final_config(user_yaml=CONFIG, cli_config={"latex_individualpages": False})
    assert set(theirs.pop("extensions")) - set(conf["extensions"]) == EXTENSIONS
    assert set(theirs.pop("exclude_patterns")) - set(conf["exclude_patterns"]) == LITTER
    assert conf["html_theme_options"] == theirs.pop("html_theme_options") | BUTTONS
    assert {name for name in theirs if name not in conf} == DEFAULTS
    assert {name for name in set(theirs) - DEFAULTS if conf[name] != theirs[name]} == set()


@pytest.mark.parametrize(
    "more, key",
    [
        ({"logo": "a.png"}, "logo"),
        ({"html": {"baseurl": "x"}}, "html.baseurl"),
        ({"sphinx": {"local_extensions": {"a": "."}}}, "sphinx.local_extensions"),
    ],
)
def test_what_conf_has_no_word_for_is_an_error(conf, more, key):
    with pytest.raises(KeyError, match=re.escape(key)):
        conf["in_sphinx"](CONFIG | more)


def test_theme_options_are_put_together(conf):
    made = conf["in_sphinx"](
        {
            "title": "A",
            "html": {"use_issues_button": False},
            "sphinx": {"config": {"html_theme_options": {"navbar_end": []}}},
        }
    )
    assert made["html_theme_options"] == {"use_issues_button": False, "navbar_end": []}
    assert made["html_title"] == made["project"] == "A" and "sphinxcontrib.bibtex" not in made["extensions"]


# What is installed -----------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_versions_are_exact_and_hold_every_extension(conf):
    lines = (ROOT / "requirements-plain.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==\d[\w.]*", line)] == []
    pinned = dict(line.split("==") for line in lines)
    pinned = {normal(name): version for name, version in pinned.items()}
    assert pinned["sphinx"].startswith("9.") and pinned["sphinx-book-theme"].startswith("1.4.")
    assert "jupyter-book" not in pinned
    known = packages_distributions()
    foreign = {name for name in conf["extensions"] if not name.startswith("lib.")}
    names = {name: "sphinxcontrib-bibtex" if name == "sphinxcontrib.bibtex" else known[name][0] for name in foreign}
    assert {name for name, package in names.items() if normal(package) not in pinned} == set()
    linkify = "linkify" in conf["myst_enable_extensions"]
    assert not linkify or "linkify-it-py" in pinned


def test_the_builder_is_the_one_that_is_installed(monkeypatch):
    monkeypatch.setattr(site, "find_spec", lambda name: name == "jupyter_book")
    assert "jupyter_book.cli.main" in site.builder()[2] and site.builder()[3] == "build"
    monkeypatch.setattr(site, "find_spec", lambda name: None)
    assert "sphinx.cmd.build" in site.builder()[2] and site.builder()[3:5] == ["-c", str(ROOT)]
    assert {"-W", "--keep-going"} <= {*site.builder()}


# What is built ---------------------------------------------------------------------------------------------


RESULTS = """# Results

```{exercise} Spins (level 1)
:label: one
Count.
```

{ref}`one`, {cite}`Onsager1944`, $x$.

```{chapter-times}
```

```{bibliography}
```
"""


def plain(root: Path) -> subprocess.CompletedProcess:
    """`lib read` in this repository, by the environment of `make plain`."""
    command = [str(PLAIN), "-m", "lib", "read"]
    return subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not PLAIN.exists(), reason="plain Sphinx is not installed; make plain does it")
def test_plain_sphinx_builds_a_page(tmp_path):
    root = make_repository(tmp_path)
    (root / "book" / "results.md").write_text(RESULTS)
    result = plain(root)
    assert result.returncode == 0 and result.stderr == "", result.stdout + result.stderr
    html = root / "_build" / "html"
    assert "book/intro.html" in (html / "index.html").read_text()
    page = (html / "book" / "tiny.html").read_text()
    assert "Its parameters" in page and 'data-default-mode="auto"' in page and "_sources/book/tiny.ipynb" in page
    assert (html / "_sources" / "book" / "tiny.ipynb").exists() and (html / "_static" / "mathjax").is_dir()
    results = (html / "book" / "results.html").read_text()
    assert "Exercise 1" in results and "Onsager, 1944" in results and "Crystal" in results
    (root / "book" / "intro.md").write_text("# A book\n\nSee {doc}`nowhere`.\n")
    failed = plain(root)
    assert failed.returncode == 1 and "book/intro.md:3: WARNING" in one_line(failed.stderr)
