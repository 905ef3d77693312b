"""The command line: `python -m lib COMMAND`; `python -m lib --help` names the commands."""

import argparse
import contextlib
import json
import os
import sys
import time
from pathlib import Path

from lib import files, processes
from lib.book import execute, freshness, notebooks, usage
from lib.book.execute import MARK, say
from lib.errors import BookError
from lib.page import claims, margins, records
from lib.page.tables import aligned, value_text
from lib.paths import BOOK, BUILD, ROOT, RUNS
from lib.studies import user_file

REFUSED = 2  # exit code where nothing was done


class Parser(argparse.ArgumentParser):
    """Refuses a wrong command line with one line, without the usage."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    processes.follow_named_parent()
    try:
        with processes.terminated_like_interrupted():
            code = options.function(options) or 0
        sys.stdout.flush()
        return code
    except BookError as error:
        print(f"lib {options.command}: {error}", file=sys.stderr)
        return REFUSED if isinstance(error, files.Busy) else options.refusal
    except KeyboardInterrupt:
        print(f"lib {options.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `| head` has seen enough; without this Python complains once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a checkout that is read-only: what the system says is all there is to say
        print(f"lib {options.command}: {_system_error(error)}", file=sys.stderr)
        return 1


def _system_error(error: OSError) -> str:
    """`No space left on device: FILE`, in one line."""
    reason = (error.strerror or str(error) or type(error).__name__).splitlines()[0]
    return f"{reason}: {error.filename}" if error.filename else reason


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m lib", description="Run the chapters of the book.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, function, text, refusal=1):
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=function, refusal=refusal)
        return sub

    sub = command("run", _run, "execute one chapter with parameters of your own", refusal=REFUSED)
    sub.add_argument("chapter", help="its name, like ising, or the path of a notebook")
    sub.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    sub.add_argument("--smoke", action="store_true", help="start from the chapter's smoke preset, which takes seconds")
    sub.add_argument("--out", type=Path, metavar="DIR", help="new folder for the run (default: runs/CHAPTER-STAMP)")

    sub = command("learn", _learn, "learn from configurations of your own, a .npy file", refusal=REFUSED)
    sub.add_argument("file", metavar="FILE.npy", help="; ".join(f"{k}: {v}" for k, v in user_file.LAYOUT.items()))
    sub.add_argument("--kind", required=True, choices=user_file.KINDS)
    sub.add_argument(
        "--T0", required=True, help="of the weight exp(-H / T0) of the file; for a path exp(-S / T0), so 1"
    )
    sub.add_argument("--seed", default=None)
    sub.add_argument("--n-networks", default=None, metavar="N", help="independent trainings, at least 2")
    sub.add_argument("--steps", default=None, metavar="N", help=f"of each training; default: {user_file.STEPS}")
    sub.add_argument("--out", type=Path, metavar="DIR", help="new folder for the run (default: runs/learn-FILE-STAMP)")
    sub = command("sweep", _sweep, "run a chapter for every combination of values, side by side", refusal=REFUSED)
    sub.add_argument("chapter", help="its name, like ising, or the path of a notebook")
    sub.add_argument("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE,VALUE,...")
    sub.add_argument("--smoke", action="store_true", help="start from the chapter's smoke preset")
    sub.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep; an existing one is continued")
    sub.add_argument("--scheduler", metavar="ADDRESS", help="a Dask cluster (default: one on this machine)")
    sub.add_argument("--workers", type=int, metavar="N", help="processes of the cluster on this machine (default: 2)")
    sub.add_argument("--retry-failed", action="store_true", help="repeat the runs that failed in a cell, too")

    sub = command("results", _results, "the claims reported in executed notebooks", refusal=REFUSED)
    sub.add_argument("notebook", nargs="*", type=Path, help="default: the committed chapters")
    sub.add_argument("--json", action="store_true", help="as a list of objects")
    sub.add_argument("--page", action="store_true", help="write the pages made from the committed chapters")

    sub = command("margins", _margins, "how much of each bar is used", refusal=REFUSED)
    sub.add_argument(
        "run",
        nargs="*",
        type=Path,
        help="executed notebook, results.json, or folder of a run; of several the one with least room is shown"
        " (default: the committed chapters)",
    )

    sub = command("compare", _compare, "the claims of several runs side by side", refusal=REFUSED)
    sub.add_argument("run", nargs="+", help="folder of a run, an executed notebook, or `book`: the committed chapter")

    sub = command("parameters", _parameters, "what the parameters of a chapter are and may be", refusal=REFUSED)
    sub.add_argument("chapter", help="its name, like ising, or the path of a notebook")

    sub = command("execute", _execute, "execute chapters at their defaults and check their claims")
    sub.add_argument("chapter", nargs="*", help="default: all")
    sub.add_argument("--write", action="store_true", help="write them back, outputs included, with the results page")

    sub = command("student", _student, "versions of the chapters without the solutions, for a class", refusal=REFUSED)
    sub.add_argument("chapter", nargs="*", help="default: all")
    sub.add_argument("--out", type=Path, default=BUILD / "student", metavar="DIR", help="default: _build/student")

    sub = command("fresh", _fresh, "name the committed chapters that are stale")
    text = "renew the stamps of these chapters (default: all stale ones) where `make test` passed at this very code"
    sub.add_argument("--accept", nargs="*", metavar="CHAPTER", help=text)
    command("hash", _hash, "one hash of the whole of lib")
    command("book", _book, "execute everything from scratch and build the site")
    command("read", _read, "build the site from the committed outputs")

    sub = command("single", _single, "the whole book as one file, _build/book.html, from the committed outputs")
    sub.add_argument("--pdf", action="store_true", help="print it to _build/book.pdf as well; needs Chromium")
    return parser


def _run(options) -> int:
    source = notebooks.find(options.chapter)
    given, values = execute.check_parameters(source, options.parameter, options.smoke)
    return _run_in(options.out or _stamped(source.stem), options.command, source, given, values)


def _learn(options) -> int:
    """The chapter `your_configurations` with the reader's file; relative paths count from where the reader is."""
    source = notebooks.find("your_configurations")
    file = user_file.locate(options.file, Path.cwd()).resolve()
    named = {"file": file, "kind": options.kind, "T0": options.T0, "seed": options.seed}
    named |= {"n_networks": options.n_networks, "steps": options.steps or user_file.STEPS[options.kind]}
    pairs = [f"{name}={value}" for name, value in named.items() if value is not None]
    given, values = execute.check_parameters(source, pairs)
    return _run_in(options.out or _stamped(f"learn-{file.stem}"), options.command, source, given, values)


