r"""T_BKT from the helicity modulus Y of finite lattices: crossings, and pairs of lattices.

The line. Y_L(T) = 2 T / pi defines a temperature T_L of a lattice, which falls to T_BKT as slowly as 1 / ln^2 L.

Pairs. At T_BKT, Y_L = (2 T / pi) [1 + 1 / (2 (ln L + C))] (Weber and Minnhagen, as in Hsieh, Kao and Sandvik,
arXiv:1302.2900). Two lattices determine T and C: with x_L = pi Y_L / 2 T - 1,

    1 / 2 x_M - 1 / 2 x_L = ln(M / L)        at T(L, M).

The formula holds the term in 1 / ln L. What is left of T(L, M) - T_BKT falls about as 1 / ln^2 L, and is as large as
the errors of small lattices, so that T(L, 2 L) is extrapolated: the idea of that paper.
Curves are smoothed by a weighted polynomial in T; errors are the scatter under its covariance, all lattices together.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import curve_features
from lib.statistics import Estimate, or_nan

DRAWS = 400
DEGREE = 3


def crossing(T, helicity, errors):
    """`Estimate` of where Y [t] falls through 2 T / pi; nan where it does not within the temperatures T [t]."""
    above = np.asarray(helicity) - 2 * np.asarray(T) / np.pi
    return or_nan(curve_features.crossing, np.asarray(T), np.zeros_like(above), above, np.asarray(errors))


class Extrapolation(NamedTuple):
    """T(L, 2L) = T + slope / ln^2 L.

    sizes: the smaller lattice of each pair, [p]. pairs: T(L, 2L) and errors, [p].
    T, slope: `Estimate`s. chi2, dof: of the line; pairs that share a lattice are correlated, which chi2 knows.
    """

    sizes: np.ndarray
    pairs: Estimate
    T: Estimate
    slope: Estimate
    chi2: float
    dof: int

    def __call__(self, L):
        """The line, in the shape of L."""
        return self.T.value + self.slope.value / np.log(L) ** 2


def of_pairs(T, curves, errors):
    """`Extrapolation` from the helicity moduli of lattices, dicts L -> [t], on the same temperatures T [t].

    ValueError for fewer than three pairs (L, 2 L), or a pair that has no T within the temperatures.
    """
    T = np.asarray(T, float)
    sizes = np.array(sorted(L for L in curves if 2 * L in curves))
    if len(sizes) < 3:
        raise ValueError(f"sizes {sorted(curves)}: three pairs L, 2 L are needed to extrapolate")
    centre, rng = T.mean(), np.random.default_rng(0)
    grid = np.linspace(T.min(), T.max(), 2001)
    powers = np.vander(grid - centre, DEGREE + 1)
    drawn = {}  # the first draw is the fit itself
    for L in sorted(curves):
        fit, covariance = np.polyfit(T - centre, curves[L], DEGREE, w=1 / np.asarray(errors[L]), cov="unscaled")
        drawn[L] = np.vstack([fit, rng.multivariate_normal(fit, covariance, DRAWS)]) @ powers.T
    found = np.array([_pair(grid, drawn[L], drawn[2 * L]) for L in sizes])  # [p, 1 + DRAWS]
    if not np.isfinite(found[:, 0]).all():
        raise ValueError(f"a pair has no T within {T.min():g} to {T.max():g}: widen the window")
    found = found[:, np.isfinite(found).all(axis=0)]
    covariance = np.cov(found[:, 1:])
    columns = np.stack([np.ones(len(sizes)), 1 / np.log(sizes) ** 2], axis=1)
    inverse = np.linalg.inv(covariance)
    of_line = np.linalg.inv(columns.T @ inverse @ columns)
    line = of_line @ columns.T @ inverse @ found[:, 0]
    rest = found[:, 0] - columns @ line
    value, slope = (Estimate(float(line[k]), float(np.sqrt(of_line[k, k]))) for k in range(2))
    pairs = Estimate(found[:, 0], np.sqrt(np.diag(covariance)))
    return Extrapolation(sizes, pairs, value, slope, float(rest @ inverse @ rest), len(sizes) - 2)


def _pair(grid, small, large):
    """T(L, 2L) [draws] from curves [draws, g] on a grid [g]; nan where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        of_small, of_large = (1 / (2 * (np.pi * Y / (2 * grid) - 1)) for Y in (small, large))
    gap = of_large - of_small - np.log(2)
    # below T_BKT the moduli hardly depend on L and the gap is negative; beyond a pole it has no meaning
    valid = (of_large > 0) & (of_small > 0)
    rises = valid[:, :-1] & valid[:, 1:] & (gap[:, :-1] < 0) & (gap[:, 1:] >= 0)
    first = rises.argmax(axis=1)
    rows = np.arange(len(gap))
    low, high = gap[rows, first], gap[rows, first + 1]
    at = grid[first] + (grid[1] - grid[0]) * low / (low - high)
    return np.where(rises.any(axis=1), at, np.nan)
