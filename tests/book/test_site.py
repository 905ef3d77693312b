"""The site: what Sphinx is given, what of its log is a failure."""

import re

import pytest

from lib.book import site
from tests.conftest import make_repository, one_line, other, run_lib, write


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
    before = files(root)
    result = run_lib(root, "book")
    assert result.returncode == 0 and result.stderr == "", result.stdout + result.stderr
    assert files(root) == before
    html = root / "_build" / "html"
    assert (html / "index.html").exists()
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


def test_a_claim_that_no_cell_reports_fails_the_build(tmp_path):
    root = make_repository(tmp_path)
    made = other()
    made.cells.pop()
    write(made, root / "book" / "other.ipynb")
    result = run_lib(root, "book")
    assert result.returncode == 1
    assert one_line(result.stderr) == "lib book: other: in data/claims.yml but not reported: other.three"
    assert not (root / "_build" / "html").exists()
