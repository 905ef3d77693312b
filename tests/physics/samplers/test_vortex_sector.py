"""Spin waves around vortices that stay where they are."""

import numpy as np
import pytest

from lib.samplers import chains, mcmc, vortex_sector
from lib.systems import xy


def test_every_vortex_stays_and_spins_move():
    theta = np.random.default_rng(1).uniform(0, xy.TWO_PI, (20, 8, 8))
    before, start = xy.vorticity(theta), theta.copy()
    vortex_sector.sweep(theta, 2.0, np.random.default_rng(2), 50)
    assert np.abs(before).sum() > 100 and np.array_equal(xy.vorticity(theta), before)
    assert np.abs(theta - start).min((1, 2)).max() > 0  # no spin of some configuration was forgotten


def test_without_vortices_the_energy_is_that_of_the_vortex_free_part():
    """Against plain Metropolis whose configurations with a vortex are left out: L = 4, T = 0.9."""
    rng = np.random.default_rng(3)
    theta = np.zeros((4000, 4, 4))
    vortex_sector.sweep(theta, 0.9, rng, 200)
    found = xy.energy(theta)
    free = mcmc.sample(chains.XY(4, 0.9), 12_000, rng).configurations
    free = free[(np.abs(xy.vorticity(free)).sum((1, 2)) == 0) & untwisted(free)]
    expected = xy.energy(free)
    error = np.hypot(found.std() / len(found) ** 0.5, expected.std() / len(expected) ** 0.5)
    assert abs(found.mean() - expected.mean()) < 4 * error and error < 0.1


def untwisted(theta):
    """Configurations whose angles do not wind around the torus."""
    steps = [xy.wrap(np.roll(theta, -1, axis) - theta).sum(axis) for axis in (1, 2)]
    return np.all([np.abs(step).max(1) < 1 for step in steps], axis=0)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="give float64"):
        vortex_sector.sweep(np.zeros((2, 4, 4), np.float32), 1.0, np.random.default_rng(1))
