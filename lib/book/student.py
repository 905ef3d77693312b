"""Student versions of the chapters: the solutions replaced by stubs, everything else kept.

What is a solution: the text of `{solution}` directives, and everything from `{solution-start}` to `{solution-end}`,
code cells included, and a code cell tagged `solution` wherever it is. The stub of a code cell is in its metadata,
`{"dan_book": {"stub": "def f(x): ..."}}`; without one it is a comment. One comment stands for several cells in a row,
and a cell whose stub is empty belongs to the one before. Cells tagged `grade` lose their outputs, since those grade the
book's own solution.

Exercises become plain Markdown, because a notebook editor does not know the directive; `handout` makes the rest plain,
too (`editor`), of a student version or of a chapter with its solutions.

`for_a_page` is the same for the pages of a site without solutions: exercises stay what they are, and only the stubs
that a notebook has are shown.
"""

import copy
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import v4

from lib.book import editor, notebooks
from lib.book.chapter import Chapter, named
from lib.book.editor import DIRECTIVE, OPENING
from lib.book.notebooks import tags
from lib.errors import BookError

STUB = "# your code here"
LEVEL = re.compile(r"\(level (?P<level>\d)\)$")

NOTE = """**Student version of the chapter `{name}`.** The solutions of the exercises are left out; where one
had code, there is a cell for yours. Everything else is as in the book, its outputs included. Run the cells from the top
before you start: the exercises use what they define. Where a cell calls `grading.grade`, it says whether your code is
right. {where} Keep your work outside the folder `_build`, which `make clean` removes."""
IN_THE_BOOK = "The solutions are in the book, folded below each exercise."
NOT_ON_THE_PAGES = "The pages of this course have no solutions."


@dataclass(frozen=True)
class Exercise:
    """Label, title without the level, and level (None where the title has none) of an exercise."""

    label: str
    title: str
    level: int | None


def exercises(chapter: nbformat.NotebookNode) -> list[Exercise]:
    """The exercises of a chapter in order."""
    found = []
    for cell in chapter.cells:
        for match in DIRECTIVE.finditer(cell.source) if cell.cell_type == "markdown" else ():
            if match["name"] in ("exercise", "exercise-start"):
                level = LEVEL.search(match["argument"])
                title = LEVEL.sub("", match["argument"]).strip()
                given, _ = editor.options(match["body"])
                found.append(Exercise(given.get("label", ""), title, int(level["level"]) if level else None))
    return found


def student(chapter: nbformat.NotebookNode, name: str, where: str = IN_THE_BOOK) -> nbformat.NotebookNode:
    """The student version of a chapter. BookError, naming it, if a solution is not closed, or not opened.

    where: a sentence for its first cell that says where the solutions are.
    """
    made = copy.deepcopy(chapter)
    note = v4.new_markdown_cell(NOTE.format(name=name, where=where), id="student-note")
    made.cells = [note, *_without_solutions(made.cells, name, plain=True)]
    made.metadata["dan_book"] = {"student_of": name}
    return made


