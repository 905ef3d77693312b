"""Parameter rules: what is refused, how it is said, and that every chapter has its own."""

import math

import numpy as np
import pytest

from lib.book.chapter import Chapter, Parameter, chapters, declared
from lib.errors import BookError
from lib.page import parameters
from lib.page.parameters import ParameterError
from lib.paths import BOOK, DATA
from tests.conftest import code, declare, markdown, notebook, one_line, refused

STANDIN = {
    "L": {"type": "int", "minimum": 4, "maximum": 32, "multiple_of": 2},
    "T0": {"type": "float", "minimum": 1.0, "maximum": 5.0},
    "seed": {"type": "int", "minimum": 0, "maximum": "L"},
    "T1": {"type": "float", "other_than": ["T0"]},
    "head": {"type": "str", "choices": ["beta", "von_mises"]},
    "fast": {"type": "bool"},
}
GOOD = {"L": 16, "T0": 2.27, "seed": 1, "T1": 1.0, "head": "beta", "fast": False}


def never_both(fast: bool, head: str, **_):
    if fast and head == "beta":
        raise ParameterError("fast=True goes with another head")


@pytest.fixture
def standin(monkeypatch):
    declare(monkeypatch, standin={"rules": STANDIN, "smoke": {}, "check": f"{__name__}:never_both"})
    return "standin"


# What is allowed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"L": 4},
        {"L": 32},
        {"T0": 1.5},
        {"T0": 5},
        {"seed": 0},
        {"head": "von_mises"},
        {"fast": True, "head": "von_mises"},
    ],
    ids=str,
)
def test_good_values_pass(values, standin):
    parameters.check(standin, GOOD | values)


@pytest.mark.parametrize(
    "values",
    [
        {"L": 2},
        {"L": 34},
        {"L": 7},
        {"L": 16.0},
        {"L": "16"},
        {"L": True},
        {"L": None},
        {"L": np.int64(16)},
        {"T0": 0.99},
        {"T0": -1.0},
        {"T0": 5.01},
        {"T0": math.nan},
        {"T0": math.inf},
        {"T0": "2.27"},
        {"T0": True},
        {"seed": -1},
        {"seed": 1.5},
        {"head": "gauss"},
        {"head": 1},
        {"fast": 1},
        {"fast": "True"},
    ],
    ids=str,
)
def test_bad_values_are_refused_with_name_and_remedy(values, standin):
    ((name, value),) = values.items()
    with pytest.raises(ParameterError) as caught:
        parameters.check(standin, GOOD | values)
    rule = parameters.rules(standin)[name]
    assert one_line(str(caught.value)).startswith(f"{name}={value!r} is not possible; give {rule.describe()}")


def test_missing_and_unruled(standin):
    with pytest.raises(ParameterError, match="parameter 'T0' of standin is missing; give a number from 1.0 to 5.0"):
        parameters.check(standin, {name: value for name, value in GOOD.items() if name != "T0"})
    with pytest.raises(ParameterError, match="no rules for chapter 'nowhere'.*ising"):
        parameters.check("nowhere", {"L": 1})


def test_only_parameters_are_looked_at(standin):
    parameters.check(standin, GOOD | {"anything": "else"})
    assert parameters.given(standin) == GOOD


def test_rules_between_parameters_come_after_each_is_right(standin):
    with pytest.raises(ParameterError, match="seed=17 is not possible; give an integer from 0 to L; L is 16"):
        parameters.check(standin, GOOD | {"seed": 17})
    with pytest.raises(ParameterError, match="L='x'"):  # the comparison with a text would be a TypeError
        parameters.check(standin, GOOD | {"seed": 17, "L": "x"})
    with pytest.raises(ParameterError, match="T1=2.27 is not possible; give a number, other than T0; T0 is 2.27"):
        parameters.check(standin, GOOD | {"T1": 2.27})
    with pytest.raises(ParameterError, match="fast=True goes with another head"):
        parameters.check(standin, GOOD | {"fast": True})


@pytest.mark.parametrize(
    "rules",
    ["[]", "a: {rules: {L: {type: int, least: 3}}}", "a: {rules: {L: {type: list}}}", "a: {more: 1, rules: {}}", "a: 1"]
    + ["a: {rules: {f: {type: str, path: door}}}", "a: {smoke: {}}", "a: ]"],
)
def test_a_file_of_another_form_is_refused(rules, tmp_path):
    file = tmp_path / "parameters.yml"
    file.write_text(rules)
    with refused("cannot read the rules of the parameters"):
        parameters.declared(file)


MOKE = {
    "csv": "data/film_ms.csv",
    "T0": 296.0,
    "pixel_um": 0.5,
    "n_images": 3000,
    "n_networks": 3,
    "n_steps": 1000,
    "L": 16,
    "seed": 1,
}


def test_files_of_the_film_must_be_there():
    parameters.check("moke", MOKE)
    for name, value in (("csv", "nosuch.csv"), ("csv", ""), ("csv", "data")):
        with refused(f"{name}={value!r} is not possible; give the path of a ", kind=ParameterError):
            parameters.check("moke", MOKE | {name: value})


