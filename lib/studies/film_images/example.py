"""SIMULATED frames for the chapter `your_images`: a film of known Curie temperature, written as a microscope writes."""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tifffile import imwrite

from lib.studies.film_images.frames import ImagesRefused
from lib.studies.imaged_film import Film
from lib.systems import film
from lib.systems.camera import Camera

FRAMES = 300
SMALLEST = 64  # pixels of a frame that is read


class Simulated(NamedTuple):
    """folder: of the frames, gone with this object (`keep`). spins: the true ones int8 [n, R, C]. t_c: put in, in K."""

    folder: str
    spins: np.ndarray
    t_c: float
    keep: tempfile.TemporaryDirectory


def check(T0, block):
    """ImagesRefused for what cannot be simulated."""
    if block < 2:
        raise ImagesRefused(f"block={block}: the simulated film has no domain period; give 2 pixels or more")
    if not T0 < film.T_CURIE:
        raise ImagesRefused(f"T0={T0}: the simulated film must be ordered; give less than {film.T_CURIE} K")


def simulate(T0, block, L, seed, n=FRAMES):
    """`Simulated` frames at T0 in K, as one 16-bit TIFF stack in a new temporary folder.

    An Ising film of fixed magnetisation, T_C = 427.4 K; block: pixels of a spin. A frame shows 2 x 2 patches of L x L
    spins, or more where that is fewer than 64 pixels.
    """
    side = 2 * L * -(-SMALLEST // (2 * L * block))
    source = Film(Camera(pixels_per_spin=block, blur=block / 4), side, T0, film.T_CURIE)
    spins, frames = source.images(n, seed)
    keep = tempfile.TemporaryDirectory(prefix="kerr-")
    imwrite(Path(keep.name) / "simulated.tif", frames, photometric="minisblack")
    return Simulated(keep.name, spins, film.T_CURIE, keep)
