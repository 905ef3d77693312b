"""Numbers that are no claims: what a notebook measured on a reader's own data, stored machine-readably in its outputs.

A claim has an entry in the ledger and a verdict; these have neither. In `results.json` they follow the claims, as
objects with the same fields: `key`, `value`, `error`, and `reference`, `published`, `passed` null.
"""

import math

from lib.page import claims

CHAPTER = "your_configurations"
MIME = "application/vnd.dan-book.measured+json"


def record(key: str, value: float, error: float | None = None, statement: str = "", units: str | None = None) -> dict:
    """One measured number in the form of a claim's record, key `learned.something`; NaN and infinity become null."""
    return {
        "key": key,
        "value": _finite(value),
        "error": _finite(error),
        "reference": None,
        "published": None,
        "passed": None,
        "chapter": CHAPTER,
        "statement": statement,
        "units": units,
        "bar": None,
        "verdict": "measured",
    }


def _finite(x):
    if x is None or isinstance(x, (bool, int)):
        return x
    return float(x) if math.isfinite(x) else None


def store(records: list[dict]) -> None:
    """Put records into the outputs of the running cell; outside a notebook there is nothing to put them in."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        text = f"{len(records)} numbers of this page are kept with it for results.json"
        display({"text/html": f'<p class="claim">{text}</p>', "text/plain": text, MIME: records}, raw=True)


def line(each: dict) -> str | None:
    """One record for the terminal, None for those of a table of temperatures."""
    if "(T=" in each["key"]:
        return None
    if ".warning." in each["key"]:
        return f"{each['key']}: {each['statement']}"
    value = claims.value_text(each["value"], each["error"]) if each["value"] is not None else "-"
    return f"{each['key']} = {value}" + (f"  ({each['statement']})" if each["statement"] else "")
