"""A few claims in plain words, for the first page: what was found, what it should be, and the verdict.

The numbers are those that the executed chapters reported; only the words are written by hand.
"""

from lib.book.chapter import Chapter
from lib.book.results import target
from lib.book.templates import render
from lib.errors import BookError


def rows(chapters: list[Chapter], lines: list[str]) -> list[list[str]]:
    """Key, words, value here, value that it should be, verdict, of every line `key: words`.

    BookError names a line of another form, and a claim that none of these chapters reports.
    """
    records = {key: record for chapter in chapters for key, record in chapter.claims.items()}
    found = []
    for line in lines:
        key, colon, words = (part.strip() for part in line.partition(": "))
        if not (colon and words):
            raise BookError(f"{line!r} is not of the form 'claim: words'")
        if key not in records:
            raise BookError(f"no chapter reports the claim {key!r}")
        record = records[key]
        expected = "" if record.reference is None else f"{record.reference:.6g}"
        found.append([key, words, record.text, expected, record.verdict])
    return found


def table(chapters: list[Chapter], lines: list[str], linked: bool = True) -> str:
    """The same as a table in MyST, the words linked to the claim; without `linked` in plain Markdown."""
    found = [
        [f"{{ref}}`{words} <{target(key)}>`" if linked else words, *rest] for key, words, *rest in rows(chapters, lines)
    ]
    return render("table.md", header=["result", "found", "should be", "verdict"], rows=found)
