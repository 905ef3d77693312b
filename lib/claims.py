"""The claims ledger: what the book says it reproduces, and how a chapter reports it.

`data/claims.yml` lists every claim with its exact reference and tolerance. A chapter calls
`report(key, value, error)`. That prints one verdict line without measured digits (so that nbval can compare
it exactly), shows the value, stores it machine-readably in the notebook's outputs, and glues its text for the prose.
"""

import html
import math
from pathlib import Path

import yaml

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
        entries = yaml.safe_load(path.read_text()) or []
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"cannot read the claims ledger {path}: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BookError(f"{path}: must be a list of entries, each starting with '- key: ...'")
    claims = {}
    for entry in entries:
        key = entry.get("key")
        where = f"{path}: claim {key!r}"
        if set(entry) != set(FIELDS):
            wrong = ", ".join(sorted(set(entry) ^ set(FIELDS), key=str))
            raise BookError(f"{where}: fields missing or unknown: {wrong}; an entry has exactly {', '.join(FIELDS)}")
        if key in claims:
            raise BookError(f"{where}: listed twice")
        if not (entry["reference"] is None or _is_number(entry["reference"])):
            raise BookError(f"{where}: reference must be a number or null, not {entry['reference']!r}")
        check_tolerance(entry["tolerance"], where)
        claims[key] = entry
    return claims


def check_tolerance(tolerance: dict, where: str) -> None:
    """Raise BookError unless this is {kind: one of KINDS, value: number[, sigmas: number]}."""
    if not isinstance(tolerance, dict) or tolerance.get("kind") not in KINDS:
        raise BookError(f"{where}: tolerance must be {{kind: {'|'.join(KINDS)}, value: number}}, not {tolerance!r}")
    kind = tolerance["kind"]
    allowed = {"kind"} | (set() if kind in ("equal", "reported") else {"value"})
    if kind in ("absolute", "relative"):
        allowed |= {"sigmas"}
    if extra := set(tolerance) - allowed:
        raise BookError(f"{where}: tolerance kind {kind!r} does not take {', '.join(sorted(extra))}")
    for field in allowed - {"kind", "sigmas"} | (set(tolerance) & {"sigmas"}):
        if not _is_number(tolerance.get(field)):
            raise BookError(f"{where}: tolerance kind {kind!r} needs a number for {field!r}")


def _is_number(x) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


# The verdict -----------------------------------------------------------------------------------------------


def judge(value: float, error: float | None, reference: float | None, tolerance: dict) -> bool | None:
    """True or False: is the value within tolerance? None where there is no bar. A NaN never passes."""
    kind, bar = tolerance["kind"], tolerance.get("value")
    if not math.isfinite(value):
        return False
    if kind == "reported":
        return None
    if kind == "at_most":
        return value <= bar
    if kind == "at_least":
        return value >= bar
    deviation = abs(value - reference)
    if kind == "equal":
        return deviation == 0
    if kind == "sigma":
        return deviation <= bar * error
    limit = bar if kind == "absolute" else bar * abs(reference)
    return deviation <= limit and deviation <= tolerance.get("sigmas", math.inf) * (error or 1.0)


def bar_text(tolerance: dict, reference: float | None) -> str:
    """The tolerance in words, from fixed numbers only."""
    kind, bar = tolerance["kind"], tolerance.get("value")
    text = {
        "absolute": lambda: f"within {bar:g} of {reference:.6g}",
        "relative": lambda: f"within {100 * bar:g} % of {reference:.6g}",
        "sigma": lambda: f"within {bar:g} errors of {reference:.6g}",
        "at_most": lambda: f"at most {bar:g}",
        "at_least": lambda: f"at least {bar:g}",
        "equal": lambda: f"equal to {reference:g}",
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
    reference = entry["reference"] if reference is None else _number(reference)
    value, error = _number(value), _number(error)
    kind = tolerance["kind"]
    if not applicable:
        if not reason:
            raise BookError(f"claim {key!r}: applicable=False needs a reason='...'")
        passed, bar, verdict = None, None, f"not applicable ({reason})"
    else:
        if value is None:
            raise BookError(f"claim {key!r}: no value given; only a claim with applicable=False may have none")
        if kind in NEEDS_REFERENCE and reference is None:
            raise BookError(f"claim {key!r}: tolerance kind {kind!r} needs a reference, in the ledger or in report()")
        if (kind == "sigma" or "sigmas" in tolerance) and not (error and error > 0):
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


def _number(x):
    """A plain Python number from an int, float, numpy or torch scalar."""
    if x is None or _is_number(x):
        return x
    if hasattr(x, "item"):
        return x.item()
    return float(x)


def _store(record: dict, verdict: str) -> None:
    """Put the record into the outputs of the running cell; outside a notebook there is nothing to put it in."""
    from IPython import get_ipython
    from IPython.display import display
    from myst_nb import glue

    if get_ipython() is None:
        return
    text = value_text(record["value"], record["error"]) if record["value"] is not None else "not applicable"
    units = f" {record['units']}" if record["units"] else ""
    line = f"{record['statement']}: <strong>{html.escape(text + units)}</strong>, {html.escape(verdict)}"
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
