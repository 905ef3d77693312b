"""A chapter is stale when, and only when, something its outputs depend on has changed."""

import re
import subprocess
import sys

import pytest

from lib import __main__ as command_line
from lib import reachable
from lib.book import freshness, notebooks
from lib.book.chapter import Chapter, chapters
from lib.errors import BookError
from lib.page import claims
from lib.paths import ROOT
from tests.conftest import (
    LEDGER,
    code,
    declare,
    environment,
    make_repository,
    markdown,
    notebook,
    one_line,
    refused,
    run_lib,
    write,
)

FUNCTION = "def f(x):\n    return x\n"
FILES = {
    "lib/__init__.py": '"""All of it."""\n',
    "lib/direct.py": "from lib.room import thing\n\nVALUE = 1 + thing.number()\n\n\ndef apart():\n    return 0\n",
    "lib/unused.py": "from lib.paths import data_file\n\ndata_file('unused.csv')\n",
    "lib/page/__init__.py": "",
    "lib/page/claims.py": FUNCTION,
    "lib/page/parameters.py": FUNCTION,
    "lib/paths.py": "def data_file(name):\n    return name\n",
    "lib/room/__init__.py": '"""A room."""\n',
    "lib/room/thing.py": "from . import beside\nfrom .beside import number\n",
    "lib/room/beside.py": "from lib import paths\n\n\ndef number():\n    return paths.data_file('numbers.csv')\n"
    "\n\ndef apart():\n    return paths.data_file('apart.csv')\n",
    "data/claims.yml": LEDGER,
    "data/numbers.csv": "1,2\n",
    "data/table.csv": "3,4\n",
    "data/apart.csv": "3,4\n",
    "data/unused.csv": "5\n",
}
SOURCE = """%matplotlib inline
from lib import direct
from lib.page import claims
from lib.paths import data_file

table = data_file("table.csv")  # of two rows
claims.f(table)"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small tree with one stamped chapter; returns its root."""
    declare(monkeypatch, tiny={"rules": {"L": {"type": "int"}}})
    monkeypatch.setattr(freshness, "versions", lambda: {"numpy": "2.4.6", "torch": "2.13.0"})
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = tmp_path / "tiny.ipynb"
    made = notebook(markdown("# Tiny"), code("L: int = 4", "parameters"), code(SOURCE), code("VALUE = direct.VALUE"))
    stamped(write(made, path), tmp_path)
    return tmp_path


def stamped(path, root):
    made = notebooks.read(path)
    freshness.stamp(made, freshness.inputs(Chapter(path), root), {"seconds": 12})
    return write(made, path)


def stale(root, name="tiny"):
    return freshness.stale(Chapter(root / f"{name}.ipynb"), root)


def edit(root, name, old="1", new="9"):
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


def test_a_stamped_chapter_is_fresh(book):
    assert stale(book) == []
    stamped = notebooks.read(book / "tiny.ipynb").metadata.dan_book
    assert stamped.seconds == 12
    assert set(stamped.inputs) == {
        *("code", "claims", "parameter rules", "numpy", "torch"),
        *("data/numbers.csv", "data/table.csv", "data/apart.csv"),
        *("lib/page/claims.py", "lib/direct.py", "lib/paths.py", "lib/room/thing.py", "lib/room/beside.py"),
    }


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("lib/direct.py", "1 +", "2 +"),
        ("lib/paths.py", "return name", "return 'x' + name"),
        ("lib/room/thing.py", "import number", "import apart as number"),
        ("lib/room/beside.py", "number():\n    return", "number():\n    yield"),
        ("lib/room/__init__.py", '"""\n', '"""\n\nprint(1)\n'),
        ("lib/page/claims.py", "return x", "return -x"),
        ("data/numbers.csv", "1", "2"),
        ("data/table.csv", "3", "2"),
    ],
)
def test_a_changed_input_makes_it_stale_and_is_named(name, old, new, book):
    edit(book, name, old, new)
    assert name in stale(book)
    assert set(stale(book)) == {name}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".py")])
def test_comments_and_docstrings_do_not(name, book):
    with (book / name).open("a") as file:
        file.write("\n# changed\n")
    text = (book / name).read_text()
    (book / name).write_text('"""Another text."""\n' + re.sub(r"(def \w+\(.*\):\n)", r'\1    """More."""\n', text))
    assert stale(book) == []


@pytest.mark.parametrize("name", ["data/unused.csv", "lib/unused.py", "lib/page/parameters.py"])
def test_an_unrelated_change_does_not(name, book):
    with (book / name).open("a") as file:
        file.write("1\n")
    assert stale(book) == []


# The ledger, the rules, the versions -----------------------------------------------------------------------