@pytest.mark.parametrize(
    "rule, text",
    [
        ({"multiple_of": 2, "minimum": 4, "maximum": 32}, "an even integer from 4 to 32"),
        ({"minimum": 0}, "an integer, at least 0"),
        ({"minimum": 0, "maximum": "L"}, "an integer from 0 to L"),
        ({"maximum": 3}, "an integer, at most 3"),
        ({"multiple_of": 5}, "a multiple of 5"),
        ({"other_than": ["a", "b"]}, "an integer, other than a and b"),
        ({"type": "float", "minimum": 1.0, "maximum": 5.0}, "a number from 1.0 to 5.0"),
        ({"type": "str", "choices": ["beta", "von_mises"]}, "one of 'beta', 'von_mises'"),
        ({"type": "bool"}, "True or False"),
        ({"type": "str"}, "a text"),
        ({"type": "str", "path": "folder or nothing"}, "the path of a folder or nothing"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_a_rule_in_words(rule, text):
    assert parameters._rule("x", {"type": "int"} | rule).describe() == text


# -p NAME=TEXT ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("16", int, 16),
        ("-1", int, -1),
        ("2.27", float, 2.27),
        ("2", float, 2.0),
        ("1e-3", float, 1e-3),
        ("true", bool, True),
        ("False", bool, False),
        ("a b=c", str, "a b=c"),
        ("", str, ""),
    ],
)
def test_parse(text, kind, value):
    parsed = parameters.parse("x", text, kind)
    assert parsed == value and type(parsed) is kind


@pytest.mark.parametrize(
    "text, kind",
    [("16.0", int), ("a", int), ("", int), ("two", float), ("nan", float), ("inf", float), ("1e999", float)]
    + [("1", bool), ("yes", bool)],
)
def test_parse_refuses(text, kind):
    with refused(f"x={text!r} is not possible; give ", kind=ParameterError):
        parameters.parse("x", text, kind)


# The parameters cell ---------------------------------------------------------------------------------------


def test_the_parameters_cell_is_read():
    cell = code(
        'L: int = 16  # side\nT0: float = 2.27\nb: float = -1e-3\nhead: str = "x"\nfast: bool = True', "parameters"
    )
    found = declared(notebook(markdown("# T"), cell, code("N = L * L")))
    assert {name: (p.kind, p.default) for name, p in found.items()} == {
        "L": (int, 16),
        "T0": (float, 2.27),
        "b": (float, -1e-3),
        "head": (str, "x"),
        "fast": (bool, True),
    }


@pytest.mark.parametrize(
    "source",
    [
        "L = 16",
        "L: int",
        "L: int = 16.0",
        "T0: float = 2",
        "L: int = N",
        "L: int = 4 * 4",
        "L: 'int' = 16",
        "L: list = []",
        "import os",
        "x.L: int = 16",
        "L: int = 16\nL: int = 8",
        "L: int = = 16",
    ],
)
def test_a_parameters_cell_with_anything_else_is_refused(source):
    with refused("ising: "):
        declared(notebook(code(source, "parameters")), "ising")


def test_one_parameters_cell():
    for cells in ([], [code("L: int = 16", "parameters"), code("L: int = 8", "parameters")]):
        with pytest.raises(BookError, match=f"exactly one cell tagged 'parameters', has {len(cells)}"):
            declared(notebook(*cells))


# The chapters ----------------------------------------------------------------------------------------------


def misfits(name: str, cell: dict[str, Parameter]) -> list[str]:
    """What is wrong between a chapter's parameters cell and book/parameters.yml."""
    if name not in parameters.declared():
        return [f"{name}: no rules"]
    rules, smoke = parameters.rules(name), parameters.declared()[name].smoke
    problems = [f"{name}: {p} is in the cell or has a rule only" for p in sorted(set(cell) ^ set(rules))]
    problems += [
        f"{name}: {p} is a {cell[p].kind.__name__} in the cell, a {rules[p].kind.__name__} in its rule"
        for p in rules
        if p in cell and cell[p].kind is not rules[p].kind
    ]
    if smoke is None:
        problems.append(f"{name}: no smoke preset")
    elif unknown := set(smoke) - set(rules):
        problems.append(f"{name}: the smoke preset has {unknown}")
    defaults = {p: cell[p].default for p in cell}
    for values in [] if problems else [defaults, defaults | smoke]:
        try:
            parameters.check(name, values)
        except ParameterError as error:
            problems.append(f"{name}: {error}")
    return problems


CHAPTERS = sorted(parameters.declared())


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_exactly_its_rules(name):
    (path,) = [p for folder in (BOOK, DATA) if (p := folder / f"{name}.ipynb").exists()] or [None]
    assert path, f"book/parameters.yml has rules for {name}, but there is no book/{name}.ipynb"
    assert misfits(name, Chapter(path).parameters) == []


def test_every_chapter_file_has_rules():
    assert {chapter.name for chapter in chapters()} <= set(CHAPTERS)


CELL = "L: int = 16\nT0: float = 2.27\nseed: int = 1\nT1: float = 1.0\nhead: str = 'beta'\nfast: bool = False"


@pytest.mark.parametrize(
    "cell, smoke, named",
    [
        (CELL, {}, None),
        (CELL.replace("\nfast: bool = False", ""), {}, "fast"),
        (CELL + "\nn: int = 1", {}, "n is"),
        (CELL.replace("T0: float = 2.27", "T0: int = 2"), {}, "T0"),
        (CELL.replace("16", "7"), {}, "L=7"),
        (CELL, {"L": 3}, "L=3"),
        (CELL, {"M": 3}, "'M'"),
        (CELL, None, "smoke"),
    ],
)
def test_a_misfit_is_noticed(cell, smoke, named, standin, monkeypatch):
    declare(monkeypatch, standin={"rules": STANDIN} | ({} if smoke is None else {"smoke": smoke}))
    problems = misfits(standin, declared(notebook(code(cell, "parameters"))))
    assert bool(problems) == (named is not None)
    assert all(named in problem for problem in problems)
