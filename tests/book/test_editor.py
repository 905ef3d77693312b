"""Chapters for a notebook editor: plain Markdown that says what the MyST of the pages says."""

import base64
import re

import nbformat
import pytest

from lib.book import editor, notebooks, student
from lib.book.chapter import Chapter, chapters
from lib.book.notebooks import tags
from lib.paths import BOOK
from tests.conftest import code, markdown

LEFT_OVER = re.compile(r"\{[a-z:-]+\}`[^`]|^\([\w-]+\)=|^[ \t]*(`{3,}|:{3,})\{|`(?:ex|fig|eq)-|\0", re.MULTILINE)
BIB = """@article{Kaufman1949, author = {Kaufman, Bruria}, title = {Crystal {S}tatistics}, journal = {Phys. Rev.},
  volume = {76}, year = {1949}, doi = {10.1103/PhysRev.76.1232}}
@misc{Three2020, author = {M{\\"u}ller, A. and Wu, B. and Roe, C.}, title = {On x}, year = {2020}}"""
DRAWING = "<svg xmlns='http://www.w3.org/2000/svg'/>"
CHAPTER = (
    """# One

(start)=
## A start

Text of {cite}`Kaufman1949, Three2020`, by {cite:t}`Three2020`. See {doc}`two`, {doc}`the other <two>`, {numref}`fig-b`,
{numref}`fig-far`, {eq}`eq-a`, {ref}`here <start>`, {ref}`ex-one`, {math}`x^2`, and {glue:text}`one.n`.

$$
a = b
$$ (eq-a)

- In a list:

  ```{figure} _static/a.svg
  :name: fig-a
  :alt: A drawing
  :width: 80px

  What {math}`a` is.
  ```

```
{cite}`Kaufman1949` is code here
```

```{note}
Mind this.
```""",
    """## Exercises

```{exercise} First (level 1)
:label: ex-one

How much is $1 + 1$?
```

```{solution} ex-one
:class: dropdown

Two.
```

```{exercise} Second (level 2)
:label: ex-two

Write it.
```""",
)


@pytest.fixture
def book(tmp_path):
    """Two chapters, a page, a drawing and a bibliography."""
    figure = code("print(1)", "hide-input")
    figure.metadata["mystnb"] = {"figure": {"name": "fig-b", "caption": "What it {math}`b` shows."}}
    glue = nbformat.v4.new_output("display_data", data={editor.GLUE: "'7(2)'"})
    glue.metadata["scrapbook"] = {"name": "one.n"}
    figure.outputs = [glue]
    second = (markdown("```{solution-start} ex-two\n```"), markdown("So:"), code("2", "solution"))
    grade = code("grading.grade('ex-two', 0)", "grade", "hide-input")
    one = [markdown(CHAPTER[0]), figure, markdown(CHAPTER[1]), *second, markdown("```{solution-end}\n```"), grade]
    other = code("print(2)")
    other.metadata["mystnb"] = {"figure": {"name": "fig-far", "caption": "Far."}}
    for name, cells in (("one", [*one, markdown("## Summary")]), ("two", [markdown("# Two words"), other])):
        for number, cell in enumerate(cells):
            cell["id"] = f"cell-{number}"
        made = notebooks.tidy(nbformat.v4.new_notebook(cells=cells))
        notebooks.write(made, tmp_path / f"{name}.ipynb")
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.svg").write_text(DRAWING)
    (tmp_path / "references.bib").write_text(BIB)
    return editor.Book(tmp_path)


