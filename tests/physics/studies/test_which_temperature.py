"""Which temperature: the Fisher information and the measures of error against exact ones."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from lib.analysis import couplings
from lib.analysis.reweighting import Curves, Reweighted
from lib.statistics import Estimate
from lib.studies import which_temperature as study
from lib.studies.sources import Spins
from lib.systems import ising
from tests.physics.standins import NEAR, SIGMAS, STATES, Known, check

T = np.array([1.8, 2.0, 2.2, 2.4, 2.6, 2.8])


@pytest.mark.parametrize("T0", [1.5, 2.4, 5.0])
def test_the_fisher_information_of_j_is_the_specific_heat(T0):
    right, n = Known({"nn": 1.0}, T0), 1000
    E = ising.energy(STATES)
    variance = right.p @ E**2 - (right.p @ E) ** 2
    assert study.fisher_bound(4, T0, n) == pytest.approx(T0 / np.sqrt(n * variance), rel=1e-9)
    # as the curvature of ln p: the KL between J and J + dJ is I dJ^2 / 2
    step = 1e-4
    one, two = (Known({"nn": J}, T0) for J in (1 - step, 1 + step))
    divergence = one.p @ (one.log_prob(STATES) - two.log_prob(STATES))
    assert np.sqrt(2 * divergence) / (2 * step) == pytest.approx(1 / study.fisher_bound(4, T0, 1), rel=1e-3)
    (bound,) = couplings.cramer_rao(ising.operators(right._draw(20_000, 1), ("nn",)), T0, n)
    assert bound == pytest.approx(study.fisher_bound(4, T0, n), rel=0.05)


def test_the_information_is_measured_with_its_error():
    right = Known({"nn": 1.0})
    sets = [right._draw(1000, seed) for seed in range(200)]
    exact = study.fisher_bound(4, right.T0, 1) ** -2
    found = [study.measured_information(s, right.T0) for s in sets]
    check(np.array([[(each.value - exact) / each.error] for each in found]))
    # a wrong temperature is noticed
    other = study.measured_information(np.concatenate(sets), 1.02 * right.T0)
    assert abs(other.value - exact) > SIGMAS * other.error


@pytest.mark.parametrize("T0", [1.5, 4.0])
def test_pseudolikelihood_finds_j_far_from_the_transition(T0):
    found = study.nearest_coupling(Spins(8, T0).configurations(5000, 1), T0)
    assert abs(found.value - 1) < SIGMAS * found.error
    assert 0.9 < found.error / study.fisher_bound(8, T0, 5000) * 1.2 < 2


def test_no_two_temperatures_share_configurations_and_few_share_one_file():
    tasks = study.tasks(8, (1.5, 2.0, 4.0), 2000, 3, 100, seed=4)
    files = {T0: {task.data for task in tasks["full", T0]} for T0 in (1.5, 2.0, 4.0)}
    assert all(not a & b for a, b in itertools.combinations(files.values(), 2))
    assert all(len(each) == 3 for each in files.values())
    few = tasks["few", 2.0]
    assert len({task.data for task in few}) == 1 and len({task.seed for task in few}) == 3
    assert {name for name, _ in tasks} == set(study.TRAININGS)
    assert [tasks[name, 1.5][0].n_steps for name in ("full", "short", "few")] == [100, 12, 50]


def learned(*hamiltonians, L=4):
    return [SimpleNamespace(hamiltonian=h, task=SimpleNamespace(source=Spins(L, h.T0))) for h in hamiltonians]


def test_the_error_elsewhere_is_null_for_the_exact_one_and_the_divergence_for_a_wrong_one():
    temperatures = (1.8, 2.6)
    exact = study.configurations_at(4, temperatures, 4000, 1)
    right = Known({"nn": 1.0})
    found = study.elsewhere(learned(right, right), exact, exact, temperatures)
    assert found.true.value < 1e-20 and found.seeds.value < 1e-20
    wrong = [Known({"nn": 1.03}), Known({**NEAR, "nn": 0.98})]
    found = study.elsewhere(learned(*wrong), exact, exact, temperatures)
    divergences, halves = [], []
    for t in temperatures:
        p = Known({"nn": 1.0}, t)
        at_t = [Known(each.J, t) for each in wrong]
        divergences += [p.p @ (p.log_prob(STATES) - q.log_prob(STATES)) for q in at_t]
        d = at_t[0].log_prob(STATES) - at_t[1].log_prob(STATES)
        halves.append((p.p @ d**2 - (p.p @ d) ** 2) / 4)
    assert found.true.value == pytest.approx(np.mean(divergences), rel=0.15)
    assert abs(found.seeds.value - np.mean(halves)) < SIGMAS * found.seeds.error
    # blind to what two networks have in common
    same = study.elsewhere(learned(wrong[0], wrong[0]), exact, exact, temperatures)
    assert same.seeds.value < 1e-20 < same.true.value


def curves(heat=1.0, shift=0.0):
    """`Curves` of the 4 x 4 lattice, exact but for the factor on C and a shift of U4 in temperature."""
    binder = [ising.enumerated(4, t - shift).binder for t in T]
    C = heat * ising.exact(4, T).per_site.specific_heat
    values = np.stack([np.full(len(T), 0.0), C, C, C, binder], axis=1)
    estimates = [Reweighted(value, np.full(5, 1e-4), 1.0) for value in values]
    return Curves.of(("energy", "specific_heat", "abs_m", "susceptibility", "binder"), T, estimates)


def test_errors_of_the_specific_heat():
    found = study.heat_error([curves(1.05), curves(0.95)], 4)
    assert found.value == pytest.approx(0.05, abs=1e-6)
    assert study.heat_error([curves(), curves()], 4).value < 1e-10


def test_the_transition_is_where_the_cumulant_has_its_critical_value():
    level = Estimate(ising.enumerated(4, 2.3).binder, 1e-5)
    found = study.critical_temperature([curves(), curves()], level)
    assert found.value == pytest.approx(2.3, abs=2e-3)
    assert study.critical_temperature([curves(shift=0.1)] * 2, level).value == pytest.approx(2.4, abs=2e-3)
    less_known = study.critical_temperature([curves(), curves()], level._replace(error=0.01))
    assert less_known.error > 5 * found.error
    assert np.isnan(study.critical_temperature([curves(), curves(shift=-1.0)], level).value)


def test_the_critical_level_is_that_of_the_lattice():
    found = study.binder_level(4, seed=1, n_sweeps=1000)
    assert abs(found.value - ising.enumerated(4, ising.critical_temperature()).binder) < SIGMAS * found.error


def test_rank_correlations_and_ratios():
    rising = [Estimate(float(k), 0.1) for k in range(10)]
    assert study.rank_correlation(
        rising, [Estimate(np.exp(each.value), 0.0) for each in rising]
    ).value == pytest.approx(1)
    assert study.rank_correlation(rising, rising[::-1]).value == pytest.approx(-1)
    noise = [Estimate(value, 0.1) for value in np.random.default_rng(1).normal(size=10)]
    found = study.rank_correlation(rising, noise)
    assert abs(found.value) < 3 * found.error and 0.1 < found.error < 0.8
    assert study.ratio(Estimate(6.0, 0.6), Estimate(2.0, 0.2)) == pytest.approx((3.0, 0.3 * np.sqrt(2)))
