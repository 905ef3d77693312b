"""The structure factor of stripes, order, noise, and of the two films. Fixed seeds, significance ALPHA."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis.structure_factor import structure_factor
from lib.samplers import chains, mcmc
from lib.systems import film
from tests.physics.standins import ALPHA

RNG = np.random.default_rng


def test_structure_factor_by_hand():
    L = 8
    stripes = np.where(np.arange(L) // 2 % 2, -1, 1) * np.ones((L, 1), int)  # period 4: k = 2 pi / 4, ring 2
    found = structure_factor(np.stack([stripes, stripes.T]))
    assert found.plane.sum() == pytest.approx(L**2)
    assert np.argmax(found.mean) == 2 and found.k[0] == 0 and found.mean[0] == pytest.approx(0, abs=1e-20)
    assert found.plane[0, 2] == found.plane[2, 0] == pytest.approx(L**2 / 4)
    up = structure_factor(np.ones((3, L, L), np.int8))
    assert up.mean[0] == L**2 and up.mean[1:].max() < 1e-20
    random = structure_factor(2 * RNG(16).integers(2, size=(4000, L, L)) - 1)
    z = (random.mean - 1) / random.error
    assert np.abs(z).max() < stats.norm.isf(ALPHA / 2 / len(z))
    with pytest.raises(ValueError, match="give \\[n, L, L\\]"):
        structure_factor(stripes)


def test_dipoles_suppress_the_magnetisation_and_make_a_ring():
    W = film.pair_kernel(16, 1.0, 0.25)
    S = structure_factor(mcmc.sample(chains.DipolarFilm(W, 1.2), 1000, RNG(17)).configurations)
    ring = int(np.argmax(S.mean))
    assert ring in (1, 2) and S.mean[ring] - S.mean[0] > 5 * S.error[ring]
    ferromagnet = structure_factor(mcmc.sample(chains.Ising(16, 2.6), 1000, RNG(18)).configurations)
    assert np.argmax(ferromagnet.mean) == 0
