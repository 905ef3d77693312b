"""The teacher page: its tables say what the executed chapters say; the page names what is there."""

import re

import pytest

from lib.book import execute, notebooks, refresh, student, teaching
from lib.book.chapter import Chapter, chapters
from lib.paths import BOOK
from tests.conftest import code, make_repository, markdown, notebook, run_lib, write

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


@pytest.fixture
def one(tmp_path):
    return Chapter(write(chapter(), tmp_path / "one.ipynb"))


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\|.*\|$", text, re.MULTILINE)]


def test_sections_add_up_the_seconds_of_their_cells(one):
    rows = table(teaching.sections_table(one, []))
    assert rows[0] == ["section of [A chapter](one.ipynb)", "code cells", "seconds", "longest cell"]
    assert rows[2:] == [
        ["parameters and imports", "1", "0.1", "0.1"],
        ["Learn", "2", "1.2", "1.0"],
        ["What fails", "1", "2.0", "2.0"],
        ["Exercises", "1", "0.0", "0.0"],
    ]
    rows = table(teaching.sections_table(one, [teaching.START, "What fails"]))
    assert [row[0] for row in rows[2:]] == ["parameters and imports", "What fails"]


@pytest.mark.parametrize("seconds", [(), (0.1, 0.2), (1.0,) * 6])
def test_seconds_of_another_state_of_the_chapter_are_not_shown(seconds, tmp_path):
    one = Chapter(write(chapter(seconds), tmp_path / "one.ipynb"))
    rows = table(teaching.sections_table(one, []))[2:]
    assert {tuple(row[2:]) for row in rows} == {("not measured", "not measured")}


def test_chapters_and_exercises(one):
    assert table(teaching.chapters_table([one]))[2:] == [["[A chapter](one.ipynb)", "7", "1, 0, 1"]]
    assert table(teaching.exercises_table([one]))[2:] == [
        ["1", "{ref}`Easy <ex-easy>`", "A chapter", "yes"],
        ["3", "{ref}`Hard <ex-hard>`", "A chapter", ""],
    ]


PAGE = """# A book

```{chapter-times}
```

```{section-times} tiny
parameters and imports
```

```{exercise-list} tiny other
```
"""


def test_a_page_shows_the_tables_and_wrong_names_fail_the_build(tmp_path):
    root = make_repository(tmp_path)
    write(notebook(markdown("# Results")), root / "book" / "results.ipynb")
    (root / "book" / "intro.md").write_text(PAGE)
    result = run_lib(root, "read")
    assert result.returncode == 0, result.stderr
    text = (root / "_build" / "html" / "book" / "intro.html").read_text()
    assert text.count("<table") == 3 and "A tiny chapter" in text and "not measured" in text
    wrong = PAGE.replace("parameters and imports", "Learn").replace("{exercise-list} tiny", "{exercise-list} tyny")
    (root / "book" / "intro.md").write_text(wrong)
    assert run_lib(root, "read").returncode == 1
    log = (root / "_build" / "sphinx.log").read_text()
    assert "tiny has no section 'Learn'; it has: parameters and imports" in log
    assert "no chapter 'tyny'; there are: other, results, tiny" in log


def test_execution_stores_the_seconds_of_every_code_cell(tmp_path):
    source = write(notebook(markdown("# T"), code("x = 1"), code(""), code("x")), tmp_path / "t.ipynb")
    outcome = execute.execute(source, tmp_path / "out.ipynb")
    assert outcome.error is None
    refresh.finish(outcome, {})
    stored = notebooks.read(tmp_path / "out.ipynb").metadata.dan_book
    assert len(stored.cell_seconds) == 2 and all(0 <= s < 60 for s in stored.cell_seconds) and "seconds" in stored


def test_the_committed_page_names_exercises_that_are_there():
    text = (BOOK / "teaching.md").read_text()
    labels = {exercise.label for chapter in chapters() for exercise in student.exercises(chapter.notebook)}
    named = set(re.findall(r"\{ref\}`(?:[^`<]*<)?(ex-[\w-]+)", text))
    assert text.count("After it students can") == 6
    assert named <= labels and len(re.findall(r"^## Lesson \d", text, re.MULTILINE)) == 6


TEACHER = """# Teaching

% for the teacher
Where the answers
are.

Kept (a remark).

Questions to ask:

- One? (Hushhush: $f(x)$ is
  two.)
- Is it? And why? (Hushhush.)

% for the teacher
What usually goes wrong: hushhush.

Then? (Kept.)
"""


def test_answers_are_left_out_and_nothing_else():
    left = teaching.without_answers(TEACHER)
    assert left == (
        "# Teaching\n\nKept (a remark).\n\nQuestions to ask:\n\n- One?\n- Is it? And why?\n\nThen? (Kept.)\n"
    )
    assert teaching.without_answers(left) == left


def test_every_question_of_the_committed_page_has_an_answer_that_can_be_left_out():
    text = (BOOK / "teaching.md").read_text()
    left = teaching.without_answers(text)
    asked = re.findall(r"^Questions to ask:\n\n((?:(?:- |  ).*\n)+)", text, re.MULTILINE)
    items = [item for block in asked for item in re.split(r"^- ", block, flags=re.MULTILINE)[1:]]
    assert len(items) >= 15 and all(re.search(r"\?\s+\([^?]*\)\n$", item) for item in items)
    assert not any(item.partition("?")[2].split("(", 1)[-1].strip() in left for item in items)
    remain = re.findall(r"^Questions to ask:\n\n((?:(?:- |  ).*\n)+)", left, re.MULTILINE)
    bare = [item for block in remain for item in re.split(r"\n(?=- )", block.rstrip())]
    assert len(bare) == len(items) and all(item.endswith("?") for item in bare)
    assert "goes wrong" not in left and "solutions are on" not in left
    for kept in ("## Lesson 6", "## Marking", "{exercise-list}", "grading.grade", "## What to say about limits"):
        assert kept in left
