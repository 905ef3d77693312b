"""Independent jobs on the cores of this machine, one process and one thread each.

A training of one of our small networks gains nothing from a second thread, so several of them share the cores instead.
Every job carries its own seed, so the answers do not depend on how many run at a time. The worker processes stay alive
between calls: starting one takes seconds.
"""

import functools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

from lib.errors import BookError

WORKERS = 2
LIMIT = "DAN_BOOK_WORKERS"  # environment variable: at most so many; the runs of a sweep have one core each


def _serve():
    """A worker leaves interrupts to its parent, and ends when the parent does, however that happens."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow():
        parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@functools.cache
def _pool(workers):
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_serve)


def starmap(function: Callable, arguments: Iterable[tuple], workers: int | None = None) -> list:
    """[function(*a) for a in arguments], in this order; see `run`."""
    return run([(function, *a) for a in arguments], workers)


def run(calls: Iterable[tuple], workers: int | None = None) -> list:
    """[f(*a) for f, *a in calls], in this order, `workers` at a time (default: the cores, at most 2).

    Functions must be importable (defined in a module, not in a notebook). The first exception ends the rest and is
    raised here. BookError if a worker process dies.
    """
    limit = int(os.environ.get(LIMIT, WORKERS))
    workers = min(limit, len(os.sched_getaffinity(0))) if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers = {workers}: at least one is needed")
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
