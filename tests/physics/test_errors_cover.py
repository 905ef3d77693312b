"""Does every error cover? (estimate - truth) / error over many repetitions has unit variance.

Truths are exact: enumeration of 4 x 4 spins, Kaufman, transfer matrices, or curves that were made up with known noise.
`covers` of standins.py asks whether their mean square is 1.
"""

import numpy as np
import pytest
from scipy import stats

from lib.analysis import action, blocking, couplings, curve_features, finite_size, reweighting, vortices
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare
from lib.samplers import chains, mcmc
from lib.statistics import block_sums, jackknife, over_blocks, owners
from lib.studies import rg
from lib.systems import double_well, ising, xy, xy_exact
from tests.physics.standins import ALPHA, NEAR, STATES, T0, Known, StandIn, check, covers, mean_square


def test_the_check_sees_errors_that_are_a_quarter_off():
    pulls = np.random.default_rng(1).normal(size=(300, 2))
    assert covers(pulls) and not covers(pulls * [1, 1.25]) and not covers(pulls * [0.8, 1])
    t = stats.t.rvs(4, size=(300, 2), random_state=2)
    assert covers(t, 4) and not covers(t)
    assert not covers(np.random.default_rng(1).normal(size=(300, 2)) + 0.7)


# ---------------------------------------------------------------- couplings


def projected(h, names):
    """Couplings that single flips of *all* configurations, weighted with their probability, give on these operators."""
    log_p, sums = h.log_prob(STATES), ising.operators(STATES, names)
    number = (STATES.reshape(-1, 16) > 0) @ (1 << np.arange(16))
    place = np.argsort(number)
    flipped = [place[number ^ (1 << site)] for site in range(16)]
    differences = np.concatenate([sums[k] - sums for k in flipped])
    targets = np.concatenate([1 / (1 + np.exp(log_p - log_p[k])) for k in flipped])
    return h.T0 * couplings.project(differences, targets, np.tile(np.exp(log_p), 16))


def test_read_moves():
    """A Hamiltonian that the operators express in part: the error is that of the configurations and moves."""
    h, names = Known(NEAR | {"plaquette": 0.15}), ("nn", "nnn")
    truth, pulls = projected(h, names), []
    for r in range(200):
        operators = {name: ising.OPERATORS[name] for name in names}
        read = couplings.read_network(h, h.draw(400, [1, r]), operators, ising.flip_one, moves=8, seed=r)
        off = (read.values - truth) / read.errors
        pulls.append([*off, (read.values - truth).sum() / read.sum_error])
    check(pulls, 19)


def test_both_signs_of_a_configuration_are_in_one_block():
    """Mirror images say nothing new about even operators; in blocks of their own they would count as new ones."""
    h, names = Known(NEAR | {"plaquette": 0.15}), ("nn", "nnn")
    truth, pulls, apart = projected(h, names), [], []
    operators = {name: ising.OPERATORS[name] for name in names}
    for r in range(150):
        s = h.draw(150, [2, r])
        for both, found in ((couplings.both_signs(s), pulls), (np.concatenate([s, -s]), apart)):
            read = couplings.read_network(h, both, operators, ising.flip_one, moves=8, seed=r)
            found.append((read.values - truth) / read.errors)
    check(pulls, 19)
    assert (mean_square(apart) > mean_square(pulls)).all()


def test_pseudolikelihood():
    h, names, pulls = Known({"nn": 1.0}), ("nn", "nnn", "plaquette"), []
    for r in range(300):
        found = couplings.pseudolikelihood(ising.local_sums(h.draw(400, [3, r]), names), T0, names)
        pulls.append([*(found.values - [1, 0, 0]) / found.errors, (found.values.sum() - 1) / found.sum_error])
    check(pulls, 19)


