"""The response of block spins to the temperature, against enumeration, one dimension, and Boltzmann's law."""

import numpy as np
import pytest

from lib.analysis import blocking, renormalisation, response
from lib.analysis.renormalisation import correlations, transformation
from lib.samplers import chains, mcmc
from lib.systems import ising
from tests.physics.standins import STATES, boltzmann

T0 = 2.27
K0 = 1 / T0
B = ising.nearest(STATES).astype(float)


def enumerated(K):
    """Four majority blocks of 4 x 4 spins: their operators [16, 3], p, <B | S> and <B^2 | S>."""
    p = boltzmann(-B, K)
    four, q = blocking.exact_majority(STATES, p)
    first, second = (blocking.exact_majority(STATES, p * B**k)[1] / q for k in (1, 2))
    return np.stack([f(four) for f in blocking.TORUS_2.values()], axis=1), q, first, second


OPERATORS, P, BONDS, SQUARES = enumerated(K0)
EXACT = response.fit(OPERATORS, BONDS, squares=SQUARES, weights=P)


def kl(T, log_q):
    return response.divergence(enumerated(1 / T)[1], log_q)


def test_the_derivative_of_ln_p_is_the_regression():
    h = 1e-4
    found = EXACT.log_weight(OPERATORS, 1.0, order=1)
    derivative = (np.log(enumerated(K0 + h)[1]) - np.log(enumerated(K0 - h)[1])) / (2 * h)
    assert np.abs(found - derivative).max() < 1e-5
    # and so are the couplings: dK'_a / dK
    four = blocking.exact_majority(STATES, boltzmann(-B, K0))[0]
    up, down = (renormalisation.exact_couplings(four, enumerated(K)[1]) for K in (K0 + h, K0 - h))
    np.testing.assert_allclose(EXACT.mean, (up - down) / (2 * h), atol=1e-5)
    # wrong: each bond counted twice, as by a sum over all four neighbours of every site
    twice = response.fit(OPERATORS, 2 * BONDS, weights=P)
    assert np.abs(twice.log_weight(OPERATORS, 1.0, order=1) - derivative).max() > 0.1


def test_the_second_derivative_is_the_conditional_variance():
    h = 1e-3
    log_p = [np.log(enumerated(K0 + k * h)[1]) for k in (-1, 0, 1)]
    curvature = (log_p[0] - 2 * log_p[1] + log_p[2]) / h**2
    found = 2 * (EXACT.log_weight(OPERATORS, 1.0) - EXACT.log_weight(OPERATORS, 1.0, order=1))
    difference = found - curvature
    assert np.ptp(difference) < 1e-3  # Var(B) is a constant
    assert np.ptp(curvature) > 1


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_divergence_at_ten_per_cent(factor):
    T = factor * T0
    change = 1 / T - K0
    naive = kl(T, T0 / T * np.log(P))
    first, second = (kl(T, np.log(P) + EXACT.log_weight(OPERATORS, change, order)) for order in (1, 2))
    assert second < 2e-6 < first < 1e-4 < 1e-3 < naive
    with_wrong_sign = kl(T, np.log(P) + EXACT.log_weight(OPERATORS, -change, 1))
    assert with_wrong_sign > 0.01


def test_microscopic_spins_obey_boltzmann():
    p = boltzmann(-B, K0)
    found = response.fit(B[:, None], B, weights=p)
    np.testing.assert_allclose(found.mean, 1, atol=1e-12)
    np.testing.assert_allclose(found.variance, 0, atol=1e-9)


def test_decimation_in_one_dimension():
    s = 1 - 2 * (np.arange(2**8)[:, None] >> np.arange(8) & 1)
    bonds = (s * np.roll(s, 1, axis=1)).sum(1).astype(float)
    kept = s[:, ::2]
    operator = (kept * np.roll(kept, 1, axis=1)).sum(1)[:, None]
    for K in (0.3, 0.6, 1.0):
        found = response.fit(operator, bonds, weights=np.exp(K * bonds))
        np.testing.assert_allclose(found.mean, np.tanh(2 * K), atol=1e-12)


def test_it_is_a_column_of_swendsens_matrix():
    rng = np.random.default_rng(1)
    s = mcmc.sample(chains.Ising(8, T0), 4000, rng).configurations
    bonds, operators = ising.nearest(s).astype(float), ising.operators(blocking.majority(s, rng), renormalisation.EVEN)
    T = transformation(correlations(bonds[:, None], operators, 4).sum(axis=0), 1, 4)
    np.testing.assert_allclose(response.fit(operators, bonds).mean, T[:, 0], rtol=1e-9, atol=1e-9)


def of_blocks(n, seed):
    """Operators, bonds, and (|m|, m^2) of majority blocks, 8 -> 4."""
    rng = np.random.default_rng(seed)
    s = mcmc.sample(chains.Ising(8, T0), n, rng).configurations
    S = blocking.majority(s, rng)
    m = S.mean((1, 2), dtype=float)
    return ising.operators(S, renormalisation.EVEN), ising.nearest(s).astype(float), np.stack([np.abs(m), m**2], 1)


def test_averages_at_other_temperatures():
    """All three ways against direct configurations; the errors hold what is refitted."""
    T = np.array([0.95, 1.05]) * T0
    found, missed = response.extrapolate(*of_blocks(40_000, 1), 1 / T - K0)
    assert found.value.shape == (3, 2, 2)
    for k, t in enumerate(T):
        rng = np.random.default_rng([2, k])
        S = blocking.majority(mcmc.sample(chains.Ising(8, t), 40_000, rng).configurations, rng)
        m = np.abs(S.mean((1, 2), dtype=float))
        error = np.hypot(found.error[:, k, 0], m.std() / np.sqrt(len(m)))
        assert (np.abs(found.value[:, k, 0] - m.mean()) < 4.5 * error).all()
    # the same configurations: what is missed is known better than what is found
    assert (np.abs(missed.value[:, :, 0]) < [[0.03], [0.01]]).all() and (missed.error[:, :, 0] < 0.005).all()
    # wrong: blocks whose bonds belong to other blocks know nothing of the temperature
    operators, bonds, observables = of_blocks(40_000, 1)
    wrong = response.extrapolate(operators, np.roll(bonds, 1), observables, 1 / T - K0).averages
    assert (np.abs(wrong.value[1] - found.value[1]) > 10 * found.error[1]).all()


def test_errors_cover():
    change = [1 / (1.1 * T0) - K0]
    found = [response.extrapolate(*of_blocks(2000, 10 + k), change).averages for k in range(60)]
    values, errors = (np.array([f[k][:, 0, 0] for f in found]) for k in range(2))
    ratio = values.std(axis=0, ddof=1) / np.sqrt((errors**2).mean(axis=0))
    assert ((0.7 < ratio) & (ratio < 1.35)).all()  # 60 repetitions: +-9 % each


def test_refusals():
    with pytest.raises(ValueError, match="told apart"):
        response.fit(np.ones((10, 1)), np.arange(10.0))
    with pytest.raises(ValueError, match="told apart"):
        response.fit(np.repeat(np.arange(10.0)[:, None], 2, axis=1), np.arange(10.0))


def test_divergence_normalises():
    p = np.array([0.2, 0.8])
    assert response.divergence(p, np.log(p) + 3.0) == pytest.approx(0, abs=1e-15)
    assert response.divergence(p, np.zeros(2)) == pytest.approx((p * np.log(2 * p)).sum())
