"""How the benchmarks take time."""

import statistics
import time


def median_seconds(call, repeats=5):
    """Median wall time of `call()`, after one call that compiles or warms up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
