"""The tables of the teacher page, from executed chapters: what takes how long, which exercises there are.

Seconds are those of the execution that the outputs are from. The page shows the tables by directives, see `extension`.

For a course the page is without answers (`without_answers`): they stand in parentheses after the questions of a list
below `Questions to ask:`, and in paragraphs below the line `% for the teacher`, which no page shows.
"""

import re

from lib.book import notebooks, student
from lib.book.chapter import Chapter
from lib.book.templates import render
from lib.errors import BookError

UNKNOWN = "not measured"
START = "parameters and imports"  # what is before the first section
TEACHER = re.compile(r"^% for the teacher\n(?:.+\n)*\n?", re.MULTILINE)  # to the end of the paragraph
QUESTIONS = re.compile(r"^Questions to ask:\n\n(?:(?:- |  ).*\n)+", re.MULTILINE)
ANSWER = re.compile(r"\?\s+\([^?]*?\)(?=\n(?:- |\Z))")  # at the end of an item


def chapters_table(chapters: list[Chapter]) -> str:
    """Every chapter, its seconds on one core, and how many exercises of each level it has."""
    rows = []
    for chapter in chapters:
        levels = [exercise.level for exercise in student.exercises(chapter.notebook)]
        counts = ", ".join(str(levels.count(level)) for level in (1, 2, 3))
        rows.append([_link(chapter), chapter.measured.get("seconds", UNKNOWN), counts])
    return render("table.md", header=["chapter", "seconds", "exercises of level 1, 2, 3"], rows=rows)


def sections_table(chapter: Chapter, titles: list[str]) -> str:
    """Sections of a chapter: code cells, seconds in all, seconds of the longest.

    titles: which sections, START among them; none: all that have code. BookError names one that is not there.
    """
    found = sections(chapter)
    for wanted in titles:
        if wanted not in found:
            raise BookError(f"{chapter.name} has no section {wanted!r}; it has: {', '.join(found)}")
    rows = []
    for section, seconds in found.items():
        if section in titles or (not titles and seconds):
            known = None not in seconds
            total = f"{sum(seconds):.1f}" if known else UNKNOWN
            longest = f"{max(seconds, default=0):.1f}" if known else UNKNOWN
            rows.append([section, str(len(seconds)), total, longest])
    header = [f"section of {_link(chapter)}", "code cells", "seconds", "longest cell"]
    return render("table.md", header=header, rows=rows)


def exercises_table(chapters: list[Chapter]) -> str:
    """The exercises of these chapters, easiest first, and whether the student version grades them."""
    rows = []
    for chapter in chapters:
        cells = notebooks.code_cells(chapter.notebook)
        graded = "\n".join(cell.source for cell in cells if "grade" in notebooks.tags(cell))
        for exercise in student.exercises(chapter.notebook):
            link = f"{{ref}}`{exercise.title} <{exercise.label}>`"
            rows.append([exercise.level or 0, link, chapter.title, "yes" if exercise.label in graded else ""])
    rows.sort(key=lambda row: row[0])
    return render("table.md", header=["level", "exercise", "chapter", "graded"], rows=rows)


def without_answers(text: str) -> str:
    """The text of the teacher page, or any other, without its answers."""
    return QUESTIONS.sub(lambda match: ANSWER.sub("?", match[0]), TEACHER.sub("", text))


def _link(chapter: Chapter) -> str:
    return f"[{chapter.title}]({chapter.name}.ipynb)"


def sections(chapter: Chapter) -> dict[str, list]:
    """Seconds of the code cells of each `##` section, by its title (START for what is before the first), in order.

    None for every cell where they are not known: executed before they were stored, or edited since.
    """
    cells = notebooks.code_cells(chapter.notebook)
    seconds = chapter.measured.get("cell_seconds", [])
    known = iter(seconds if len(seconds) == len(cells) else [None] * len(cells))
    found, here = {START: []}, START
    for cell in chapter.notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if line.startswith("## "):
                    here = line[3:].strip()
                    found.setdefault(here, [])
        elif cell.cell_type == "code" and cell.source.strip():
            found[here].append(next(known))
    return found
