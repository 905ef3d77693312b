"""What the parameters of a chapter may be: declared once in `book/parameters.yml`, checked by chapter and command line.

    ising:
      rules:
        L: {type: int, minimum: 4, maximum: 32, multiple_of: 2}
        n_hidden: {type: int, minimum: 1, maximum: L}     a bound may name another parameter
      smoke: {L: 4}                                       a set of values that runs in seconds
      check: lib.studies.own.user_file:check_parameters       called with all values, if they are right one by one

Defaults and meanings stand in the parameters cell of the chapter and nowhere else.
"""

import functools
import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from lib import files
from lib.errors import BookError
from lib.paths import BOOK, ROOT

FILE = BOOK / "parameters.yml"
KINDS = {"int": int, "float": float, "str": str, "bool": bool}
NOUNS = {int: "an integer", float: "a number", str: "a text", bool: "True or False"}
PLACES = ("file", "folder", "folder or nothing")


class ParameterError(BookError):
    """A parameter that is unknown, of the wrong type or out of range."""


@dataclass(frozen=True)
class Rule:
    """What one parameter may be.

    minimum, maximum: inclusive; a text is the name of the parameter that is the bound.
    other_than: names of parameters with another value.
    path: one of PLACES that must be there; a relative one counts from the repository.
    """

    name: str
    kind: type
    minimum: float | str | None = None
    maximum: float | str | None = None
    multiple_of: int | None = None
    choices: tuple | None = None
    other_than: tuple[str, ...] = ()
    path: str | None = None

    def describe(self) -> str:
        """`an even integer from 4 to 32`."""
        noun = NOUNS[self.kind]
        if self.multiple_of:
            noun = "an even integer" if self.multiple_of == 2 else f"a multiple of {self.multiple_of}"
        if self.choices:
            return f"one of {', '.join(map(repr, self.choices))}"
        if self.path:
            return f"the path of a {self.path}"
        if self.minimum is not None and self.maximum is not None:
            noun += f" from {self.minimum} to {self.maximum}"
        elif self.minimum is not None:
            noun += f", at least {self.minimum}"
        elif self.maximum is not None:
            noun += f", at most {self.maximum}"
        return noun + (f", other than {' and '.join(self.other_than)}" if self.other_than else "")

    def allows(self, value, others: Mapping) -> bool:
        """Is this value possible beside these of other parameters? Bounds by those that are not given do not count."""
        if self.kind is float:
            right = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        else:
            right = type(value) is self.kind
        low, high = (others.get(bound) if isinstance(bound, str) else bound for bound in (self.minimum, self.maximum))
        return (
            right
            and (self.choices is None or value in self.choices)
            and (low is None or value >= low)
            and (high is None or value <= high)
            and (self.multiple_of is None or value % self.multiple_of == 0)
            and (self.path is None or _is_there(value, self.path))
            and all(value != others[name] for name in self.other_than if name in others)
        )

    def refusal(self, value, others: Mapping) -> str:
        names = [name for name in (self.minimum, self.maximum, *self.other_than) if isinstance(name, str)]
        here = "".join(f"; {name} is {others[name]!r}" for name in names if name in others)
        return f"{self.name}={value!r} is not possible; give {self.describe()}{here}"


def _is_there(name: str, path: str) -> bool:
    if path == "file":
        return (ROOT / name).is_file()
    return (ROOT / name).is_dir() if name else path == "folder or nothing"


# The file --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chapter:
    """rules: name -> `Rule`; smoke: values that run in seconds, or None; check: `module:function`, or None."""

    rules: dict[str, Rule]
    smoke: dict | None
    check: str | None


def declared(file: Path | None = None) -> dict[str, Chapter]:
    """Chapter -> what its parameters may be, from `book/parameters.yml`. BookError for anything but the form above."""
    file = file or FILE
    try:
        return _declared(files.read_text(file))
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BookError(f"cannot read the rules of the parameters in {file}: {reason}") from None


@functools.lru_cache(maxsize=4)
def _declared(text: str) -> dict[str, Chapter]:
    return {name: _chapter(entry) for name, entry in yaml.safe_load(text).items()}


def _chapter(entry: dict) -> Chapter:
    if unknown := set(entry) - {"rules", "smoke", "check"}:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    rules = {name: _rule(name, dict(each)) for name, each in entry["rules"].items()}
    return Chapter(rules, entry.get("smoke"), entry.get("check"))


def _rule(name: str, entry: dict) -> Rule:
    kind = KINDS[entry.pop("type")]
    if unknown := set(entry) - {field.name for field in fields(Rule)}:
        raise ValueError(f"{name}: unknown: {', '.join(sorted(unknown))}")
    if entry.get("path", "file") not in PLACES:
        raise ValueError(f"{name}: path must be one of {', '.join(PLACES)}")
    return Rule(name, kind, **{key: tuple(each) if isinstance(each, list) else each for key, each in entry.items()})


def rules(chapter: str) -> dict[str, Rule]:
    """name -> `Rule` of this chapter; empty where none are declared."""
    found = declared().get(chapter)
    return found.rules if found else {}


# The check -------------------------------------------------------------------------------------------------

_given: dict[str, dict] = {}  # chapter -> what `check` found allowed last in this process


def given(chapter: str) -> dict | None:
    """The parameters at which this process runs the chapter: those of the last `check`; None without one."""
    return _given.get(chapter)


def check(chapter: str, names: Mapping) -> None:
    """Raise ParameterError unless every parameter of the chapter is there and allowed. `given` then knows them.

    names: where the parameters are; a chapter gives its `globals()`. What is no parameter is not looked at.
    """
    if chapter not in declared():
        there = ", ".join(declared())
        raise ParameterError(f"no rules for chapter {chapter!r} in book/parameters.yml; there are: {there}")
    every = rules(chapter)
    if missing := [name for name in every if name not in names]:
        raise ParameterError(f"parameter {missing[0]!r} of {chapter} is missing; give {every[missing[0]].describe()}")
    values = {name: names[name] for name in every}
    for others in ({}, values):  # they can be compared where each is right on its own
        for name, rule in every.items():
            if not rule.allows(values[name], others):
                raise ParameterError(rule.refusal(values[name], others))
    if function := declared()[chapter].check:
        module, _, name = function.partition(":")
        getattr(importlib.import_module(module), name)(**values)
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
