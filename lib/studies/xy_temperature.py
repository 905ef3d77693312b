"""What the chapter on other temperatures measures: learned Hamiltonians of the XY model away from their T0.

The trainings are tasks (`task.py`) with `sources.Angles`; the weights are those of `xy_reweighting`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import stats

from lib import lattice, parallel
from lib.analysis import bkt, couplings, finite_size, image_average, xy_reweighting
from lib.analysis.reweighting import XY, Curves, Reweighted, xy_direct
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_networks
from lib.studies.sources import Paths, Spins
from lib.systems import double_well, ising, xy

# ---------------------------------------------------------------- direct Monte Carlo


def sizes_for_transition(L):
    """The lattices whose networks give T_BKT: half of L, three quarters of it, and L; L alone where half is below 8,
    where the formula of Weber and Minnhagen has no meaning."""
    return [L // 2, 3 * L // 4, L] if L >= 16 and L % 4 == 0 else [L]


def monte_carlo(temperatures, n_sweeps, seed):
    """Dict L -> `Curves` of direct Monte Carlo.

    temperatures: dict L -> [t].
    n_sweeps: on a lattice of L = 16; 16 / L times as many on the others, but at least 100.
    """
    order = sorted(temperatures, reverse=True)  # the longest first
    jobs = [(xy_direct, L, temperatures[L], max(100, n_sweeps * 16 // L), seed) for L in order]
    return dict(zip(order, parallel.run(jobs), strict=True))


def helicity_near(curves, window):
    """Dicts L -> helicity modulus and error [t] at the temperatures of the window [t], from a dict L -> `Curves`."""
    near = {L: np.isin(curve.T, window) for L, curve in curves.items()}
    values, errors = (
        {L: getattr(curve, part)["helicity"][near[L]] for L, curve in curves.items()} for part in ("values", "errors")
    )
    return values, errors


def read_helicity(file):
    """Temperatures [t], and dicts L -> helicity modulus and error [t], from the table of `data/xy_helicity.py`."""
    table = np.genfromtxt(file, delimiter=",", names=True)
    rows = {int(L): table[table["L"] == L] for L in np.unique(table["L"])}
    values, errors = ({L: each[name] for L, each in rows.items()} for name in ("helicity", "error"))
    return next(iter(rows.values()))["T"], values, errors


def transition(curves, window):
    """`finite_size.KosterlitzThouless` from a dict L -> `Curves`, at the temperatures of the window [t]; NaN from fewer
    than three lattices."""
    if len(curves) < 3:
        return finite_size.KosterlitzThouless(*[np.nan] * len(finite_size.KosterlitzThouless._fields))
    return finite_size.kosterlitz_thouless(window, *helicity_near(curves, window))


# ---------------------------------------------------------------- one temperature to the others


class Extrapolated(NamedTuple):
    """What networks of one lattice and one T0 say, together.

    couplings: of all operators [5], and nearest: of nn alone, `Estimate`s.
    points: `xy_reweighting.Weighted` at each temperature, a list.
    """

    couplings: Estimate
    nearest: Estimate
    points: list

    def curves(self, average="H"):
        """`Curves` of the quantities `reweighting.XY`, with one average over lattice images (`image_average`)."""
        each = [xy_reweighting.quantities(point, average).mean for point in self.points]
        ess = [float(point.ess(average).mean()) for point in self.points]
        estimates = [Reweighted(*found, size) for found, size in zip(each, ess, strict=True)]
        return Curves.of(XY, [point.T for point in self.points], estimates)

    def crossing(self, window, average="H"):
        """`Estimate` over networks of where Y falls through 2 T / pi, from the points in the window [t]."""
        near = [point for point in self.points if np.isin(point.T, window)]
        found = [xy_reweighting.quantities(point, average) for point in near]
        values, errors = (np.array([getattr(one, part)[..., 1] for one in found]).T for part in ("values", "errors"))
        of_each = [bkt.crossing(window, *curve) for curve in zip(values, errors, strict=True)]
        return over_networks(*zip(*of_each, strict=True), shared=True)

    def eta(self, average="H"):
        """`Estimate` [t] of the exponent of the decay of the correlation function."""
        each = [xy_reweighting.correlations(point, average)[1].mean for point in self.points]
        return Estimate(*np.transpose(each))

    def pairs(self, average="H"):
        """`Estimate` [t, 2] of the vortex pairs per site and the mean distance in a pair."""
        each = [xy_reweighting.pairs(point, average).mean for point in self.points]
        return Estimate(*(np.array(part) for part in zip(*each, strict=True)))


def read(hamiltonian, theta, *, moves=16, seed=0):
    """`Couplings` of H_theta on all of `xy.OPERATORS`, and on nn alone, from moves of angles [n, L, L] drawn at T0."""
    names = tuple(xy.OPERATORS)
    tried = couplings.try_moves(hamiltonian, theta, xy.operators, names, xy.rotate_one, moves=moves, seed=seed)
    return couplings.read_moves(tried, hamiltonian.T0), couplings.read_moves(tried, hamiltonian.T0, ("nn",))


def _read(learned, seed):
    """`read` of a `Learned` network, H averaged over images, from 150 new configurations at T0."""
    task = learned.task
    theta = mcmc.sample(chains.XY(task.source.L, task.source.T), 150, np.random.default_rng([seed, 2])).configurations
    return read(image_average.mean_over_images(learned.hamiltonian), theta, seed=seed)


def extrapolate(learned, temperatures, n, n_sweeps, seed):
    """Dict name -> `Extrapolated`, side by side.

    learned: dict name -> list of `Learned`, all of one lattice and one T0. temperatures: dict name -> [t].
    n: dict name -> configurations evaluated at each temperature, four times as many from T = 1 on, where the helicity
        modulus is small and fluctuates most.
    n_sweeps: of the long runs.
    """
    found = iter(parallel.run((_read, one, seed + k) for group in learned.values() for k, one in enumerate(group)))
    of_networks = {name: [next(found) for _ in group] for name, group in learned.items()}
    jobs = []
    for number, (name, group) in enumerate(learned.items()):
        hamiltonians, L = [one.hamiltonian for one in group], group[0].task.source.L
        mean = np.mean([every.values for every, _ in of_networks[name]], axis=0)
        surrogate = dict(zip(xy.OPERATORS, mean.tolist(), strict=True))
        for k, T in enumerate(np.asarray(temperatures[name], float).tolist()):
            m = n[name] if T < 1 else 4 * n[name]
            jobs.append((xy_reweighting.weighted, hamiltonians, surrogate, L, T, m, n_sweeps, [seed, 4, number, k]))
    rows = iter(parallel.run(jobs))
    extrapolated = {}
    for name, pairs in of_networks.items():
        every, nearest = zip(*pairs, strict=True)
        extrapolated[name] = Extrapolated(
            over_networks([c.values for c in every], [c.errors for c in every]),
            over_networks([c.values[0] for c in nearest], [c.errors[0] for c in nearest]),
            [next(rows) for _ in temperatures[name]],
        )
    return extrapolated


def direct_structure(L, temperatures, n, seed):
    """`xy_reweighting.Structure` over temperatures [t], n configurations of the true Hamiltonian at each."""
    jobs = [(xy_reweighting.direct_structure, L, T, n, [seed, 5, k]) for k, T in enumerate(temperatures)]
    columns = zip(*parallel.run(jobs), strict=True)
    return xy_reweighting.Structure(*(Estimate(*(np.array(part) for part in zip(*c, strict=True))) for c in columns))


# ---------------------------------------------------------------- how far from the reference


def largest_deviation(name, found, truth, keep):
    """(|difference|, its error) of two `Curves` in the quantity `name`, at that of the kept temperatures where it is
    largest; NaN, NaN if none is kept. keep [t]: bool."""
    difference = np.abs(found.values[name] - truth.values[name])
    if not np.isfinite(difference[keep]).any():
        return np.nan, np.nan
    worst = np.nanargmax(np.where(keep, difference, np.nan))
    return float(difference[worst]), float(np.hypot(found.errors[name][worst], truth.errors[name][worst]))


class Agreement(NamedTuple):
    """chi2 of a curve against a reference over dof temperatures, and the probability p of a larger one."""

    chi2: float
    dof: int
    p: float


def agreement(found, truth, keep=True):
    """`Agreement` of two `Estimate`s [t], where both are known; keep [t]: bool.

    Errors of one curve at different temperatures have the networks in common, so that chi2 scatters more than
    independent errors would make it: p is too small rather than too large for a curve that lies on one side.
    """
    pulls = (found.value - truth.value) / np.hypot(found.error, truth.error)
    keep = np.isfinite(pulls) & keep
    chi2, dof = float((pulls[keep] ** 2).sum()), int(keep.sum())
    return Agreement(chi2, dof, float(stats.chi2.sf(chi2, dof)))


def quantity(curves, name):
    """`Estimate` [t] of one quantity of `Curves`."""
    return Estimate(curves.values[name], curves.errors[name])


# ---------------------------------------------------------------- averages of p and of H, elsewhere


ANGLES = ("E / N", "helicity modulus", "vortices per site")
SPINS = ("E / N", "|m|", "Binder cumulant")
PATHS = ("action", "x^2", "kinks")


class System(NamedTuple):
    """A system on which averages over images are compared: its quantities are ANGLES, SPINS or PATHS.

    group: of images. configurations: at T, [n, ...]. energy: true, [n].
    observables: [n, k]; function: makes the quantities of their averages [k], None if they are these.
    """

    group: list
    configurations: np.ndarray
    energy: np.ndarray
    observables: np.ndarray
    T: float
    function: Callable | None = None


def system(source, n, seed):
    """`System` of a source (`Angles`, `Spins` or `Paths`), on n new configurations at its T."""
    s = source.configurations(n, seed)
    if isinstance(source, Paths):
        action = double_well.action(s, double_well.couplings(source.beta, source.n_sites))
        observables = np.stack([action, (s**2).mean(1), double_well.kinks(s)], axis=1)
        return System(lattice.ring_group(source.n_sites, 8), s.astype(np.float32), action, observables, 1.0)
    n_sites, T = source.n_sites, source.T
    if isinstance(source, Spins):
        energy, m = ising.energy(s), ising.magnetization(s) / n_sites
        observables = np.stack([energy / n_sites, np.abs(m), m**2, m**4], axis=1)
        function = _spins
    else:
        energy = xy.energy(s)
        observables = np.stack([energy / n_sites, (xy.currents(s) ** 2).sum(1), xy.vortex_density(s)], axis=1)
        function = partial(_angles, T, n_sites)
    return System(lattice.subgroup(source.L)[:8], s, energy, observables, T, function)


def _spins(means):
    e, m, m2, m4 = means
    return np.array([e, m, 1 - m4 / (3 * m2**2)])


def _angles(T, n_sites, means):
    e, current2, v = means
    return np.array([e, xy.helicity_modulus(e * n_sites, current2, T, n_sites), v])


def shifts(learned, n, seed):
    """Dict of `image_average.AVERAGES` -> what is wrong with the averages at T0, `Estimate` over networks [k].

    learned: list of `Learned` of one source. n: new configurations for each.
    """
    jobs = [(_shifts, one, n, seed + k) for k, one in enumerate(learned)]
    found = parallel.run(jobs)
    return {
        name: over_networks([one[name].value for one in found], [one[name].error for one in found])
        for name in image_average.AVERAGES
    }


def _shifts(learned, n, seed):
    at = system(learned.task.source, n, seed)
    energies = image_average.every_image(learned.hamiltonian, at.group).energy(at.configurations)
    return {
        name: image_average.shift(energy, at.energy, at.observables, at.T, at.function)
        for name, energy in image_average.averages(energies, learned.hamiltonian.T0).items()
    }
