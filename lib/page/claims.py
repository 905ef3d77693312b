"""The claims ledger: what the book says it reproduces, and how a chapter reports it.

`data/claims.yml` lists every claim with its exact reference and tolerance. A chapter calls
`report(key, value, error)`. That prints one verdict line without measured digits (so that nbval can compare
it exactly), shows the value, stores it machine-readably in the notebook's outputs, and glues its text for the prose.

A bar holds at the parameters that the ledger lists for it. `parameters.check`, which every chapter calls first, says
which ones a chapter runs at; anywhere else, and where it was not called, the claim is reported without a bar. The
verdict line then says how many of its errors the value is away from the exact reference, if one is known there.
"""

import html
import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from lib import files
from lib.errors import BookError
from lib.page import parameters
from lib.paths import DATA

LEDGER = DATA / "claims.yml"
MIME = "application/vnd.dan-book.claim+json"
# what the tolerance of each kind holds, and what it may hold besides
KINDS: dict[str, tuple[set, set]] = {
    "absolute": ({"value"}, {"sigmas"}),
    "relative": ({"value"}, {"sigmas"}),
    "sigma": ({"value", "cap"}, set()),
    "at_most": ({"value"}, {"floor"}),
    "at_least": ({"value"}, set()),
    "equal": (set(), set()),
    "missed": ({"asked"}, set()),
    "reported": (set(), {"floor"}),
}
NEEDS_REFERENCE = ("absolute", "relative", "sigma", "equal")
WITHOUT_BAR = ("missed", "reported")
FLOOR_ERRORS = 4  # of its own errors, that a value may lie below a floor which the exact one cannot pass
STATUSES = ("passed", "failed", "missed", "reported", "not applicable")
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
OPTIONAL = ("parameters", "reference_at", "history")


class ClaimFailed(BookError):
    """A claim out of its tolerance."""


# The ledger ------------------------------------------------------------------------------------------------


def ledger(path: Path | None = None) -> dict[str, dict]:
    """All claims of data/claims.yml by key, in order, checked for form.

    Optional fields are filled in. `parameters`: name -> value, those of the chapter that the bar was set at; `{}` is a
    bar that holds everywhere. `reference_at`: names of those that the reference belongs to. `history`: a list.
    """
    path = path or LEDGER
    try:
        entries = yaml.safe_load(files.read_text(path)) or []
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"cannot read the claims ledger {path}: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise BookError(f"{path}: must be a list of entries, each starting with '- key: ...'")
    claims, of_chapter = {}, {}
    for entry in entries:
        if set(entry) == {"chapter", "parameters"}:
            _add_parameters(entry, of_chapter, str(path))
            continue
        key = entry.get("key")
        where = f"{path}: claim {key!r}"
        if not (isinstance(key, str) and key):
            raise BookError(f"{where}: the key must be a text, like ising.t_c")
        if wrong := (set(FIELDS) - set(entry)) | (set(entry) - {*FIELDS, *OPTIONAL}):
            wrong = ", ".join(sorted(wrong, key=str))
            form = f"an entry has {', '.join(FIELDS)}, and may have {', '.join(OPTIONAL)}"
            raise BookError(f"{where}: fields missing or unknown: {wrong}; {form}")
        if key in claims:
            raise BookError(f"{where}: listed twice")
        for field in ("chapter", "statement", "source"):
            if not (isinstance(entry[field], str) and entry[field]):
                raise BookError(f"{where}: {field} must be a text, not {entry[field]!r}")
        if not (entry["reference"] is None or _is_finite(entry["reference"])):
            raise BookError(f"{where}: reference must be a number or null, not {entry['reference']!r}")
        check_tolerance(entry["tolerance"], where)
        _check_history(entry.get("history", []), where)
        claims[key] = entry
    for key, entry in claims.items():
        _fill_in(entry, of_chapter.get(entry["chapter"], {}), f"{path}: claim {key!r}")
    return claims


