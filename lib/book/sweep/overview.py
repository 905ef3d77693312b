"""The overview of a sweep: the notebook beside this file, executed where its results.csv is.

It is made from results.csv and nothing else: the same table gives the same notebook.
"""

import contextlib
import io
import itertools
from pathlib import Path

import matplotlib.pyplot as plt

from lib.book import execute, notebooks
from lib.book.sweep.table import Sweep
from lib.errors import Failed
from lib.page import plotting, tables
from lib.page.tables import value_text

TEMPLATE = Path(__file__).with_name("overview.ipynb")
NAME = TEMPLATE.name


def write(folder: Path, chapter: str) -> None:
    """The executed overview of the sweep in this folder. Failed if it cannot be executed; an old one then stays."""
    made = folder / f".made-{NAME}"
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # progress, which takes no longer than to read it
            outcome = execute.execute(TEMPLATE, made, cwd=folder)
        if outcome.interrupted:
            raise KeyboardInterrupt
        if outcome.error:
            raise Failed(f"{NAME} could not be made: {outcome.error.partition(': ')[2]}")
        notebook = notebooks.tidy(notebooks.read(made))
        notebook.cells[0].source = notebook.cells[0].source.replace("A sweep", f"A sweep of `{chapter}`")
        notebooks.write(notebook, folder / NAME)
    finally:
        made.unlink(missing_ok=True)


# What the notebook calls -----------------------------------------------------------------------------------


def _plain(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_runs(sweep: Sweep) -> None:
    """Table of all runs: varied parameters, status, seconds, and the claims."""
    shown = [claim for claim in sweep.claims if any(isinstance(row[claim], float) for row in sweep.rows)]
    rows = [
        [*(_plain(row[name]) for name in sweep.varied), str(row["status"]), _plain(row["seconds"])]
        + [_claim(row, claim) for claim in shown]
        for row in sweep.rows
    ]
    tables.show([*sweep.varied, "status", "seconds", *shown], rows)


def _claim(row: dict, claim: str) -> str:
    if not isinstance(row[claim], float):
        return ""
    mark = " FAILED" if str(row[f"{claim} verdict"]).startswith("FAILED") else ""
    return value_text(row[claim], row[f"{claim} error"] or None) + mark


def show_failures(sweep: Sweep) -> None:
    """Table of the runs that did not finish, with the reason; a line where there are none."""
    rows = [row for row in sweep.rows if row["status"] != "finished"]
    if not rows:
        print("every run finished")
        return
    table = [[*(_plain(row[n]) for n in sweep.varied), str(row["status"]), str(row["failure"])] for row in rows]
    tables.show([*sweep.varied, "status", "failure"], table)


def show_claims(sweep: Sweep) -> None:
    """A figure of every claim that has values, and the names of the others."""
    drawn = [claim for claim in sweep.claims if sweep.lines(claim)]
    for claim in drawn:
        draw(sweep, claim)
        plt.show()
    if left := [claim for claim in sweep.claims if claim not in drawn]:
        print(f"Without a figure, for want of values: {', '.join(left)}.")


def draw(sweep: Sweep, claim: str):
    """Figure of a claim against the first varied parameter, one line for each combination of the others.

    Black: the reference, where it depends on nothing but the first parameter.
    """
    lines = sweep.lines(claim)
    figure, axis = plt.subplots()
    for role, (rest, points) in zip(plotting.ordered(len(lines)), lines.items(), strict=True):
        x, y, error, _ = zip(*points, strict=True)
        label = ", ".join(f"{name} = {_plain(value)}" for name, value in zip(sweep.varied[1:], rest, strict=True))
        axis.errorbar(x, y, error, **role.joined, label=label or None)
    known: dict = {}
    for x, _, _, reference in itertools.chain(*lines.values()):
        known.setdefault(x, set()).add(reference)
    if all(len(values) == 1 and None not in values for values in known.values()):
        exact = sorted(((x, *values) for x, values in known.items()), key=lambda p: (isinstance(p[0], str), p[0]))
        axis.plot(*zip(*exact, strict=True), **plotting.exact.line, lw=1, label="reference", zorder=0)
    axis.set(xlabel=sweep.varied[0], ylabel=claim)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, ncols=1 + len(lines) // 10)
    return figure
