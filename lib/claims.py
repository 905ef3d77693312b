"""The claims ledger: what the book says it reproduces, and how a chapter reports it.

`data/claims.yml` lists every claim with its exact reference and tolerance. A chapter calls
`report(key, value, error)`. That prints one verdict line without measured digits (so that nbval can compare
it exactly), shows the value, stores it machine-readably in the notebook's outputs, and glues its text for the prose.
"""

import html
import math
from pathlib import Path

import yaml

from lib import files
from lib.errors import BookError
from lib.paths import DATA

LEDGER = DATA / "claims.yml"
MIME = "application/vnd.dan-book.claim+json"
KINDS = ("absolute", "relative", "sigma", "at_most", "at_least", "equal", "reported")
NEEDS_REFERENCE = ("absolute", "relative", "sigma", "equal")
FIELDS = (
    "key",
    "chapter",
    "statement",
    "source",
    "published",
    "reference",
    "reference_origin",
    "tolerance",
    "units",
)


class ClaimFailed(BookError):
    """A claim out of its tolerance."""


# The ledger ------------------------------------------------------------------------------------------------


def ledger(path: Path | None = None) -> dict[str, dict]:
    """All claims of data/claims.yml by key, in order, checked for form."""
    path = path or LEDGER
    try:
        entries = yaml.safe_load(files.read_text(path)) or []
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"cannot read the claims ledger {path}: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BookError(f"{path}: must be a list of entries, each starting with '- key: ...'")
    claims = {}
    for entry in entries:
        key = entry.get("key")
        where = f"{path}: claim {key!r}"
        if not (isinstance(key, str) and key):
            raise BookError(f"{where}: the key must be a text, like ising.t_c")
        if set(entry) != set(FIELDS):
            wrong = ", ".join(sorted(set(entry) ^ set(FIELDS), key=str))
            raise BookError(f"{where}: fields missing or unknown: {wrong}; an entry has exactly {', '.join(FIELDS)}")
        if key in claims:
            raise BookError(f"{where}: listed twice")
        for field in ("chapter", "statement", "source"):
            if not (isinstance(entry[field], str) and entry[field]):
                raise BookError(f"{where}: {field} must be a text, not {entry[field]!r}")
        if not (entry["reference"] is None or _is_finite(entry["reference"])):
            raise BookError(f"{where}: reference must be a number or null, not {entry['reference']!r}")
        check_tolerance(entry["tolerance"], where)
        claims[key] = entry
    return claims


def check_tolerance(tolerance: dict, where: str) -> None:
    """Raise BookError unless this is {kind: one of KINDS, value: number[, sigmas: number]}, all numbers finite."""
    if not isinstance(tolerance, dict) or tolerance.get("kind") not in KINDS:
        raise BookError(f"{where}: tolerance must be {{kind: {'|'.join(KINDS)}, value: number}}, not {tolerance!r}")
    kind = tolerance["kind"]
    allowed = {"kind"} | (set() if kind in ("equal", "reported") else {"value"})
    if kind in ("absolute", "relative"):
        allowed |= {"sigmas"}
    if extra := set(tolerance) - allowed:
        raise BookError(f"{where}: tolerance kind {kind!r} does not take {', '.join(sorted(extra))}")
    for field in allowed - {"kind", "sigmas"} | (set(tolerance) & {"sigmas"}):
        number = tolerance.get(field)
        if not _is_finite(number):
            hint = "; YAML takes 1e-10 for a text, write 1.0e-10" if isinstance(number, str) else ""
            raise BookError(f"{where}: tolerance kind {kind!r} needs a number for {field!r}, not {number!r}{hint}")
        if number < 0 and kind not in ("at_most", "at_least"):
            raise BookError(f"{where}: tolerance kind {kind!r} needs {field!r} >= 0, not {number!r}")


def _is_number(x) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _is_finite(x) -> bool:
    return _is_number(x) and math.isfinite(x)


# The verdict -----------------------------------------------------------------------------------------------


def judge(value: float, error: float | None, reference: float | None, tolerance: dict) -> bool | None:
    """True or False: is the value within tolerance? None where there is no bar.

    A value or an error that is NaN or infinite never passes: within 3 errors of anything is no verdict at error = inf.
    """
    kind, bar = tolerance["kind"], tolerance.get("value")
    if not math.isfinite(value) or not (error is None or math.isfinite(error)):
        return False
    if kind == "reported":
        return None
    if kind == "at_most":
        return bool(value <= bar)
    if kind == "at_least":
        return bool(value >= bar)
    deviation = abs(value - reference)
    if kind == "equal":
        return bool(deviation == 0)
    if kind == "sigma":
        return bool(deviation <= bar * error)
    limit = bar if kind == "absolute" else bar * abs(reference)
    return bool(deviation <= limit and deviation <= tolerance.get("sigmas", math.inf) * (error or 1.0))


def bar_text(tolerance: dict, reference: float | None) -> str:
    """The tolerance in words, from fixed numbers only."""
    kind, bar = tolerance["kind"], tolerance.get("value")
    text = {
        "absolute": lambda: f"within {bar:g} of {reference:.6g}",
        "relative": lambda: f"within {100 * bar:g} % of {reference:.6g}",
        "sigma": lambda: f"within {bar:g} errors of {reference:.6g}",
        "at_most": lambda: f"at most {bar:g}",
        "at_least": lambda: f"at least {bar:g}",
        "equal": lambda: f"equal to {value_text(reference)}",
        "reported": lambda: "no bar",
    }[kind]()
    if "sigmas" in tolerance:
        text += f" and within {tolerance['sigmas']:g} errors"
    return text


