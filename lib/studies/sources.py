"""Where the configurations of a training come from: a simulated system at one temperature.

A source is a frozen record of what fixes the distribution. It draws independent configurations for a `purpose`
("train", "test", "thermodynamics"), and different purposes never share random numbers; where the distribution is known,
`log_prob` is exact. T: temperature in the weight exp(-H / T), in the units of the Hamiltonian; 1 for an action.
"""

from dataclasses import dataclass

import numpy as np

from lib.analysis import kerr
from lib.samplers import chains, mcmc
from lib.systems import double_well, film, ising
from lib.systems.camera import Camera, render

PURPOSES = ("train", "test", "thermodynamics")


def generator(seed, purpose):
    """The random numbers of a purpose, one of PURPOSES: numpy.random.Generator."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])


@dataclass(frozen=True)
class Spins:
    """Ising spins int8 [n, L, L]. log_prob: Kaufman's ln Z."""

    L: int
    T: float

    def configurations(self, n, seed, purpose="train"):
        return mcmc.sample(chains.Ising(self.L, self.T), n, generator(seed, purpose)).configurations

    def log_prob(self, s):
        return -ising.energy(s) / self.T - ising.log_partition_function(s.shape[-1], self.T)

    @property
    def n_sites(self):
        return self.L**2


@dataclass(frozen=True)
class Angles:
    """XY angles float64 [n, L, L]; the normalisation is not known exactly."""

    L: int
    T: float
    log_prob = None

    def configurations(self, n, seed, purpose="train"):
        return mcmc.sample(chains.XY(self.L, self.T), n, generator(seed, purpose)).configurations

    @property
    def n_sites(self):
        return self.L**2


@dataclass(frozen=True)
class Paths:
    """Paths of the double well float32 [n, N] at inverse temperature beta. log_prob: transfer matrix.

    For training: Monte Carlo, tau_int sweeps apart in each chain. Neighbours are correlated a little, which costs less
    than three times the sweeps. For every other purpose: drawn independently by transfer matrix.
    """

    beta: float
    n_sites: int
    T = 1.0

    def matrix(self):
        return double_well.TransferMatrix(double_well.couplings(self.beta, self.n_sites), self.n_sites)

    def configurations(self, n, seed, purpose="train"):
        if purpose != "train":
            return self.matrix().sample(n, generator(seed, purpose))
        chain = chains.DoubleWell(double_well.couplings(self.beta, self.n_sites), self.n_sites)
        return mcmc.sample(chain, n, generator(seed, purpose), spacing=1.0).configurations.astype(np.float32)

    def log_prob(self, paths):
        return self.matrix().log_prob(paths)


@dataclass(frozen=True)
class Film:
    """Spins int8 [n, L, L] recovered from SIMULATED images of an Ising film at T kelvin, Curie temperature t_c kelvin.

    The Hamiltonian is in units of J, so `T` here is the reduced temperature.
    """

    camera: Camera
    L: int
    kelvin: float
    t_c: float
    log_prob = None

    @property
    def T(self):
        return float(film.reduced_temperature(self.kelvin, self.t_c))

    @property
    def n_sites(self):
        return self.L**2

    def images(self, n, seed):
        """True spins [n, L, L] and frames [n, h, w]. The same seed gives the same spins for every camera."""
        spins = mcmc.sample(chains.Ising(self.L, self.T), n, np.random.default_rng([seed, 0])).configurations
        return spins, render(spins, self.camera, np.random.default_rng([seed, 1]))

    def configurations(self, n, seed, purpose="train"):
        return recover(self.images(n, seed)[1], self.camera.pixels_per_spin, self.L)


@dataclass(frozen=True)
class StripeFilm:
    """The same of a SIMULATED dipolar film (`film.pair_kernel`: J = 1, dipoles g) at T in units of J."""

    camera: Camera
    L: int
    T: float
    g: float
    log_prob = None

    @property
    def n_sites(self):
        return self.L**2

    def images(self, n, seed):
        """True spins [n, L, L] and frames [n, h, w]. The same seed gives the same spins for every camera."""
        chain = chains.DipolarFilm(film.pair_kernel(self.L, 1.0, self.g), self.T)
        spins = mcmc.sample(chain, n, np.random.default_rng([seed, 2]), spacing=2.0).configurations
        return spins, render(spins, self.camera, np.random.default_rng([seed, 3]))

    def configurations(self, n, seed, purpose="train"):
        return recover(self.images(n, seed)[1], self.camera.pixels_per_spin, self.L)


def recover(frames, pixels_per_spin, L):
    """Spins int8 [n, L, L] from frames [n, h, w] of one place, by `kerr.segment_stack` and `kerr.coarse_grain`."""
    stack = kerr.segment_stack(frames)
    return kerr.coarse_grain(stack.spins, pixels_per_spin, L, mask=stack.mask).spins
