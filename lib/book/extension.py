"""The Sphinx extension of the book: what the pages show beside what is written in them.

Chapters: after the first cell what the chapter cost when it was executed, and its parameters; before every cell that
reports claims the targets that the results page links to. The notebooks themselves stay as they are.

The teacher page: tables from the executed chapters, by the directives `{chapter-times}`, `{section-times} NAME` with
the titles of sections as its lines, none for all of them, and `{exercise-list} NAME ...`.

The first page: `{claims-in-words}`, a table of the claims in its lines, `claim: words`.

All pages: none asks another host for anything, whatever the extensions of jupyter-book bring.
"""

from pathlib import Path

import nbformat
from nbformat import v4
from sphinx.util.docutils import SphinxDirective

from lib.book import highlights, notebooks, results, teaching
from lib.book.chapter import Chapter, named
from lib.book.templates import render
from lib.errors import BookError
from lib.page import parameters
from lib.page.claims import MIME


def setup(app) -> dict:
    """Called by Sphinx."""
    app.connect("source-read", _decorate)
    app.connect("html-page-context", _leave_out_thebe, priority=900)  # after those who add scripts
    for name in TABLES:
        app.add_directive(name, Table)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# Chapters --------------------------------------------------------------------------------------------------


def _decorate(app, page: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(page))
    if path.suffix == ".ipynb":
        source[0] = nbformat.writes(decorated(Chapter(path)))


def decorated(chapter: Chapter) -> nbformat.NotebookNode:
    """The notebook of an executed chapter, with what the site adds to it."""
    cells = []
    for number, cell in enumerate(chapter.notebook.cells):
        if keys := dict.fromkeys(record["key"] for record in notebooks.stored(cell, MIME)):
            cells.append(v4.new_markdown_cell("\n".join(f"({results.target(key)})=" for key in keys)))
        cells.append(cell)
        if number == 0 and parameters.rules(chapter.name):
            cells.append(v4.new_markdown_cell(box(chapter)))
    return v4.new_notebook(cells=cells, metadata=chapter.notebook.metadata)


def box(chapter: Chapter) -> str:
    """What a chapter cost, and its parameters, in MyST."""
    rerun = chapter.path.with_name("rerun.ipynb").exists()
    return render("box.md", name=chapter.name, cost=cost(chapter), rows=chapter.described(), rerun=rerun)


def cost(chapter: Chapter) -> str:
    """`227 s and at most 0.9 GB of memory`, as measured when this chapter was executed."""
    seconds, memory = (chapter.measured.get(name) for name in ("seconds", "memory"))
    if seconds is None:
        return "an unknown time"
    return f"{seconds} s" + (f" and at most {results.memory(chapter)} of memory" if memory else "")


# Tables ----------------------------------------------------------------------------------------------------


class Table(SphinxDirective):
    """A table from the executed chapters; a wrong name in it is an error of the page."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list:
        try:
            chapters = named(" ".join(self.arguments).split(), Path(self.env.srcdir))
            return self.parse_text_to_nodes(TABLES[self.name](chapters, list(self.content)))
        except BookError as error:
            raise self.error(str(error)) from None


TABLES = {
    "chapter-times": lambda chapters, _: teaching.chapters_table(chapters),
    "section-times": lambda chapters, titles: "\n".join(teaching.sections_table(each, titles) for each in chapters),
    "exercise-list": lambda chapters, _: teaching.exercises_table(chapters),
    "claims-in-words": highlights.table,
}


# Without a network -----------------------------------------------------------------------------------------


def _leave_out_thebe(app, pagename, templatename, context, doctree) -> None:
    """Drop the scripts of sphinx-thebe: they load from a CDN, and their constants, set twice, are an error."""
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, ()) if not _of_thebe(file)]


def _of_thebe(file) -> bool:
    body = getattr(file, "attributes", {}).get("body") or ""
    return "thebe" in str(getattr(file, "filename", None) or file) or "THEBE" in body
