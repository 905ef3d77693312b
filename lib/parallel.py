"""Independent jobs on the cores of this machine, one process and one thread each.

A training of one of our small networks gains nothing from a second thread, so several of them share the cores instead.
Every job carries its own seed, so the answers do not depend on how many run at a time.
"""

import os
from collections.abc import Callable, Iterable

from joblib import Parallel, delayed

WORKERS = 2


def starmap(function: Callable, arguments: Iterable[tuple], workers: int | None = None) -> list:
    """[function(*a) for a in arguments], in this order, `workers` at a time (default: the cores, at most 2).

    The first exception ends the rest and is raised here.
    """
    workers = min(WORKERS, len(os.sched_getaffinity(0))) if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers = {workers}: at least one is needed")
    return Parallel(n_jobs=workers)(delayed(function)(*a) for a in arguments)
