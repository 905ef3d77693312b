"""The claims ledger `data/claims.yml`: what the book says it reproduces, with exact references and tolerances."""

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
        where = f"{path}: claim {entry.get('key')!r}"
        _check(entry, where)
        if entry["key"] in claims:
            raise BookError(f"{where}: listed twice")
        claims[entry["key"]] = entry
    for key, entry in claims.items():
        _fill_in(entry, of_chapter.get(entry["chapter"], {}), f"{path}: claim {key!r}")
    return claims


def _check(entry: dict, where: str) -> None:
    """Raise BookError unless the fields of a claim are those of FIELDS, perhaps with OPTIONAL, and in form."""
    if not (isinstance(entry.get("key"), str) and entry["key"]):
        raise BookError(f"{where}: the key must be a text, like ising.t_c")
    if wrong := (set(FIELDS) - set(entry)) | (set(entry) - {*FIELDS, *OPTIONAL}):
        wrong = ", ".join(sorted(wrong, key=str))
        form = f"an entry has {', '.join(FIELDS)}, and may have {', '.join(OPTIONAL)}"
        raise BookError(f"{where}: fields missing or unknown: {wrong}; {form}")
    for field in ("chapter", "statement", "source"):
        if not (isinstance(entry[field], str) and entry[field]):
            raise BookError(f"{where}: {field} must be a text, not {entry[field]!r}")
    if not (entry["reference"] is None or is_finite(entry["reference"])):
        raise BookError(f"{where}: reference must be a number or null, not {entry['reference']!r}")
    check_tolerance(entry["tolerance"], where)
    history = entry.get("history", [])
    for change in history if isinstance(history, list) else [history]:
        if not isinstance(change, dict) or set(change) != {"date", "change", "why"} or not all(change.values()):
            raise BookError(f"{where}: history must be a list of {{date, change, why}}, not {change!r}")


def _add_parameters(entry: dict, of_chapter: dict, where: str) -> None:
    """An entry `- {chapter: ..., parameters: {name: value}}`: what the bars of a chapter were set at."""
    chapter, values = entry["chapter"], entry["parameters"]
    if not (isinstance(values, dict) and values and all(isinstance(name, str) for name in values)):
        raise BookError(f"{where}: the parameters of {chapter} must be given as NAME: VALUE, not {values!r}")
    if chapter in of_chapter:
        raise BookError(f"{where}: the parameters of {chapter} are listed twice")
    of_chapter[chapter] = values


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
        if not is_finite(number):
            hint = "; YAML takes 1e-10 for a text, write 1.0e-10" if isinstance(number, str) else ""
            raise BookError(f"{where}: tolerance kind {kind!r} needs a number for {field!r}, not {number!r}{hint}")
        if number < 0 and kind not in ("at_most", "at_least"):
            raise BookError(f"{where}: tolerance kind {kind!r} needs {field!r} >= 0, not {number!r}")


def is_number(x) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def is_finite(x) -> bool:
    return is_number(x) and math.isfinite(x)
