"""Runs: one chapter executed into a folder, with parameters of one's own.

The folder of a run, new with it and never written over:

    ising.ipynb     the executed notebook
    params.json     chapter, every parameter, versions, machine, seconds, memory, error
    results.json    the claims that were reported
    INCOMPLETE      there until the run has come to its end, or to a failing cell
"""

import time
from dataclasses import dataclass
from pathlib import Path

from lib import files
from lib.book import execute as executing
from lib.book import freshness, results, usage
from lib.book.chapter import Chapter, find
from lib.book.execute import say
from lib.errors import BookError, Failed, Interrupted
from lib.page import parameters
from lib.page.records import Record, line
from lib.paths import RUNS

MARK = "INCOMPLETE"


@dataclass(frozen=True)
class Run:
    """One execution of a chapter.

    name: as the reader knows it, the path of its folder; chapter: name; parameters: name -> value, every one;
    results: key -> record; outcome: of the execution, None where it was read from a folder.
    """

    name: str
    chapter: str
    parameters: dict
    results: dict[str, Record]
    outcome: executing.Outcome | None = None


# Carry out, and read ---------------------------------------------------------------------------------------


def carry_out(chapter: Chapter, given: dict, folder: Path, keep_numbers: bool = False, **more) -> Run:
    """Execute a chapter with these parameters into a new folder.

    given: values of parameters other than the defaults. keep_numbers: those measured on a reader's own data belong to
    the results. more: goes into `params.json`. BookError where the folder is there or cannot be made; failures of the
    execution are in the outcome.
    """
    if folder.exists():
        raise BookError(f"{folder} exists already; name a new folder with --out")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BookError(f"cannot make {folder}: {error.strerror}; name another folder with --out") from None
    files.write_text(folder / MARK, "This run has not finished. The file goes away when it does.\n")
    record = {
        "chapter": chapter.name,
        "parameters": chapter.defaults | given,
        "versions": usage.versions(),
        "machine": usage.machine(),
        "lib_hash": freshness.lib_hash(),
        **dict.fromkeys(("seconds", "memory", "error")),
        **more,
    }
    files.write_json(folder / "params.json", record)
    output = folder / chapter.path.name
    outcome = executing.execute(chapter.path, output, given)
    record |= {"seconds": round(outcome.seconds, 1), "memory": outcome.memory, "error": outcome.error}
    executed = Chapter(output)
    found = executed.claims | (executed.numbers if keep_numbers else {}) if output.exists() else {}
    files.write_json(folder / "results.json", [each.to_json() for each in found.values()])
    files.write_json(folder / "params.json", record)
    if not outcome.stopped:
        (folder / MARK).unlink()
    return Run(str(folder), chapter.name, record["parameters"], found, outcome)


def read(folder: Path) -> Run:
    """The run in this folder, or an executed notebook. BookError where it is not finished, damaged, or no run."""
    if folder.suffix == ".ipynb":
        return of_notebook(Chapter(folder), str(folder))
    if not folder.is_dir():
        raise BookError(f"no run {folder}; give a folder that `lib run` wrote, a notebook, or the word book")
    if (folder / MARK).exists():
        raise BookError(f"{folder} is marked {MARK}: that run did not get to its end; run it again")
    try:
        record = files.read_json(folder / "params.json")
        return Run(str(folder), record["chapter"], record["parameters"], results.read(folder))
    except FileNotFoundError as error:
        raise BookError(f"{folder} is no run, it has no {Path(error.filename).name}; run it again") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BookError(f"{folder / 'params.json'} is damaged ({type(error).__name__}: {error})") from None


def of_notebook(chapter: Chapter, name: str) -> Run:
    """What an executed notebook says, as a run at the parameters in its parameters cell."""
    return Run(name, chapter.name, chapter.defaults, chapter.claims)


# What may be given -----------------------------------------------------------------------------------------


def check_parameters(chapter: Chapter, pairs: list[str], smoke: bool = False) -> dict:
    """What to inject, from `-p NAME=VALUE` texts and the smoke preset. Refuses what is not allowed."""
    declared, entry = chapter.parameters, parameters.declared().get(chapter.name)
    given = {}
    if smoke:
        if entry is None or entry.smoke is None:
            raise BookError(f"{chapter.name} has no smoke preset in book/parameters.yml; leave --smoke out")
        given |= entry.smoke
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise BookError(f"-p {pair}: write it as NAME=VALUE")
        if name not in declared:
            raise BookError(f"unknown parameter {name!r} of {chapter.name}; it has: {', '.join(declared)}")
        if "," in text and declared[name].kind is not str:
            raise BookError(
                f"{name}={text!r} is not possible; give one value, "
                f"or run all of them: python -m lib sweep {chapter.name} -p {name}={text}"
            )
        given[name] = parameters.parse(name, text, declared[name].kind)
    if entry is not None:
        parameters.check(chapter.name, chapter.defaults | given)
    return given


def check_change(chapter: str, change: str, **_) -> None:
    """The parameters of `rerun`: another chapter, and NAME=VALUE with one of its parameters."""
    there = [name for name in parameters.declared() if name != "rerun"]
    if chapter not in there:
        raise parameters.ParameterError(
            f"chapter={chapter!r}: no such chapter to rerun; give one of: {', '.join(there)}"
        )
    name, equals, value = change.partition("=")
    if not (equals and value) or " " in change or name not in parameters.rules(chapter):
        raise parameters.ParameterError(
            f"change={change!r} is not possible; give NAME=VALUE with a parameter of {chapter}"
        )


def stamped(name: str) -> Path:
    """The folder of a run or a sweep of this name that starts now."""
    return RUNS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


# The commands ----------------------------------------------------------------------------------------------


def run(chapter: str, parameter: list[str], smoke: bool, out: Path | None) -> None:
    """`lib run`."""
    source = find(chapter)
    given = check_parameters(source, parameter, smoke)
    done = carry_out(source, given, out or stamped(source.name))
    tell(done, list(done.results.values()))


def tell(done: Run, told: list[Record]) -> None:
    """Print what was found. Interrupted or Failed where the execution did not get to its end."""
    outcome = done.outcome
    if outcome.stopped:
        error = Interrupted if outcome.interrupted else Failed
        raise error(f"{outcome.error}; {done.name} is marked {MARK}")
    for record in told:
        say(line(record))
    say(f"{done.name}: {outcome.path.name}, results.json, params.json; {outcome.seconds:.0f} s")
    if outcome.error:
        raise Failed(outcome.error)
