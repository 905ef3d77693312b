"""Room: how much of its bar a claim uses, and how many of its own errors it is inside."""

import math
from dataclasses import dataclass

from lib.page.records import Record
from lib.page.verdict import Limit, judge, limits


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
    kind = tolerance["kind"]
    if kind == "missed":
        return room(value, error, reference, tolerance["asked"])
    if kind == "reported":
        return None
    found = [_room(limit, error, kind) for limit in limits(value, error, reference, tolerance)]
    return max(found, key=lambda each: each.order)


def _room(limit: Limit, error: float | None, kind: str) -> Room:
    inside = (limit.allowed - limit.distance) / error if error and limit.blurred else None
    if limit.allowed > 0:
        return Room(max(limit.distance / limit.allowed, 0.0), inside)
    if kind in ("at_most", "at_least"):
        return Room(None, inside)
    return Room(math.inf if limit.distance > 0 else 0.0, inside)


def room_of(record: Record) -> Room | None:
    """`Room` of a record; None where it was not held to a bar."""
    if record.value is None or record.status not in ("passed", "failed", "missed"):
        return None
    return room(record.value, record.error, record.reference, record.tolerance)


def table(runs: dict[str, list[Record]]) -> list[list[str]]:
    """Table, with its heading, of the room of every claim that has a bar; of several runs, in the one with least.

    runs: name -> records. Flags: `close`, see `Room`; `FAILED`; `met`: a bar declared as missed, passed with room.
    """
    worst = {}
    for name, records in runs.items():
        for record in records:
            if limit := room_of(record):
                order = (record.status == "failed", *limit.order)
                if record.key not in worst or order > worst[record.key][0]:
                    worst[record.key] = order, name, record, limit
    several = len(runs) > 1
    rows = [["claim", "value", "bar", "used", "errors inside", "", *["least room in"] * several]]
    for key, (_, name, record, limit) in worst.items():
        inside = "" if limit.inside is None else f"{limit.inside:.1f}"
        row = [key, record.text, record.bar, used_text(limit), inside, _flag(record, limit)]
        rows.append([*row, *[name] * several])
    return rows


def _flag(record: Record, limit: Room) -> str:
    if record.status == "failed":
        return "FAILED"
    if record.status == "passed":
        return "close" if limit.close else ""
    reached = judge(record.value, record.error, record.reference, record.tolerance["asked"])
    return "met" if reached and not limit.close else "missed"


def used_text(limit: Room | None) -> str:
    """`67 %` of the bar; empty where that is not known."""
    return "" if limit is None or limit.used is None else f"{100 * limit.used:.0f} %"
