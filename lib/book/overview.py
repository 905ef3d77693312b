"""The overview notebook of a sweep, made from its results.csv and nothing else: the same csv gives the same notebook.

Claims are columns of four: KEY, `KEY error`, `KEY reference`, `KEY verdict`; parameters come before the column `run`.
"""

import contextlib
import csv
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
from nbformat import v4

from lib.book import execute, notebooks
from lib.errors import BookError
from lib.page import plotting, tables
from lib.page.tables import value_text

TITLE = """# {chapter}: a sweep

Made from `results.csv`, one row a run: values with their errors as the chapter reported them."""
SETUP = """from lib.book import overview
from lib.page import plotting

plotting.use_style()
sweep = overview.read("results.csv")"""


@dataclass(frozen=True)
class Sweep:
    """rows: one dict a run, parameters as numbers where they are numbers. parameters, varied, claims: column names;
    varied are the parameters with more than one value, in the order of the columns."""

    rows: list[dict]
    parameters: list[str]
    varied: list[str]
    claims: list[str]

    def of(self, status: str) -> list[dict]:
        return [row for row in self.rows if row["status"] == status]

    def lines(self, claim: str) -> dict[tuple, list[tuple]]:
        """{values of the other varied parameters: [(x, value, error or 0, reference or None)]}, x the first varied."""
        found: dict[tuple, list[tuple]] = {}
        for row in self.rows:
            if isinstance(row[claim], float):
                rest = tuple(row[name] for name in self.varied[1:])
                error, reference = row[f"{claim} error"], row[f"{claim} reference"]
                point = (row[self.varied[0]], row[claim], error or 0.0, None if reference == "" else reference)
                found.setdefault(rest, []).append(point)
        return {rest: sorted(points, key=lambda p: (isinstance(p[0], str), p[0])) for rest, points in found.items()}


def read(path) -> Sweep:
    """The sweep in this results.csv; lines that start with # are comments. BookError if it is none."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(line for line in file if not line.startswith("#"))
            rows = [{name: _number(text) for name, text in row.items()} for row in reader]
            columns = reader.fieldnames or []
    except OSError as error:
        raise BookError(f"cannot read {path}: {error.strerror}") from None
    if "run" not in columns or "status" not in columns:
        raise BookError(f"{path} is no table of a sweep: it has no columns run and status")
    parameters = columns[: columns.index("run")]
    claims = [name.removesuffix(" verdict") for name in columns if name.endswith(" verdict")]
    varied = [name for name in parameters if len({row[name] for row in rows}) > 1]
    return Sweep(rows, parameters, varied, claims)


def _number(text: str):
    try:
        return float(text)
    except ValueError:
        return text


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


def draw(sweep: Sweep, claim: str):
    """Figure of a claim against the first varied parameter, one line for each combination of the others.

    Black: the reference, where it depends on nothing but the first parameter.
    """
    lines = sweep.lines(claim)
    figure, axis = plt.subplots()
    colours = plotting.PALETTE
    if len(lines) > len(colours):
        colours = [mpl.colormaps[plotting.SEQUENTIAL](0.9 * k / (len(lines) - 1)) for k in range(len(lines))]
    for colour, marker, style, (rest, points) in zip(
        colours, itertools.cycle(plotting.MARKERS), itertools.cycle(plotting.LINES), lines.items(), strict=False
    ):
        x, y, error, _ = zip(*points, strict=True)
        label = ", ".join(f"{name} = {_plain(value)}" for name, value in zip(sweep.varied[1:], rest, strict=True))
        axis.errorbar(x, y, error, color=colour, marker=marker, ls=style, label=label or None)
    known: dict = {}
    for x, _, _, reference in itertools.chain(*lines.values()):
        known.setdefault(x, set()).add(reference)
    if all(len(values) == 1 and None not in values for values in known.values()):
        exact = sorted(((x, *values) for x, values in known.items()), key=lambda p: (isinstance(p[0], str), p[0]))
        axis.plot(*zip(*exact, strict=True), color=plotting.EXACT, ls="-", lw=1, label="reference", zorder=0)
    axis.set(xlabel=sweep.varied[0], ylabel=claim)
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, ncols=1 + len(lines) // 10)
    return figure


def make(sweep: Sweep, chapter: str):
    """The notebook, not yet executed."""
    cells = [
        v4.new_markdown_cell(TITLE.format(chapter=chapter)),
        v4.new_code_cell(SETUP),
        v4.new_markdown_cell("## Runs"),
        v4.new_code_cell("overview.show_runs(sweep)"),
        v4.new_markdown_cell("## Runs that did not finish"),
        v4.new_code_cell("overview.show_failures(sweep)"),
    ]
    drawn = [claim for claim in sweep.claims if sweep.varied and sweep.lines(claim)]
    if drawn:
        others = " and ".join(sweep.varied[1:])
        text = f"## Claims against {sweep.varied[0]}" + (f"\n\nOne line for each {others}." if others else "")
        cells.append(v4.new_markdown_cell(text))
    for claim in drawn:
        alt = f"{claim} against {sweep.varied[0]}, {len(sweep.lines(claim))} line(s) with errors"
        figure = {"image": {"alt": alt}, "figure": {"name": f"fig-{claim.replace('.', '-')}", "caption": f"`{claim}`"}}
        source = f'overview.draw(sweep, "{claim}")\noverview.plt.show()'
        cells.append(v4.new_code_cell(source, metadata={"mystnb": figure}))
    if left := [claim for claim in sweep.claims if claim not in drawn]:
        cells.append(v4.new_markdown_cell(f"Without a figure, for want of values: {', '.join(left)}."))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"  # the same table, the same notebook
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


def write(table: Path, output: Path, chapter: str) -> None:
    """The executed overview of this results.csv. BookError if it cannot be executed; an old one then stays."""
    source, made = output.with_name(f".{output.name}"), output.with_name(f".made-{output.name}")
    try:
        notebooks.write(notebooks.tidy(make(read(table), chapter)), source)
        with contextlib.redirect_stdout(io.StringIO()):  # progress, which takes no longer than to read it
            outcome = execute.execute(source, made, cwd=table.parent)
        if outcome.interrupted:
            raise KeyboardInterrupt
        if outcome.error:
            raise BookError(f"{output.name} could not be made: {outcome.error.partition(': ')[2]}")
        notebooks.write(notebooks.tidy(notebooks.read(made)), output)
    finally:
        for path in (source, made):
            path.unlink(missing_ok=True)
