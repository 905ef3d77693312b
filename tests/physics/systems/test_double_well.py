"""The double well against direct integration, a finer grid, and the numbers of its own exact sampler."""

import numpy as np
import pytest

from lib.systems import double_well as dw
from tests.conftest import refused
from tests.physics.standins import SIGMAS

N, BETA = 16, 12.0
COUPLINGS = dw.couplings(BETA, N)
MATRIX = dw.TransferMatrix(COUPLINGS, N)
PATHS = MATRIX.sample(20_000, np.random.default_rng(1))


def grid(n_sites, points=71, limit=3.5):
    """All paths [points^n, n] on an equidistant grid, and the volume of a cell."""
    x = np.linspace(-limit, limit, points)
    return np.stack(np.meshgrid(*[x] * n_sites, indexing="ij"), -1).reshape(-1, n_sites), (x[1] - x[0]) ** n_sites


def agrees(values, exact, sigmas=SIGMAS):
    return abs(values.mean() - exact) <= sigmas * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("n_sites", [2, 3])
def test_transfer_matrix_against_direct_integration(n_sites):
    couplings = dw.Couplings(0.9, -5.0, 2.1, 0.7)
    paths, cell = grid(n_sites)
    weights = np.exp(-dw.action(paths, couplings)) * cell
    matrix = dw.TransferMatrix(couplings, n_sites)
    assert np.isclose(matrix.log_z, np.log(weights.sum()), atol=1e-9)
    p = weights / weights.sum()
    assert np.isclose(matrix.x2, p @ paths[:, 0] ** 2, atol=1e-9)
    assert np.isclose(matrix.mean_action, p @ dw.action(paths, couplings), atol=1e-8)
    assert np.isclose(matrix.correlator()[1], p @ (paths[:, 0] * paths[:, 1]), atol=1e-9)
    # a kinetic term that counts every bond twice, the easiest mistake on a ring of two sites, would be seen
    wrong = dw.TransferMatrix(couplings._replace(kinetic=2 * 0.9), n_sites)
    assert abs(wrong.log_z - matrix.log_z) > 0.01


@pytest.mark.parametrize("beta, n_sites", [(20.0, 64), (80.0, 64), (20.0, 128), (80.0, 800)])
def test_transfer_matrix_against_a_finer_grid(beta, n_sites):
    coarse = dw.TransferMatrix(dw.couplings(beta, n_sites), n_sites)
    fine = dw.TransferMatrix(dw.couplings(beta, n_sites), n_sites, points=701, limit=4.4)
    for name in ("log_z", "x2", "mean_action"):
        assert np.isclose(getattr(coarse, name), getattr(fine, name), rtol=1e-9, atol=1e-9), name
    assert np.isclose(coarse.gap(beta / n_sites), fine.gap(beta / n_sites), rtol=1e-8)
    assert np.allclose(coarse.correlator(), fine.correlator(), atol=1e-9)
    assert np.isclose(coarse.mean_kinks(), fine.mean_kinks(), rtol=1e-3)


def test_gap_reaches_the_continuum():
    gap = dw.continuum_gap(401)
    assert np.isclose(gap, 0.108171, atol=1e-6)
    distances = [abs(dw.TransferMatrix(dw.couplings(40, n), n).gap(40 / n) / gap - 1) for n in (200, 400, 800)]
    assert distances[2] < 0.003 and distances[0] > 3 * distances[1] > 9 * distances[2]  # quadratic in a


def test_parts_and_gradient():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(5, N))
    kinetic, potential = dw.parts(x)
    for beta in (3.0, BETA):
        assert np.allclose(kinetic / beta + beta * potential, dw.action(x, dw.couplings(beta, N)), rtol=1e-12)
    direction, small = rng.normal(size=N), 1e-5
    difference = dw.action(x + small * direction, COUPLINGS) - dw.action(x - small * direction, COUPLINGS)
    assert np.allclose(difference / (2 * small), dw.gradient(x, COUPLINGS) @ direction, rtol=1e-6)


def test_exact_sampler_and_exact_averages():
    kinetic, potential = dw.parts(PATHS)
    mean_kinetic, mean_potential = MATRIX.mean_parts()
    assert agrees(dw.action(PATHS, COUPLINGS), MATRIX.mean_action)
    assert agrees(kinetic, mean_kinetic) and agrees(potential, mean_potential)
    assert agrees((PATHS**2).mean(1), MATRIX.x2)
    assert np.isclose(mean_kinetic / BETA + BETA * mean_potential, MATRIX.mean_action)
    for t, exact in enumerate(MATRIX.correlator()):
        assert agrees((PATHS * np.roll(PATHS, t, 1)).mean(1), exact)
    other = dw.TransferMatrix(dw.couplings(1.2 * BETA, N), N)
    assert not agrees((PATHS**2).mean(1), other.x2)


def test_log_prob_is_normalised():
    """<exp(-d)> = 1 for d = ln p - ln q: two exact distributions close to each other, on paths of one of them."""
    other = dw.TransferMatrix(dw.Couplings(*(1.02 * np.array(COUPLINGS))), N)
    ratio = np.exp(other.log_prob(PATHS) - MATRIX.log_prob(PATHS))
    assert agrees(ratio, 1.0)
    assert not agrees(ratio * np.exp(0.01), 1.0)


def test_kinks():
    path = np.array([[1.0, 1.0, -1.0, -1.0, 0.3, -1.0, 1.0, 1.0], [1.0] * 8, [-0.2, 0.2] * 4])
    assert dw.kinks(path).tolist() == [4, 0, 8]
    assert dw.kinks(path, 0.5).tolist() == [2, 0, 0]
    for threshold in (0.0, 0.7):
        counts, p = dw.kinks(PATHS, threshold), MATRIX.kink_distribution(threshold)
        number = 2 * np.arange(len(p))
        assert np.isclose(p.sum(), 1, atol=1e-6) and agrees(counts, p @ number, 5.5)
        found = np.bincount(counts, minlength=8)[:8:2] / len(counts)
        assert np.all(np.abs(found - p[:4]) <= SIGMAS * np.sqrt(p[:4] / len(counts)))
    assert np.isclose(MATRIX.kink_distribution() @ number, MATRIX.mean_kinks(), rtol=2e-3)


def test_dilute_gas_and_kink_profile():
    p, mean = dw.dilute_gas(40.0, 0.108171)
    assert (
        np.isclose(p.sum(), 1) and np.isclose(p @ (2 * np.arange(len(p))), mean) and np.isclose(mean, 2.10, atol=0.01)
    )
    tau = np.linspace(-3, 3, 6001)
    x = dw.kink_profile(tau)
    step = tau[1] - tau[0]
    action = ((np.diff(x) / step) ** 2 / 2 + dw.LAMBDA / 4 * ((x[1:] + x[:-1]) ** 2 / 4 - dw.WELL**2) ** 2).sum() * step
    assert np.isclose(action, 5.174136, atol=1e-4)  # S_kink = 4 sqrt(2)/3 for lambda = 4, times v^3 / sqrt 1


@pytest.mark.parametrize("beta, n_sites", [(0, 64), (-1, 64), (np.nan, 64), (20, 63), (20, 2), (20, 8.5)])
def test_refuses(beta, n_sites):
    with refused(kind=ValueError):
        dw.couplings(beta, n_sites)


def test_refuses_what_has_no_partition_function():
    with pytest.raises(ValueError, match="positive"):
        dw.TransferMatrix(dw.Couplings(1.0, 1.0, -1.0), 8)
    with pytest.raises(ValueError, match="negative"):
        dw.kinks(PATHS, -1.0)
