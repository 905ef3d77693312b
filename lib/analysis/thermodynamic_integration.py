r"""ln Z of the XY model by thermodynamic integration, with its statistical error.

    d ln Z / d beta = -<E>,    ln Z(beta = 0) = 0   (measure d theta / 2 pi),

so ln Z(beta) = -int_0^beta <E> d beta'. On a finite lattice <E> is a smooth function of beta and Gauss-Legendre nodes
converge fast; <E> at each node comes from an independent run. Several temperatures share the integral up to the highest
of them, segment by segment.
"""

from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.samplers import chains, mcmc

NODES_PER_BETA = 14  # nodes of a segment per unit of beta; 16 in all and 24 agree at beta = 1 within 0.05


class LogPartition(NamedTuple):
    """ln Z of the whole lattice (probability measure d theta / 2 pi) and its standard error."""

    T: float
    value: float
    error: float


def _energy(L, beta, seed, n_sweeps):
    value, error = mcmc.measure(chains.XY(L, 1 / beta), n_sweeps, np.random.default_rng(seed)).energy()
    return L * L * value, L * L * error


def log_partition_function(L, temperatures, seed, *, n_sweeps=2000):
    """`LogPartition` of the L x L lattice at each temperature, a list in their order.

    n_sweeps: of 32 replicas at each node. Errors of several temperatures are correlated, as they share runs.
    """
    order = np.argsort(temperatures)[::-1]
    edges = np.concatenate([[0.0], 1 / np.asarray(temperatures, float)[order]])
    segments, jobs = [], []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        x, weight = np.polynomial.legendre.leggauss(max(3, int(np.ceil(NODES_PER_BETA * (high - low)))))
        beta, weight = low + (x + 1) / 2 * (high - low), weight / 2 * (high - low)
        segments.append(weight)
        jobs += [(L, b, [seed, len(jobs) + k], n_sweeps) for k, b in enumerate(beta)]
    runs = iter(parallel.starmap(_energy, jobs))
    value, variance, found = 0.0, 0.0, {}
    for weight, number in zip(segments, order, strict=True):
        for w, (energy, error) in zip(weight, runs, strict=False):
            value -= w * energy
            variance += (w * error) ** 2
        found[int(number)] = LogPartition(float(temperatures[number]), value, float(np.sqrt(variance)))
    return [found[k] for k in range(len(temperatures))]
