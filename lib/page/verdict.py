"""The verdict on a claim: is a value within its tolerance, and what the tolerance says in words."""

import math
from typing import NamedTuple

from lib.page.ledger import WITHOUT_BAR
from lib.page.tables import value_text

FLOOR_ERRORS = 4  # of its own errors, that a value may lie below a floor which the exact one cannot pass


class Limit(NamedTuple):
    """A part of a tolerance: the distance is at most what is allowed. blurred: the value's error is one of it."""

    distance: float
    allowed: float
    blurred: bool = True


def limits(value: float, error: float | None, reference: float | None, tolerance: dict) -> list[Limit]:
    """All of them must hold. `missed` has none, `reported` none but a floor."""
    kind, bar = tolerance["kind"], tolerance.get("value")
    off = None if reference is None else abs(value - reference)
    start = reference if reference is not None and reference > (bar or 0) else 0.0
    found = {
        "absolute": lambda: [Limit(off, bar)],
        "relative": lambda: [Limit(off, bar * abs(reference))],
        "sigma": lambda: [Limit(off, bar * error), Limit(error, tolerance["cap"], blurred=False)],
        "equal": lambda: [Limit(off, 0.0, blurred=False)],
        "at_most": lambda: [Limit(value, bar)],
        "at_least": lambda: [Limit(start - value, start - bar)],
    }.get(kind, list)()
    if "sigmas" in tolerance:
        found.append(Limit(off, tolerance["sigmas"] * (error or 1.0)))
    if "floor" in tolerance:
        found.append(Limit(tolerance["floor"] - value, FLOOR_ERRORS * (error or 0.0)))
    return found


def judge(value: float, error: float | None, reference: float | None, tolerance: dict) -> bool | None:
    """True or False: is the value within tolerance? None where there is no bar, or one that is declared as missed.

    A value or an error that is NaN or infinite never passes: within 3 errors of anything is no verdict at error = inf.
    """
    if not math.isfinite(value) or not (error is None or math.isfinite(error)):
        return False
    within = all(limit.distance <= limit.allowed for limit in limits(value, error, reference, tolerance))
    return None if within and tolerance["kind"] in WITHOUT_BAR else within


def bar_text(tolerance: dict, reference: float | None) -> str:
    """The tolerance in words, from fixed numbers only."""
    kind, bar = tolerance["kind"], tolerance.get("value")
    text = {
        "absolute": lambda: f"within {bar:g} of {reference:.6g}",
        "relative": lambda: f"within {100 * bar:g} % of {reference:.6g}",
        "sigma": lambda: f"within {bar:g} errors of {reference:.6g}, error at most {tolerance['cap']:g}",
        "at_most": lambda: f"at most {bar:g}",
        "at_least": lambda: f"at least {bar:g}",
        "equal": lambda: f"equal to {value_text(reference)}",
        "missed": lambda: f"asked: {bar_text(tolerance['asked'], reference)}",
        "reported": lambda: "no bar",
    }[kind]()
    if "sigmas" in tolerance:
        text += f" and within {tolerance['sigmas']:g} errors"
    if "floor" in tolerance:
        text += f", not below {tolerance['floor']:g}"
    return text


def counts_errors(tolerance: dict) -> bool:
    """Does this tolerance need an error of the value?"""
    return tolerance["kind"] == "sigma" or not {"sigmas", "floor"}.isdisjoint(tolerance)


def distance_text(value: float, error: float | None, reference: float | None) -> str:
    """`1.8 errors above 2.3174`; empty where the error or the exact reference is not known."""
    if not error or reference is None:
        return ""
    away = (value - reference) / error
    return f"{abs(away):.1f} errors {'above' if away > 0 else 'below'} {reference:.6g}"
