"""pytest plugin for nbval, loaded with `-p tests.verdicts`: what is compared when a chapter is executed again.

In a cell tagged `nbval-check-output` are compared, exactly: the verdict of every claim, from its record, what is
printed, and stderr, which a chapter leaves empty. Nothing else that is displayed is compared (pictures, HTML, plain
text, claim values, glue): it holds measured digits. Kernels are this interpreter with the environment of
`lib.book.kernel`: one thread, this lib.

Chapters of which every cell passed are recorded with what they depend on, for `python -m lib fresh --accept`.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from nbformat import v4
from nbval import kernel
from nbval.plugin import IPyNbFile

from lib import cache
from lib.book import freshness
from lib.book import kernel as environment
from lib.book.chapter import Chapter, chapters
from lib.errors import BookError
from lib.page.claims import MIME

BEFORE = pytest.StashKey()  # path -> digest of what a chapter depends on, when the session starts
OUTCOMES: dict[str, dict[str, bool]] = {}  # file as pytest names it -> cell -> did it pass?
FOLDER = tempfile.mkdtemp()  # of the kernels: their sockets and settings, and the networks they train
os.environ[cache.SWITCH] = str(Path(FOLDER) / "cache")  # nothing that was trained before


def _over_files(**options):
    """A kernel manager that talks over files, for the reason given in `lib.book.kernel.connection`."""
    return KernelManager(**options | environment.connection(tempfile.mkdtemp(dir=FOLDER)))


def pytest_configure(config):
    os.environ.update(environment.variables(Path(FOLDER)))  # nbval's kernels inherit it
    kernel.KernelManager = _over_files
    config.option.nbval_current_env = True


def pytest_unconfigure(config):
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_collection_modifyitems(items):
    """The longest chapters first, so that of two processes none is left alone with one of them."""
    seconds = {chapter.path: chapter.measured.get("seconds") or 0 for chapter in chapters()}
    items.sort(key=lambda item: -seconds.get(item.path, 0))  # cells of a chapter keep their order


def pytest_itemcollected(item):
    file = item.parent
    if isinstance(file, IPyNbFile) and "data" not in file.skip_compare:
        file.skip_compare += ("data",)  # nbval's name for all MIME types of display_data and execute_result
    if isinstance(file, IPyNbFile):
        item.compare_outputs = partial(_compare, item.compare_outputs)


def _compare(compare, test, ref) -> bool:
    """nbval's comparison, of outputs to which the verdicts of the claims are added as a stream of their own."""
    return compare(test + verdicts(test), ref + verdicts(ref))


def verdicts(outputs) -> list:
    """What these outputs say about claims, as nbval takes a stream: `KEY: passed (at most 3)`, one line each."""
    records = [output["data"][MIME] for output in outputs if MIME in output.get("data", {})]
    lines = "".join(f"{record['key']}: {record['verdict']}\n" for record in records)
    return [v4.new_output("stream", name="verdict", text=lines)] if lines else []


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):  # of several processes this is the one that hears of every cell
        session.config.stash[BEFORE] = _digests()


def pytest_runtest_logreport(report):
    file, _, cell = report.nodeid.partition("::")
    passed = report.passed and not hasattr(report, "wasxfail")
    cells = OUTCOMES.setdefault(file, {})
    cells[cell] = cells.get(cell, True) and passed


def pytest_sessionfinish(session):
    before = session.config.stash.get(BEFORE, None)
    if before is None:
        return
    tried = {session.config.rootpath / file: cells for file, cells in OUTCOMES.items()}
    tried = {path: cells for path, cells in tried.items() if path in before}
    failed = {path.stem for path, cells in tried.items() if not all(cells.values())}
    whole = {path for path, cells in tried.items() if path.stem not in failed and len(cells) == _n_cells(path)}
    now = _digests() if tried else {}  # of what was edited meanwhile nothing is known
    same = {path.stem: now[path] for path in whole if now.get(path) == before[path]}
    if same or failed:
        freshness.record_verified(same, failed=failed)


def _n_cells(path) -> int:
    return sum(cell.cell_type == "code" for cell in Chapter(path).notebook.cells)


def _digests() -> dict:
    """Of the chapters that can be read."""
    found = {}
    for chapter in chapters():
        try:
            found[chapter.path] = freshness.digest(chapter)
        except BookError:
            continue
    return found
