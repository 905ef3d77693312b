r"""Other temperatures from one network: sample a surrogate, reweight to exp(-H_theta / T).

The network gives ln p_theta for any configuration but only samples at its own T0, and raising p to the power T0 / T
soon leaves their support. A surrogate H_s built from the readable couplings (`couplings.py`) can be sampled at any T by
a fast sampler. With weights w = exp[-(H_theta - H_s) / T] its samples give averages under exp(-H_theta / T) exactly,
in the limit of many samples, whatever the surrogate; a poor one shows in the effective sample size
ESS = (sum w)^2 / sum w^2.

Two facts make it precise. (1) ln Z_theta(T) - ln Z_s(T) = ln <w>_s. (2) Something close to the target, whose averages
are known far better than a few evaluations of a network could give them, serves as a control variate: only the
difference between the two, on the same configurations, is taken from those few.
"""

from typing import NamedTuple

import numpy as np

from lib.statistics import block_sums, jackknife


class Reweighted(NamedTuple):
    """Value(s) with jackknife error(s), and the effective sample size as a fraction of the samples."""

    value: np.ndarray
    error: np.ndarray
    ess: float


def effective_sample_size(log_weights):
    """(sum w)^2 / (n sum w^2), between 1/n and 1, from log weights [n]."""
    w = np.exp(log_weights - np.max(log_weights))
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))


def log_mean_weight(log_weights, weights=None):
    """ln <w> from log weights [n]: ln Z_theta - ln Z_s. weights: log weights [n] of the average, default equal."""
    weights = np.zeros(len(log_weights)) if weights is None else weights
    return float(np.logaddexp.reduce(log_weights + weights) - np.logaddexp.reduce(weights))


class Control(NamedTuple):
    """A distribution close to the target: its exact or precise `averages` [k], and its `observables` [n, k] and
    `log_weights` [n] on the same configurations as those of the target."""

    averages: np.ndarray
    observables: np.ndarray
    log_weights: np.ndarray


def _weighted(observables, log_weights):
    """Columns [n, 1 + k]: the weights, scaled to a largest one of 1, and the weighted observables."""
    w = np.exp(log_weights - log_weights.max())[:, None]
    return np.concatenate([w, w * observables], axis=1)


def reweight(observables, log_weights, function=None, *, control=None, blocks=50):
    """Averages under the reweighted distribution, or `function` of them, with jackknife errors.

    observables: [n, k]. log_weights: [n]. function: maps the k averages to an array (default: the averages).
    control: a `Control`, or None. The averages are then control.averages + (target - control, both on these n
    configurations). Returns `Reweighted`; its error does not contain that of control.averages.
    """
    observables, log_weights = np.asarray(observables, float), np.asarray(log_weights, float)
    if len(observables) != len(log_weights):
        raise ValueError(f"{len(observables)} observables but {len(log_weights)} weights")
    if not np.all(np.isfinite(log_weights)):
        raise ValueError("a log weight is not finite: a configuration outside the support of one of the two energies")
    function = function or (lambda means: means)
    columns = _weighted(observables, log_weights)
    k = columns.shape[1]
    if control is not None:
        columns = np.concatenate([columns, _weighted(control.observables, control.log_weights)], axis=1)

    def estimator(total):
        means = total[1:k] / total[0]
        if control is not None:
            means = means - total[k + 1 :] / total[k] + control.averages
        return function(means)

    value, error = jackknife(estimator, block_sums(columns, blocks))
    return Reweighted(value, error, effective_sample_size(log_weights))
