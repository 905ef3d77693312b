"""Runs side by side: the claims of several runs of a chapter, in a terminal and as a picture.

A run is a folder that `lib run` wrote, an executed notebook, or the word `book`: the committed chapter.
"""

from pathlib import Path

from lib.book.chapter import find
from lib.book.runs import Run, of_notebook, read
from lib.errors import BookError
from lib.page import plotting, tables
from lib.page.records import Record

BOOK = "book"
TICKS = (-1000, -100, -30, -10, -3, 0, 1, 3, 10, 30, 100, 1000)  # of an axis that is linear around zero only


def load(names: list[str]) -> list[Run]:
    """The runs of these names, in order. BookError names one that cannot be read, is not finished, or comes twice.

    `book` stands for the committed chapter of the other runs, so at least one of them must be given.
    """
    found = {name: read(Path(name)) for name in dict.fromkeys(names) if name != BOOK}
    if len(names) < 2 or len(set(names)) < len(names):
        raise BookError(f"give two or more different runs, not {' '.join(names)}; `book` is the committed chapter")
    chapters = list(dict.fromkeys(run.chapter for run in found.values()))
    if BOOK in names and len(chapters) > 1:
        raise BookError(f"`book` beside runs of several chapters ({', '.join(chapters)}): give runs of one")
    if BOOK in names:
        found[BOOK] = of_notebook(find(chapters[0]), BOOK)
    return [found[name] for name in names]


def show(run: list[str]) -> None:
    """`lib compare`."""
    print(table(load(run)))


# The table -------------------------------------------------------------------------------------------------


def table(runs: list[Run]) -> str:
    """Parameters that differ, then every claim: value(error) in each run, and its verdict there."""
    names = ["", *(run.name for run in runs)]
    parameters = dict.fromkeys(name for run in runs for name in run.parameters)
    values = {name: [repr(run.parameters.get(name, "-")) for run in runs] for name in parameters}
    differing = [[name, *row] for name, row in values.items() if len(set(row)) > 1]
    keys = dict.fromkeys(key for run in runs for key in run.results)
    rows = [[key, *(_cell(run.results.get(key)) for run in runs)] for key in keys]
    empty = [""] * len(runs)
    return tables.aligned([names, *(differing or [["(same parameters)", *empty]]), ["", *empty], *rows])


def _cell(record: Record | None) -> str:
    if record is None:
        return "-"
    return record.word if record.value is None else f"{record.text} {record.word}"


# The picture -----------------------------------------------------------------------------------------------


def deviations(run: Run) -> dict[str, float]:
    """key -> (value - exact reference) / error, for the claims of this run that have all three."""
    return {key: record.deviation for key, record in run.results.items() if record.deviation is not None}


def ratios(run: Run, base: Run) -> dict[str, tuple[float, float]]:
    """key -> (value / value in `base`, its error): claims of both, where the latter is not zero."""
    found = {}
    for key, record in run.results.items():
        other = base.results.get(key)
        if record.value is not None and other and other.value:
            found[key] = (record.value / other.value, (record.error or 0.0) / abs(other.value))
    return found


def draw(runs: list[Run], width: float = 8.4):
    """Figure and axes. A claim is a row, a run a colour and a marker.

    Left: how far each run is from its own exact answers, in its errors. Right: its values over those of the last run,
    which is the one to compare with.
    """
    import matplotlib.pyplot as plt

    *others, base = runs
    keys = list(dict.fromkeys(key for run in runs for key in (*deviations(run), *ratios(run, base))))
    place = {key: -k for k, key in enumerate(keys)}
    figure, (left, right) = plt.subplots(1, 2, figsize=(width, 1.4 + 0.22 * len(keys)), sharey=True)
    left.axvspan(-3, 3, color="0.92", zorder=0)
    for axis, middle in ((left, 0), (right, 1)):
        axis.axvline(middle, color="0.5", lw=0.8, zorder=0)
    for number, (run, role) in enumerate(zip([base, *others], plotting.ordered(len(runs)), strict=True)):
        style = role.points | {"label": _label(run)}
        shift = 0.6 * ((number + 0.5) / len(runs) - 0.5)
        distance = deviations(run)
        left.plot(list(distance.values()), [place[key] - shift for key in distance], **style)
        if number:
            ratio = ratios(run, base)
            values, errors = zip(*ratio.values(), strict=True) if ratio else ((), ())
            right.errorbar(values, [place[key] - shift for key in ratio], xerr=errors, **style)
    for axis, around in ((left, 0), (right, 1)):
        low, high = axis.dataLim.intervalx
        if max(high - around, around - low) > 12:  # one claim far off must not squeeze the others
            axis.set_xscale("symlog", linthresh=4)
            axis.set_xticks(ticks := [t for t in TICKS if low <= t <= high], [f"{t:g}" for t in ticks])
            axis.minorticks_off()
    left.set(xlabel="(value - exact) / error", yticks=list(place.values()), yticklabels=keys)
    left.tick_params(axis="y", labelsize=8)
    right.set(xlabel=f"value / value of {_label(base)}")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=min(3, len(runs)))
    return figure, (left, right)


def _label(run: Run) -> str:
    return Path(run.name).name
