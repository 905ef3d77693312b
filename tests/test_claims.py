"""The claims ledger: its form, the verdicts, what a chapter stores."""

import copy
import math

import numpy as np
import pytest
import torch
import yaml

from lib import claims
from lib.claims import ClaimFailed, judge, value_text
from lib.errors import BookError
from tests.conftest import claim, code, notebook, one_line, write

ENTRY = {
    "key": "a.b",
    "chapter": "01_tiny",
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
        monkeypatch.setattr(claims, "LEDGER", path)
        return path

    return write_ledger


# The form of the ledger ------------------------------------------------------------------------------------


def test_an_entry_in_form_is_read(ledger_of):
    assert claims.ledger(ledger_of(ENTRY, ENTRY | {"key": "a.c"}))["a.c"]["chapter"] == "01_tiny"
    assert list(claims.ledger(ledger_of(ENTRY | {"key": "z"}, ENTRY))) == ["z", "a.b"]  # in order


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
}


@pytest.mark.parametrize("name", BAD_ENTRIES)
def test_an_entry_out_of_form_is_refused(name, ledger_of):
    entry, named = BAD_ENTRIES[name]
    with pytest.raises(BookError) as caught:
        claims.ledger(ledger_of(entry))
    assert named in one_line(str(caught.value))


@pytest.mark.parametrize(
    "text, named",
    [("- {key: a", "claims.yml"), ("key: a", "list of entries"), ("- just a text", "list of entries")],
)
def test_a_file_that_is_no_ledger_is_refused(text, named, tmp_path):
    path = tmp_path / "claims.yml"
    path.write_text(text)
    with pytest.raises(BookError) as caught:
        claims.ledger(path)
    assert named in one_line(str(caught.value))


def test_a_missing_ledger_and_a_key_listed_twice_are_refused(tmp_path, ledger_of):
    with pytest.raises(BookError, match="cannot read the claims ledger"):
        claims.ledger(tmp_path / "nothing.yml")
    with pytest.raises(BookError, match="'a.b': listed twice"):
        claims.ledger(ledger_of(ENTRY, ENTRY))


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
    ({"kind": "sigma", "value": 3}, 2.29, 0.1, 2.0, True),
    ({"kind": "sigma", "value": 3}, 2.31, 0.1, 2.0, False),
    ({"kind": "sigma", "value": 3}, 1e9, math.inf, 2.0, False),
    ({"kind": "sigma", "value": 3}, NAN, 0.1, 2.0, False),
    ({"kind": "at_most", "value": 0.06}, 0.06, None, 0.0, True),
    ({"kind": "at_most", "value": 0.06}, 0.061, 0.1, 0.0, False),
    ({"kind": "at_most", "value": 0.06}, NAN, None, 0.0, False),
    ({"kind": "at_most", "value": 0.06}, -math.inf, None, 0.0, False),
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
    claims.check_tolerance(tolerance, "here")
    assert judge(value, error, reference, tolerance) is verdict
    if error is not None:  # numpy's comparisons are no bool, and `is False` would miss them
        assert judge(np.float64(value), np.float64(error), reference, tolerance) is verdict


def test_every_kind_has_a_pass_and_a_fail_and_a_nan():
    for kind in set(claims.KINDS) - {"reported"}:
        verdicts = [verdict for tolerance, *_, verdict in VERDICTS if tolerance["kind"] == kind]
        assert {True, False} == set(verdicts)
        assert any(math.isnan(value) for tolerance, value, *_ in VERDICTS if tolerance["kind"] == kind)


@pytest.mark.parametrize(
    "tolerance, text",
    [
        ({"kind": "absolute", "value": 0.01}, "within 0.01 of 2.26919"),
        ({"kind": "relative", "value": 0.005, "sigmas": 3}, "within 0.5 % of 2.26919 and within 3 errors"),
        ({"kind": "sigma", "value": 3}, "within 3 errors of 2.26919"),
        ({"kind": "at_most", "value": 1e-10}, "at most 1e-10"),
        ({"kind": "at_least", "value": 10}, "at least 10"),
        ({"kind": "equal"}, "equal to 2.26919"),
        ({"kind": "reported"}, "no bar"),
    ],
)
def test_the_bar_in_words(tolerance, text):
    assert claims.bar_text(tolerance, 2.2691853) == text


