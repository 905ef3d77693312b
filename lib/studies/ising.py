"""What the chapters on spins and blocks measure of a learned Hamiltonian of the Ising model.

The trainings are tasks (`task.py`) with `sources.Spins`.
"""

from typing import NamedTuple

import numpy as np

from lib import lattice, parallel
from lib.analysis import couplings, finite_size, reweighting
from lib.analysis.hamiltonian_error import compare
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, over_networks
from lib.studies.sources import Spins
from lib.systems import ising


def symmetrised(hamiltonian, images=16):
    """The same network with p averaged over lattice symmetries: 16 (`lattice.subgroup`), or 8, D4 alone."""
    if images not in (8, 16):
        raise ValueError(f"images = {images}: 8 or 16 of them form a group")
    (side, _) = hamiltonian.model.site_shape
    group = lattice.subgroup(side)[:images]
    return LearnedHamiltonian(hamiltonian.model, hamiltonian.T0, group, hamiltonian.preprocess)


# ---------------------------------------------------------------- H_theta against H


def mean_kl(learned):
    """`Estimate` of KL in nats per configuration, mean over several `Learned`, each with test configurations of its
    own."""
    return over_networks(*np.transpose([r.kl for r in learned]))


def compare_at(hamiltonian, L, temperatures, n, seed):
    """`Comparison` of H_theta with H on n new configurations at each temperature, a list [t]."""
    results = []
    for T in temperatures:
        s = Spins(L, T).configurations(n, seed, "thermodynamics")
        results.append(compare(hamiltonian.energy(s), ising.energy(s)))
    return results


def order_penalty(hamiltonian, L, temperatures, n, seed):
    """<ln p - ln p_theta> at T0 over n new configurations of each temperature, and the slope of that difference with
    m^2 among configurations of equal energy: arrays value, error [2, t].

    m: magnetisation per site. Errors of least squares, for independent configurations.
    """
    found = []
    for T in temperatures:
        s = Spins(L, T).configurations(n, seed, "thermodynamics")
        E, m2 = ising.energy(s), (ising.magnetization(s) / L**2) ** 2
        lost = Spins(L, hamiltonian.T0).log_prob(s) - hamiltonian.log_prob(s)
        columns = np.stack([np.ones(n), m2 - m2.mean(), E - E.mean()], axis=1)
        inverse = np.linalg.inv(columns.T @ columns)
        fit = inverse @ columns.T @ lost
        variance = ((lost - columns @ fit) ** 2).sum() / (n - 3)
        mean_error = lost.std(ddof=1) / np.sqrt(n)
        found.append([(fit[0], fit[1]), (mean_error, np.sqrt(variance * inverse[1, 1]))])
    return np.moveaxis(np.array(found), 0, 2)


def order_penalties(learned, temperatures, n, seed):
    """`Estimate` [2, t] of `order_penalty`, mean over several `Learned`, on the same configurations."""
    L = learned[0].task.source.L
    found = parallel.starmap(order_penalty, [(r.hamiltonian, L, temperatures, n, seed) for r in learned])
    values, errors = np.moveaxis(np.array(found), 1, 0)
    return over_networks(values, errors, shared=True)


class Comparisons(NamedTuple):
    """Several networks against H, at temperatures [t].

    slope, slope_error: mean over the networks.
    curvature: mean over the networks.
    residual, pearson: of the first network.
    """

    slope: np.ndarray
    slope_error: np.ndarray
    curvature: np.ndarray
    residual: np.ndarray
    pearson: np.ndarray


def compare_networks(groups, L, temperatures, n, seed):
    """`Comparisons` of every group, on n new configurations at each temperature, others for each network of a group.

    groups: dict name -> list of learned Hamiltonians.
    """
    calls = {
        name: [(compare_at, h, L, temperatures, n, seed + k) for k, h in enumerate(group)]
        for name, group in groups.items()
    }
    return {name: _combined(found) for name, found in parallel.run_all(calls).items()}


def _combined(found):
    """`Comparisons` from the `Comparison` of each network at each temperature, [networks][t]."""
    slope, error, curvature, residual, pearson = np.array(found).transpose(2, 0, 1)
    return Comparisons(*over_networks(slope, error), curvature.mean(axis=0), residual[0], pearson[0])


# ---------------------------------------------------------------- couplings


def classical_couplings(task):
    """Couplings by maximum pseudolikelihood from the very configurations that a task trains on."""
    s = task.source.configurations(task.n_train, task.data, "train")
    return couplings.pseudolikelihood(ising.local_sums(s), task.source.T, tuple(ising.OPERATORS))


def mean_couplings(read, *, shared=False):
    """`Estimate` [a] over several networks, or data sets, from a `Couplings` of each; shared: see `over_networks`."""
    return over_networks([c.values for c in read], [c.errors for c in read], shared=shared)


# ---------------------------------------------------------------- curves


def scaled(groups, temperatures, n, seed, length=40):
    """`Curves` under p^(T0 / T) of every network, its p averaged over D4: dict name -> list.

    groups: dict name -> list of `Learned`, of spins or of overlapping sums.
    n, length: see `reweighting.ising_by_surrogate`.
    """
    calls = {}
    for name, group in groups.items():
        hamiltonians = [symmetrised(r.hamiltonian, images=8) for r in group]
        calls[name] = [
            (reweighting.ising_by_surrogate, h, h.model.site_shape[0], temperatures, n, seed + k, length)
            for k, h in enumerate(hamiltonians)
        ]
    return parallel.run_all(calls)


def relative_error(curves, name, exact):
    """`Estimate` [t] of curve / exact - 1, of the quantity `name` of `reweighting.ISING`."""
    return Estimate(curves.values[name] / exact - 1, curves.errors[name] / np.abs(exact))


def largest(values, errors, where=slice(None)):
    """`Estimate` of |value| for the value [t] farthest from zero, among those that `where` selects."""
    values, errors = np.abs(values)[where], np.asarray(errors)[where]
    at = np.argmax(values)
    return Estimate(values[at], errors[at])


def crossings(curves):
    """Where the Binder cumulants of neighbouring lattices cross: dict (side, next side) -> `Estimate` [networks].

    curves: dict side -> list of `Curves`, one for each network.
    """
    sides = sorted(curves)
    return {
        (a, b): finite_size.crossing_temperatures(curves[a], curves[b])
        for a, b in zip(sides[:-1], sides[1:], strict=True)
    }


def mean_crossing(found):
    """T_c as `Estimate`, the mean of all crossings of a network, over networks; nan +- nan without any."""
    if not found:
        return Estimate(np.nan, np.nan)
    return over_networks(*np.mean(list(found.values()), axis=0))