def test_its_claims_count_and_no_others(book):
    edit(book, "data/claims.yml", "equal}", "at_most, value: 4}")
    edit(book, "data/claims.yml", "\n", "\n\n# a comment\n")
    assert stale(book) == []
    edit(book, "data/claims.yml", "value: 0.5", "value: 0.6")
    assert stale(book) == ["claims"]


@pytest.mark.parametrize(
    "old, new, counts",
    [
        ("One is one", "One is not two", False),
        ("slide 1", "slide 9", False),
        ("published: null, reference: 1,", "published: 1.1, reference: 1,", False),
        ("units: J", "units: K", False),
        ("arithmetic, tolerance: {kind: absolute", "counting, tolerance: {kind: absolute", False),
        ("reference: 1,", "reference: 1.5,", True),
        ("kind: absolute", "kind: relative", True),
        ("value: 0.5}", "value: 0.5, sigmas: 3}", True),
        ("tiny.one", "tiny.first", True),
    ],
)
def test_the_wording_of_a_claim_does_not_count_its_bar_does(old, new, counts, book):
    edit(book, "data/claims.yml", old, new)
    assert stale(book) == (["claims"] if counts else [])


def test_fields_that_the_ledger_may_get_count_unless_they_are_wording(book, monkeypatch):
    entries = claims.ledger(book / "data" / "claims.yml")
    monkeypatch.setattr(freshness, "ledger", lambda *_: entries)
    entries["tiny.one"]["history"] = "2026-11: was 0.6"
    assert stale(book) == []
    entries["tiny.one"]["parameters"] = {"L": 4}
    assert stale(book) == ["claims"]


def test_a_claim_of_another_chapter_that_it_reports_counts(book):
    change_cells(book, lambda cells: cells[3].update(source="claims.report('other.three', 3)"))
    stamped(book / "tiny.ipynb", book)
    edit(book, "data/claims.yml", "equal}", "at_most, value: 4}")
    assert stale(book) == ["claims"]


def test_its_parameter_rules_count_and_no_others(book, monkeypatch):
    declare(monkeypatch, other={"rules": {"n": {"type": "int"}}})
    assert stale(book) == []
    declare(monkeypatch, tiny={"rules": {"L": {"type": "int", "minimum": 2}}})
    assert stale(book) == ["parameter rules"]


def test_another_version_of_a_numeric_package_is_named_with_both(book, monkeypatch):
    monkeypatch.setattr(freshness, "versions", lambda: {"numpy": "2.4.6", "torch": "2.14.0"})
    assert stale(book) == ["torch 2.13.0 -> 2.14.0"]


def test_the_versions_are_those_of_the_numeric_packages():
    assert set(freshness.inputs(chapters()[0])) >= set(reachable.NUMERIC) == set(reachable.versions())


def test_another_python_does_not_count(book, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 1, "final", 0))
    assert stale(book) == []


# The chapter itself ----------------------------------------------------------------------------------------


def change_cells(root, change):
    path = root / "tiny.ipynb"
    made = notebooks.read(path)
    change(made.cells)
    write(made, path)


@pytest.mark.parametrize(
    "change, counts",
    [
        (lambda cells: cells[0].update(source="# Another title"), False),
        (lambda cells: cells.append(code("")), False),
        (lambda cells: cells[2].update(source=cells[2].source.replace("two rows", "three")), False),
        (lambda cells: cells[3].update(source="VALUE = (direct.VALUE)  # the same"), False),
        (lambda cells: cells[3].update(source="VALUE = 2"), True),
        (lambda cells: cells[3].update(source="VALUE = direct.VALUE\nVALUE"), True),
        (lambda cells: cells[2].update(source=cells[2].source.replace("inline", "notebook")), True),
        (lambda cells: cells[2].update(source=cells[2].source + ";  # not shown"), True),
        (lambda cells: cells.insert(4, code("'a text that is shown'")), True),
        (lambda cells: cells.insert(1, cells.pop(2)), True),
        (lambda cells: cells.insert(3, code(cells[2].source.splitlines()[-1])), True),
    ],
)
def test_its_code_counts_and_its_text_does_not(change, counts, book):
    change_cells(book, change)
    assert ("code" in stale(book)) == counts
    assert counts or stale(book) == []


def test_what_came_and_what_went_is_named(book):
    (book / "data" / "table.csv").unlink()
    change_cells(book, lambda cells: cells[2].update(source="from lib import unused\nfrom lib.paths import data_file"))
    went = {"lib/direct.py", "lib/page/claims.py", "lib/room/thing.py", "lib/room/beside.py", "data/numbers.csv"}
    came = {"lib/unused.py", "data/unused.csv"}
    assert set(stale(book)) == {"code", "data/table.csv", "data/apart.csv"} | went | came