def _stamped(name: str) -> Path:
    return RUNS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _run_in(folder: Path, command: str, source: Path, given: dict, values: dict) -> int:
    """Execute a chapter into a new folder: notebook, results.json, params.json, marked INCOMPLETE until it is done."""
    if folder.exists():
        raise BookError(f"{folder} exists already; name a new folder with --out")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BookError(f"cannot make {folder}: {error.strerror}; name another folder with --out") from None
    files.write_text(folder / MARK, "This run has not finished. The file goes away when it does.\n")
    record = {
        "chapter": source.stem,
        "parameters": values,
        "versions": usage.versions(),
        "machine": usage.machine(),
        "lib_hash": freshness.lib_hash(),
        "seconds": None,
        "memory": None,
        "error": None,
    }
    files.write_json(folder / "params.json", record)
    output = folder / source.name
    outcome = execute.execute(source, output, given, cwd=source.parent)
    record |= {"seconds": round(outcome.seconds, 1), "memory": outcome.memory, "error": outcome.error}
    results = claims.read_notebook(output) if output.exists() else []
    # `run` keeps the claims only; what is learned from a reader's own file has none
    found = records.read_notebook(output) if command == "learn" and output.exists() else []
    files.write_json(folder / "results.json", results + found)
    files.write_json(folder / "params.json", record)
    if outcome.stopped:
        print(f"lib {command}: {outcome.error}; {folder} is marked {MARK}", file=sys.stderr)
        return 130 if outcome.interrupted else 1
    (folder / MARK).unlink()
    for result in results:
        if result["value"] is not None or command != "learn":  # the claims of the chapter are about the included file
            say(_line(result))
    for record in found:
        if line := records.line(records.Record.from_json(record)):
            say(line)
    say(f"{folder}: {source.name}, results.json, params.json; {outcome.seconds:.0f} s")
    if outcome.error:
        print(f"lib {command}: {outcome.error}", file=sys.stderr)
        return 1
    return 0


