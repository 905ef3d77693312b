"""Independent jobs on the cores of this machine, one process and one thread each.

A training of one of our small networks gains nothing from a second thread, so several of them share the cores instead.
Every job carries its own seed, so the answers do not depend on how many run at a time. The worker processes stay alive
between calls: starting one takes seconds. One worker alone is this very process.
"""

import functools
import os
import pickle
import platform
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

from lib import processes
from lib.errors import BookError

WORKERS = 2
LIMIT = "DAN_BOOK_WORKERS"  # environment variable: at most so many; chapters side by side have one core each


def cores() -> int:
    """How many cores this process may use; where the system does not say, as on macOS, how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def processor() -> str:
    """What this machine computes with, like `Intel(R) Xeon(R) CPU @ 2.60GHz`."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or "an unknown processor"


def default_workers() -> int:
    """How many jobs at a time: 2, or what the environment says, but not more than there are cores."""
    return min(int(os.environ.get(LIMIT, WORKERS)), cores())


@functools.cache
def _pool(workers):
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=processes.follow_parent)


def starmap(function: Callable, arguments: Iterable[tuple], workers: int | None = None) -> list:
    """[function(*a) for a in arguments], in this order; see `run`."""
    return run([(function, *a) for a in arguments], workers)


def run(calls: Iterable[tuple], workers: int | None = None) -> list:
    """[f(*a) for f, *a in calls], in this order, `workers` at a time (default: `default_workers`).

    Functions must be importable (defined in a module, not in a notebook); ValueError names one that is not. What they
    do to their arguments stays with them. The first exception ends the rest and is raised here. BookError if a worker
    process dies.
    """
    workers = default_workers() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers = {workers}: at least one is needed")
    calls = list(calls)
    for function, *_ in calls:
        _check_importable(function)
    if workers == 1:
        return [_here(*call) for call in calls]
    futures = []
    try:
        for function, *a in calls:  # a pool can break while calls are still handed to it
            futures.append(_pool(workers).submit(function, *a))
        return [future.result() for future in futures]
    except BrokenProcessPool:
        _pool.cache_clear()
        raise BookError("a worker process died, probably for want of memory: run with smaller parameters") from None
    finally:
        for future in futures:
            future.cancel()


def run_all(calls: dict) -> dict:
    """Many calls under their names, side by side: name -> list of (f, *a); the same dict with f(*a) in their places."""
    done = iter(run([call for group in calls.values() for call in group]))
    return {name: [next(done) for _ in group] for name, group in calls.items()}


def _here(function, *arguments):
    """The call in this process, with copies of the arguments, as a worker gets them."""
    return function(*pickle.loads(pickle.dumps(arguments)))


def _check_importable(function) -> None:
    """A worker imports the function by its name; what is in `__main__`, a notebook, it does not find there."""
    try:
        importable = b"__main__" not in pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError):  # a lambda, a function within a function
        importable = False
    if not importable:
        name = getattr(function, "__qualname__", repr(function))
        raise ValueError(f"{name} cannot be imported: define it at the top of a module, not in a notebook")
