"""Ladders of networks of angles, and what is made of their draws: the 3 x 3 torus exactly, drawn data otherwise."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis.reweighting import xy_direct
from lib.analysis.thermodynamic_integration import LogPartition
from lib.models.descent import Schedule
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies import variational_xy as study
from lib.studies.xy_ladder import AngleDraws, Ladder, climb_all, climb_down
from lib.systems import xy, xy_exact

pytestmark = pytest.mark.xdist_group("variational_xy")  # what the module builds is built once, in one process
TEMPERATURES = (2.0, 1.4, 1.0)


@pytest.fixture(scope="module")
def exact():
    """`xy_exact.Exact` of the 3 x 3 torus at every temperature; 16 and 24 states agree to 1e-9."""
    return [xy_exact.exact(3, T, q=16) for T in TEMPERATURES]


@pytest.fixture(scope="module")
def ladders():
    schedule = Schedule(80, 40, 2e-2, 1e-2)
    names = {"equivariant": (1, 2), "can": (3,)}
    tasks = {
        name: [Ladder(name, 3, TEMPERATURES, schedule, 4000, seed) for seed in seeds] for name, seeds in names.items()
    }
    return climb_all(tasks)


def test_weights_give_the_exact_thermodynamics_at_every_temperature(ladders, exact):
    """4.5 errors for 18 numbers: level 1e-4."""
    for rungs in ladders["equivariant"]:
        found = study.curves(rungs)
        assert (found.ess > 0.2).all()
        for k, known in enumerate(exact):
            assert abs(found.values["energy"][k] - known.energy) < 4.5 * found.errors["energy"][k]
            assert abs(found.values["helicity"][k] - known.helicity) < 4.5 * found.errors["helicity"][k]
            error = np.sqrt((1 / found.ess[k] - 1) / 4000)
            assert abs(found.log_z[k] - 9 * known.log_z) < 4.5 * error + 1e-4


def test_both_networks_count_in_the_same_measure(ladders, exact):
    """One draws theta, the other theta / 2 pi; a few draws of the latter hold much of the weight, whose error covers
    little. The wrong measure would be off by 9 ln 2 pi = 16.5."""
    for group in ladders.values():
        for rungs in group:
            assert np.allclose(study.curves(rungs).log_z, [9 * known.log_z for known in exact], atol=1)


def test_the_free_energy_is_above_the_exact_one_and_no_weights_mean_the_network_itself(ladders, exact):
    reference = [LogPartition(T, 9 * known.log_z, 0.0) for T, known in zip(TEMPERATURES, exact, strict=True)]
    gap = study.free_energy_gap(ladders["equivariant"], reference)
    assert (gap.value > -4 * gap.error).all() and (gap.value < 0.02).all()
    drawn = [
        [(rung.draws.energy + rung.draws.T * rung.draws.log_q).mean() / 9 for rung in rungs]
        for rungs in ladders["equivariant"]
    ]
    known = [-T * each.log_z for T, each in zip(TEMPERATURES, exact, strict=True)]
    assert np.allclose(gap.value, np.mean(drawn, axis=0) - known)
    shared = study.free_energy_gap(ladders["equivariant"], [one._replace(error=3.0) for one in reference])
    assert np.allclose(shared.error, np.hypot(gap.error, 3.0 * np.array(TEMPERATURES) / 9))
    plain = study.together(ladders["equivariant"], weighted=False)
    energies = [[rung.draws.energy.mean() / 9 for rung in rungs] for rungs in ladders["equivariant"]]
    assert np.allclose(plain.values["energy"], np.mean(energies, axis=0))


def test_learning_curves_end_at_the_divergence_and_count_all_steps(ladders, exact):
    reference = [LogPartition(T, 9 * known.log_z, 0.0) for T, known in zip(TEMPERATURES, exact, strict=True)]
    rungs = ladders["equivariant"][0]
    curves = study.learning_curves(rungs, reference)
    assert [rung.first_step for rung in rungs] == [0, 80, 120]
    assert 40 <= curves[0].step[0] < curves[0].step[-1] <= 80 < curves[1].step[0] <= 90 and curves[2].step[-1] <= 160
    gap = study.free_energy_gap([rungs], reference)
    divergence = 9 * gap.value / np.array(TEMPERATURES)
    assert np.allclose([curve.divergence[-1] for curve in curves], divergence, atol=0.1)


def drawn_at(T, L=4, n=6000, seed=1):
    """`AngleDraws` of Monte Carlo configurations of another temperature, up to a constant in ln q."""
    theta = mcmc.sample(chains.XY(L, T), n, np.random.default_rng(seed)).configurations
    energy = xy.energy(theta)
    return AngleDraws(-energy / T, energy, (xy.currents(theta) ** 2).sum(1), xy.vortex_density(theta), T, L)


def test_weights_to_another_temperature_give_its_averages_and_plain_ones_do_not():
    truth = xy_direct(4, [1.0], 4000, 5)
    draws = drawn_at(1.15)._replace(T=1.0)
    weighted, plain = study.averages(draws), study.averages(draws, weighted=False)
    for k, name in enumerate(("energy", "helicity", "vortices")):
        known, error = truth.values[name][0], truth.errors[name][0]
        assert abs(weighted.value[k] - known) < 4 * np.hypot(weighted.error[k], error)
        # the plain helicity modulus has the right T in front of wrong averages
        assert abs(plain.value[k] - known) > 8 * np.hypot(plain.error[k], error)
    assert 0.2 < weighted.ess < 0.95
    reach = study.reach(draws, (1.15, 1.0, 0.8))
    assert reach[0] == pytest.approx(1) and reach[1] == pytest.approx(weighted.ess) and reach[2] < reach[1]


def test_the_chi2_of_integrals_knows_what_they_share():
    """600 integrals whose errors add up along the way: p-values are even (Kolmogorov, level 1e-3), in any order of T.
    With the variances alone they would not be."""
    rng = np.random.default_rng(3)
    T, steps, own = np.array([1.6, 1.2, 0.9, 0.5]), np.array([0.3, 0.1, 0.2, 0.4]), np.array([0.1, 0.2, 0.1, 0.1])
    order = [2, 0, 3, 1]
    right, wrong = [], []
    for _ in range(600):
        value = np.cumsum(steps * rng.normal(size=4))
        error = np.sqrt(np.cumsum(steps**2))
        found = own * rng.normal(size=4)
        reference = [LogPartition(T[k], value[k], error[k]) for k in order]
        right.append(study.log_z_agreement(Estimate(found[order], own[order]), reference).p)
        chi2 = ((found - value) ** 2 / (own**2 + error**2)).sum()
        wrong.append(stats.chi2.sf(chi2, 4))
    assert stats.kstest(right, "uniform").pvalue > 1e-3
    assert stats.kstest(wrong, "uniform").pvalue < 1e-3


def test_the_errors_of_every_network_cover(ladders, exact):
    """Both networks, energies at three temperatures: p-value of chi2 above 1e-3 with weights."""
    each = [study.curves(rungs) for rungs in ladders["equivariant"]]
    truth = each[0]._replace(
        values={"energy": np.array([known.energy for known in exact])}, errors={"energy": np.zeros(3)}
    )
    found = study.each_agreement(ladders["equivariant"], truth, "energy")
    assert found.dof == 6 and found.p > 1e-3
    assert study.each_agreement(ladders["equivariant"], truth, "energy", keep=np.array([True, False, True])).dof == 4
    shifted = truth._replace(values={"energy": truth.values["energy"] + 0.05})
    assert study.each_agreement(ladders["equivariant"], shifted, "energy").p < 1e-6


def test_the_transition_is_nan_where_it_cannot_be_found():
    window = np.array([0.98, 0.94, 0.90, 0.86, 0.82])
    draws = xy_direct(4, [1.2, *window], 50, 1)
    assert np.isnan(study.transition({4: draws}, window).T)
    flat = draws._replace(values=draws.values | {"helicity": np.full(6, 0.1)})
    assert np.isnan(study.transition({4: flat, 6: flat, 8: flat}, window).T)


def test_the_table_of_the_papers_network_is_averaged_over_seeds_and_held_against_the_right_temperature(tmp_path):
    columns = "free_energy free_energy_error energy energy_error helicity helicity_error".split()
    lines = [["kind", "seed", "T", "steps", "cpu_seconds", *columns, "ess"]]
    lines.append(["tuning", 1, 1.3, 5, 1.0, *[9.0] * 6, 0.9])
    for seed in (2, 3):
        for k, T in enumerate((1.0, 0.9, 0.8)):
            Y = 2 * (0.9 + 0.04 * (seed - 2.5)) / np.pi + 0.5 * (0.9 - T)  # crosses near 0.9, once below, once above
            lines.append(["ladder", seed, T, 10 * (k + 1), 2.0, -1.0 - 0.2 * k, 0.1, -1.2, 0.1, Y, 0.001, 0.1 * seed])
    (tmp_path / "can.csv").write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")
    can = study.read_can(tmp_path / "can.csv")
    assert list(can.T) == [1.0, 0.9, 0.8] and list(can.steps) == [10, 20, 30] and np.allclose(can.ess, 0.3)
    assert np.allclose(can.free_energy.value, [-1.0, -1.2, -1.4])
    reference = [LogPartition(T, 256 * f / T, 0.0) for T, f in ((1.0, 0.9), (0.9, 1.0), (0.8, 1.3))]
    assert np.allclose(can.gap(reference).value, [-0.1, -0.2, -0.1])
    crossing = can.crossing(can.T)
    assert crossing.value == pytest.approx(0.9, abs=1e-3) and crossing.error > 0.02  # two networks: Student's t


def test_a_network_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="choose from equivariant, can"):
        Ladder("made", 3, (1.0,), Schedule(10, 10), 10, 1)


def test_the_same_ladder_gives_the_same_draws():
    ladder = Ladder("can", 3, (1.5, 1.2), Schedule(10, 10), 50, 4)
    first, second = climb_down(ladder), climb_down(ladder)
    assert all(np.array_equal(a.draws.energy, b.draws.energy) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0].draws.energy, first[1].draws.energy)
