"""XY networks as the chapter trains and reads them."""

import numpy as np
import pytest
import torch

from lib import lattice
from lib.analysis import reweighting
from lib.samplers import chains, mcmc
from lib.studies import recipes
from lib.studies import xy as study
from lib.studies.sources import Angles
from lib.studies.task import Task, learn
from lib.systems import xy
from tests.physics.standins import StandIn


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


def test_couplings_of_the_exact_hamiltonian():
    theta = mcmc.sample(chains.XY(6, 1.0), 60, np.random.default_rng(1)).configurations
    every, nearest = study.read(StandIn(xy.energy), theta)
    assert every.values == pytest.approx([1, 0, 0, 0, 0], abs=1e-8) and nearest.values == pytest.approx([1], abs=1e-8)


def test_the_mean_over_images_is_symmetric():
    learned = learn(Task("convolution", Angles(4, 1.0), 300, 20, 0)).hamiltonian
    theta, mean = Angles(4, 1.0).configurations(6, 0), study.MeanOverImages(learned)
    for image in lattice.subgroup(4)[:8]:
        assert mean.energy(image(theta)) == pytest.approx(mean.energy(theta), abs=1e-4)
    assert np.abs(learned.energy(lattice.subgroup(4)[5](theta)) - learned.energy(theta)).max() > 0.01
    with pytest.raises(ValueError, match="images = 5"):
        study.MeanOverImages(learned, 5)


def test_largest_deviation_is_that_of_the_kept_temperatures():
    def curves(values, errors):
        return reweighting.Curves(
            np.arange(3.0), {"energy": np.array(values)}, {"energy": np.array(errors)}, None, None
        )

    found, truth = curves([1.0, 2.0, 9.0], [0.3, 0.6, 1.0]), curves([1.1, 2.5, 3.0], [0.4, 0.8, 1.0])
    keep = np.array([True, True, False])
    assert study.largest_deviation("energy", found, truth, keep) == (0.5, pytest.approx(1.0))
    assert np.isnan(study.largest_deviation("energy", found, truth, np.zeros(3, bool))).all()


def test_a_score_is_judged_by_the_vortices():
    theta = Angles(4, 1.2).configurations(200, 3)
    vortex = xy.vorticity(theta) != 0
    score = vortex + 0.1 * np.random.default_rng(1).random(vortex.shape)  # tells every vortex from every other square
    area, at_equal_energy = study.vortex_areas(score, theta)
    assert area.value == at_equal_energy.value == 1
    assert study.alarms(score, vortex) == (0, 1)
    assert np.isnan(study.alarms(score, np.zeros_like(vortex))).all()  # no vortex


def test_two_lattices_show_no_transition():
    assert np.isnan(study.transition({8: None, 16: None}, np.array([0.9])).T)
