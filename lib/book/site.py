"""Build the site: stage the sources, execute the chapters there, write the results page, run Sphinx.

Everything happens in `_build/stage`, so the work tree stays as it was.
"""

import base64
import html
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from lib import files, processes
from lib.book import execute, freshness, notebooks, pages, teaching
from lib.book.execute import say
from lib.errors import BookError
from lib.page import claims, margins
from lib.page.records import Record
from lib.page.tables import value_text
from lib.paths import BOOK, BUILD, ROOT

STAGE = BUILD / "stage"
FRONT = "phases.png"
# jupyter-book's own has no icon, so browsers ask the server for a /favicon.ico that is not there
INDEX = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={page}">
<link rel="icon" href="_static/{icon}" type="image/svg+xml">
<p><a href="{page}">{title}</a></p>
</html>
"""


def build(execute: bool) -> None:
    """`make book` (executing) and `make read` (the committed outputs): the site in _build/html."""
    start = time.monotonic()
    stage()
    if execute:
        jobs = [(path, STAGE / "book" / path.name) for path in notebooks.chapters()]
        run_chapters(jobs)
        write_pages([output for _, output in jobs], STAGE / "book")
    chapters = {path.name: (STAGE / "book" / path.name).read_bytes() for path in notebooks.chapters()}
    for name in chapters:
        pages.decorate(STAGE / "book" / name)
    stage_toc()
    sphinx()
    files.write_text(BUILD / "html" / "index.html", index())
    for name, notebook in chapters.items():  # what a reader downloads is the chapter itself
        files.write_bytes(BUILD / "html" / "_sources" / "book" / name, notebook)
    say(f"{BUILD / 'html' / 'index.html'}: built in {time.monotonic() - start:.0f} s")


def stage() -> None:
    """Copy what Sphinx reads to _build/stage, all but the table of contents."""
    shutil.rmtree(STAGE, ignore_errors=True)
    STAGE.mkdir(parents=True)
    shutil.copytree(BOOK, STAGE / "book", ignore=shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__"))
    shutil.copy(ROOT / "_config.yml", STAGE)


def stage_toc() -> None:
    """Write the table of contents of the stage. Pages that are not on the stage are left out, and named."""
    toc = yaml.safe_load(files.read_text(ROOT / "_toc.yml"))
    missing = [page for page in notebooks.in_toc() if not list(STAGE.glob(f"{page}.*"))]
    if missing:
        say(f"left out, not there: {', '.join(missing)}")
    for part in [toc, *toc.get("parts", [])]:
        if "chapters" in part:
            part["chapters"] = [entry for entry in part["chapters"] if entry["file"] not in missing]
    files.write_text(STAGE / "_toc.yml", yaml.safe_dump(toc, sort_keys=False))


def run_chapters(jobs: list[tuple[Path, Path]], complete: bool = True) -> None:
    """Execute chapters from scratch, (source, output) pairs; BookError names what failed.

    A claim out of its bar fails its cell. With `complete`, a claim of the ledger that no cell reports fails too.
    """
    _, failures = _run_chapters(jobs, complete)
    if failures:
        raise BookError("; ".join(failures))


def _run_chapters(jobs: list[tuple[Path, Path]], complete: bool) -> tuple[list[Path], list[str]]:
    """The outputs of the chapters that came to their end, finished, and one line for every failure."""
    inputs = {output: freshness.inputs(source) for source, output in jobs}
    done, failures = [], []
    for outcome in execute.execute_all(jobs):
        if outcome.error:
            failures.append(outcome.error)
            continue
        if missing := unreported(outcome.path):
            line = f"{outcome.path.stem}: in data/claims.yml but not reported: {', '.join(missing)}"
            say(line)
            failures += [line] * complete
        execute.finish(outcome, inputs[outcome.path])
        done.append(outcome.path)
    return done, failures


def refresh(paths: list[Path]) -> None:
    """Execute chapters and write them back as committed notebooks, and the results page with them.

    One that failed stays as it was, and so does one that was edited in the meantime. BookError names both.
    """
    jobs = fresh_outputs(paths, BUILD / "refresh")
    before = {source: source.read_bytes() for source in paths}
    # a chapter may grow claim by claim; the tests want them all
    done, problems = _run_chapters(jobs, complete=False)
    for source, output in jobs:
        if output not in done:
            continue
        if source.read_bytes() != before[source]:
            problems.append(f"{source.stem}: edited while it was executed, so it was not written; run it again")
        else:
            notebooks.write(notebooks.read(output), source)
    write_pages(notebooks.chapters(), BOOK)
    if problems:
        raise BookError("; ".join(problems))


def write_pages(chapters: list[Path], folder: Path) -> None:
    """What is made from executed chapters: the results page, the tables of the teacher page, and the front picture."""
    files.write_text(folder / "results.md", results_page(chapters))
    teaching.write(chapters, folder)
    if picture := front_picture(chapters):
        files.write_bytes(folder / FRONT, picture)


def front_picture(chapters: list[Path]) -> bytes | None:
    """The PNG of the figure `fig-ising-phases` in these executed notebooks; None where there is none."""
    for path in chapters:
        for cell in notebooks.read(path).cells:
            if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == "fig-ising-phases":
                for output in cell.get("outputs", []):
                    if "image/png" in output.get("data", {}):
                        return base64.b64decode(output.data["image/png"])
    return None


def fresh_outputs(paths: list[Path], folder: Path) -> list[tuple[Path, Path]]:
    """(source, output) pairs with the outputs in this folder, none of them there yet.

    Other files in the folder stay: they may belong to somebody who executes another chapter at the same time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(path, folder / path.name) for path in dict.fromkeys(paths)]
    for _, output in jobs:
        output.unlink(missing_ok=True)
    return jobs


