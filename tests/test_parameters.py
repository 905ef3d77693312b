"""Parameter rules: what is refused, how it is said, and that every chapter has its own."""

import math

import numpy as np
import pytest

from lib import notebooks, parameters
from lib.errors import BookError
from lib.parameters import ParameterError, Rule
from lib.paths import DATA
from tests.conftest import code, markdown, notebook, one_line

STANDIN = (
    Rule("L", int, minimum=4, maximum=32, multiple_of=2),
    Rule("T0", float, minimum=1.0, maximum=5.0),
    Rule("seed", int, minimum=0),
    Rule("head", str, choices=("beta", "von_mises")),
    Rule("fast", bool),
)
GOOD = {"L": 16, "T0": 2.27, "seed": 1, "head": "beta", "fast": False}


def _seed_below_side(seed: int, L: int, **_) -> None:
    if seed > L:
        raise ParameterError(f"seed={seed} is more than L={L}; give seed from 0 to {L}")


@pytest.fixture
def standin(monkeypatch):
    monkeypatch.setitem(parameters.RULES, "99_standin", STANDIN)
    monkeypatch.setitem(parameters.CROSS, "99_standin", (_seed_below_side,))
    return "99_standin"


# What is allowed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [{}, {"L": 4}, {"L": 32}, {"T0": 1.0}, {"T0": 5}, {"seed": 0}, {"head": "von_mises"}, {"fast": True}],
    ids=str,
)
def test_good_values_pass(values, standin):
    parameters.check(standin, **GOOD | values)


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
        parameters.check(standin, **GOOD | values)
    rule = next(rule for rule in STANDIN if rule.name == name)
    assert one_line(str(caught.value)) == f"{name}={value!r} is not possible; give {rule.describe()}"


def test_unknown_missing_and_unruled(standin):
    with pytest.raises(ParameterError, match="unknown parameter 'LL' of 99_standin; it has: L, T0, seed"):
        parameters.check(standin, **GOOD, LL=8)
    with pytest.raises(ParameterError, match="parameter 'T0' of 99_standin is missing; give a number from 1.0 to 5.0"):
        parameters.check(standin, **{name: value for name, value in GOOD.items() if name != "T0"})
    with pytest.raises(ParameterError, match="no rules for chapter '98_nowhere'.*02_ising"):
        parameters.check("98_nowhere", L=1)


def test_rules_between_parameters_come_after_each_is_right(standin):
    with pytest.raises(ParameterError, match="seed=17 is more than L=16; give seed from 0 to 16"):
        parameters.check(standin, **GOOD | {"seed": 17})
    with pytest.raises(ParameterError, match="L='x'"):  # the comparison with a text would be a TypeError
        parameters.check(standin, **GOOD | {"seed": 17, "L": "x"})


MOKE = {
    "image_dir": "",
    "csv": "data/film_ms.csv",
    "T0": 296.0,
    "pixel_um": 0.5,
    "n_images": 3000,
    "n_networks": 3,
    "n_steps": 1000,
    "L": 16,
    "seed": 1,
}


def test_files_of_the_film_must_be_there(tmp_path):
    parameters.check("04_moke", **MOKE)
    parameters.check("04_moke", **MOKE | {"image_dir": str(tmp_path)})
    for name, value in (("csv", "nosuch.csv"), ("csv", ""), ("csv", "data"), ("image_dir", "no/such/folder")):
        with pytest.raises(ParameterError) as caught:
            parameters.check("04_moke", **MOKE | {name: value})
        assert one_line(str(caught.value)).startswith(f"{name}={value!r}: no such ")


