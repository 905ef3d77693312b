"""The results in words: on the first page from the chapters, in the README the same."""

import re

import pytest

from lib.book import highlights
from lib.book.chapter import Chapter, chapters
from lib.paths import BOOK, ROOT
from tests.conftest import claim, code, make_repository, markdown, notebook, refused, run_lib, write

BLOCK = re.compile(r"^```\{claims-in-words\}\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def one(tmp_path):
    cell = code("1", outputs=[claim("tiny.one", 1.25, error=0.11), claim("tiny.two", 4.0, False)])
    return Chapter(write(notebook(markdown("# A"), cell), tmp_path / "one.ipynb"))


def test_a_claim_in_words(one):
    (row,) = highlights.rows([one], ["tiny.one: One: or so"])
    assert row == ["tiny.one", "One: or so", "1.25(11)", "1", "passed (within 0.5 of 1)"]
    assert "| {ref}`Two <claim-tiny-two>` | 4 | 1 | FAILED" in highlights.table([one], ["tiny.two: Two"])
    assert "| Two | 4 | 1 | FAILED" in highlights.table([one], ["tiny.two: Two"], linked=False)


@pytest.mark.parametrize("line, problem", [("tiny.three: Three", "'tiny.three'"), ("tiny.one", "'tiny.one' is not of")])
def test_a_line_that_says_nothing_is_refused(one, line, problem):
    with refused(problem):
        highlights.rows([one], [line])


def test_the_first_page_shows_a_failure_and_the_readme_the_same_numbers():
    (lines,) = BLOCK.findall((BOOK / "intro.md").read_text())
    rows = highlights.rows(chapters(), lines.splitlines())
    assert len(rows) == 3 and [row[-1].startswith("passed") for row in rows].count(False) == 1
    expected = highlights.table(chapters(), lines.splitlines(), linked=False)
    assert expected.strip() in (ROOT / "README.md").read_text(), f"put into README.md:\n{expected}"


def test_the_directive_on_a_page(tmp_path):
    root = make_repository(tmp_path)
    cell = code("1", outputs=[claim("tiny.one", 1.25, error=0.11)])
    write(notebook(markdown("# A"), code("x: int = 1", "parameters"), cell), root / "book" / "tiny.ipynb")
    (root / "book" / "results.md").write_text("# Results\n")
    (root / "book" / "intro.md").write_text("# A book\n\n```{claims-in-words}\ntiny.one: One of them\n```\n")
    result = run_lib(root, "read")
    assert result.returncode == 0, result.stdout + result.stderr
    text = (root / "_build" / "html" / "book" / "intro.html").read_text()
    assert "One of them" in text and "1.25(11)" in text and 'href="tiny.html#claim-tiny-one"' in text
