"""Many-valued block spins: operators, Metropolis and annealing against enumeration, and the two ways to scale T.

Statistical checks have level 0.001 and fixed seeds.
"""

import numpy as np
import pytest
import torch
from scipy import stats

from lib.analysis import blocking, curve_features, finite_size, reweighting
from lib.analysis.couplings import read_moves, try_moves
from lib.analysis.reweighting import Curves
from lib.samplers import population_annealing
from lib.systems import block_spins

NAMES = block_spins.names()


def couplings(seed=0, scale=0.1):
    return scale * np.random.default_rng(seed).normal(size=len(NAMES))


def random_states(n, L, seed=1, n_states=5):
    return np.random.default_rng(seed).integers(0, n_states, (n, L, L)).astype(np.int8)


def enumerate_three(n_states):
    """All states of a 3 x 3 lattice."""
    codes = np.arange(n_states**9)[:, None] // n_states ** np.arange(9) % n_states
    return codes.reshape(-1, 3, 3).astype(np.int8)


def test_operators_by_hand():
    state = np.full((1, 6, 6), 2, np.int8)
    values = dict(zip(NAMES, block_spins.operators(state)[0], strict=True))
    assert values["one 0"] == values["one 1"] == 0 and values["nn odd 00"] == 0 and values["plaquette"] == 0
    state[0, 0, 0] = 4
    state[0, 0, 1] = 0
    state[0, 1, 1] = 3
    values = dict(zip(NAMES, block_spins.operators(state)[0], strict=True))
    assert values["one 0"] == 1 and values["one 1"] == 2  # |S| = 2, 4
    assert values["nn odd 00"] == pytest.approx(1 * -1 + -1 * 0.5)
    assert values["nnn odd 00"] == pytest.approx(1 * 0.5)
    assert values["nn even 01"] == pytest.approx(0.5)  # (0, 1) and (1, 1), symmetrised
    assert values["plaquette"] == 0
    assert block_spins.operators(4 - state) == pytest.approx(block_spins.operators(state))


def test_tables_and_operators_are_the_same_hamiltonian():
    """Changes of ln w seen by the sampler's tables equal those of the operator sums."""
    K = couplings()
    s = random_states(50, 6)
    t = block_spins.tables(K)
    pairs = sum(
        t.pair[k][s, np.roll(s, (-a, -b), (1, 2))].sum((1, 2))
        for k, steps in enumerate(block_spins.NEIGHBOURS.values())
        for a, b in steps
    )
    v = t.values[s]
    squares = (v * np.roll(v, -1, 1) * np.roll(v, -1, 2) * np.roll(v, (-1, -1), (1, 2))).sum((1, 2))
    log_w = t.one[s].sum((1, 2)) + pairs + t.square * squares
    assert log_w == pytest.approx(block_spins.operators(s) @ K)
    assert block_spins.log_weight(s, t) == pytest.approx(log_w)


def chi_square(counts, p):
    expected = p * counts.sum()
    rare = expected < 10
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    return stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1)


@pytest.fixture(scope="module")
def all_states():
    """Every state of 3 x 3 sites with three values (19683), with ln w of a random model."""
    s = enumerate_three(3)
    K = 0.3 * np.random.default_rng(4).normal(size=len(block_spins.names(3)))
    return s, K, block_spins.operators(s, 3) @ K


def test_metropolis_samples_its_distribution(all_states):
    s, K, log_w = all_states
    p = np.exp(log_w - log_w.max())
    p /= p.sum()
    edges = np.quantile(log_w, np.linspace(0, 1, 41)[1:-1])
    exact = np.bincount(np.searchsorted(edges, log_w), weights=p, minlength=len(edges) + 1)
    states = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(states, block_spins.tables(K, 3), np.random.default_rng(2), 60)
    drawn = block_spins.operators(states, 3) @ K
    counts = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    assert chi_square(counts, exact) > 0.001
    wrong = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(wrong, block_spins.tables(1.1 * K, 3), np.random.default_rng(2), 60)
    counts = np.bincount(np.searchsorted(edges, block_spins.operators(wrong, 3) @ K), minlength=len(edges) + 1)
    assert chi_square(counts, exact) < 0.001
    with pytest.raises(ValueError, match="side 3"):
        population_annealing.sweep(random_states(2, 2), block_spins.tables(couplings()), np.random.default_rng(0))


