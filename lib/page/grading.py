"""Grade a reader's own code: a check that must pass, and a check that must fail.

    grading.grade("ex-own-model", lambda: checks.check_autoregressive(Mine()))     right, wrong or not solved yet
    grading.caught(checks.check_autoregressive, leaking)                           a "break it" cell: the check objects
    grading.refused(rbm.weight_gram, K, 1.0)                                       a call that has no answer
    grading.close(found, exact, 1e-12, "the factor T")                             a check against an exact answer

A grade is one printed line and never an exception, so a notebook with unsolved exercises runs to its end.
"""

import traceback

import numpy as np

from lib.checks import CheckFailed
from lib.errors import BookError, first_line


class NotCaught(BookError):
    """A check, or a function, passed something that is wrong on purpose."""


def caught(check, *arguments, **options):
    """Run a check that must fail and print its one line. Raises NotCaught if it passes."""
    print(f"caught: {_raised_by(check, CheckFailed, arguments, options)}")


def refused(function, *arguments, **options):
    """Make a call that must be refused with a ValueError and print its line. Raises NotCaught if there is an answer."""
    print(f"refused: {_raised_by(function, ValueError, arguments, options)}")


def _raised_by(function, expected, arguments, options):
    try:
        function(*arguments, **options)
    except expected as problem:
        return problem
    raise NotCaught(f"{getattr(function, '__name__', 'the check')} passed what is wrong on purpose")


def grade(exercise, test):
    """Run `test()`, which calls the reader's code and checks it, and print `LABEL: right`, wrong or not solved yet.

    exercise: its label, like `ex-own-network`. See `verdict`.
    """
    print(f"{exercise}: {verdict(test)}")


def verdict(test):
    """`right`, `wrong: ...` or `not solved yet`.

    Right if the test returns. Wrong if it raises: the line says what. Not solved yet if a stub raises
    NotImplementedError, or the test itself uses a name that nobody has defined. What a reader's function does with an
    undefined name is an error of that function, hence wrong.
    """
    try:
        test()
    except NotImplementedError:
        return "not solved yet"
    except CheckFailed as failure:
        return f"wrong: {failure}"
    except Exception as error:  # whatever the reader's code does, the notebook goes on
        *_, (frame, _) = traceback.walk_tb(error.__traceback__)
        if isinstance(error, NameError) and frame.f_code is test.__code__:
            return "not solved yet"
        return f"wrong: {type(error).__name__}: {first_line(error)}"
    return "right"


def close(found, expected, tolerance, what="the answer"):
    """Raise CheckFailed unless `found` has the shape of `expected` and differs nowhere by more than `tolerance`."""
    try:
        found = np.asarray(found, dtype=float)
    except (TypeError, ValueError):
        raise CheckFailed(f"{what} is {type(found).__name__}, not numbers") from None
    expected = np.asarray(expected, dtype=float)
    if found.shape != expected.shape:
        raise CheckFailed(f"{what} has the shape {found.shape}, expected {expected.shape}")
    difference = np.abs(found - expected)
    if not (difference <= tolerance).all():  # a NaN is wrong as well
        raise CheckFailed(f"{what} is off by up to {difference.max():.3g}, allowed {tolerance:g}")


def holds(condition, what):
    """Raise CheckFailed, saying that `what` does not hold, unless the condition is true."""
    if not bool(condition):
        raise CheckFailed(f"{what}: this does not hold")
