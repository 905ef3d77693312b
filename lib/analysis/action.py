r"""What is read from a learned action S_theta = -ln p_theta, and how far it can be trusted.

Against the truth, where there is one: slope and residual of S_theta against S, and, since ln Z is known, the constant
<S_theta - S> - ln Z, which is the KL divergence. Without any truth: partial integration gives, for every site,

    <x_i dS/dx_i> = 1        (Schwinger-Dyson)

for averages over paths with the distribution exp(-S); putting dS_theta/dx_i in its place tests S_theta against the
*paths*, not against S. And the action itself: dS/dx_i is a linear combination of

    -(x_{i+1} + x_{i-1} - 2 x_i),   x_i,   x_i^3,   x_i^5

with coefficients kinetic, quadratic, quartic (`double_well.Couplings`) and zero; least squares on dS_theta/dx_i reads
them off. The regression is done once with and once without the last one.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.hamiltonian_error import compare
from lib.statistics import block_sums, jackknife, mean
from lib.systems.double_well import Couplings

TERMS = ("kinetic", "quadratic", "quartic", "sextic")


class AgainstExact(NamedTuple):
    """S_theta against S. offset: <S_theta - S>, for an exact model ln Z; errors are those of the paths."""

    slope: float
    slope_error: float
    residual: float
    pearson: float
    offset: float
    offset_error: float


def against_exact(learned, exact):
    """`AgainstExact` from S_theta and S [n] of the same independent paths."""
    line = compare(learned, exact)
    difference = learned - exact
    return AgainstExact(line.slope, line.slope_error, line.residual, line.pearson, *mean(difference))


def schwinger_dyson(paths, gradient):
    """<x_i dS_theta/dx_i> of every site, then their mean over sites: values and errors, [N + 1] each.

    paths and gradients [n, N]: independent paths. The errors are those of the paths.
    """
    product = paths * gradient
    product = np.concatenate([product, product.mean(1, keepdims=True)], axis=1)
    return mean(product)


class Readable(NamedTuple):
    """Coefficients of TERMS and their errors over paths, [4] each; `sextic` 0 where it was not fitted.

    explained: the fraction R^2 of the mean square of dS_theta/dx_i that the terms explain.
    """

    coefficients: np.ndarray
    errors: np.ndarray
    explained: float

    def couplings(self):
        """As `Couplings` (constant 0), to evaluate, sample or solve; without the sextic term."""
        return Couplings(*(float(c) for c in self.coefficients[:3]))


def read(paths, gradient, sextic=False, keep=1.0, blocks=50):
    """The readable action: least squares of gradients [n, N] on TERMS at the same paths. Returns `Readable`.

    keep: fraction of the sites, those of smallest |x_i|, that enter: maximum likelihood does not control the tails.
    Errors: jackknife over blocks of paths. They do not contain the spread between networks.
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


def physical(coefficients, spacing):
    """(lambda, mu^2, kinetic coefficient times a), the physics of coefficients [..., >= 3] -> [..., 3].

    spacing: a = beta / N. True values: 4, 7.84, 1.
    """
    coefficients = np.asarray(coefficients)
    return np.stack(
        [coefficients[..., 2] / spacing, -coefficients[..., 1] / spacing, coefficients[..., 0] * spacing], axis=-1
    )