def value_text(value: float | None, error: float | None = None) -> str:
    """`2.2690(12)`: the value with its error in the last digits; six digits where there is no error."""
    if value is None or not math.isfinite(value):
        return "not a number"
    if error and math.isfinite(error):
        from uncertainties import ufloat

        return f"{ufloat(value, error):S}"
    return f"{value:d}" if isinstance(value, int) else f"{value:.6g}"


# Reporting -------------------------------------------------------------------------------------------------


def report(
    key: str,
    value: float | None,
    error: float | None = None,
    *,
    reference: float | None = None,
    tolerance: dict | None = None,
    applicable: bool = True,
    reason: str | None = None,
) -> None:
    """Report a claim from a chapter: verdict line, shown value, stored record, glued text.

    `reference` and `tolerance` replace those of the ledger, for parameters other than the default.
    A claim that has no meaning there is reported with `applicable=False` and a `reason`, never as passed.
    Out of tolerance, or NaN: the record is stored and ClaimFailed is raised, so the cell fails.
    """
    record, verdict = make_record(
        key, value, error, reference=reference, tolerance=tolerance, applicable=applicable, reason=reason
    )
    print(f"{key}: {verdict}")
    _store(record, verdict)
    if record["passed"] is False:
        got = value_text(record["value"], record["error"])
        raise ClaimFailed(f"{key} = {got} is not {record['bar']} ({record['statement']})")


def make_record(key, value, error=None, *, reference=None, tolerance=None, applicable=True, reason=None):
    """The stored record of a claim, a dict, and its verdict, a line. Shows nothing, raises on misuse only."""
    claims = ledger()
    if key not in claims:
        raise BookError(f"no claim {key!r} in data/claims.yml; add it there or use one of: {', '.join(claims)}")
    entry = claims[key]
    if tolerance is None:
        tolerance = entry["tolerance"]
    else:
        check_tolerance(tolerance, f"claim {key!r}")
    reference = entry["reference"] if reference is None else _number(reference, key, "reference")
    value, error = _number(value, key, "value"), _number(error, key, "error")
    kind = tolerance["kind"]
    if reference is not None and not math.isfinite(reference):
        raise BookError(f"claim {key!r}: the reference must be finite, not {reference!r}")
    if error is not None and error < 0:
        raise BookError(f"claim {key!r}: the error must not be negative, it is {error!r}")
    if not applicable:
        if not reason:
            raise BookError(f"claim {key!r}: applicable=False needs a reason='...'")
        passed, bar, verdict = None, None, f"not applicable ({reason})"
    else:
        if value is None:
            raise BookError(f"claim {key!r}: no value given; only a claim with applicable=False may have none")
        if kind in NEEDS_REFERENCE and reference is None:
            raise BookError(f"claim {key!r}: tolerance kind {kind!r} needs a reference, in the ledger or in report()")
        if (kind == "sigma" or "sigmas" in tolerance) and (error is None or error == 0):
            raise BookError(f"claim {key!r}: its tolerance counts errors, so report() needs an error > 0")
        passed, bar = judge(value, error, reference, tolerance), bar_text(tolerance, reference)
        verdict = f"{'reported' if passed is None else 'passed' if passed else 'FAILED'} ({bar})"
    record = {
        "key": key,
        "value": value if value is None or math.isfinite(value) else None,
        "error": error if error is None or math.isfinite(error) else None,
        "reference": reference,
        "published": entry["published"],
        "passed": passed,
        "chapter": entry["chapter"],
        "statement": entry["statement"],
        "units": entry["units"],
        "bar": bar,
        "verdict": verdict,
    }
    return record, verdict


def _number(x, key: str, what: str):
    """A plain Python number from an int, float, numpy or torch scalar; None stays None."""
    if x is None or type(x) in (int, float):
        return x
    try:  # np.float64 is a float, but its comparisons are no bool: always through item()
        number = x.item() if hasattr(x, "item") else float(x)
    except (TypeError, ValueError, RuntimeError):  # an array, a list, a text
        number = None
    if not _is_number(number):
        raise BookError(f"claim {key!r}: the {what} must be one number, not {' '.join(repr(x).split())[:80]}")
    return number


def _store(record: dict, verdict: str) -> None:
    """Put the record into the outputs of the running cell; outside a notebook there is nothing to put it in."""
    from IPython import get_ipython
    from IPython.display import display
    from myst_nb import glue

    if get_ipython() is None:
        return
    text = value_text(record["value"], record["error"]) if record["value"] is not None else "not applicable"
    units = f" {record['units']}" if record["units"] else ""
    statement = html.escape(record["statement"])
    line = f"{statement}: <strong>{html.escape(text + units)}</strong>, {html.escape(verdict)}"
    data = {
        "text/html": f'<p class="claim"><code>{record["key"]}</code> {line}</p>',
        "text/plain": f"claim {record['key']}",
        MIME: record,
    }
    display(data, raw=True)
    glue(record["key"], text, display=False)


# Reading ---------------------------------------------------------------------------------------------------


def read_notebook(path: Path) -> list[dict]:
    """The claims an executed notebook reported, in order; the last report of a key counts."""
    from lib.notebooks import read

    found = {}
    for cell in read(path).cells:
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(MIME)
            if record is not None:
                found[record["key"]] = dict(record)
    return list(found.values())
