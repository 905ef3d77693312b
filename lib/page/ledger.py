"""The claims ledger `data/claims.yml`: what the book says it reproduces, with exact references and tolerances."""

import functools
import math
from pathlib import Path

import yaml

from lib import files
from lib.errors import BookError
from lib.paths import DATA

LEDGER = DATA / "claims.yml"
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
FIELDS = ("key", "chapter", "statement", "source", "published", "reference", "reference_origin", "tolerance", "units")
OPTIONAL = ("parameters", "reference_at", "history")


def ledger(path: Path | None = None) -> dict[str, dict]:
    """All claims of data/claims.yml by key, in order, checked for form.

    Optional fields are filled in. `parameters`: name -> value, those of the chapter that the bar was set at; `{}` is a
    bar that holds everywhere. `reference_at`: names of those that the reference belongs to. `history`: a list.
    """
    path = path or LEDGER
    try:
        return _read(str(path), files.read_text(path))
    except (OSError, yaml.YAMLError) as error:
        raise BookError(f"cannot read the claims ledger {path}: {' '.join(str(error).split())}") from error


@functools.lru_cache(maxsize=4)
def _read(path: str, text: str) -> dict[str, dict]:
    entries = yaml.safe_load(text) or []
    listed = isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries)
    _need(listed, f"{path}: must be a list of entries, each starting with '- key: ...'")
    claims, of_chapter = {}, {}
    for entry in entries:
        where = f"{path}: claim {entry.get('key')!r}"
        if set(entry) == {"chapter", "parameters"}:
            _add_parameters(entry, of_chapter, path)
        else:
            _check(entry, where)
            _need(entry["key"] not in claims, f"{where}: listed twice")
            claims[entry["key"]] = entry
    for key, entry in claims.items():
        _fill_in(entry, of_chapter.get(entry["chapter"], {}), f"{path}: claim {key!r}")
    return claims


def _need(holds, line: str) -> None:
    if not holds:
        raise BookError(line)


def _check(entry: dict, where: str) -> None:
    """The fields of a claim are those of FIELDS, perhaps with OPTIONAL, and in form."""
    wrong = ", ".join(sorted((set(FIELDS) - set(entry)) | (set(entry) - {*FIELDS, *OPTIONAL}), key=str))
    form = f"an entry has {', '.join(FIELDS)}, and may have {', '.join(OPTIONAL)}"
    _need(not wrong, f"{where}: fields missing or unknown: {wrong}; {form}")
    for field in ("key", "chapter", "statement", "source"):
        text = entry[field]
        _need(isinstance(text, str) and text, f"{where}: {field} must be a text, not {text!r}")
    reference, history = entry["reference"], entry.get("history", [])
    _need(reference is None or is_finite(reference), f"{where}: reference must be a number or null, not {reference!r}")
    check_tolerance(entry["tolerance"], where)
    for change in history if isinstance(history, list) else [history]:
        known = isinstance(change, dict) and set(change) == {"date", "change", "why"} and all(change.values())
        _need(known, f"{where}: history must be a list of {{date, change, why}}, not {change!r}")


def _add_parameters(entry: dict, of_chapter: dict, where: str) -> None:
    """An entry `- {chapter: ..., parameters: {name: value}}`: what the bars of a chapter were set at."""
    chapter, values = entry["chapter"], entry["parameters"]
    named = isinstance(values, dict) and values and all(isinstance(name, str) for name in values)
    _need(named, f"{where}: the parameters of {chapter} must be given as NAME: VALUE, not {values!r}")
    _need(chapter not in of_chapter, f"{where}: the parameters of {chapter} are listed twice")
    of_chapter[chapter] = values


def _fill_in(entry: dict, of_chapter: dict, where: str) -> None:
    """The optional fields; names of parameters become what the ledger has for them."""
    defaults = {"parameters": list(of_chapter), "reference_at": []}
    for field, default in defaults.items():
        names = entry.get(field, default)
        known = isinstance(names, list) and all(name in of_chapter for name in names)
        there = ", ".join(of_chapter) or "none"
        _need(known, f"{where}: {field} must be a list of parameters of the chapter's bars ({there}), not {names!r}")
        entry[field] = {name: of_chapter[name] for name in names}
    _need(not entry["reference_at"] or entry["reference"] is not None, f"{where}: reference_at, but no reference")
    entry.setdefault("history", [])


def check_tolerance(tolerance: dict, where: str) -> None:
    """Raise BookError unless this is {kind: one of KINDS, ...} with what belongs to the kind, all numbers finite."""
    known = isinstance(tolerance, dict) and tolerance.get("kind") in KINDS
    _need(known, f"{where}: tolerance must be {{kind: {'|'.join(KINDS)}, value: number}}, not {tolerance!r}")
    kind = tolerance["kind"]
    needed, optional = KINDS[kind]
    where = f"{where}: tolerance kind {kind!r}"
    extra = ", ".join(sorted(set(tolerance) - {"kind"} - needed - optional))
    _need(not extra, f"{where} does not take {extra}")
    if kind == "missed":
        asked = tolerance.get("asked")
        known = isinstance(asked, dict) and asked.get("kind") not in WITHOUT_BAR
        _need(known, f"{where} needs the bar that was asked for, not {asked!r}")
        return check_tolerance(asked, where)
    for field in sorted(needed | (set(tolerance) & optional)):
        number = tolerance.get(field)
        hint = "; YAML takes 1e-10 for a text, write 1.0e-10" if isinstance(number, str) else ""
        _need(is_finite(number), f"{where} needs a number for {field!r}, not {number!r}{hint}")
        _need(number >= 0 or kind in ("at_most", "at_least"), f"{where} needs {field!r} >= 0, not {number!r}")


def is_number(x) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def is_finite(x) -> bool:
    return is_number(x) and math.isfinite(x)
