r"""A simulated twin of a magnetic film: spins with a known Hamiltonian, and the Kerr images a microscope would take.

Everything here is SIMULATED. The film of the talk has T_C = 427.4 K (the fit of the talk to M_s(T)) and was imaged at
296 K.

Ising film. Spins of the square lattice, whose exact T_c = 2 J / ln(1 + sqrt 2) is declared to be 427.4 K; 296 K is
then T = 0.6926 T_c = 1.5715 J. A coupling K = J / T0 read from configurations at T0 = 296 K is worth T_C = 296 K * K
* 2.2692. That 427.4 K comes back tests the method: it was put in. It says nothing about the film.

Dipolar film. Perpendicular spins with exchange J and the stray field of their dipoles,

    H(s) = - J sum_nn s_i s_j + (g / 2) sum_(i != j) s_i s_j K(r_ij),      K(r) = sum_n 1 / |r + L n|^3,

each pair once, all periodic images n of the L x L torus included. g weakens the nearest-neighbour bond to J - g K(1),
and makes antiparallel stripes whose width grows with J / g. The sum over images is done by Ewald's method: with a = 2
/ L (any a > 0 gives the same),

    K(r) = sum_n [erfc(a d) + (2 a d / sqrt pi) exp(-a^2 d^2)] / d^3,   d = |r + L n|,
         + (2 sqrt pi / L^2) sum_k cos(k r) [2 a exp(-k^2 / 4 a^2) - k sqrt pi erfc(k / 2 a)],   k in (2 pi / L) Z^2.

Sources: P. P. Ewald, Ann. Phys. 369, 253 (1921); our own integrals of t^(1/2) exp(-r^2 t), split at t = a^2. Stripes
of the dipolar Ising film: A. Vindigni et al., arXiv:0707.1582.

Images. Each spin is a square of pixels; the optics blur them; light falls unevenly; the camera counts photons
(Poisson) and has a fixed pattern of gains. `Camera` holds the numbers, `render` makes 16-bit frames.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import erf, erfc

from lib.systems import ising

T_CURIE = 427.4  # K, the talk's fit
T_IMAGES = 296.0  # K, where the images were taken

# ---------------------------------------------------------------- Ising film: kelvin and J


def reduced_temperature(T=T_IMAGES, t_c=T_CURIE):
    """Temperature in units of J of an Ising film with this T_C (both in K): 1.5715 for 296 K and 427.4 K."""
    ising.check_temperature(T)
    ising.check_temperature(t_c)
    return T / t_c * ising.critical_temperature()


def curie_temperature(coupling, error=0.0, T=T_IMAGES):
    """(T_C, error) in K of an Ising film whose nearest-neighbour coupling is J / T = `coupling` at T kelvin."""
    scale = T * ising.critical_temperature()
    return scale * coupling, scale * error


# ---------------------------------------------------------------- dipolar film


def _image_sum(rows, columns, L, a, reach):
    """The two Ewald sums at displacements rows, columns (arrays of one shape)."""
    n = np.arange(-reach, reach + 1)
    x = rows[..., None, None] + L * n[:, None]
    y = columns[..., None, None] + L * n
    d = np.hypot(x, y)
    d[d == 0] = 1e9  # the site itself is not its own partner; its images are
    near = ((erfc(a * d) + 2 * a * d / np.sqrt(np.pi) * np.exp(-((a * d) ** 2))) / d**3).sum((-2, -1))
    k = 2 * np.pi / L * np.hypot(n[:, None], n)
    weight = 2 * a * np.exp(-((k / (2 * a)) ** 2)) - k * np.sqrt(np.pi) * erfc(k / (2 * a))
    wave = 2 * np.pi / L * n
    phase = rows[..., None, None] * wave[:, None] + columns[..., None, None] * wave
    return near, 2 * np.sqrt(np.pi) / L**2 * (np.cos(phase) * weight).sum((-2, -1))


def dipolar_kernel(L, a=None, reach=8):
    """K(r) [L, L], float64, of the displacement (row, column) on the periodic lattice; K(0) is the sum over own images.

    a: Ewald's parameter (default 2 / L), reach: images and waves up to this number per direction. The default is
    exact to rounding for every L. ValueError for L < 2.
    """
    ising.check_side(L)
    a = 2.0 / L if a is None else a
    rows, columns = np.meshgrid(np.arange(L), np.arange(L), indexing="ij")
    near, far = _image_sum(rows.astype(float), columns.astype(float), L, a, reach)
    kernel = near + far
    kernel[0, 0] -= 4 * a**3 / (3 * np.sqrt(np.pi))  # the part of the second sum that is the site itself
    return kernel


def pair_kernel(L, J=1.0, g=0.25):
    """W(r) [L, L] with H = - (1/2) sum_(i != j) s_i W(r_ij) s_j: J on the four neighbours, minus g K(r); W(0) = 0.

    ValueError for L < 3, where two neighbours are one site.
    """
    if int(L) != L or L < 3:
        raise ValueError(f"L = {L}: the dipolar film needs a lattice of side 3 or more")
    W = -g * dipolar_kernel(L)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        W[step] += J
    W[0, 0] = 0.0
    return W


def energy(s, W):
    """H(s) [n] of configurations s [n, L, L] with the pair kernel W [L, L] (`pair_kernel`), by convolution."""
    s = np.asarray(s, dtype=float)
    field = np.fft.irfft2(np.fft.rfft2(s) * np.fft.rfft2(W), s=s.shape[-2:])
    return -0.5 * (s * field).sum((-2, -1))


class DipolarHamiltonian:
    """The known Hamiltonian of a kernel W [L, L] at T0, in the shape of a learned one: energy, log_prob, T0."""

    def __init__(self, W, T0):
        ising.check_temperature(T0)
        self.W, self.T0 = W, T0

    def energy(self, s):
        """H(s) [n] of configurations [n, L, L]."""
        return energy(s, self.W)

    def log_prob(self, s):
        """ln p(s) [n] up to a constant, -H(s) / T0."""
        return -self.energy(s) / self.T0


SHELLS = ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (0, 3))


def _steps(step):
    """The displacements (rows, columns) of one shell, one of each pair r, -r: 2, or 4 of a general direction."""
    a, b = step
    every = {(x, y) for u, v in ((a, b), (b, a)) for x in (u, -u) for y in (v, -v)}
    return sorted(r for r in every if r > (0, 0))


def shell_operators(steps=SHELLS):
    """dict "(a, b)" -> function s [n, L, L] -> [n], the sum of s_i s_j over all pairs of that displacement, up to
    symmetry.

    A pair Hamiltonian is - sum_shells J(r) O_r, with J(r) = W(r) (`shell_couplings`). L must exceed twice the largest
    step.
    """

    def operator(step):
        def total(s):
            s = np.asarray(s)
            local = sum(np.roll(s, r, (-2, -1)).astype(np.int16) for r in _steps(step))
            return (s * local).sum((-2, -1), dtype=np.int64).astype(float)

        return total

    return {str(step): operator(step) for step in steps}


def shell_couplings(W, steps=SHELLS):
    """The true couplings J(r) = W(r) [a] of a pair kernel W [L, L] on these shells."""
    return np.array([W[step] for step in steps])


def shell_local_sums(s, steps=SHELLS):
    """s_i times the sum of its partners in each shell, int8 [n, N, a]: flipping spin i alone changes O_r by -2 times
    this.
    """
    s = np.asarray(s, dtype=np.int8)
    sums = []
    for step in steps:
        partners = sum(np.roll(s, (k * a, k * b), (-2, -1)) for a, b in _steps(step) for k in (1, -1))
        sums.append((s * partners).reshape(len(s), -1))
    return np.stack(sums, axis=2)


# ---------------------------------------------------------------- structure factor


class StructureFactor(NamedTuple):
    """S(k) = |sum_i s_i exp(i k r_i)|^2 / N in rings of |k|: k [m] in 1/lattice constant, mean and error over
    configurations
    [m], and the map `plane` [L, L] in the order of numpy.fft.fftfreq. The first ring is k = 0."""

    k: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    plane: np.ndarray


def structure_factor(s):
    """`StructureFactor` of configurations s [n, L, L] on the torus. Rings are 2 pi / L wide; the sum over all k of S is
    N.
    """
    s = np.asarray(s)
    if s.ndim != 3 or s.shape[1] != s.shape[2]:
        raise ValueError(f"configurations of shape {s.shape}: give [n, L, L]")
    n, L, _ = s.shape
    step = np.fft.fftfreq(L) * L
    radius = np.hypot(step[:, None], step)
    ring = np.rint(radius).astype(int).ravel()
    count = np.bincount(ring)
    plane, sums = np.zeros((L, L)), np.zeros((n, len(count)))
    for start in range(0, n, 512):
        power = np.abs(np.fft.fft2(s[start : start + 512])) ** 2 / L**2
        plane += power.sum(axis=0) / n
        for k in range(len(count)):
            sums[start : start + 512, k] = power.reshape(len(power), -1)[:, ring == k].mean(axis=1)
    error = sums.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(count), np.nan)
    k_mean = 2 * np.pi / L * np.bincount(ring, radius.ravel()) / count
    return StructureFactor(k_mean, sums.mean(axis=0), error, plane)


# ---------------------------------------------------------------- simulated images


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

    pixels_per_spin: side of the square of pixels that shows one spin. blur: standard deviation of the optics, in
    pixels. photons: mean number per pixel. contrast: c in brightness 1 + c s; dark is s = -1. uneven: the light falls
    by this fraction from the brightest to the darkest corner. pattern: standard deviation of the gains of the pixels,
    the same in every frame.
    """

    pixels_per_spin: int = 4
    blur: float = 1.0
    photons: float = 2000.0
    contrast: float = 0.1
    uneven: float = 0.3
    pattern: float = 0.02

    def __post_init__(self):
        if int(self.pixels_per_spin) != self.pixels_per_spin or not 1 <= self.pixels_per_spin <= 64:
            raise ValueError(f"pixels_per_spin = {self.pixels_per_spin}: give a whole number from 1 to 64")
        if not 0 <= self.blur <= 100:
            raise ValueError(f"blur = {self.blur}: give 0 to 100 pixels")
        if not 1 <= self.photons <= 1e7:
            raise ValueError(f"photons = {self.photons}: give 1 to 10 million a pixel")
        if not 0 < self.contrast < 1:
            raise ValueError(f"contrast = {self.contrast}: give a number between 0 and 1")
        if not (0 <= self.uneven < 1 and 0 <= self.pattern < 0.3):
            raise ValueError(f"uneven = {self.uneven}, pattern = {self.pattern}: give 0 to 1, and 0 to 0.3")


def illumination(shape, camera, rng):
    """Light times gain of every pixel [h, w], mean 1: a slope in a random direction, a soft spot, and the fixed
    pattern.
    """
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    angle = rng.uniform(0, 2 * np.pi)
    light = np.cos(angle) * x + np.sin(angle) * y - 0.5 * (x**2 + y**2)
    light = 1 - camera.uneven * (light.max() - light) / np.ptp(light)
    light *= 1 + camera.pattern * rng.standard_normal(shape)
    return (light / light.mean()).astype(np.float32)


def render(spins, rng, camera=Camera()):
    """Simulated Kerr images, uint16 [n, p L, p L] with p = pixels_per_spin, of spins +-1 [n, L, L].

    The blur wraps around, as the lattice does. The mean brightness is a quarter of the range of 16 bits; brighter
    than the range is clipped. All frames share one illumination. rng: numpy.random.Generator. ValueError for spins of
    another shape or values.
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
        if camera.blur:
            part = gaussian_filter(part, (0, camera.blur, camera.blur), mode="wrap")
        counts = rng.poisson(camera.photons * light * (1 + np.float32(camera.contrast) * part))
        frames[start : start + 256] = np.clip(np.rint(gain * counts), 0, 2**16 - 1)
    return frames
