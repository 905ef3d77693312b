"""Blind diagnostics: null for a network that is right, the exact number for one that is wrong in a known way."""

import numpy as np
import pytest

from lib import lattice
from lib.analysis import diagnostics
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import symmetry_changes, symmetry_violation
from lib.systems import ising
from tests.conftest import refused
from tests.physics.standins import NEAR, SIGMAS, STATES, T0, Known, StandIn, check, number

RIGHT = Known({"nn": 1.0})
WRONG = Known({"nn": 1.04})
OTHER = Known(NEAR)
OPERATIONS = [
    lattice.Element(0, (1, 0)),
    lattice.Element(0, (0, 1)),
    *(lattice.Element(p, (0, 0)) for p in range(1, 8)),
]
REPETITIONS = 200


def quantities(s):
    E = ising.energy(s)
    return np.column_stack([E, np.abs(ising.magnetization(s)), (E - RIGHT.p @ ising.energy(STATES)) ** 2])


def crooked(strength, seed):
    """RIGHT with its 32 bonds changed at random, each by itself: not normalised, which no diagnostic needs."""
    noise = strength * np.random.default_rng(seed).normal(size=(2, 4, 4))

    def energy(s):
        return ising.energy(s) - sum((s * np.roll(s, -1, axis) * noise[k]).sum((1, 2)) for k, axis in enumerate((1, 2)))

    return StandIn(energy, T0)


def variance(values):
    return RIGHT.p @ values**2 - (RIGHT.p @ values) ** 2


def draws(network, n, seed, repetitions=REPETITIONS):
    """n configurations for each repetition, [repetitions, n, 4, 4]."""
    return network._draw(n * repetitions, seed).reshape(repetitions, n, 4, 4)


def pulls_of(estimates, exact):
    """(value - exact) / error of a list of `Estimate`, [repetitions, 1]."""
    value, error = np.transpose(estimates)
    return ((value - exact) / error)[:, None]


def test_a_network_that_is_right_is_null():
    s = RIGHT._draw(2000, 1)
    found = diagnostics.blind(
        log_prob=[RIGHT.log_prob(s)] * 2,
        drawn=[quantities(RIGHT._draw(2000, seed)) for seed in (2, 3)],
        observed=quantities(s),
        changes=[symmetry_changes(RIGHT, s, OPERATIONS) / T0] * 2,
        log_weight=-ising.energy(s) / T0,
    )
    for name in ("seeds", "symmetry", "surrogate"):
        assert getattr(found, name).value < 1e-20, name
    assert abs(found.samples.value) < SIGMAS * found.samples.error < 0.02
    assert found.ess == pytest.approx(1, abs=1e-12) and found.largest[0] == "samples"


def test_samples_of_the_right_network_are_null_on_average_and_their_errors_are_right():
    drawn, observed = (map(quantities, draws(RIGHT, n, seed)) for n, seed in ((500, 1), (900, 2)))
    pairs = list(zip(drawn, observed, strict=True))
    pulls = pulls_of([diagnostics.samples(*pair) for pair in pairs], 0.0)
    # a sum of squares: mean 0, mean square 1, kurtosis that of chi-square with three degrees of freedom
    assert abs(pulls.mean()) < SIGMAS / np.sqrt(REPETITIONS)
    assert abs((pulls**2).mean() - 1) < SIGMAS * np.sqrt(6 / REPETITIONS)
    check(np.array([diagnostics.pulls(*pair) for pair in pairs]))


def test_samples_of_a_wrong_network_cost_what_enumeration_says():
    A, p = quantities(STATES), RIGHT.p
    shift = WRONG.p @ A - p @ A
    C = (A - p @ A).T @ ((A - p @ A) * p[:, None])
    exact = shift @ np.linalg.solve(C, shift) / 2
    drawn, observed = draws(WRONG, 2000, 1), draws(RIGHT, 2000, 2)
    each = [diagnostics.samples(quantities(a), quantities(b)) for a, b in zip(drawn, observed, strict=True)]
    pulls = pulls_of(each, exact)
    # C is known from the same data only: a bias of a few per cent of the value
    assert abs(pulls.mean()) < 0.35 and abs((pulls**2).mean() - 1) < 0.5
    # it is a lower bound of the divergence, to second order in what is wrong, and sharp for an exponential family
    divergence = p @ (RIGHT.log_prob(STATES) - WRONG.log_prob(STATES))
    assert exact == pytest.approx(divergence, rel=0.1)


