"""Many trainings side by side: what the learning modules of several systems share."""

from collections.abc import Callable

from lib import parallel


def carry_out(function: Callable, groups: dict, cost: Callable) -> dict:
    """dict name -> list of tasks becomes dict name -> list of function(task), on the cores of this machine.

    function: importable, see `parallel.run`. Tasks are hashable; equal ones are carried out once. cost(task): a number,
    roughly the time it takes; the longest start first.
    """
    every = list(dict.fromkeys(task for group in groups.values() for task in group))
    every.sort(key=cost, reverse=True)
    done = dict(zip(every, parallel.starmap(function, [(task,) for task in every]), strict=True))
    return {name: [done[task] for task in group] for name, group in groups.items()}
