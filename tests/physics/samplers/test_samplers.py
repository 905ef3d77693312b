"""The samplers against enumeration and exact energies.

Every statistical check is a test at significance ALPHA with fixed seeds, corrected for the number of comparisons
(Bonferroni), and each is shown to reject a sampler at a wrong temperature.
"""

import itertools

import numpy as np
import pytest
from scipy import stats

from lib.samplers import chains, ising_couplings, mcmc, metropolis, multispin, swendsen_wang
from lib.statistics import integrated_time
from lib.systems import coupling_vector, ising
from tests.conftest import refused
from tests.physics.standins import ALPHA, boltzmann, number, p_value

WRONG = 1.03  # factor on beta of the broken samplers
STATES = ising.enumerate_states(2)
ENERGIES = ising.energy(STATES)


# ---------------------------------------------------------------- one update, exactly


def single_site(beta, site):
    """Transition matrix [16, 16] of one Metropolis update of one site, from `metropolis.acceptance`."""
    P = np.zeros((16, 16))
    for k, s in enumerate(STATES):
        after = s.copy()
        after.flat[site] *= -1
        aligned = int(ising.energy(after[None])[0] - ENERGIES[k]) // 2
        flip = metropolis.acceptance(beta)[aligned // 2 + 2]
        P[k, number(after[None])[0]] += flip
        P[k, k] += 1 - flip
    return P


def cluster_matrix(beta):
    """Transition matrix [16, 16] of a Swendsen-Wang update: sum over all 2^8 bond configurations."""
    bonds = [(2 * i + j, k) for i in (0, 1) for j in (0, 1) for k in (2 * i + 1 - j, 2 * (1 - i) + j)]
    activate = -np.expm1(-2 * beta)
    P = np.zeros((16, 16))
    for k, s in enumerate(STATES.reshape(16, 4)):
        satisfied = [s[a] == s[b] for a, b in bonds]
        for active in itertools.product((0, 1), repeat=8):
            if any(a and not ok for a, ok in zip(active, satisfied, strict=True)):
                continue
            weight = np.prod([activate if a else 1 - activate for a, ok in zip(active, satisfied, strict=True) if ok])
            label = list(range(4))
            for (a, b), on in zip(bonds, active, strict=True):
                if on:
                    label = [label[a] if x == label[b] else x for x in label]
            roots = sorted(set(label))
            for signs in itertools.product((1, -1), repeat=len(roots)):
                after = np.array([[signs[roots.index(x)] for x in label]])
                P[k, number(after)[0]] += weight / 2 ** len(roots)
    return P


@pytest.mark.parametrize("beta", [0.1, 0.44, 1.0])
def test_detailed_balance_by_enumeration(beta):
    p = boltzmann(ENERGIES, beta)
    for P in [single_site(beta, site) for site in range(4)] + [cluster_matrix(beta)]:
        assert np.allclose(P.sum(1), 1, atol=1e-14)
        flow = p[:, None] * P
        assert np.allclose(flow, flow.T, atol=1e-14)
    for P in [single_site(WRONG * beta, 0), cluster_matrix(WRONG * beta)]:
        assert not np.allclose(p[:, None] * P, (p[:, None] * P).T, atol=1e-6)


def checkerboard(beta):
    """Transition matrix of one sweep: sites (0, 0), (1, 1), then (0, 1), (1, 0)."""
    return np.linalg.multi_dot([single_site(beta, site) for site in (0, 3, 1, 2)])


def run_metropolis(start, beta, n, rng):
    spins = np.repeat(start[None], n, axis=0)
    metropolis.sweep(spins, beta, rng)
    return spins


def run_multispin(start, beta, n, rng):
    up = np.where(start > 0, multispin.ONES, np.uint64(0)).astype(np.uint64)
    spins = np.repeat(up[:, :, None], n // 64, axis=2)
    multispin.sweep(spins, beta, rng)
    return multispin.unpack(spins)


def run_cluster(start, beta, n, rng):
    spins = np.repeat(start[None], n, axis=0)
    swendsen_wang.sweep(spins, beta, rng)
    return spins


@pytest.mark.parametrize(
    "run, matrix",
    [(run_metropolis, checkerboard), (run_multispin, checkerboard), (run_cluster, cluster_matrix)],
    ids=["metropolis", "multispin", "swendsen_wang"],
)
def test_one_sweep_from_every_state(run, matrix):
    """The compiled sweeps draw from their exact transition matrices, row by row (16 chi-square tests)."""
    beta, n, rng = 0.3, 64 * 1500, np.random.default_rng(11)

    def smallest(run_beta):
        P = matrix(beta)
        return min(
            p_value(np.bincount(number(run(s, run_beta, n, rng)), minlength=16), P[k]) for k, s in enumerate(STATES)
        )

    assert smallest(beta) > ALPHA / 16
    assert smallest(WRONG * beta) < ALPHA / 16


# ---------------------------------------------------------------- stationary distribution, L = 4


def classes(spins):
    return ising.energy(spins).astype(int) * 100 + ising.magnetization(spins).astype(int)


@pytest.mark.parametrize("method", ["multispin", "swendsen_wang", "ising_couplings"])
@pytest.mark.parametrize("T", [1.5, 2.27, 3.5])
def test_independent_samples_have_the_exact_distribution(method, T):
    """Joint distribution of energy and magnetisation on the 4 x 4 lattice, against all 65536 states."""
    states = ising.enumerate_states(4)
    known, where = np.unique(classes(states), return_inverse=True)
    p = np.bincount(where, weights=boltzmann(ising.energy(states), 1 / T))

    def found(temperature):
        n = 40_000
        s = mcmc.sample(chains.Ising(4, temperature, method=method), n, np.random.default_rng(5)).configurations
        counts = np.bincount(np.searchsorted(known, classes(s)), minlength=len(known))
        return p_value(counts, p)

    assert found(T) > ALPHA / 9
    assert found(T / WRONG) < ALPHA / 9


def rectangles(rows, columns):
    """All states, int8 [2^N, rows, columns]."""
    n_sites = rows * columns
    return (
        (1 - 2 * (np.arange(2**n_sites)[:, None] >> np.arange(n_sites) & 1)).astype(np.int8).reshape(-1, rows, columns)
    )


@pytest.mark.parametrize("L", [3, 4, (3, 5), (5, 3)])
def test_further_couplings_against_enumeration(L):
    couplings = {"nn": 0.7, "nnn": 0.2, "third": -0.15, "plaquette": 0.3, "field": 0.02}
    states, T = ising.enumerate_states(L) if np.ndim(L) == 0 else rectangles(*L), 2.0
    O = ising.operators(states)  # noqa: E741
    p = boltzmann(-O @ coupling_vector(couplings, ising.OPERATORS), 1 / T)
    exact = p @ O

    def worst(temperature):
        n = 50_000
        chain = chains.Ising(L, temperature, couplings=couplings)
        assert chain.method == "ising_couplings"
        o = ising.operators(mcmc.sample(chain, n, np.random.default_rng(7)).configurations)
        return np.abs((o.mean(0) - exact) / (o.std(0) / np.sqrt(n))).max()

    limit = stats.norm.isf(ALPHA / 2 / 10)
    assert worst(T) < limit < worst(T / WRONG)


def test_further_couplings_are_in_detailed_balance():
    """The tabulated probabilities satisfy p(s) w(s -> s') = p(s') w(s' -> s) for every local environment."""
    J, beta = np.array([0.7, 0.2, -0.15, 0.3, 0.1]), 0.5
    accept = (ising_couplings._thresholds(J, beta) + 1.0) / 2**32
    f = np.stack(np.meshgrid(*[np.arange(-4, 5, 2)] * 4, indexing="ij"), -1).reshape(-1, 4)
    # flipping the site changes the sign of s f: entry (s, f) goes to (-s, -f)
    delta = 2 * (f @ J[:4] + J[4])
    assert np.allclose(accept[625:] / accept[:625][::-1], np.exp(-beta * delta), rtol=1e-6)


# ---------------------------------------------------------------- energies against Kaufman

CASES = [(L, T) for L in (8, 16, 32) for T in (2.0, 2.27, 2.6)]
LIMIT = stats.norm.isf(ALPHA / 2 / len(CASES))


@pytest.mark.parametrize("L, T", CASES)
def test_measured_energies(L, T):
    def z(temperature):
        m = mcmc.measure(chains.Ising(L, temperature), 40_000 // L, np.random.default_rng(L))
        assert m.configurations >= 2048
        value, error = m.moment("E")
        return abs(value - ising.exact(L, T).energy) / error

    assert z(T) < LIMIT
    assert z(T / 1.002) > LIMIT


@pytest.mark.parametrize("sweep", [metropolis.sweep, swendsen_wang.sweep], ids=["metropolis", "swendsen_wang"])
def test_scalar_sampler_energies(sweep):
    L, T, n = 8, 2.27, 400

    def z(beta):
        rng = np.random.default_rng(3)
        spins, energies = np.ones((n, L, L), np.int8), []
        for step in range(160):
            sweep(spins, beta, rng)
            if step >= 60:
                energies.append(ising.energy(spins))
        chains = np.mean(energies, axis=0)
        return abs(chains.mean() - ising.exact(L, T).energy) / (chains.std() / np.sqrt(n))

    limit = stats.norm.isf(ALPHA / 2 / 2)
    assert z(1 / T) < limit < z(WRONG / T)


def test_measured_moments():
    m, exact = mcmc.measure(chains.Ising(4, 2.5), 20_000, np.random.default_rng(8)), ising.enumerated(4, 2.5)
    limit = stats.norm.isf(ALPHA / 2 / 6)
    means = [exact.energy, exact.specific_heat * 2.5**2 + exact.energy**2, exact.abs_m, exact.m2, exact.m4]
    value, error = np.transpose([m.moment(name) for name in m.names])
    assert np.all(np.abs(value - means) < limit * error)
    value, error = m.binder()
    assert abs(value - exact.binder) < limit * error
    value, error = m.specific_heat()
    assert abs(value - exact.specific_heat / 16) < limit * error


# ---------------------------------------------------------------- driver


@pytest.mark.parametrize("T", [1.5, 2.27, 3.5])
def test_configurations_are_independent_and_z2_symmetric(T):
    n, L = 50_000, 16
    x = mcmc.sample(chains.Ising(L, T), n, np.random.default_rng(9))
    s, exact = x.configurations, ising.exact(L, T)
    assert s.shape == (n, L, L) and s.dtype == np.int8 and np.all(np.abs(s) == 1)
    assert x.thinning >= 3 * x.tau_int >= 1.5 and x.discarded >= 20 * x.tau_int
    e, m = ising.energy(s), ising.magnetization(s)
    limit = stats.norm.isf(ALPHA / 2 / 9)
    # the error of independent draws is exact: sqrt(C T^2 / n)
    assert abs(e.mean() - exact.energy) < limit * np.sqrt(exact.specific_heat * T**2 / n)
    assert abs(m.mean()) < limit * m.std() / np.sqrt(n)
    neighbours = np.corrcoef(e[1:], e[:-1])[0, 1]
    assert abs(neighbours) < limit / np.sqrt(n)


def test_thinning_leaves_little_correlation():
    rng = np.random.default_rng(10)
    L, T = 16, 2.27
    thinning = mcmc.sample(chains.Ising(L, T), 1000, rng).thinning
    spins, series = multispin.cold_start(L, 8, rng), []
    multispin.sweep(spins, 1 / T, rng, 1000)
    for _ in range(60):
        multispin.sweep(spins, 1 / T, rng, thinning)
        series.append(np.abs(multispin.observe(spins)[1]))
    assert integrated_time(series) < 0.6  # 1/2 for independent values


def test_same_seed_same_configurations():
    a, b = (mcmc.sample(chains.Ising(8, 2.27), 3000, np.random.default_rng(1)).configurations for _ in range(2))
    assert np.array_equal(a, b)


def test_integrated_time_of_a_known_process():
    rng, a = np.random.default_rng(12), 0.9
    x = np.zeros((4000, 50))
    for t in range(1, len(x)):
        x[t] = a * x[t - 1] + rng.normal(size=50)
    assert integrated_time(x[200:]) == pytest.approx(0.5 + a / (1 - a), rel=0.05)
    assert integrated_time(np.full((10, 3), 2.0)) == 0.5


def test_replicas_of_a_word_are_independent():
    """Replicas share a word and one rare random decision; their energies must not be correlated."""
    rng = np.random.default_rng(13)
    spins, e = multispin.cold_start(8, 8, rng), []
    multispin.sweep(spins, 1 / 2.27, rng, 200)
    for _ in range(2000):
        multispin.sweep(spins, 1 / 2.27, rng, 10)
        e.append(multispin.observe(spins)[0])
    e = np.array(e, dtype=float)
    # the mean over replicas fluctuates as for independent ones: ratio 1, over all and within words
    independent = e.var(axis=0).mean()
    n = len(e)
    spread = e.mean(axis=1).var() * e.shape[1] / independent
    within = e.reshape(n, 8, 64).mean(axis=2).var(axis=0).mean() * 64 / independent
    assert abs(spread - 1) < stats.norm.isf(ALPHA / 4) * np.sqrt(2 / n) * 1.2
    assert abs(within - 1) < stats.norm.isf(ALPHA / 4) * np.sqrt(2 / n / 8) * 1.2


@pytest.mark.parametrize("arguments, name", [
    ({"T": 0.0}, "T"), ({"T": -1.0}, "T"), ({"L": 7}, "L"), ({"L": 1}, "L"),
    ({"method": "wolf"}, "method"), ({"couplings": {"nnm": 1.0}}, "unknown coupling"),
    ({"couplings": {"nn": 1, "field": 1}, "method": "multispin"}, "method"),
])  # fmt: skip
def test_what_has_no_chain_is_named_in_one_line(arguments, name):
    with refused(name, kind=ValueError):
        chains.Ising(**{"L": 8, "T": 2.0} | arguments)


@pytest.mark.parametrize("call", [
    lambda chain, rng: mcmc.sample(chain, 0, rng), lambda chain, rng: mcmc.sample(chain, 2.5, rng),
    lambda chain, rng: mcmc.sample(chain, 10, rng, spacing=0), lambda chain, rng: mcmc.measure(chain, 0, rng),
    lambda chain, rng: mcmc.record(chain, 0, rng),
])  # fmt: skip
@pytest.mark.parametrize("chain", [chains.Ising(8, 2.0), chains.XY(8, 1.0)], ids=["ising", "xy"])
def test_what_cannot_be_drawn_is_refused(chain, call):
    with pytest.raises(ValueError) as error:
        call(chain, np.random.default_rng(1))
    assert str(error.value).split()[0] in ("n", "n_sweeps", "spacing", "length") and "\n" not in str(error.value)


def test_odd_sides_are_refused_by_checkerboards():
    rng = np.random.default_rng(1)
    for call in (
        lambda: metropolis.sweep(np.ones((1, 5, 5), np.int8), 0.4, rng),
        lambda: multispin.sweep(np.zeros((5, 5, 8), np.uint64), 0.4, rng),
        lambda: chains.Ising(5, 2.0),
    ):
        with pytest.raises(ValueError, match="L = 5.*even"):
            call()
