"""What each chapter's parameters may be: declared once, checked by the chapter and by the command line.

`RULES[chapter]` has one `Rule` for every name in that chapter's parameters cell, `CROSS[chapter]` functions for
rules between parameters, `PRESETS[chapter]` named sets of values; `smoke` runs in seconds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from lib.errors import BookError
from lib.paths import ROOT


class ParameterError(BookError):
    """A parameter that is unknown, of the wrong type or out of range."""


@dataclass(frozen=True)
class Rule:
    """What one parameter may be. Bounds are inclusive."""

    name: str
    kind: type
    minimum: float | None = None
    maximum: float | None = None
    multiple_of: int | None = None
    choices: tuple | None = None

    def describe(self) -> str:
        """`an even integer from 4 to 32`."""
        noun = {int: "an integer", float: "a number", str: "a text", bool: "True or False"}[self.kind]
        if self.multiple_of:
            noun = "an even integer" if self.multiple_of == 2 else f"a multiple of {self.multiple_of}"
        if self.choices:
            return f"one of {', '.join(map(repr, self.choices))}"
        if self.minimum is not None and self.maximum is not None:
            return f"{noun} from {self.minimum} to {self.maximum}"
        if self.minimum is not None:
            return f"{noun}, at least {self.minimum}"
        if self.maximum is not None:
            return f"{noun}, at most {self.maximum}"
        return noun

    def allows(self, value) -> bool:
        if self.kind is float:
            right = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        else:
            right = type(value) is self.kind
        return (
            right
            and (self.choices is None or value in self.choices)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.multiple_of is None or value % self.multiple_of == 0)
        )


def _hidden_units_fit(n_hidden: int, L: int, **_) -> None:
    if n_hidden > L:
        raise ParameterError(f"n_hidden={n_hidden} is more than L={L}; give n_hidden from 1 to {L}")


def _files_are_there(csv: str, image_dir: str, **_) -> None:
    """Relative paths count from the repository."""
    if not (ROOT / csv).is_file():
        raise ParameterError(f"csv={csv!r}: no such file; give the path of a csv file with M_s(T)")
    if image_dir and not (ROOT / image_dir).is_dir():
        raise ParameterError(f"image_dir={image_dir!r}: no such folder; give a folder of PNG or TIFF frames")


def _three_temperatures(beta_1: float, beta_2: float, beta_3: float, **_) -> None:
    if beta_1 == beta_2:
        raise ParameterError(
            f"beta_1 = beta_2 = {beta_1}; give two different ones, one alone does not separate K from V"
        )
    if beta_3 in (beta_1, beta_2):
        raise ParameterError(f"beta_3={beta_3} is one of those that are learned; give another one, to be predicted")


def _chapter_and_change(chapter: str, change: str, **_) -> None:
    if chapter not in RULES or chapter == "09_rerun":
        there = ", ".join(name for name in RULES if name != "09_rerun")
        raise ParameterError(f"chapter={chapter!r}: no such chapter to rerun; give one of: {there}")
    name, equals, value = change.partition("=")
    if not (equals and value) or " " in change or name not in {rule.name for rule in RULES[chapter]}:
        raise ParameterError(f"change={change!r} is not possible; give NAME=VALUE with a parameter of {chapter}")


def _configurations_can_be_learned(file: str, kind: str, **_) -> None:
    """Relative paths count from the repository. The file is read and checked as a whole."""
    from lib import observed

    observed.load(file, kind)


RULES: dict[str, tuple[Rule, ...]] = {
    "01_autoregressive_networks": (
        Rule("L", int, minimum=4, maximum=64),
        Rule("n_hidden", int, minimum=1),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("seed", int, minimum=0),
    ),
    "02_ising": (
        Rule("L", int, minimum=4, maximum=32, multiple_of=2),
        Rule("T0", float, minimum=1.0, maximum=5.0),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "03_ising_blocks": (
        Rule("L", int, minimum=4, maximum=32, multiple_of=2),
        Rule("T0", float, minimum=1.0, maximum=5.0),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("n_steps", int, minimum=30, maximum=100_000),
        Rule("n_blocks", int, minimum=200, maximum=100_000),
        Rule("n_repetitions", int, minimum=2, maximum=8),
        Rule("seed", int, minimum=0),
    ),
    "04_moke": (
        Rule("image_dir", str),
        Rule("csv", str),
        Rule("T0", float, minimum=230.0, maximum=420.0),
        Rule("pixel_um", float, minimum=0.001, maximum=1000.0),
        Rule("n_images", int, minimum=100, maximum=30_000),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("L", int, minimum=8, maximum=32, multiple_of=2),
        Rule("seed", int, minimum=0),
    ),
    "05_xy": (
        Rule("L", int, minimum=4, maximum=32, multiple_of=2),
        Rule("T0", float, minimum=0.3, maximum=2.0),
        Rule("n_train", int, minimum=500, maximum=100_000),
        Rule("n_components", int, minimum=1, maximum=16),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "06_variational": (
        Rule("L", int, minimum=4, maximum=32, multiple_of=2),
        Rule("T", float, minimum=1.0, maximum=10.0),
        Rule("T_low", float, minimum=0.5, maximum=2.2),
        Rule("T_xy", float, minimum=0.3, maximum=5.0),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("steps", int, minimum=40, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "07_action_estimation": (
        Rule("beta", float, minimum=1.0, maximum=200.0),
        Rule("n_sites", int, minimum=8, maximum=512, multiple_of=2),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("n_networks", int, minimum=1, maximum=8),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "08_action_prediction": (
        Rule("beta_1", float, minimum=1.0, maximum=200.0),
        Rule("beta_2", float, minimum=1.0, maximum=200.0),
        Rule("beta_3", float, minimum=1.0, maximum=200.0),
        Rule("n_sites", int, minimum=4, maximum=512, multiple_of=2),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("n_networks", int, minimum=2, maximum=8),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "09_rerun": (
        Rule("chapter", str),
        Rule("change", str),
        Rule("seed", int, minimum=0),
        Rule("smoke", bool),
    ),
    "10_your_configurations": (
        Rule("file", str),
        Rule("kind", str, choices=("ising", "xy", "path")),
        Rule("T0", float, minimum=0.001, maximum=1_000_000.0),
        Rule("n_networks", int, minimum=2, maximum=8),
        Rule("steps", int, minimum=10, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
    "11_sweeps": (
        Rule("L_min", int, choices=(6, 8)),
        Rule("seed", int, minimum=0),
    ),
    "finite_size": (  # data/finite_size.ipynb, the runs behind 11_sweeps
        Rule("L", int, minimum=4, maximum=32, multiple_of=2),
        Rule("T0", float, minimum=1.0, maximum=5.0),
        Rule("n_train", int, minimum=1000, maximum=1_000_000),
        Rule("n_steps", int, minimum=10, maximum=100_000),
        Rule("n_samples", int, minimum=50, maximum=100_000),
        Rule("seed", int, minimum=0),
    ),
}

CROSS: dict[str, tuple[Callable, ...]] = {
    "01_autoregressive_networks": (_hidden_units_fit,),
    "04_moke": (_files_are_there,),
    "08_action_prediction": (_three_temperatures,),
    "09_rerun": (_chapter_and_change,),
    "10_your_configurations": (_configurations_can_be_learned,),
}

PRESETS: dict[str, dict[str, dict]] = {
    "01_autoregressive_networks": {"smoke": {"L": 8, "n_hidden": 4, "n_train": 2000}},
    "02_ising": {"smoke": {"L": 4, "n_train": 2000, "n_networks": 1, "n_steps": 50}},
    "03_ising_blocks": {
        "smoke": {"L": 4, "n_train": 2000, "n_networks": 1, "n_steps": 60, "n_blocks": 200, "n_repetitions": 2}
    },
    "04_moke": {"smoke": {"L": 8, "n_images": 300, "n_networks": 1, "n_steps": 50}},
    "05_xy": {"smoke": {"L": 4, "n_train": 600, "n_networks": 1, "n_steps": 20}},
    "06_variational": {"smoke": {"L": 4, "n_networks": 1, "steps": 40}},
    "07_action_estimation": {"smoke": {"beta": 10.0, "n_sites": 16, "n_train": 2000, "n_networks": 2, "n_steps": 60}},
    "08_action_prediction": {
        "smoke": {"beta_1": 16.0, "beta_2": 4.0, "beta_3": 8.0, "n_sites": 16}
        | {"n_train": 2000, "n_networks": 2, "n_steps": 60}
    },
    "09_rerun": {"smoke": {"smoke": True}},
    "10_your_configurations": {"smoke": {"n_networks": 2, "steps": 40}},
    "11_sweeps": {"smoke": {"L_min": 8}},
    "finite_size": {"smoke": {"L": 4, "n_train": 4000, "n_steps": 100, "n_samples": 200}},
}


_given: dict[str, dict] = {}  # chapter -> what `check` found allowed last in this process


def given(chapter: str) -> dict | None:
    """The parameters at which this process runs the chapter: those of the last `check`; None without one."""
    return _given.get(chapter)


def check(chapter: str, /, **values) -> None:
    """Raise ParameterError unless every parameter of the chapter is given and allowed. `given` then knows them."""
    if chapter not in RULES:
        raise ParameterError(f"no rules for chapter {chapter!r} in lib/parameters.py; there are: {', '.join(RULES)}")
    rules = {rule.name: rule for rule in RULES[chapter]}
    for name in values:
        if name not in rules:
            raise ParameterError(f"unknown parameter {name!r} of {chapter}; it has: {', '.join(rules)}")
    for name, rule in rules.items():
        if name not in values:
            raise ParameterError(f"parameter {name!r} of {chapter} is missing; give {rule.describe()}")
        if not rule.allows(values[name]):
            raise ParameterError(f"{name}={values[name]!r} is not possible; give {rule.describe()}")
    for rule in CROSS.get(chapter, ()):
        rule(**values)
    _given[chapter] = values


def parse(name: str, text: str, kind: type):
    """The value of `-p NAME=TEXT` for a parameter of this kind."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        value = kind(text)
        if kind is float and not math.isfinite(value):
            raise ValueError
        return value
    except (ValueError, KeyError):
        wanted = {int: "an integer, like 16", float: "a number, like 2.27", bool: "True or False"}[kind]
        raise ParameterError(f"{name}={text!r} is not possible; give {wanted}") from None
