r"""The interaction of vortices: the energy of a vortex and an antivortex at distance r, under any Hamiltonian.

The harmonic field of a pair. Let A be the angle difference along every bond, with a circulation of 2 pi around the
square of the vortex and -2 pi around that of the antivortex. A = d phi + 2 pi n, with a string n of bonds that joins
the two squares; the phi that minimises sum A^2 / 2 solves a Poisson equation (FFT), and the minimum is the potential

    U(r) = 2 pi ln r + const     on a plane.

On a torus it holds the lattice and a uniform part as well. The angles phi, modulo 2 pi, are a configuration with that
pair.

The energy with spin waves. E(r) = <H>_r over configurations at T with this pair and no other vortex
(`samplers.vortex_sector`), E(0) over those without any. At low temperature E(r) - E(0) = 2 E_core + U(r) - U(1): the
slope on U is near one, since E is an internal energy (the free energy has the slope of the helicity modulus instead).
A learned H has D(r) = <H_theta - H>_r - <H_theta - H>_0 more, on the same configurations: a slope of D on U is a wrong
interaction, a constant a wrong core.
"""

from typing import NamedTuple

import numpy as np
import torch

from lib import lattice
from lib.samplers import vortex_sector
from lib.statistics import Estimate, over_networks
from lib.systems import xy

SWEEPS = 300  # from the harmonic field to a spin-wave background
MEASURED, APART = 40, 5  # how often the exact energy of a background is taken after that, and after how many sweeps
CLOSE = 1.1  # phi of adjacent squares is scaled: the bond between them would have an angle of pi


def pair_field(L, rows, columns):
    """phi [L, L] and its energy sum A^2 / 2: a vortex in the square (0, 0), an antivortex in (rows, columns).

    A square is named by its upper left corner. ValueError unless 0 <= rows, columns < L, and not both are zero.
    """
    if not (0 <= rows < L and 0 <= columns < L and rows + columns):
        raise ValueError(
            f"rows = {rows}, columns = {columns}: two different squares of an {L} x {L} lattice are needed"
        )
    right, down = np.zeros((L, L)), np.zeros((L, L))  # the string n: first along the row, then along the column
    down[0, 1 : columns + 1] = 1
    right[1 : rows + 1, columns] = -1
    source = down - np.roll(down, 1, 0) + right - np.roll(right, 1, 1)
    k = 2 * np.pi * np.fft.fftfreq(L)
    laplace = 2 * np.cos(k)[:, None] + 2 * np.cos(k) - 4
    laplace[0, 0] = np.inf
    phi = np.fft.ifft2(np.fft.fft2(-xy.TWO_PI * source) / laplace).real
    A_right = np.roll(phi, -1, 1) - phi + xy.TWO_PI * right
    A_down = np.roll(phi, -1, 0) - phi + xy.TWO_PI * down
    return phi, float((A_right**2 + A_down**2).sum() / 2)


def potential(L):
    """U(r) of a pair along an axis, r = 1 ... L / 2: [L // 2]."""
    return np.array([pair_field(L, 0, r)[1] for r in range(1, L // 2 + 1)])


class Backgrounds(NamedTuple):
    """n independent configurations [n, L, L] with the same vortices, and the exact energy of each background [n], a
    mean over the sweeps before, so that it scatters less than that of the configuration."""

    theta: np.ndarray
    energy: np.ndarray


def backgrounds(L, T, r, n, rng):
    """`Backgrounds` at T with one pair at distance r along an axis and no other vortex; r = 0: without any vortex.

    Each configuration is under a random symmetry of the lattice and a random rotation of all spins.
    """
    phi = pair_field(L, 0, r)[0] * (CLOSE if r == 1 else 1.0) if r else np.zeros((L, L))
    theta, energy = np.repeat(phi[None], n, axis=0), 0.0
    vortex_sector.sweep(theta, T, rng, SWEEPS)
    for _ in range(MEASURED):
        vortex_sector.sweep(theta, T, rng, APART)
        energy = energy + xy.energy(theta) / MEASURED
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    theta = lattice.random_transform(torch.as_tensor(theta), generator).numpy()
    return Backgrounds(xy.rotate(theta, rng.uniform(0, xy.TWO_PI, n)), energy)


class Interaction(NamedTuple):
    """Pairs at r = 1 ... R: U [R], and energies at r = 0 ... R with errors over backgrounds, [..., 1 + R].

    exact: <H>_r. excess: <H_theta - H>_r of m learned Hamiltonians, [m, 1 + R], all on the same backgrounds.
    """

    U: np.ndarray
    exact: Estimate
    excess: Estimate

    @property
    def distances(self):
        return np.arange(1, 1 + len(self.U))

    def relative(self, energies):
        """`Estimate` of energies at r = 1 ... R relative to r = 0, [..., R]."""
        value, error = energies
        return Estimate(value[..., 1:] - value[..., :1], np.hypot(error[..., 1:], error[..., :1]))

    def total(self):
        """`Estimate` over networks of the learned pair energy relative to r = 0, [R]."""
        exact, excess = self.relative(self.exact), self.relative(self.excess)
        return over_networks(exact.value + excess.value, shared=np.hypot(exact.error, excess.error.mean(0)))


class Line(NamedTuple):
    """A straight line of energies on a potential: slope, and core: half of the line at r = 1 relative to r = 0."""

    slope: Estimate
    core: Estimate
    chi2: float
    dof: int


def line(energies, U, first=1):
    """`Line` of energies at r = 0 ... R, (values, errors) [1 + R], on a potential U [R] at r = 1 ... R, from r = first.

    The energies themselves need first = 2: the angles between adjacent squares are too large to be harmonic.
    """
    value, error = energies
    x, y, sigma = (U - U[0])[first - 1 :], value[first:], error[first:]
    columns = np.stack([np.ones_like(x), x], axis=1)
    weights = 1 / sigma**2
    covariance = np.linalg.inv(columns.T @ (columns * weights[:, None]))
    at_one, slope = covariance @ (columns.T @ (weights * y))
    chi2 = float((weights * (y - at_one - slope * x) ** 2).sum())
    core = Estimate(float(at_one - value[0]) / 2, float(np.hypot(np.sqrt(covariance[0, 0]), error[0])) / 2)
    return Line(Estimate(float(slope), float(np.sqrt(covariance[1, 1]))), core, chi2, len(x) - 2)


def lines(energies, U):
    """(slope, core) over networks, `Estimate`s, of energies (values, errors) [m, 1 + R] on the same backgrounds."""
    each = [line(one, U) for one in zip(*energies, strict=True)]
    of = {name: [getattr(one, name) for one in each] for name in ("slope", "core")}
    return tuple(over_networks(*zip(*found, strict=True), shared=True) for found in of.values())


def pair_counts(theta):
    """How many configurations [n, L, L] hold one vortex, one antivortex, displaced along an axis by r = 1 ... L / 2."""
    L, counts = theta.shape[-1], np.zeros(theta.shape[-1] // 2, int)
    for v in xy.vorticity(theta):
        if np.abs(v).sum() != 2:
            continue
        rows, columns = np.abs(np.argwhere(v > 0)[0] - np.argwhere(v < 0)[0])
        rows, columns = min(rows, L - rows), min(columns, L - columns)
        if min(rows, columns) == 0:
            counts[max(rows, columns) - 1] += 1
    return counts
