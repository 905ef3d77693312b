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
