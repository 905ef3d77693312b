"""The chain for a dear energy: exact averages on a lattice that can be enumerated, and repeatable."""

import numpy as np
import pytest

from lib.analysis.reweighting import effective_sample_size
from lib.samplers import delayed_acceptance
from lib.systems import ising

RNG = np.random.default_rng


def excess(s):
    """What the Hamiltonian has beyond 0.8 times the nearest-neighbour energy: the rest of it, and diagonal bonds."""
    return -0.2 * ising.nearest(s) - 0.15 * ising.diagonal(s)


def test_averages_are_those_of_the_whole_hamiltonian():
    """4 x 4, all states: |m| at three temperatures within 4 errors, and far from those of the proposals alone."""
    T = np.array([2.0, 3.0, 5.0])
    run = delayed_acceptance.heat(4, T, RNG(1), excess, 0.8, replicas=60, steps=3200, flips=8)
    s = ising.enumerate_states(4)
    E, m = -0.8 * ising.nearest(s) + excess(s), np.abs(ising.magnetization(s)) / 16
    for k, t in enumerate(T):
        w = np.exp(-(E - E.min()) / t)
        w_proposal = np.exp(0.8 * (ising.nearest(s) - 32) / t)
        exact, proposal = (w * m).sum() / w.sum(), (w_proposal * m).sum() / w_proposal.sum()
        chains = np.abs(run.m[200:, k]).mean(axis=0)
        error = chains.std(ddof=1) / np.sqrt(60)
        assert abs(chains.mean() - exact) < 4 * error < 0.02
        assert abs(proposal - exact) > 10 * error
    assert np.all((run.accepted > 0.3) & (run.accepted < 1))


def test_without_excess_everything_is_accepted():
    run = delayed_acceptance.heat(6, [2.0], RNG(2), lambda s: np.zeros(len(s)), 1.0, replicas=5, steps=20)
    assert run.accepted[0] == pytest.approx(1) and run.m.shape == run.excess.shape == (20, 1, 5)


def test_same_generator_same_chain():
    a, b, c = (delayed_acceptance.heat(4, [2.5], RNG(k), excess, 0.8, replicas=4, steps=30).m for k in (3, 3, 4))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_step_keeps_the_excess_up_to_date():
    spins = (2 * RNG(5).integers(2, size=(8, 6, 6)) - 1).astype(np.int8)
    kept, T, rng = excess(spins), np.full(8, 2.0), RNG(6)
    for _ in range(20):
        delayed_acceptance.step((spins, kept), T, rng, excess, 0.8, flips=5)
    np.testing.assert_allclose(kept, excess(spins))


def test_annealing_gives_averages_and_partition_function():
    """4 x 4, an excess too large to reweight to at once: its mean and the ratio of Z; unweighted, not."""
    signs = RNG(7).choice([-1.0, 1.0], (4, 4))  # a random field, which the proposals do not know

    def far(s):
        return -1.2 * (s * signs).sum((1, 2))

    states, T = ising.enumerate_states(4), 2.5
    log_s = ising.nearest(states) / T
    log_h = log_s - far(states) / T
    p, q = (np.exp(x - np.logaddexp.reduce(x)) for x in (log_s, log_h))
    spins = states[RNG(8).choice(len(states), 20_000, p=p)]
    at_once = far(spins)
    excess, log_w = delayed_acceptance.anneal(spins, T, RNG(9), far, 1.0, 12, flips=8)
    np.testing.assert_allclose(excess, far(spins))
    w = np.exp(log_w - log_w.max())
    average = (w * excess).sum() / w.sum()
    error = np.sqrt((w**2 * (excess - average) ** 2).sum()) / w.sum()
    assert abs(average - q @ far(states)) < 4 * error < 1
    assert abs(excess.mean() - q @ far(states)) > 8 * error
    ratio = np.log(w.mean()) + log_w.max()
    exact = np.logaddexp.reduce(log_h) - np.logaddexp.reduce(log_s)
    assert abs(ratio - exact) < 4 * w.std() / w.mean() / np.sqrt(len(w)) < 0.1
    assert effective_sample_size(log_w) > 1.5 * effective_sample_size(-at_once / T)


@pytest.mark.parametrize("L, T", [(1, [2.0]), (4, [0.0]), (4, [-1.0])])
def test_what_cannot_be_is_refused(L, T):
    with pytest.raises(ValueError):
        delayed_acceptance.heat(L, T, RNG(1), excess, 1.0)
