r"""From the curves of several finite lattices to the critical point of the infinite one.

Pseudo-critical temperatures of `reweighting.Curves`: the peak of the specific heat, the crossing of two Binder
cumulants, and where one cumulant falls through a given value. U4 does not depend on L at T_c, up to corrections that
fall with L: K. Binder, Z. Phys. B 43, 119 (1981).

The maximum of the specific heat of a periodic L x L Ising lattice moves as

    T(L) = T_c (1 + a / L^(1/nu) + ...),  nu = 1,

A. E. Ferdinand and M. E. Fisher, Phys. Rev. 185, 832 (1969). On small lattices the next term shows.

At the Berezinskii-Kosterlitz-Thouless temperature, and only there, the helicity modulus approaches its universal value
2 T / pi as

    Y_L = (2 T / pi) [1 + 1 / (2 (ln L + C))]

(Weber and Minnhagen, as in Hsieh, Kao and Sandvik, arXiv:1302.2900). T and the constant C are fitted. Corrections
fall only as powers of 1 / ln L, so small lattices leave a bias that no statistical error shows.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import curve_fit, least_squares

from lib.analysis import curve_features
from lib.statistics import Estimate, or_nan, over_networks


def peak_temperature(curves, window):
    """`Estimate` of the specific-heat peak within a window (low, high), mean over the `Curves` of several networks; nan
    if one of them has none."""
    return _of_networks(curve_features.peak, curves, "specific_heat", window)


def level_temperature(curves, level):
    """The same of where the Binder cumulant falls through a level."""
    return _of_networks(curve_features.fall, curves, "binder", level)


def _of_networks(feature, curves, name, where):
    found = [or_nan(feature, c.T, c.values[name], c.errors[name], where) for c in curves]
    return over_networks(*np.transpose(found))


def crossing_temperatures(small, large):
    """`Estimate` [m] of where the Binder cumulants of two sizes cross, network by network; nan where they do not.

    small, large: m `Curves` each, on the same temperatures.
    """
    found = []
    for a, b in zip(small, large, strict=True):
        errors = np.hypot(a.errors["binder"], b.errors["binder"])
        found.append(or_nan(curve_features.crossing, a.T, a.values["binder"], b.values["binder"], errors))
    return Estimate(*np.array(found).T)


class Shift(NamedTuple):
    """A fit of T(L): t_c of the infinite lattice, coefficients [orders] of L^-1, L^-2, ... in units of T."""

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
    """`Shift` T(L) = t_c + c_1 / L + ... + c_orders / L^orders, fitted to [sizes] with nu = 1.

    ValueError for fewer sizes than parameters.
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
    """`Estimate` of nu from T(L) - t_c = a L^(-1/nu), with t_c known.

    A straight line through the logarithms: corrections of higher order show as a deviation that falls with the sizes.
    """
    L, T, errors = (np.asarray(x, float) for x in (L, T, errors))
    if (T <= t_c).any():
        raise ValueError(f"every T(L) must lie above t_c = {t_c:g}")
    line, covariance = np.polyfit(np.log(L), np.log(T - t_c), 1, w=(T - t_c) / errors, cov="unscaled")
    return Estimate(float(-1 / line[0]), float(np.sqrt(covariance[0, 0]) / line[0] ** 2))


class KosterlitzThouless(NamedTuple):
    """T_BKT and C with errors; chi2 of the fit and its degrees of freedom."""

    T: float
    T_error: float
    C: float
    C_error: float
    chi2: float
    dof: int


def weber_minnhagen(T, C, L):
    """Y_L at the transition temperature T."""
    return 2 * T / np.pi * (1 + 1 / (2 * (np.log(L) + C)))


def kosterlitz_thouless(T, curves, errors, degree=3):
    """`KosterlitzThouless` from the helicity moduli of all sizes together.

    T: temperatures [t].
    curves, errors: dict L -> Y [t].
    degree: of the polynomial that smooths each curve.

    T and C minimise the misfit of the polynomials, weighted with their errors at T; errors of T and C from the
    derivatives of the misfit. ValueError for fewer than three sizes, or if the minimum lies outside the temperatures.
    """
    T = np.asarray(T, float)
    if len(curves) < 3:
        raise ValueError(f"sizes {sorted(curves)}: at least three are needed to fit T and C and to test the fit")
    sizes, centre = np.array(sorted(curves)), T.mean()
    fits = [np.polyfit(T - centre, curves[L], degree, w=1 / np.asarray(errors[L]), cov="unscaled") for L in sizes]
    at = centre
    for _ in range(2):  # the weights are the errors at the solution
        powers = np.vander([at - centre], degree + 1)[0]
        sigmas = [np.sqrt(powers @ covariance @ powers) for _, covariance in fits]

        def misfit(x, sigmas=sigmas):
            t, C = x
            return [
                (np.polyval(c, t - centre) - weber_minnhagen(t, C, L)) / sigma
                for (c, _), L, sigma in zip(fits, sizes, sigmas, strict=True)
            ]

        best = least_squares(misfit, [centre, 1.0])
        at = best.x[0]
    if not T.min() <= at <= T.max():
        raise ValueError(f"the best T = {at:.3f} lies outside {T.min():g} to {T.max():g}: widen the window")
    T_error, C_error = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))  # every misfit has unit variance
    return KosterlitzThouless(
        float(at), float(T_error), float(best.x[1]), float(C_error), float(2 * best.cost), len(sizes) - 2
    )
