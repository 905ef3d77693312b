r"""The scalar field phi^4 in 1+1 dimensions on a periodic lattice, spacing 1 in space and D in imaginary time.

    S = sum over sites of  (phi_{t+1} - phi_t)^2 / 2 D  +  D [ (phi_{x+1} - phi_x)^2 / 2 + V(phi) ],
    V = m^2 phi^2 / 2 + lambda phi^4 / 4;

The inverse temperature is beta = N_t D, the measure d phi. m^2 may be negative. With lambda = 0 the field is free and
plane waves diagonalise S,

    S = 1/2 sum_k K_k |phi_k|^2,    K_k = (4 / D) sin^2(k_t / 2) + D (4 sin^2(k_x / 2) + m^2),

so ln Z, and every average, are sums over modes. For N_x = 2 a time slice is two numbers, and the transfer matrix
between slices, on a grid of Gauss-Legendre points for each, is exact to rounding. With N_x = 2 both links between the
two sites of a slice are kept. Source: I. Montvay and G. Muenster, Quantum Fields on a Lattice (Cambridge University
Press, 1994).
"""

from typing import NamedTuple

import numpy as np


class PhiFour(NamedTuple):
    """N_x, N_t, the spacing D in time, m^2 and lambda."""

    n_x: int
    n_t: int
    spacing: float
    mass2: float
    coupling: float


def action(phi, field):
    """S of fields [n, N_t, N_x]: [n]."""
    in_time, in_space = (np.roll(phi, -1, axis) - phi for axis in (1, 2))
    potential = field.mass2 * phi**2 / 2 + field.coupling * phi**4 / 4
    return (in_time**2 / (2 * field.spacing) + field.spacing * (in_space**2 / 2 + potential)).sum((1, 2))


class Exact(NamedTuple):
    """ln Z, <phi^2>, and the correlation of neighbours in time and in space."""

    log_z: float
    square: float
    in_time: float
    in_space: float


def spectrum(field):
    """K_k of the free field [N_t, N_x], at the momenta of numpy's fft."""
    k_t, k_x = (2 * np.pi * np.fft.fftfreq(n) for n in (field.n_t, field.n_x))
    space = 4 * np.sin(k_x / 2) ** 2 + field.mass2
    return 4 / field.spacing * np.sin(k_t[:, None] / 2) ** 2 + field.spacing * space


def free(field):
    """`Exact` of the free field. ValueError with an interaction, or without a positive m^2."""
    if field.coupling != 0 or not field.mass2 > 0:
        raise ValueError(f"coupling = {field.coupling}, mass2 = {field.mass2}: a free field has coupling 0, mass2 > 0")
    K = spectrum(field)
    correlation = np.fft.ifft2(1 / K).real
    log_z = 0.5 * (K.size * np.log(2 * np.pi) - np.log(K).sum())
    return Exact(float(log_z), float(correlation[0, 0]), float(correlation[1, 0]), float(correlation[0, 1]))


def free_energy_per_site(field):
    """E of the free field per site in space, with the measure d phi / sqrt(2 pi D) of a path integral:

    1 / 2 D - <(d_t phi)^2> / 2 D^2 + <(d_x phi)^2 + m^2 phi^2> / 2.
    """
    _, square, in_time, in_space = free(field)
    D = field.spacing
    return 1 / (2 * D) - (square - in_time) / D**2 + (square - in_space) + field.mass2 * square / 2


class TwoColumns(NamedTuple):
    """The same for N_x = 2, and <phi^4> and the gap between the lowest two levels."""

    log_z: float
    square: float
    in_space: float
    fourth: float
    gap: float


def two_columns(field, points=40, limit=None):
    """`TwoColumns` of a field with N_x = 2, by transfer matrix.

    points: for each of the two sites, in |phi| < limit; None: 3.5, or 1.5 beyond the minima of V.
    """
    if field.n_x != 2:
        raise ValueError(f"n_x = {field.n_x}: the transfer matrix is for two columns")
    if limit is None:
        minimum = np.sqrt(max(-field.mass2, 0) / field.coupling) if field.coupling else 0.0
        limit = max(3.5, minimum + 1.5 / min(1.0, field.coupling or 1.0) ** 0.25)
    nodes, weights = np.polynomial.legendre.leggauss(points)
    a, b = (each.ravel() for each in np.meshgrid(limit * nodes, limit * nodes, indexing="ij"))
    weight = limit**2 * np.outer(weights, weights).ravel()
    slices = np.stack([a, b], 1)[:, None]  # one time slice: its links in time vanish
    potential = action(slices, field)
    half = np.sqrt(weight) * np.exp(-potential / 2)
    hop = np.exp(-((a[:, None] - a) ** 2 + (b[:, None] - b) ** 2) / (2 * field.spacing))
    values, vectors = np.linalg.eigh(half[:, None] * hop * half)
    values, vectors = values[::-1], vectors[:, ::-1]
    powers = (np.abs(values) / values[0]) ** field.n_t
    total = powers.sum()

    def average(function):
        return float((powers * (vectors**2 * function[:, None]).sum(0)).sum() / total)

    log_z = field.n_t * np.log(values[0]) + np.log(total)
    gap = np.log(values[0] / values[1]) / field.spacing
    squares, fourths = (a**2 + b**2) / 2, (a**4 + b**4) / 2
    return TwoColumns(float(log_z), average(squares), average(a * b), average(fourths), float(gap))
