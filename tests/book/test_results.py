"""Claims of executed chapters: read, and as the results page."""

import json
import re

import pytest
import yaml

from lib.book import results
from lib.book.chapter import Chapter, chapters
from lib.page import ledger as ledger_file
from lib.page.records import Record
from lib.paths import BOOK
from tests.conftest import LEDGER, claim, code, markdown, notebook, refused, write

# Reading ---------------------------------------------------------------------------------------------------


def test_claims_are_read_from_notebooks_results_and_folders(tmp_path):
    record = Record("a", 1.0, status="passed", bar="at most 3")
    (tmp_path / "results.json").write_text(json.dumps([record.to_json()]))
    assert results.read(tmp_path) == results.read(tmp_path / "results.json") == {"a": record}
    write(notebook(code("1", outputs=[claim("a", 1.0)])), tmp_path / "n.ipynb")
    assert list(results.read(tmp_path / "n.ipynb")) == ["a"]
    for text in ("[", "{}x", '["a"]', "[{}]"):
        (tmp_path / "results.json").write_text(text)
        with refused("no results.json of a run"):
            results.read(tmp_path)
    with refused("no ", "nothing.json; give the folder of a run"):
        results.read(tmp_path / "nothing.json")


def test_the_last_report_of_a_key_in_a_notebook_counts(tmp_path):
    cells = [
        code("1", outputs=[claim("a", 1.0), claim("b", 2.0)]),
        code("2", outputs=[claim("a", 3.0, passed=False)]),
    ]
    records = Chapter(write(notebook(*cells), tmp_path / "n.ipynb")).claims.values()
    assert [(record.key, record.value, record.passed) for record in records] == [
        ("a", 3.0, False),
        ("b", 2.0, True),
    ]
    assert Chapter(write(notebook(code("1")), tmp_path / "empty.ipynb")).claims == {}


# The results page ------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """The ledger of the small repository; returns a folder for its chapters."""
    (tmp_path / "claims.yml").write_text(LEDGER)
    monkeypatch.setattr(ledger_file, "LEDGER", tmp_path / "claims.yml")
    return tmp_path


MEASURED = {"seconds": 7, "memory": 1234, "machine": "1 core", "versions": {"python": "3.11", "torch": "2"}}


def page(folder, **outputs) -> dict[str, list[str]]:
    """The rows of the results page, by claim, when the chapters report these outputs."""
    paths = []
    for name, claimed in outputs.items():
        made = notebook(markdown(f"Text\n\n# Title of {name}"), code("1", outputs=claimed), dan_book=MEASURED)
        paths.append(write(made, folder / f"{name}.ipynb"))
    text = results.page([Chapter(path) for path in paths])
    rows = {}
    for line in text.splitlines():
        if line.startswith("|") and (key := re.search(r"`([a-z]+\.[a-z]+)( <claim-[a-z-]+>)?`", line)):
            rows[key[1]] = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    assert all(len(row) == 7 for row in rows.values())
    return rows | {"text": text}


def test_every_claim_of_the_ledger_has_a_row(ledger):
    rows = page(ledger, **{"tiny": [claim("tiny.one", 1.25, error=0.25)], "other": []})
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


def test_a_missing_claim_is_shown_as_missing(ledger):
    rows = page(ledger, **{"tiny": [claim("tiny.one", 1.25)]})
    for key in ("tiny.two", "other.three"):
        assert rows[key][1:3] == ["missing", "not reported"] and rows[key][5:] == ["", ""]
    assert "other (not written yet)" in rows["text"]


def test_a_failed_claim_is_not_shown_as_passed(ledger):
    failed = claim("tiny.one", 9.0, passed=False, error=2.0)
    unknown = claim("tiny.two", None, passed=None, reason="L = 4")
    nan = claim("other.three", None, passed=False, chapter="other")
    rows = page(ledger, **{"tiny": [failed, unknown], "other": [nan]})
    assert rows["tiny.one"][1:] == ["FAILED (within 0.5 of 1)", "9.0(2.0)", "1", "", "+4.0", "1600 %"]
    assert rows["tiny.two"][1:] == ["not applicable (L = 4)", "", "1", "2.5", "", ""]
    assert rows["other.three"][1:] == ["FAILED (within 0.5 of 1)", "", "1", "", "", ""]
    assert not any("passed" in cell for row in list(rows.values())[:3] for cell in row)
    assert "| all | 0 | 0 | 0 | 1 | 2 | 0 |" in rows["text"]
    assert "Missed: none." in rows["text"]
    assert "Failed, missing or not applicable: `tiny.one`, `tiny.two`, `other.three`." in rows["text"]


def test_a_missed_bar_is_listed_apart(ledger):
    asked = {"kind": "missed", "asked": {"kind": "absolute", "value": 0.5}}
    verdict = {"passed": None, "bar": "asked: within 0.5 of 1", "status": "missed", "tolerance": asked}
    reported = {"passed": None, "bar": "no bar", "status": "reported", "tolerance": {"kind": "reported"}}
    rows = page(ledger, **{"tiny": [claim("tiny.one", 1.75, **verdict), claim("tiny.two", 9.0, **reported)]})
    assert rows["tiny.one"][1:] == ["missed (asked: within 0.5 of 1)", "1.75", "1", "", "", "150 %"]
    assert rows["tiny.two"][1:] == ["reported (no bar)", "9", "1", "2.5", "", ""]
    assert "| all | 0 | 1 | 1 | 0 | 0 | 1 |" in rows["text"]
    assert "Missed: `tiny.one`." in rows["text"]
    assert "Failed, missing or not applicable: `other.three`." in rows["text"]


def test_a_statement_cannot_break_the_table(ledger):
    path = ledger_file.LEDGER
    entries = yaml.safe_load(path.read_text())
    entries[0]["statement"] = "KL(data || model)\nin nats"
    path.write_text(yaml.safe_dump(entries))
    rows = page(ledger, **{"tiny": [claim("tiny.one", 1.0, passed=None, reason="|m|\n= 1")]})
    assert rows["tiny.one"][0].startswith(r"KL(data \|\| model) in nats (J)<br>{ref}`tiny.one <")
    assert rows["tiny.one"][1] == r"not applicable (\|m\| = 1)"


def test_the_committed_page_is_what_the_committed_chapters_give():
    path = BOOK / "results.md"
    assert path.exists(), "no book/results.md; run: make refresh"
    assert path.read_text() == results.page(chapters()), "book/results.md is old; run: make refresh"
