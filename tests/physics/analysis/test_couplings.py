"""Couplings read from Hamiltonians that are known, and pseudolikelihood with its bound."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis import couplings
from lib.systems import ising
from tests.physics.standins import ALPHA, NEAR, STATES, T0, Known, StandIn


def test_couplings_of_a_known_hamiltonian_come_back_exactly():
    J = NEAR | {"field": 0.05}
    h = Known(J)
    names = tuple(J)
    read = couplings.read_network(h, h.draw(500, 3), {name: ising.OPERATORS[name] for name in names}, ising.flip_one)
    np.testing.assert_allclose(read.values, list(J.values()), atol=1e-9)
    assert read.residual < 1e-9 and read.errors.max() < 1e-9
    # with operators missing, the residual says so
    partial = couplings.read_network(h, h.draw(500, 3), {"nn": ising.nearest}, ising.flip_one)
    assert partial.residual > 0.05


def test_pseudolikelihood_is_unbiased_and_above_the_bound():
    h, n, names = Known({"nn": 1.0}), 20_000, ("nn", "nnn", "plaquette")
    s = h.draw(n, 4)
    found = couplings.pseudolikelihood(ising.local_sums(s, names), T0, names)
    z = (found.values - [1, 0, 0]) / found.errors
    limit = stats.t.isf(ALPHA / 2 / 3, 19)
    assert np.abs(z).max() < limit
    bound = couplings.cramer_rao(ising.operators(s, names), T0, n)
    assert (found.errors > 0.6 * bound).all()  # jackknife errors scatter by 1 / sqrt(2 * 19) = 16 %
    # a sample at another temperature is told apart
    other = couplings.pseudolikelihood(ising.local_sums(s, names), 1.1 * T0, names)
    assert abs(other.values[0] - 1) > limit * other.errors[0]


def test_cramer_rao_of_one_coupling():
    """dJ / J = 1 / sqrt(n N C), with the exact specific heat."""
    h, n = Known({"nn": 1.0}), 10_000
    C = ising.exact(4, T0).specific_heat
    weights = np.exp(h.log_prob(STATES))
    s = STATES[np.random.default_rng(6).choice(len(STATES), 200_000, p=weights)]
    assert couplings.cramer_rao(ising.operators(s, ("nn",)), T0, n)[0] == pytest.approx(1 / np.sqrt(n * C), rel=0.02)


def test_operators_that_cannot_be_told_apart_have_no_values():
    h = Known({"nn": 1.0})
    twice = {"nn": ising.nearest, "again": ising.nearest}
    read = couplings.read_network(h, h.draw(50, 1), twice, ising.flip_one)
    assert np.isnan(read.values).all() and np.isnan(read.errors).all()
    frozen = np.ones((200, 4, 4), np.int8)
    for read in (
        couplings.read_network(h, frozen, ising.OPERATORS, ising.flip_one),
        couplings.pseudolikelihood(ising.local_sums(frozen), T0, tuple(ising.OPERATORS)),
    ):
        assert np.isnan(read.values).all() and np.isnan(read.errors).all() and np.isnan(read.sum_error)
    assert np.isinf(couplings.cramer_rao(ising.operators(frozen), T0, 200)).all()


def test_a_coupling_that_one_block_decides_is_not_known():
    names = ("nn", "nnn")
    s = np.ones((200, 4, 4), np.int8)
    s[0, 0, 0] = -1
    s[1] = 1 - 2 * (np.indices((4, 4)).sum(0) % 2)
    found = couplings.pseudolikelihood(ising.local_sums(s, names), 1.0, names)
    assert np.isnan([*found.values, *found.errors, found.sum_error]).all()


def test_couplings_of_a_known_model_come_back():
    J = np.random.default_rng(8).normal(0, 0.3, len(ising.OPERATORS))
    h, s = StandIn(lambda s: -ising.operators(s) @ J), np.random.default_rng(4).choice(np.int8([-1, 1]), (400, 4, 4))
    read = couplings.read_network(h, s, ising.OPERATORS, ising.flip_one, moves=24, seed=1)
    assert read.values == pytest.approx(J, abs=1e-8) and read.residual < 1e-8
