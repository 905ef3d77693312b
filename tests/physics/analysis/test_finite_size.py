"""Shifts of finite lattices: known laws come back, exact peaks lead to the exact critical point."""

import numpy as np
import pytest

from lib.analysis import finite_size
from lib.systems import ising

T_C = ising.critical_temperature()


def test_a_known_law_comes_back_with_its_error():
    L, rng = np.array([6, 8, 12, 16, 32]), np.random.default_rng(1)
    truth = 2 + 0.8 / L - 0.3 / L**2
    fits = [finite_size.shift(L, truth + 0.001 * rng.standard_normal(5), np.full(5, 0.001)) for _ in range(200)]
    pulls = np.array([(fit.t_c - 2) / fit.error for fit in fits])
    assert abs(pulls.mean()) < 0.3 and 0.8 < pulls.std() < 1.2
    assert 1.5 < np.mean([fit.chi2 for fit in fits]) < 2.5 and fits[0].dof == 2
    exact = finite_size.shift(L, truth, np.ones(5))
    assert np.allclose([exact.t_c, *exact.coefficients], [2, 0.8, -0.3]) and np.allclose(exact(L), truth)
    assert abs(finite_size.shift(L, truth, np.ones(5), orders=1).t_c - 2) > 0.001  # the missing term is noticed


def test_a_known_exponent_comes_back_with_its_error():
    L, rng = np.array([6, 8, 12, 16]), np.random.default_rng(1)
    truth = T_C + 0.8 * L ** (-1 / 1.3)
    found = np.array(
        [finite_size.exponent(L, truth + 0.001 * rng.standard_normal(4), [0.001] * 4, T_C) for _ in range(200)]
    )
    pulls = (found[:, 0] - 1.3) / found[:, 1]
    assert abs(pulls.mean()) < 0.3 and 0.8 < pulls.std() < 1.2


def test_exact_peaks_lead_to_the_critical_point():
    L = np.array([6, 8, 12, 16])
    T = np.array([ising.specific_heat_peak(int(side))[0] for side in L])
    assert abs(finite_size.shift(L, T, np.ones(4)).t_c - T_C) < 0.001
    assert 0.002 < finite_size.shift(L, T, np.ones(4), orders=1).t_c - T_C < 0.01  # the chapter says that it is biased
    assert 1.02 < finite_size.exponent(L, T, np.ones(4), T_C)[0] < 1.12


def test_what_cannot_be_fitted_is_refused():
    with pytest.raises(ValueError, match="2 sizes do not determine 3 parameters"):
        finite_size.shift([8, 16], [2.3, 2.2], [1, 1])
    with pytest.raises(ValueError, match="above t_c"):
        finite_size.exponent([8, 16], [2.3, 2.2], [1, 1], T_C)


def _curves(C=0.6, T_c=0.89, sizes=(8, 16, 32), noise=0.0):
    T = np.linspace(0.82, 0.98, 6)
    rng = np.random.default_rng(1)
    curves = {
        L: finite_size.weber_minnhagen(T_c, C, L) - (0.7 + 0.1 * np.log(L)) * (T - T_c) + noise * rng.normal(size=6)
        for L in sizes
    }
    return T, curves, {L: np.full(6, max(noise, 1e-4)) for L in sizes}


def test_weber_minnhagen_has_the_universal_jump_and_logarithm():
    """Y_L / T = 0.63651 + 0.31890 / ln L + ..., numbers of the Gaussian model on a square torus (M. Hasenbusch, J.
    Phys. A 38, 5869 (2005)). They hold the windings of the torus, which the formula leaves out: 2e-4 and 2e-3."""
    assert finite_size.weber_minnhagen(1.0, 0.0, np.exp(500.0)) == pytest.approx(
        0.63650817819 + 0.318899454 / 500, rel=3e-4
    )
    slope = 500 * (finite_size.weber_minnhagen(0.9, 0.7, np.exp(499.3)) - 2 * 0.9 / np.pi) / 0.9
    assert slope == pytest.approx(0.318899454, rel=3e-3)
    # and so a fit to such data does not depend on the formula under test
    T = np.linspace(0.82, 0.98, 6)
    outside = {L: 0.8935 * (0.63650817819 + 0.318899454 / (np.log(L) + 1.1)) - 0.9 * (T - 0.8935) for L in (8, 16, 64)}
    found = finite_size.kosterlitz_thouless(T, outside, dict.fromkeys(outside, np.full(6, 1e-3)))
    assert found.T == pytest.approx(0.8935, rel=1e-3) and found.C == pytest.approx(1.1, abs=0.05)


def test_weber_minnhagen_fit_finds_the_temperature_it_was_made_with():
    found = finite_size.kosterlitz_thouless(*_curves())
    assert found.T == pytest.approx(0.89, abs=1e-6) and found.C == pytest.approx(0.6, abs=1e-4) and found.dof == 1
    noisy = finite_size.kosterlitz_thouless(*_curves(noise=1e-3))
    assert abs(noisy.T - 0.89) < 4 * noisy.T_error and 0 < noisy.T_error < 0.02


def test_two_sizes_are_refused():
    with pytest.raises(ValueError, match="three"):
        finite_size.kosterlitz_thouless(*_curves(sizes=(8, 16)))


def test_minimum_outside_the_window_is_refused():
    with pytest.raises(ValueError, match="widen"):
        finite_size.kosterlitz_thouless(*_curves(T_c=1.3))
