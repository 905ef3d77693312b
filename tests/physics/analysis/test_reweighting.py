"""Averages at other temperatures: weights, surrogates and direct Monte Carlo against enumeration."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis import reweighting
from lib.systems import ising, xy, xy_exact
from tests.physics.standins import ALPHA, NEAR, STATES, T0, Known, StandIn


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


def test_a_network_far_from_any_surrogate_is_annealed():
    """A random field on top of the Ising model: plain weights leave few samples, annealed ones more."""
    signs = np.random.default_rng(5).choice([-1.0, 1.0], (4, 4))
    h = Known({"nn": 1.0})
    exact_h = h.log_prob

    def in_field(s):
        return exact_h(s) + 1.2 * (s * signs).sum((1, 2)) / T0 - shift

    shift = 0.0
    shift = np.logaddexp.reduce(in_field(STATES))
    h.log_prob = in_field
    T = np.array([1.9, T0, 3.1])
    plain, annealed = (reweighting.ising_by_surrogate(h, 4, T, 2000, 1, anneal=steps) for steps in (0, 30))
    exact = [h.exact(t) for t in T]
    values, errors = (np.array([x[name] for name in reweighting.ISING]).T for x in (annealed.values, annealed.errors))
    z = (values - np.array([e[0] for e in exact])) / errors
    assert np.abs(z).max() < stats.norm.isf(ALPHA / 2 / z.size)
    np.testing.assert_allclose(annealed.log_z, [e[1] for e in exact], atol=0.15)
    assert (annealed.ess > 1.3 * plain.ess).all()
    without = np.array([Known({"nn": 1.0}).exact(t)[0] for t in T])  # the field left out fails the same test
    assert np.abs((values - without) / errors).max() > 8


def test_phase_structure_by_reweighting_and_direct():
    h = Known({"nn": 1.0})
    T = np.array([2.2, T0, 2.6])
    limit = stats.norm.isf(ALPHA / 2 / 30)
    exact = np.array([h.exact(t)[0] for t in T])
    for curves in (reweighting.ising_from_T0(h, T, 20_000, 3), reweighting.ising_direct(4, T, 2000, 4)):
        values = np.array([curves.values[name] for name in reweighting.ISING]).T
        errors = np.array([curves.errors[name] for name in reweighting.ISING]).T
        assert (np.abs(values - exact) < limit * errors).all()
    np.testing.assert_allclose(reweighting.ising_from_T0(h, T, 20_000, 3).log_z, [h.exact(t)[1] for t in T], atol=0.05)


def test_surrogate_and_weights_give_the_exact_lattice():
    """A wrong surrogate, reweighted to the exact Hamiltonian, at a temperature that is not T0; 4 sigma."""
    T = 1.25
    exact = xy_exact.exact(4, T, q=8)
    wrong = {"nn": 0.93, "nnn": 0.03}
    found = reweighting.xy_by_surrogate([StandIn(xy.energy)] * 2, wrong, 4, T, 4000, 4000, seed=2, pilot=0)
    assert 0.8 < found.ess < 1
    for k, value in enumerate((exact.energy, exact.helicity)):
        assert abs(found.value[k] - value) < 4 * found.error[k]
    adapted = reweighting.xy_by_surrogate([StandIn(xy.energy)], wrong, 4, T, 400, 400, seed=2)
    assert adapted.ess == pytest.approx(1)  # the right couplings are found
    bare = reweighting.xy_direct(4, [T], 4000, 2, {"nn": 0.93, "nnn": 0.03})
    assert abs(bare.values["energy"][0] - exact.energy) > 4 * bare.errors["energy"][0]