def _sweep(options) -> int:
    from lib.book.sweep import sweep

    source = notebooks.find(options.chapter)
    more = (options.out, options.scheduler, options.workers, options.retry_failed)
    return sweep(source, options.parameter, options.smoke, *more)


def _results(options) -> int:
    if options.page:
        from lib.book.site import write_pages

        write_pages(notebooks.chapters(), BOOK)
        return 0
    paths = options.notebook or notebooks.chapters()
    results = [record for path in paths for record in claims.read(path)]
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        for result in results:
            print(_line(result))
    return 0


def _margins(options) -> int:
    runs = {str(path): claims.read(path) for path in options.run}
    if not runs:
        runs = {"book": [record for path in notebooks.chapters() for record in claims.read(path)]}
    found = {name: [records.Record.from_json(each) for each in run] for name, run in runs.items()}
    say(aligned(margins.table(found)))
    return 0


def _compare(options) -> int:
    from lib.book import compare

    say(compare.table(compare.load(options.run)))
    return 0


def _parameters(options) -> int:
    from lib.book import pages

    path = notebooks.find(options.chapter)
    rows = [[name, repr(default), allowed, meaning] for name, default, allowed, meaning in pages.parameter_rows(path)]
    say(aligned([["parameter", "default", "may be", "meaning"], *rows]))
    return 0


def _line(result: dict) -> str:
    value = value_text(result["value"], result["error"])
    return f"{result['key']} = {value}: {result['verdict']}"


def _execute(options) -> int:
    from lib.book import site

    paths = [notebooks.find(name) for name in options.chapter] or notebooks.chapters()
    with _building():
        if options.write:
            site.refresh(paths)
        else:
            site.run_chapters(site.fresh_outputs(paths, BUILD / "execute"))
    return 0


def _student(options) -> int:
    from lib.book import student

    paths = [notebooks.find(name) for name in options.chapter] or notebooks.chapters()
    for path in student.write(paths, options.out):
        say(str(path))
    return 0


def _fresh(options) -> int:
    paths = [notebooks.find(name) for name in options.accept or ()] or notebooks.chapters()
    code, refused = 0, []
    for path in paths:
        changed = freshness.stale(path)
        if not changed:
            continue
        told = f"{path.stem} is stale ({', '.join(changed)})"
        if options.accept is None:
            code = 1
            accept = f" or: python -m lib fresh --accept {path.stem}" if freshness.acceptable(path) else ""
            say(f"{told}; run: make refresh CHAPTERS={path.stem}{accept}")
            continue
        try:
            freshness.accept(path)
            say(f"{told}, and all its cells passed at this code: accepted")
        except BookError as error:
            refused.append(str(error))
    if refused:
        raise BookError("; ".join(refused))
    return code


def _hash(options) -> int:
    print(freshness.lib_hash(ROOT))
    return 0


def _book(options) -> int:
    from lib.book import site

    with _building():
        site.build(execute=True)
    return 0


def _read(options) -> int:
    from lib.book import site

    with _building():
        site.build(execute=False)
    return 0


def _single(options) -> int:
    from lib.book import single, site

    if options.pdf:
        single.chromium()  # say so before the work if there is none
    with _building():
        site.build(execute=False)
        for path in single.build(BUILD, options.pdf):
            say(f"{path}: {path.stat().st_size / 1e6:.0f} MB")
    return 0


@contextlib.contextmanager
def _building():
    """One command at a time in _build: another would delete the stage under this one.

    The second is refused, and does not wait: for half an hour without a word it would look as if it hung.
    """
    BUILD.mkdir(exist_ok=True)
    with files.lock(BUILD / ".lock", f"another command is at work in {BUILD}; wait for it to end, or end it"):
        yield


if __name__ == "__main__":
    sys.exit(main())
