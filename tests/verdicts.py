"""pytest plugin for nbval, loaded with `-p tests.verdicts`: what is compared when a chapter is executed again.

In a cell tagged `nbval-check-output` the streams are compared, exactly: verdict lines on stdout, and stderr, which a
chapter leaves empty. Displayed data is not compared in any form (pictures, HTML, plain text, claim values, glue): it
holds measured digits. Kernels are this interpreter with the environment of `lib.book.kernel`: one thread, this lib.

Chapters of which every cell passed are recorded with what they depend on, for `python -m lib fresh --accept`.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from jupyter_client.manager import KernelManager
from nbval import kernel
from nbval.plugin import IPyNbFile

from lib import cache
from lib.book import freshness
from lib.book import kernel as environment
from lib.book.chapter import Chapter, chapters
from lib.errors import BookError

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


def pytest_itemcollected(item):
    file = item.parent
    if isinstance(file, IPyNbFile) and "data" not in file.skip_compare:
        file.skip_compare += ("data",)  # nbval's name for all MIME types of display_data and execute_result


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
            found[chapter.path] = freshness.digest(freshness.inputs(chapter))
        except BookError:
            continue
    return found
