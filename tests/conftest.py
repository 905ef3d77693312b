"""Notebooks and small repositories made for the tests of the tools."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from lib import cache, parallel
from lib.__main__ import main
from lib.book import site
from lib.errors import BookError
from lib.page import parameters
from lib.page.claims import MIME
from lib.page.records import Record
from lib.paths import ROOT

os.environ[cache.SWITCH] = "off"  # what a test trains is trained now
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# Cells and outputs -----------------------------------------------------------------------------------------


def markdown(source: str) -> nbformat.NotebookNode:
    return v4.new_markdown_cell(source)


def code(source: str, *tags: str, count: int | None = None, outputs=(), metadata: dict | None = None):
    metadata = dict(metadata or {}) | ({"tags": list(tags)} if tags else {})
    return v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)


def stream(text: str, name: str = "stdout"):
    return v4.new_output("stream", name=name, text=text)


def display(data: dict):
    return v4.new_output("display_data", data=data)


def error(name: str, text: str):
    return v4.new_output("error", ename=name, evalue=text, traceback=[])


def claim(key: str, value, passed: bool | None = True, chapter: str = "tiny", **more):
    """The output that `claims.report` leaves in a notebook."""
    status = {True: "passed", False: "failed", None: "not applicable"}[passed]
    made = Record(key, value, reference=1.0, status=status, chapter=chapter, statement=key, bar="within 0.5 of 1")
    made = made.to_json() | {"tolerance": {"kind": "absolute", "value": 0.5}}
    return display({MIME: made | more})


def notebook(*cells, **metadata) -> nbformat.NotebookNode:
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}} | metadata
    return v4.new_notebook(cells=list(cells), metadata=metadata)


def write(made: nbformat.NotebookNode, path: Path) -> Path:
    nbformat.write(made, str(path))
    return path


def declare(monkeypatch, **chapters: dict) -> None:
    """These chapters have these rules, in the form of book/parameters.yml, beside those of the book."""
    made = parameters.declared() | {name: parameters._chapter(entry) for name, entry in chapters.items()}
    monkeypatch.setattr(parameters, "declared", lambda: made)


# A repository of its own -----------------------------------------------------------------------------------

LEDGER = """
- {key: tiny.one, chapter: tiny, statement: One is one, source: "slide 1", published: null, reference: 1,
   reference_origin: arithmetic, tolerance: {kind: absolute, value: 0.5}, units: J}
- {key: tiny.two, chapter: tiny, statement: Two is small, source: "slide 2", published: 2.5, reference: 2,
   reference_origin: arithmetic, tolerance: {kind: at_most, value: 3}, units: null}
- {key: other.three, chapter: other, statement: Three is three, source: "slide 3", published: null, reference: 3,
   reference_origin: arithmetic, tolerance: {kind: equal}, units: null}
"""
TOC = """
format: jb-book
root: book/intro
chapters:
  - file: book/tiny
  - file: book/other
  - file: book/results
"""
RULES = """
tiny:
  rules:
    low: {type: int, minimum: 0, maximum: high, multiple_of: 2}
    high: {type: int, minimum: 0, maximum: 8}
    T0: {type: float, minimum: 0.5, maximum: 5.0}
    label: {type: str, choices: [a, b]}
  smoke: {low: 0, high: 1}
other:
  rules:
    seed: {type: int, minimum: 0}
"""
TINY = """from lib.page import claims, parameters

parameters.check("tiny", globals())"""


def tiny(*more, defaults: str = 'low: int = 2  # even\nhigh: int = 4\nT0: float = 2.27\nlabel: str = "a"'):
    """The chapter tiny: parameters, check, two claims, and whatever else."""
    return notebook(
        markdown("# A tiny chapter"),
        code(defaults, "parameters"),
        code(TINY),
        code('claims.report("tiny.one", 0.25 * high, 0.125)', "nbval-check-output"),
        *more,
        code('claims.report("tiny.two", 2)'),
    )


def other(*more):
    """The chapter other: one claim, and whatever else."""
    return notebook(
        markdown("# Another"),
        code("seed: int = 1", "parameters"),
        code('from lib.page import claims, parameters\n\nparameters.check("other", globals())'),
        *more,
        code('claims.report("other.three", 3)', "nbval-check-output"),
    )


def make_repository(folder: Path) -> Path:
    """This repository's lib with two tiny chapters, their rules and their ledger, in a folder of its own."""
    shutil.copytree(ROOT / "lib", folder / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "lib" / "extra.py").write_text("VALUE = 1\n")
    for name in ("book", "data"):
        (folder / name).mkdir()
    (folder / "data" / "claims.yml").write_text(LEDGER)
    (folder / "book" / "parameters.yml").write_text(RULES)
    (folder / "_toc.yml").write_text(TOC)
    for name in ("_config.yml", "conf.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    shutil.copytree(ROOT / "book" / "_static", folder / "book" / "_static")
    (folder / "book" / "intro.md").write_text("# A book\n\nSee {doc}`tiny` and {doc}`results`.\n")
    write(tiny(), folder / "book" / "tiny.ipynb")
    write(other(), folder / "book" / "other.ipynb")
    return folder


def environment() -> dict[str, str]:
    """An environment in which nothing sets threads or finds lib by accident."""
    gone = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "PYTHONPATH",
        parallel.LIMIT,
    )
    return {k: v for k, v in os.environ.items() if k not in gone} | {"PYTHONDONTWRITEBYTECODE": "1"}


def run_lib(root: Path, *arguments) -> subprocess.CompletedProcess:
    """`python -m lib ...` in this repository."""
    command = [sys.executable, "-m", "lib", *map(str, arguments)]
    return subprocess.run(command, cwd=root, env=environment(), capture_output=True, text=True, timeout=300)


def start_lib(root: Path, *arguments) -> subprocess.Popen:
    """`python -m lib ...` in this repository, in a process group of its own, to be interrupted or killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "lib", *map(str, arguments)],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell starts background jobs with SIGINT ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def one_line(text: str) -> str:
    """This text, which must be one line."""
    assert len(text.splitlines()) == 1, text
    return text.strip()


@contextlib.contextmanager
def refused(*texts: str, kind: type[Exception] = BookError):
    """What is done within is refused with one line, which has these texts."""
    with pytest.raises(kind) as caught:
        yield caught
    line = one_line(str(caught.value))
    assert [text for text in texts if text not in line] == [], line


def refusal(arguments, capsys) -> str:
    """The one line on stderr of a command of this process that is refused with exit 2."""
    try:
        assert main([str(each) for each in arguments]) == 2
    except SystemExit as stop:
        assert stop.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return one_line(printed.err)


def built_pages(factory) -> Path:
    """The site from the committed chapters, built once for the tests of this process (the group site)."""
    if not _BUILT:
        folder = factory.mktemp("site") / "_build"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(site, "BUILD", folder)
            patch.setattr(site, "STAGE", folder / "stage")
            site.build(execute=False)
        _BUILT.append(folder / "html")
    return _BUILT[0]


_BUILT: list[Path] = []
