"""Films that are seen through a microscope: SIMULATED images as a source of spins, and the networks for them.

The spins go the way of a reader's own images: frames -> `kerr.segment_series` -> `kerr.coarse_grain` -> patches, which
are windows of a larger film, with edges. A film may also be imaged `whole`, as a torus, its edges joined.

    film               a Markov lattice of patches: no field, rotations and reflections only
    film_field         the same where a field may be on
    whole              that of a whole film: translations as well
    whole_wider        one that looks twice as far
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from lib import lattice
from lib.analysis import kerr
from lib.samplers import chains, mcmc, pinned
from lib.studies.recipes import MARKOV_LATTICE, markov_lattice
from lib.studies.sources import Lattice
from lib.systems import film
from lib.systems.camera import Camera, render

SATURATED = 100  # images of the saturated film, averaged
AROUND = 2  # spins of film beyond each side of a window: more than any blur reaches


def turn(s, generator):
    """Rotations and reflections only: a patch of a larger film has edges, which translations would move."""
    return lattice.random_transform(s, generator, translations=False)


STOPPED = {"held_out": 0.1, "checks": 10}
FILM = {
    "film": replace(MARKOV_LATTICE, augment=turn, **STOPPED),
    "film_field": replace(MARKOV_LATTICE, build=partial(markov_lattice, rows=2, odd=False), augment=turn, **STOPPED),
    "whole": replace(MARKOV_LATTICE, **STOPPED),
    "whole_wider": replace(MARKOV_LATTICE, build=partial(markov_lattice, rows=2), **STOPPED),
}


def recover(frames, block, L, settings=kerr.DEFAULT, reference=None):
    """Spins int8 [m, L, L] of blocks from frames [n, h, w] of one place, as a reader's images are treated."""
    series = kerr.segment_series(frames, kerr.for_blocks(settings, block), reference)
    return kerr.coarse_grain(series.votes, block, L, mask=series.mask).spins


@dataclass(frozen=True)
class ImagedFilm(Lattice):
    """Spins int8 [n, L, L] recovered from SIMULATED images of a film. The same seed gives the same ones every time.

    spins(n, rng): true spins [n, l, l] of the film, l = L or, for a window, more. streams: numbers of the random
    streams of spins and camera. whole: the film is imaged whole. reference: so is the saturated film, for its light.
    """

    camera: Camera
    L: int
    networks = FILM
    whole = True
    reference = False

    @property
    def side(self):
        return self.L if self.whole else self.L + 2 * AROUND

    def images(self, n, seed):
        """True spins [n, L, L] and frames [n, h, w]. The same seed gives the same spins for every camera."""
        of_spins, of_camera = (np.random.default_rng([seed, stream]) for stream in self.streams)
        spins = self.spins(n, of_spins)
        frames = render(spins, self.camera, of_camera)
        if self.whole:
            return spins, frames
        edge = AROUND * self.camera.pixels_per_spin
        return spins[:, AROUND:-AROUND, AROUND:-AROUND], frames[:, edge:-edge, edge:-edge]

    def saturated(self, n, seed):
        """Image [h, w] of the same place, all spins up: the mean of n frames, as if a strong field were on."""
        ones = np.ones((n, self.side, self.side), np.int8)
        mean = render(ones, self.camera, np.random.default_rng([seed, self.streams[1]])).mean(axis=0)
        edge = 0 if self.whole else AROUND * self.camera.pixels_per_spin
        return mean[edge : len(mean) - edge, edge : len(mean) - edge].astype(np.float32)

    def recovered(self, n, seed):
        """True spins [n, L, L], and those that are found in their images [m, L, L]: fewer, where a block is masked."""
        return tuple(spins.copy() for spins in _recovered(self, n, seed))

    def configurations(self, n, seed, purpose="test"):
        return self.recovered(n, seed)[1]


@lru_cache(maxsize=32)  # the networks of one film, and what reads them, see the same images; a megabyte each
def _recovered(source, n, seed):
    truth, frames = source.images(n, seed)
    reference = source.saturated(SATURATED, seed) if source.reference else None
    return truth, recover(frames, source.camera.pixels_per_spin, source.L, reference=reference)


@dataclass(frozen=True)
class Film(ImagedFilm):
    """An Ising film at `kelvin`, below its Curie temperature t_c in kelvin.

    T: reduced, the Hamiltonian is in units of J. whole, reference: see `ImagedFilm`.
    random_sign: the whole film turns over between frames, as no film does; else its magnetisation is fixed, upwards.
    pinned: share of the sites that never change.
    """

    kelvin: float
    t_c: float
    whole: bool = False
    random_sign: bool = False
    pinned: float = 0.0
    reference: bool = False
    streams = (0, 1)

    @property
    def T(self):
        return float(film.reduced_temperature(self.kelvin, self.t_c))

    def spins(self, n, rng):
        if self.pinned:
            return pinned.sample(self.side, self.T, n, self.pinned, rng)
        s = mcmc.sample(chains.Ising(self.side, self.T), n, rng).configurations
        if self.random_sign:
            return s
        return s * np.where(s.sum((1, 2), dtype=int) < 0, -1, 1).astype(np.int8)[:, None, None]


@dataclass(frozen=True)
class StripeFilm(ImagedFilm):
    """A dipolar film (`film.pair_kernel`: J = 1, dipoles g) at T in units of J, imaged whole."""

    T: float
    g: float
    streams = (2, 3)

    def spins(self, n, rng):
        chain = chains.DipolarFilm(film.pair_kernel(self.L, 1.0, self.g), self.T)
        return mcmc.sample(chain, n, rng, spacing=2.0).configurations
