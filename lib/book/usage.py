"""What an execution costs: memory of a chapter's processes, and on which machine and with which versions it ran."""

import platform
import sys
import threading
from importlib.metadata import version

import psutil

from lib import parallel

NAMES = ("torch", "numpy", "scipy", "numba", "matplotlib", "papermill")


class PeakMemory:
    """Within it, the largest memory of this process's children together is looked up `interval` seconds apart.

    `megabytes` holds it afterwards. Pages that processes share are counted once where the system can tell (proportional
    set size, Linux), elsewhere once for each process (resident set size).
    """

    def __init__(self, interval: float = 2.0):
        self.interval, self.megabytes = interval, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _watch(self):
        here = psutil.Process()
        pause = min(0.25, self.interval)  # short at first, for chapters that are
        while not self._over.wait(pause):
            pause = min(2 * pause, self.interval)
            used = sum(_bytes(process) for process in here.children(recursive=True))
            self.megabytes = max(self.megabytes, round(used / 1e6))


def _bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
        return getattr(memory, "pss", 0) or memory.rss
    except psutil.Error:  # it ended in the meantime
        return 0


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": ".".join(map(str, sys.version_info[:3]))} | {name: version(name) for name in NAMES}


def machine() -> str:
    """`2 cores of Intel(R) Xeon(R) CPU @ 2.60GHz, 24 GB, Linux x86_64`: what of it is known."""
    memory = round(psutil.virtual_memory().total / 1e9)
    return f"{parallel.cores()} cores of {parallel.processor()}, {memory} GB, {platform.system()} {platform.machine()}"
