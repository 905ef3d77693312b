"""The site: the results page, what Sphinx is given, what of its log is a failure."""

import re

import pytest
import yaml

from lib.book import notebooks, site, teaching
from lib.page import ledger
from lib.paths import BOOK
from tests.conftest import claim, code, make_repository, markdown, notebook, one_line, other, run_lib, write


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A small repository, which `lib.book.site` of this process works on."""
    root = make_repository(tmp_path)
    monkeypatch.setattr(ledger, "LEDGER", root / "data" / "claims.yml")
    monkeypatch.setattr(site, "ROOT", root)
    monkeypatch.setattr(site, "BOOK", root / "book")
    monkeypatch.setattr(site, "BUILD", root / "_build")
    monkeypatch.setattr(site, "STAGE", root / "_build" / "stage")
    return root


def files(root):
    return {p: p.read_bytes() for p in root.rglob("*") if p.is_file() and "_build" not in p.relative_to(root).parts}


# The results page ------------------------------------------------------------------------------------------


MEASURED = {"seconds": 7, "memory": 1234, "machine": "1 core", "versions": {"python": "3.11", "torch": "2"}}


def page(root, **outputs) -> dict[str, list[str]]:
    """The rows of the results page, by claim, when the chapters report these outputs."""
    paths = []
    for name, claimed in outputs.items():
        made = notebook(markdown(f"Text\n\n# Title of {name}"), code("1", outputs=claimed), dan_book=MEASURED)
        paths.append(write(made, root / "book" / f"{name}.ipynb"))
    text = site.results_page(paths)
    rows = {}
    for line in text.splitlines():
        if line.startswith("|") and (key := re.search(r"`([a-z]+\.[a-z]+)( <claim-[a-z-]+>)?`", line)):
            rows[key[1]] = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    assert all(len(row) == 7 for row in rows.values())
    return rows | {"text": text}


def test_every_claim_of_the_ledger_has_a_row(root):
    rows = page(root, **{"tiny": [claim("tiny.one", 1.25, error=0.25)], "other": []})
    assert rows["tiny.one"] == [
        "One is one (J)<br>{ref}`tiny.one <claim-tiny-one>`<br>Source: slide 1; exact: arithmetic",
        "passed (within 0.5 of 1)",
        "1.25(25)",
        "1",
        "",
        "+1.0",
        "50 %",
    ]
    assert rows["tiny.two"][4] == "2.5"
    assert list(rows) == ["tiny.one", "tiny.two", "other.three", "text"]
    assert "## Title of tiny" in rows["text"]
    assert "| [Title of other](other.ipynb) | 7 | 1.2 GB |" in rows["text"]
    assert "Machine: 1 core.\nVersions: python 3.11, torch 2.\n" in rows["text"]


def test_a_missing_claim_is_shown_as_missing(root):
    rows = page(root, **{"tiny": [claim("tiny.one", 1.25)]})
    for key in ("tiny.two", "other.three"):
        assert rows[key][1:3] == ["missing", "not reported"] and rows[key][5:] == ["", ""]
    assert "other (not written yet)" in rows["text"]


def test_a_failed_claim_is_not_shown_as_passed(root):
    failed = claim("tiny.one", 9.0, passed=False, error=2.0)
    unknown = claim("tiny.two", None, passed=None, verdict="not applicable (L = 4)")
    nan = claim("other.three", None, passed=False, chapter="other")
    rows = page(root, **{"tiny": [failed, unknown], "other": [nan]})
    assert rows["tiny.one"][1:] == ["FAILED (within 0.5 of 1)", "9.0(2.0)", "1", "", "+4.0", "1600 %"]
    assert rows["tiny.two"][1:] == ["not applicable (L = 4)", "", "1", "2.5", "", ""]
    assert rows["other.three"][1:] == ["FAILED (within 0.5 of 1)", "", "1", "", "", ""]
    assert not any("passed" in cell for row in list(rows.values())[:3] for cell in row)
    assert "| all | 0 | 0 | 0 | 1 | 2 | 0 |" in rows["text"]
    assert "Missed: none." in rows["text"]
    assert "Failed, missing or not applicable: `tiny.one`, `tiny.two`, `other.three`." in rows["text"]


def test_a_missed_bar_is_listed_apart(root):
    asked = {"kind": "missed", "asked": {"kind": "absolute", "value": 0.5}}
    verdict = {"passed": None, "verdict": "missed (asked: within 0.5 of 1)", "status": "missed", "tolerance": asked}
    reported = {"passed": None, "verdict": "reported (no bar)", "status": "reported", "tolerance": {"kind": "reported"}}
    rows = page(root, **{"tiny": [claim("tiny.one", 1.75, **verdict), claim("tiny.two", 9.0, **reported)]})
    assert rows["tiny.one"][1:] == ["missed (asked: within 0.5 of 1)", "1.75", "1", "", "", "150 %"]
    assert rows["tiny.two"][1:] == ["reported (no bar)", "9", "1", "2.5", "", ""]
    assert "| all | 0 | 1 | 1 | 0 | 0 | 1 |" in rows["text"]
    assert "Missed: `tiny.one`." in rows["text"]
    assert "Failed, missing or not applicable: `other.three`." in rows["text"]


def test_a_statement_cannot_break_the_table(root):
    path = ledger.LEDGER
    entries = yaml.safe_load(path.read_text())
    entries[0]["statement"] = "KL(data || model)\nin nats"
    path.write_text(yaml.safe_dump(entries))
    rows = page(root, **{"tiny": [claim("tiny.one", 1.0, verdict="not applicable (|m|\n= 1)")]})
    assert rows["tiny.one"][0].startswith(r"KL(data \|\| model) in nats (J)<br>{ref}`tiny.one <")
    assert rows["tiny.one"][1] == r"not applicable (\|m\| = 1)"


def test_the_committed_page_is_what_the_committed_chapters_give():
    path = BOOK / "results.md"
    assert path.exists(), "no book/results.md; run: make refresh"
    assert path.read_text() == site.results_page(notebooks.chapters()), "book/results.md is old; run: make refresh"
    teacher = (BOOK / teaching.PAGE).read_text()
    assert teacher == teaching.filled(teacher, notebooks.chapters()), "book/teaching.md is old; run: make refresh"
    picture = site.front_picture(notebooks.chapters())
    assert picture and (BOOK / site.FRONT).read_bytes() == picture, f"book/{site.FRONT} is old; run: make refresh"


# The stage -------------------------------------------------------------------------------------------------


def test_staging_leaves_the_work_tree_untouched(root, capsys):
    before = files(root)
    site.stage()
    (root / "_build" / "stage" / "left-over.md").write_text("old")
    site.stage()
    site.stage_toc()
    assert files(root) == before
    stage = root / "_build" / "stage"
    assert sorted(str(p.relative_to(stage)) for p in stage.rglob("*") if p.is_file()) == [
        *("_config.yml", "_toc.yml", "book/tiny.ipynb", "book/other.ipynb"),
        *(f"book/_static/{name}" for name in ("book.css", "favicon.svg", "single.css")),
        "book/intro.md",
        "book/references.bib",
    ]


def test_pages_that_are_not_there_are_left_out_and_named(root, monkeypatch, capsys):
    monkeypatch.setattr(notebooks, "in_toc", lambda: ["book/intro", "book/tiny", "book/other", "book/results"])
    (root / "book" / "other.ipynb").unlink()
    site.stage()
    site.stage_toc()
    assert one_line(capsys.readouterr().out) == "left out, not there: book/other, book/results"
    toc = yaml.safe_load((root / "_build" / "stage" / "_toc.yml").read_text())
    assert [entry["file"] for entry in toc["chapters"]] == ["book/tiny"] and toc["root"] == "book/intro"
    assert "book/results" in (root / "_toc.yml").read_text()


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
    assert "an even integer from 0 to 8" in chapter

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
