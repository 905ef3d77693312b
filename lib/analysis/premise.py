r"""Are the observed variables the microscopic ones? A test of the premise of the method, from two temperatures.

If configurations s have the weight exp(-H(s) / T) at any T, with one H, then

    T0 ln p_0(s) - T1 ln p_1(s) = T1 ln Z_1 - T0 ln Z_0

is the same number for every s. If s are functions of what is microscopic, like block spins, or images that show
every other domain, ln p(s) is a free energy, depends on T by itself, and the difference varies with s. Then p_0^(T0/T)
is not the distribution at T.

With H_k = -T_k ln p_k of networks k, and x the mean of all H_k, centred on the configurations, the test statistic is
how much of H changes from T0 to T1:

    slope = mean over networks at T1 of Cov(H_k, x) / Var(x)  -  the same at T0,

zero under the premise; -0.1 says that all of H is a tenth weaker at T1. What of the difference is not proportional to
x is its remainder; its spread over configurations is compared with that of x. Networks are wrong in ways of their own,
so the remainder is never zero: only the slope has a p-value.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from lib.statistics import BLOCKS, Estimate, over_blocks, owners, student


class Premise(NamedTuple):
    """Outcome of the test.

    slope: `Estimate`, how much of H changes, as a fraction of H. p_value: of the premise, two-sided.
    sigmas: the deviation of a normal variable that has this p-value. nan with one network at each temperature.
    remainder: standard deviation over configurations of what in the difference is not proportional to H, over that
        of H.
    """

    slope: Estimate
    p_value: float
    sigmas: float
    remainder: float


def difference(first, second, weights=None):
    """(slope, remainder) of H_1 - H_0 on their mean, from energies H_0 [n] and H_1 [n] of the same configurations.

    weights: of the configurations (default: equal). As in `Premise`; exact where the energies are, and the weights.
    """
    share = np.full(len(first), 1 / len(first)) if weights is None else np.asarray(weights) / np.sum(weights)
    x, change = (first + second) / 2, second - first
    x, change = x - share @ x, change - share @ change
    slope = (share * x) @ change / ((share * x) @ x)
    rest = change - slope * x
    return float(slope), float(np.sqrt((share * rest) @ rest / ((share * x) @ x)))


def temperatures_agree(first, second, configurations, groups=BLOCKS):
    """`Premise` from networks at two temperatures.

    first, second: lists of `LearnedHamiltonian`, each list of one temperature, in the same units; networks trained on
        independent configurations.
    configurations: two arrays [n, ...] of independent ones, at the one temperature and at the other, which no network
        was trained on.
    groups: of consecutive configurations, for the jackknife.

    Errors: the scatter of the networks (Student's t with as many degrees of freedom as there are networks, less two),
    and the configurations. ValueError unless both lists have a network, and the temperatures differ.
    """
    if not first or not second:
        raise ValueError("the test needs at least one network at each of two temperatures")
    if len({h.T0 for h in first}) > 1 or len({h.T0 for h in second}) > 1 or first[0].T0 == second[0].T0:
        raise ValueError("each list of networks must be of one temperature, and the two must differ")
    s = np.concatenate(configurations)
    owner = np.concatenate([owners(len(each), groups) for each in configurations])
    H = np.array([h.energy(s) for h in [*first, *second]])
    m = len(first)

    def shares(keep):
        mean = (H[:m, keep].mean(0) + H[m:, keep].mean(0)) / 2
        x = mean - mean.mean()
        return H[:, keep] @ x / (x @ x)

    def slope(keep):
        each = shares(keep)
        return each[m:].mean() - each[:m].mean()

    value, of_configurations = over_blocks(slope, owner)
    everything = shares(np.ones(len(s), bool))
    _, remainder = difference(H[:m].mean(0), H[m:].mean(0))
    degrees = len(H) - 2
    if degrees < 1:
        return Premise(Estimate(value, np.nan), np.nan, np.nan, remainder)
    scatter = sum(((part - part.mean()) ** 2).sum() for part in (everything[:m], everything[m:])) / degrees
    of_networks = np.sqrt(scatter * (1 / m + 1 / (len(H) - m)))
    p_value = 2 * stats.t.sf(abs(value) / np.hypot(of_networks, of_configurations), degrees)
    error = np.hypot(student(degrees + 1) * of_networks, of_configurations)
    return Premise(Estimate(value, float(error)), float(p_value), float(stats.norm.isf(p_value / 2)), remainder)
