"""The claims of executed chapters: read, in a terminal, and as the page `results`."""

import json
from dataclasses import dataclass
from pathlib import Path

from lib import files
from lib.book.chapter import Chapter, chapters
from lib.errors import BookError
from lib.page import claims, tables
from lib.page import margins as room
from lib.page.records import Record, line

STATUSES = ("passed", "missed", "reported", "not applicable", "failed", "missing")  # of claims, and unreported


def read(path: Path) -> dict[str, Record]:
    """Key -> record of an executed notebook, of a `results.json`, or of the folder of a run."""
    path = path / "results.json" if path.is_dir() else path
    if path.suffix != ".json":
        return Chapter(path).claims
    try:
        return {entry["key"]: Record.from_json(entry) for entry in files.read_json(path)}
    except FileNotFoundError:
        raise BookError(f"no {path}; give the folder of a run, its results.json, or an executed notebook") from None
    except (ValueError, KeyError, TypeError) as error:
        raise BookError(f"{path} is no results.json of a run ({type(error).__name__}: {error})") from None


def committed() -> list[Record]:
    """The claims of the committed chapters."""
    return [record for chapter in chapters() for record in chapter.claims.values()]


def show(notebook: list[Path], as_json: bool, page: bool) -> None:
    """`lib results`: the claims of these notebooks, by default of the committed chapters."""
    if page:
        from lib.book import refresh

        refresh.write_pages()
        return
    found = [record for path in notebook for record in read(path).values()] if notebook else committed()
    if as_json:
        print(json.dumps([record.to_json() for record in found], indent=2))
        return
    for record in found:
        print(line(record))


def margins(run: list[Path]) -> None:
    """`lib margins`: how much of each bar is used, in the run with least room."""
    runs = {str(path): list(read(path).values()) for path in run} or {"book": committed()}
    print(tables.aligned(room.table(runs)))


# The page --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Section:
    """The claims of one chapter. chapter: None where it is not written yet; records: key -> what it reported."""

    name: str
    chapter: Chapter | None
    entries: list[dict]
    records: dict[str, Record]

    @property
    def title(self) -> str:
        return self.chapter.title if self.chapter else f"{self.name} (not written yet)"

    @property
    def rows(self) -> list[list[str]]:
        return [_row(entry, self.records.get(entry["key"])) for entry in self.entries]

    def status(self, key: str) -> str:
        """One of STATUSES."""
        return self.records[key].status if key in self.records else "missing"

    def keys(self, *statuses: str) -> list[str]:
        return [entry["key"] for entry in self.entries if self.status(entry["key"]) in statuses]


def page(executed: list[Chapter]) -> str:
    """The page `results`: every claim of the ledger, as these chapters report it."""
    from lib.book.templates import render

    there = {chapter.name: chapter for chapter in executed}
    records = {key: record for chapter in executed for key, record in chapter.claims.items()}
    entries: dict[str, list[dict]] = {}
    for entry in claims.ledger().values():
        entries.setdefault(entry["chapter"], []).append(entry)
    sections = [Section(name, there.get(name), own, records) for name, own in entries.items()]

    def named(*statuses: str) -> str:
        keys = [key for section in sections for key in section.keys(*statuses)]
        return ", ".join(f"`{key}`" for key in keys) or "none"

    measured = [chapter.measured for chapter in executed]
    return render(
        "results.md",
        statuses=STATUSES,
        sections=sections,
        total={status: sum(len(section.keys(status)) for section in sections) for status in STATUSES},
        named=named,
        chapters=executed,
        memory=memory,
        machines=dict.fromkeys(each["machine"] for each in measured if "machine" in each),
        versions=dict.fromkeys(_versions(each["versions"]) for each in measured if "versions" in each),
    )


def memory(chapter: Chapter) -> str:
    """`0.9 GB`, the most that the processes of this chapter used together when it was executed."""
    megabytes = chapter.measured.get("memory")
    return f"{megabytes / 1000:.1f} GB" if megabytes else "unknown"


def target(key: str) -> str:
    """The name under which the cell of a claim can be linked."""
    return "claim-" + key.replace(".", "-").replace("_", "-")


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _row(entry: dict, record: Record | None) -> list[str]:
    """Claim, verdict, value here, exact, published, deviation in errors, part of the bar used."""
    key, reference = f"`{entry['key']}`", entry["reference"]
    verdict, here, deviation, used = "missing", "not reported", "", ""
    if record is not None:
        key = f"{{ref}}`{entry['key']} <{target(entry['key'])}>`"
        reference, verdict = record.reference, record.verdict
        here = "" if record.value is None else record.text
        used = room.used_text(room.room_of(record))
        deviation = "" if record.deviation is None else f"{record.deviation:+.1f}"
    units = f" ({entry['units']})" if entry["units"] else ""
    origin = f"; exact: {entry['reference_origin']}" if entry["reference_origin"] else ""
    exact = "in the chapter" if reference is None else f"{reference:.6g}"
    published = "" if entry["published"] is None else entry["published"]
    # what is long goes below the claim, so that the verdict is on the screen without scrolling
    claim = f"{entry['statement']}{units}<br>{key}<br>Source: {entry['source']}{origin}"
    return [claim, verdict, here, exact, published, deviation, used]
