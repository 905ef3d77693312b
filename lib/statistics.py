r"""Value +- error: autocorrelation, block sums, jackknife, and the average over networks. One of each, for all rooms.

Independent values: error of the mean s / sqrt(n). A series in time with tau_int = 1/2 + sum_t rho(t) holds
n / (2 tau_int) independent values, so the error grows by sqrt(2 tau_int). A function f of averages: with f_b computed
without block b of n, independent of the others,

    error^2 = (n - 1) / n  sum_b (f_b - <f_b>)^2                                            (jackknife).

An error here is one standard error, or, where a few values had to tell their own scatter, the half width that covers
as often as one standard error of a normal variable does, 68.27 % (`student`). Sources: A. Sokal, Monte Carlo Methods in
Statistical Mechanics (lecture notes, 1996), for the window; B. Efron, The Jackknife, the Bootstrap and Other Resampling
Plans (SIAM, 1982).
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

BLOCKS = 20  # of consecutive configurations, where nothing else is said
ONE_SIGMA = stats.norm.cdf(1) - stats.norm.cdf(-1)


class Estimate(NamedTuple):
    """A value (or an array of them) and its error: unpacks like a tuple."""

    value: float
    error: float


def _estimate(value, error):
    """`Estimate` of plain numbers where they are single ones."""
    return Estimate(*(x.item() if np.ndim(x) == 0 else x for x in (np.asarray(value), np.asarray(error))))


class NoFeature(ValueError):
    """A curve does not have the feature asked for: no peak, no crossing."""


def or_nan(function, *arguments):
    """`function(*arguments)`, an `Estimate`, or nan +- nan where it raises `NoFeature`."""
    try:
        return function(*arguments)
    except NoFeature:
        return Estimate(np.nan, np.nan)


# ---------------------------------------------------------------- one series


def autocorrelation(series, lags=None):
    """rho(t) at t = 0 ... lags - 1 (default: all) of equivalent chains, series [t] or [t, chains], around their common
    mean; a constant series has rho = 0 beyond t = 0."""
    series = np.asarray(series, dtype=float)
    x = (series - series.mean()).reshape(len(series), -1)
    power = np.abs(np.fft.rfft(x, 2 * len(x), axis=0)) ** 2
    covariance = np.fft.irfft(power.mean(axis=1))[: len(x)] / (len(x) - np.arange(len(x)))
    if covariance[0] <= 1e-12 * (1 + series.mean() ** 2):
        covariance = np.eye(1, len(x))[0]
    return (covariance / covariance[0])[:lags]


def integrated_time(series):
    """tau_int = 1/2 + sum rho of equivalent chains, series [t] or [t, chains], around their common mean; at least 1/2.

    The sum stops at the first lag beyond 6 tau_int (Sokal's window). A constant series has 1/2.
    """
    tau = np.cumsum(autocorrelation(series)) - 0.5
    beyond = np.arange(len(tau)) >= 6 * tau
    return float(max(0.5, tau[np.argmax(beyond) if beyond.any() else -1]))


def mean(values, tau_int=0.5):
    """`Estimate` of the average over the first axis of values [n, ...]; tau_int: 1/2 if they are independent."""
    values = np.asarray(values, dtype=float)
    return _estimate(values.mean(axis=0), values.std(axis=0, ddof=1) * np.sqrt(2 * tau_int / len(values)))


# ---------------------------------------------------------------- jackknife


def block_sums(values, blocks):
    """Sum values [n, ...] over `blocks` consecutive blocks -> [blocks, ...]."""
    values = np.asarray(values)
    if len(values) < blocks:
        raise ValueError(f"{len(values)} values cannot be cut into {blocks} blocks: use fewer blocks")
    edges = np.linspace(0, len(values), blocks + 1).astype(int)[:-1]
    return np.add.reduceat(values, edges, axis=0)


def owners(n, blocks=BLOCKS):
    """The block, 0 ... blocks - 1, that each of n consecutive configurations belongs to, int [n]."""
    return np.arange(n) * blocks // n


def jackknife(estimator, sums):
    """`Estimate` of `estimator(total)` where `total` is the sum over independent blocks, `sums` [blocks, ...].

    estimator: function of summed data, returning a number or an array, the shape of value and error.
    """
    total = sums.sum(axis=0)
    return _estimate(estimator(total), _scatter([estimator(total - part) for part in sums]))


def over_blocks(function, owner):
    """`Estimate` of `function(keep)`, keep a boolean mask [n] of what enters, by leaving out one block after the other.

    For what is not a function of sums. owner: the block of each of the n configurations (`owners`).
    """
    left_out = [function(owner != block) for block in np.unique(owner)]
    return _estimate(function(np.ones(len(owner), bool)), _scatter(left_out))


def _scatter(left_out):
    left_out = np.asarray(left_out, dtype=float)
    return np.sqrt((len(left_out) - 1) * left_out.var(axis=0))


# ---------------------------------------------------------------- several networks


def student(m):
    """Half width that covers 68.27 %, in units of s / sqrt(m), for m values that tell their own scatter s: 1.84 for
    two, 1.32 for three, 1.20 for four (Student's t, m - 1 degrees of freedom)."""
    return float(stats.t.ppf((1 + ONE_SIGMA) / 2, m - 1))


def over_networks(values, errors=None, *, shared=0.0):
    """Mean over m networks trained from different seeds, values [m, ...], as `Estimate` [...].

    errors e_k [m, ...]: of the configurations on which each was evaluated, independent of the others' (default: none).
    shared: an error [...] that all of them have in common: of ln Z, of data that all were trained on. True: all were
    evaluated on the same configurations, so the e_k are one error in common, taken as their mean. With the scatter s of
    the m values and t = `student`(m),

        error = hypot( shared, max( sqrt(sum_k e_k^2) / m,  t s / sqrt(m) ) ):

    s holds the e_k already, but nothing of what is shared, and that does not average out. One network shows no scatter:
    its error is hypot(shared, e_1), nan if neither is given.

    The error of a few networks is a half width of 68 %; twice and three times it cover less than for a normal variable
    (88 and 94 % for three networks). It is not widened until three errors cover 99.7 %: the factor would be 6.4 instead
    of 1.3, the same bar would cover 98 % at one error, and nobody could see from it how well the networks agree. What
    needs more certainty needs more networks. What no seed changes (recipe, architecture) shows in no scatter and is not
    in it.
    """
    values = np.asarray(values, dtype=float)
    m, known = len(values), errors is not None or np.any(shared)
    errors = np.zeros(values.shape) if errors is None else np.asarray(errors, dtype=float)
    if shared is True:
        errors, shared = np.zeros(values.shape), errors.mean(axis=0)
    own = np.sqrt((errors**2).sum(axis=0)) / m
    if m > 1:
        own = np.maximum(own, student(m) * values.std(axis=0, ddof=1) / np.sqrt(m))
    elif not known:
        own = own + np.nan
    return _estimate(values.mean(axis=0), np.hypot(shared, own))
