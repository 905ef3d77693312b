r"""From a temperature to a learned Hamiltonian of the Ising model: what the chapters on spins and blocks measure.

The trainings themselves are tasks (`task.py`) with `sources.Spins`.
"""

from lib import lattice
from lib.analysis import couplings
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare
from lib.models.hamiltonian import LearnedHamiltonian
from lib.studies.sources import Spins
from lib.studies.task import replicas
from lib.systems import ising


def spins(network, L, T0, n_train, n_steps, n_networks, seed, starts=None):
    """`n_networks` tasks on spins of the L x L lattice at T0 that differ in everything random; see `task.replicas`."""
    return replicas(network, Spins(L, T0), n_train, n_steps, n_networks, seed, starts)


def configurations(L, T, n, seed, purpose="test"):
    """n independent configurations [n, L, L] at temperature T; different purposes never share random numbers."""
    return Spins(L, T).configurations(n, seed, purpose)


def log_prob_exact(s, T):
    """ln p(s) = -H(s) / T - ln Z, Kaufman's ln Z, of configurations s [n, L, L] -> [n]."""
    return -ising.energy(s) / T - ising.log_partition_function(s.shape[-1], T)


def kl(hamiltonian, s):
    """`Estimate` of H_theta's distribution from the exact one on configurations s [n, L, L] drawn at T0."""
    return kl_divergence(log_prob_exact(s, hamiltonian.T0), hamiltonian.log_prob(s))


def pseudolikelihood(task):
    """Couplings by maximum pseudolikelihood from the very configurations that a task trains on."""
    s = task.source.configurations(task.n_train, task.data, "train")
    return couplings.pseudolikelihood(ising.local_sums(s), task.source.T, tuple(ising.OPERATORS))


def compare_at(hamiltonian, L, temperatures, n, seed):
    """`Comparison` of H_theta with H on n new configurations at each temperature, a list [t]."""
    results = []
    for T in temperatures:
        s = configurations(L, T, n, seed, "thermodynamics")
        results.append(compare(hamiltonian.energy(s), ising.energy(s)))
    return results


def symmetrised(hamiltonian, images=16):
    """The same network with p averaged over lattice symmetries: 16 (`lattice.subgroup`), or 8, D4 alone."""
    if images not in (8, 16):
        raise ValueError(f"images = {images}: 8 or 16 of them form a group")
    (side, _) = hamiltonian.model.site_shape
    return LearnedHamiltonian(hamiltonian.model, hamiltonian.T0, lattice.subgroup(side)[:images], hamiltonian.view)
