"""The site: what Sphinx is given, what of its log is a failure."""

import re
import shutil

import pytest

from lib.book import notebooks, single, site
from lib.errors import BookError
from tests.conftest import code, make_repository, markdown, one_line, other, run_lib, tiny, write


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A small repository, which `lib.book.site` of this process works on."""
    root = make_repository(tmp_path)
    monkeypatch.setattr(site, "ROOT", root)
    monkeypatch.setattr(site, "BOOK", root / "book")
    monkeypatch.setattr(site, "BUILD", root / "_build")
    monkeypatch.setattr(site, "STAGE", root / "_build" / "stage")
    return root


def files(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and "_build" not in p.relative_to(root).parts}


# The stage -------------------------------------------------------------------------------------------------


def test_staging_leaves_the_work_tree_untouched(root, capsys):
    before = files(root)
    site.stage()
    (root / "_build" / "stage" / "left-over.md").write_text("old")
    site.stage()
    assert files(root) == before
    stage = root / "_build" / "stage"
    assert sorted(str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file()) == [
        *("_config.yml", "_toc.yml"),
        *sorted(str(p.relative_to(root)) for p in (root / "book" / "_static").rglob("*") if p.is_file()),
        *("book/intro.md", "book/other.ipynb", "book/parameters.yml", "book/references.bib", "book/tiny.ipynb"),
    ]


# Sphinx ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "log, code, problem",
    [
        ("", 0, None),
        ("copying images\nbuild succeeded\nRuntimeWarning: harmless\nERRORS.md\n", 0, None),
        (
            "all\nSTAGE/book/intro.md:3: WARNING: unknown document: x\nmore",
            0,
            "book/intro.md:3: WARNING: unknown document: x",
        ),
        ("x.md:1: ERROR: Unexpected indentation.\nx.md:2: WARNING: later", 1, "x.md:1: ERROR: Unexpected indentation."),
        ("Traceback\nValueError: no theme\n", 1, "ValueError: no theme"),
        ("", 2, "failed without a word"),
    ],
)
def test_the_first_problem_of_a_sphinx_log(log, code, problem):
    assert site.sphinx_problem(log.replace("STAGE", str(site.STAGE)), code) == problem


def test_from_the_chapters_to_the_pages(tmp_path):
    """`lib book` builds the site and leaves the tree as it was; a warning of Sphinx fails `lib read`."""
    root = make_repository(tmp_path)
    with (root / "book" / "intro.md").open("a") as page:
        page.write("\n:::{container} whole-book\nNot here.\n:::\n")
    before = files(root)
    result = run_lib(root, "book")
    assert result.returncode == 0 and result.stderr == "", result.stdout + result.stderr
    assert files(root) == before
    html = root / "_build" / "html"
    assert (html / "index.html").exists()
    first = (html / "book" / "intro.html").read_text()
    printed = any(map(shutil.which, single.BROWSERS))
    assert ("left out, the PDF" not in result.stdout) == ("Not here" not in first) == printed
    for name in ("book.html", "book.pdf"):
        assert (f'href="../{name}"' in first) == (html / name).exists() == printed
    results = (html / "book" / "results.html").read_text()
    assert "passed (within 0.5 of 1)" in results and "not applicable: none." in results
    chapter = (html / "book" / "tiny.html").read_text()
    assert '<table class="claims">' in chapter and 'id="claim-tiny-one"' in chapter
    assert 'href="tiny.html#claim-tiny-one"' in results
    assert re.search(r"This chapter took \d+ s and at most 0\.\d GB of memory\. Its parameters", chapter)
    assert "an even integer from 0 to high" in chapter

    (root / "book" / "results.md").write_text("# Results\n\nSee {doc}`nowhere`.\n")
    result = run_lib(root, "read")
    assert result.returncode == 1
    line = one_line(result.stderr)
    assert "lib read: Sphinx: book/results.md:3: WARNING: unknown document: 'nowhere'" in line


EXERCISE = """## Exercises

```{exercise} One (level 1)
:label: ex-one

How much?
```

```{exercise} Two (level 2)
:label: ex-two

Write it.
```

```{solution} ex-one
:class: dropdown

Hushhush: two.
```