def test_readable_action():
    """`action.read` and `action.read_values` of the exact action with noise, and <x dS/dx> = 1."""
    true = double_well.couplings(4.0, 16)
    matrix, rng = double_well.TransferMatrix(true, 16), np.random.default_rng(4)
    forces, values, virial = [], [], []
    for x in matrix.sample(120 * 300, rng).reshape(120, 300, 16):
        gradient = double_well.gradient(x, true)
        mean, error = action.schwinger_dyson(x, gradient)
        virial.append((mean[-1] - 1) / error[-1])
        found = action.read(x, gradient + rng.normal(0, 1, x.shape))
        forces.append((found.coefficients[:3] - true[:3]) / found.errors[:3])
        found = action.read_values(x, double_well.action(x, true) + rng.normal(0, 1, len(x)))
        values.append((found.coefficients[:3] - true[:3]) / found.errors[:3])
    check(virial)
    check(forces, 49)
    check(values, 49)


# ---------------------------------------------------------------- comparisons


def test_comparison_and_divergence():
    p, q = Known({"nn": 1.0}), Known(NEAR)
    distance = np.exp(p.log_prob(STATES)) @ (p.log_prob(STATES) - q.log_prob(STATES))
    weights = np.exp(p.log_prob(STATES))
    x, y = p.energy(STATES), q.energy(STATES)
    x, y = x - weights @ x, y - weights @ y
    slope, slopes, distances = weights @ (x * y) / (weights @ x**2), [], []
    for r in range(300):
        s = p.draw(1000, [5, r])
        line, kl = compare(q.energy(s), p.energy(s)), kl_divergence(p.log_prob(s), q.log_prob(s))
        slopes.append((line.slope - slope) / line.slope_error)
        distances.append((kl.value - distance) / kl.error)
    check(slopes)
    check(distances)


# ---------------------------------------------------------------- reweighting and curves


def test_reweighting():
    """With a control variate and without."""
    base, target = Known({"nn": 1.0}), Known(NEAR)
    every = np.stack([ising.energy(STATES), np.abs(ising.magnetization(STATES))], 1)
    expected, known = np.exp(target.log_prob(STATES)) @ every, np.exp(base.log_prob(STATES)) @ every
    plain, controlled = [], []
    for r in range(300):
        s = base.draw(1500, [6, r])
        observables = np.stack([ising.energy(s), np.abs(ising.magnetization(s))], 1)
        log_w = target.log_prob(s) - base.log_prob(s)
        control = reweighting.Control(known, observables, np.zeros(len(s)))
        for found, c in ((plain, None), (controlled, control)):
            estimate = reweighting.reweight(observables, log_w, control=c)
            found.append((estimate.value - expected) / estimate.error)
    check(plain, 49)
    check(controlled, 49)


def test_curves_by_surrogate():
    """All five quantities above, at and below T0, for a Hamiltonian whose excess is no function of energy and m."""
    h, T = Known(NEAR | {"nnn": -0.08, "plaquette": 0.1}), np.array([2.0, T0, 3.0])
    exact, pulls = np.array([h.exact(t)[0] for t in T]), []
    for r in range(120):
        curves = reweighting.ising_by_surrogate(h, 4, T, 1000, 1000 + r, length=10)
        rows = [(curves.values[n] - exact[:, k]) / curves.errors[n] for k, n in enumerate(reweighting.ISING)]
        pulls.append(rows)
    check(pulls, 49)


def test_peak():
    """The exact specific heat of L = 16 with noise: the error of the position, and no bias from the polynomial."""
    T = np.round(np.arange(2.0, 2.71, 0.05), 2)
    height, exact = ising.exact(16, T).per_site.specific_heat, ising.specific_heat_peak(16)[0]
    rng, noise, pulls = np.random.default_rng(7), np.full(len(T), 0.015), []
    for _ in range(400):
        found = curve_features.peak(T, height + noise * rng.normal(size=len(T)), noise, (exact - 0.17, exact + 0.17))
        pulls.append((found.value - exact) / found.error)
    check(pulls)
    assert abs(np.mean(pulls)) < 0.25 + stats.norm.isf(ALPHA / 2) / 20