def texts(notebook) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_roles_become_text(book):
    made = editor.plain(book.chapters["one"].notebook, "one", book)
    nbformat.validate(made)
    text = "\n\n".join(texts(made))
    for said in (
        "Text of (Kaufman, 1949; Müller et al., 2020), by Müller et al. (2020). See *Two words*, "
        "the other (*Two words*), Fig. 2,\nFig. 1 of *Two words*, (1), "
        'here ("A start"), exercise "First (level 1)", $x^2$, and 7(2).',
        "$$\na = b\n\\tag{1}\n$$",
        "**Fig. 2.** What it $b$ shows.",
        "  ![A drawing][a]\n\n  **Fig. 1.** What $a$ is.",
        "> **Note**\n>\n> Mind this.",
        "```\n{cite}`Kaufman1949` is code here\n```",
        "- B. Kaufman, *Crystal Statistics*, Phys. Rev. 76, 1949, https://doi.org/10.1103/PhysRev.76.1232",
    ):
        assert said in text, text
    (drawing,) = re.findall(r"^\[a\]: data:image/svg\+xml;base64,(\S+)$", text, re.MULTILINE)
    assert base64.b64decode(drawing).decode() == DRAWING
    assert not LEFT_OVER.search(text.replace("{cite}`Kaufman1949` is code here", ""))
    assert len({cell.id for cell in made.cells}) == len(made.cells)


def test_solutions_are_below_a_folded_heading_and_what_follows_is_not(book):
    made = editor.plain(book.chapters["one"].notebook, "one", book)
    after = [cell.source for cell in made.cells][4:]
    assert after[0] == "## Exercises\n\n### Exercise: First (level 1)\n\nHow much is $1 + 1$?"
    assert after[1:4] == ["#### Solution", "Two.", "### Exercise: Second (level 2)\n\nWrite it."]
    assert after[4:8] == ["#### Solution", "So:", "2", "#### Graded"] and after[9] == "## Summary"
    folded = [cell.source for cell in made.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert folded == ["#### Solution"] * 2


def test_solutions_are_folded_once(book):
    before = book.chapters["one"].notebook
    made = editor.plain(before, "one", book)
    figure, solution, grade = notebooks.code_cells(made)
    assert [bool(cell.metadata.get("jupyter", {}).get("source_hidden")) for cell in (figure, solution, grade)] == [
        True,
        False,
        True,
    ]
    assert [c.source for c in notebooks.code_cells(made)] == [c.source for c in notebooks.code_cells(before)]
    assert "jupyter" in notebooks.code_cells(before)[1].metadata  # a copy was changed


def test_what_leads_nowhere_stays_readable(book):
    notebook = nbformat.v4.new_notebook(
        cells=[markdown("{ref}`gone`, {doc}`gone`, {cite}`Gone1`, {glue:text}`gone.n`")]
    )
    assert texts(editor.plain(notebook, "x", book, note="")) == ["`gone`, *gone*, (Gone1), `gone.n`"]


@pytest.fixture(scope="module")
def committed():
    return editor.Book(BOOK)


@pytest.mark.parametrize("name", [chapter.name for chapter in chapters()])
@pytest.mark.parametrize("solutions", [True, False])
def test_of_every_chapter_nothing_of_myst_is_left(name, solutions, committed):
    chapter = committed.chapters[name]
    made = student.handout(chapter.notebook, name, committed, solutions)
    nbformat.validate(made)
    assert LEFT_OVER.findall("\n".join(re.sub(r"`ex-[\w-]+`", "", text) for text in texts(made))) == []
    shown = [cell.outputs for cell in notebooks.code_cells(made) if cell.outputs]
    assert len(shown) > 3 and Chapter(BOOK / f"{name}.ipynb").claims.keys() == _claims(made)
    hidden = {cell.id for cell in made.cells if cell.metadata.get("jupyter", {}).get("source_hidden")}
    assert hidden == {cell.id for cell in notebooks.code_cells(made) if "hide-input" in tags(cell)}
    if solutions:
        assert [cell.source for cell in notebooks.code_cells(made)] == [
            cell.source for cell in notebooks.code_cells(chapter.notebook)
        ]


def _claims(notebook) -> set[str]:
    from lib.page.claims import MIME

    return {record["key"] for cell in notebooks.code_cells(notebook) for record in notebooks.stored(cell, MIME)}