def _add_parameters(entry: dict, of_chapter: dict, where: str) -> None:
    """An entry `- {chapter: ..., parameters: {name: value}}`: what the bars of a chapter were set at."""
    chapter, values = entry["chapter"], entry["parameters"]
    if not (isinstance(values, dict) and values and all(isinstance(name, str) for name in values)):
        raise BookError(f"{where}: the parameters of {chapter} must be given as NAME: VALUE, not {values!r}")
    if chapter in of_chapter:
        raise BookError(f"{where}: the parameters of {chapter} are listed twice")
    of_chapter[chapter] = values


def _check_history(history, where: str) -> None:
    for change in history if isinstance(history, list) else [history]:
        if not isinstance(change, dict) or set(change) != {"date", "change", "why"} or not all(change.values()):
            raise BookError(f"{where}: history must be a list of {{date, change, why}}, not {change!r}")


def _fill_in(entry: dict, of_chapter: dict, where: str) -> None:
    """The optional fields; names of parameters become what the ledger has for them."""
    for field in ("parameters", "reference_at"):
        names = entry.get(field, [])
        if not isinstance(names, list) or (wrong := [name for name in names if name not in of_chapter]):
            wrong = names if not isinstance(names, list) else ", ".join(map(str, wrong))
            there = ", ".join(of_chapter) or "none"
            raise BookError(f"{where}: {field} must be a list of parameters of the chapter's bars ({there}): {wrong}")
    if entry.get("reference_at") and entry["reference"] is None:
        raise BookError(f"{where}: reference_at, but no reference")
    names = entry.get("parameters", list(of_chapter))
    entry["parameters"] = {name: of_chapter[name] for name in names}
    entry["reference_at"] = {name: of_chapter[name] for name in entry.get("reference_at", [])}
    entry.setdefault("history", [])


