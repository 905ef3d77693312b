"""Sources of the chapter on finite density: chains of rotors at imaginary mu, and conserved currents at real mu."""

from dataclasses import dataclass

import numpy as np
import torch

from lib.models.conserved_currents import ConservedCurrents
from lib.models.rotor_chain import RotorChain
from lib.samplers import mcmc
from lib.samplers.worm import Worms
from lib.studies.recipes import Recipe
from lib.studies.sources import Source, generator
from lib.systems import rotors
from lib.systems.rotor_field import Field


def move_chain(angles, generator):
    """A random symmetry of the chain at any nu on a batch of angles [n, N]: translation, reversal with phi -> -phi."""
    angles = angles.roll(int(torch.randint(angles.shape[1], (1,), generator=generator)), 1)
    angles[::2] = -angles[::2].flip(1) % rotors.TWO_PI  # the batch itself is in random order
    return angles


def move_currents(currents, generator):
    """A random symmetry of free currents on a batch [n, N_t, N_x]: translation in space, reflection of half of it."""
    currents = currents.roll(int(torch.randint(currents.shape[2], (1,), generator=generator)), 2)
    mirrored = currents[::2].flip(2)
    mirrored[:, 1:] = -mirrored[:, 1:].roll(-1, 2)  # the link from x to x + 1, the other way round
    currents[::2] = mirrored
    return currents


def rotor_chain(source, seed, _):
    return RotorChain(source.n_sites, source.nu, seed=seed)


def conserved_currents(_, seed, data):
    return ConservedCurrents.from_data(data, seed=seed)


CHAINS = {"rotor_chain": Recipe(rotor_chain, augment=move_chain, window=0.2, batch=512, sites=16)}
CURRENTS = {
    "conserved_currents": Recipe(
        conserved_currents, augment=move_currents, learning_rate=2e-2, window=0.1, batch=128, sites=64
    )
}


@dataclass(frozen=True)
class Rotors(Source):
    """Chains of n_sites angles, float32 [n, N], at inverse coupling beta and mu = i nu: drawn independently."""

    beta: float
    n_sites: int
    nu: float
    T = 1.0
    networks = CHAINS

    def configurations(self, n, seed, purpose="test"):
        # the frame that turns along makes nu and nu + 2 pi / N one problem: no two nu share random numbers
        rng = np.random.default_rng([*generator(seed, purpose).integers(2**31, size=2), round(1e6 * self.nu) % 2**31])
        angles = rotors.sample(self.beta, self.n_sites, self.nu, n, rng)
        return np.minimum(angles.astype(np.float32), np.float32(6.283185))

    def log_prob(self, angles):
        return rotors.log_prob(np.asarray(angles, float), self.beta, self.nu)


@dataclass(frozen=True)
class CurrentsAt(Source):
    """Free currents float32 [n, N_t, N_x] of a `Field`, drawn by worms.

    For training one tau_int apart in each replica, independent for every other purpose.
    """

    field: Field
    T = 1.0
    networks = CURRENTS

    @property
    def n_sites(self):
        return self.field.n_x * self.field.n_t

    def configurations(self, n, seed, purpose="test"):
        spacing = 1.0 if purpose == "train" else 3.0
        found = mcmc.sample(Worms(self.field), n, generator(seed, purpose), spacing=spacing)
        return found.configurations.astype(np.float32)
