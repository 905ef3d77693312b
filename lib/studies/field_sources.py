"""Sources of the chapter on the scalar field in 1+1 dimensions."""

import functools
import zlib
from dataclasses import dataclass, replace

import numpy as np
import torch

from lib.models.field_lattice import FieldLattice
from lib.samplers import mcmc
from lib.samplers.scalar_field import Fields
from lib.studies.recipes import Recipe
from lib.studies.sources import Source, generator
from lib.systems.phi_four import PhiFour


def move_field(phi, generator):
    """A random symmetry of the action on a batch [n, N_t, N_x]: translation, reflections of time and of space.

    The flip phi -> -phi is built into the network.
    """
    by = tuple(int(torch.randint(side, (1,), generator=generator)) for side in phi.shape[1:])
    phi = phi.roll(by, (1, 2))
    phi[::2] = phi[::2].flip(1)  # the batch itself is in random order
    phi[1::3] = phi[1::3].flip(2)
    return phi


def field_lattice(_, seed, data, reach=None):
    """The Markov lattice with a log-polynomial head, started from the Gaussian of the data."""
    return FieldLattice.from_fields(data, reach=reach, seed=seed)


LATTICE = Recipe(field_lattice, augment=move_field, learning_rate=2e-2, window=0.1, batch=256, sites=64)
NETWORKS = {
    "field_lattice": LATTICE,
    "field_lattice_slow": replace(LATTICE, learning_rate=1e-2),  # for more sites, which need smaller steps
}


@dataclass(frozen=True)
class ScalarFields(Source):
    """Fields float32 [n, N_t, N_x] of a `PhiFour` with N_t = N_x.

    The normalisation is not known. No two actions share random numbers: errors of their networks are independent.
    """

    field: PhiFour
    T = 1.0
    networks = NETWORKS

    @property
    def n_sites(self):
        return self.field.n_x * self.field.n_t

    def configurations(self, n, seed, purpose="test"):
        return _drawn(self.field, n, seed, purpose).copy()


@functools.lru_cache(maxsize=2)
def _drawn(field, n, seed, purpose):
    own = zlib.crc32(repr(tuple(field)).encode())
    rng = np.random.default_rng([*generator(seed, purpose).integers(2**31, size=2), own])
    return mcmc.sample(Fields(field), n, rng).configurations.astype(np.float32)
