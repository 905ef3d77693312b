"""Where things are, whatever the current directory is."""

from pathlib import Path

from lib.errors import BookError

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
DATA = ROOT / "data"
BUILD = ROOT / "_build"
RUNS = ROOT / "runs"


def data_file(name: str) -> Path:
    """Path of a file in data/. Call it with a literal name: the freshness stamp of a chapter looks for it."""
    path = DATA / name
    if not path.is_file():
        there = ", ".join(sorted(p.name for p in DATA.glob("*") if p.is_file())) or "nothing"
        raise BookError(f"no data file {name!r} in {DATA}; there is: {there}")
    return path
