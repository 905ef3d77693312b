"""The path sampler: detailed balance of both moves, and exact averages. Fixed seeds, significance stated."""

import itertools

import numpy as np
import pytest

from lib.samplers import chains, mcmc, path
from lib.statistics import integrated_time
from lib.systems import double_well as dw
from tests.conftest import refused
from tests.physics.standins import SIGMAS

N, BETA = 12, 9.0
COUPLINGS = dw.couplings(BETA, N)
CHAIN = chains.DoubleWell(COUPLINGS, N)
MATRIX = dw.TransferMatrix(COUPLINGS, N)


def reversible(before, after):
    """Worst |z| of <f(x) g(x') - g(x) f(x')> over pairs of functions; detailed balance makes the averages zero."""
    functions = [
        lambda x: x[:, 0] ** 2,
        lambda x: x[:, 0] * x[:, 1],
        lambda x: np.tanh(x[:, 0]),
        lambda x: x[:, 0] ** 4,
    ]
    functions += [lambda x: x[:, 0] * x[:, 2] * x[:, 1] ** 2, lambda x: np.tanh(x[:, 1])]
    worst = 0.0
    for f, g in itertools.combinations(functions, 2):
        flow = f(before) * g(after) - g(before) * f(after)
        if flow.std() > 0:
            worst = max(worst, abs(flow.mean()) / (flow.std() / np.sqrt(len(flow))))
    return worst


def one_site(paths, couplings, rng):
    """One Metropolis update of site 0 by the sampler's own kernel: a sweep, undone at all other sites."""
    after = paths.copy()
    path.sweep(after, couplings, rng, clusters=False)
    after[:, 1:] = paths[:, 1:]
    return after


def test_detailed_balance_of_a_metropolis_update():
    rng = np.random.default_rng(1)
    paths = mcmc.sample(CHAIN, 100_000, rng).configurations
    assert reversible(paths, one_site(paths, COUPLINGS, rng)) < SIGMAS
    assert reversible(paths, one_site(paths, COUPLINGS._replace(kinetic=1.5 * COUPLINGS.kinetic), rng)) > SIGMAS


def test_detailed_balance_of_the_sign_flips():
    """Flows between all sign patterns of a ring with fixed |x|, estimated from many flips of each; chi^2 of pairs."""
    rng, n_sites, trials = np.random.default_rng(2), 4, 40_000
    size = np.array([0.3, 0.9, 0.5, 1.1])
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=n_sites)))
    weights = np.exp(-dw.action(signs * size, COUPLINGS))

    def chi_square(couplings):
        P = np.zeros((16, 16))
        for k, s in enumerate(signs):
            paths = np.tile(s * size, (trials, 1))
            path.sweep(paths, couplings, rng, local=False)
            assert np.allclose(np.abs(paths), size)
            P[k] = np.bincount((paths < 0) @ (8, 4, 2, 1), minlength=16) / trials
        flow, variance = weights[:, None] * P, weights[:, None] ** 2 * P * (1 - P) / trials
        upper = np.triu_indices(16, 1)
        return ((flow - flow.T)[upper] ** 2 / (variance + variance.T)[upper]).sum()

    limit = 120 + 5 * np.sqrt(2 * 120)  # of chi^2 with as many degrees of freedom as pairs of patterns
    assert chi_square(COUPLINGS) < limit
    assert chi_square(COUPLINGS._replace(kinetic=1.2 * COUPLINGS.kinetic)) > limit


@pytest.mark.parametrize("couplings", [COUPLINGS, dw.Couplings(1.0, 0.5, 0.3)])
def test_averages_are_exact(couplings):
    matrix = dw.TransferMatrix(couplings, N)
    x = mcmc.sample(chains.DoubleWell(couplings, N), 20_000, np.random.default_rng(3)).configurations
    assert x.shape == (20_000, N) and x.dtype == np.float64
    found = {"action": dw.action(x, couplings), "x2": (x**2).mean(1), "kinks": dw.kinks(x).astype(float)}
    exact = {"action": matrix.mean_action, "x2": matrix.x2, "kinks": matrix.mean_kinks()}
    for name, values in found.items():
        error = values.std() / np.sqrt(len(values))
        assert abs(values.mean() - exact[name]) < SIGMAS * error + 1e-3 * (name == "kinks"), name
    wrong = dw.TransferMatrix(couplings._replace(quartic=1.1 * couplings.quartic), N)
    assert abs(found["x2"].mean() - wrong.x2) > SIGMAS * found["x2"].std() / np.sqrt(len(x))


def test_a_sweep_leaves_the_distribution_invariant():
    rng = np.random.default_rng(4)
    before = MATRIX.sample(40_000, rng)
    for clusters in (False, True):
        after = before.copy()
        accepted = path.sweep(after, COUPLINGS, rng, clusters=clusters)
        assert 0.3 < accepted < 0.8
        change = dw.action(after, COUPLINGS) - dw.action(before, COUPLINGS)
        assert abs(change.mean()) < SIGMAS * change.std() / np.sqrt(len(change))
    wrong = before.copy()
    path.sweep(wrong, COUPLINGS._replace(kinetic=1.1 * COUPLINGS.kinetic), rng)
    change = dw.action(wrong, COUPLINGS) - dw.action(before, COUPLINGS)
    assert abs(change.mean()) > SIGMAS * change.std() / np.sqrt(len(change))


def test_sign_flips_make_the_kinks_move():
    tau = []
    for clusters in (False, True):
        chain = chains.DoubleWell(COUPLINGS, N, replicas=16, clusters=clusters)
        _, _, x = mcmc.relax(chain, 4000, np.random.default_rng(5))
        tau.append(integrated_time(x[500:]))
    assert tau[0] > 10 * tau[1]


def test_same_seed_same_paths():
    first, second = (mcmc.sample(CHAIN, 50, np.random.default_rng(6)).configurations for _ in range(2))
    assert np.array_equal(first, second)


def test_refuses_what_has_no_partition_function():
    with refused("positive", kind=ValueError):
        mcmc.sample(chains.DoubleWell(dw.Couplings(-1.0, 1.0, 1.0), N), 5, np.random.default_rng(7))
