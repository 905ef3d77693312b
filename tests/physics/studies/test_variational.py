"""Networks trained without data, as in the chapter: short trainings on 4 x 4 lattices against exact answers."""

import math

import numpy as np
import pytest
import torch

from lib.analysis.reweighting import effective_sample_size
from lib.models.autoregressive import log_prob_in_batches
from lib.models.heads.discrete import Bernoulli
from lib.models.markov_lattice import MarkovLattice
from lib.studies import variational
from lib.studies.sources import Angles, Spins
from lib.studies.task import WithoutData, replicas
from lib.systems import ising

pytestmark = pytest.mark.xdist_group("variational")  # what the module builds is built once, in one process


@pytest.fixture(scope="module")
def trained():
    """A few short trainings on 4 x 4 lattices; the exact ln Z of both models is known there."""

    def one(network, source, n_steps, n_train=0, how=None):
        return replicas(network, source, n_train, n_steps, 1, 1, without_data=how)

    spins, angles, annealed = Spins(4, 2.5), Angles(4, 1.25), WithoutData()
    tasks = {
        "markov_lattice": one("markov_lattice", spins, 40, how=annealed),
        "one sign": one("markov_lattice_free", Spins(4, 1.2), 60, how=WithoutData(annealing=0.0, field=1.5)),
        "data": one("markov_lattice", spins, 40, n_train=2000),
        "can": one("can", angles, 100, how=annealed),
        "equivariant": one("equivariant", angles, 60, how=annealed),
    }
    return {name: group[0] for name, group in variational.learn_and_draw(tasks, {}).items()}


@pytest.mark.parametrize("name", ["markov_lattice", "data"])
def test_divergence_and_free_energy_from_draws_agree_with_enumeration(trained, name):
    model, draws = trained[name].model, trained[name].draws
    s = ising.enumerate_states(4)
    log_z = float(ising.log_partition_function(4, 2.5))
    log_q = log_prob_in_batches(model, s, batch=4096)
    exact = float((np.exp(log_q) * (log_q + ising.energy(s) / 2.5 + log_z)).sum())
    assert exact < 0.2
    for estimate in (variational.reverse_divergence(draws, log_z), variational.plain_divergence(draws, log_z)):
        assert abs(estimate.value - exact) < 4 * estimate.error + 1e-4
    free = variational.free_energy(draws)
    assert free.value == pytest.approx(2.5 * (variational.plain_divergence(draws, log_z).value - log_z), abs=1e-3)


def test_the_divergence_along_a_training_is_taken_at_the_beta_in_force(trained):
    """Annealed: near zero from the start, and at the end what the draws say. Batches of 64 and more."""
    step, divergence = variational.divergence_over_steps(
        trained["markov_lattice"], lambda T: ising.log_partition_function(4, T)
    )
    assert len(step) == len(divergence) == 25 and 1 <= step[0] < step[-1] <= 40
    assert divergence[0] == pytest.approx(0, abs=0.1)
    final = variational.plain_divergence(trained["markov_lattice"].draws, float(ising.log_partition_function(4, 2.5)))
    assert divergence[-5:].mean() == pytest.approx(final.value, abs=0.1)
    _, xy = variational.divergence_over_steps(
        trained["equivariant"], lambda T: np.where(np.isclose(T, 1.25), 16 * 0.40478343, np.nan)
    )
    assert np.isnan(xy[0]) and abs(xy[-1]) < 1.5  # the wrong measure would be off by 16 ln 2 pi


@pytest.mark.parametrize("name", ["markov_lattice", "can", "equivariant"])
def test_weights_give_the_exact_partition_function_and_energy(trained, name):
    """XY: measure d theta / 2 pi for both networks, although one draws s = theta / 2 pi and the other theta."""
    draws = trained[name].draws
    if name == "markov_lattice":
        log_z, energy = float(ising.log_partition_function(4, 2.5)), float(ising.exact(4, 2.5).energy)
    else:
        log_z, energy = 16 * 0.40478343, 16 * -1.1701405  # transfer matrix, see xy_exact.py
    found = variational.log_z_from_weights(draws)
    if name == "can":  # a few draws hold all the weight, whose error covers nothing; the wrong measure is off by 29
        assert abs(found.value - log_z) < 3 < 16 * math.log(2 * math.pi) / 8
        return
    assert abs(found.value - log_z) < 4 * found.error + 1e-4
    assert found.error < 1  # the wrong measure would be off by 16 ln 2 pi
    averages = variational.weighted_averages(draws, draws.energy[:, None])
    assert abs(averages.value[0] - energy) < 4 * averages.error[0]
    assert variational.free_energy(draws).value / -draws.T < log_z + 4 * variational.free_energy(draws).error / draws.T


