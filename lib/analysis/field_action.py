r"""Reading the action of a scalar field: couplings of a learned S, and the best that is possible without a network.

The action of `systems/phi_four.py` is linear in its couplings, S = sum_a g_a O_a, with

    O = sum (d_t phi)^2 / 2,   sum (d_x phi)^2 / 2,   sum phi^2 / 2,   sum phi^4 / 4,
    g = 1 / D,                 D,                     D m^2,           D lambda,

and none for what it does not contain: phi^6 / 6, squared differences of diagonal neighbours, and of sites two apart in
time or in space. These are alarms.

    values           least squares of S_theta on the O_a, with a constant, on typical fields: maximum likelihood does
                     not control the tails, and the largest |phi| of a field is in the tail of its site
    score matching   the minimum of <|grad S|^2 / 2 - laplace S> over the data, linear in g
    pseudolikelihood  the maximum of <sum_i ln p(phi_i | all others)>, whose normalisation is one integral a site
    Cramer-Rao       no unbiased estimator from n configurations does better than the inverse of n Cov(O_a, O_b)

Source: A. Hyvarinen, J. Mach. Learn. Res. 6, 695 (2005), for score matching; J. Besag, J. R. Stat. Soc. B 36, 192
(1974), for pseudolikelihood.
"""

import numpy as np
from scipy.interpolate import CubicSpline

from lib import statistics

NAMES = ("time", "space", "square", "fourth")
FORBIDDEN = ("sixth", "diagonal", "two in time", "two in space")
SHIFTS = {  # of squared differences, (in time, in space)
    "time": [(1, 0)],
    "space": [(0, 1)],
    "diagonal": [(1, 1), (1, -1)],
    "two in time": [(2, 0)],
    "two in space": [(0, 2)],
}
KEEP = 0.8  # of the fields on which an action is read
POWERS = {"square": 2, "fourth": 4, "sixth": 6}


def operators(phi, names=NAMES):
    """O_a of fields [n, N_t, N_x]: [n, a]."""
    return np.stack([_sums(phi, name) for name in names], 1)


def _sums(phi, name):
    if name in POWERS:
        return (phi ** POWERS[name]).sum((1, 2)) / POWERS[name]
    return sum(((np.roll(phi, shift, (1, 2)) - phi) ** 2).sum((1, 2)) / 2 for shift in SHIFTS[name])


def gradients(phi, names=NAMES):
    """d O_a / d phi at every site, [a, n, N_t, N_x], and the sums of the second derivatives [a, n]."""
    first, second = [], []
    for name in names:
        if name in POWERS:
            power = POWERS[name]
            first.append(phi ** (power - 1))
            second.append((power - 1) * (phi ** (power - 2)).sum((1, 2)))
            continue
        slope = np.zeros_like(phi)
        for t, x in SHIFTS[name]:
            slope += 2 * phi - np.roll(phi, (t, x), (1, 2)) - np.roll(phi, (-t, -x), (1, 2))
        first.append(slope)
        second.append(np.full(len(phi), 2.0 * len(SHIFTS[name]) * phi[0].size))
    return np.stack(first), np.stack(second)


def true_couplings(field, names=NAMES):
    """g_a of a `phi_four.PhiFour`, [a]; zero for what it does not contain."""
    D = field.spacing
    known = {"time": 1 / D, "space": D, "square": D * field.mass2, "fourth": D * field.coupling}
    return np.array([known.get(name, 0.0) for name in names])


def typical(phi, keep=KEEP):
    """Which of the fields [n, N_t, N_x], a part `keep` of them, have the smallest largest |phi|: bool [n]."""
    largest = np.abs(phi).max((1, 2))
    return largest <= np.quantile(largest, keep)


def read(action, phi, names=NAMES, keep=KEEP):
    """g_a [a] from the values of an action [n] on fields [n, N_t, N_x], by least squares with a constant.

    keep: part of the fields that enters, see `typical`.
    """
    chosen = typical(phi, keep)
    columns = np.column_stack([operators(phi[chosen], names), np.ones(chosen.sum())])
    return np.linalg.lstsq(columns, action[chosen], rcond=None)[0][:-1]


def score_matching(phi, names=NAMES, blocks=statistics.BLOCKS):
    """g_a as an `Estimate` [a] from fields [n, N_t, N_x] without a network; errors over consecutive blocks of them."""
    first, second = gradients(np.asarray(phi, float), names)
    products = np.einsum("antx,bntx->nab", first, first)
    sums = statistics.block_sums(np.concatenate([products, second.T[:, :, None]], 2), blocks)
    return statistics.jackknife(lambda total: np.linalg.solve(total[:, :-1], total[:, -1]), sums)


def pseudolikelihood(phi, steps=2, tilts=401, points=400):
    """g_a of NAMES as an `Estimate` [4] from independent fields [n, N_t, N_x], by Newton's method from score matching.

    Given its neighbours, ln p(phi_i) is -A phi^2 - g_4 phi^4 / 4 + F phi - ln z(F), A = g_t + g_x + g_2 / 2,
    F = g_t (sum of neighbours in time) + g_x (in space): ln z and the moments of phi are functions of the one number F,
    tabulated on `tilts` values and interpolated. Errors from the scatter of the gradients of the configurations.
    """
    phi = np.asarray(phi, float)
    in_time, in_space = (np.roll(phi, 1, axis) + np.roll(phi, -1, axis) for axis in (1, 2))
    limit = 1.3 * np.abs(phi).max()
    nodes, weights = np.polynomial.legendre.leggauss(points)
    nodes, weights = limit * nodes, limit * weights
    powers = nodes ** np.arange(9)[:, None]
    g = score_matching(phi).value
    for _ in range(steps):
        F = g[0] * in_time + g[1] * in_space
        table = np.linspace(F.min(), F.max(), tilts)
        density = -(g[0] + g[1] + g[2] / 2) * nodes**2 - g[3] * nodes**4 / 4 + table[:, None] * nodes
        density = weights * np.exp(density - density.max(1, keepdims=True))
        density /= density.sum(1, keepdims=True)
        moment = {k: CubicSpline(table, density @ powers[k])(F) for k in (1, 2, 3, 4, 5, 6, 8)}
        # O_a as far as phi_i enters it is sum_k c_ak phi_i^k: its excess over its mean, and its covariances
        terms = (
            {2: 1.0, 1: -in_time},
            {2: 1.0, 1: -in_space},
            {2: 0.5},
            {4: 0.25},
        )
        excess = [sum(c * (moment[k] - phi**k) for k, c in each.items()) for each in terms]
        gradient = np.stack([each.sum((1, 2)) for each in excess], 1)  # [n, a]
        bend = np.empty((len(terms), len(terms)))
        for a, one in enumerate(terms):
            for b, other in enumerate(terms):
                pairs = ((k, j, c * d) for k, c in one.items() for j, d in other.items())
                bend[a, b] = sum((cd * (moment[k + j] - moment[k] * moment[j])).sum() / len(phi) for k, j, cd in pairs)
        g = g + np.linalg.solve(bend, gradient.mean(0))
    inverse = np.linalg.inv(bend)
    spread = inverse @ np.cov(gradient.T) @ inverse / len(phi)
    return statistics.Estimate(g, np.sqrt(np.diag(spread)))


def smallest_error(phi, n, names=NAMES):
    """Cramer-Rao: the smallest standard errors [a] from n configurations; phi: as many fields of that distribution as
    fix the covariance of the O_a."""
    return np.sqrt(np.diag(np.linalg.inv(np.cov(operators(phi, names).T))) / n)
