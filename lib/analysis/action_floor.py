r"""How well the three couplings of a double well can be known from n paths: what does not need a network.

The action S = sum_k c_k O_k, with c = (kinetic, quadratic, quartic) and O of `double_well.operators`, makes an
exponential family, exp(-c O) / Z(c).

Cramer-Rao. No unbiased estimator has a smaller covariance than I^-1 / n, where the information of one path is
I = Cov(O, O) = -d<O>/dc: exact, from differences of transfer matrices.

Maximum likelihood. The c whose <O> are those of the paths: Newton's method with that I. It needs Z(c), here exact.

Score matching (Hyvarinen, J. Mach. Learn. Res. 6, 695 (2005)). Minimise < |grad S_c|^2 / 2 - laplacian S_c > over the
paths; no Z is needed, and what is left is linear,

    sum_l < grad O_k grad O_l > c_l = < laplacian O_k > .
"""

from typing import NamedTuple

import numpy as np

from lib.statistics import Estimate, block_sums, jackknife, over_networks
from lib.systems import double_well
from lib.systems.double_well import Couplings, TransferMatrix

STEP = 1e-3  # of the differences, as a part of each coupling


def mean_operators(couplings, n_sites):
    """<O> [3] under `couplings`, exact."""
    matrix = TransferMatrix(couplings, n_sites)
    return n_sites * np.array([matrix.hop2 / 2, matrix.x2 / 2, matrix.average(lambda x: x**4) / 4])


def information(couplings, n_sites):
    """The information matrix of one path, [3, 3]."""
    c = np.array(couplings[:3])
    columns = []
    for k in range(3):
        shift = np.zeros(3)
        shift[k] = STEP * abs(c[k])
        above, below = (mean_operators(Couplings(*(c + sign * shift)), n_sites) for sign in (1, -1))
        columns.append((below - above) / (2 * shift[k]))
    matrix = np.stack(columns, axis=1)
    return (matrix + matrix.T) / 2


def cramer_rao(couplings, n_sites, n):
    """Standard errors [3] of the couplings that no unbiased estimator from n independent paths falls below."""
    return np.sqrt(np.diag(np.linalg.inv(information(couplings, n_sites))) / n)


class MaximumLikelihood(NamedTuple):
    """couplings: of largest likelihood. errors [3]: over blocks of paths, so that correlations between them count."""

    couplings: Couplings
    errors: np.ndarray


def maximum_likelihood(paths, start, blocks=50, tolerance=1e-10):
    """`MaximumLikelihood` for paths [n, N]; start: `Couplings` near it, such as those of `score_matching`.

    ValueError where Newton's method leaves the actions that have a Z, or has not converged after 30 steps.
    """
    paths = np.asarray(paths, float)
    n_sites = paths.shape[1]
    operators = np.column_stack([double_well.operators(paths), np.ones(len(paths))])
    groups = block_sums(operators, blocks)
    observed = operators[:, :3].mean(0)
    c = np.array(start[:3])
    for _ in range(30):
        inverse = np.linalg.inv(information(Couplings(*c), n_sites))
        change = inverse @ (mean_operators(Couplings(*c), n_sites) - observed)
        c = c + change
        if np.abs(change / c).max() < tolerance:
            break
    else:
        raise ValueError(f"paths: no maximum of the likelihood was found from {start}")
    _, error = jackknife(lambda total: -inverse @ total[:3] / total[3], groups)
    return MaximumLikelihood(Couplings(*map(float, c)), error)


def score_matching(paths, blocks=50):
    """`Estimate` [3] of the couplings from paths [n, N]; errors over blocks of paths."""
    if len(paths) < blocks:
        raise ValueError(f"{len(paths)} paths cannot be cut into {blocks} blocks: use fewer blocks")
    moments = np.stack([_score_moments(np.asarray(part, float)) for part in np.array_split(paths, blocks)])
    return Estimate(*jackknife(lambda total: np.linalg.solve(total[:, :3], total[:, 3]), moments))


def _score_moments(paths):
    """Sums over paths of grad O_k grad O_l and, in the last column, of laplacian O_k: [3, 4]."""
    laplacian = np.roll(paths, -1, 1) + np.roll(paths, 1, 1) - 2 * paths
    gradients = np.stack([-laplacian, paths, paths**3])  # dO_k / dx_i
    curvature = 2 * paths.size, paths.size, 3 * (paths**2).sum()
    return np.column_stack([np.einsum("kni,lni->kl", gradients, gradients), curvature])


def ratio_to_bound(read, likely, bound):
    r"""The error of one network's reading over the Cramer-Rao bound, `Estimate` [k].

    read, likely: values [m, k] from m networks and, by maximum likelihood, from the paths that each was trained on.
    bound: [k], for the paths of one network.

    Maximum likelihood is at the bound, and what a network adds is its distance to it: sqrt(1 + <d^2>), d = (read -
    likely) / bound. The scatter of the paths themselves, which both share, is not measured again.
    """
    square, error = over_networks(((np.asarray(read) - likely) / bound) ** 2)
    ratio = np.sqrt(1 + square)
    return Estimate(ratio, error / (2 * ratio))