@pytest.mark.parametrize("pair", [(WRONG, OTHER), (RIGHT, WRONG)])
def test_seeds_and_surrogate_against_enumeration(pair):
    a, b = pair
    log_a, log_b = a.log_prob(STATES), b.log_prob(STATES)
    numbers = [number(s) for s in draws(RIGHT, 1000, 1)]
    exact = variance(log_a - log_b)
    seeds = [diagnostics.seeds([log_a[k], log_b[k]]) for k in numbers]
    surrogate = [diagnostics.surrogate(log_a[k], log_b[k]) for k in numbers]
    check(pulls_of(seeds, exact / 4), dof=19)
    check(pulls_of(surrogate, exact / 2), dof=19)


def test_crooked_networks_are_noticed_by_seeds_symmetry_and_surrogate():
    """Independent errors without symmetry: each of the three is KL, to second order."""
    networks = [crooked(0.08, seed) for seed in (1, 2)]
    s = RIGHT._draw(4000, 3)
    log_z = [np.logaddexp.reduce(each.log_prob(STATES)) for each in networks]
    log_prob = [each.log_prob(s) - z for each, z in zip(networks, log_z, strict=True)]
    divergence = np.mean([kl_divergence(RIGHT.log_prob(s), each).value for each in log_prob])
    changes = [symmetry_changes(each, s, OPERATIONS) / T0 for each in networks]
    found = diagnostics.blind(log_prob, [quantities(s)] * 2, quantities(s), changes, -ising.energy(s) / T0)
    assert found.surrogate.value == pytest.approx(divergence, rel=0.1)
    assert 0.5 < found.seeds.value / divergence < 1.5 and 0.4 < found.symmetry.value / divergence < 1.5
    for name in ("seeds", "symmetry", "surrogate"):
        assert getattr(found, name).value > 4 * getattr(found, name).error, name


def test_what_is_blind_to_what():
    """A wrong coupling that both networks share breaks no symmetry: samples and surrogate see it."""
    s = RIGHT._draw(4000, 5)
    found = diagnostics.blind(
        [WRONG.log_prob(s)] * 2,
        [quantities(WRONG._draw(4000, seed)) for seed in (6, 7)],
        quantities(s),
        [symmetry_changes(WRONG, s, OPERATIONS) / T0] * 2,
        -ising.energy(s) / T0,
    )
    assert found.seeds.value < 1e-20 and found.symmetry.value < 1e-20
    assert found.samples.value > 3 * found.samples.error and found.surrogate.value > SIGMAS * found.surrogate.error
    assert found.largest[0] == "samples" and found.ess < 0.99


def test_symmetry_is_that_of_symmetry_violation():
    network, s = crooked(0.05, 1), RIGHT._draw(500, 1)
    _, rms = symmetry_violation(network, s, OPERATIONS)
    assert diagnostics.symmetry(symmetry_changes(network, s, OPERATIONS) / T0).value == pytest.approx(
        (rms / T0) ** 2 / 4
    )


def test_a_system_without_symmetries_has_no_number_for_them():
    s = RIGHT._draw(100, 1)
    found = diagnostics.blind([RIGHT.log_prob(s)] * 2, [quantities(s)], quantities(s), None, -ising.energy(s) / T0)
    assert np.isnan(found.symmetry.value) and found.largest[0] in ("samples", "seeds")


def test_correlated_data_have_larger_errors():
    ours, theirs = quantities(RIGHT._draw(500, 1)), quantities(RIGHT._draw(500, 2))
    assert np.abs(diagnostics.pulls(ours, theirs, tau_int=5.0)).max() < np.abs(diagnostics.pulls(ours, theirs)).max()
    assert diagnostics.samples(ours, theirs, tau_int=5.0).error > diagnostics.samples(ours, theirs).error


def test_what_is_refused():
    with refused("1 networks have no spread", kind=ValueError):
        diagnostics.seeds(np.zeros((1, 100)))
    with refused("quantities drawn", kind=ValueError):
        diagnostics.samples(np.zeros((10, 2)), np.zeros((10, 3)))
