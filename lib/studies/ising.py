"""What the chapters on spins and blocks measure of a learned Hamiltonian of the Ising model.

The trainings are tasks (`task.py`) with `sources.Spins`.
"""

from lib import lattice
from lib.analysis import couplings
from lib.analysis.hamiltonian_error import compare
from lib.models.learned import LearnedHamiltonian
from lib.studies.sources import Spins
from lib.systems import ising


def classical_couplings(task):
    """Couplings by maximum pseudolikelihood from the very configurations that a task trains on."""
    s = task.source.configurations(task.n_train, task.data, "train")
    return couplings.pseudolikelihood(ising.local_sums(s), task.source.T, tuple(ising.OPERATORS))


def compare_at(hamiltonian, L, temperatures, n, seed):
    """`Comparison` of H_theta with H on n new configurations at each temperature, a list [t]."""
    results = []
    for T in temperatures:
        s = Spins(L, T).configurations(n, seed, "thermodynamics")
        results.append(compare(hamiltonian.energy(s), ising.energy(s)))
    return results


def symmetrised(hamiltonian, images=16):
    """The same network with p averaged over lattice symmetries: 16 (`lattice.subgroup`), or 8, D4 alone."""
    if images not in (8, 16):
        raise ValueError(f"images = {images}: 8 or 16 of them form a group")
    (side, _) = hamiltonian.model.site_shape
    group = lattice.subgroup(side)[:images]
    return LearnedHamiltonian(hamiltonian.model, hamiltonian.T0, group, hamiltonian.preprocess)
