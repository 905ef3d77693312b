"""Jobs side by side: in order, with the same numbers, and what cannot be done is named."""

import functools
import math
import operator
import os
import sys
import time

import numpy as np
import pytest

from lib import parallel
from lib.errors import BookError
from lib.models.fit import fit
from tests.physics.models.test_fit import DATA, made


def test_jobs_come_back_in_order_with_their_own_functions():
    assert parallel.starmap(math.pow, [(2, k) for k in range(5)]) == [1, 2, 4, 8, 16]
    assert parallel.run([(math.sqrt, 9), (max, 1, 2, 3)]) == [3, 3]
    with pytest.raises(ValueError, match="math domain error"):
        parallel.run([(math.sqrt, -1), (math.sqrt, 4)])
    assert parallel.run([(math.sqrt, 16)]) == [4]
    with pytest.raises(ValueError, match="workers = 0"):
        parallel.run([], workers=0)


def trained(seed):
    """The weights of a small training."""
    model = made(seed)
    fit(model, DATA, steps=5, batch=16, seed=seed)
    return [weight.detach().numpy() for weight in model.parameters()]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_worker_is_this_process_with_the_same_numbers(workers):
    here = set(parallel.run([(os.getpid,)] * 4, workers)) == {os.getpid()}
    assert here == (workers == 1)
    (weights,) = parallel.run([(trained, 3)], workers)
    assert all(np.array_equal(a, b) for a, b in zip(weights, trained(3), strict=True))
    assert not np.array_equal(weights[0], trained(4)[0])
    mine = {}
    assert parallel.run([(operator.setitem, mine, 1, 2)], workers) == [None]
    assert mine == {}  # what a function does to its arguments stays with it
    with pytest.raises(ZeroDivisionError):
        parallel.run([(operator.truediv, 1, 0), (math.sqrt, 4)], workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_function_that_cannot_be_imported_is_named(workers, monkeypatch):
    def inner():
        pass

    def cell():
        pass

    cell.__module__, cell.__qualname__ = "__main__", "cell"
    monkeypatch.setattr(sys.modules["__main__"], "cell", cell, raising=False)
    for function, name in ((inner, "inner"), (cell, "cell"), (functools.partial(cell), "cell"), (lambda: 1, "lambda")):
        with pytest.raises(ValueError, match=f"{name}.* cannot be imported: define it at the top of a module"):
            parallel.run([(math.sqrt, 4), (function,)], workers)


def test_how_many_workers(monkeypatch):
    monkeypatch.delenv(parallel.LIMIT, raising=False)
    assert parallel.default_workers() == min(2, parallel.cores())
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # macOS has none
    assert parallel.cores() == 5 and parallel.default_workers() == 2
    monkeypatch.setenv(parallel.LIMIT, "1")
    assert parallel.default_workers() == 1 and parallel.run([(os.getpid,)]) == [os.getpid()]
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert parallel.cores() == 1


def test_a_dead_worker_is_one_clear_line():
    with pytest.raises(BookError, match="a worker process died"):
        parallel.run([(os._exit, 3), (time.sleep, 0.1)], workers=2)
    assert parallel.run([(math.sqrt, 25)], workers=2) == [5]  # a fresh pool afterwards
