"""What a sweep is to do: every combination of the given values is one run. The folder of a sweep:

    L=8_T0=2.2-1f0c.../     a finished run, as `python -m lib run` leaves it; also one whose chapter failed in a cell
    unfinished/             attempts that were cut off, each in a folder of its own; nothing reads them again
    results.csv             one row a run, written anew after every run
    overview.ipynb          table and figures, made from results.csv at the end

A run is known by its parameters and by the hash of everything its chapter depends on (`freshness.inputs`). One that is
there is not carried out again: the same command with the same `--out` goes on, and other values add to it.
"""

import contextlib
import itertools
import json
import math
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from lib import files
from lib.book import freshness
from lib.book.chapter import Chapter, find
from lib.book.execute import say
from lib.book.runs import check_parameters, stamped
from lib.book.sweep import cluster, worker
from lib.book.sweep.table import CSV, STATE, Table
from lib.errors import BookError, Failed, Interrupted

MOST_RUNS = 10_000
PLAN = "sweep.json"


@dataclass(frozen=True)
class Combination:
    """A run to be. given: what to inject; values: every parameter; name: of its folder; key: see `run_key`."""

    given: dict
    values: dict
    name: str
    key: str

    @property
    def pairs(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.given.items()]


# Which runs ------------------------------------------------------------------------------------------------


def run_key(chapter: Chapter, values: dict, code: str) -> str:
    """What makes a run: chapter, every parameter, and the code."""
    return freshness.sha(json.dumps([chapter.name, values, code], sort_keys=True))


def combinations(chapter: Chapter, lists: list[str], smoke: bool = False) -> tuple[list[Combination], list[str]]:
    """The runs of `-p NAME=VALUE,VALUE,...` texts, in order, and the names that were given.

    BookError names every combination that the chapter's rules do not allow.
    """
    options = _options(lists)
    total = math.prod(len(values) for values in options.values())
    if total > MOST_RUNS:
        raise BookError(f"{total} combinations are more than {MOST_RUNS}; give fewer values")
    code = freshness.digest(chapter)
    runs, wrong = {}, {}
    for values in itertools.product(*options.values()):
        pairs = [f"{name}={value}" for name, value in zip(options, values, strict=True)]
        try:
            given = check_parameters(chapter, pairs, smoke)
        except BookError as error:
            wrong.setdefault(str(error), []).append(" ".join(pairs))
            continue
        every = chapter.defaults | given
        key = run_key(chapter, every, code)
        label = "_".join(f"{name}={every[name]}" for name in options) or chapter.name
        runs.setdefault(key, Combination(given, every, f"{_plain(label)}-{key}", key))  # 2.2 and 2.20 are one
    if wrong:
        raise BookError(_refusal(wrong, total))
    if taken := sorted({*STATE} & {*chapter.parameters}):
        raise BookError(f"parameter {taken[0]!r} has the name of a column of {CSV}; rename it")
    return list(runs.values()), list(options)


def _options(lists: list[str]) -> dict[str, list[str]]:
    """Name -> its values, as texts."""
    options: dict[str, list[str]] = {}
    for text in lists:
        name, equals, values = text.partition("=")
        if not equals:
            raise BookError(f"-p {text}: write it as NAME=VALUE or NAME=VALUE,VALUE,...")
        if name in options:
            raise BookError(f"{name} is given twice; write all its values at once: -p {name}=VALUE,VALUE,...")
        options[name] = list(dict.fromkeys(values.split(",")))
    return options


def _refusal(wrong: dict[str, list[str]], total: int) -> str:
    """wrong: what is wrong -> the combinations that it is wrong with."""
    if total == 1:
        return "; ".join(wrong)
    count = sum(map(len, wrong.values()))
    lines = [f"{line} ({'; '.join(which)})" for line, which in wrong.items()]
    return f"{count} of {total} combinations cannot run: {'; '.join(lines)}"


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() or c in "=.,+-_" else "_" for c in label)[:100].lstrip(".")


# The sweep -------------------------------------------------------------------------------------------------


