"""The command line: `python -m lib COMMAND`; `python -m lib --help` names the commands."""

import argparse
import importlib
import os
import sys
from pathlib import Path

from lib import processes
from lib.errors import BookError, first_line
from lib.paths import BUILD
from lib.studies.own import layouts, user_file

# asked for by who has a GPU; said here and not where parameters are checked, on which chapters depend
NO_DEVICE = "; nothing here runs on a GPU: the inner loops are compiled for the CPU (README, A GPU)"


class Parser(argparse.ArgumentParser):
    """Refuses a wrong command line with one line, without the usage."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def main(arguments: list[str] | None = None) -> int:
    """Call the function of a command with its options by name. Returns what that returns, or the code of its error."""
    options = vars(_parser().parse_args(arguments))
    command, function, refused = (options.pop(name) for name in ("command", "function", "refused"))
    processes.follow_named_parent()
    try:
        with processes.terminated_like_interrupted():
            module, _, name = function.partition(":")
            code = getattr(importlib.import_module(module), name)(**options)
        sys.stdout.flush()
        return code or 0
    except BookError as error:
        line = str(error) + (NO_DEVICE if "unknown parameter 'device'" in str(error) else "")
        return _complain(command, line, refused if error.code is None else error.code)
    except KeyboardInterrupt:
        return _complain(command, "interrupted", 130)
    except BrokenPipeError:  # `| head` has seen enough; without this Python complains once more when it exits
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a full disk, a checkout that is read-only: what the system says is all there is to say
        reason = first_line(error.strerror or error, type(error).__name__)
        return _complain(command, f"{reason}: {error.filename}" if error.filename else reason, 1)


def _complain(command: str, line: str, code: int) -> int:
    print(f"lib {command}: {line}", file=sys.stderr)
    return code


CHAPTER = {"help": "its name, like ising, or the path of a notebook"}
CHAPTERS = {"nargs": "*", "help": "default: all"}


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m lib", description="Run the chapters of the book.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, function, text, refused=2):
        """refused: the exit code where it cannot be done; 2 says that nothing was."""
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(function=f"lib.book.{function}", refused=refused)
        return sub.add_argument

    option = command("run", "runs:run", "execute one chapter with parameters of your own")
    option("chapter", **CHAPTER)
    option("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE")
    option("--smoke", action="store_true", help="start from the chapter's smoke preset, which takes seconds")
    option("--out", type=Path, metavar="DIR", help="new folder for the run (default: runs/CHAPTER-STAMP)")

    option = command("learn", "learn:learn", "learn from configurations or Kerr images of your own")
    layout = user_file.LAYOUT | {"kerr": "a folder of frames"}
    text = f"{user_file.FORMATS}; several files, or a folder, of one configuration each"
    option(
        "file", nargs="+", metavar="FILE|FOLDER", help=f"{text}; " + "; ".join(f"{k}: {v}" for k, v in layout.items())
    )
    option("--kind", required=True, choices=tuple(layout))
    option("--T0", required=True, help="of the weight exp(-H / T0); path, field: exp(-S / T0), so 1; kerr: in K")
    option("--seed")
    option("--n-networks", metavar="N", help="independent trainings, at least 2")
    option("--steps", metavar="N", help=f"of each training; default: {user_file.STEPS | {'kerr': 600}}")
    layouts.add_flags(option)
    option("--pixel-um", metavar="UM", help="kerr: side of a pixel in micrometres")
    option("--reference", metavar="FILE", help="kerr: an image of the saturated film")
    option("--block", metavar="PIXELS", help="kerr: side of one spin (default: a quarter of the domain period)")
    option("--L", metavar="N", help="kerr: side of a patch in blocks, even")
    option("--bright", action="store_true", help="kerr: domains are brighter than the rest")
    option("--apart", action="store_true", help="kerr: the frames show different places")
    text = "the same at another temperature, T1: a file (in quotation marks with flags, if they differ), or a folder"
    option("--second", metavar="FILE|FOLDER", help=text)
    option("--T1", metavar="T", help="temperature of the second file or folder")
    option("--out", type=Path, metavar="DIR", help="new folder for the run (default: runs/learn-FILE-STAMP)")

    option = command("sweep", "sweep.plan:sweep", "run a chapter for every combination of values, side by side")
    option("chapter", **CHAPTER)
    option("-p", "--parameter", action="append", default=[], metavar="NAME=VALUE,VALUE,...")
    option("--smoke", action="store_true", help="start from the chapter's smoke preset")
    option("--out", type=Path, metavar="DIR", help="folder of the sweep; an existing one is continued")
    option("--scheduler", metavar="ADDRESS", help="a Dask cluster (default: one on this machine)")
    option("--workers", type=int, metavar="N", help="processes of the cluster on this machine (default: 2)")
    option("--retry-failed", action="store_true", help="repeat the runs that failed in a cell, too")

    option = command("results", "results:show", "the claims reported in executed notebooks")
    option("notebook", nargs="*", type=Path, help="default: the committed chapters")
    option("--json", action="store_true", dest="as_json", help="as a list of objects")
    option("--page", action="store_true", help="write the page made from the committed chapters")

    option = command("margins", "results:margins", "how much of each bar is used")
    text = "executed notebook, results.json, or folder of a run; of several the one with least room is shown"
    option("run", nargs="*", type=Path, help=f"{text} (default: the committed chapters)")

    option = command("compare", "compare:show", "the claims of several runs side by side")
    option("run", nargs="+", help="folder of a run, an executed notebook, or `book`: the committed chapter")

    option = command("parameters", "chapter:show_parameters", "what the parameters of a chapter are and may be")
    option("chapter", **CHAPTER)

    option = command("execute", "refresh:run", "execute chapters at their defaults and check their claims", refused=1)
    option("chapter", **CHAPTERS)
    option("--write", action="store_true", help="write them back, outputs included, with the results page")

    option = command("student", "student:show", "versions of the chapters without the solutions, for a class")
    option("chapter", **CHAPTERS)
    option("--out", type=Path, default=BUILD / "student", metavar="DIR", help="default: _build/student")
    option("--solutions", action="store_true", help="keep the solutions, folded: to work with the book in an editor")

    option = command("demo", "demo:show", "what networks that saw one temperature say about others, without training")
    option("--out", type=Path, default=Path("demo.png"), metavar="FILE", help="of the figure (default: demo.png)")
    option(
        "--train",
        action="store_true",
        help="train these networks again and write data/ising_networks.npz and the figure of the first page",
    )

    option = command("fresh", "freshness:show", "name the committed chapters that are stale", refused=1)
    text = "renew the stamps of these chapters (default: all stale ones) where `make test` passed at this very code"
    option("--accept", nargs="*", dest="renew", metavar="CHAPTER", help=text)

    book = command("book", "site:book", "execute everything from scratch and build the site", refused=1)
    read = command("read", "site:read", "build the site from the committed outputs", refused=1)

    text = "the whole book as one file, _build/book.html, from the committed outputs"
    single = command("single", "site:single_files", text, refused=1)
    single("--pdf", action="store_true", help="print it to _build/book.pdf as well; needs Chromium")
    text = "for a course: exercises stay, and the notebooks that the pages offer are student versions"
    for option in (book, read, single):
        option("--without-solutions", action="store_false", dest="solutions", help=text)
    return parser


if __name__ == "__main__":
    sys.exit(main())