def test_line_ends_do_not_count(book):
    for name in FILES:
        (book / name).write_bytes((book / name).read_bytes().replace(b"\n", b"\r\n"))
    assert stale(book) == []


def test_never_stamped(book):
    path = write(notebook(code("1")), book / "other.ipynb")
    assert freshness.stale(Chapter(path), book) == ["never stamped"]


def test_code_that_is_no_python_is_refused_with_one_line(book):
    path = write(notebook(code("def f(:")), book / "other.ipynb")
    with refused("other.ipynb: not valid Python"):
        freshness.inputs(Chapter(path), book)


# Chapters that run others ----------------------------------------------------------------------------------

RUNNING = {
    "book/runs.ipynb": (code('chapter: str = "one_run"', "parameters"), code("print(chapter)")),
    "book/runs_too.ipynb": (code("from lib.paths import data_file\n\nprint(data_file('point.ipynb'))"),),
    "book/one_run.ipynb": (code("from lib import direct\n\ndirect.apart()"),),
    "data/point.ipynb": (code("from lib import direct\n\ndirect.apart()"),),
}


@pytest.mark.parametrize("runs, run", [("book/runs", "book/one_run"), ("book/runs_too", "data/point")])
def test_a_chapter_that_runs_another_follows_it(runs, run, book):
    (book / "book").mkdir()
    for name, cells in RUNNING.items():
        write(notebook(*cells), book / name)
    stamped(book / f"{runs}.ipynb", book)
    assert stale(book, runs) == []
    edit(book, "lib/direct.py", "return 0", "# more\n    return 0")
    write(notebook(markdown("text"), *RUNNING[f"{run}.ipynb"]), book / f"{run}.ipynb")
    assert stale(book, runs) == []
    edit(book, "lib/direct.py", "return 0", "return 1")
    assert stale(book, runs) == [f"{run}.ipynb"]


def test_the_version_behind_a_chapter_that_is_run_is_named_once(book, monkeypatch):
    (book / "book").mkdir()
    for name, cells in RUNNING.items():
        write(notebook(*cells), book / name)
    stamped(book / "book" / "runs.ipynb", book)
    monkeypatch.setattr(freshness, "versions", lambda: {"numpy": "2.5.0", "torch": "2.13.0"})
    assert stale(book, "book/runs") == ["numpy 2.4.6 -> 2.5.0"]


def test_chapters_that_run_each_other_end(book):
    (book / "book").mkdir()
    for name, other in (("a", "b"), ("b", "a")):
        write(notebook(code(f'chapter: str = "{other}"', "parameters")), book / "book" / f"{name}.ipynb")
    assert "book/b.ipynb" in freshness.inputs(Chapter(book / "book" / "a.ipynb"), book)


def test_what_the_chapters_of_the_book_run_is_found():
    found = {chapter.name: freshness.inputs(chapter) for chapter in chapters()}
    runs = {name: [n for n in hashes if n.endswith(".ipynb")] for name, hashes in found.items()}
    assert {name: n for name, n in runs.items() if n} == {
        "rerun": ["book/autoregressive_networks.ipynb"],
        "sweeps": ["data/finite_size.ipynb"],
    }


# Accepting -------------------------------------------------------------------------------------------------


def test_a_stamp_is_renewed_after_a_pass_at_exactly_this_code(book):
    path = book / "tiny.ipynb"
    edit(book, "lib/page/claims.py", "return x", "return +x")
    for other in ({}, {"tiny": "0"}, {"other": freshness.digest(Chapter(path), book)}):
        freshness.record_verified(other, book)
        before = path.read_bytes()
        with refused("tiny: no pass of all its cells at this code is known; run: make test"):
            freshness.accept(Chapter(path), book)
        assert path.read_bytes() == before
    freshness.record_verified({"tiny": freshness.digest(Chapter(path), book)}, book)
    assert set(freshness.verified(book)) == {"tiny", "other"}
    before = notebooks.read(path)
    freshness.accept(Chapter(path), book)
    assert stale(book) == []
    after = notebooks.read(path)
    assert after.cells == before.cells and after.metadata.dan_book.seconds == 12
    edit(book, "lib/page/claims.py", "return +x", "return -x")
    with pytest.raises(BookError):
        freshness.accept(Chapter(path), book)


def test_a_chapter_never_executed_is_not_accepted(book):
    path = write(notebook(code("1")), book / "other.ipynb")
    freshness.record_verified({"other": freshness.digest(Chapter(path), book)}, book)
    with pytest.raises(BookError):
        freshness.accept(Chapter(path), book)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_a_damaged_record_knows_nothing(text, book):
    freshness.record_verified({"tiny": "1"}, book)
    (book / "_build" / "verified.json").write_text(text)
    assert freshness.verified(book) == {}