def sweep(
    chapter: str,
    parameter: list[str],
    smoke: bool = False,
    out: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> None:
    """`lib sweep`: carry out the runs that are not there yet, gather all of them.

    scheduler: address of a Dask cluster; default: a local one with `workers` processes. retry_failed: carry out runs
    again whose chapter failed in a cell. BookError, before anything runs: combinations that are not allowed, a folder
    that is no sweep of this chapter or is being worked on, a scheduler that does not answer. Failed if any run did not
    finish.
    """
    if workers is not None and scheduler is not None:
        raise BookError("--workers is for a local cluster; the one at --scheduler has its own workers")
    if workers is not None and workers < 1:
        raise BookError(f"--workers {workers}: give at least 1")
    from lib.book.sweep import overview  # it draws: the runs need not wait for matplotlib

    source = find(chapter)
    runs, names = combinations(source, parameter, smoke)
    folder = out or stamped(f"{source.name}-sweep")
    with _claimed(folder, source):
        if retry_failed:
            _set_aside_failed(folder, runs)
        table = Table(folder, freshness.digest(source), runs, names)
        waiting = [run for run in runs if run.name not in table.rows]
        there = len(runs) - len(waiting)
        say(f"{folder}: {len(runs)} runs of {source.name}" + (f", {there} there already" if there else ""))
        try:
            changed = table.write()
            if waiting:
                _carry_out(waiting, source, table, scheduler, workers)
            if waiting or changed or not (folder / overview.NAME).exists():
                overview.write(folder, source.name)
        except (KeyboardInterrupt, cluster.Gone) as error:
            done = f"{sum(run.name in table.rows for run in runs)} of {len(runs)} runs are there"
            go_on = f"{done}, repeat with --out {folder} to go on"
            if isinstance(error, cluster.Gone):
                raise Failed(f"the scheduler has gone; {go_on}") from None
            raise Interrupted(f"interrupted; {go_on}") from None
    count = table.count()
    say(f"{folder}: {CSV}, {overview.NAME}; " + ", ".join(f"{n} {status}" for status, n in count.most_common()))
    if failed := len(runs) - count["finished"]:
        raise Failed(f"{failed} of {len(runs)} runs did not finish; see failure in {folder / CSV}")


def _carry_out(waiting: list[Combination], chapter: Chapter, table: Table, scheduler, workers) -> None:
    """Hand the runs to the cluster and take them in as they finish. Nothing of them is left running at the end."""
    total = len(table.runs)
    outcomes = cluster.carry_out(waiting, chapter.path, table.folder, table.code, scheduler, workers)
    with contextlib.closing(outcomes):
        for number, (run, outcome) in enumerate(outcomes, total - len(waiting) + 1):
            table.add(run.name, outcome)
            table.write()
            told = " ".join(f"{name}={run.values[name]}" for name in table.names) or run.name
            end = f"{outcome['status']}: {outcome['failure']}"
            if outcome["status"] == "finished":
                end = f"finished in {outcome['record']['seconds']:.0f} s"
            say(f"[{number}/{total}] {told}: {end}")


# Its folder ------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _claimed(folder: Path, chapter: Chapter):
    """The folder of the sweep, made or taken up again, and nobody else's for the time being."""
    plan = folder / PLAN
    if folder.exists() and not plan.is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise BookError(f"{folder} exists already and is no sweep; name a new folder with --out")
    for part in (worker.PARTS, worker.LOCKS):
        (folder / part).mkdir(parents=True, exist_ok=True)
    busy = f"another sweep is at work in {folder}; wait for it or name another folder"
    with files.lock(folder / worker.LOCKS / PLAN, busy):
        if not plan.is_file():
            files.write_json(plan, {"chapter": chapter.name})
        name = files.read_json(plan)["chapter"]
        if name != chapter.name:
            raise BookError(f"{folder} is a sweep of {name}, not of {chapter.name}; name another folder with --out")
        yield


def _set_aside_failed(folder: Path, runs: list[Combination]) -> None:
    """Move the runs that failed in a cell to the unfinished ones, so that they are carried out again."""
    for run in runs:
        if (folder / run.name).is_dir() and worker.read(folder / run.name)["status"] == "failed":
            shutil.move(folder / run.name, folder / worker.PARTS / f"{run.name}.failed-{uuid.uuid4().hex[:8]}")