def test_annealing_follows_the_distributions(all_states):
    """From weak to full coupling in three steps: the averages of ln w agree with enumeration within 3.7 errors."""
    s, K, log_w = all_states
    scales = (0.4, 0.7, 1.0)
    start = random_states(20_000, 3, n_states=3)
    population_annealing.sweep(start, block_spins.tables(scales[0] * K, 3), np.random.default_rng(3), 60)
    path = population_annealing.anneal(
        start,
        scales,
        lambda states, a, b: (b - a) * (block_spins.operators(states, 3) @ K),
        lambda scale: block_spins.tables(scale * K, 3),
        np.random.default_rng(5),
        sweeps=2,
        groups=25,
    )
    for scale, states in zip(scales, path, strict=True):
        p = np.exp(scale * (log_w - log_w.max()))
        exact = (p * log_w).sum() / p.sum()
        groups = (block_spins.operators(states, 3) @ K).reshape(25, -1).mean(axis=1)
        assert abs(groups.mean() - exact) < 3.75 * groups.std(ddof=1) / 5  # Student, 24 degrees of freedom


def test_systematic_resampling_keeps_the_weights():
    log_w = np.log(np.array([0.5, 1.5, 3.0, 0.01, 0.99]))
    counts = np.zeros(5)
    rng = np.random.default_rng(6)
    for _ in range(4000):
        counts += np.bincount(population_annealing._resample(log_w, rng), minlength=5)
    assert counts / 4000 == pytest.approx(5 * np.exp(log_w) / np.exp(log_w).sum(), abs=0.03)


class Known:
    """A block-spin model of known couplings in the place of a learned Hamiltonian."""

    T0 = 2.27

    def __init__(self, K):
        self.K = K

    def log_prob(self, states):
        return block_spins.operators(states) @ self.K


def test_couplings_of_a_known_model_come_back():
    K = couplings(8)
    tried = try_moves(
        Known(K), random_states(400, 4), block_spins.operators, NAMES, block_spins.change_one, moves=24, seed=1
    )
    read = read_moves(tried, 1.0)
    assert read.values == pytest.approx(K, abs=1e-8) and read.residual < 1e-8


@pytest.mark.parametrize("keep", [False, True])
def test_scaling_the_temperature_both_ways(keep):
    """At T = 2 T0 against the same model sampled for long, with the weights written out by hand."""
    K = couplings(9, 0.05)
    K[:2] = -1.0, -1.5  # the multiplicities, roughly
    states = random_states(1000, 4, 7)
    population_annealing.sweep(states, block_spins.tables(K), np.random.default_rng(1), 200)
    T = np.array([2.27, 3.2, 4.54])
    curves = reweighting.blocks_by_surrogate(Known(K), states, T, keep, seed=2)
    assert curves.ess == pytest.approx(1, abs=1e-6)  # the surrogate is the model itself
    log_g = np.log([1, 4, 6, 4, 1])
    one = 0.5 * log_g if keep else None
    long = random_states(4000, 4, 8)
    population_annealing.sweep(long, block_spins.tables(0.5 * K, one=one), np.random.default_rng(3), 300)
    _, m = blocking.order(long)
    error = np.hypot(m.std() / np.sqrt(len(m)), curves.errors["abs_m"][2])
    assert abs(curves.values["abs_m"][2] - m.mean()) < 4 * error
    other = random_states(4000, 4, 8)
    population_annealing.sweep(
        other, block_spins.tables(0.5 * K, one=None if keep else 0.5 * log_g), np.random.default_rng(3), 300
    )
    assert abs(curves.values["abs_m"][2] - blocking.order(other)[1].mean()) > 4 * error
    with pytest.raises(ValueError, match="T0 = 2.27"):
        reweighting.blocks_by_surrogate(Known(K), states, [2.0, 3.0], keep, seed=2)


