"""Averages of p and of H over images: exact on lattices that can be listed."""

import numpy as np
import pytest

from lib import lattice
from lib.analysis import image_average
from lib.models.heads.discrete import Bernoulli
from lib.models.learned import LearnedHamiltonian
from lib.models.made import MADE
from lib.systems import ising

SIDE, T0 = 3, 2.0
STATES = ising.enumerate_states(SIDE)


def network():
    model = MADE(site_shape=(SIDE, SIDE), head=Bernoulli(), hidden=(8,), seed=3)
    return LearnedHamiltonian(model, T0)


def mean_energy(H):
    w = np.exp(-(H - H.min()) / T0)
    return (w * ising.energy(STATES)).sum() / w.sum()


def test_averaging_p_leaves_symmetric_averages_where_they_are():
    energies = image_average.every_image(network(), image_average.square(SIDE)).energy(STATES)
    found = image_average.averages(energies, T0)
    bare, of_p, of_H = (mean_energy(found[name]) for name in image_average.AVERAGES)
    assert of_p == pytest.approx(bare, abs=1e-5)
    assert abs(of_H - bare) > 1e-3
    assert np.exp(-found["p"] / T0).sum() == pytest.approx(1, abs=1e-5)
    assert np.exp(-found["H"] / T0).sum() < 1 - 1e-4
    assert np.all(found["p"] <= found["H"] + 1e-9)


def test_the_averages_are_those_of_the_learned_hamiltonian():
    bare, group = network(), image_average.square(SIDE)
    found = image_average.averages(image_average.every_image(bare, group).energy(STATES), T0)
    assert found["bare"] == pytest.approx(bare.energy(STATES))
    assert found["p"] == pytest.approx(LearnedHamiltonian(bare.model, T0, group).energy(STATES))
    mean = image_average.mean_over_images(bare)
    assert found["H"] == pytest.approx(mean.energy(STATES))
    for image in group:
        assert mean.energy(image(STATES)) == pytest.approx(found["H"], abs=1e-5)


def test_the_shift_of_an_average_is_that_of_the_reweighted_distribution():
    true = ising.energy(STATES)
    p = np.exp(-(true - true.min()) / T0)
    s = STATES[np.random.default_rng(1).choice(len(STATES), 40_000, p=p / p.sum())]
    energy, m2 = ising.energy(s), (ising.magnetization(s) / SIDE**2) ** 2
    learned = 0.9 * energy + 0.5 * m2
    found = image_average.shift(learned, energy, np.stack([energy, m2], axis=1), T0)
    every = np.stack([true, (ising.magnetization(STATES) / SIDE**2) ** 2], axis=1)
    w = p * np.exp((0.1 * true - 0.5 * every[:, 1]) / T0)
    exact = (w @ every) / w.sum() - (p @ every) / p.sum()
    assert np.all(np.abs(found.value - exact) < 4 * found.error) and np.all(found.error < np.abs(exact) / 5)
    assert image_average.shift(energy, energy, energy[:, None], T0).value == pytest.approx(0, abs=1e-9)


def test_the_images_of_the_square_form_a_group():
    labels = np.arange(16).reshape(1, 4, 4)
    images = {image(labels).tobytes() for image in image_average.square(4)}
    assert len(images) == 8 and image_average.square(4)[0](labels).tobytes() == labels.tobytes()
    assert lattice.subgroup(4)[:8] == image_average.square(4)