@pytest.mark.parametrize(
    "value, error, text",
    [
        (2.26912, 0.0012, "2.2691(12)"),
        (123.4, 5.0, "123(5)"),
        (-0.5, 0.25, "-0.50(25)"),
        (1e-12, 1e-13, "1.00(10)e-12"),
        (2.269185314, None, "2.26919"),
        (0.0, 0.0, "0"),
        (100000, None, "100000"),
        (1234567, None, "1234567"),
        (2.5, math.nan, "2.5"),
        (math.nan, None, "not a number"),
        (math.inf, 1.0, "not a number"),
        (None, None, "not a number"),
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
    with pytest.raises(ClaimFailed) as caught:
        claims.report("a.b", value, error)
    assert "a.b" in one_line(str(caught.value))
    assert capsys.readouterr().out == "a.b: FAILED (within 0.5 of 2)\n"


def test_the_record_holds_what_contract_3_lists(ledger_of):
    ledger_of(ENTRY)
    record, _ = claims.make_record("a.b", np.float64(2.25), torch.tensor(0.125))
    assert record == {
        "key": "a.b",
        "value": 2.25,
        "error": 0.125,
        "reference": 2.0,
        "published": 2.3,
        "passed": True,
        "chapter": "01_tiny",
        "statement": "A <b> & c",
        "units": "J",
        "bar": "within 0.5 of 2",
        "verdict": "passed (within 0.5 of 2)",
    }
    assert type(record["value"]) is type(record["error"]) is float  # JSON, not numpy


def test_a_nan_is_stored_as_null_and_failed(ledger_of):
    ledger_of(ENTRY)
    record, _ = claims.make_record("a.b", NAN, NAN)
    assert record["value"] is None and record["error"] is None and record["passed"] is False


def test_not_applicable_is_never_passed(ledger_of, capsys):
    ledger_of(ENTRY)
    for value in (None, 2.0):
        record, verdict = claims.make_record("a.b", value, applicable=False, reason="the bar is for L = 16")
        assert record["passed"] is None and verdict == "not applicable (the bar is for L = 16)"
    claims.report("a.b", None, applicable=False, reason="the bar is for L = 16")
    assert "passed" not in capsys.readouterr().out


def test_another_parameter_set_has_its_own_reference_and_tolerance(ledger_of):
    ledger_of(ENTRY)
    record, _ = claims.make_record("a.b", 5.0, reference=np.float64(5.1), tolerance={"kind": "relative", "value": 0.1})
    assert record["passed"] and record["reference"] == 5.1 and record["bar"] == "within 10 % of 5.1"
    record, _ = claims.make_record("a.b", 5.0)  # and the ledger's without them
    assert record["passed"] is False
    assert claims.ledger()["a.b"] == ENTRY


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
    sigma = copy.deepcopy(ENTRY) | {"key": "sig", "tolerance": {"kind": "sigma", "value": 3}}
    ledger_of(ENTRY, no_reference, sigma)
    arguments, options, named = MISUSE[name]
    with pytest.raises(BookError) as caught:
        claims.report(*arguments, **options)
    assert not isinstance(caught.value, ClaimFailed)
    assert named in one_line(str(caught.value))


def test_the_last_report_of_a_key_in_a_notebook_counts(tmp_path):
    cells = [
        code("1", outputs=[claim("a", 1.0), claim("b", 2.0)]),
        code("2", outputs=[claim("a", 3.0, passed=False)]),
    ]
    records = claims.read_notebook(write(notebook(*cells), tmp_path / "n.ipynb"))
    assert [(record["key"], record["value"], record["passed"]) for record in records] == [
        ("a", 3.0, False),
        ("b", 2.0, True),
    ]
    assert claims.read_notebook(write(notebook(code("1")), tmp_path / "empty.ipynb")) == []


# The ledger of the book ------------------------------------------------------------------------------------

BARS = {  # what the book promised to reach, by chapter; a bar may be tightened, not loosened or dropped
    "01_autoregressive_networks": {
        "gaussian.spectrum_relative_error": None,
        "gaussian.cholesky_relative_error": None,
        "gaussian.uv_modes_lost": ("equal", None),
    },
    "02_ising": {
        "ising.kl": ("at_most", 0.06),
        "ising.kl_symmetrised": ("at_most", 0.01),
        "ising.hamiltonian_slope": ("absolute", 0.01),
        "ising.coupling_nn": ("absolute", 0.003),
        "ising.energy_max_relative_error": ("at_most", 0.005),
        "ising.specific_heat_max_relative_error": ("at_most", 0.03),
        "ising.specific_heat_peak": ("absolute", 0.01),
        "ising.t_c": ("relative", 0.005),
        "ising.z2_violation": ("at_most", 1e-10),
    },
}
REFERENCES = {
    "ising.hamiltonian_slope": 1,
    "ising.coupling_nn": 1,
    "ising.specific_heat_peak": 2.3174,
    "ising.t_c": 2 / math.log(1 + math.sqrt(2)),
}


def loosened(ledger: dict) -> list[str]:
    """Claims of BARS that are missing, in another chapter, or held to less."""
    problems = []
    for chapter, bars in BARS.items():
        for key, bar in bars.items():
            entry = ledger.get(key)
            if entry is None or entry["chapter"] != chapter:
                problems.append(f"{key}: not a claim of {chapter}")
            elif bar and entry["tolerance"]["kind"] != bar[0]:
                problems.append(f"{key}: {entry['tolerance']} is not {bar[0]}")
            elif bar and bar[1] is not None and entry["tolerance"]["value"] > bar[1]:
                problems.append(f"{key}: {entry['tolerance']} is looser than {bar[1]}")
            elif entry["tolerance"]["kind"] == "reported":
                problems.append(f"{key}: has no bar")
            elif key in REFERENCES and not math.isclose(entry["reference"], REFERENCES[key], rel_tol=1e-12):
                problems.append(f"{key}: reference {entry['reference']} is not {REFERENCES[key]}")
    return problems


def test_the_ledger_lists_every_claim_with_its_bar():
    assert loosened(claims.ledger()) == []


@pytest.mark.parametrize(
    "key, change",
    [
        ("ising.kl", {"tolerance": {"kind": "at_most", "value": 0.07}}),
        ("ising.kl", {"tolerance": {"kind": "reported"}}),
        ("gaussian.spectrum_relative_error", {"tolerance": {"kind": "reported"}}),
        ("ising.t_c", {"reference": 2.3}),
        ("ising.t_c", {"chapter": "01_autoregressive_networks"}),
    ],
)
def test_a_loosened_ledger_is_noticed(key, change):
    ledger = copy.deepcopy(claims.ledger())
    ledger[key] |= change
    assert len(loosened(ledger)) == 1
    del ledger[key]
    assert len(loosened(ledger)) == 1
