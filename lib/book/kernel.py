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
from lib.errors import last_line
from lib.paths import ROOT

# glibc otherwise returns the arrays of every training step to the system and asks for them again: 15 % of the time
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
LOG = "kernel.log"


def variables(folder: Path) -> dict[str, str]:
    """The environment variables of a kernel: one thread, this lib, pictures into the notebook.

    folder: one that lasts as long as the kernel, for the settings of IPython and matplotlib. Those of the user
    (startup files, matplotlibrc) would change what a chapter does.
    """
    for name in ("matplotlib", "matplotlib.font_manager"):  # they say where they write, and that it takes a moment
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import matplotlib
    import matplotlib.font_manager  # makes the list of fonts if there is none, which takes seconds

    settings = folder / "matplotlib"
    settings.mkdir(parents=True)
    for file in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(file, settings)
    return dict.fromkeys(THREADS, "1") | {
        **dict.fromkeys(MALLOC, str(2**30)),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "PYTHONSTARTUP": "",
        "IPYTHONDIR": str(folder / "ipython"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(settings),
        "MATPLOTLIBRC": str(settings),
    }


@contextlib.contextmanager
def environment():
    """Within it, the kernel `python3` is this interpreter in that environment, wherever it is started.

    Yields a folder that lasts as long, for the kernel's sockets and its log.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spec = folder / "kernels" / "python3"
        spec.mkdir(parents=True)
        # its stderr goes to a log: a kernel that is stopped half-way says there what it could not send any more
        logged = f'exec "$0" "$@" 2>>{shlex.quote(str(folder / LOG))}'
        command = ["/bin/sh", "-c", logged, sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        kernel = {"argv": command, "display_name": "Python 3", "language": "python", "env": variables(folder)}
        files.write_json(spec / "kernel.json", kernel)
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [name, before]))
        try:
            yield folder
        finally:
            os.environ.pop("JUPYTER_PATH")
            os.environ.update({} if before is None else {"JUPYTER_PATH": before})


def connection(folder: Path) -> dict[str, str]:
    """Options of a `KernelManager`: it talks over files in this folder.

    Free port numbers are looked up first and bound later, and in between another process may take them (seen when two
    chapters started at the same time).
    """
    return {"transport": "ipc", "ip": f"{folder}/kernel"}


def last_words(folder: Path) -> str:
    """`; the last it said: ...`: the last line that the kernel wrote to stderr, empty if there is none."""
    log = folder / LOG
    said = last_line(log.read_text(encoding="utf-8", errors="replace"), "") if log.exists() else ""
    return f"; the last it said: {said}" if said else ""
