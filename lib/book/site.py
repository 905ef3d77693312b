"""Build the site: stage the sources, execute the chapters there, write the results page, run Sphinx.

Everything happens in `_build/stage`, so the work tree stays as it was. For a course the solutions are taken out there,
before Sphinx sees them, so that neither a page nor the search knows them. The notebooks to download are not those of
the stage but made for an editor (`editor`).
"""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import nbformat
import yaml

from lib import files, processes
from lib.book import editor, notebooks, refresh, single, student, teaching
from lib.book.chapter import Chapter, chapters, in_toc
from lib.book.execute import say
from lib.book.templates import render
from lib.errors import BookError, last_line
from lib.paths import BOOK, BUILD, ROOT

STAGE = BUILD / "stage"
# the words of the first page that become links where the single files were built
NOT_BUILT = re.compile(r'<div class="whole-book\b.*?</div>', re.DOTALL)
LINKS = {".html": "The whole book as one page that needs no other file", ".pdf": "as a PDF"}


@refresh.building()
def book(solutions: bool = True) -> None:
    """`lib book`, behind `make book`: the site in _build/html, after executing every chapter from scratch.

    With the single files, where there is a Chromium.
    """
    build(execute=True, solutions=solutions)
    try:
        add_single_files(single.chromium())
    except BookError as error:
        say(f"left out, the PDF and the book as one file: {error}")


@refresh.building()
def read(solutions: bool = True) -> None:
    """`lib read`, behind `make read`: the site in _build/html, from the committed outputs."""
    build(execute=False, solutions=solutions)


def single_files(pdf: bool, solutions: bool = True) -> None:
    """`lib single`: build the site from the committed outputs, and the single files out of it."""
    browser = single.chromium() if pdf else None  # say so before the work if there is none
    with refresh.building():
        build(execute=False, solutions=solutions)
        add_single_files(browser)


def build(execute: bool, solutions: bool = True) -> None:
    """The site in _build/html. solutions: whether the pages and the notebooks that they offer have them."""
    start = time.monotonic()
    stage()
    if execute:
        jobs = [(chapter.path, STAGE / "book" / chapter.path.name) for chapter in chapters()]
        _, failures = refresh.run_chapters(jobs)
        refresh.raise_all(failures)
        refresh.write_pages([Chapter(output) for _, output in jobs], STAGE / "book")
    downloads = handouts(solutions)
    if not solutions:
        take_solutions_out()
    sphinx()
    for name, notebook in downloads.items():
        target = BUILD / "html" / "_sources" / "book" / name
        if target.exists():  # it is a page
            notebooks.write(notebook, target)
    files.write_text(BUILD / "html" / "index.html", index())
    say(f"{BUILD / 'html' / 'index.html'}: built in {time.monotonic() - start:.0f} s")


def stage() -> None:
    """Copy what Sphinx reads to _build/stage."""
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    shutil.copytree(BOOK, STAGE / "book", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, STAGE)


def handouts(solutions: bool) -> dict[str, nbformat.NotebookNode]:
    """File name -> what the download button of a page gives: the chapter on the stage for a notebook editor."""
    book, where = editor.Book(STAGE / "book"), student.NOT_ON_THE_PAGES
    return {
        chapter.path.name: student.handout(chapter.notebook, name, book, solutions, where)
        for name, chapter in book.chapters.items()
    }


def take_solutions_out() -> None:
    """Of the chapters on the stage, and the answers of the teacher page."""
    for path in sorted((STAGE / "book").glob("*.ipynb")):
        notebooks.write(student.for_a_page(notebooks.read(path), path.stem), path)
    for path in sorted((STAGE / "book").glob("*.md")):
        files.write_text(path, teaching.without_answers(files.read_text(path)))


def add_single_files(browser: str | None) -> None:
    """Make the single files out of the built site, and link them from its first page. browser: path of a Chromium."""
    site, links = BUILD / "html", []
    for path in single.build(BUILD, browser):
        size = f"{path.stat().st_size / 1e6:.0f} MB"
        say(f"{path}: {size}")
        shutil.copy(path, site)  # a copy of the site has them, too
        links.append(f'<a href="../{path.name}">{LINKS[path.suffix]}</a> ({size})')
    first = site / f"{in_toc(ROOT)[0]}.html"
    built = f'<div class="whole-book"><p>{", ".join(links)}.</p></div>'
    files.write_text(first, NOT_BUILT.sub(built, files.read_text(first)))


def index() -> str:
    """The page at the root of the site, which leads to the first page of the book.

    jupyter-book's own has no icon, so browsers ask the server for a /favicon.ico that is not there.
    """
    config = yaml.safe_load(files.read_text(ROOT / "_config.yml"))
    icon = Path(config["html"]["favicon"]).name
    return render("index.html", title=config["title"], page=f"{in_toc(ROOT)[0]}.html", icon=icon)


def sphinx() -> None:
    """Build the stage with warnings as errors, from clean doctrees (a stale one hides warnings)."""
    say("Sphinx: building the pages")
    for name in (".doctrees", "html"):
        shutil.rmtree(BUILD / name, ignore_errors=True)
    environment = os.environ | {processes.PARENT: str(os.getpid())}
    result = subprocess.run(builder(), cwd=ROOT, env=environment, capture_output=True, text=True)
    log = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
    files.write_text(BUILD / "sphinx.log", log)
    if problem := sphinx_problem(log, result.returncode):
        raise BookError(f"Sphinx: {problem} (all of it: _build/sphinx.log)")


def builder() -> list[str]:
    """The command that builds the stage: jupyter-book; where it is not installed, plain Sphinx with conf.py."""
    if find_spec("jupyter_book"):
        main = "jupyter_book.cli.main"
        arguments = ["build", str(STAGE), "--path-output", str(BUILD.parent)]
    else:
        main = "sphinx.cmd.build"
        arguments = ["-c", str(ROOT), "-d", str(BUILD / ".doctrees"), str(STAGE), str(BUILD / "html")]
    # a process of its own, which ends with this one
    start = f"import sys; from lib import processes; processes.follow_named_parent(); from {main} import main"
    return [sys.executable, "-c", f"{start}; sys.exit(main())", *arguments, "-W", "--keep-going", "-q"]


def sphinx_problem(log: str, code: int) -> str | None:
    """The first warning or error of a Sphinx log in one line, None if there is none."""
    for line in log.splitlines():
        if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line):
            return line.replace(str(STAGE) + "/", "").strip()
    return last_line(log, "failed without a word") if code else None
