"""Couplings, reweighting, phase structure and comparisons, on Hamiltonians whose every average is known by enumeration.

`Known` stands in for a network: an exactly normalised ln p of given couplings on the 4 x 4 lattice. Statistical checks
use fixed seeds and the significance ALPHA, divided by the number of comparisons.
"""

import numpy as np
import pytest
from scipy import stats

from lib import lattice
from lib.analysis import couplings, curve_features, finite_size, reweighting
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare, symmetry_violation
from lib.studies import ising as study
from lib.studies.sources import Spins
from lib.studies.task import Task, learn, learn_all, replicas
from lib.systems import ising

ALPHA = 0.001
STATES = ising.enumerate_states(4)
NEAR = {"nn": 1.02, "nnn": 0.03, "third": -0.01, "plaquette": 0.02}
T0 = 2.4


class Known:
    """H(s) = -sum_a J_a O_a(s) at temperature T0, normalised by enumeration."""

    def __init__(self, J, T0=T0):
        self.J, self.T0 = dict(J), T0
        log_w = -self._H(STATES) / T0
        self.log_z = np.logaddexp.reduce(log_w)

    def _H(self, s):
        return -ising.operators(s, tuple(self.J)) @ np.array(list(self.J.values()))

    def log_prob(self, s):
        return -self._H(s) / self.T0 - self.log_z

    def energy(self, s):
        return -self.T0 * self.log_prob(s)

    def exact(self, T):
        """ISING and ln Z_theta at temperature T."""
        H, E, m = self.energy(STATES), ising.energy(STATES), np.abs(ising.magnetization(STATES)) / 16
        log_z = np.logaddexp.reduce(-H / T)
        p = np.exp(-H / T - log_z)
        C = (p @ H**2 - (p @ H) ** 2) / (16 * T**2)
        m1, m2, m4 = p @ m, p @ m**2, p @ m**4
        return np.array([p @ E / 16, C, m1, 16 * (m2 - m1**2) / T, 1 - m4 / (3 * m2**2)]), log_z

    def draw(self, n, seed):
        return STATES[np.random.default_rng(seed).choice(len(STATES), n, p=np.exp(self.log_prob(STATES)))]


# Divergence -------------------------------------------------------------------------------------------------


