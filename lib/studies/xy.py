"""What the chapter on angles measures of a learned Hamiltonian of the XY model.

The trainings are tasks (`task.py`) with `sources.Angles`.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.divergence import kl_divergence
from lib.analysis.importance import effective_sample_size, log_mean_weight
from lib.statistics import Estimate
from lib.studies.sources import Angles
from lib.systems import xy


def divergence_given_log_z(hamiltonian, theta, log_z):
    """`Estimate` of the KL of the exact distribution from a network's, on angles [n, L, L] drawn at its T0.

    log_z: (value, error). Its error is a common shift and is added in quadrature.
    """
    value, error = log_z
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
    """A network against the exact distribution.

    kl: of the exact distribution from the network's.
    ess: effective sample size per draw of its own draws, weighted with p / p_theta.
    log_z: ln Z from these weights.
    """

    kl: Estimate
    ess: float
    log_z: Estimate


def assess(hamiltonian, log_z, seed, n=2000, n_draws=1000):
    """`Assessed` on n new configurations at T0 and n_draws of the network. log_z: (value, error) of ln Z."""
    theta = Angles(hamiltonian.model.site_shape[0], hamiltonian.T0).configurations(n, seed)
    distance = divergence_given_log_z(hamiltonian, theta, log_z)
    drawn, log_q = hamiltonian.sample(n_draws, seed)
    log_w = xy.log_density(drawn, hamiltonian.T0, 0.0) - log_q
    ess = effective_sample_size(log_w)
    return Assessed(distance, ess, Estimate(log_mean_weight(log_w), float(np.sqrt((1 / ess - 1) / n_draws))))
