r"""ln Z of the XY model by thermodynamic integration, with its statistical error.

    d ln Z / d beta = -<E>,    ln Z(beta = 0) = 0   (measure d theta / 2 pi),

so ln Z(beta) = -int_0^beta <E> d beta'. On a finite lattice <E> is a smooth function of beta and Gauss-Legendre nodes
converge fast; <E> at each node comes from an independent run.
"""

from typing import NamedTuple

import numpy as np

from lib.samplers import xy


class LogPartition(NamedTuple):
    """ln Z of the whole lattice (probability measure), standard error, and the nodes: beta, <E>, its error."""

    value: float
    error: float
    beta: np.ndarray
    energy: np.ndarray
    energy_error: np.ndarray


def log_partition_function(L, T, seed, *, n_sweeps=2000, nodes=16):
    """`LogPartition` of the L x L lattice at temperature T, from `n_sweeps` sweeps of 32 replicas at each node."""
    x, weight = np.polynomial.legendre.leggauss(nodes)
    beta = (x + 1) / (2 * T)
    weight = weight / (2 * T)
    runs = [
        xy.measure(L, 1 / b, n_sweeps, np.random.default_rng([seed, number])).energy() for number, b in enumerate(beta)
    ]
    energy, error = L * L * np.array(runs).T
    return LogPartition(float(-weight @ energy), float(np.hypot.reduce(weight * error)), beta, energy, error)
