"""The environment of every kernel of the book: this interpreter, this lib, one thread, nothing of the user's settings.

One thread for every numeric library: so the same seed on the same machine gives the same numbers, and two chapters side
by side use two cores.
"""

import contextlib
import logging
import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from lib import files
from lib.cache import THREADS
from lib.paths import ROOT

# glibc otherwise returns the arrays of every training step to the system and asks for them again: 15 % of the time
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
INLINE = "module://matplotlib_inline.backend_inline"


def variables(folder: Path) -> dict[str, str]:
    """The environment variables of a kernel: one thread, this lib, pictures into the notebook.

    folder: one that lasts as long as the kernel, for the settings of IPython and matplotlib. Those of the user
    (startup files, matplotlibrc) would change what a chapter does.
    """
    paths = [str(ROOT)] + [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    found = dict.fromkeys(THREADS, "1") | dict.fromkeys(MALLOC, str(2**30))
    found |= {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": INLINE, "PYTHONSTARTUP": ""}
    return found | {"IPYTHONDIR": str(folder / "ipython")} | _matplotlib(folder / "matplotlib")


def _matplotlib(folder: Path) -> dict[str, str]:
    """Variables with which matplotlib has its settings in this folder, made here, and its list of fonts already."""
    for name in ("matplotlib", "matplotlib.font_manager"):  # they say where they write, and that it takes a moment
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import matplotlib
    import matplotlib.font_manager  # makes the list if there is none, which takes seconds

    folder.mkdir(parents=True)
    for file in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(file, folder)
    return {"MPLCONFIGDIR": str(folder), "MATPLOTLIBRC": str(folder)}


@contextlib.contextmanager
def environment():
    """Within it, the kernel `python3` is this interpreter in that environment, wherever it is started.

    Yields a folder that lasts as long, for the kernel's sockets and its log.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = folder / "kernels" / "python3"
        spec.mkdir(parents=True)
        kernel = {
            "argv": _logged([sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], folder),
            "display_name": "Python 3",
            "language": "python",
            "env": variables(folder),
        }
        files.write_json(spec / "kernel.json", kernel)
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = name if before is None else name + os.pathsep + before
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def connection(folder: Path) -> dict[str, str]:
    """Options of a `KernelManager`: it talks over files in this folder.

    Free port numbers are looked up first and bound later, and in between another process may take them (seen when two
    chapters started at the same time).
    """
    return {"transport": "ipc", "ip": f"{folder}/kernel"} if os.name == "posix" else {}


def _logged(command: list[str], folder: Path) -> list[str]:
    """The command with its stderr in `folder/kernel.log`: a kernel that is stopped half-way says there what it could
    not send any more. What a cell writes to stderr goes to the notebook and not this way."""
    if os.name != "posix":
        return command
    return ["/bin/sh", "-c", f'exec "$0" "$@" 2>>{shlex.quote(str(folder / "kernel.log"))}', *command]


def last_words(folder: Path) -> str:
    """`; the last it said: ...`: the last line that the kernel wrote to stderr, empty if there is none."""
    log = folder / "kernel.log"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return f"; the last it said: {lines[-1].strip()}" if lines else ""
