"""Records: what a chapter found, one number each, stored machine-readably in its outputs and in `results.json`.

A claim has an entry in the ledger and a verdict (`lib.page.claims`). What is measured on a reader's own data has
neither; its status is `measured`, and in `results.json` it follows the claims with the same fields.
"""

import math
from dataclasses import asdict, dataclass, fields

from lib.page.tables import value_text

CHAPTER = "your_configurations"
MIME = "application/vnd.dan-book.measured+json"


@dataclass(frozen=True)
class Record:
    """One number with what it is held to.

    value, error: None where there is none, or where it is NaN or infinite.
    status: passed, failed, missed, reported, not applicable, or measured.
    tolerance: what it is held to, as in the ledger; bar: the same in words. reason: why a claim is not applicable.
    form: `number`; `series` is a line of a table of many temperatures, `text` says what it has to in its statement.
    """

    key: str
    value: float | None
    error: float | None = None
    reference: float | None = None
    published: float | None = None
    status: str = "measured"
    chapter: str = CHAPTER
    statement: str = ""
    units: str | None = None
    bar: str | None = None
    tolerance: dict | None = None
    reason: str | None = None
    form: str = "number"

    @property
    def passed(self) -> bool | None:
        return {"passed": True, "failed": False}.get(self.status)

    @property
    def verdict(self) -> str:
        """One line without measured digits of `value`, compared when a chapter is executed again."""
        if self.status == "measured":
            return self.status
        return f"{self.word} ({self.reason or self.bar})"

    @property
    def word(self) -> str:
        """The status, as a reader sees it."""
        if self.status == "failed":
            return "FAILED, not applicable" if self.reason else "FAILED"
        return self.status

    @property
    def deviation(self) -> float | None:
        """(value - reference) / error; None where one of the three is not known."""
        if self.value is None or self.reference is None or not self.error:
            return None
        return (self.value - self.reference) / self.error

    @property
    def text(self) -> str:
        """`2.2690(12)`."""
        return value_text(self.value, self.error)

    def to_json(self) -> dict:
        return dict(sorted((asdict(self) | {"passed": self.passed, "verdict": self.verdict}).items()))

    @classmethod
    def from_json(cls, entry: dict) -> "Record":
        """A stored record; what else is stored with it is derived. Only what is measured may come without a status."""
        return cls(**{field.name: entry[field.name] for field in fields(cls) if field.name in entry})


def finite(x):
    """A plain number for JSON; None for NaN, infinity and None."""
    if x is None or isinstance(x, (bool, int)):
        return x
    return float(x) if math.isfinite(x) else None


# Measured numbers ------------------------------------------------------------------------------------------


def record(key: str, value, error=None, statement: str = "", units: str | None = None, form: str = "number") -> Record:
    """One measured number, key `learned.something`."""
    return Record(key, finite(value), finite(error), statement=statement, units=units, form=form)


def store(records: list[Record]) -> None:
    """Put records into the outputs of the running cell; outside a notebook there is nothing to put them in."""
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is not None:
        text = f"{len(records)} numbers of this page are kept with it for results.json"
        stored = [each.to_json() for each in records]
        display({"text/html": f'<p class="claim">{text}</p>', "text/plain": text, MIME: stored}, raw=True)


def line(each: Record) -> str:
    """One record for the terminal."""
    if each.form == "text":
        return f"{each.key}: {each.statement}"
    if each.status != "measured":
        return f"{each.key} = {each.text}: {each.verdict}"
    return f"{each.key} = {each.text}" + (f"  ({each.statement})" if each.statement else "")
