r"""What is read from a learned action S_theta = -ln p_theta, and how far it can be trusted.

Against the truth, where there is one: slope and residual of S_theta against S, and, since ln Z is known, the constant
<S_theta - S> - ln Z, the KL divergence. Without any truth, <x_i dS/dx_i> = 1 for every site (Schwinger-Dyson, by
partial integration) over paths with the distribution exp(-S): putting dS_theta/dx_i in its place tests S_theta against
the *paths*. And the action itself: dS/dx_i is a linear combination of

    -(x_{i+1} + x_{i-1} - 2 x_i),   x_i,   x_i^3,   x_i^5

with coefficients kinetic, quadratic, quartic (`double_well.Couplings`) and zero, which least squares on dS_theta/dx_i
reads off, once with and once without the last one. Or the first three come from the values of S_theta (`read_values`).
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.hamiltonian_error import compare
from lib.statistics import block_sums, jackknife, mean
from lib.systems import double_well
from lib.systems.double_well import Couplings

TERMS = ("kinetic", "quadratic", "quartic", "sextic")


class AgainstExact(NamedTuple):
    """S_theta against S (`hamiltonian_error.Comparison`); offset: <S_theta - S>, for an exact model ln Z."""

    slope: float
    slope_error: float
    residual: float
    pearson: float
    offset: float
    offset_error: float


def against_exact(learned, exact):
    """`AgainstExact` from S_theta and S [n] of the same independent paths."""
    line = compare(learned, exact)
    return AgainstExact(line.slope, line.slope_error, line.residual, line.pearson, *mean(learned - exact))


def schwinger_dyson(paths, gradient):
    """`Estimate` [N + 1] of <x_i dS_theta/dx_i> for every site, then of their mean over sites.

    paths: [n, N], independent; gradient: dS_theta/dx_i on them.
    """
    product = paths * gradient
    product = np.concatenate([product, product.mean(1, keepdims=True)], axis=1)
    return mean(product)


class Readable(NamedTuple):
    """A readable action.

    coefficients, errors: of TERMS, [4], errors over paths; the sextic one is 0 where it was not fitted.
    explained: the fraction R^2 of the mean square of dS_theta/dx_i that the terms explain.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    explained: float

    def couplings(self):
        """As `Couplings` (constant 0), to evaluate, sample or solve; without the sextic term."""
        return Couplings(*(float(c) for c in self.coefficients[:3]))


def read(paths, gradient, sextic=False, keep=1.0, blocks=50):
    """`Readable` action by least squares on TERMS; its errors do not contain the spread between networks.

    paths, gradient: [n, N], as in `schwinger_dyson`.
    sextic: whether x_i^5 is fitted too.
    keep: fraction of the sites, those of smallest |x_i|, that enter: maximum likelihood does not control the tails.
    """
    laplacian = np.roll(paths, -1, 1) + np.roll(paths, 1, 1) - 2 * paths
    terms = [-laplacian, paths, paths**3] + ([paths**5] if sextic else [])
    columns = np.stack([*terms, gradient], axis=2)  # [n, N, k]
    if keep < 1:
        columns = columns * (np.abs(paths) <= np.quantile(np.abs(paths), keep))[..., None]
    moments = np.einsum("nik,nil->nkl", columns, columns)
    value, error = jackknife(_solve, block_sums(moments, blocks))
    total = moments.sum(0)
    explained = float(value @ total[:-1, -1] / total[-1, -1])
    pad = (0, len(TERMS) - len(value))
    return Readable(np.pad(value, pad), np.pad(error, pad), explained)


def _solve(moments):
    """Least squares from the moments of [terms, gradient]."""
    return np.linalg.solve(moments[:-1, :-1], moments[:-1, -1])


def read_values(paths, values, blocks=50):
    r"""The readable action from the *values* of S_theta [n] at paths [n, N] of its own beta, as `Readable`.

    Least squares of S_theta on sum (x_{i+1} - x_i)^2 / 2, sum x_i^2 / 2, sum x_i^4 / 4 and a constant. `read` uses
    forces instead, which weigh small ripples of S_theta more. And maximum likelihood protects this reading: a network
    that can represent a small change of a coupling has the same <O> as the paths it was trained on. With p_theta near
    p, <O>_theta - <O> = -Cov(S_theta - S, O) to first order, so the error of S_theta is uncorrelated with the three
    sums O, up to what the paths themselves leave open, and regression on them has no bias.
    explained: the fraction R^2 of the variance. Errors: jackknife over blocks of paths.
    """
    columns = np.column_stack([double_well.operators(paths), np.ones(len(paths)), values - values.mean()])
    moments = block_sums(columns[:, :, None] * columns[:, None, :], blocks)
    value, error = jackknife(lambda total: np.linalg.solve(total[:-1, :-1], total[:-1, -1]), moments)
    residual = columns[:, -1] - columns[:, :-1] @ value
    pad = (0, len(TERMS) - 3)
    return Readable(np.pad(value[:3], pad), np.pad(error[:3], pad), float(1 - residual.var() / values.var()))


def physical(coefficients, spacing):
    """(lambda, mu^2, kinetic coefficient times a), [..., 3]; true values: 4, 7.84, 1. spacing: a = beta / N."""
    coefficients = np.asarray(coefficients)
    kinetic, quadratic, quartic = np.moveaxis(coefficients[..., :3], -1, 0)
    return np.stack([quartic / spacing, -quadratic / spacing, kinetic * spacing], axis=-1)


def density_in_bins(matrix, edges):
    """The mean density of x between `edges` [k + 1], of a solved action (`double_well.TransferMatrix`): [k]."""
    cumulative = np.concatenate([[0], np.cumsum((matrix.density[1:] + matrix.density[:-1]) * matrix.dx / 2)])
    return np.diff(np.interp(edges, matrix.x, cumulative)) / np.diff(edges)
