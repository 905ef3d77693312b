"""The verdict on a claim: is a value within its tolerance, and what the tolerance says in words."""

import math

from lib.page.ledger import WITHOUT_BAR
from lib.page.tables import value_text

FLOOR_ERRORS = 4  # of its own errors, that a value may lie below a floor which the exact one cannot pass


def judge(value: float, error: float | None, reference: float | None, tolerance: dict) -> bool | None:
    """True or False: is the value within tolerance? None where there is no bar, or one that is declared as missed.

    A value or an error that is NaN or infinite never passes: within 3 errors of anything is no verdict at error = inf.
    """
    kind, bar = tolerance["kind"], tolerance.get("value")
    if not math.isfinite(value) or not (error is None or math.isfinite(error)):
        return False
    if "floor" in tolerance and not value >= tolerance["floor"] - FLOOR_ERRORS * (error or 0.0):
        return False
    if kind in WITHOUT_BAR:
        return None
    if kind == "at_most":
        return bool(value <= bar)
    if kind == "at_least":
        return bool(value >= bar)
    deviation = abs(value - reference)
    if kind == "equal":
        return bool(deviation == 0)
    if kind == "sigma":
        return bool(deviation <= bar * error and error <= tolerance["cap"])
    limit = bar if kind == "absolute" else bar * abs(reference)
    return bool(deviation <= limit and deviation <= tolerance.get("sigmas", math.inf) * (error or 1.0))


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
