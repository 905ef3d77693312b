"""What the parameters allow runs to its end: estimators without an answer say so, and the ledger repeats the reason.

The whole of it, every parameter of every chapter at both ends, is `python benchmarks/every_end.py`.
"""

import numpy as np
import pytest

from lib.analysis import couplings, vortices
from lib.page import claims, parameters
from lib.systems import ising

NAMES = ("nn", "nnn")
FROZEN = np.ones((200, 4, 4), np.int8)


def test_couplings_of_frozen_spins_are_not_known():
    found = couplings.pseudolikelihood(ising.local_sums(FROZEN, NAMES), 1.0, NAMES)
    assert np.isnan([*found.values, *found.errors, found.sum_error]).all()
    assert np.isinf(couplings.cramer_rao(ising.operators(FROZEN, NAMES), 1.0, 200)).all()


def test_a_coupling_that_one_block_decides_is_not_known():
    s = FROZEN.copy()
    s[0, 0, 0] = -1
    s[1] = 1 - 2 * (np.indices((4, 4)).sum(0) % 2)
    found = couplings.pseudolikelihood(ising.local_sums(s, NAMES), 1.0, NAMES)
    assert np.isnan([*found.values, *found.errors, found.sum_error]).all()


@pytest.mark.parametrize("positive", [np.zeros(50, bool), np.ones(50, bool)])
def test_no_auc_without_squares_of_both_kinds(positive):
    score = np.random.default_rng(1).normal(size=50)
    assert np.isnan(vortices.auc(score, positive))
    assert np.isnan(vortices.auc_at_equal(score, positive, score))


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