def check_tolerance(tolerance: dict, where: str) -> None:
    """Raise BookError unless this is {kind: one of KINDS, ...} with what belongs to the kind, all numbers finite."""
    if not isinstance(tolerance, dict) or tolerance.get("kind") not in KINDS:
        raise BookError(f"{where}: tolerance must be {{kind: {'|'.join(KINDS)}, value: number}}, not {tolerance!r}")
    kind = tolerance["kind"]
    needed, optional = KINDS[kind]
    if extra := set(tolerance) - {"kind"} - needed - optional:
        raise BookError(f"{where}: tolerance kind {kind!r} does not take {', '.join(sorted(extra))}")
    if kind == "missed":
        asked = tolerance.get("asked")
        if not isinstance(asked, dict) or asked.get("kind") in WITHOUT_BAR:
            raise BookError(f"{where}: tolerance kind 'missed' needs the bar that was asked for, not {asked!r}")
        return check_tolerance(asked, where)
    for field in sorted(needed | (set(tolerance) & optional)):
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

    `reference`: the exact answer for the parameters at hand, where the ledger has none or one that belongs to its own
    parameters. `tolerance`: a bar that follows from the parameters; it is judged at any of them. Without it the bar of
    the ledger counts at its own parameters, and elsewhere there is none.
    A claim that has no meaning is reported with `applicable=False` and a `reason`, never as passed. A `reason` alone
    says why the value may be NaN at parameters that are allowed: if it or its error is, the claim is not applicable.
    Out of tolerance, or NaN, or without meaning where there is a bar: the record is stored and ClaimFailed is raised,
    so the cell fails.
    """
    record, verdict = make_record(
        key, value, error, reference=reference, tolerance=tolerance, applicable=applicable, reason=reason
    )
    print(f"{key}: {verdict}")
    _store(record, verdict)
    if record["status"] == "failed" and not applicable:
        raise ClaimFailed(f"{key}: {verdict} ({record['statement']})")
    if record["status"] == "failed":
        got = value_text(record["value"], record["error"])
        raise ClaimFailed(f"{key} = {got} is not {record['bar']} ({record['statement']})")


def make_record(key, value, error=None, *, reference=None, tolerance=None, applicable=True, reason=None):
    """The stored record of a claim, a dict, and its verdict, a line. Shows nothing, raises on misuse only."""
    claims = ledger()
    if key not in claims:
        raise BookError(f"no claim {key!r} in data/claims.yml; add it there or use one of: {', '.join(claims)}")
    entry = claims[key]
    at_bar = tolerance is not None or _runs_at(entry, "parameters")
    if tolerance is None:
        tolerance = entry["tolerance"]
    else:
        check_tolerance(tolerance, f"claim {key!r}")
    value, error = _number(value, key, "value"), _number(error, key, "error")
    reference = _reference(entry, _number(reference, key, "reference"))
    if error is not None and error < 0:
        raise BookError(f"claim {key!r}: the error must not be negative, it is {error!r}")
    if applicable and reason and any(x is not None and math.isnan(x) for x in (value, error)):
        value, error, applicable = None, None, False
    if not applicable:
        if not reason:
            raise BookError(f"claim {key!r}: applicable=False needs a reason='...'")
        # where a bar was promised, for parameters that are listed, there is no way around it
        dodged = at_bar and bool(entry["parameters"]) and tolerance["kind"] not in WITHOUT_BAR
        status, bar, verdict = ("failed" if dodged else "not applicable"), None, f"not applicable ({reason})"
        verdict = f"FAILED, {verdict}" if dodged else verdict
    else:
        if value is None:
            raise BookError(f"claim {key!r}: no value given; only a claim with applicable=False may have none")
        if not at_bar:
            away = distance_text(value, error, reference) if math.isfinite(value) else ""
            bar = "no bar" + (" at these parameters" if tolerance["kind"] != "reported" else "")
            tolerance, bar = {"kind": "reported"}, bar + (f"; {away}" if away else "")
        elif tolerance["kind"] in NEEDS_REFERENCE and reference is None:
            kind = tolerance["kind"]
            raise BookError(f"claim {key!r}: tolerance kind {kind!r} needs a reference, in the ledger or in report()")
        elif counts_errors(tolerance) and (error is None or error == 0):
            raise BookError(f"claim {key!r}: its tolerance counts errors, so report() needs an error > 0")
        else:
            bar = bar_text(tolerance, reference)
        passed = judge(value, error, reference, tolerance)
        status = tolerance["kind"] if passed is None else "passed" if passed else "failed"
        verdict = f"{'FAILED' if status == 'failed' else status} ({bar})"
    record = {
        "key": key,
        "value": value if value is None or math.isfinite(value) else None,
        "error": error if error is None or math.isfinite(error) else None,
        "reference": reference,
        "published": entry["published"],
        "passed": {"passed": True, "failed": False}.get(status),
        "status": status,
        "chapter": entry["chapter"],
        "statement": entry["statement"],
        "units": entry["units"],
        "bar": bar,
        "tolerance": tolerance if applicable else None,
        "verdict": verdict,
    }
    return record, verdict


def _runs_at(entry: dict, field: str) -> bool:
    """Does this process run the chapter of the claim at what the ledger lists in `field`? Nothing listed: always."""
    given = parameters.given(entry["chapter"]) if entry[field] else {}
    return given is not None and all(given.get(name) == value for name, value in entry[field].items())


def _reference(entry: dict, given):
    """The exact answer at the parameters at hand: the ledger's where that holds, else the one `given`, or None."""
    key, own = entry["key"], entry["reference"]
    if given is not None and not math.isfinite(given):
        raise BookError(f"claim {key!r}: the reference must be finite, not {given!r}")
    if own is None or not _runs_at(entry, "reference_at"):
        return given
    if given is not None and not math.isclose(given, own, rel_tol=1e-4, abs_tol=1e-12):
        raise BookError(f"claim {key!r}: the reference given is {given!r}, that of the ledger {own!r}")
    return own


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


# Room ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """How much of a bar a value uses, 1 at the bar, and how many of its own errors it is inside; None: not known."""

    used: float | None
    inside: float | None

    @property
    def order(self) -> tuple:
        """The larger, the less room."""
        return self.close, 1.0 if self.used is None else self.used

    @property
    def close(self) -> bool:
        """Neither a third of the bar left nor two errors inside it: another machine may not pass."""
        return (self.used is None or self.used > 2 / 3) and (self.inside is None or self.inside < 2)