def test_kl_against_enumeration():
    p, q = Known({"nn": 1.0}), Known(NEAR)
    exact = np.exp(p.log_prob(STATES)) @ (p.log_prob(STATES) - q.log_prob(STATES))
    s = p.draw(4000, 2)
    found = kl_divergence(p.log_prob(s), q.log_prob(s))
    assert abs(found.value - exact) < stats.norm.isf(ALPHA / 2) * found.error
    d = p.log_prob(s) - q.log_prob(s)
    assert found.error < 0.7 * d.std() / np.sqrt(len(d))  # the control variate pays
    # an unnormalised "model" is off by its normalisation, and caught
    wrong = kl_divergence(p.log_prob(s), q.log_prob(s) + 0.05)
    assert abs(wrong.value - exact) > stats.norm.isf(ALPHA / 2) * wrong.error
    assert kl_divergence(p.log_prob(s), p.log_prob(s)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        kl_divergence([0.0, np.nan], [0.0, 0.0])


# Couplings --------------------------------------------------------------------------------------------------


def test_kl_of_a_distribution_far_away_is_the_plain_average():
    """p and q normal with unit variance and means 8 apart: KL = 32; exp(-d) has no effective sample at all."""
    x = np.random.default_rng(3).normal(size=4000)
    log_p, log_q = -(x**2) / 2, -((x - 8) ** 2) / 2
    far = kl_divergence(log_p, log_q)
    assert abs(far.value - 32) < 4 * far.error and far.error == pytest.approx(8 / np.sqrt(4000), rel=0.1)
    near = kl_divergence(log_p, -((x - 0.3) ** 2) / 2)
    assert abs(near.value - 0.045) < 4 * near.error and near.error < 0.5 * 0.3 / np.sqrt(4000)


def test_couplings_of_a_known_hamiltonian_come_back_exactly():
    J = NEAR | {"field": 0.05}
    h = Known(J)
    names = tuple(J)
    read = couplings.read_network(h, h.draw(500, 3), {name: ising.OPERATORS[name] for name in names}, ising.flip_one)
    np.testing.assert_allclose(read.values, list(J.values()), atol=1e-9)
    assert read.residual < 1e-9 and read.errors.max() < 1e-9
    # with operators missing, the residual says so
    partial = couplings.read_network(h, h.draw(500, 3), {"nn": ising.nearest}, ising.flip_one)
    assert partial.residual > 0.05


def test_pseudolikelihood_is_unbiased_and_above_the_bound():
    h, n, names = Known({"nn": 1.0}), 20_000, ("nn", "nnn", "plaquette")
    s = h.draw(n, 4)
    found = couplings.pseudolikelihood(ising.local_sums(s, names), T0, names)
    z = (found.values - [1, 0, 0]) / found.errors
    limit = stats.t.isf(ALPHA / 2 / 3, 19)
    assert np.abs(z).max() < limit
    bound = couplings.cramer_rao(ising.operators(s, names), T0, n)
    assert (found.errors > 0.6 * bound).all()  # jackknife errors scatter by 1 / sqrt(2 * 19) = 16 %
    # a sample at another temperature is told apart
    other = couplings.pseudolikelihood(ising.local_sums(s, names), 1.1 * T0, names)
    assert abs(other.values[0] - 1) > limit * other.errors[0]


def test_cramer_rao_of_one_coupling():
    """dJ / J = 1 / sqrt(n N C), with the exact specific heat."""
    h, n = Known({"nn": 1.0}), 10_000
    C = ising.exact(4, T0).specific_heat
    weights = np.exp(h.log_prob(STATES))
    s = STATES[np.random.default_rng(6).choice(len(STATES), 200_000, p=weights)]
    assert couplings.cramer_rao(ising.operators(s, ("nn",)), T0, n)[0] == pytest.approx(1 / np.sqrt(n * C), rel=0.02)


def test_operators_that_cannot_be_told_apart_have_no_values():
    h = Known({"nn": 1.0})
    twice = {"nn": ising.nearest, "again": ising.nearest}
    read = couplings.read_network(h, h.draw(50, 1), twice, ising.flip_one)
    assert np.isnan(read.values).all() and np.isnan(read.errors).all()
    frozen = np.ones((200, 4, 4), np.int8)
    for read in (
        couplings.read_network(h, frozen, ising.OPERATORS, ising.flip_one),
        couplings.pseudolikelihood(ising.local_sums(frozen), T0, tuple(ising.OPERATORS)),
    ):
        assert np.isnan(read.values).all() and np.isnan(read.errors).all() and np.isnan(read.sum_error)
    assert np.isinf(couplings.cramer_rao(ising.operators(frozen), T0, 200)).all()


# Reweighting ------------------------------------------------------------------------------------------------


def test_reweighting_with_and_without_control():
    base, target = Known({"nn": 1.0}), Known(NEAR)
    s = base.draw(5000, 7)
    log_w = target.log_prob(s) - base.log_prob(s)
    E = np.stack([ising.energy(s), np.abs(ising.magnetization(s))], 1)
    p, q = np.exp(target.log_prob(STATES)), np.exp(base.log_prob(STATES))
    everything = np.stack([ising.energy(STATES), np.abs(ising.magnetization(STATES))], 1)
    plain = reweighting.reweight(E, log_w)
    control = reweighting.Control(q @ everything, E, np.zeros(len(s)))
    better = reweighting.reweight(E, log_w, control=control)
    limit = stats.norm.isf(ALPHA / 2 / 4)
    for estimate in (plain, better):
        assert (np.abs(estimate.value - p @ everything) < limit * estimate.error).all()
        assert estimate.ess == pytest.approx(reweighting.effective_sample_size(log_w))
    assert (better.error < 0.6 * plain.error).all()
    assert not (np.abs(reweighting.reweight(E, 0 * log_w).value - p @ everything) < limit * plain.error).all()
    assert reweighting.log_mean_weight(log_w) == pytest.approx(0, abs=5 * log_w.std() / np.sqrt(len(s)))
    with pytest.raises(ValueError, match="not finite"):
        reweighting.reweight(E, np.where(np.arange(len(s)) == 3, -np.inf, log_w))
    with pytest.raises(ValueError, match="weights"):
        reweighting.reweight(E, log_w[:-1])


def test_effective_sample_size_limits():
    assert reweighting.effective_sample_size(np.zeros(100)) == 1
    assert reweighting.effective_sample_size(np.array([0.0] + [-1e3] * 99)) == pytest.approx(0.01)


def test_phase_structure_by_surrogate():
    """Five quantities at seven temperatures, and ln Z, against all states; the Hamiltonian is not the surrogate."""
    T = np.array([1.5, 1.9, 2.2, T0, 2.7, 3.1, 3.5])
    h = Known(NEAR)
    curves = reweighting.ising_by_surrogate(h, 4, T, 2000, 1)
    exact = [h.exact(t) for t in T]
    values = np.array([curves.values[name] for name in reweighting.ISING]).T
    errors = np.array([curves.errors[name] for name in reweighting.ISING]).T
    z = (values - np.array([e[0] for e in exact])) / errors
    limit = stats.norm.isf(ALPHA / 2 / z.size)
    assert np.abs(z).max() < limit
    np.testing.assert_allclose(curves.log_z, [e[1] for e in exact], atol=0.02)
    assert curves.log_z[3] == 0 and curves.ess.min() > 0.8
    # a surrogate alone, unweighted, is not the answer, and fails the same test
    wrong = np.array([Known({"nn": 1.05}).exact(t)[0] for t in T])
    assert np.abs((values - wrong) / errors).max() > limit


def test_phase_structure_by_reweighting_and_direct():
    h = Known({"nn": 1.0})

    class Model:
        @staticmethod
        def sample(n, seed):
            import torch

            return torch.as_tensor(h.draw(n, seed)), None

    h.model = Model
    T = np.array([2.2, T0, 2.6])
    limit = stats.norm.isf(ALPHA / 2 / 30)
    exact = np.array([h.exact(t)[0] for t in T])
    for curves in (reweighting.ising_from_T0(h, T, 20_000, 3), reweighting.ising_direct(4, T, 2000, 4)):
        values = np.array([curves.values[name] for name in reweighting.ISING]).T
        errors = np.array([curves.errors[name] for name in reweighting.ISING]).T
        assert (np.abs(values - exact) < limit * errors).all()
    np.testing.assert_allclose(reweighting.ising_from_T0(h, T, 20_000, 3).log_z, [h.exact(t)[1] for t in T], atol=0.05)


def test_peak_and_crossing():
    T = np.linspace(2.0, 2.6, 13)
    height = 1.5 - 20 * (T - 2.31) ** 2 + 8 * (T - 2.31) ** 3
    position, error = curve_features.peak(T, height, np.full(13, 0.01), (2.1, 2.5))
    assert position == pytest.approx(2.31, abs=1e-9) and 0 < error < 0.01
    with pytest.raises(ValueError, match="no maximum inside"):
        curve_features.peak(T, T, np.full(13, 0.01), (2.1, 2.5))
    with pytest.raises(ValueError, match="at least 6"):
        curve_features.peak(T, height, np.full(13, 0.01), (2.3, 2.4))
    error = np.full(13, 0.01)
    assert curve_features.crossing(T, 0.61 - (T - 2.27), 0.61 - 2 * (T - 2.27), error).value == pytest.approx(2.27)
    with pytest.raises(ValueError, match="do not cross"):
        curve_features.crossing(T, 0.6 - T, 0.5 - T, error)


def test_a_feature_that_one_network_does_not_have_is_nan():
    T, error = np.linspace(2.0, 2.6, 13), np.full(13, 0.01)
    height = 1.5 - 20 * (T - 2.31) ** 2

    def curves(name, *heights):
        return [reweighting.Curves(T, {name: y}, {name: error}, None, None) for y in heights]

    assert finite_size.peak_temperature(curves("specific_heat", height, height), (2.1, 2.5)).value == pytest.approx(
        2.31
    )
    assert np.isnan(finite_size.peak_temperature(curves("specific_heat", height, T), (2.1, 2.5))).all()
    assert np.isnan(finite_size.peak_temperature(curves("specific_heat", T), (2.1, 2.5))).all()  # one network alone
    small, large = curves("binder", 0.6 - T, 0.61 - (T - 2.27)), curves("binder", 0.5 - T, 0.61 - 2 * (T - 2.27))
    found = finite_size.crossing_temperatures(small, large)
    assert np.isnan(found.value[0]) and found.value[1] == pytest.approx(2.27)


# Is it the Hamiltonian? -------------------------------------------------------------------------------------


def test_comparison():
    rng = np.random.default_rng(8)
    E = 40 * rng.normal(size=4000)
    same = compare(E + 7, E)
    assert (same.slope, same.residual, same.pearson) == pytest.approx((1, 0, 1), abs=1e-12)
    noisy = compare(1.01 * E + rng.normal(size=4000), E)
    assert abs(noisy.slope - 1.01) < 4 * noisy.slope_error and noisy.residual == pytest.approx(1, rel=0.05)
    bent = compare(E + 0.5 * 2e-4 * (E - E.mean()) ** 2, E)
    assert bent.curvature == pytest.approx(2e-4, rel=1e-6) and bent.pearson > 0.999
    with pytest.raises(ValueError, match="at least 10"):
        compare(E[:5], E[:5])


def test_symmetry_violation():
    s = STATES[::97]
    even, odd = Known(NEAR), Known(NEAR | {"field": 0.1})
    assert symmetry_violation(even, s, [lambda s: -s])[0] < 1e-10
    largest, rms = symmetry_violation(odd, s, [lambda s: -s])
    assert largest == pytest.approx(0.2 * np.abs(ising.magnetization(s)).max()) and 0 < rms < largest


# Learning ---------------------------------------------------------------------------------------------------


def test_a_task_determines_its_outcome():
    task = Task("frontier", Spins(4, 2.27), 2000, 40, 5)
    a, b, c = (
        learn(task),
        learn(task),
        learn(Task("frontier", Spins(4, 2.27), 2000, 40, 6)),
    )
    s = STATES[:50]
    assert np.array_equal(a.hamiltonian.energy(s), b.hamiltonian.energy(s)) and a.kl == b.kl
    assert not np.array_equal(a.hamiltonian.energy(s), c.hamiltonian.energy(s))
    with pytest.raises(ValueError, match="network = 'mad': choose from"):
        Task("mad", Spins(4, 2.27), 2000, 40, 5)


def test_side_by_side_equals_one_by_one():
    tasks = {
        "a": replicas("linear", Spins(4, 2.27), 1000, 20, 2, 1),
        "b": [Task("made", Spins(4, 3.0), 1000, 10, 9)],
    }
    together = learn_all(tasks)
    for name, group in tasks.items():
        for task, learned in zip(group, together[name], strict=True):
            assert learned.task == task and learned.kl == learn(task).kl


def test_a_trained_network_is_close_and_its_average_closer():
    """KL by enumeration, for the network and for p averaged over 16 symmetries; the latter is exactly symmetric."""
    task = Task("frontier", Spins(4, 2.6), 20_000, 400, 1)
    learned = learn(task)
    average = study.symmetrised(learned.hamiltonian)
    exact = Spins(4, 2.6).log_prob(STATES)
    assert np.logaddexp.reduce(exact) == pytest.approx(0, abs=1e-10)

    def kl(h):
        log_q = h.log_prob(STATES)
        assert np.logaddexp.reduce(log_q) == pytest.approx(0, abs=1e-5)  # float32 weights
        return np.exp(exact) @ (exact - log_q)

    assert kl(average) < kl(learned.hamiltonian) < 0.03
    assert abs(learned.kl.value - kl(learned.hamiltonian)) < 4 * learned.kl.error
    images = [lattice.Element(point, (2, 2)) for point in range(8)] + [lambda s: -s]
    assert symmetry_violation(average, STATES[::301], images)[0] < 1e-4
    assert symmetry_violation(average, STATES[::301], [lattice.Element(0, (0, 1))])[0] > 1e-3
