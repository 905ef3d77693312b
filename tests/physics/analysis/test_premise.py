"""The test of the premise against enumeration, with networks that are known up to noise of their own."""

import numpy as np
import pytest

from lib.analysis import blocking, premise
from lib.samplers import chains, mcmc
from lib.systems import ising
from tests.physics.standins import STATES, StandIn, boltzmann

T0, T1 = 2.0, 2.5
ENERGY = ising.energy(STATES).astype(float)
NEAR = ising.OPERATORS["nnn"]


def of_spins(T, seed, noise=0.01):
    """A learned Hamiltonian of spins, wrong by a little in two couplings, as networks are."""
    a, b = noise * np.random.default_rng(seed).normal(size=2)
    return StandIn(lambda s: (1 + a) * ising.energy(s) + b * NEAR(s) + 3.0 * T, T)


def of_blocks(T, seed, noise=0.01):
    """The same of four majority blocks of 4 x 4 spins: exact ln p, and noise."""
    four, p = blocking.exact_majority(STATES, boltzmann(ENERGY, 1 / T))
    table = dict(zip(map(bytes, four), -T * np.log(p), strict=True))
    a = noise * np.random.default_rng(seed).normal()
    pairs = blocking.TORUS_2["pairs"]
    return StandIn(lambda S: np.array([table[x.tobytes()] for x in S]) + a * pairs(S), T)


def networks(of, m, seed):
    return [of(T0, [seed, 0, k]) for k in range(m)], [of(T1, [seed, 1, k]) for k in range(m)]


def spins(n, seed):
    return [
        mcmc.sample(chains.Ising(4, T), n, np.random.default_rng([seed, k])).configurations
        for k, T in enumerate((T0, T1))
    ]


def blocks(n, seed):
    return [blocking.majority(s, np.random.default_rng([seed, 9, k])) for k, s in enumerate(spins(n, seed))]


def exact_difference():
    """Slope and remainder of the blocks, on half the configurations at T0 and half at T1."""
    (four, p0), (_, p1) = (blocking.exact_majority(STATES, boltzmann(ENERGY, 1 / T)) for T in (T0, T1))
    return premise.difference(-T0 * np.log(p0), -T1 * np.log(p1), (p0 + p1) / 2)


def test_spins_pass():
    found = premise.temperatures_agree(*networks(of_spins, 3, 1), spins(500, 1))
    assert abs(found.slope.value) < 3 * found.slope.error and found.p_value > 0.01 and found.sigmas < 3
    exact = -T0 * np.log(boltzmann(ENERGY, 1 / T0)), -T1 * np.log(boltzmann(ENERGY, 1 / T1))
    np.testing.assert_allclose(premise.difference(*exact), 0, atol=1e-7)


def test_blocks_fail_by_the_exact_amount():
    found = premise.temperatures_agree(*networks(of_blocks, 5, 2), blocks(2000, 2))
    slope, remainder = exact_difference()
    assert abs(slope) > 0.1
    assert abs(found.slope.value - slope) < 4 * found.slope.error
    assert abs(found.remainder - remainder) < 0.03
    assert found.slope.value / found.slope.error < -5 or found.slope.value / found.slope.error > 5
    assert found.sigmas > 5


def test_p_values_of_spins_are_uniform():
    """Sensitive both ways: a normal distribution in the place of Student's would give too many small ones."""
    s = spins(60, 3)
    p = np.array([premise.temperatures_agree(*networks(of_spins, 2, seed), s).p_value for seed in range(300)])
    assert abs((p < 0.05).mean() - 0.05) < 4.5 * np.sqrt(0.05 * 0.95 / 300)
    assert abs((p < 0.5).mean() - 0.5) < 4.5 * np.sqrt(0.25 / 300)


def test_errors_hold_the_configurations():
    """Networks without errors of their own, blocks: what scatters are the configurations."""
    group = networks(lambda T, seed: of_blocks(T, seed, 0.0), 2, 4)
    found = [premise.temperatures_agree(*group, blocks(300, seed)) for seed in range(40)]
    values, errors = (np.array([f.slope[k] for f in found]) for k in range(2))
    assert 0.65 < values.std(ddof=1) / np.sqrt((errors**2).mean()) < 1.4
    assert abs(values.mean() - exact_difference()[0]) < 4.5 * values.std(ddof=1) / np.sqrt(40)


def test_one_network_each_has_no_error():
    found = premise.temperatures_agree(*networks(of_spins, 1, 5), spins(100, 5))
    assert np.isfinite(found.slope.value) and np.isnan(found.slope.error) and np.isnan(found.p_value)


def test_refusals():
    cold, hot = networks(of_spins, 2, 6)
    for wrong in (([], hot), (cold, cold), ([*cold, hot[0]], hot)):
        with pytest.raises(ValueError, match="temperature"):
            premise.temperatures_agree(*wrong, spins(50, 6))
