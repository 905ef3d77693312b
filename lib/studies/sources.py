"""Where the configurations of a training come from: a simulated system at one temperature.

A source is a frozen record of what fixes the distribution. It draws independent configurations for a `purpose`, and
different purposes never share random numbers.
"""

from dataclasses import dataclass

import numpy as np

from lib import parallel
from lib.analysis.divergence import kl_divergence
from lib.samplers import chains, mcmc
from lib.studies import recipes
from lib.systems import double_well, ising

PURPOSES = ("train", "test", "thermodynamics")


def generator(seed, purpose):
    """The random numbers of a purpose, one of PURPOSES: numpy.random.Generator."""
    return np.random.default_rng([seed, PURPOSES.index(purpose)])


class Source:
    """A source: configurations(n, seed, purpose="test") -> [n, ...], and what is known about them.

    T: temperature in the weight exp(-H / T), in the units of the Hamiltonian; 1 for an action.
    n_sites: of one configuration.
    log_prob: configurations -> ln p [n], exact; None where it is not known.
    networks, networks_without_data: tables of `recipes` that can learn it, from configurations and from the energy.
    """

    log_prob = None
    networks_without_data = {}

    def divergence(self, hamiltonian, configurations, same_support=True):
        """KL of this distribution from a learned one in nats, an `Estimate`, on configurations drawn from it."""
        return kl_divergence(self.log_prob(configurations), hamiltonian.log_prob(configurations), same_support)


class Lattice(Source):
    """Configurations [n, L, L] of a system whose chain is `chain`(L, T)."""

    @property
    def n_sites(self):
        return self.L**2

    def configurations(self, n, seed, purpose="test"):
        return mcmc.sample(self.chain(self.L, self.T), n, generator(seed, purpose)).configurations


@dataclass(frozen=True)
class Spins(Lattice):
    """Ising spins int8 [n, L, L]. log_prob: Kaufman's ln Z."""

    L: int
    T: float
    networks = recipes.SPINS
    networks_without_data = recipes.SPINS_WITHOUT_DATA
    chain = staticmethod(chains.Ising)

    def log_prob(self, s):
        return -ising.energy(s) / self.T - ising.log_partition_function(s.shape[-1], self.T)


@dataclass(frozen=True)
class Angles(Lattice):
    """XY angles float64 [n, L, L]; the normalisation is not known exactly."""

    L: int
    T: float
    networks = recipes.ANGLES
    networks_without_data = recipes.ANGLES_WITHOUT_DATA
    chain = staticmethod(chains.XY)


@dataclass(frozen=True)
class Paths(Source):
    """Paths of the double well float32 [n, N] at inverse temperature beta. log_prob: transfer matrix.

    For training: Monte Carlo, tau_int sweeps apart in each chain. Neighbours are correlated a little, which costs less
    than three times the sweeps. For every other purpose: drawn independently by transfer matrix.
    """

    beta: float
    n_sites: int
    T = 1.0
    networks = recipes.PATHS

    def matrix(self):
        return double_well.TransferMatrix(double_well.couplings(self.beta, self.n_sites), self.n_sites)

    def configurations(self, n, seed, purpose="test"):
        if purpose != "train":
            return self.matrix().sample(n, generator(seed, purpose))
        chain = chains.DoubleWell(double_well.couplings(self.beta, self.n_sites), self.n_sites)
        return mcmc.sample(chain, n, generator(seed, purpose), spacing=1.0).configurations.astype(np.float32)

    def log_prob(self, paths):
        return self.matrix().log_prob(paths)


def paths_at(betas, n_sites, n, seed):
    """n paths drawn independently at every beta, side by side: dict beta -> [n, N]. n: a number, or one for each."""
    numbers = np.broadcast_to(n, len(betas)).tolist()
    draws = [(Paths(beta, n_sites).configurations, m, seed) for beta, m in zip(betas, numbers, strict=True)]
    return dict(zip(betas, parallel.run(draws), strict=True))
