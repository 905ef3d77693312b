"""What the chapter on angles measures of a learned Hamiltonian of the XY model.

The trainings are tasks (`task.py`) with `sources.Angles`.
"""

from typing import NamedTuple

import numpy as np

from lib import lattice, parallel
from lib.analysis import couplings
from lib.analysis.divergence import kl_divergence
from lib.analysis.reweighting import XY, Curves, effective_sample_size, log_mean_weight, xy_by_surrogate
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
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
    """What networks of one lattice say: `Couplings` on all operators and on nn alone of each; `Curves` of the mean."""

    couplings: list
    nearest: list
    curves: Curves


def _read(learned, seed):
    """`read` of a `Learned` network, H averaged over images, from 150 new configurations at T0."""
    task = learned.task
    theta = mcmc.sample(chains.XY(task.source.L, task.source.T), 150, np.random.default_rng([seed, 2])).configurations
    return read(MeanOverImages(learned.hamiltonian), theta, seed=seed)


def extrapolate(learned, temperatures, n, n_sweeps, seed):
    """Dict L -> `Extrapolated`: couplings read at T0, then `xy_by_surrogate` at each temperature, side by side.

    learned: dict L -> list of `Learned`.
    temperatures, n: dict L -> [t], the latter the configurations evaluated at each temperature.
    """
    found = iter(parallel.run((_read, one, seed + k) for group in learned.values() for k, one in enumerate(group)))
    of_networks = {L: [next(found) for _ in group] for L, group in learned.items()}
    jobs = []
    for L, group in learned.items():
        hamiltonians = [MeanOverImages(one.hamiltonian) for one in group]
        mean = np.mean([every.values for every, _ in of_networks[L]], axis=0)
        surrogate = dict(zip(xy.OPERATORS, mean.tolist(), strict=True))
        points = enumerate(zip(temperatures[L], n[L], strict=True))
        jobs += [(xy_by_surrogate, hamiltonians, surrogate, L, T, m, n_sweeps, [seed, 4, L, k]) for k, (T, m) in points]
    rows = iter(parallel.run(jobs))
    extrapolated = {}
    for L, pairs in of_networks.items():
        curves = Curves.of(XY, temperatures[L], [next(rows) for _ in temperatures[L]])
        extrapolated[L] = Extrapolated([every for every, _ in pairs], [nearest for _, nearest in pairs], curves)
    return extrapolated
