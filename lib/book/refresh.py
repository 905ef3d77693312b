"""Execute chapters from scratch, hold them to the ledger, stamp them, and write them back as committed notebooks."""

import contextlib
from pathlib import Path

from lib import files
from lib.book import execute, freshness, notebooks, results, usage
from lib.book.chapter import Chapter, chapters, named
from lib.book.execute import say
from lib.errors import BookError
from lib.page import claims
from lib.paths import BOOK, BUILD


def run(chapter: list[str], write: bool) -> None:
    """`lib execute`: these chapters at their defaults, all where none is named; with `write` as the committed ones."""
    wanted = named(chapter)
    with building():
        if write:
            refresh(wanted)
        else:
            _, failures = run_chapters(fresh_outputs(wanted, BUILD / "execute"))
            raise_all(failures)


@contextlib.contextmanager
def building():
    """One command at a time in _build: another would delete the stage under this one.

    The second is refused, and does not wait: for half an hour without a word it would look as if it hung.
    """
    BUILD.mkdir(exist_ok=True)
    with files.lock(BUILD / ".lock", f"another command is at work in {BUILD}; wait for it to end, or end it"):
        yield


def run_chapters(jobs: list[tuple[Path, Path]], complete: bool = True) -> tuple[list[Path], list[str]]:
    """Execute chapters from scratch, (source, output) pairs: outputs, finished, of those that came to their end, and
    one line for every failure.

    A claim out of its bar fails its cell. complete: a claim of the ledger that no cell reports is a failure, too, and
    not only said.
    """
    # from before the execution: taken afterwards, they would call a chapter fresh whose lib was edited while it ran
    inputs = {output: freshness.inputs(Chapter(source)) for source, output in jobs}
    done, failures = [], []
    for outcome in execute.execute_all(jobs):
        if outcome.error:
            failures.append(outcome.error)
            continue
        if missing := unreported(Chapter(outcome.path)):
            line = f"{outcome.path.stem}: in data/claims.yml but not reported: {', '.join(missing)}"
            say(line)
            failures += [line] * complete
        finish(outcome, inputs[outcome.path])
        done.append(outcome.path)
    return done, failures


def raise_all(problems: list[str]) -> None:
    if problems:
        raise BookError("; ".join(problems))


def unreported(chapter: Chapter) -> list[str]:
    """Claims of this chapter that its notebook does not report."""
    own = [key for key, entry in claims.ledger().items() if entry["chapter"] == chapter.name]
    return [key for key in own if key not in chapter.claims]


def finish(outcome: execute.Outcome, inputs: dict[str, str]) -> None:
    """Turn the notebook just executed into the form that is committed: tidy, and stamped with its inputs."""
    notebook = notebooks.read(outcome.path)
    cells = notebooks.code_cells(notebook)
    took = [cell.metadata.get("papermill", {}).get("duration") for cell in cells]
    cost = {"seconds": round(notebook.metadata.papermill.duration), "memory": outcome.memory}
    cost["cell_seconds"] = [round(t or 0, 1) for t in took]
    for cell in cells:
        cell.outputs = _joined(cell.outputs)
    freshness.stamp(notebook, inputs, cost | {"versions": usage.versions(), "machine": usage.machine()})
    notebooks.write(notebooks.tidy(notebook), outcome.path)


def _joined(outputs: list) -> list:
    """Outputs in which text printed without anything between is one piece; the kernel sends it in pieces, by chance.

    nbclient's own `coalesce_streams` would move what is printed after a figure before it.
    """
    result = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            result.append(output)
    return result


def refresh(wanted: list[Chapter]) -> None:
    """Execute chapters and write them back as committed notebooks, and the results page with them.

    One that failed stays as it was, and so does one that was edited in the meantime. BookError names both.
    """
    jobs = fresh_outputs(wanted, BUILD / "refresh")
    before = {source: source.read_bytes() for source, _ in jobs}
    # a chapter may grow claim by claim; the tests want them all
    done, problems = run_chapters(jobs, complete=False)
    for source, output in jobs:
        if output not in done:
            continue
        if source.read_bytes() != before[source]:
            problems.append(f"{source.stem}: edited while it was executed, so it was not written; run it again")
        else:
            notebooks.write(notebooks.read(output), source)
    write_pages()
    raise_all(problems)


def fresh_outputs(wanted: list[Chapter], folder: Path) -> list[tuple[Path, Path]]:
    """(source, output) pairs with the outputs in this folder, none of them there yet.

    Other files in the folder stay: they may belong to somebody who executes another chapter at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(chapter.path, folder / chapter.path.name) for chapter in dict.fromkeys(wanted)]
    for _, output in jobs:
        output.unlink(missing_ok=True)
    return jobs


# What is made from executed chapters -----------------------------------------------------------------------


def write_pages(executed: list[Chapter] | None = None, folder: Path = BOOK) -> None:
    """The results page, from these executed chapters, by default the committed ones."""
    executed = chapters() if executed is None else executed
    files.write_text(folder / "results.md", results.page(executed))
