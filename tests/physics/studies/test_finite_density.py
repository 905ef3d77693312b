"""A complex action from two real ones, with exact actions in the place of learned ones; what is read; errors."""

import numpy as np
import pytest

from lib.models.heads.angle import TWO_PI
from lib.models.rotor_chain import RotorChain
from lib.studies import finite_density
from lib.studies.finite_density import GRID, Links
from lib.systems import rotors
from tests.physics.standins import SIGMAS

N, BETA = 8, 1.0
QUARTER, HALF = np.pi / 4, np.pi / 2


def exact_links(nu, n_sites=N, beta=BETA):
    """`Links` of the exact action; the last one holds the link that closes the circle."""
    angle = TWO_PI * np.arange(GRID) / GRID
    step = -beta * np.cos(angle[None] - angle[:, None] + nu)
    closing = -beta * np.cos(-angle + nu)
    tables = np.repeat(step[None], n_sites - 1, 0)
    tables[-1] = tables[-1] + closing
    return Links(nu, tables)


@pytest.mark.parametrize("pair", [(0.0, HALF), (QUARTER, -QUARTER), (0.2, 1.1)])
@pytest.mark.parametrize("mu", [0.0, 0.4, 0.9])
def test_exact_actions_give_the_exact_theory(pair, mu):
    at = finite_density.integrate(*map(exact_links, pair), mu)
    assert at.density == pytest.approx(rotors.density(BETA, N, mu), abs=1e-10)
    assert at.phase == pytest.approx(rotors.average_phase(BETA, N, mu), abs=1e-10)
    assert at.log_z == pytest.approx(rotors.log_partition_function(BETA, N, mu), abs=1e-10)


def test_a_wrong_action_is_noticed():
    wrong = finite_density.integrate(exact_links(0.0), exact_links(HALF, beta=1.05), 0.8)
    assert abs(wrong.density - rotors.density(BETA, N, 0.8)) > 0.01


def test_the_mirror_image_is_the_other_action():
    mirrored, other = exact_links(QUARTER).mirrored(), exact_links(-QUARTER)
    assert mirrored.nu == other.nu
    np.testing.assert_allclose(mirrored.tables, other.tables, atol=1e-12)


def test_one_action_is_no_pair():
    with pytest.raises(ValueError, match="multiple of pi"):
        finite_density.coefficients(0.4, 0.3, 0.3 + np.pi)


def test_slopes_are_the_derivatives():
    h = 1e-6
    for k in (0, 1):
        at = [finite_density.coefficients(0.7 + d, 0.3, 1.2)[k] for d in (h, -h)]
        assert (at[0] - at[1]) / (2 * h) == pytest.approx(finite_density.slopes(0.7, 0.3, 1.2)[k], abs=1e-8)


def test_links_of_a_network_are_its_action():
    """Up to a constant, on angles of the grid."""
    model = RotorChain(5, 0.7, seed=3).double()
    model.output.data.normal_(0, 0.3)
    found = finite_density.links(model)
    index = np.random.default_rng(1).integers(GRID, size=(50, 5))
    index[:, 0] = 0
    of_links = sum(found.tables[i - 1][index[:, i - 1], index[:, i]] for i in range(1, 5))
    S = -model.log_prob(TWO_PI * index / GRID).detach().numpy()
    assert np.ptp(of_links - S) < 1e-9 and np.ptp(S) > 1


# ---------------------------------------------------------------- reading


def chains_at(nu, n, seed, n_sites=N):
    return rotors.sample(BETA, n_sites, nu, n, np.random.default_rng(seed))


def test_an_exact_action_is_read_exactly():
    phi = chains_at(0.6, 500, 1)
    found = finite_density.read(rotors.action(phi, BETA, 0.6) + 3, phi)
    np.testing.assert_allclose(found, [np.cos(0.6), -np.sin(0.6)], atol=1e-10)
    assert finite_density.read_density(found, N, 0.6, 0.8) == pytest.approx(rotors.density(BETA, N, 0.8))


def test_score_matching_scatters_a_little_more_than_the_bound():
    """Twenty data sets: unbiased, and not better than Cramer-Rao; a bound a third too large would be noticed."""
    n, nu = 4000, 0.6
    found = np.array([finite_density.score_matching(chains_at(nu, n, [5, k])) for k in range(20)])
    bound = finite_density.smallest_error(BETA, N, nu, n)
    off = (found.mean(0) - [np.cos(nu), -np.sin(nu)]) / (found.std(0, ddof=1) / np.sqrt(20))
    assert np.abs(off).max() < SIGMAS
    ratio = found.std(0, ddof=1) / bound
    assert (ratio > 0.67).all() and (ratio < 2).all()


def test_the_bound_is_the_covariance_of_the_operators():
    phi = chains_at(0.6, 60_000, 2)
    information = np.cov(rotors.operators(phi)) * 100
    expected = np.sqrt(np.diag(np.linalg.inv(information)))
    np.testing.assert_allclose(finite_density.smallest_error(BETA, N, 0.6, 100), expected, rtol=0.03)


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize("mu", [0.4, 0.8])
def test_equal_independent_errors_grow_by_the_root_of_cosh(mu):
    phi, rng = chains_at(QUARTER, 20_000, 3), np.random.default_rng(4)
    first, second = ((nu, rotors.action(phi, BETA, nu) + 0.1 * rng.standard_normal(len(phi))) for nu in (0.0, HALF))
    factor = finite_density.error_factor(first, second, phi, BETA, mu)
    assert factor == pytest.approx(np.sqrt(np.cosh(2 * mu)), rel=0.02)


def test_reweighting_covers_where_the_phase_is_large_and_fails_where_it_is_small():
    kind = finite_density.reweight(BETA, N, 0.5, 20_000, np.random.default_rng(5))
    assert abs(kind.density.value - rotors.density(BETA, N, 0.5)) < SIGMAS * kind.density.error < 0.1
    assert abs(kind.phase.value - rotors.average_phase(BETA, N, 0.5)) < SIGMAS * kind.phase.error
    hard = finite_density.reweight(BETA, 64, 0.8, 20_000, np.random.default_rng(5))
    assert hard.phase.error > 10 * rotors.average_phase(BETA, 64, 0.8)
