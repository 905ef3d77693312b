"""The contest of methods: KL without a normalisation, ln Z by annealing, and scores that see what is wrong."""

import numpy as np
import pytest

from lib import parallel
from lib.models.learned import LearnedHamiltonian
from lib.models.spin_rbm import SpinRBM, fit_persistent
from lib.statistics import Estimate
from lib.studies import ising_contest as contest
from lib.systems import ising
from tests.physics.standins import NEAR, STATES, T0, Known

FOUR = contest.ContestSpins(4, T0)


def test_kl_of_weights_is_the_exact_divergence():
    """4 x 4, other couplings: within 4 errors of the enumeration, whatever the constants; forgetting ln <w / p> not."""
    true, other = Known({"nn": 1.0}), Known(NEAR)
    exact = true.p @ (true.log_prob(STATES) - other.log_prob(STATES))
    s = true.draw(50_000, 3)
    found = contest.kl_of_weights(true.log_prob(s) + 7.0, other.log_prob(s) - 100.0)
    assert abs(found.value - exact) < 4 * found.error < 0.2 * exact
    without = np.mean(true.log_prob(s) - contest.OfCouplings(NEAR, T0).log_prob(s)) - true.log_z
    assert abs(without - exact) > 40 * found.error


def test_of_couplings_is_the_hamiltonian():
    h = contest.OfCouplings(NEAR, T0)
    known = Known(NEAR)
    difference = h.energy(STATES) - known.energy(STATES)
    np.testing.assert_allclose(difference, difference[0], atol=1e-9)
    np.testing.assert_allclose(h.log_prob(STATES) - known.log_prob(STATES), known.log_z, atol=1e-9)


def machine(steps):
    """An RBM that has seen the Ising model, and its exact ln Z."""
    model = SpinRBM((4, 4), 8, seed=1)
    fit_persistent(model, FOUR.configurations(5000, 1, "train"), steps=steps, learning_rate=1e-2, seed=1)
    model.log_z = 0.0
    return LearnedHamiltonian(model, T0), float(np.logaddexp.reduce(model.log_weight(STATES).detach().numpy()))


def test_ln_z_of_an_rbm_by_annealing():
    """Against all 2^16 states; ln Z of the Ising model, or of the machine before it has learned, is far outside."""
    hamiltonian, exact = machine(300)
    found = contest.log_partition_function(hamiltonian, FOUR, np.random.default_rng(1))
    assert abs(found.value - exact) < 3 * found.error < 0.6
    assert abs(found.value - machine(30)[1]) > 6 * found.error
    assert abs(found.value - ising.log_partition_function(4, T0)) > 6 * found.error


def test_ln_z_is_unknown_where_annealing_does_not_agree(monkeypatch):
    """An annealing whose answer depends on the number of steps: nan, not a number."""

    def biased(spins, T, rng, function, coupling, steps, flips):
        return None, rng.normal(steps, 0.1, len(spins))

    monkeypatch.setattr(contest.delayed_acceptance, "anneal", biased)
    assert np.isnan(contest.log_partition_function(machine(30)[0], FOUR, np.random.default_rng(1))).all()


@pytest.mark.parametrize("name", contest.CLASSICAL)
def test_classical_estimates_agree_with_the_truth(name):
    found = contest.estimate(name, FOUR, 9000, 5)
    J = np.array(list(found.hamiltonian.J.values()))
    true = (np.array(found.couplings.names) == "nn").astype(float)
    assert np.abs((J - true) / found.couplings.errors).max() < 4.5
    assert 0 < found.kl.value < 0.003  # 5 / 2n = 0.0003, and not efficient
    error, mean = contest.error_of_couplings([found, found])
    assert error.value == pytest.approx(found.couplings.errors[0]) and mean.value == pytest.approx(J[0])


def test_scores_see_a_wrong_temperature_scale(monkeypatch):
    """The true Hamiltonian scores within the noise; one with J = 0.97 is off by what follows from it."""
    monkeypatch.setenv(parallel.LIMIT, "1")
    spins, T = contest.ContestSpins(8, 2.27), np.array([1.8, 2.12, 2.16, 2.2, 2.24, 2.28, 2.32, 2.36, 3.0])
    known = contest.truth(8, T, 1, n_sweeps=1000)
    weak = contest.Fitted(contest.OfCouplings({"nn": 0.97}, 2.27), Estimate(0.1, 0.0), 2.0)
    measured = contest.measure_all({"weak": [weak, weak]}, spins, T, 1)
    right = contest.score(None, measured["the true Hamiltonian"], known, 0.01)
    wrong = contest.score([weak, weak], measured["weak"], known, 0.01)
    assert right.j.value < 1e-9 and wrong.j.value == pytest.approx(3.0)
    assert right.energy.value < 0.02 < wrong.energy.value
    assert right.binder.value < 0.02 and right.kl.value == 0 and wrong.seconds == 2
    assert right.t_c.value == pytest.approx(ising.critical_temperature(), abs=0.02)
    assert wrong.t_c.value == pytest.approx(0.97 * ising.critical_temperature(), abs=0.02)


def test_every_contestant_has_a_line():
    assert set(contest.TOLD) == {*contest.NETWORKS, *contest.CLASSICAL, "RBM", "the true Hamiltonian"}
    assert {network for network, _ in contest.NETWORKS.values()} <= set(contest.ContestSpins.networks)
    assert ["Markov lattice", "0.019"] in contest.peers() and len(contest.peers()) == 5
