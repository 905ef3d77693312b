"""The claims ledger: its form, the verdicts, what a chapter stores."""

import copy
import json
import math
import re

import numpy as np
import pytest
import torch
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from lib.errors import BookError
from lib.page import claims, ledger, margins, parameters
from lib.page.claims import ClaimFailed
from lib.page.records import Record
from lib.page.tables import value_text
from lib.page.verdict import bar_text, judge
from lib.paths import ROOT
from tests.conftest import code, notebook, one_line, refused

ENTRY = {
    "key": "a.b",
    "chapter": "tiny",
    "statement": "A <b> & c",
    "source": "slide 1",
    "published": 2.3,
    "reference": 2.0,
    "reference_origin": "arithmetic",
    "tolerance": {"kind": "absolute", "value": 0.5},
    "units": "J",
}


@pytest.fixture
def ledger_of(tmp_path, monkeypatch):
    """function (*entries) -> the path of a ledger with these, in place of data/claims.yml."""

    def write_ledger(*entries):
        path = tmp_path / "claims.yml"
        path.write_text(yaml.safe_dump(list(entries)))
        monkeypatch.setattr(ledger, "LEDGER", path)
        return path

    return write_ledger


@pytest.fixture
def run_at(monkeypatch):
    """function (chapter, **values): from here on this process runs the chapter at these parameters."""
    monkeypatch.setattr(parameters, "_given", {})
    return lambda chapter, **values: parameters._given.update({chapter: values})


# The form of the ledger ------------------------------------------------------------------------------------


def test_an_entry_in_form_is_read(ledger_of):
    assert ledger.ledger(ledger_of(ENTRY, ENTRY | {"key": "a.c"}))["a.c"]["chapter"] == "tiny"
    assert list(ledger.ledger(ledger_of(ENTRY | {"key": "z"}, ENTRY))) == ["z", "a.b"]  # in order
    assert ledger.ledger()["a.b"] == ENTRY | {"parameters": {}, "reference_at": {}, "history": []}


def test_parameters_are_those_of_the_chapter_unless_some_are_named(ledger_of):
    some = ENTRY | {"key": "some", "parameters": ["L"], "reference_at": ["T"]}
    none = ENTRY | {"key": "none", "parameters": []}
    other = ENTRY | {"key": "other", "chapter": "other"}
    path = ledger_of(ENTRY, {"chapter": "tiny", "parameters": {"L": 4, "T": 2.5}}, some, none, other)
    entries = ledger.ledger(path)
    assert {key: entry["parameters"] for key, entry in entries.items()} == {
        "a.b": {"L": 4, "T": 2.5},
        "some": {"L": 4},
        "none": {},
        "other": {},
    }
    assert entries["some"]["reference_at"] == {"T": 2.5} and entries["a.b"]["reference_at"] == {}