def test_too_small_an_effective_sample_is_not_shown():
    class Far(Known):
        def log_prob(self, states):
            return super().log_prob(states) + 3 * np.sin(37 * states[:, 0].astype(float)).sum(axis=1)

    states = random_states(300, 4, 7)
    curves = reweighting.blocks_by_surrogate(Far(couplings(9, 0.05)), states, [2.27, 2.5], False, seed=2)
    assert curves.ess.max() * 300 < reweighting.ENOUGH
    assert np.isnan(curves.values["abs_m"]).all() and np.isnan(curves.errors["binder"]).all()


def test_order_and_bonds_are_not_exchanged():
    """Stripes have no |m| but bonds; all sums at 1 have |m| = 1/2 and bonds of 1/4. `at_T0` keeps |m| first."""
    stripes = np.tile(np.array([4, 4, 0, 0], np.int8), (2, 4, 1))
    low = np.ones((2, 4, 4), np.int8)
    assert [values[0] for values in blocking.order(stripes)] == pytest.approx([0.5, 0])
    assert [values[0] for values in blocking.order(low)] == pytest.approx([0.25, 0.5])

    class Frozen:
        T0 = 2.27

        def __init__(self, states):
            self.states, self.model = states, self

        def sample(self, n, seed):
            return torch.as_tensor(self.states[:n]), None

        def energy(self, states):
            return 12 * self.T0 * np.arange(len(states))

    found = blocking.at_T0(Frozen(low), stripes, seed=1)
    # energies of 0 and 12 T0: variance 36 T0^2, divided by T0^2 and 16 sites
    assert found.blocks == pytest.approx([0, 0.5, 2.25]) and found.network == pytest.approx([0.5, 0.25, 2.25])


def test_multiplicities_are_those_of_free_spins():
    S = blocking.states(blocking.sums(np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (2000, 4, 4))))
    counts = np.bincount(S.ravel(), minlength=5)
    assert chi_square(counts, blocking.multiplicity() / 16) > 0.001


def binder_curve(T, noise=0.0, seed=0):
    """A cumulant that saturates at 2/3 and passes 0.61 at T = 2.27."""
    width = 0.08
    U = (2 / 3) / (1 + np.exp((T - 2.27) / width + np.log((2 / 3 - 0.61) / 0.61)))
    U = U + noise * np.random.default_rng(seed).normal(size=len(T))
    zero = np.zeros(len(T))
    return Curves(T, {"binder": U}, {"binder": zero + max(noise, 1e-3)}, zero + 1, zero)


def fall(curve):
    return curve_features.fall(curve.T, curve.values["binder"], curve.errors["binder"], 0.61)


def test_the_mark_of_a_transition():
    T = np.round(np.arange(1.9, 2.66, 0.05), 2)
    assert fall(binder_curve(T))[0] == pytest.approx(2.27, abs=0.002)
    found = np.array([fall(binder_curve(T, 0.004, seed)) for seed in range(200)])
    assert found[:, 0].mean() == pytest.approx(2.27, abs=0.003)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.25)  # the error is the scatter
    with pytest.raises(ValueError, match="does not pass"):
        fall(binder_curve(T[T < 2.2]))
    hidden = binder_curve(T)
    hidden.values["binder"][T > 2.31] = np.nan
    with pytest.raises(ValueError, match="too few"):
        fall(hidden)
    assert finite_size.level_temperature([binder_curve(T)] * 2, 0.61).value == pytest.approx(2.27, abs=0.002)
    assert np.isnan(finite_size.level_temperature([binder_curve(T), hidden], 0.61)).all()
