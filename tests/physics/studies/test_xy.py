"""XY networks as the chapter trains and judges them."""

import numpy as np
import pytest
import torch

from lib.analysis import vortices
from lib.studies import recipes
from lib.studies import xy as study
from lib.studies.sources import Angles
from lib.studies.task import Task, learn, replicas
from lib.systems import xy


def test_augmentation_is_a_symmetry():
    theta = torch.as_tensor(np.random.default_rng(1).uniform(0, xy.TWO_PI, (64, 6, 6)))
    images = recipes.rotate_and_move(theta.clone(), torch.Generator().manual_seed(0))
    assert images.min() >= 0 and images.max() <= xy.TWO_PI
    energies, before = xy.energy(images.numpy()), xy.energy(theta.numpy())
    assert np.sort(energies) == pytest.approx(np.sort(before)) and not np.allclose(images, theta)


@pytest.mark.parametrize("network", recipes.ANGLES)
def test_every_recipe_learns_and_is_normalised_in_theta(network):
    """On a 4 x 4 lattice: KL finite, positive within error, smaller than that of independent angles; the exact ln Z."""
    task = Task(network, Angles(4, 1.0), 1500, 120, 3)
    learned = learn(task)
    theta = Angles(4, 1.0).configurations(1000, 3)
    log_z = 16 * 0.66546758
    distance = study.divergence_given_log_z(learned.hamiltonian, theta, (log_z, 0.0))
    independent = np.mean(xy.log_density(theta, 1.0, log_z)) + 16 * np.log(xy.TWO_PI)
    assert -4 * distance.error < distance.value < 0.9 * independent
    again = learn(task)
    assert np.array_equal(again.hamiltonian.log_prob(theta[:50]), learned.hamiltonian.log_prob(theta[:50]))
    drawn, log_prob = learned.hamiltonian.sample(20, 1)
    assert drawn.min() >= 0 and drawn.max() <= xy.TWO_PI and np.isfinite(log_prob).all()


def test_a_score_is_judged_by_the_vortices():
    theta = Angles(4, 1.2).configurations(200, 3)
    vortex = xy.vorticity(theta) != 0
    score = vortex + 0.1 * np.random.default_rng(1).random(vortex.shape)  # tells every vortex from every other square
    assert [area.value for area in study.vortex_areas(score, theta)] == [1, 1, 1]
    gain = study.area_difference(score, vortices.neighbourhood_energy(theta), theta)
    assert 0.1 < gain.value < 0.6 and 0 < gain.error < 0.1


def test_a_score_of_energy_alone_knows_nothing_at_equal_energy_of_the_neighbourhood():
    theta = Angles(6, 1.2).configurations(400, 4)
    score = vortices.neighbourhood_energy(theta) + 0.01 * np.random.default_rng(1).random((400, 6, 6))
    found = study.vortex_areas(score, theta)
    assert found.all.value > 0.8 and found.equal_square.value > 0.52
    off, error = found.equal_neighbourhood.value - 0.5, found.equal_neighbourhood.error
    assert abs(off) < 3 * error < 0.2


def test_the_true_energy_knows_the_sign_of_a_vortex():
    theta = Angles(8, 1.0).configurations(400, 5)
    signs = study.vortex_signs(xy.energy, theta, 60, 1)
    assert signs.auc.value > 0.75 and signs.right.value > 0.7 and signs.auc.error < 0.1
    blind = study.vortex_signs(lambda theta: np.zeros(len(theta)), theta, 60, 1)
    assert blind.auc.value == 0.5


def test_networks_know_their_own_partition_function():
    """On a 4 x 4 lattice, where ln Z is exact: KL, ESS and ln Z of two networks together."""
    tasks = replicas("equivariant", Angles(4, 1.0), 2000, 200, 2, 3)
    found = study.assess([learn(task).hamiltonian for task in tasks], 1)
    assert abs(found.log_z.value - 16 * 0.66546758) < 4 * found.log_z.error < 0.2
    assert -4 * found.kl.error < found.kl.value < 0.5 and found.ess.value > 0.5


def test_the_interaction_of_networks_is_measured_on_the_same_backgrounds():
    hamiltonians = [learn(task).hamiltonian for task in replicas("equivariant", Angles(6, 1.0), 600, 60, 2, 3)]
    found = study.interactions(hamiltonians, 6, 0.8, 12, 1)
    assert set(found) == {"bare", "p", "H"} and found["H"].excess.value.shape == (2, 4)
    assert np.all(found["p"].excess.value <= found["H"].excess.value + 1e-3)  # Jensen
    E, error = found["H"].relative(found["H"].exact)
    assert np.all(np.diff(E) > 0) and np.all(error < 3)
    total = found["H"].total()
    D = found["H"].relative(found["H"].excess).value
    assert total.value == pytest.approx(E + D.mean(0)) and np.all(total.error >= error)
