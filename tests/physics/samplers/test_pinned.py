"""Metropolis with held spins against the sum over all states of the free ones. Fixed seed, significance ALPHA."""

import numpy as np
import pytest
from scipy import stats

from lib.samplers import pinned
from lib.systems import ising
from tests.physics.standins import ALPHA


def test_free_spins_are_those_of_the_model_given_the_held_ones():
    """4 x 4 at T = 1.8 with two held spins, one down: energies of all 2^14 states of the others."""
    T, n = 1.8, 20_000
    s = pinned.sample(4, T, n, 2 / 16, np.random.default_rng(1), n_sweeps=200)
    held = (s == s[0]).all(axis=0)
    assert held.sum() == 2 and sorted(s[0][held]) == [-1, 1]
    states = np.broadcast_to(s[0], (2**14, 4, 4)).copy()
    bits = (np.arange(2**14)[:, None] >> np.arange(14)) & 1
    states[:, ~held] = 2 * bits - 1
    E = ising.energy(states)
    p = np.exp(-(E - E.min()) / T)
    p /= p.sum()
    mean, var = p @ E, p @ E**2 - (p @ E) ** 2
    bar = stats.norm.isf(ALPHA / 2) * np.sqrt(var / n)
    assert abs(ising.energy(s).mean() - mean) < bar
    assert abs(ising.energy(-np.abs(s)).mean() - mean) > bar  # without the held spin that is down it is another model


def test_shares_that_cannot_be():
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match="share = "):
            pinned.sample(4, 1.0, 2, share, np.random.default_rng(1))
    with pytest.raises(ValueError, match="even"):
        pinned.sample(5, 1.0, 2, 0.0, np.random.default_rng(1))
