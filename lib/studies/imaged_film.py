"""Films that are seen through a microscope: SIMULATED images as a source of spins, and the networks for them.

film, film_wider  the Markov lattice; one that looks twice as far
patch             the same for patches of a larger film: no field excluded, rotations and reflections only
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from lib import lattice
from lib.analysis import kerr
from lib.samplers import chains, mcmc
from lib.studies.recipes import MARKOV_LATTICE, markov_lattice
from lib.studies.sources import Lattice
from lib.systems import film
from lib.systems.camera import Camera, render


def turn(s, generator):
    """Rotations and reflections only: a patch of a larger film has edges, which translations would move."""
    return lattice.random_transform(s, generator, translations=False)


FILM = {
    "film": replace(MARKOV_LATTICE, held_out=0.1, checks=10),
    "film_wider": replace(MARKOV_LATTICE, build=partial(markov_lattice, rows=2), held_out=0.1, checks=10),
    "patch": replace(
        MARKOV_LATTICE, build=partial(markov_lattice, rows=2, odd=False), augment=turn, held_out=0.1, checks=10
    ),
}


@dataclass(frozen=True)
class ImagedFilm(Lattice):
    """Spins int8 [n, L, L] recovered from SIMULATED images of a film. The same seed gives the same ones every time.

    spins(n, rng): true spins [n, L, L]. streams: numbers of the random streams of spins and camera.
    """

    camera: Camera
    L: int
    networks = FILM

    def images(self, n, seed):
        """True spins [n, L, L] and frames [n, h, w]. The same seed gives the same spins for every camera."""
        of_spins, of_camera = (np.random.default_rng([seed, stream]) for stream in self.streams)
        spins = self.spins(n, of_spins)
        return spins, render(spins, self.camera, of_camera)

    def configurations(self, n, seed, purpose="test"):
        return recover(self.images(n, seed)[1], self.camera.pixels_per_spin, self.L)


@dataclass(frozen=True)
class Film(ImagedFilm):
    """An Ising film at `kelvin`, Curie temperature t_c in kelvin. T: reduced, the Hamiltonian is in units of J."""

    kelvin: float
    t_c: float
    streams = (0, 1)

    @property
    def T(self):
        return float(film.reduced_temperature(self.kelvin, self.t_c))

    def spins(self, n, rng):
        return mcmc.sample(chains.Ising(self.L, self.T), n, rng).configurations


@dataclass(frozen=True)
class StripeFilm(ImagedFilm):
    """A dipolar film (`film.pair_kernel`: J = 1, dipoles g) at T in units of J."""

    T: float
    g: float
    streams = (2, 3)

    def spins(self, n, rng):
        chain = chains.DipolarFilm(film.pair_kernel(self.L, 1.0, self.g), self.T)
        return mcmc.sample(chain, n, rng, spacing=2.0).configurations


def recover(frames, pixels_per_spin, L):
    """Spins int8 [n, L, L] from frames [n, h, w] of one place, by `kerr.segment_stack` and `kerr.coarse_grain`."""
    stack = kerr.segment_stack(frames)
    return kerr.coarse_grain(stack.spins, pixels_per_spin, L, mask=stack.mask).spins