```{solution-start} ex-two
:class: dropdown
```"""
STUB = {"dan_book": {"stub": "def answer():\n    raise NotImplementedError"}}
GRADE = 'from lib.page import grading\n\ngrading.grade("ex-two", lambda: grading.close(answer(), 2, 0))'


def test_a_site_for_a_course_has_no_solution_in_any_file(tmp_path):
    """Pages, search, sources: of the solutions only the stub; the notebook to download is the student version."""
    root = make_repository(tmp_path)
    chapter = tiny(
        markdown(EXERCISE),
        markdown("Hushhush: add them."),
        code("hushhush = 2\nprint('hushhush')", "solution"),
        code("def answer():\n    return hushhush", "solution", metadata=STUB),
        markdown("```{solution-end}\n```"),
        code(GRADE, "grade"),
    )
    write(chapter, root / "book" / "tiny.ipynb")
    asked = "Questions to ask:\n\n- Is it? (Hushhush: it is.)\n\n% for the teacher\nHushhush.\n"
    (root / "book" / "results.md").write_text(f"# Results\n\nSee {{ref}}`ex-one`.\n\n{asked}")
    for solutions in (True, False):
        result = run_lib(root, "read", *([] if solutions else ["--without-solutions"]))
        assert result.returncode == 0, result.stdout + result.stderr
        html = root / "_build" / "html"
        built = [p for p in html.rglob("*") if p.is_file() and p.suffix in (".html", ".js", ".ipynb", ".md", ".txt")]
        found = {p.name for p in built if "hushhush" in p.read_text(errors="ignore").lower()}
        everywhere = {"tiny.html", "tiny.ipynb", "searchindex.js", "results.html", "results.md"}
        assert (found >= everywhere) if solutions else found == set()
        assert "Is it?" in (html / "book" / "results.html").read_text()
        page = (html / "book" / "tiny.html").read_text()
        assert "How much?" in page and "Write it." in page and "ex-two" in page
        assert ("NotImplementedError" in page) is not solutions
    made = notebooks.read(html / "_sources" / "book" / "tiny.ipynb")
    assert made.metadata["dan_book"] == {"student_of": "tiny"}
    assert "The pages of this course have no solutions." in made.cells[0].source
    assert made.cells[-2].source == GRADE and "NotImplementedError" in made.cells[-3].source


# The book as one file, from the first page -----------------------------------------------------------------


@pytest.fixture
def first_page(root):
    page = root / "_build" / "html" / "book" / "intro.html"
    page.parent.mkdir(parents=True)
    page.write_text('<h1>A</h1><div class="whole-book docutils container">\n<p>make pdf</p>\n</div><p>More</p>')
    return page


def test_the_first_page_links_the_single_files_that_were_built(root, first_page, monkeypatch, capsys):
    def build(folder, browser):
        made = [folder / "book.html"] + [folder / "book.pdf"] * (browser is not None)
        for path in made:
            path.write_bytes(b"0" * 2_000_000)
        return made

    monkeypatch.setattr(single, "build", build)
    before = first_page.read_text()
    site.add_single_files(None)
    text = first_page.read_text()
    assert 'href="../book.html"' in text and "book.pdf" not in text and "make pdf" not in text
    first_page.write_text(before)
    site.add_single_files("chromium")
    text = first_page.read_text()
    assert re.findall(r'href="\.\./([\w.]+)">[^<]+</a> \(2 MB\)', text) == ["book.html", "book.pdf"]
    assert text.startswith("<h1>A</h1>") and text.endswith("</div><p>More</p>")
    for name in ("book.html", "book.pdf"):
        assert (root / "_build" / "html" / name).exists()
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("problem", ["no Chromium to print the PDF with", "it did not print"])
def test_without_chromium_the_book_is_built_and_says_so_in_a_line(root, first_page, problem, monkeypatch, capsys):
    def refuse():
        raise BookError(problem)

    monkeypatch.setattr(site.refresh, "BUILD", root / "_build")
    monkeypatch.setattr(site, "build", lambda **_: None)
    monkeypatch.setattr(single, "chromium", refuse)
    before = first_page.read_text()
    site.book()
    assert f"left out, the PDF and the book as one file: {problem}" in one_line(capsys.readouterr().out)
    assert first_page.read_text() == before


def test_a_claim_that_no_cell_reports_fails_the_build(tmp_path):
    root = make_repository(tmp_path)
    made = other()
    made.cells.pop()
    write(made, root / "book" / "other.ipynb")
    result = run_lib(root, "book")
    assert result.returncode == 1
    assert one_line(result.stderr) == "lib book: other: in data/claims.yml but not reported: other.three"
    assert not (root / "_build" / "html").exists()
