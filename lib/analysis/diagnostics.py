r"""How wrong is a learned distribution? Four answers that need no exact one, all in nats per configuration.

Let d(s) = ln p_theta(s) - ln p(s). To second order in d, with averages over the data,

    KL(p || p_theta) = Var(d) / 2.

p is not known, and so d is not, but each of these shows a part of it:

    samples     averages A of what the network draws differ from those of the data by D, whose covariance under the data
                is C: no distribution with these averages is closer than D^T C^-1 D / 2
    seeds       two networks, d_1 - d_2 = ln p_1 - ln p_2:  Var(d_1 - d_2) / 4, if d_1 and d_2 are independent;
                blind to what they have in common, an architecture or a file
    symmetry    p(g s) = p(s):  <(ln p_theta(g s) - ln p_theta(s))^2> / 4, if d(g s) and d(s) are independent;
                blind to whatever is as symmetric as p
    surrogate   a Hamiltonian H_s of a few couplings known otherwise:  Var(ln p_theta + H_s / T0) / 2, and the effective
                sample size of the weights between the two; it takes the family of H_s for the truth

A number far above zero is a fault that is there; zero is no proof. (<exp(d)> = 1, so <d> = -<d^2> / 2 to second order,
and KL = -<d>.)
"""

import itertools
from typing import NamedTuple

import numpy as np

from lib.analysis.reweighting import effective_sample_size
from lib.statistics import BLOCKS, Estimate, block_sums, jackknife, mean, over_networks


def _covariance(values):
    return np.atleast_2d(np.cov(np.asarray(values, float).T))


def samples(drawn, observed, tau_int=0.5):
    """`Estimate` of D^T C^-1 D / 2 in nats, less what noise alone makes of it: it may come out below zero.

    drawn [k, a], observed [n, a]: quantities of independent samples of the network, and of the data.
    tau_int: of the data, in configurations.

    ValueError if they have different quantities.
    """
    drawn, observed = np.asarray(drawn, float), np.asarray(observed, float)
    if drawn.shape[1:] != observed.shape[1:]:
        raise ValueError(f"{drawn.shape[1:]} quantities drawn, {observed.shape[1:]} observed: give the same ones")
    difference = drawn.mean(axis=0) - observed.mean(axis=0)
    metric = np.linalg.pinv(_covariance(observed), rcond=1e-10, hermitian=True)
    noise = metric @ (_covariance(drawn) / len(drawn) + 2 * tau_int * _covariance(observed) / len(observed))
    size = difference @ metric @ difference
    # of a quadratic form in a normal variable; what noise adds to the square of the difference is taken off again
    of_noise = np.trace(noise @ noise)
    variance = of_noise / 2 + max(0.0, difference @ noise @ metric @ difference - of_noise)
    return Estimate(float((size - np.trace(noise)) / 2), float(np.sqrt(variance)))


def pulls(drawn, observed, tau_int=0.5):
    """Differences of the averages in units of their errors, [a]; arguments as in `samples`."""
    ours, theirs = mean(drawn), mean(observed, tau_int)
    return (ours.value - theirs.value) / np.hypot(ours.error, theirs.error)


def _variance(differences, share, blocks):
    """`Estimate` of share * Var of each column of differences [n, k], averaged over the columns."""
    centred = differences - differences.mean(axis=0)
    columns = np.stack([np.ones_like(centred), centred, centred**2], axis=1)

    def estimator(total):
        n, first, second = total
        return share * (second / n - (first / n) ** 2).mean()

    return jackknife(estimator, block_sums(columns, blocks))


def seeds(log_prob, blocks=BLOCKS):
    """`Estimate` of Var(ln p_1 - ln p_2) / 4 in nats, averaged over the pairs of m networks.

    log_prob: [m, n] of n held-out configurations. The error is that of the configurations.

    ValueError for fewer than two networks.
    """
    pairs = list(itertools.combinations(np.asarray(log_prob, float), 2))
    if not pairs:
        raise ValueError(f"{len(log_prob)} networks have no spread: give two or more")
    return _variance(np.stack([a - b for a, b in pairs], axis=1), 1 / 4, blocks)


def symmetry(changes):
    """`Estimate` of <(ln p(g s) - ln p(s))^2> / 4 in nats, from these changes of ln p under operations g, [g, n]."""
    return mean((np.asarray(changes, float) ** 2).mean(axis=0) / 4)


def surrogate(log_prob, log_weight, blocks=BLOCKS):
    """`Estimate` of Var(ln p_theta - ln w_s) / 2 in nats, from ln p_theta and -H_s / T0 of configurations, [n] each.

    `reweighting.effective_sample_size` of the difference is about exp(-2) to the power of this.
    """
    difference = np.asarray(log_prob, float) - np.asarray(log_weight, float)
    return _variance(difference[:, None], 1 / 2, blocks)


class Blind(NamedTuple):
    """The four diagnostics of a few networks, `Estimate` in nats, nan where one is not possible.

    pull: largest difference between samples and data, in errors.
    ess: effective sample size / n of the weights between networks and surrogate.
    """

    samples: Estimate
    seeds: Estimate
    symmetry: Estimate
    surrogate: Estimate
    pull: float
    ess: float

    @property
    def largest(self):
        """(name, `Estimate`) of the largest of the three that assume no family of Hamiltonians."""
        known = {name: getattr(self, name) for name in ("samples", "seeds", "symmetry")}
        known = {name: each for name, each in known.items() if np.isfinite(each.value)}
        return max(known.items(), key=lambda item: item[1].value)


def blind(log_prob, drawn, observed, changes, log_weight, tau_int=0.5):
    """`Blind` of m networks.

    log_prob: [m, n] of held-out configurations, and log_weight: [n], -H_s / T0 of the surrogate.
    drawn: m arrays of quantities of samples, and observed: of the data (`samples`).
    changes: m arrays of changes of ln p under symmetries (`symmetry`), or None where the system has none.
    tau_int: of the data, in configurations.

    Errors hold configurations and the scatter of the networks; that of `seeds` the configurations only.
    """

    def average(estimates):
        return over_networks(*np.transpose(list(estimates)))

    return Blind(
        samples=average(samples(each, observed, tau_int) for each in drawn),
        seeds=seeds(log_prob),
        symmetry=Estimate(np.nan, np.nan) if changes is None else average(symmetry(each) for each in changes),
        surrogate=average(surrogate(each, log_weight) for each in log_prob),
        pull=float(max(np.abs(pulls(each, observed, tau_int)).max() for each in drawn)),
        ess=float(np.mean([effective_sample_size(each - log_weight) for each in log_prob])),
    )
