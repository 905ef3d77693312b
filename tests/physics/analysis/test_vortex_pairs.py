"""Vortex pairs on the torus: their field, their potential, and what a wrong Hamiltonian says of them."""

import numpy as np
import pytest

from lib.analysis import vortex_pairs
from lib.statistics import Estimate
from lib.systems import xy


@pytest.mark.parametrize(("rows", "columns"), [(0, 2), (0, 6), (3, 0), (4, 5), (6, 6)])
def test_the_field_has_the_vortices_asked_for(rows, columns):
    phi, energy = vortex_pairs.pair_field(12, rows, columns)
    v = xy.vorticity(phi[None])[0]
    assert v[0, 0] == 1 and v[rows, columns] == -1 and np.abs(v).sum() == 2
    differences = [xy.wrap(np.roll(phi, -1, axis) - phi) for axis in (0, 1)]
    assert energy == pytest.approx(sum((d**2).sum() for d in differences) / 2)
    divergence = sum(d - np.roll(d, 1, axis) for axis, d in enumerate(differences))
    assert np.abs(divergence).max() < 1e-9  # no other phi with these vortices has less harmonic energy


def test_the_potential_is_a_logarithm_on_a_large_torus():
    U = vortex_pairs.potential(256)
    assert U[15] - U[3] == pytest.approx(2 * np.pi * np.log(4), rel=0.01)


def test_backgrounds_hold_the_pair_and_nothing_else():
    for r in (0, 1, 3):
        theta, energy = vortex_pairs.backgrounds(8, 0.8, r, 12, np.random.default_rng(1))
        assert np.all(np.abs(xy.vorticity(theta)).sum((1, 2)) == (2 if r else 0))
        counts = vortex_pairs.pair_counts(theta)
        assert counts.sum() == (12 if r else 0) and (r == 0 or counts[r - 1] == 12)
        assert abs(energy.mean() - xy.energy(theta).mean()) < 10


def test_cold_pairs_attract():
    """At low temperature: more energy at every distance, and less than that of the harmonic field, since cosines and
    places inside the squares can give way."""
    at = [vortex_pairs.backgrounds(12, 0.02, r, 20, np.random.default_rng(r)).energy.mean() for r in range(7)]
    field = [xy.energy(vortex_pairs.pair_field(12, 0, r)[0][None])[0] for r in range(2, 7)]
    assert np.all(np.diff(at) > 1.5)
    assert np.all(np.array(at[2:]) - at[0] < np.array(field) + 2 * 144)


def test_a_line_finds_slope_and_core():
    U = np.array([10.0, 14.0, 17.0, 19.0])
    value = np.r_[3.0, 3 + 2 * 2.5 + 0.9 * (U - U[0])]
    noise = np.random.default_rng(1).normal(size=(2000, 5)) * 0.2
    found = [vortex_pairs.line((value + each, np.full(5, 0.2)), U) for each in noise]
    for name, true in (("slope", 0.9), ("core", 2.5)):
        values, errors = np.array([getattr(one, name) for one in found]).T
        assert values.mean() == pytest.approx(true, abs=4 * errors[0] / 2000**0.5)
        assert values.std() == pytest.approx(errors[0], rel=0.1)
    assert np.mean([one.chi2 for one in found]) == pytest.approx(2, abs=0.3)


def test_a_wrong_scale_of_the_hamiltonian_is_a_slope():
    """A Hamiltonian 5 % too strong: the slope of D on U is 5 % of that of E, so the bar of 0.04 notices it."""
    U = vortex_pairs.potential(12)
    every = [vortex_pairs.backgrounds(12, 0.5, r, 60, np.random.default_rng(r)).theta for r in range(7)]
    D = np.transpose([(0.05 * xy.energy(t).mean(), 0.05 * xy.energy(t).std() / 60**0.5) for t in every])
    slope, _ = vortex_pairs.lines(Estimate(*(np.array([part] * 2) for part in D)), U)
    assert slope.value > 0.04


def test_impossible_pairs_are_refused():
    with pytest.raises(ValueError, match="two different squares"):
        vortex_pairs.pair_field(8, 0, 0)
