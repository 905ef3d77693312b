r"""Reading the action of a scalar field: couplings of a learned S, and the best that is possible without a network.

The action of `systems/phi_four.py` is linear in its couplings, S = sum_a g_a O_a, with

    O = sum (d_t phi)^2 / 2,   sum (d_x phi)^2 / 2,   sum phi^2 / 2,   sum phi^4 / 4,
    g = 1 / D,                 D,                     D m^2,           D lambda,

and none for what it does not contain: phi^6 / 6, squared differences of diagonal neighbours, and of sites two apart in
time or in space. These are alarms.

    values           least squares of S_theta on the O_a, with a constant
    score matching   the minimum of <|grad S|^2 / 2 - laplace S> over the data, linear in g
    Cramer-Rao       no unbiased estimator from n configurations does better than the inverse of n Cov(O_a, O_b)

Source: A. Hyvarinen, J. Mach. Learn. Res. 6, 695 (2005), for score matching.
"""

import numpy as np

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


def read(action, phi, names=NAMES):
    """g_a [a] from the values of an action [n] on fields [n, N_t, N_x], by least squares with a constant."""
    columns = np.column_stack([operators(phi, names), np.ones(len(phi))])
    return np.linalg.lstsq(columns, action, rcond=None)[0][:-1]


def score_matching(phi, names=NAMES, blocks=statistics.BLOCKS):
    """g_a as an `Estimate` [a] from fields [n, N_t, N_x] without a network; errors over consecutive blocks of them."""
    first, second = gradients(np.asarray(phi, float), names)
    products = np.einsum("antx,bntx->nab", first, first)
    sums = statistics.block_sums(np.concatenate([products, second.T[:, :, None]], 2), blocks)
    return statistics.jackknife(lambda total: np.linalg.solve(total[:, :-1], total[:, -1]), sums)


def smallest_error(phi, n, names=NAMES):
    """Cramer-Rao: the smallest standard errors [a] from n configurations; phi: as many fields of that distribution as
    fix the covariance of the O_a."""
    return np.sqrt(np.diag(np.linalg.inv(np.cov(operators(phi, names).T))) / n)