def test_accept_on_the_command_line(book, monkeypatch, capsys):
    paths = [book / "tiny.ipynb", write(notebook(code("1")), book / "other.ipynb")]
    stamped(paths[1], book)
    edit(book, "lib/page/claims.py", "return x", "return +x")
    change = notebooks.read(paths[1])
    change.cells[0].source = "2"
    write(change, paths[1])
    for function in (freshness.stale, freshness.accept, freshness.acceptable):
        monkeypatch.setattr(function, "__defaults__", (book,))
    monkeypatch.setattr(freshness, "named", lambda names: [Chapter(p) for p in paths if p.stem in names or not names])
    assert command_line.main(["fresh"]) == 1
    assert "tiny is stale (lib/page/claims.py); run: make refresh CHAPTERS=tiny\n" in capsys.readouterr().out
    assert command_line.main(["fresh", "--accept"]) == 1
    line = one_line(capsys.readouterr().err)
    assert line.startswith("lib fresh: tiny: no pass") and "; other: no pass" in line
    freshness.record_verified({"tiny": freshness.digest(Chapter(paths[0]), book)}, book)
    assert command_line.main(["fresh"]) == 1
    assert "CHAPTERS=tiny or: python -m lib fresh --accept tiny\n" in capsys.readouterr().out
    assert command_line.main(["fresh", "--accept", "other"]) == 1
    assert command_line.main(["fresh", "--accept"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "tiny is stale (lib/page/claims.py), and all its cells passed at this code: accepted\n"
    assert captured.err.count("other: no pass") == 2 and "tiny" not in captured.err
    assert command_line.main(["fresh", "--accept", "tiny"]) == 0
    assert command_line.main(["fresh"]) == 1
    assert capsys.readouterr().out == "other is stale (code); run: make refresh CHAPTERS=other\n"


def nbval(root, *arguments):
    command = [sys.executable, "-m", "pytest", "-p", "tests.verdicts", "--nbval-lax", "-n", "1", "--dist", "loadfile"]
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *arguments],
        cwd=root,
        env=environment() | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_nbval_records_the_chapters_of_which_all_cells_passed(tmp_path):
    """01 passes, 02 fails in one cell, of 03 one cell is not asked for; then 02 passes."""
    root = make_repository(tmp_path)
    (root / "tests").mkdir()
    for name in ("__init__.py", "verdicts.py"):
        (root / "tests" / name).write_text((ROOT / "tests" / name).read_text())
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (root / "_toc.yml").write_text((root / "_toc.yml").read_text().replace("book/results", "book/more"))
    write(notebook(code("import json"), code("json.dumps(1)")), root / "book" / "more.ipynb")
    for path in sorted((root / "book").glob("*.ipynb")):  # with stamps of other code
        made = notebooks.read(path)
        if path.stem == "other":
            made.cells.append(code("from lib import extra\n\nextra.VALUE"))
        for cell in made.cells:
            cell.metadata.pop("tags", None)  # nothing is compared here
        freshness.stamp(made, {"code": "of another time"}, {})
        write(made, path)
    (root / "lib" / "extra.py").write_text("assert False")
    freshness.record_verified({"other": "what passed before"}, root)

    result = nbval(root, "book", "--deselect", "book/more.ipynb::Cell 1")
    assert result.returncode == 1 and "1 failed, 8 passed" in result.stdout, result.stdout + result.stderr
    assert set(freshness.verified(root)) == {"tiny"}
    assert run_lib(root, "fresh", "--accept", "tiny").returncode == 0
    refused = run_lib(root, "fresh", "--accept", "other", "more")
    assert refused.returncode == 1 and "other: no pass of all its cells" in one_line(refused.stderr)

    (root / "lib" / "extra.py").write_text("VALUE = 2\n")
    assert nbval(root, "-n", "0", "book/other.ipynb").returncode == 0
    assert set(freshness.verified(root)) == {"tiny", "other"}
    accepted = run_lib(root, "fresh", "--accept")  # all that are stale
    assert "other is stale" in accepted.stdout and "accepted" in accepted.stdout and "tiny" not in accepted.stdout
    assert "more: no pass of all its cells" in one_line(accepted.stderr)


# All of it -------------------------------------------------------------------------------------------------


def test_the_hash_of_lib(book):
    before = freshness.lib_hash(book)
    edit(book, "data/table.csv", "3")
    assert freshness.lib_hash(book) == before
    edit(book, "lib/unused.py", "unused", "used")
    changed = freshness.lib_hash(book)
    assert changed != before
    (book / "lib" / "unused.py").rename(book / "lib" / "renamed.py")
    assert freshness.lib_hash(book) not in (before, changed)


def test_the_ledger_of_another_tree_is_read_there(book):
    assert set(claims.ledger(book / "data" / "claims.yml")) == {"tiny.one", "tiny.two", "other.three"}