def test_errors_of_weighted_energies_cover():
    """40 times 600 draws of all states at another temperature: chi2 at level 1e-3, and far off it without weights."""
    s, rng = ising.enumerate_states(3), np.random.default_rng(5)
    energy, (log_p, log_q) = ising.energy(s), (-ising.energy(s) / T for T in (2.5, 2.9))
    p, q = (np.exp(x) / np.exp(x).sum() for x in (log_p, log_q))
    exact = float((p * energy).sum()) / 9
    groups = [rng.choice(len(s), 600, p=q) for _ in range(40)]
    drawn = [variational.Draws(s[k], np.log(q[k]), energy[k], 2.5) for k in groups]
    group = [variational.LearnedDraws(None, None, None, draws, 0.0) for draws in drawn]
    found = variational.weighted_energy_pulls(group, exact)
    assert found.each.shape == (40,) and found.p > 1e-3
    assert variational.weighted_energy_pulls(group, exact + 0.05).p < 1e-6
    bare = [one._replace(draws=one.draws._replace(T=2.9)) for one in group]  # weights of one
    assert variational.weighted_energy_pulls(bare, exact).p < 1e-6


def test_one_sign_costs_ln_2_and_symmetry_gives_it_back(trained):
    model, draws = trained["one sign"].model, trained["one sign"].draws
    log_z = float(ising.log_partition_function(4, 1.2))
    assert (ising.magnetization(draws.configurations) > 0).all()
    plain = variational.plain_divergence(draws, log_z)
    assert plain.value > math.log(2) - 4 * plain.error
    restored = draws._replace(log_q=variational.flip_log_q(model, draws))
    assert plain.value - variational.plain_divergence(restored, log_z).value == pytest.approx(math.log(2), abs=1e-3)


def test_averaging_over_the_lattice_is_normalised_and_never_worse(trained):
    model, s = trained["markov_lattice"].model, ising.enumerate_states(4)
    draws = variational.Draws(s, log_prob_in_batches(model, s, batch=4096), ising.energy(s), 2.5)
    log_sym = variational.images_log_q(model, draws)
    assert np.exp(log_sym).sum() == pytest.approx(1, abs=1e-5)
    log_p = -ising.energy(s) / 2.5 - float(ising.log_partition_function(4, 2.5))
    before, after = ((np.exp(q) * (q - log_p)).sum() for q in (draws.log_q, log_sym))
    assert 0 <= after < before


def test_the_effective_sample_size_is_blind_to_what_is_never_drawn():
    """q = p / p(S) on the states S with positive magnetisation: D = -ln p(S), all weights equal."""
    s = ising.enumerate_states(3)  # 9 spins: the magnetisation is never zero
    s = s[ising.magnetization(s) > 0]
    log_z = float(ising.log_partition_function(3, 2.0))
    log_q = -ising.energy(s) / 2.0 - log_z + math.log(2)
    draws = variational.Draws(s, log_q, ising.energy(s), 2.0)
    assert np.exp(log_q).sum() == pytest.approx(1)
    assert effective_sample_size(draws.log_weights) == pytest.approx(1)
    assert variational.plain_divergence(draws, log_z).value == pytest.approx(math.log(2))


def test_extrapolation_of_the_true_hamiltonian_is_perfect():
    class Truth(MarkovLattice):
        def log_prob(self, configurations):
            s = torch.as_tensor(configurations)
            return -ising.energy(s) / 2.5 - float(ising.log_partition_function(4, 2.5))

    found = variational.extrapolate_hamiltonian(Truth(4, Bernoulli()), 2.5, [2.0, 3.0], 200, seed=1)
    assert np.allclose(found.slope, 1) and np.allclose(found.residual, 0, atol=1e-9) and np.allclose(found.ess, 1)
    assert abs(found.kl) < 1e-9
