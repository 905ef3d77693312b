"""The tables of the teacher page, from the executed chapters: what takes how long, which exercises there are.

`book/teaching.md` is written by hand, but for the blocks

    <!-- generated: sections autoregressive_networks | The factorisation | MADE: conditionals from masks -->
    <!-- end -->

which `write` fills in. There are three kinds: `chapters` (all chapters, with their seconds), `sections CHAPTER | TITLE
| ...` (sections of a chapter with the seconds of their cells; all of them if no title is given; an empty title is what
comes before the first) and `exercises CHAPTER ...`. Seconds are those of the execution that the outputs are from.
"""

import re
from pathlib import Path

from lib import files
from lib.book import notebooks, student
from lib.book.notebooks import tags
from lib.errors import BookError

PAGE = "teaching.md"
BLOCK = re.compile(r"(?P<open><!-- generated: (?P<what>.*?) -->\n)(?P<body>.*?)(?P<close><!-- end -->)", re.DOTALL)
OPEN = "<!-- generated:"
UNKNOWN = "not measured"


def write(chapters: list[Path], folder: Path) -> None:
    """Fill in the blocks of the teacher page in this folder from these executed chapters, if the page is there."""
    page = folder / PAGE
    if page.is_file():
        files.write_text(page, filled(files.read_text(page), chapters))


def filled(text: str, chapters: list[Path]) -> str:
    """The text of the page with its blocks filled in.

    BookError if a block is not closed, or names a kind, a chapter or a section that does not exist.
    """
    there = {path.stem: notebooks.read(path) for path in chapters}
    if text.count(OPEN) != len(BLOCK.findall(text)) or any(OPEN in match["body"] for match in BLOCK.finditer(text)):
        raise BookError(f"{PAGE}: a block {OPEN} ... --> is not closed with <!-- end -->")
    return BLOCK.sub(lambda match: f"{match['open']}\n{_block(match['what'], there)}\n\n{match['close']}", text)


def _block(what: str, chapters: dict) -> str:
    kind, _, rest = what.partition(" ")
    names = [part.strip() for part in rest.split("|")] if kind == "sections" else rest.split()
    if kind not in ("chapters", "sections", "exercises"):
        raise BookError(f"{PAGE}: no block {kind!r}; there are chapters, sections and exercises")
    for name in names[:1] if kind == "sections" else names:
        if name not in chapters:
            raise BookError(f"{PAGE}: block {what!r}: no chapter {name!r}")
    if kind == "sections":
        return sections_table(chapters[names[0]], names[0], names[1:])
    if kind == "exercises":
        return exercises_table({name: chapters[name] for name in names})
    return chapters_table(chapters)


# Tables ----------------------------------------------------------------------------------------------------


def chapters_table(chapters: dict) -> str:
    """Every chapter {name: notebook}, its seconds on one core, and how many exercises of each level it has."""
    rows = ["| chapter | seconds | exercises of level 1, 2, 3 |", "|---|---|---|"]
    for name, chapter in chapters.items():
        seconds = chapter.metadata.get("dan_book", {}).get("seconds", UNKNOWN)
        levels = [exercise.level for exercise in student.exercises(chapter)]
        counts = ", ".join(str(levels.count(level)) for level in (1, 2, 3))
        rows.append(f"| [{title(chapter, name)}]({name}.ipynb) | {seconds} | {counts} |")
    return "\n".join(rows)


def sections_table(chapter, name: str, titles: list[str] = ()) -> str:
    """Sections of a chapter (all, or those with these titles): code cells, seconds in all, seconds of the longest."""
    found = sections(chapter)
    for wanted in titles:
        if wanted not in found:
            raise BookError(f"{PAGE}: {name} has no section {wanted!r}; it has: {', '.join(filter(None, found))}")
    rows = [f"| section of [{title(chapter, name)}]({name}.ipynb) | code cells | seconds | longest cell |"]
    rows.append("|---|---|---|---|")
    for section, seconds in found.items():
        if section in titles or (not titles and seconds):
            known = None not in seconds
            total = f"{sum(seconds):.1f}" if known else UNKNOWN
            longest = f"{max(seconds, default=0):.1f}" if known else UNKNOWN
            rows.append(f"| {section or 'parameters and imports'} | {len(seconds)} | {total} | {longest} |")
    return "\n".join(rows)


def exercises_table(chapters: dict) -> str:
    """The exercises of these chapters, easiest first, and whether the student version grades them."""
    rows = ["| level | exercise | chapter | graded |", "|---|---|---|---|"]
    found = []
    for name, chapter in chapters.items():
        graded = "\n".join(cell.source for cell in notebooks.code_cells(chapter) if "grade" in tags(cell))
        for exercise in student.exercises(chapter):
            link = f"{{ref}}`{exercise.title} <{exercise.label}>`"
            found.append((exercise.level or 0, link, title(chapter, name), "yes" if exercise.label in graded else ""))
    rows += [f"| {level} | {link} | {where} | {yes} |" for level, link, where, yes in sorted(found, key=lambda r: r[0])]
    return "\n".join(rows)


def sections(chapter) -> dict[str, list]:
    """Seconds of the code cells of each `##` section, by its title ("" for what is before the first), in order.

    None for every cell where they are not known: executed before they were stored, or edited since.
    """
    cells = notebooks.code_cells(chapter)
    seconds = chapter.metadata.get("dan_book", {}).get("cell_seconds", [])
    known = iter(seconds if len(seconds) == len(cells) else [None] * len(cells))
    found, here = {"": []}, ""
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("## "):
                    here = line[3:].strip()
                    found.setdefault(here, [])
        elif cell.cell_type == "code" and cell.source.strip():
            found[here].append(next(known))
    return found


def title(chapter, name: str) -> str:
    """The title of a chapter, its name if it has none."""
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return name