def room(value: float, error: float | None, reference: float | None, tolerance: dict) -> Room | None:
    """`Room` of a value under a tolerance, of the tightest of its limits; None where there is no bar.

    Used is |value - reference| over what is allowed, value over bar for at_most, and for at_least the part of the way
    from a perfect value, the reference, to the bar; not known without one. A missed bar is measured against what was
    asked for.
    """
    kind, bar = tolerance["kind"], tolerance.get("value")
    if kind == "missed":
        return room(value, error, reference, tolerance["asked"])
    if kind == "reported":
        return None
    if kind == "equal":
        return Room(0.0 if value == reference else math.inf, None)

    def errors(distance):
        return distance / error if error else None

    if kind == "at_most":
        limits = [Room(max(value / bar, 0.0) if bar > 0 else None, errors(bar - value))]
    elif kind == "at_least":
        known = reference is not None and reference > bar
        limits = [Room((reference - value) / (reference - bar) if known else None, errors(value - bar))]
    else:
        deviation = abs(value - reference)
        limits = []
        if kind != "sigma":
            limit = bar if kind == "absolute" else bar * abs(reference)
            limits.append(Room(_share(deviation, limit), errors(limit - deviation)))
        if sigmas := bar if kind == "sigma" else tolerance.get("sigmas"):
            limits.append(Room(_share(deviation, sigmas * error), sigmas - deviation / error))
        if kind == "sigma":
            limits.append(Room(_share(error, tolerance["cap"]), None))
    if "floor" in tolerance:
        below = (tolerance["floor"] - value) / error
        limits.append(Room(max(below / FLOOR_ERRORS, 0.0), FLOOR_ERRORS - below))
    return max(limits, key=lambda limit: limit.order)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else (math.inf if part else 0.0)


def room_of(record: dict, entries: dict[str, dict]) -> Room | None:
    """`Room` of a stored record; None where it was not held to a bar. entries: the ledger, for records of old runs."""
    status, entry = status_of(record), entries.get(record["key"])
    tolerance = record.get("tolerance") or (entry and entry["tolerance"])
    if record["value"] is None or status not in ("passed", "failed", "missed") or not tolerance:
        return None
    # an old record need not have what a new bar asks for
    if tolerance["kind"] in NEEDS_REFERENCE and record["reference"] is None:
        return None
    if counts_errors(tolerance) and not record["error"]:
        return None
    return room(record["value"], record["error"], record["reference"], tolerance)


def margins(runs: dict[str, list[dict]]) -> list[list[str]]:
    """Table, with its heading, of the room of every claim that has a bar; of several runs, in the one with least.

    runs: name -> records. Flags: `close`, see `Room`; `FAILED`; `met`: a bar declared as missed, passed with room.
    """
    entries, worst = ledger(), {}
    for name, records in runs.items():
        for record in records:
            if limit := room_of(record, entries):
                order = (status_of(record) == "failed", *limit.order)
                if record["key"] not in worst or order > worst[record["key"]][0]:
                    worst[record["key"]] = order, name, record, limit
    rows = [["claim", "value", "bar", "used", "errors inside", "", *(["least room in"] if len(runs) > 1 else [])]]
    for key, (_, name, record, limit) in worst.items():
        inside = "" if limit.inside is None else f"{limit.inside:.1f}"
        row = [key, value_text(record["value"], record["error"]), record["bar"], used_text(limit), inside]
        rows.append([*row, _flag(record, limit), *([name] if len(runs) > 1 else [])])
    return rows


def _flag(record: dict, limit: Room) -> str:
    status = status_of(record)
    if status == "missed":
        asked = record["tolerance"]["asked"]
        met = judge(record["value"], record["error"], record["reference"], asked) and not limit.close
        return "met" if met else "missed"
    return "FAILED" if status == "failed" else "close" if limit.close else ""


def used_text(limit: Room | None) -> str:
    """`67 %` of the bar; empty where that is not known."""
    return "" if limit is None or limit.used is None else f"{100 * limit.used:.0f} %"


# Reading ---------------------------------------------------------------------------------------------------


def status_of(record: dict) -> str:
    """One of STATUSES. Records of runs from before it was stored have it in their verdict line."""
    if "status" in record:
        return record["status"]
    if record["passed"] is not None:
        return "passed" if record["passed"] else "failed"
    return "not applicable" if record["verdict"].startswith("not applicable") else "reported"
