r"""Other temperatures from one network: sample a surrogate, reweight to exp(-H_theta / T).

The network gives ln p_theta for any configuration but only samples at its own T0, and raising p to the power T0 / T
soon leaves their support. A surrogate H_s built from the readable couplings (`couplings.py`) can be sampled at any T by
a fast sampler. With weights w = exp[-(H_theta - H_s) / T] its samples give averages under exp(-H_theta / T) exactly,
in the limit of many samples, whatever the surrogate; a poor one shows in the effective sample size
ESS = (sum w)^2 / sum w^2.

Two facts make it precise. (1) ln Z_theta(T) - ln Z_s(T) = ln <w>_s. (2) The surrogate's own averages can be had far
better than from the reweighted samples, by a long run, so they serve as control variates: only the difference between
weighted and unweighted mean is taken from the few configurations the network has seen.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.statistics import block_sums, jackknife


class Estimate(NamedTuple):
    """Value(s) with jackknife error(s), and the effective sample size as a fraction of the samples."""

    value: np.ndarray
    error: np.ndarray
    ess: float


def effective_sample_size(log_weights):
    """(sum w)^2 / (n sum w^2), between 1/n and 1, from log weights [n]."""
    w = np.exp(log_weights - np.max(log_weights))
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))


def log_mean_weight(log_weights, blocks=50):
    """ln <w> and its jackknife error, from log weights [n]: ln Z_theta - ln Z_s."""
    top = np.max(log_weights)
    value, error = jackknife(np.log, block_sums(np.exp(log_weights - top), blocks) / len(log_weights))
    # leaving a block out also leaves out its share of n: correct the mean, the spread is unaffected to O(1 / blocks)
    return float(value + top), float(error)


def reweight(observables, log_weights, function=None, *, control=None, blocks=50):
    """Averages under the reweighted distribution, or `function` of them, with jackknife errors.

    observables: [n, k]. log_weights: [n]. function: maps the k averages to an array (default: the averages).
    control: known surrogate averages [k] (nan where unknown); where known, the estimate is
    control + (weighted mean - plain mean). Returns an Estimate.
    """
    observables = np.asarray(observables, dtype=float)
    log_weights = np.asarray(log_weights, dtype=float)
    if len(observables) != len(log_weights):
        raise ValueError(f"{len(observables)} observables but {len(log_weights)} weights")
    if not np.all(np.isfinite(log_weights)):
        raise ValueError("a log weight is not finite: a configuration outside the support of one of the two energies")
    w = np.exp(log_weights - log_weights.max())[:, None]
    k = observables.shape[1]
    columns = np.concatenate([w, np.ones_like(w), w * observables, observables], axis=1)
    known = np.zeros(k, dtype=bool) if control is None else np.isfinite(control)
    function = function or (lambda means: means)

    def estimator(total):
        weighted = total[2 : 2 + k] / total[0]
        plain = total[2 + k :] / total[1]
        return function(np.where(known, (control if control is not None else 0) + weighted - plain, weighted))

    value, error = jackknife(estimator, block_sums(columns, blocks))
    return Estimate(value, error, effective_sample_size(log_weights))
