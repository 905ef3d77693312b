"""What the chapter on angles measures: direct Monte Carlo, and learned Hamiltonians of the XY model.

The trainings are tasks (`task.py`) with `sources.Angles`.
"""

from typing import NamedTuple

import numpy as np

from lib import lattice, parallel
from lib.analysis import couplings, finite_size, vortices
from lib.analysis.divergence import kl_divergence
from lib.analysis.reweighting import XY, Curves, effective_sample_size, log_mean_weight, xy_by_surrogate, xy_direct
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_blocks, over_networks, owners
from lib.studies.sources import Angles
from lib.systems import xy

# ---------------------------------------------------------------- the reference


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


def transition(curves, window):
    """`finite_size.KosterlitzThouless` from a dict L -> `Curves`, at the temperatures of the window [t]; NaN from fewer
    than three lattices."""
    if len(curves) < 3:
        return finite_size.KosterlitzThouless(*[np.nan] * len(finite_size.KosterlitzThouless._fields))
    near = {L: np.isin(curve.T, window) for L, curve in curves.items()}
    values = {L: curve.values["helicity"][near[L]] for L, curve in curves.items()}
    errors = {L: curve.errors["helicity"][near[L]] for L, curve in curves.items()}
    return finite_size.kosterlitz_thouless(window, values, errors)


# ---------------------------------------------------------------- distance from the truth


def divergence_given_log_z(hamiltonian, theta, log_z):
    """`Estimate` of the KL of the exact distribution from a network's, on angles [n, L, L] drawn at its T0.

    log_z: (value, error). Its error is a common shift and is added in quadrature.
    """
    value, error = log_z
    distance = kl_divergence(xy.log_density(theta, hamiltonian.T0, value), hamiltonian.log_prob(theta))
    return Estimate(distance.value, float(np.hypot(distance.error, error)))


class Assessed(NamedTuple):
    """KL of the exact distribution from a network's; of its own draws with weights p / p_theta the effective sample
    size
    per draw, and ln Z."""

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


def assess_all(learned, log_z, seed):
    """Dict name -> list of `Assessed`, side by side.

    learned: dict name -> list of `Learned`. log_z: dict T -> (value, error) of ln Z. seed: of the first of a list.
    """
    jobs = [
        (one.hamiltonian, log_z[one.task.source.T], seed + k)
        for group in learned.values()
        for k, one in enumerate(group)
    ]
    found = iter(parallel.starmap(assess, jobs))
    return {name: [next(found) for _ in group] for name, group in learned.items()}


def over_assessed(assessed, log_z):
    """`Assessed` of a list of networks together; ess is an `Estimate`. log_z: (value, error), common to all of them."""
    kl, ess, own_log_z = zip(*assessed, strict=True)
    return Assessed(
        over_networks(*zip(*kl, strict=True), shared=log_z[1]),
        over_networks(ess, np.zeros(len(ess))),
        over_networks(*zip(*own_log_z, strict=True)),
    )


def energy_turned(hamiltonian, theta, turns):
    """H / N of angles [n, L, L], all spins turned by the same parts of a full turn [k]: [k, n]."""
    each = [hamiltonian.energy(xy.rotate(theta, xy.TWO_PI * turn)) for turn in turns]
    return np.stack(each) / theta[0].size


# ---------------------------------------------------------------- vortices


def vortex_scores(hamiltonians, theta):
    """What networks say about the squares of angles [n, L, L]: scores delta q, each [n, L, L].

    Returns those of every network, a list; of the first one the excess surprise; and its surprise in one direction.
    """
    jobs = [(vortices.symmetrised_surprise, hamiltonian, theta) for hamiltonian in hamiltonians]
    jobs += [(vortices.symmetrised_surprise, hamiltonians[0], theta, True), (vortices.surprise, hamiltonians[0], theta)]
    *each, excess, single = [vortices.around_squares(u) for u in parallel.run(jobs)]
    return each, excess, single


def vortex_areas(score, theta):
    """AUC of a score [n, L, L] for the vortices of theta, and AUC at equal plaquette energy: two `Estimate`s."""
    vortex, energy = xy.vorticity(theta) != 0, xy.plaquette_energy(theta)

    def area(keep):
        return vortices.auc(score[keep].ravel(), vortex[keep].ravel())

    def at_equal_energy(keep):
        return vortices.auc_at_equal(score[keep].ravel(), vortex[keep].ravel(), energy[keep].ravel())

    return tuple(over_blocks(function, owners(len(theta))) for function in (area, at_equal_energy))


