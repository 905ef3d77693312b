"""A chapter is stale when, and only when, something its outputs depend on has changed."""

import re

import pytest

from lib import claims, freshness, notebooks, parameters
from lib.errors import BookError
from tests.conftest import LEDGER, code, markdown, notebook, one_line, write

FILES = {
    "lib/__init__.py": '"""All of it."""\n',
    "lib/direct.py": "from lib.room import thing\n\nVALUE = 1\n",
    "lib/unused.py": "from lib.paths import data_file\n\ndata_file('unused.csv')\n",
    "lib/claims.py": "",
    "lib/parameters.py": "",
    "lib/paths.py": "",
    "lib/room/__init__.py": '"""A room."""\n',
    "lib/room/thing.py": "from . import beside\nfrom .beside import number\n",
    "lib/room/beside.py": "from lib import paths\n\n\ndef number():\n    return paths.data_file('numbers.csv')\n",
    "lib/room/apart.py": "VALUE = 1\n",
    "lib/deep/__init__.py": "",
    "lib/deep/er/__init__.py": "from ..deepest import x\n",
    "lib/deep/deepest.py": "x = 1\n",
    "data/claims.yml": LEDGER,
    "data/numbers.csv": "1,2\n",
    "data/table.csv": "3,4\n",
    "data/unused.csv": "5\n",
}
SOURCE = """%matplotlib inline
from lib import claims, direct
from lib.paths import data_file
import lib.deep.er as er

table = data_file("table.csv")"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small tree with one stamped chapter; returns its root."""
    monkeypatch.setitem(parameters.RULES, "01_tiny", (parameters.Rule("L", int),))
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    path = tmp_path / "01_tiny.ipynb"
    made = notebook(markdown("# Tiny"), code("L: int = 4", "parameters"), code(SOURCE), code("VALUE = direct.VALUE"))
    write(made, path)
    freshness.stamp(made, freshness.inputs(path, tmp_path), {"seconds": 12})
    write(made, path)
    return tmp_path


def stale(root):
    return freshness.stale(root / "01_tiny.ipynb", root)


def edit(root, name, old="1", new="9"):
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


def test_a_stamped_chapter_is_fresh(book):
    assert stale(book) == []
    stamped = notebooks.read(book / "01_tiny.ipynb").metadata.dan_book
    assert stamped.seconds == 12
    assert set(stamped.inputs) == {
        *("code", "claims", "parameter rules", "data/numbers.csv", "data/table.csv"),
        *("lib/__init__.py", "lib/claims.py", "lib/direct.py", "lib/paths.py"),
        *("lib/room/__init__.py", "lib/room/thing.py", "lib/room/beside.py"),
        *("lib/deep/__init__.py", "lib/deep/er/__init__.py", "lib/deep/deepest.py"),
    }


@pytest.mark.parametrize(
    "name",
    [name for name in FILES if not re.search("unused|apart|parameters|claims.yml", name)],
)
def test_a_changed_input_makes_it_stale_and_is_named(name, book):
    with (book / name).open("a") as file:
        file.write("# changed\n")
    assert stale(book) == [name]


@pytest.mark.parametrize("name", ["lib/unused.py", "lib/room/apart.py", "lib/parameters.py", "data/unused.csv"])
def test_an_unrelated_change_does_not(name, book):
    with (book / name).open("a") as file:
        file.write("# changed\n")
    assert stale(book) == []


def test_its_claims_count_and_no_others(book):
    edit(book, "data/claims.yml", "Three is three", "Three is odd")
    edit(book, "data/claims.yml", "\n", "\n\n# a comment\n")
    assert stale(book) == []
    edit(book, "data/claims.yml", "value: 0.5", "value: 0.6")
    assert stale(book) == ["claims"]


def test_its_parameter_rules_count_and_no_others(book, monkeypatch):
    monkeypatch.setitem(parameters.RULES, "02_other", (parameters.Rule("n", int),))
    assert stale(book) == []
    monkeypatch.setitem(parameters.RULES, "01_tiny", (parameters.Rule("L", int, minimum=2),))
    assert stale(book) == ["parameter rules"]


def change_cells(root, change):
    path = root / "01_tiny.ipynb"
    made = notebooks.read(path)
    change(made.cells)
    write(made, path)


def test_its_code_counts_and_its_text_does_not(book):
    change_cells(book, lambda cells: cells[0].update(source="# Another title"))
    change_cells(book, lambda cells: cells.append(code("")))
    assert stale(book) == []
    change_cells(book, lambda cells: cells[3].update(source="VALUE = 2"))
    assert stale(book) == ["code"]


def test_the_order_of_cells_counts(book):
    change_cells(book, lambda cells: cells.insert(1, cells.pop(2)))
    assert stale(book) == ["code"]


def test_what_came_and_what_went_is_named(book):
    (book / "data" / "table.csv").unlink()
    (book / "lib" / "room" / "beside.py").unlink()
    change_cells(book, lambda cells: cells[3].update(source="from lib.room import apart"))
    changed = ["code", "data/numbers.csv", "data/table.csv", "lib/room/apart.py", "lib/room/beside.py"]
    assert stale(book) == changed


def test_several_changes_are_all_named(book):
    edit(book, "lib/direct.py")
    edit(book, "data/numbers.csv")
    assert stale(book) == ["data/numbers.csv", "lib/direct.py"]


def test_line_ends_do_not_count(book):
    text = (book / "lib" / "direct.py").read_bytes()
    (book / "lib" / "direct.py").write_bytes(text.replace(b"\n", b"\r\n"))
    assert stale(book) == []


def test_never_stamped(book):
    path = write(notebook(code("1")), book / "02_other.ipynb")
    assert freshness.stale(path, book) == ["never stamped"]


def test_code_that_is_no_python_is_refused_with_one_line(book):
    path = write(notebook(code("def f(:")), book / "02_other.ipynb")
    with pytest.raises(BookError) as caught:
        freshness.inputs(path, book)
    assert "02_other.ipynb: not valid Python" in one_line(str(caught.value))


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