def curve(T, binder, error):
    return reweighting.Curves(T, {"binder": binder}, {"binder": error}, None, None)


def test_crossings():
    """Two curves that are no straight lines, with errors that differ between temperatures and sizes."""
    T = 2.27 + np.array([-0.04, -0.02, 0, 0.02, 0.04])
    x, rng, pulls = T - 2.27, np.random.default_rng(8), []
    small, large = 0.61 - 0.6 * x, 0.61 - 1.2 * x - 3 * x**2
    errors = np.array([1, 2, 0.5, 1, 1.5]) * 1e-3, np.array([1, 1, 2, 0.7, 1]) * 1e-3
    for _ in range(400):
        a, b = (c + e * rng.normal(size=5) for c, e in zip((small, large), errors, strict=True))
        found = finite_size.crossing_temperatures([curve(T, a, errors[0])], [curve(T, b, errors[1])])
        pulls.append((found.value[0] - 2.27) / found.error[0])
    check(pulls)


# ---------------------------------------------------------------- block spins


def test_averages_at_T0():
    """|m|, bonds and the variance of H from the blocks (against exact values), and network / blocks - 1."""
    p, S = np.array([0.1, 0.15, 0.2, 0.25, 0.3]), 2 * np.arange(5) - 4

    def draw(n, seed):
        return np.random.default_rng(seed).choice(5, (n, 6, 6), p=p).astype(np.int8)

    h = StandIn(lambda states: -2.27 * np.log(p)[states].sum((1, 2)), 2.27, draw)
    total = [1.0]
    for _ in range(36):
        total = np.convolve(total, p)
    abs_m = total @ np.abs(2 * np.arange(145) - 4 * 36) / (4 * 36)
    exact = np.array([abs_m, (p @ S) ** 2 / 16, p @ np.log(p) ** 2 - (p @ np.log(p)) ** 2])
    blocks, ratios = [], []
    for r in range(300):
        found = blocking.at_T0(h, h.draw(400, [9, r]), 5000 + r)
        blocks.append((found.blocks - exact) / found.blocks_error)
        off, own, common = found.deviation()
        ratios.append(off / np.hypot(own, common))
    check(blocks)
    check(ratios)


def test_chains_of_block_configurations():
    """Configurations every second cluster update are not independent, still less four blockings of one: groups that are
    whole chains cover, single configurations do not."""
    exact, by_chains, naive = float(ising.exact(32, 2.27).energy), [], []
    for r in range(40):
        energy = -rg.sampled(32, 2.27, 1600, 300 + r).bonds
        sums = block_sums(np.stack([energy, np.ones(len(energy))], 1), rg.CHAINS)
        value, error = jackknife(lambda total: total[0] / total[1], sums)
        by_chains.append((value - exact) / error)
        naive.append((value - exact) / (energy.std() / np.sqrt(len(energy))))
    check(by_chains, rg.CHAINS - 1)
    assert not covers(naive)


def test_errors_of_what_is_read_from_blocks():
    """No exact couplings of 8 x 8 blocks are known: their errors are compared with the scatter of 40 independent runs.
    Blocks in random order, as if the four grids and consecutive times were independent, do not pass."""
    runs = {"chains": [], "shuffled": [], "exponents": []}
    for r in range(40):
        blocks = rg.sampled(32, 2.27, 1600, 700 + r).blocks
        shuffled = np.random.default_rng(r).permutation(blocks)
        for name, s in (("chains", blocks), ("shuffled", shuffled)):
            read = couplings.pseudolikelihood(ising.local_sums(s, ("nn", "nnn")), 1.0, ("nn", "nnn"), blocks=rg.CHAINS)
            runs[name].append([(*read.values, read.values.sum()), (*read.errors, read.sum_error)])
        step = rg._steps(16, 2.27, 400, 700 + r)[0]
        runs["exponents"].append(np.transpose([step.y_t, step.y_h]))

    def pulls(name):
        values, errors = np.array(runs[name]).swapaxes(0, 1)
        return (values - values.mean(axis=0)) / errors * np.sqrt(40 / 39)

    check(pulls("chains"), rg.CHAINS - 1)
    check(pulls("exponents"), rg.CHAINS - 1)
    assert not covers(pulls("shuffled"), rg.CHAINS - 1)


