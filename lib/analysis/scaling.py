r"""Finite-size scaling: from pseudo-critical temperatures of several lattices to the critical point and nu.

The maximum of the specific heat of a periodic L x L Ising lattice moves as

    T(L) = T_c (1 + a / L^(1/nu) + ...),  nu = 1,

A. E. Ferdinand and M. E. Fisher, Phys. Rev. 185, 832 (1969). On small lattices the next term shows.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit


class Shift(NamedTuple):
    """t_c and its error; coefficients [orders] of L^-1, L^-2, ... in units of T; chi2 and degrees of freedom."""

    t_c: float
    error: float
    coefficients: np.ndarray
    chi2: float
    dof: int

    def __call__(self, L):
        """T(L), in the shape of L."""
        powers = np.asarray(L, float)[..., None] ** -np.arange(1, 1 + len(self.coefficients))
        return self.t_c + powers @ self.coefficients


def shift(L, T, errors, orders=2):
    """T(L) = t_c + c_1 / L + ... + c_orders / L^orders, fitted with nu = 1 taken for granted.

    L, T, errors: [sizes]. ValueError with fewer sizes than parameters.
    """
    L, T, errors = (np.asarray(x, float) for x in (L, T, errors))
    if len(L) < 1 + orders:
        raise ValueError(f"{len(L)} sizes do not determine {1 + orders} parameters")

    def model(L, *c):
        return np.polynomial.polynomial.polyval(1 / L, c)

    start = [T.min(), *np.zeros(orders)]
    c, covariance = curve_fit(model, L, T, p0=start, sigma=errors, absolute_sigma=True)
    chi2 = float((((T - model(L, *c)) / errors) ** 2).sum())
    return Shift(float(c[0]), float(np.sqrt(covariance[0, 0])), c[1:], chi2, len(L) - 1 - orders)


def exponent(L, T, errors, t_c):
    """nu and its error from T(L) - t_c = a L^(-1/nu), with t_c known.

    A straight line through the logarithms: corrections of higher order are not in it and show as a deviation that falls
    with the sizes. ValueError where a T is not above t_c.
    """
    L, T, errors = (np.asarray(x, float) for x in (L, T, errors))
    if (T <= t_c).any():
        raise ValueError(f"every T(L) must lie above t_c = {t_c:g}")
    line, covariance = np.polyfit(np.log(L), np.log(T - t_c), 1, w=(T - t_c) / errors, cov="unscaled")
    return float(-1 / line[0]), float(np.sqrt(covariance[0, 0]) / line[0] ** 2)
