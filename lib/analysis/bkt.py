r"""The Berezinskii-Kosterlitz-Thouless temperature from the helicity modulus of small lattices.

At T_BKT, and only there, the helicity modulus approaches its universal value 2 T / pi as

    Y_L = (2 T / pi) [1 + 1 / (2 (ln L + C))]

(Weber and Minnhagen, as in Hsieh, Kao and Sandvik, arXiv:1302.2900). T and the constant C are fitted to the sizes
at hand. Corrections to the formula fall only as powers of 1 / ln L, so small lattices leave a bias that no
statistical error shows.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares


class Transition(NamedTuple):
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


def smooth(T, Y, error, degree=3):
    """Polynomial through a curve Y [t] with errors, centred at the mean of T: (coefficients, covariance)."""
    return np.polyfit(T - np.mean(T), Y, degree, w=1 / np.asarray(error), cov="unscaled")


def fit(T, curves, errors, degree=3):
    """`Transition` from curves: dict L -> Y [t] at temperatures T [t], errors: dict L -> [t], all sizes together.

    Each curve is smoothed by a polynomial of `degree`; T and C then minimise the misfit of the polynomials, weighted
    with their errors at T; errors of T and C from the derivatives of the misfit. ValueError for fewer than three sizes,
    or if the minimum lies outside the temperatures.
    """
    T = np.asarray(T, float)
    if len(curves) < 3:
        raise ValueError(f"sizes {sorted(curves)}: at least three are needed to fit T and C and to test the fit")
    sizes, centre = np.array(sorted(curves)), T.mean()
    fits = [smooth(T, curves[L], errors[L], degree) for L in sizes]

    def solve(coefficients):
        def misfit(x):
            t, C = x
            return [
                (np.polyval(c, t - centre) - weber_minnhagen(t, C, L)) / sigma
                for c, L, sigma in zip(coefficients, sizes, sigmas, strict=True)
            ]

        return least_squares(misfit, [centre, 1.0])

    at, sigmas = centre, None
    for _ in range(2):  # the weights are the errors at the solution
        powers = np.vander([at - centre], degree + 1)[0]
        sigmas = [np.sqrt(powers @ covariance @ powers) for _, covariance in fits]
        best = solve([c for c, _ in fits])
        at = best.x[0]
    if not T.min() <= best.x[0] <= T.max():
        raise ValueError(f"the best T = {best.x[0]:.3f} lies outside {T.min():g} to {T.max():g}: widen the window")
    errors = np.sqrt(np.diag(np.linalg.inv(best.jac.T @ best.jac)))  # every misfit has unit variance
    return Transition(
        float(best.x[0]), float(errors[0]), float(best.x[1]), float(errors[1]), float(2 * best.cost), len(sizes) - 2
    )