def unreported(path: Path) -> list[str]:
    """Claims of this chapter that its notebook does not report."""
    reported = {record["key"] for record in claims.read_notebook(path)}
    return [key for key, entry in claims.ledger().items() if entry["chapter"] == path.stem and key not in reported]


# The results page ------------------------------------------------------------------------------------------


def results_page(chapters: list[Path]) -> str:
    """The page `results`: every claim of the ledger, as these executed notebooks report it."""
    there = {path.stem: path for path in chapters}
    reported = {record["key"]: record for path in chapters for record in claims.read_notebook(path)}
    entries = claims.ledger()
    lines = [
        "# Results",
        "",
        "Every claim of the book, as the chapters reported it when they were executed. *Published* is the number",
        "printed in the talk or the papers, *exact* the answer known independently of any network, *here* what this",
        "book's code found, with its statistical error in the last digits. The deviation is that from the exact value",
        "in units of the error. *Used* is the part of the bar that the value takes up. A claim out of its bar, above",
        "100 %, fails the build, so it cannot be listed here as passed.",
        "",
        "This page is generated from the outputs of the chapters; `make refresh` writes it.",
    ]
    names = list(dict.fromkeys(entry["chapter"] for entry in entries.values()))
    titles = {name: _title(there[name]) if name in there else f"{name} (not written yet)" for name in names}
    chapters_of = {name: [key for key, entry in entries.items() if entry["chapter"] == name] for name in names}
    lines += _summary(titles, chapters_of, reported)
    for name in names:
        link = [f"Chapter: [{titles[name]}]({name}.ipynb).", ""] if name in there else []
        lines += [
            "",
            f"## {titles[name]}",
            "",
            *link,
            ":::{container} ledger",
            "",
            "| claim | verdict | here | exact | published | deviation | used |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_row(entries[key], reported.get(key)) for key in chapters_of[name]] + [":::"]
    return "\n".join(lines + _execution(there)) + "\n"


VERDICTS = ("passed", "missed", "reported", "not applicable", "failed", "missing")


def verdict_of(record: dict | None) -> str:
    """One of VERDICTS."""
    return "missing" if record is None else Record.from_json(record).status


def _summary(titles: dict, keys: dict, reported: dict) -> list[str]:
    """How many claims there are of each verdict, and by name those that failed or could not be tested."""
    lines = ["", "## In short", "", "| chapter | " + " | ".join(VERDICTS) + " |", "|---" * (1 + len(VERDICTS)) + "|"]
    verdicts = {name: [verdict_of(reported.get(key)) for key in keys[name]] for name in keys}
    for name, found in verdicts.items():
        lines.append(f"| {titles[name]} | " + " | ".join(str(found.count(v) or "") for v in VERDICTS) + " |")
    everything = [verdict for found in verdicts.values() for verdict in found]
    lines.append("| all | " + " | ".join(str(everything.count(v)) for v in VERDICTS) + " |")
    lines += ["", "*Missed* is a bar that was asked for and is not reached. *Reported* claims have no bar: there is no"]
    lines += ["exact answer, or the number is the result itself."]

    def named(verdicts: tuple) -> str:
        found = [key for group in keys.values() for key in group if verdict_of(reported.get(key)) in verdicts]
        return ", ".join(f"`{key}`" for key in found) or "none"

    lines += ["", f"Missed: {named(('missed',))}."]
    return lines + ["", f"Failed, missing or not applicable: {named(VERDICTS[3:])}."]


def _execution(there: dict[str, Path]) -> list[str]:
    """The table of what each chapter cost, on which machine and with which versions."""
    lines = ["", "## Execution", "", "| chapter | seconds | memory |", "|---|---|---|"]
    measured = {name: execute.measured(path) for name, path in there.items()}
    for name, path in there.items():
        took, memory = measured[name].get("seconds"), measured[name].get("memory")
        cells = ["unknown" if took is None else str(took), pages.gigabytes(memory) if memory else "unknown"]
        lines.append(f"| [{_title(path)}]({name}.ipynb) | " + " | ".join(cells) + " |")
    machines = list(dict.fromkeys(m["machine"] for m in measured.values() if "machine" in m))
    versions = list(dict.fromkeys(_versions(m["versions"]) for m in measured.values() if "versions" in m))
    lines += ["", "Seconds are by the clock, whatever else the machine did meanwhile; an idle one takes less."]
    lines += ["Memory is the peak of all processes of the chapter together, worker processes included."]
    return lines + [f"Machine: {text}." for text in machines] + [f"Versions: {text}." for text in versions]


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _row(entry: dict, record: dict | None) -> str:
    units = f" ({entry['units']})" if entry["units"] else ""
    reference = entry["reference"] if record is None else record["reference"]
    exact = "in the chapter" if reference is None else f"{reference:.6g}"
    origin = f"; exact: {entry['reference_origin']}" if entry["reference_origin"] else ""
    here, deviation, used, verdict, name = "not reported", "", "", "missing", f"`{entry['key']}`"
    if record is not None:
        verdict = record["verdict"]
        here = value_text(record["value"], record["error"]) if record["value"] is not None else ""
        name = f"{{ref}}`{entry['key']} <{pages.target(entry['key'])}>`"
        used = margins.used_text(margins.room_of(Record.from_json(record)))
        if record["error"] and record["value"] is not None and reference is not None:
            deviation = f"{(record['value'] - reference) / record['error']:+.1f}"
    published = "" if entry["published"] is None else entry["published"]
    # what is long goes below the claim, so that the verdict is on the screen without scrolling
    claim = f"{entry['statement']}{units}<br>{name}<br>Source: {entry['source']}{origin}"
    cells = [claim, verdict, here, exact, published, deviation, used]
    return "| " + " | ".join(" ".join(str(cell).split()).replace("|", "\\|") for cell in cells) + " |"


def _title(path: Path) -> str:
    for cell in notebooks.read(path).cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return path.stem


# Sphinx ----------------------------------------------------------------------------------------------------


def index() -> str:
    """The page at the root of the site, which leads to the first page of the book."""
    config = yaml.safe_load(files.read_text(ROOT / "_config.yml"))
    first = yaml.safe_load(files.read_text(ROOT / "_toc.yml"))["root"]
    icon = Path(config["html"]["favicon"]).name
    return INDEX.format(title=html.escape(config["title"]), page=f"{first}.html", icon=icon)


def sphinx() -> None:
    """Run jupyter-book on the stage with warnings as errors, from clean doctrees (a stale one hides warnings)."""
    say("Sphinx: building the pages")
    for name in (".doctrees", "html"):
        shutil.rmtree(BUILD / name, ignore_errors=True)
    # a process of its own, which ends with this one
    start = "from lib import processes; processes.follow_named_parent(); from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start]
    command += ["build", str(STAGE), "--path-output", str(BUILD.parent), "-W", "--keep-going", "-q"]
    environment = os.environ | {processes.PARENT: str(os.getpid())}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    log = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
    files.write_text(BUILD / "sphinx.log", log)
    if problem := sphinx_problem(log, result.returncode):
        raise BookError(f"Sphinx: {problem} (all of it: _build/sphinx.log)")


def sphinx_problem(log: str, code: int) -> str | None:
    """The first warning or error of a Sphinx log in one line, None if there is none."""
    for line in log.splitlines():
        if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line):
            return line.replace(str(STAGE) + "/", "").strip()
    if code:
        return (log.strip().splitlines() or ["failed without a word"])[-1]
    return None
