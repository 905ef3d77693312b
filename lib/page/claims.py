"""How a chapter reports what the book says it reproduces: `report(key, value, error)`, one call for each claim.

`data/claims.yml` (`lib.page.ledger`) lists every claim with its exact reference and its bar. The claims of a cell are
shown as one table. Each is stored in the outputs of the notebook, where its verdict is compared when the chapter is
executed again, and its text is glued for the prose.

A bar holds at the parameters that the ledger lists for it; `parameters.check`, which every chapter calls first, says
which ones it runs at. Anywhere else the verdict says how many errors the value is away from the exact reference.
"""

import math

from lib.errors import BookError
from lib.page import parameters, tables
from lib.page.ledger import NEEDS_REFERENCE, WITHOUT_BAR, check_tolerance, is_number, ledger
from lib.page.records import Record, finite
from lib.page.tables import value_text
from lib.page.verdict import bar_text, counts_errors, distance_text, judge

MIME = "application/vnd.dan-book.claim+json"


class ClaimFailed(BookError):
    """A claim out of its tolerance."""


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
    """Report a claim from a chapter: a row of the cell's table, stored record, glued text.

    `reference`: the exact answer for the parameters at hand, where the ledger has none or one that belongs to its own
    parameters. `tolerance`: a bar that follows from the parameters; it is judged at any of them. Without it the bar of
    the ledger counts at its own parameters, and elsewhere there is none.
    A claim that has no meaning is reported with `applicable=False` and a `reason`, never as passed. A `reason` alone
    says why the value may be NaN at parameters that are allowed: if it or its error is, the claim is not applicable.
    Out of tolerance, or NaN, or without meaning where there is a bar: the record is stored and ClaimFailed is raised,
    so the cell fails.
    """
    record = make_record(
        key, value, error, reference=reference, tolerance=tolerance, applicable=applicable, reason=reason
    )
    _show(record)
    if record.status == "failed" and record.reason:
        raise ClaimFailed(f"{key}: {record.verdict} ({record.statement})")
    if record.status == "failed":
        got = "not a number" if record.value is None else record.text
        raise ClaimFailed(f"{key} = {got} is not {record.bar} ({record.statement})")


# The record ------------------------------------------------------------------------------------------------


def make_record(key, value, error=None, *, reference=None, tolerance=None, applicable=True, reason=None) -> Record:
    """The record of a claim, judged. Shows nothing, raises on misuse only. Arguments as in `report`."""
    claims = ledger()
    if key not in claims:
        raise BookError(f"no claim {key!r} in data/claims.yml; add it there or use one of: {', '.join(claims)}")
    entry = claims[key]
    at_bar = tolerance is not None or _runs_at(entry, "parameters")
    tolerance = entry["tolerance"] if tolerance is None else tolerance
    check_tolerance(tolerance, f"claim {key!r}")
    value, error = _number(value, key, "value"), _number(error, key, "error")
    reference = _reference(entry, _number(reference, key, "reference"))
    if error is not None and error < 0:
        raise BookError(f"claim {key!r}: the error must not be negative, it is {error!r}")
    if applicable and reason and any(x is not None and math.isnan(x) for x in (value, error)):
        value, error, applicable = None, None, False
    if applicable:
        if value is None:
            raise BookError(f"claim {key!r}: no value given; only a claim with applicable=False may have none")
        reason = None
        tolerance, bar = _held_to(key, value, error, reference, tolerance, at_bar)
        passed = judge(value, error, reference, tolerance)
        status = tolerance["kind"] if passed is None else "passed" if passed else "failed"
    else:
        if not reason:
            raise BookError(f"claim {key!r}: applicable=False needs a reason='...'")
        # where a bar was promised, for parameters that are listed, there is no way around it
        dodged = at_bar and bool(entry["parameters"]) and tolerance["kind"] not in WITHOUT_BAR
        status, tolerance, bar = "failed" if dodged else "not applicable", None, None
    return Record(
        key=key,
        value=finite(value),
        error=finite(error),
        reference=reference,
        published=entry["published"],
        status=status,
        chapter=entry["chapter"],
        statement=entry["statement"],
        units=entry["units"],
        bar=bar,
        tolerance=tolerance,
        reason=reason,
    )


def _held_to(key, value, error, reference, tolerance: dict, at_bar: bool) -> tuple[dict, str]:
    """The tolerance that counts for this value, and what it says. BookError where it needs what was not given."""
    if not at_bar:
        away = distance_text(value, error, reference) if math.isfinite(value) else ""
        bar = "no bar" if tolerance["kind"] == "reported" else "no bar at these parameters"
        return {"kind": "reported"}, f"{bar}; {away}" if away else bar
    if tolerance["kind"] in NEEDS_REFERENCE and reference is None:
        kind = tolerance["kind"]
        raise BookError(f"claim {key!r}: tolerance kind {kind!r} needs a reference, in the ledger or in report()")
    if counts_errors(tolerance) and not error:
        raise BookError(f"claim {key!r}: its tolerance counts errors, so report() needs an error > 0")
    return tolerance, bar_text(tolerance, reference)


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
    if not is_number(number):
        raise BookError(f"claim {key!r}: the {what} must be one number, not {' '.join(repr(x).split())[:80]}")
    return number


# The table of a cell ---------------------------------------------------------------------------------------

_table = {"cell": None, "records": [], "display": None}  # of the cell that reported last


def _show(record: Record) -> None:
    """Add the record to the outputs of the running cell and a row to its table. Outside a notebook: a printed line."""
    from IPython import get_ipython
    from IPython.display import display
    from myst_nb import glue

    shell = get_ipython()
    if shell is None:
        print(f"{record.key}: {record.verdict}")
        return
    display({MIME: record.to_json()}, raw=True)
    glue(record.key, "not applicable" if record.value is None else record.text, display=False)
    if _table["cell"] == shell.execution_count:
        _table["records"].append(record)
        _table["display"].update(_bundle(_table["records"]), raw=True)
    else:
        handle = display(_bundle([record]), raw=True, display_id=True)
        _table.update(cell=shell.execution_count, records=[record], display=handle)


def _bundle(records: list[Record]) -> dict[str, str]:
    """The table as HTML and as text."""
    header, *rows = table(records)
    texts = [[cell if isinstance(cell, str) else ", ".join(cell) for cell in row] for row in rows]
    return {"text/html": tables.text(header, rows, "claims"), "text/plain": tables.aligned([header, *texts])}


def table(records: list[Record]) -> list[list]:
    """Rows, with their heading, as `tables.text` takes them. Columns that no record fills are left out."""
    header = ["claim", "value", "exact", "deviation", "verdict"]
    columns = zip(header, *map(_row, records), strict=True)
    return [list(row) for row in zip(*(column for column in columns if any(column[1:])), strict=True)]


def _row(record: Record) -> list:
    value = [record.text, record.units] if record.units and record.value is not None else record.text
    exact = "" if record.reference is None else value_text(record.reference)
    deviation = "" if record.deviation is None else [f"{record.deviation:+.1f}", "errors"]
    verdict = [record.word, record.reason or record.bar]
    return [[record.statement, record.key], value, exact, deviation, verdict]
