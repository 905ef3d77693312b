"""Vortices, and the surprise of a network at each site."""

import itertools

import numpy as np
import pytest

from lib import checks, lattice
from lib.analysis import vortices
from lib.models.learned import LearnedHamiltonian, Units
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.systems import xy


def test_auc_by_hand():
    assert vortices.auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert vortices.auc([1, 2, 3, 4], [True, False, True, False]) == 0.25
    assert vortices.auc([1, 1, 1, 1], [True, False, True, False]) == 0.5
    assert np.isnan(vortices.auc([1, 2], [True, True])) and np.isnan(vortices.auc([1, 2], [False, False]))


def test_auc_at_equal_energy_removes_what_energy_explains():
    rng = np.random.default_rng(0)
    energy = rng.normal(size=40_000)
    positive = rng.random(40_000) < 1 / (1 + np.exp(-3 * energy))
    noise = rng.normal(size=40_000)
    assert np.isnan(vortices.auc_at_equal(noise, np.ones(40_000, bool), energy))
    assert vortices.auc(energy, positive) > 0.8
    assert abs(vortices.auc_at_equal(energy + 0.1 * noise, positive, energy) - 0.5) < 0.03
    assert vortices.auc_at_equal(noise + positive, positive, energy) > 0.7


def test_surprise_adds_up_to_the_log_probability_and_turns_with_the_lattice():
    learned = LearnedHamiltonian(
        checks.shaken(O2MarkovLattice(4, hidden=6), scale=0.1), 1.0, preprocess=Units(dtype=np.float64)
    )
    theta = np.random.default_rng(0).uniform(0, xy.TWO_PI, (6, 4, 4))
    assert -vortices.surprise(learned, theta).sum((1, 2)) == pytest.approx(learned.log_prob(theta), rel=1e-5)
    score = vortices.symmetrised_surprise(learned, theta)
    for image in lattice.subgroup(4)[::3]:
        assert vortices.symmetrised_surprise(learned, image(theta)) == pytest.approx(image(score), abs=1e-4)


def test_around_squares_uses_the_corners_of_vorticity():
    values = np.zeros((1, 5, 5))
    values[0, 2, 3] = 1.0
    assert {tuple(k) for k in np.argwhere(vortices.around_squares(values)[0])} == {(2, 3), (1, 3), (2, 2), (1, 2)}


def test_pairs_of_a_bound_pair():
    i, j = np.indices((16, 16)) - 7.5
    theta = (np.arctan2(i, j + 0.5 - 0.5) - np.arctan2(i, j - 2)) % xy.TWO_PI
    ((number, distance),) = vortices.matched_pairs(theta[None])
    assert number == 1 and 1 <= distance <= 3
    assert np.all(vortices.matched_pairs(np.zeros((2, 4, 4))) == 0)


def test_the_matching_is_the_shortest():
    theta = np.random.default_rng(1).uniform(0, xy.TWO_PI, (5, 4, 4))
    for one, (number, total) in zip(theta, vortices.matched_pairs(theta), strict=True):
        v = xy.vorticity(one[None])[0]
        plus, minus = np.argwhere(v > 0), np.argwhere(v < 0)
        d = np.abs(plus[:, None] - minus[None])
        d = np.hypot(*np.moveaxis(np.minimum(d, 4 - d), -1, 0))
        every = [sum(d[k, p] for k, p in enumerate(order)) for order in itertools.permutations(range(len(plus)))]
        assert number == len(plus) and total == pytest.approx(min(every))


def test_charges_at_random_are_as_far_apart_as_the_torus_makes_them():
    found = vortices.random_pairs(np.ones(4000), 6, np.random.default_rng(1))
    steps = np.minimum(np.arange(6), 6 - np.arange(6))
    exact = np.hypot(steps[:, None], steps).sum() / 35  # all other squares
    assert found[:, 1].mean() == pytest.approx(exact, abs=4 * found[:, 1].std() / 4000**0.5)
    assert np.all(vortices.random_pairs([0, 2], 6, np.random.default_rng(1))[:, 0] == [0, 2])


def test_the_neighbourhood_of_a_square_counts_its_own_bonds_twice():
    theta = np.random.default_rng(1).uniform(0, xy.TWO_PI, (2, 5, 5))
    found = vortices.neighbourhood_energy(theta)
    assert found.sum((1, 2)) == pytest.approx(8 * xy.energy(theta))
    outer = theta.copy()
    outer[0, 0, 0] += 1.0  # two steps from the square (2, 2) and its corners
    assert vortices.neighbourhood_energy(outer)[0, 2, 2] == pytest.approx(found[0, 2, 2])
    outer[0, 2, 1] += 1.0  # left of its upper left corner
    assert abs(vortices.neighbourhood_energy(outer)[0, 2, 2] - found[0, 2, 2]) > 0.01
