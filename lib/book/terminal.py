"""Commands in a chapter as they look in a terminal: run for real, shown with what they print.

Times are shown as `... s`, so that the same command prints the same text every time, and of many lines of progress the
middle is left out.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from lib import processes
from lib.errors import BookError, last_line

PIPES = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def _options(folder: Path) -> dict:
    """For subprocess. The command ends when this process does, so a chapter that is stopped leaves nothing behind."""
    return PIPES | {"cwd": folder, "env": os.environ | {processes.PARENT: str(os.getpid())}}


def show(command: str, folder: Path, exit_code: int = 0, only: str | None = None) -> None:
    """Run `python -m lib ...` in this folder and print the command and its output, as a terminal would.

    command: like `python -m lib run ising --smoke`; `python` is the one that runs this. only: print the lines that
    hold this text. BookError unless it ends with `exit_code`.
    """
    result = subprocess.run(_words(command), **_options(folder))
    lines = [line for line in result.stdout.splitlines() if only is None or only in line]
    _show(command, lines, result.returncode, exit_code, result.stdout)


def interrupt(command: str, folder: Path, after: str, exit_code: int = 130) -> None:
    """The same, but press Ctrl-C as soon as a line with the text `after` is there; print it and the last line."""
    # a process started in the background of a shell ignores interrupts, and hands that on to those it starts itself
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(_words(command), **_options(folder))
    signal.signal(signal.SIGINT, before)
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip())
        if after in line:
            process.send_signal(signal.SIGINT)
            break
    seen = len(lines)
    lines += process.stdout.read().splitlines()
    code = process.wait()
    # how many cells more there were before the signal arrived is chance
    _show(command, [*lines[:seen], "^C", *lines[seen:][-1:]], code, exit_code, "\n".join(lines))


def _words(command: str) -> list[str]:
    words = command.split()
    if words[:3] != ["python", "-m", "lib"]:
        raise ValueError(f"{command!r}: a command here starts with `python -m lib`")
    return [sys.executable, *words[1:]]


def _show(command: str, lines: list[str], code: int, expected: int, output: str) -> None:
    """Print a command that has ended, with these lines of its output. BookError unless it ended as expected."""
    progress = [k for k, line in enumerate(lines) if re.search(r": cell \d+/\d+, ", line)]
    left_out = progress[2:-1] if len(progress) > 4 else []
    print(f"$ {command}")
    for k, line in enumerate(lines):
        if k not in left_out:
            print(re.sub(r"\b\d+(\.\d+)? s\b", "... s", line))
        elif k - 1 not in left_out:
            print("[...]")
    if code:
        print(f"[exit code {code}]")
    if code != expected:
        said = last_line(output, "no output")
        raise BookError(f"`{command}` ended with exit code {code}, not {expected}: {said}")
