"""Interaction screening: exact where the probabilities are, unbiased on samples, and wrong where the model is."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis import couplings
from lib.analysis.interaction_screening import minimise, screening
from lib.systems import ising
from tests.physics.standins import ALPHA, NEAR, STATES, T0, Known

J = NEAR | {"field": 0.05}
NAMES = tuple(J)
ROWS = ising.local_sums(STATES, NAMES).reshape(-1, len(NAMES))


def test_exact_probabilities_give_the_couplings_exactly():
    """All states of 4 x 4 spins, each with its probability: the minimum is at the true couplings, to rounding."""
    p = Known(J).p.repeat(16)
    assert T0 * minimise(ROWS, p) == pytest.approx(list(J.values()), abs=1e-9)
    # probabilities of other couplings lead elsewhere, and so does an operator that is left out
    other = T0 * minimise(ROWS, Known(J | {"nnn": 0.0}).p.repeat(16))
    assert abs(other[1] - J["nnn"]) > 0.02
    assert abs(T0 * minimise(ROWS[:, :1], p)[0] - J["nn"]) > 0.01


def test_twice_the_local_sums_would_be_noticed():
    """The energy of a flip, in the place of what takes part in it, is the commonest slip: K comes out wrong."""
    wrong = 2 * T0 * minimise(2 * ROWS, Known(J).p.repeat(16))
    right = T0 * minimise(ROWS, Known(J).p.repeat(16))
    assert wrong == pytest.approx(right)  # a factor alone is absorbed ...
    halved = np.column_stack([ROWS[:, 0] / 2, ROWS[:, 1:]])
    assert abs(T0 * minimise(halved, Known(J).p.repeat(16))[0] - J["nn"]) > 0.5  # ... that of one operator is not


def test_samples_give_it_without_bias():
    h, names = Known({"nn": 1.0}), ("nn", "nnn", "plaquette")
    found = screening(ising.local_sums(h.draw(20_000, 4), names), T0, names)
    limit = stats.t.isf(ALPHA / 2 / 3, 19)
    assert np.abs((found.values - [1, 0, 0]) / found.errors).max() < limit
    bound = couplings.cramer_rao(ising.operators(h.draw(20_000, 5), names), T0, 20_000)
    assert (found.errors > 0.6 * bound).all()  # jackknife errors scatter by 1 / sqrt(2 * 19) = 16 %
    hotter = screening(ising.local_sums(h.draw(20_000, 4), names), 1.1 * T0, names)
    assert abs(hotter.values[0] - 1) > limit * hotter.errors[0]


def test_what_cannot_be_told_apart_has_no_values():
    frozen = screening(ising.local_sums(np.ones((200, 4, 4), np.int8)), T0, tuple(ising.OPERATORS))
    assert np.isnan([*frozen.values, *frozen.errors, frozen.sum_error]).all()
