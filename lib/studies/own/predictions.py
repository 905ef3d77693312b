r"""Other temperatures from networks that learned a file at T0: plain reweighting of their own samples.

    ln w = (T0 / T - 1) ln p_theta

The error has, beside samples and spread between networks, a part that all networks share: of the file. It is that of
an exponential family with the readable operators, by linear response, d<A>/dK_a = (T0 / T) Cov(A, O_a), with the
covariance of the couplings K of the Cramer-Rao bound.
"""

from dataclasses import dataclass

import numpy as np

from lib.analysis.reweighting import effective_sample_size, reweight
from lib.statistics import over_networks

ESS_BAR = 0.1  # effective samples / samples above which a temperature counts as within reach


@dataclass(frozen=True)
class Predictions:
    """Averages at other temperatures T [t]; ess: effective samples / samples.

    low, high: where that falls below ESS_BAR on either side of T0 (T0 / 2 and 2 T0 where it does not).
    """

    T: np.ndarray
    energy: np.ndarray
    energy_error: np.ndarray
    order: np.ndarray
    order_error: np.ndarray
    ess: np.ndarray
    low: float
    high: float

    @property
    def within(self):
        """Which temperatures are within reach, bool [t]."""
        return (self.T >= self.low) & (self.T <= self.high)


def temperatures(T0):
    """Where averages are predicted: from 0.7 to 1.4 T0 in steps of 0.05."""
    return T0 * np.round(np.arange(0.7, 1.4001, 0.05), 2)


def predict(T0, samples, sums, n_train):
    """`Predictions` from the `NetworkSamples` of each network, a list.

    sums: operators of the training set [n, a], those that are read. n_train: its effective number of configurations.
    """
    T = temperatures(T0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(sums.T)) * n_train)
    values, errors, of_file, ess = [], [], [], []
    for each in samples:
        observables = np.stack([each.energy, each.order], axis=1)
        operators = each.operators[:, : sums.shape[1]]
        log_p = each.log_prob - each.log_prob.mean()
        log_w = [(T0 / t - 1) * log_p for t in T]
        estimates = [reweight(observables, w) for w in log_w]
        values.append([x.value for x in estimates])
        errors.append([x.error for x in estimates])
        ess.append([x.ess for x in estimates])
        of_file.append([response(observables, operators, w, inverse) * T0 / t for w, t in zip(log_w, T, strict=True)])
    mean, error = over_networks(values, errors)
    error = np.hypot(error, np.mean(of_file, axis=0))
    return Predictions(T, mean[:, 0], error[:, 0], mean[:, 1], error[:, 1], np.mean(ess, axis=0), *_window(T0, samples))


def response(observables, operators, log_w, inverse):
    """Errors [k] of averages of observables [n, k] from those of the couplings, whose covariance is `inverse`.

    operators [n, a], log_w [n]: of the same configurations.
    """
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    change = ((observables - w @ observables) * w[:, None]).T @ (operators - w @ operators)
    return np.sqrt(np.maximum(np.einsum("ka,ab,kb->k", change, inverse, change), 0))


def _window(T0, samples):
    """Temperatures next to T0 where the effective samples cross ESS_BAR, or T0 / 2 and 2 T0."""
    T = T0 * np.geomspace(0.5, 2.0, 201)
    ess = np.mean([[effective_sample_size((T0 / t - 1) * each.log_prob) for t in T] for each in samples], axis=0)
    at = int(np.argmin(abs(T - T0)))
    below = np.flatnonzero(ess < ESS_BAR)
    low, high = below[below < at], below[below > at]
    return float(T[low[-1] + 1] if len(low) else T[0]), float(T[high[0] - 1] if len(high) else T[-1])
