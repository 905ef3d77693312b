r"""From an inverse temperature to a learned action of the double well: what the chapters on paths measure.

The trainings themselves are tasks (`task.py`) with `sources.Paths`: every batch is shown under random translations,
reversal of time and x -> -x.
"""

from lib.studies.sources import Paths
from lib.studies.task import replicas


def paths(network, beta, n_sites, n_train, n_steps, n_networks, seed):
    """`n_networks` tasks on paths of n_sites at beta that differ in everything random."""
    return replicas(f"path.{network}", Paths(beta, n_sites), n_train, n_steps, n_networks, seed)


def test_paths(beta, n_sites, n, seed):
    """n independent paths [n, N] drawn exactly, by transfer matrix; no random number is shared with any training."""
    return Paths(beta, n_sites).configurations(n, seed, "test")