BAD_ENTRIES = {
    "field missing": ({k: v for k, v in ENTRY.items() if k != "units"}, "units"),
    "field unknown": (ENTRY | {"tolerence": 1}, "tolerence"),
    "no key": (ENTRY | {"key": None}, "key"),
    "statement not a text": (ENTRY | {"statement": None}, "statement"),
    "reference a text": (ENTRY | {"reference": "two"}, "'two'"),
    "reference NaN": (ENTRY | {"reference": math.nan}, "nan"),
    "reference a bool": (ENTRY | {"reference": True}, "True"),
    "tolerance a number": (ENTRY | {"tolerance": 0.1}, "0.1"),
    "kind unknown": (ENTRY | {"tolerance": {"kind": "about", "value": 1}}, "about"),
    "value missing": (ENTRY | {"tolerance": {"kind": "absolute"}}, "'value'"),
    "value a text": (ENTRY | {"tolerance": {"kind": "at_most", "value": "1e-10"}}, "1.0e-10"),
    "value infinite": (ENTRY | {"tolerance": {"kind": "absolute", "value": math.inf}}, "inf"),
    "value negative": (ENTRY | {"tolerance": {"kind": "relative", "value": -0.1}}, "-0.1"),
    "value not taken": (ENTRY | {"tolerance": {"kind": "equal", "value": 1}}, "value"),
    "sigmas not taken": (ENTRY | {"tolerance": {"kind": "at_most", "value": 1, "sigmas": 3}}, "sigmas"),
    "sigmas a text": (ENTRY | {"tolerance": {"kind": "absolute", "value": 1, "sigmas": "three"}}, "'sigmas'"),
    "sigma without a cap": (ENTRY | {"tolerance": {"kind": "sigma", "value": 3}}, "'cap'"),
    "cap not taken": (ENTRY | {"tolerance": {"kind": "absolute", "value": 1, "cap": 1}}, "cap"),
    "floor a text": (ENTRY | {"tolerance": {"kind": "at_most", "value": 1, "floor": "zero"}}, "'floor'"),
    "floor not taken": (ENTRY | {"tolerance": {"kind": "absolute", "value": 1, "floor": 0}}, "floor"),
    "missed without a bar": (ENTRY | {"tolerance": {"kind": "missed"}}, "asked for"),
    "missed no bar": (ENTRY | {"tolerance": {"kind": "missed", "asked": {"kind": "reported"}}}, "asked for"),
    "missed bar out of form": (ENTRY | {"tolerance": {"kind": "missed", "asked": {"kind": "at_most"}}}, "'value'"),
    "parameter unknown": (ENTRY | {"parameters": ["L"]}, "L"),
    "parameters no list": (ENTRY | {"parameters": "L"}, "list"),
    "reference_at unknown": (ENTRY | {"reference_at": ["L"]}, "L"),
    "parameters of a chapter no names": ({"chapter": "tiny", "parameters": [1]}, "NAME: VALUE"),
    "history no list": (ENTRY | {"history": "yesterday"}, "yesterday"),
    "history without a reason": (ENTRY | {"history": [{"date": "2026-11-26", "change": "tighter"}]}, "why"),
    "history with an empty reason": (ENTRY | {"history": [{"date": "d", "change": "c", "why": ""}]}, "why"),
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_an_entry_out_of_form_is_refused(name, ledger_of):
    entry, named = BAD_ENTRIES[name]
    with refused(named):
        ledger.ledger(ledger_of(entry))


@pytest.mark.parametrize(
    "text, named",
    [("- {key: a", "claims.yml"), ("key: a", "list of entries"), ("- just a text", "list of entries")],
)
def test_a_file_that_is_no_ledger_is_refused(text, named, tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with refused(named):
        ledger.ledger(path)


def test_a_missing_ledger_and_a_key_listed_twice_are_refused(tmp_path, ledger_of):
    with pytest.raises(BookError, match="cannot read the claims ledger"):
        ledger.ledger(tmp_path / "nothing.yml")
    with pytest.raises(BookError, match="'a.b': listed twice"):
        ledger.ledger(ledger_of(ENTRY, ENTRY))
    with pytest.raises(BookError, match="tiny are listed twice"):
        ledger.ledger(ledger_of(*2 * [{"chapter": "tiny", "parameters": {"L": 4}}]))
    at_none = ENTRY | {"reference": None, "reference_at": ["L"]}
    with pytest.raises(BookError, match="reference_at, but no reference"):
        ledger.ledger(ledger_of({"chapter": "tiny", "parameters": {"L": 4}}, at_none))


# Verdicts --------------------------------------------------------------------------------------------------

NAN = math.nan
VERDICTS = [  # tolerance, value, error, reference, verdict
    ({"kind": "absolute", "value": 0.5}, 2.5, None, 2.0, True),
    ({"kind": "absolute", "value": 0.5}, 1.5, 0.1, 2.0, True),
    ({"kind": "absolute", "value": 0.5}, 2.51, None, 2.0, False),
    ({"kind": "absolute", "value": 0.5}, NAN, None, 2.0, False),
    ({"kind": "absolute", "value": 0.5}, 2.0, NAN, 2.0, False),
    ({"kind": "absolute", "value": 0.5, "sigmas": 3}, 2.3, 0.11, 2.0, True),
    ({"kind": "absolute", "value": 0.5, "sigmas": 3}, 2.3, 0.09, 2.0, False),
    ({"kind": "absolute", "value": 0.5, "sigmas": 3}, 2.6, 1.0, 2.0, False),
    ({"kind": "absolute", "value": 0.5, "sigmas": 3}, 2.3, math.inf, 2.0, False),
    ({"kind": "relative", "value": 0.01}, 2.019, None, 2.0, True),
    ({"kind": "relative", "value": 0.01}, 2.021, None, 2.0, False),
    ({"kind": "relative", "value": 0.01}, -2.01, None, -2.0, True),
    ({"kind": "relative", "value": 0.01}, 2.0, None, -2.0, False),
    ({"kind": "relative", "value": 0.01, "sigmas": 2}, 2.01, 0.001, 2.0, False),
    ({"kind": "relative", "value": 0.01}, NAN, None, 2.0, False),
    ({"kind": "sigma", "value": 3, "cap": 0.2}, 2.29, 0.1, 2.0, True),
    ({"kind": "sigma", "value": 3, "cap": 0.2}, 2.31, 0.1, 2.0, False),
    ({"kind": "sigma", "value": 3, "cap": 0.2}, 2.0, 0.21, 2.0, False),
    ({"kind": "sigma", "value": 3, "cap": 0.2}, 1e9, math.inf, 2.0, False),
    ({"kind": "sigma", "value": 3, "cap": 0.2}, NAN, 0.1, 2.0, False),
    ({"kind": "at_most", "value": 0.06}, 0.06, None, 0.0, True),
    ({"kind": "at_most", "value": 0.06}, 0.061, 0.1, 0.0, False),
    ({"kind": "at_most", "value": 0.06}, NAN, None, 0.0, False),
    ({"kind": "at_most", "value": 0.06}, -math.inf, None, 0.0, False),
    ({"kind": "at_most", "value": 0.06, "floor": 0}, 0.05, 0.01, 0.0, True),
    ({"kind": "at_most", "value": 0.06, "floor": 0}, 0.07, 0.01, 0.0, False),
    ({"kind": "at_most", "value": 0.06, "floor": 0}, -0.039, 0.01, 0.0, True),
    ({"kind": "at_most", "value": 0.06, "floor": 0}, -0.041, 0.01, 0.0, False),
    ({"kind": "reported", "floor": 0}, -0.039, 0.01, 0.0, None),
    ({"kind": "reported", "floor": 0}, -0.041, 0.01, 0.0, False),
    ({"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}, 0.03, 0.01, 0.0, None),
    ({"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}, 0.01, None, 0.0, None),
    ({"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}, NAN, None, 0.0, False),
    ({"kind": "at_least", "value": 10}, 10, None, None, True),
    ({"kind": "at_least", "value": 10}, 9.9, None, None, False),
    ({"kind": "at_least", "value": 10}, math.inf, None, None, False),
    ({"kind": "at_least", "value": 10}, NAN, None, None, False),
    ({"kind": "equal"}, 12, None, 12, True),
    ({"kind": "equal"}, 11, None, 12, False),
    ({"kind": "equal"}, NAN, None, 12, False),
    ({"kind": "reported"}, 1e6, 1.0, None, None),
    ({"kind": "reported"}, NAN, None, None, False),
]


@pytest.mark.parametrize("tolerance, value, error, reference, verdict", VERDICTS)
def test_judge(tolerance, value, error, reference, verdict):
    ledger.check_tolerance(tolerance, "here")
    assert judge(value, error, reference, tolerance) is verdict
    if error is not None:  # numpy's comparisons are no bool, and `is False` would miss them
        assert judge(np.float64(value), np.float64(error), reference, tolerance) is verdict


def test_every_kind_has_a_pass_and_a_fail_and_a_nan():
    for kind in set(ledger.KINDS) - set(ledger.WITHOUT_BAR):
        verdicts = [verdict for tolerance, *_, verdict in VERDICTS if tolerance["kind"] == kind]
        assert {True, False} == set(verdicts)
        assert any(math.isnan(value) for tolerance, value, *_ in VERDICTS if tolerance["kind"] == kind)


@pytest.mark.parametrize(
    "tolerance, text",
    [
        ({"kind": "absolute", "value": 0.01}, "within 0.01 of 2.26919"),
        ({"kind": "relative", "value": 0.005, "sigmas": 3}, "within 0.5 % of 2.26919 and within 3 errors"),
        ({"kind": "sigma", "value": 3, "cap": 0.1}, "within 3 errors of 2.26919, error at most 0.1"),
        ({"kind": "at_most", "value": 0.06, "floor": 0}, "at most 0.06, not below 0"),
        ({"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}, "asked: at most 0.02"),
        ({"kind": "at_most", "value": 1e-10}, "at most 1e-10"),
        ({"kind": "at_least", "value": 10}, "at least 10"),
        ({"kind": "equal"}, "equal to 2.26919"),
        ({"kind": "reported"}, "no bar"),
    ],
)
def test_the_bar_in_words(tolerance, text):
    assert bar_text(tolerance, 2.2691853) == text


@pytest.mark.parametrize(
    "value, error, text",
    [
        (2.26912, 0.0012, "2.2691(12)"),
        (123.4, 5.0, "123(5)"),
        (-0.5, 0.25, "-0.50(25)"),
        (1e-12, 1e-13, "1.00(10)e-12"),
        (413.0, 241.0, "413(241)"),
        (1.5e9, 2e7, "1.500(20)e+09"),
        (2.269185314, None, "2.26919"),
        (0.0, 0.0, "0"),
        (100000, None, "100000"),
        (1234567, None, "1234567"),
        (2.5, math.nan, "2.5"),
        (math.nan, None, "-"),
        (math.inf, 1.0, "-"),
        (None, None, "-"),
    ],
)
def test_value_text(value, error, text):
    assert value_text(value, error) == text


# Reporting -------------------------------------------------------------------------------------------------


def test_a_pass_prints_one_line_without_measured_digits(ledger_of, capsys):
    ledger_of(ENTRY)
    claims.report("a.b", 2.123456, 0.01)
    assert capsys.readouterr().out == "a.b: passed (within 0.5 of 2)\n"


@pytest.mark.parametrize("value, error", [(2.6, 0.1), (NAN, 0.1), (2.0, NAN), (np.float64(2.6), None)])
def test_a_failure_raises_outside_a_notebook_too(value, error, ledger_of, capsys):
    ledger_of(ENTRY)
    with refused("a.b", kind=ClaimFailed):
        claims.report("a.b", value, error)
    assert capsys.readouterr().out == "a.b: FAILED (within 0.5 of 2)\n"


def test_the_record_holds_what_contract_3_lists(ledger_of):
    ledger_of(ENTRY)
    record = claims.make_record("a.b", np.float64(2.25), torch.tensor(0.125))
    assert record.to_json() == {
        "key": "a.b",
        "value": 2.25,
        "error": 0.125,
        "reference": 2.0,
        "published": 2.3,
        "passed": True,
        "status": "passed",
        "chapter": "tiny",
        "statement": "A <b> & c",
        "units": "J",
        "bar": "within 0.5 of 2",
        "tolerance": {"kind": "absolute", "value": 0.5},
        "reason": None,
        "verdict": "passed (within 0.5 of 2)",
        "form": "number",
    }
    assert Record.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert type(record.value) is type(record.error) is float  # JSON, not numpy


def test_a_nan_is_stored_as_null_and_failed(ledger_of):
    ledger_of(ENTRY)
    record = claims.make_record("a.b", NAN, NAN)
    assert record.value is None and record.error is None and record.passed is False


def test_not_applicable_is_never_passed(ledger_of, capsys):
    ledger_of(ENTRY)
    for value in (None, 2.0):
        record = claims.make_record("a.b", value, applicable=False, reason="the bar is for L = 16")
        assert record.passed is None and record.verdict == "not applicable (the bar is for L = 16)"
    claims.report("a.b", None, applicable=False, reason="the bar is for L = 16")
    assert "passed" not in capsys.readouterr().out


# Parameters ------------------------------------------------------------------------------------------------

AT = {"chapter": "tiny", "parameters": {"L": 4, "T": 2.5}}


def verdict(*arguments, **options) -> str:
    return claims.make_record(*arguments, **options).verdict


def test_a_bar_holds_at_its_own_parameters(ledger_of, run_at):
    ledger_of(AT, ENTRY, ENTRY | {"key": "everywhere", "parameters": []}, ENTRY | {"key": "L", "parameters": ["L"]})
    assert verdict("a.b", 2.6, 0.1) == "reported (no bar at these parameters; 6.0 errors above 2)"  # none are known
    assert verdict("everywhere", 2.6, 0.1) == "FAILED (within 0.5 of 2)"
    run_at("other", L=4, T=2.5)
    assert verdict("a.b", 2.6, 0.1).startswith("reported")  # another chapter reports the claim
    run_at("tiny", L=4, T=2.5, seed=7)
    assert [verdict(key, 2.4, 0.1) for key in ("a.b", "everywhere", "L")] == 3 * ["passed (within 0.5 of 2)"]
    assert verdict("a.b", 2.6, 0.1) == "FAILED (within 0.5 of 2)"
    run_at("tiny", L=4, T=2.6, seed=7)
    assert verdict("L", 2.6, 0.1) == "FAILED (within 0.5 of 2)"
    record = claims.make_record("a.b", 1.82, 0.1)
    assert record.verdict == "reported (no bar at these parameters; 1.8 errors below 2)"
    assert (record.passed, record.status, record.reference) == (None, "reported", 2.0)
    assert verdict("a.b", 1.8) == "reported (no bar at these parameters)"  # no error, no distance
    assert verdict("a.b", 1.8, 0.0) == "reported (no bar at these parameters)"
    assert verdict("a.b", NAN, 0.1).startswith("FAILED")


def test_what_check_allows_is_what_counts(ledger_of, run_at):
    given = {"L": 16, "n_hidden": 9, "n_train": 20_000, "seed": 3}
    chapter = "autoregressive_networks"
    ledger_of({"chapter": chapter, "parameters": {"L": 16}}, ENTRY | {"chapter": chapter})
    parameters.check(chapter, given)
    assert verdict("a.b", 2.0, 0.1).startswith("passed")
    with pytest.raises(parameters.ParameterError):
        parameters.check(chapter, given | {"L": 2})
    assert parameters.given(chapter) == given
    parameters.check(chapter, given | {"L": 17})
    assert verdict("a.b", 2.0, 0.1).startswith("reported")


def test_a_reference_of_other_parameters_is_not_used(ledger_of, run_at):
    ledger_of(AT, ENTRY | {"reference_at": ["L"]})
    run_at("tiny", L=4, T=2.6)
    assert verdict("a.b", 2.3, 0.1) == "reported (no bar at these parameters; 3.0 errors above 2)"
    run_at("tiny", L=5, T=2.5)
    record = claims.make_record("a.b", 2.3, 0.1)
    assert record.verdict == "reported (no bar at these parameters)" and record.reference is None
    record = claims.make_record("a.b", 2.3, 0.1, reference=np.float64(2.5))
    assert record.verdict == "reported (no bar at these parameters; 2.0 errors below 2.5)" and record.reference == 2.5
    run_at("tiny", L=4, T=2.5)
    assert claims.make_record("a.b", 2.3, 0.1, reference=2.0001).reference == 2.0  # as printed in the ledger
    with pytest.raises(BookError, match="2.5, that of the ledger 2.0"):
        claims.make_record("a.b", 2.3, 0.1, reference=2.5)


def test_a_bar_of_the_chapter_is_judged_at_any_parameters(ledger_of, run_at):
    ledger_of(AT, ENTRY | {"reference": None})
    run_at("tiny", L=5, T=2.5)
    bar = {"kind": "relative", "value": 0.1}
    record = claims.make_record("a.b", 5.0, reference=np.float64(5.1), tolerance=bar)
    assert record.passed and record.reference == 5.1 and record.bar == "within 10 % of 5.1"
    assert claims.make_record("a.b", 7.0, reference=5.1, tolerance=bar).status == "failed"


def test_what_needs_no_bar_at_other_parameters_needs_no_error_and_no_reference(ledger_of, run_at):
    """What the parameters allow runs to its end: a frozen lattice has errors of zero."""
    sigma = {"kind": "sigma", "value": 3, "cap": 1}
    floor = {"kind": "reported", "floor": 0}
    entries = [ENTRY | {"key": key, "tolerance": bar, "reference": None} for key, bar in (("s", sigma), ("f", floor))]
    ledger_of(AT, *entries)
    run_at("tiny", L=5, T=2.5)
    assert verdict("s", 1.0, 0.0) == "reported (no bar at these parameters)"
    assert verdict("f", -1.0, 0.0) == "reported (no bar)"
    run_at("tiny", L=4, T=2.5)
    for key in ("s", "f"):
        with pytest.raises(BookError):
            claims.make_record(key, 1.0, 0.0, reference=1.0)


def test_a_bar_cannot_be_dodged_at_its_own_parameters(ledger_of, run_at, capsys):
    missed = ENTRY | {"key": "m", "tolerance": {"kind": "missed", "asked": ENTRY["tolerance"]}}
    ledger_of(AT, ENTRY, missed, ENTRY | {"key": "r", "tolerance": {"kind": "reported"}})
    away = {"applicable": False, "reason": "no crossing"}
    run_at("tiny", L=4, T=2.5)
    with refused("no crossing", kind=ClaimFailed):
        claims.report("a.b", None, **away)
    assert capsys.readouterr().out == "a.b: FAILED, not applicable (no crossing)\n"
    assert verdict("m", None, **away) == verdict("r", None, **away) == "not applicable (no crossing)"
    run_at("tiny", L=5, T=2.5)
    assert verdict("a.b", None, **away) == "not applicable (no crossing)"


def test_missed_is_a_verdict_of_its_own(ledger_of, capsys):
    missed = {"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}
    ledger_of(ENTRY | {"tolerance": missed, "reference": 0})
    for value in (0.03, 0.001):  # declared: a lucky value does not pass
        record = claims.make_record("a.b", value, 0.01)
        assert record.verdict == "missed (asked: at most 0.02)"
        assert (record.passed, record.status, record.tolerance) == (None, "missed", missed)
    claims.report("a.b", 0.03, 0.01)
    assert capsys.readouterr().out == "a.b: missed (asked: at most 0.02)\n"


def test_every_status(ledger_of):
    reported = ENTRY | {"key": "r", "tolerance": {"kind": "reported"}}
    ledger_of(ENTRY, reported, ENTRY | {"key": "m", "tolerance": {"kind": "missed", "asked": ENTRY["tolerance"]}})
    away = {"applicable": False, "reason": "none"}
    records = [("a.b", 2, {}), ("a.b", 3, {}), ("m", 2, {}), ("r", 2, {}), ("a.b", None, away)]
    records = [claims.make_record(key, value, **more) for key, value, more in records]
    assert [record.status for record in records] == ["passed", "failed", "missed", "reported", "not applicable"]
    assert [record.passed for record in records] == [True, False, None, None, None]


# Room ------------------------------------------------------------------------------------------------------

ROOM = [  # tolerance, value, error, reference, part of the bar used, own errors inside, close
    ({"kind": "absolute", "value": 0.5}, 2.25, 0.1, 2.0, 0.5, 2.5, False),
    ({"kind": "absolute", "value": 0.5}, 1.6, 0.05, 2.0, 0.8, 2.0, False),
    ({"kind": "absolute", "value": 0.5}, 1.6, 0.06, 2.0, 0.8, 10 / 6, True),
    ({"kind": "absolute", "value": 0.5}, 1.6, None, 2.0, 0.8, None, True),
    ({"kind": "absolute", "value": 0.5, "sigmas": 3}, 2.25, 0.1, 2.0, 2.5 / 3, 0.5, True),
    ({"kind": "relative", "value": 0.1}, 2.1, 0.01, 2.0, 0.5, 10, False),
    ({"kind": "sigma", "value": 3, "cap": 0.25}, 2.1, 0.1, 2.0, 0.4, None, False),
    ({"kind": "sigma", "value": 3, "cap": 0.3}, 2.25, 0.1, 2.0, 2.5 / 3, 0.5, True),
    ({"kind": "sigma", "value": 3, "cap": 0.12}, 2.1, 0.1, 2.0, 1 / 1.2, None, True),
    ({"kind": "at_most", "value": 0.06}, 0.03, 0.001, 0.0, 0.5, 30, False),
    ({"kind": "at_most", "value": 0.06}, 0.05, 0.01, 0.0, 5 / 6, 1, True),
    ({"kind": "at_most", "value": 0.06}, -0.01, 0.01, 0.0, 0, 7, False),
    ({"kind": "at_most", "value": 0.06, "floor": 0}, -0.03, 0.01, 0.0, 0.75, 1, True),
    ({"kind": "at_most", "value": -1}, -2, 0.4, None, None, 2.5, False),
    ({"kind": "at_least", "value": 0.98}, 0.99, 0.001, 1.0, 0.5, 10, False),
    ({"kind": "at_least", "value": 0.98}, 0.985, 0.01, 1.0, 0.75, 0.5, True),
    ({"kind": "at_least", "value": 0.0}, 0.2, 0.1, None, None, 2, False),
    ({"kind": "at_least", "value": 0.0}, 0.2, None, None, None, None, True),
    ({"kind": "equal"}, 7, None, 7, 0, None, False),
    ({"kind": "equal"}, 8, None, 7, math.inf, None, True),
    ({"kind": "missed", "asked": {"kind": "at_most", "value": 0.02}}, 0.03, 0.01, 0.0, 1.5, -1, True),
]


@pytest.mark.parametrize("tolerance, value, error, reference, used, inside, close", ROOM)
def test_room(tolerance, value, error, reference, used, inside, close):
    ledger.check_tolerance(tolerance, "here")
    limit = margins.room(value, error, reference, tolerance)
    assert (limit.used, limit.inside) == (pytest.approx(used), pytest.approx(inside)) and limit.close is close
    if tolerance["kind"] != "missed":
        beyond = limit.used is not None and limit.used > 1
        assert judge(value, error, reference, tolerance) is not beyond


def test_room_of_reported_is_none():
    assert margins.room(1.0, 0.1, 1.0, {"kind": "reported", "floor": 0}) is None


def test_margins_show_the_run_with_least_room(ledger_of):
    missed = ENTRY | {"key": "m", "tolerance": {"kind": "missed", "asked": {"kind": "at_most", "value": 3}}}
    ledger_of(ENTRY, missed, ENTRY | {"key": "r", "tolerance": {"kind": "reported"}})

    def run(one, two):
        return [claims.make_record(*claim) for claim in (("a.b", one, 0.1), ("m", two, 0.1), ("r", 1.0))]

    heading, *rows = margins.table({"one": run(2.1, 3.5), "two": run(2.4, 2.9), "three": run(2.2, 2.8)})
    assert heading == ["claim", "value", "bar", "used", "errors inside", "", "least room in"]
    assert rows == [
        ["a.b", "2.40(10)", "within 0.5 of 2", "80 %", "1.0", "close", "two"],
        ["m", "3.50(10)", "asked: at most 3", "117 %", "-5.0", "missed", "one"],
    ]
    assert [row[5] for row in margins.table({"one": run(2.6, 2.7)})[1:]] == ["FAILED", "met"]
    assert margins.table({"one": run(2.1, 2.99)})[2][5] == "missed"  # reached, but without room


MISUSE = {
    "unknown key": (("a.x", 1), {}, "a.x"),
    "no value": (("a.b", None), {}, "no value"),
    "no reason": (("a.b", None), {"applicable": False}, "reason"),
    "no reference": (("no.ref", 1), {}, "reference"),
    "no error": (("sig", 2.0), {}, "error"),
    "error 0": (("sig", 2.0, 0.0), {}, "error"),
    "error negative": (("a.b", 2.0, -0.1), {}, "-0.1"),
    "reference NaN": (("a.b", 2.0), {"reference": NAN}, "nan"),
    "tolerance out of form": (("a.b", 2.0), {"tolerance": {"kind": "relative"}}, "'value'"),
    "value an array": (("a.b", np.zeros(3)), {}, "value"),
    "value a tensor": (("a.b", torch.zeros(3)), {}, "value"),
    "value a text": (("a.b", "two"), {}, "'two'"),
    "error a list": (("a.b", 2.0, [0.1]), {}, "error"),
}


@pytest.mark.parametrize("name", MISUSE)
def test_misuse_is_refused_with_one_line(name, ledger_of):
    no_reference = ENTRY | {"key": "no.ref", "reference": None}
    sigma = copy.deepcopy(ENTRY) | {"key": "sig", "tolerance": {"kind": "sigma", "value": 3, "cap": 1}}
    ledger_of(ENTRY, no_reference, sigma)
    arguments, options, named = MISUSE[name]
    with pytest.raises(BookError) as caught:
        claims.report(*arguments, **options)
    assert not isinstance(caught.value, ClaimFailed)
    assert named in one_line(str(caught.value))


# The table of a cell ---------------------------------------------------------------------------------------


def made(status="passed", **more) -> Record:
    """A record of the claim `a.b`."""
    fields = {"key": "a.b", "value": 2.25, "error": 0.125, "reference": 2.0, "statement": "A <b>", "units": "J"}
    return Record(**fields | {"status": status, "bar": "within 0.5 of 2"} | more)


def test_a_claim_is_a_row():
    header, row = claims.table([made()])
    assert header == ["claim", "value", "exact", "deviation", "verdict"]
    assert row == [["A <b>", "a.b"], ["2.25(12)", "J"], "2", ["+2.0", "errors"], ["passed", "within 0.5 of 2"]]
    bundle = claims._bundle([made()])
    assert '<td data-label="claim">A &lt;b&gt;<br><small>a.b</small></td>' in bundle["text/html"]
    assert bundle["text/plain"].splitlines()[1].split("  ")[0] == "A <b>, a.b"


def test_a_column_that_nothing_fills_is_left_out():
    header, row = claims.table([made(reference=None)])
    assert header == ["claim", "value", "verdict"] and row[1] == ["2.25(12)", "J"]
    away = made("not applicable", value=None, error=None, bar=None, reason="no crossing")
    assert claims.table([away])[1][-1] == ["not applicable", "no crossing"]
    assert claims.table([made("failed")])[1][-1] == ["FAILED", "within 0.5 of 2"]
    assert [row[2] for row in claims.table([made(), made(reference=None)])] == ["exact", "2", ""]


def test_the_claims_of_a_cell_are_one_table_and_a_failing_one_is_in_it():
    source = """from lib.page import claims
claims.report("chain.chi2", 7.5)
claims.report("gaussian.uv_modes_lost", 7, reference=7)"""
    executed = notebook(code(source), code('claims.report("chain.chi2", 7)\nclaims.report("chain.chi2", 99)'))
    with pytest.raises(CellExecutionError, match="chain.chi2 = 99 is not at most 24.32"):
        NotebookClient(executed, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    for cell, verdicts in zip(executed.cells, (["passed", "passed"], ["passed", "FAILED"]), strict=True):
        shown = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
        assert len(shown) == 1 and re.findall("(passed|FAILED)<br><small>", shown[0]) == verdicts
        assert not [output for output in cell.outputs if output.output_type == "stream"]
        stored = [output.data[claims.MIME] for output in cell.outputs if claims.MIME in output.get("data", {})]
        assert [record["status"].upper()[:4] for record in stored] == [verdict.upper()[:4] for verdict in verdicts]


@pytest.mark.parametrize("pair", [(np.nan, np.nan), (np.nan, None), (1.0, np.nan)])
def test_nan_with_a_reason_is_not_applicable_but_fails_where_the_bar_holds(pair):
    at = {"L": 16, "T0": 2.27, "n_train": 100_000, "n_networks": 3, "n_steps": 2400, "seed": 1}
    at |= claims.ledger()["ising.coupling_nn"]["parameters"]
    parameters.check("ising", at | {"T0": 1.0})
    record = claims.make_record("ising.coupling_nn", *pair, reason="frozen")
    assert (record.status, record.value, record.verdict) == ("not applicable", None, "not applicable (frozen)")
    assert claims.make_record("ising.coupling_nn", *pair).status == "failed"  # a reason must be given
    parameters.check("ising", at)
    record = claims.make_record("ising.coupling_nn", *pair, reason="frozen")
    assert record.status == "failed" and record.verdict.startswith("FAILED")
    assert claims.make_record("ising.coupling_nn", 1.0, 0.001, reason="frozen").status == "passed"
