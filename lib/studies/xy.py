r"""From a temperature to a learned Hamiltonian of the XY model: what the chapter on angles measures.

The trainings themselves are tasks (`task.py`) with `sources.Angles`.
"""

import numpy as np

from lib.analysis.divergence import kl_divergence
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
