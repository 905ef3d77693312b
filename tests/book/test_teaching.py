"""The teacher page: its tables say what the executed chapters say, and the committed page is up to date."""

import re

import pytest

from lib.book import execute, notebooks, student, teaching
from lib.errors import BookError
from lib.paths import BOOK
from tests.conftest import code, markdown, notebook, write

EXERCISES = """## Exercises

```{exercise} Hard (level 3)
:label: ex-hard
```

```{exercise} Easy (level 1)
:label: ex-easy
```"""


def chapter(seconds=(0.1, 0.2, 1.04, 2.0, 0.0), **more):
    return notebook(
        markdown("# A chapter"),
        code("L: int = 4", "parameters"),
        markdown("## Learn\n\n### Part\n\nText."),
        code("1"),
        markdown("More."),
        code("2"),
        markdown("## What fails"),
        code("3"),
        markdown(EXERCISES),
        code("grading.grade('ex-easy', f)", "grade"),
        dan_book={"seconds": 7, "cell_seconds": list(seconds)} | more,
    )


def page(what: str) -> str:
    return f"# Page\n\n<!-- generated: {what} -->\nold\n<!-- end -->\n\nText.\n"


@pytest.fixture
def path(tmp_path):
    return write(chapter(), tmp_path / "one.ipynb")


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


def test_sections_add_up_the_seconds_of_their_cells(path):
    rows = table(teaching.filled(page("sections one"), [path]))
    assert rows[0] == ["section of [A chapter](one.ipynb)", "code cells", "seconds", "longest cell"]
    assert rows[2:] == [
        ["parameters and imports", "1", "0.1", "0.1"],
        ["Learn", "2", "1.2", "1.0"],
        ["What fails", "1", "2.0", "2.0"],
        ["Exercises", "1", "0.0", "0.0"],
    ]
    rows = table(teaching.filled(page("sections one | | What fails"), [path]))
    assert [row[0] for row in rows[2:]] == ["parameters and imports", "What fails"]


@pytest.mark.parametrize("seconds", [(), (0.1, 0.2), (1.0,) * 6])
def test_seconds_of_another_state_of_the_chapter_are_not_shown(seconds, path):
    write(chapter(seconds), path)
    assert {tuple(row[2:]) for row in table(teaching.filled(page("sections one"), [path]))[2:]} == {
        ("not measured", "not measured")
    }


def test_chapters_and_exercises(path):
    assert table(teaching.filled(page("chapters"), [path]))[2:] == [["[A chapter](one.ipynb)", "7", "1, 0, 1"]]
    assert table(teaching.filled(page("exercises one"), [path]))[2:] == [
        ["1", "{ref}`Easy <ex-easy>`", "A chapter", "yes"],
        ["3", "{ref}`Hard <ex-hard>`", "A chapter", ""],
    ]


def test_only_the_blocks_change_and_twice_is_once(path, tmp_path):
    teaching.write([path], tmp_path)  # no page: nothing to do
    assert not (tmp_path / "teaching.md").exists()
    (tmp_path / "teaching.md").write_text(page("chapters"))
    teaching.write([path], tmp_path)
    text = (tmp_path / "teaching.md").read_text()
    assert "old" not in text and text.startswith("# Page\n\n<!--") and text.endswith("<!-- end -->\n\nText.\n")
    teaching.write([path], tmp_path)
    assert (tmp_path / "teaching.md").read_text() == text


@pytest.mark.parametrize(
    "text, problem",
    [
        (page("cells one"), "no block 'cells'"),
        (page("sections two"), "no chapter 'two'"),
        (page("exercises one two"), "no chapter 'two'"),
        (page("sections one | Learn | No"), "one has no section 'No'; it has: Learn, What fails, Exercises"),
        ("<!-- generated: chapters -->\n", "not closed"),
        ("<!-- generated: chapters -->\n" + page("chapters"), "not closed"),
    ],
)
def test_a_wrong_block_is_refused_with_one_line(text, problem, path):
    with pytest.raises(BookError) as caught:
        teaching.filled(text, [path])
    assert problem in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_execution_stores_the_seconds_of_every_code_cell(tmp_path):
    source = write(notebook(markdown("# T"), code("x = 1"), code(""), code("x")), tmp_path / "01_t.ipynb")
    outcome = execute.execute(source, tmp_path / "out.ipynb")
    assert outcome.error is None
    execute.finish(outcome, {})
    stored = notebooks.read(tmp_path / "out.ipynb").metadata.dan_book
    assert len(stored.cell_seconds) == 2 and all(0 <= s < 60 for s in stored.cell_seconds) and "seconds" in stored


def test_the_committed_page_is_up_to_date():
    """`python -m lib results --page` writes it."""
    text = (BOOK / "teaching.md").read_text()
    assert teaching.filled(text, notebooks.chapters()) == text
    labels = {exercise.label for path in notebooks.chapters() for exercise in student.exercises(notebooks.read(path))}
    named = set(re.findall(r"\{ref\}`(?:[^`<]*<)?(ex-[\w-]+)", text))
    assert named <= labels and len(re.findall(r"^## Lesson \d", text, re.MULTILINE)) == 4
