r"""A simulated Kerr microscope: the images it would take of the spins of a film.

Everything here is SIMULATED. Each spin is a square of pixels; the optics blur them; light falls unevenly; the camera
counts photons (Poisson) and has a fixed pattern of gains. `Camera` holds the numbers, `render` makes 16-bit frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import erf


def blur_limit():
    """Largest blur (standard deviation, in sides of a spin) at which a single flipped spin still shows: 0.366.

    A dark square of unit side in a bright plane, blurred, has 1 - 2 F(x) F(y), F(x) = [erf((x + 1/2) / sqrt 2 sigma) -
    erf((x - 1/2) / sqrt 2 sigma)] / 2. The limit is where half of the square is darker than the threshold 0. Low in an
    ordered phase most flipped spins are single: beyond the limit they are lost, and the film looks colder than it is.
    """
    x = (np.arange(400) + 0.5) / 400 - 0.5

    def excess(sigma):
        F = (erf((x + 0.5) / (np.sqrt(2) * sigma)) - erf((x - 0.5) / (np.sqrt(2) * sigma))) / 2
        return (F[:, None] * F > 0.5).mean() - 0.5

    return float(brentq(excess, 0.2, 0.6, xtol=1e-4))


@dataclass(frozen=True)
class Camera:
    """A simulated Kerr microscope. A clean image has blur = 0.5, photons = 10000; a poor one blur = 3, photons = 200.

    pixels_per_spin: side of the square of pixels that shows one spin
    blur: standard deviation of the optics, in pixels
    photons: mean number per pixel
    contrast: c in brightness 1 + c s; dark is s = -1
    uneven: the light falls by this fraction from the brightest to the darkest corner
    pattern: standard deviation of the gains of the pixels, the same in every frame
    drift: standard deviation of the displacement of the film, in pixels per axis, another in every frame
    """

    pixels_per_spin: int = 4
    blur: float = 1.0
    photons: float = 2000.0
    contrast: float = 0.1
    uneven: float = 0.3
    pattern: float = 0.02
    drift: float = 0.0

    def __post_init__(self):
        if int(self.pixels_per_spin) != self.pixels_per_spin or not 1 <= self.pixels_per_spin <= 64:
            raise ValueError(f"pixels_per_spin = {self.pixels_per_spin}: give a whole number from 1 to 64")
        if not 0 <= self.blur <= 100:
            raise ValueError(f"blur = {self.blur}: give 0 to 100 pixels")
        if not 0 <= self.drift <= 100:
            raise ValueError(f"drift = {self.drift}: give 0 to 100 pixels")
        if not 1 <= self.photons <= 1e7:
            raise ValueError(f"photons = {self.photons}: give 1 to 10 million a pixel")
        if not 0 < self.contrast < 1:
            raise ValueError(f"contrast = {self.contrast}: give a number between 0 and 1")
        if not (0 <= self.uneven < 1 and 0 <= self.pattern < 0.3):
            raise ValueError(f"uneven = {self.uneven}, pattern = {self.pattern}: give 0 to 1, and 0 to 0.3")


def illumination(shape, camera, rng):
    """Light times gain of every pixel [h, w], mean 1: a slope in a random direction, a soft spot, the fixed pattern."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    light = np.cos(angle) * x + np.sin(angle) * y - 0.5 * (x**2 + y**2)
    light = 1 - camera.uneven * (light.max() - light) / np.ptp(light)
    light *= 1 + camera.pattern * rng.standard_normal(shape)
    return (light / light.mean()).astype(np.float32)


def _displaced(images, by):
    """Images [n, h, w], each displaced by (rows, columns) pixels [n, 2], wrapped around; a pixel is an average."""
    for axis in (0, 1):
        whole = np.floor(by[:, axis]).astype(int)
        share = (by[:, axis] - whole).astype(np.float32)
        for k, (shift, part) in enumerate(zip(whole, share, strict=True)):
            images[k] = (1 - part) * np.roll(images[k], shift, axis) + part * np.roll(images[k], shift + 1, axis)
    return images


def render(spins, camera, rng):
    """Simulated Kerr images, uint16 [n, p L, p L] with p = pixels_per_spin, of spins +-1 [n, L, L].

    The blur wraps around, as the lattice does. The mean brightness is a quarter of the range of 16 bits, beyond
    which it is clipped. All frames share one illumination.
    """
    spins = np.asarray(spins)
    if spins.ndim != 3 or not np.isin(spins[: 64 if len(spins) > 64 else None], (-1, 1)).all():
        raise ValueError(f"spins of shape {spins.shape}: give +-1 configurations [n, L, L]")
    p = int(camera.pixels_per_spin)
    n, rows, columns = spins.shape
    light = illumination((p * rows, p * columns), camera, rng)
    frames = np.empty((n, p * rows, p * columns), np.uint16)
    gain = 2**14 / camera.photons
    for start in range(0, n, 256):  # a quarter of a gigabyte at most for 256 frames of 512 x 512
        part = spins[start : start + 256].astype(np.float32).repeat(p, axis=1).repeat(p, axis=2)
        if camera.drift:
            part = _displaced(part, camera.drift * rng.standard_normal((len(part), 2)))
        if camera.blur:
            part = gaussian_filter(part, (0, camera.blur, camera.blur), mode="wrap")
        counts = rng.poisson(camera.photons * light * (1 + np.float32(camera.contrast) * part))
        frames[start : start + 256] = np.clip(np.rint(gain * counts), 0, 2**16 - 1)
    return frames