# ---------------------------------------------------------------- samplers


@pytest.mark.parametrize("method", ["multispin", "swendsen_wang"])
def test_ising_averages(method):
    exact, pulls = Known({"nn": 1.0}).exact(2.4)[0], []
    for r in range(120):
        run = mcmc.measure(chains.Ising(4, 2.4, method=method), 20, np.random.default_rng([10, r]))
        parts = [run.energy(), run.specific_heat(), run.moment("|m|"), run.susceptibility(), run.binder()]
        pulls.append([(value - e) / error for (value, error), e in zip(parts, exact, strict=True)])
    check(pulls, 63 if method == "multispin" else run.replica_means.shape[0] - 1)


def test_xy_averages():
    """Energy, specific heat and helicity against the transfer matrix; vortices around their mean."""
    exact, pulls = xy_exact.exact(4, 0.8929, q=8), []
    for r in range(120):
        run = mcmc.measure(chains.XY(4, 0.8929), 60, np.random.default_rng([11, r]))
        parts = run.energy(), run.specific_heat(), run.helicity(), run.vortex_density()
        pulls.append(parts)
    value, error = np.moveaxis(np.array(pulls), -1, 0)
    truth = np.array([exact.energy, exact.specific_heat, exact.helicity, value[:, 3].mean()])
    check((value - truth) / error, 31)


# ---------------------------------------------------------------- vortices and their transition


def test_area_under_the_curve():
    """Scores whose configurations differ: the squares of one are not independent, the blocks are."""
    rng, pulls, values = np.random.default_rng(12), [], []
    for _ in range(300):
        positive = rng.random((100, 4, 4)) < rng.uniform(0.02, 0.3, (100, 1, 1))
        score = rng.normal(size=positive.shape) + positive + 0.5 * rng.normal(size=(100, 1, 1))

        def area(keep, score=score, positive=positive):
            return vortices.auc(score[keep].ravel(), positive[keep].ravel())

        found = over_blocks(area, owners(100))
        values.append(found.value)
        pulls.append(found)
    truth = stats.norm.cdf(1 / np.sqrt(2 + 2 * 0.25))  # two scores of different configurations
    assert np.mean(values) == pytest.approx(truth, abs=0.003)
    check([(value - np.mean(values)) / error for value, error in pulls], 19)


def test_kosterlitz_thouless_fit():
    T, rng, noise, pulls = np.linspace(0.82, 0.98, 6), np.random.default_rng(13), np.full(6, 2e-3), []
    for _ in range(300):
        curves = {}
        for L in (8, 16, 32):
            at = 2 * 0.89 / np.pi * (1 + 1 / (2 * np.log(L) + 1.2))
            curves[L] = at - (0.7 + 0.1 * np.log(L)) * (T - 0.89) + noise * rng.normal(size=6)
        found = finite_size.kosterlitz_thouless(T, curves, dict.fromkeys(curves, noise))
        pulls.append([(found.T - 0.89) / found.T_error, (found.C - 0.6) / found.C_error])
    check(pulls)


def test_the_errors_cover_and_count_what_networks_share_once():
    """Two equal networks know no more than one: with independent errors the mean square would be near 2."""
    T, exact = 1.25, xy_exact.exact(4, 1.25, q=8)
    found = [
        reweighting.xy_by_surrogate([StandIn(xy.energy)] * 2, {"nn": 0.7}, 4, T, 200, 1000, seed=k, pilot=0)
        for k in range(60)
    ]
    check([(np.array(f.value[:2]) - [exact.energy, exact.helicity]) / f.error[:2] for f in found])
