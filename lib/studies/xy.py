r"""From a temperature to a learned Hamiltonian of the XY model: what the chapter on angles measures.

The trainings themselves are tasks (`task.py`) with `sources.Angles`.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.divergence import kl_divergence
from lib.analysis.importance import effective_sample_size, log_mean_weight
from lib.statistics import Estimate
from lib.studies.sources import Angles
from lib.studies.task import replicas
from lib.systems import xy


def angles(network, L, T0, n_train, n_steps, n_networks, seed, **options):
    """`n_networks` tasks on angles of the L x L lattice at T0 that differ in everything random.

    options: of the network, like n_components of a mixture.
    """
    source = Angles(L, T0)
    return replicas(f"xy.{network}", source, n_train, n_steps, n_networks, seed, options=tuple(options.items()))


def configurations(L, T, n, seed, purpose="test"):
    """n independent angles [n, L, L] at temperature T; different purposes never share random numbers."""
    return Angles(L, T).configurations(n, seed, purpose)


def kl(hamiltonian, theta, log_partition):
    """`Estimate` of the exact distribution at T0 from the network's, on angles [n, L, L] drawn at T0.

    log_partition: (value, error) of ln Z. Its error is a common shift and is added in quadrature.
    """
    value, error = log_partition
    distance = kl_divergence(xy.log_density(theta, hamiltonian.T0, value), hamiltonian.log_prob(theta))
    return Estimate(distance.value, float(np.hypot(distance.error, error)))


def largest_deviation(name, found, truth, keep):
    """(|difference|, its error) of two `Curves` in the quantity `name`, at that of the kept temperatures where it is
    largest; NaN, NaN if none is kept. keep [t]: bool."""
    difference = np.abs(found.values[name] - truth.values[name])
    if not np.isfinite(difference[keep]).any():
        return np.nan, np.nan
    worst = np.nanargmax(np.where(keep, difference, np.nan))
    return float(difference[worst]), float(np.hypot(found.errors[name][worst], truth.errors[name][worst]))


class Assessed(NamedTuple):
    """KL of the exact distribution from a network; effective sample size per draw of its own draws, weighted with
    p / p_theta; ln Z from these weights."""

    kl: Estimate
    ess: float
    log_z: Estimate


def assess(hamiltonian, log_partition, seed, n=2000, n_draws=1000):
    """`Assessed` on n new configurations at T0 and n_draws of the network. log_partition: (value, error) of ln Z."""
    theta = configurations(hamiltonian.model.site_shape[0], hamiltonian.T0, n, seed)
    distance = kl(hamiltonian, theta, log_partition)
    drawn, log_q = hamiltonian.sample(n_draws, seed)
    log_w = xy.log_density(drawn, hamiltonian.T0, 0.0) - log_q
    ess = effective_sample_size(log_w)
    return Assessed(distance, ess, Estimate(log_mean_weight(log_w), float(np.sqrt((1 / ess - 1) / n_draws))))
