"""Errors: jackknife over blocks, and the combination with the spread between networks.

Autocorrelation times belong to the samplers (`lib.samplers.driver.integrated_time`): what reaches this room is
independent configurations.
"""

import numpy as np


def block_sums(values, blocks):
    """Sum values [n, ...] over `blocks` consecutive blocks -> [blocks, ...]."""
    values = np.asarray(values)
    if len(values) < blocks:
        raise ValueError(f"{len(values)} values cannot be cut into {blocks} blocks: use fewer blocks")
    edges = np.linspace(0, len(values), blocks + 1).astype(int)[:-1]
    return np.add.reduceat(values, edges, axis=0)


def jackknife(estimator, sums):
    """Value and jackknife error of `estimator(total)` where `total` is the sum over the blocks `sums` [blocks, ...].

    estimator: function of summed data, returning an array. Returns (value, error), both of that array's shape.
    """
    total = sums.sum(axis=0)
    value = np.asarray(estimator(total))
    left_out = np.stack([np.asarray(estimator(total - part)) for part in sums])
    spread = left_out - left_out.mean(axis=0)
    n = len(sums)
    return value, np.sqrt((n - 1) / n * (spread**2).sum(axis=0))


def over_networks(values, errors):
    """Mean over networks [m, ...] and its error: the larger of the statistical one and the spread between networks.

    The spread between m networks trained from different seeds gives an error s / sqrt(m) of their mean; the statistical
    errors of the m values are added in quadrature as if independent. With one network the spread is unknown.
    """
    values, errors = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    m = len(values)
    statistical = np.sqrt((errors**2).sum(axis=0)) / m
    if m == 1:
        return values[0], statistical
    spread = values.std(axis=0, ddof=1) / np.sqrt(m)
    return values.mean(axis=0), np.maximum(statistical, spread)