def for_a_page(chapter: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """A chapter without its solutions, for the site: exercises are still directives, so that they can be linked.

    Where a cell of a solution has no stub, nothing is in its place. BookError as in `student`.
    """
    made = copy.deepcopy(chapter)
    made.cells = _without_solutions(made.cells, name, plain=False)
    seconds, cells = made.metadata.get("dan_book", {}).get("cell_seconds", []), notebooks.code_cells(chapter)
    if len(seconds) == len(cells):  # the tables of the teacher page know the cells by their number
        took = {cell.id: each for cell, each in zip(cells, seconds, strict=True) if "solution" not in tags(cell)}
        made.metadata["dan_book"]["cell_seconds"] = [took.get(cell.id, 0.0) for cell in notebooks.code_cells(made)]
    return made


def handout(
    chapter: nbformat.NotebookNode, name: str, book: editor.Book, solutions: bool, where: str = IN_THE_BOOK
) -> nbformat.NotebookNode:
    """What a notebook editor gets of a chapter: plain Markdown; its student version, or with solutions, folded."""
    if solutions:
        return editor.plain(chapter, name, book)
    return editor.plain(student(chapter, name, where), name, book, note="")


def _without_solutions(cells: list, name: str, plain: bool) -> list:
    """These cells without solutions and without what the grades printed.

    plain: for a notebook editor: exercises as plain Markdown, a stub for every cell of a solution.
    """
    kept, inside = [], ""
    for cell in cells:
        if cell.cell_type == "markdown":
            before = cell.source
            cell.source, inside = _text_without_solutions(before, inside, name, plain)
            if cell.source.strip() or not before.strip():
                kept.append(cell)
        elif cell.cell_type == "code" and (inside or "solution" in tags(cell)):
            _add_stub(kept, cell, STUB if plain else "")
        else:
            if "grade" in tags(cell):
                cell.outputs, cell.execution_count = [], None
            kept.append(cell)
    if inside:
        raise BookError(f"{name}: the solution of {inside!r} has no solution-end")
    return kept


def show(chapter: list[str], out: Path, solutions: bool = False) -> None:
    """`lib student`."""
    for path in write(named(chapter), out, solutions):
        print(path)


def write(chapters: list[Chapter], folder: Path, solutions: bool = False) -> list[Path]:
    """Chapters for a class, as `handout`, in `folder`; their paths. Nothing is written if one of them is there already.

    A student may have worked in it; BookError names it.
    """
    book = editor.Book(chapters[0].path.parent)
    made = {
        folder / chapter.path.name: handout(chapter.notebook, chapter.name, book, solutions) for chapter in chapters
    }
    if there := [target for target in made if target.exists()]:
        raise BookError(
            f"{there[0]} exists already and may hold somebody's work; nothing was written, name a new folder with --out"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for target, notebook in made.items():
        notebooks.write(notebook, target)
    return list(made)


def _add_stub(cells: list, cell: nbformat.NotebookNode, default: str) -> None:
    """Put the stub of a solution's code cell in its place, or let the stub before it stand for this cell as well.

    default: the stub of a cell that has none of its own; where it is empty, nothing is put there.
    """
    stub = cell.metadata.get("dan_book", {}).get("stub", default).strip()
    last = cells[-1].metadata.get("dan_book", {}) if cells else {}
    if "stub_of" in last and (not stub or stub == STUB == cells[-1].source):
        last["stub_of"].append(cell.id)
    elif stub or default:
        new = v4.new_code_cell(stub or default, id=cell.id)
        new.metadata["dan_book"] = {"stub_of": [cell.id]}
        cells.append(new)


def _text_without_solutions(text: str, inside: str, name: str, plain: bool) -> tuple[str, str]:
    """The text of a cell outside solutions, and the solution that is open at its end.

    inside: the label of the one open at its start, empty if there is none. name: of the chapter. plain: exercises as
    plain Markdown.
    """
    kept, position = [], 0
    for match in [*DIRECTIVE.finditer(text), None]:
        between = text[position : match.start() if match else None]
        if opening := OPENING.search(between):
            raise BookError(f"{name}: {opening[0]!r} is not closed")
        if not inside:
            kept.append(between)
        if match is None:
            return re.sub(r"\n{3,}", "\n\n", "".join(kept)).strip(), inside
        position, kind, argument = match.end(), match["name"], match["argument"]
        if kind == "solution-start":
            if inside:
                raise BookError(f"{name}: solution {argument!r} starts within that of {inside!r}")
            inside = argument
        elif kind == "solution-end":
            if not inside:
                raise BookError(f"{name}: a solution-end without a solution-start")
            inside = ""
        elif not inside and plain and kind in ("exercise", "exercise-start"):
            given, body = editor.options(match["body"])
            label = given.get("label")
            heading = f"**Exercise: {argument}**" if argument else "**Exercise**"
            kept.append(heading + (f" (`{label}`)" if label else "") + f"\n\n{body}")
        elif not inside and kind != "solution" and not (plain and kind == "exercise-end"):
            kept.append(match[0])