@pytest.mark.parametrize(
    "rule, text",
    [
        (STANDIN[0], "an even integer from 4 to 32"),
        (STANDIN[1], "a number from 1.0 to 5.0"),
        (STANDIN[2], "an integer, at least 0"),
        (STANDIN[3], "one of 'beta', 'von_mises'"),
        (STANDIN[4], "True or False"),
        (Rule("n", int, maximum=3), "an integer, at most 3"),
        (Rule("n", int, multiple_of=5), "a multiple of 5"),
        (Rule("path", str), "a text"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_a_rule_in_words(rule, text):
    assert rule.describe() == text


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
    with pytest.raises(ParameterError) as caught:
        parameters.parse("x", text, kind)
    assert one_line(str(caught.value)).startswith(f"x={text!r} is not possible; give ")


# The parameters cell ---------------------------------------------------------------------------------------


def test_the_parameters_cell_is_read():
    cell = code(
        'L: int = 16  # side\nT0: float = 2.27\nb: float = -1e-3\nhead: str = "x"\nfast: bool = True', "parameters"
    )
    found = notebooks.parameters(notebook(markdown("# T"), cell, code("N = L * L")))
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
    with pytest.raises(BookError) as caught:
        notebooks.parameters(notebook(code(source, "parameters")), "02_ising")
    assert one_line(str(caught.value)).startswith("02_ising: ")


def test_one_parameters_cell():
    for cells in ([], [code("L: int = 16", "parameters"), code("L: int = 8", "parameters")]):
        with pytest.raises(BookError, match=f"exactly one cell tagged 'parameters', has {len(cells)}"):
            notebooks.parameters(notebook(*cells))


# The chapters ----------------------------------------------------------------------------------------------


def misfits(name: str, declared: dict[str, notebooks.Parameter]) -> list[str]:
    """What is wrong between a chapter's parameters cell and its entries in RULES and PRESETS."""
    rules = {rule.name: rule for rule in parameters.RULES.get(name, ())}
    if not rules:
        return [f"{name}: no RULES"]
    problems = [f"{name}: {p} is in the cell or in RULES only" for p in sorted(set(declared) ^ set(rules))]
    problems += [
        f"{name}: {p} is a {declared[p].kind.__name__} in the cell, a {rules[p].kind.__name__} in RULES"
        for p in rules
        if p in declared and declared[p].kind is not rules[p].kind
    ]
    smoke = parameters.PRESETS.get(name, {}).get("smoke")
    if smoke is None:
        problems.append(f"{name}: no smoke preset")
    defaults = {p: declared[p].default for p in declared}
    for values in [] if problems else [defaults, defaults | smoke]:
        try:
            parameters.check(name, **values)
        except ParameterError as error:
            problems.append(f"{name}: {error}")
    return problems


CHAPTERS = sorted(parameters.RULES)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_has_exactly_its_rules(name):
    (path,) = [p for folder in (notebooks.BOOK, DATA) if (p := folder / f"{name}.ipynb").exists()] or [None]
    assert path, f"lib/parameters.py has rules for {name}, but there is no book/{name}.ipynb"
    assert misfits(name, notebooks.parameters(notebooks.read(path), name)) == []


def test_every_chapter_file_has_rules():
    assert {path.stem for path in notebooks.chapters()} <= set(CHAPTERS)


CELL = "L: int = 16\nT0: float = 2.27\nseed: int = 1\nhead: str = 'beta'\nfast: bool = True"


@pytest.mark.parametrize(
    "cell, smoke, named",
    [
        (CELL, {}, None),
        (CELL.replace("\nfast: bool = True", ""), {}, "fast"),
        (CELL + "\nn: int = 1", {}, "n is"),
        (CELL.replace("T0: float = 2.27", "T0: int = 2"), {}, "T0"),
        (CELL.replace("16", "7"), {}, "L=7"),
        (CELL, {"L": 3}, "L=3"),
        (CELL, {"M": 3}, "'M'"),
        (CELL, None, "smoke"),
    ],
)
def test_a_misfit_is_noticed(cell, smoke, named, standin, monkeypatch):
    monkeypatch.setitem(parameters.PRESETS, standin, {} if smoke is None else {"smoke": smoke})
    problems = misfits(standin, notebooks.parameters(notebook(code(cell, "parameters"))))
    assert bool(problems) == (named is not None)
    assert all(named in problem for problem in problems)
