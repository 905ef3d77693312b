"""Runs side by side."""

import json

import matplotlib
import pytest

from lib.__main__ import main
from lib.book import compare, extension
from lib.book.chapter import Chapter
from lib.errors import BookError
from tests.conftest import claim, code, make_repository, markdown, notebook, one_line, refusal, run_lib, write

MIME = "application/vnd.dan-book.claim+json"


def record(key, value, **more):
    return claim(key, value, **more)["data"][MIME]


def run(folder, name, results, **parameters):
    """The folder of a run, as `lib run` leaves it."""
    path = folder / name
    path.mkdir()
    (path / "results.json").write_text(json.dumps(results))
    (path / "params.json").write_text(json.dumps({"chapter": "tiny", "parameters": parameters}))
    return path


@pytest.fixture
def two(tmp_path):
    a = run(tmp_path, "a", [record("tiny.one", 1.25, error=0.25), record("tiny.two", 2)], L=4, seed=1)
    unknown = record("tiny.two", None, passed=None, reason="L = 8")
    b = run(tmp_path, "b", [record("tiny.one", 9.0, error=2.0, passed=False), unknown], L=8, seed=1)
    return [str(a), str(b)]


def test_the_table_has_what_differs_and_every_claim(two, capsys):
    assert main(["compare", *two]) == 0
    names, parameters, empty, one, second = capsys.readouterr().out.splitlines()
    assert names.split() == two and parameters.split() == ["L", "4", "8"] and empty == ""
    assert one.split() == ["tiny.one", "1.25(25)", "passed", "9.0(2.0)", "FAILED"]
    assert second.split() == ["tiny.two", "2", "passed", "not", "applicable"]


def test_deviations_and_ratios_take_what_has_errors_and_a_base(two):
    a, b = compare.load(two)
    assert compare.deviations(a) == {"tiny.one": 1.0} and compare.deviations(b) == {"tiny.one": 4.0}
    assert compare.ratios(a, b) == {"tiny.one": (1.25 / 9, 0.25 / 9)}
    assert compare.ratios(b, a) == {"tiny.one": (7.2, 1.6)}


def test_the_picture_shows_every_run(two):
    matplotlib.use("agg")
    figure, (left, right) = compare.draw(compare.load(two))
    assert [text.get_text() for text in left.get_yticklabels()] == ["tiny.one"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "a"]
    assert [line.get_xdata()[0] for line in left.lines[1:]] == [4.0, 1.0]
    assert right.get_xlabel() == "value / value of b"
    matplotlib.pyplot.close(figure)


@pytest.mark.parametrize(
    "break_it, named",
    [
        (lambda path: (path / "INCOMPLETE").write_text(""), "a is marked INCOMPLETE"),
        (lambda path: (path / "results.json").unlink(), "results.json; give the folder of a run"),
        (lambda path: (path / "params.json").unlink(), "a is no run, it has no params.json; run it again"),
        (lambda path: (path / "results.json").write_text("[{"), "damaged"),
        (
            lambda path: (path / "results.json").write_text('[{"value": 1}]'),
            "is no results.json of a run (KeyError: 'key')",
        ),
        (lambda path: (path / "params.json").write_text("{}"), "params.json is damaged (KeyError: 'chapter')"),
    ],
)
def test_a_damaged_run_is_named(break_it, named, two, tmp_path, capsys):
    break_it(tmp_path / "a")
    assert named in refusal(["compare", *two], capsys)


def test_one_run_alone_and_a_run_that_is_not_there(two, tmp_path):
    for names in ([two[0]], [two[0], two[0]], ["book"]):
        with pytest.raises(BookError, match="two or more different runs"):
            compare.load(names)
    with pytest.raises(BookError, match="no run"):
        compare.load([two[0], str(tmp_path / "nowhere")])


def test_a_run_beside_the_committed_chapter(tmp_path):
    root = make_repository(tmp_path)
    first = run_lib(root, "run", "tiny", "-p", "high=5", "--out", "mine")
    assert first.returncode == 0, first.stderr
    result = run_lib(root, "compare", "mine", "book")
    assert result.returncode == 0 and result.stderr == ""
    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0] == ["mine", "book"] and lines[1] == ["high", "5", "4"]
    assert lines[3] == ["tiny.one", "1.25(12)", "passed", "-"]  # never executed
    write(notebook(markdown("# Another"), code("seed: int = 1", "parameters")), root / "own.ipynb")
    assert run_lib(root, "run", "own.ipynb", "--out", "other").returncode == 0
    result = run_lib(root, "compare", "mine", "other", "book")
    assert result.returncode == 2 and "runs of several chapters (tiny, own)" in one_line(result.stderr)


def test_the_parameters_of_a_chapter_in_a_table(tmp_path, capsys):
    rows = 'n: int = 1_000  # how many | of them\nname: str = "a#b"  # a name\nplain: bool = True'
    path = write(notebook(markdown("# One"), code(rows, "parameters")), tmp_path / "one.ipynb")
    assert Chapter(path).described() == [
        ["n", "1000", "an integer", "how many | of them"],
        ["name", "'a#b'", "a text", "a name"],
        ["plain", "True", "True or False", ""],
    ]
    assert r"| `n` | `1000` | an integer | how many \| of them |" in extension.box(Chapter(path))
    assert main(["parameters", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "n          1000     an integer     how many | of them"