def alarms(score, vortex, missed=0.1):
    """How a score [n, L, L] fares at the threshold below which the part `missed` of the vortices lies.

    vortex: bool [n, L, L].
    Returns (false, precise): the part of squares above it in configurations without a vortex; the part of squares above
    it that hold one. NaN where there is no vortex, or no configuration without.
    """
    empty = ~vortex.any((1, 2))
    if not vortex.any():
        return np.nan, np.nan
    above = score > np.quantile(score[vortex], missed)
    return np.mean(above[empty]) if empty.any() else np.nan, np.mean(vortex[above])


# ---------------------------------------------------------------- other temperatures


def largest_deviation(name, found, truth, keep):
    """(|difference|, its error) of two `Curves` in the quantity `name`, at that of the kept temperatures where it is
    largest; NaN, NaN if none is kept. keep [t]: bool."""
    difference = np.abs(found.values[name] - truth.values[name])
    if not np.isfinite(difference[keep]).any():
        return np.nan, np.nan
    worst = np.nanargmax(np.where(keep, difference, np.nan))
    return float(difference[worst]), float(np.hypot(found.errors[name][worst], truth.errors[name][worst]))


class MeanOverImages(LearnedHamiltonian):
    """H_theta averaged over the first `images` elements of `lattice.subgroup`: 4 (reflections), 8 (D4), 16.

    It is smoother than the raw one, and weights are more even. H_theta itself is averaged, not p: -ln of an average of
    p is a soft minimum over the images, lowest where one of them errs, and favours configurations rich in vortices.
    """

    def __init__(self, hamiltonian, images=8):
        if images not in (4, 8, 16):
            raise ValueError(f"images = {images}: 4, 8 or 16 of them form a group")
        (side, _) = hamiltonian.model.site_shape
        super().__init__(hamiltonian.model, hamiltonian.T0, lattice.subgroup(side)[:images], hamiltonian.preprocess)

    def _average(self, each):
        return np.mean(each - self.model.n_sites * np.log(self.scale), axis=0)


def read(hamiltonian, theta, *, moves=16, seed=0):
    """`Couplings` of H_theta on all of `xy.OPERATORS`, and on nn alone, from moves of angles [n, L, L] drawn at T0."""
    names = tuple(xy.OPERATORS)
    tried = couplings.try_moves(hamiltonian, theta, xy.operators, names, xy.rotate_one, moves=moves, seed=seed)
    return couplings.read_moves(tried, hamiltonian.T0), couplings.read_moves(tried, hamiltonian.T0, ("nn",))


class Extrapolated(NamedTuple):
    """What networks of one lattice say, together: couplings of all operators [5], of nn alone, and `Curves`."""

    couplings: Estimate
    nearest: Estimate
    curves: Curves


def _read(learned, seed):
    """`read` of a `Learned` network, H averaged over images, from 150 new configurations at T0."""
    task = learned.task
    theta = mcmc.sample(chains.XY(task.source.L, task.source.T), 150, np.random.default_rng([seed, 2])).configurations
    return read(MeanOverImages(learned.hamiltonian), theta, seed=seed)


def extrapolate(learned, temperatures, n, n_sweeps, seed):
    """Dict L -> `Extrapolated`: couplings read at T0, then `xy_by_surrogate` at each temperature, side by side.

    learned: dict L -> list of `Learned`.
    temperatures: dict L -> [t].
    n: configurations evaluated at each temperature, four times as many from T = 1 on, where the helicity modulus is
        small and fluctuates most.
    n_sweeps: of the long runs.
    """
    found = iter(parallel.run((_read, one, seed + k) for group in learned.values() for k, one in enumerate(group)))
    of_networks = {L: [next(found) for _ in group] for L, group in learned.items()}
    jobs = []
    for L, group in learned.items():
        hamiltonians = [MeanOverImages(one.hamiltonian) for one in group]
        mean = np.mean([every.values for every, _ in of_networks[L]], axis=0)
        surrogate = dict(zip(xy.OPERATORS, mean.tolist(), strict=True))
        many = np.where(temperatures[L] < 1, n, 4 * n)
        points = enumerate(zip(temperatures[L], many, strict=True))
        jobs += [(xy_by_surrogate, hamiltonians, surrogate, L, T, m, n_sweeps, [seed, 4, L, k]) for k, (T, m) in points]
    rows = iter(parallel.run(jobs))
    extrapolated = {}
    for L, pairs in of_networks.items():
        curves = Curves.of(XY, temperatures[L], [next(rows) for _ in temperatures[L]])
        every, nearest = zip(*pairs, strict=True)
        extrapolated[L] = Extrapolated(
            over_networks([c.values for c in every], [c.errors for c in every]),
            over_networks([c.values[0] for c in nearest], [c.errors[0] for c in nearest]),
            curves,
        )
    return extrapolated
