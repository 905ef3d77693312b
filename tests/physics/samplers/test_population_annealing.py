"""Metropolis and annealing of block spins against enumeration."""

import numpy as np
import pytest

from lib.samplers import population_annealing
from lib.systems import block_spins
from tests.physics.standins import ALPHA, p_value
from tests.physics.systems.test_block_spins import couplings, random_states


def enumerate_three(n_states):
    """All states of a 3 x 3 lattice."""
    codes = np.arange(n_states**9)[:, None] // n_states ** np.arange(9) % n_states
    return codes.reshape(-1, 3, 3).astype(np.int8)


@pytest.fixture(scope="module")
def all_states():
    """Every state of 3 x 3 sites with three values (19683), with ln w of a random model."""
    s = enumerate_three(3)
    K = 0.3 * np.random.default_rng(4).normal(size=len(block_spins.names(3)))
    return s, K, block_spins.operators(s, 3) @ K


def test_metropolis_samples_its_distribution(all_states):
    s, K, log_w = all_states
    p = np.exp(log_w - log_w.max())
    p /= p.sum()
    edges = np.quantile(log_w, np.linspace(0, 1, 41)[1:-1])
    exact = np.bincount(np.searchsorted(edges, log_w), weights=p, minlength=len(edges) + 1)
    states = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(states, block_spins.tables(K, 3), np.random.default_rng(2), 60)
    drawn = block_spins.operators(states, 3) @ K
    counts = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    assert p_value(counts, exact) > ALPHA
    wrong = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(wrong, block_spins.tables(1.1 * K, 3), np.random.default_rng(2), 60)
    counts = np.bincount(np.searchsorted(edges, block_spins.operators(wrong, 3) @ K), minlength=len(edges) + 1)
    assert p_value(counts, exact) < ALPHA
    with pytest.raises(ValueError, match="side 3"):
        population_annealing.sweep(random_states(2, 2), block_spins.tables(couplings()), np.random.default_rng(0))


def test_annealing_follows_the_distributions(all_states):
    """From weak to full coupling in three steps: the averages of ln w agree with enumeration within 3.7 errors."""
    s, K, log_w = all_states
    scales = (0.4, 0.7, 1.0)
    start = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(start, block_spins.tables(scales[0] * K, 3), np.random.default_rng(3), 60)
    path = population_annealing.anneal(
        start,
        scales,
        lambda states, a, b: (b - a) * (block_spins.operators(states, 3) @ K),
        lambda scale: block_spins.tables(scale * K, 3),
        np.random.default_rng(5),
        sweeps=2,
        groups=25,
    )
    for scale, states in zip(scales, path, strict=True):
        p = np.exp(scale * (log_w - log_w.max()))
        exact = (p * log_w).sum() / p.sum()
        groups = (block_spins.operators(states, 3) @ K).reshape(25, -1).mean(axis=1)
        assert abs(groups.mean() - exact) < 3.75 * groups.std(ddof=1) / 5  # Student, 24 degrees of freedom


def test_systematic_resampling_keeps_the_weights():
    log_w = np.log(np.array([0.5, 1.5, 3.0, 0.01, 0.99]))
    counts = np.zeros(5)
    rng = np.random.default_rng(6)
    for _ in range(4000):
        counts += np.bincount(population_annealing._resample(log_w, rng), minlength=5)
    assert counts / 4000 == pytest.approx(5 * np.exp(log_w) / np.exp(log_w).sum(), abs=0.03)
