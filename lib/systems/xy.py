r"""Two-dimensional XY model on a periodic L x L lattice: energy, operators, vortices, helicity modulus.

    H(theta) = - sum_i [cos(theta_i - theta_right(i)) + cos(theta_i - theta_down(i))],

    p(theta) = exp(-H / T) / Z,     Z = int prod_i dtheta_i / (2 pi) exp(-H / T).

Z is taken with the uniform *probability* measure, so that ln Z -> 0 at high temperature; densities p are with respect
to dtheta, ln p = -H / T - ln Z - N ln 2 pi. Each bond counts once (for L = 2 both bonds of a pair are kept).

Vorticity. Around an elementary square, corners (i, j) (i, j+1) (i+1, j+1) (i+1, j), the four differences of
neighbouring angles, each brought into [-pi, pi), add up to 2 pi v with an integer v: +1 a vortex, -1 an antivortex.
Every bond enters two squares with opposite signs, so sum v = 0 on the torus.

Helicity modulus: the stiffness against a twist of the boundary, T d^2 (-ln Z) / d phi^2 with phi the twist per bond,
per site and averaged over both directions,

    Y = -<E> / 2N - <I_x^2 + I_y^2> / (2 N T),     I_x = sum_i sin(theta_i - theta_right(i)).

It jumps from 2 T / pi to 0 at the Berezinskii-Kosterlitz-Thouless transition, T_BKT = 0.8935(1) (Hsieh, Kao and
Sandvik, arXiv:1302.2900, also for the relation of the jump).
"""

import numba
import numpy as np
import torch

from lib.lattice import NEIGHBOURS, neighbour
from lib.systems import check_temperature

T_BKT, T_BKT_ERROR = 0.8935, 0.0001  # arXiv:1302.2900
TWO_PI = 2 * np.pi


def _vectors(theta):
    return (theta.cos(), theta.sin()) if isinstance(theta, torch.Tensor) else (np.cos(theta), np.sin(theta))


def _pairs(theta, steps):
    """sum over sites and steps of cos(theta_i - theta_{i + step}) -> [n]."""
    c, s = _vectors(theta)
    total = sum(c * neighbour(c, *step) + s * neighbour(s, *step) for step in steps)
    return total.sum((-2, -1))


def nearest(theta):
    """sum of cos over the 2N nearest-neighbour bonds. theta: [n, L, L] -> [n]."""
    return _pairs(theta, NEIGHBOURS["nn"])


def plaquette(theta):
    """sum over the squares of cos(theta_1 - theta_2 + theta_3 - theta_4), corners in turn. theta: [n, L, L] -> [n]."""
    around = theta - neighbour(theta, 0, 1) + neighbour(theta, 1, 1) - neighbour(theta, 1, 0)
    return _vectors(around)[0].sum((-2, -1))


OPERATORS = {
    "nn": nearest,
    "nn_double": lambda theta: nearest(2 * theta),
    "nnn": lambda theta: _pairs(theta, NEIGHBOURS["nnn"]),
    "third": lambda theta: _pairs(theta, NEIGHBOURS["third"]),
    "plaquette": plaquette,
}


def energy(theta):
    """H(theta) in units of J. theta: [n, L, L], numpy or torch -> [n]."""
    return -nearest(theta)


def operators(theta, names=tuple(OPERATORS)):
    """The operator sums O_a(theta), numpy [n, a], in the order of `names`; a Hamiltonian is -sum_a J_a O_a."""
    return np.stack([OPERATORS[name](theta) for name in names], axis=1)


def log_density(theta, T, log_partition):
    """ln p(theta) with respect to dtheta, [n], from ln Z (probability measure) at temperature T."""
    check_temperature(T)
    n_sites = theta.shape[-1] * theta.shape[-2]
    return -energy(theta) / T - log_partition - n_sites * np.log(TWO_PI)


def wrap(angle):
    """Angles brought into [-pi, pi)."""
    return (angle + np.pi) % TWO_PI - np.pi


def plaquette_energy(theta):
    """Minus the sum of cos over the four bonds of each elementary square. theta: [n, L, L] -> [n, L, L]."""
    right, down = np.cos(theta - neighbour(theta, 0, 1)), np.cos(theta - neighbour(theta, 1, 0))
    return -(right + down + neighbour(right, 1, 0) + neighbour(down, 0, 1))


def vorticity(theta):
    """Winding number v of the square whose upper left corner is each site, int8 [n, L, L]."""
    right = wrap(neighbour(theta, 0, 1) - theta)
    down = wrap(neighbour(theta, 1, 0) - theta)
    # clockwise as printed: along the top, down the right side, back along the bottom, up the left side
    around = right + neighbour(down, 0, 1) - neighbour(right, 1, 0) - down
    return np.rint(around / TWO_PI).astype(np.int8)


def vortex_density(theta):
    """Vortices and antivortices per site, [n]."""
    return np.abs(vorticity(theta)).mean((-2, -1))


def currents(theta):
    """I_x, I_y = sum of sin(theta_i - theta_j) along rows and columns, [n, 2]."""
    c, s = _vectors(theta)
    both = [(s * neighbour(c, *step) - c * neighbour(s, *step)).sum((-2, -1)) for step in NEIGHBOURS["nn"]]
    return np.stack(both, axis=1)


def helicity_modulus(energy, current_squared, T, n_sites):
    """Y from <E> and <I_x^2 + I_y^2> of the lattice at temperature T (see the head of this file)."""
    return -(energy + current_squared / T) / (2 * n_sites)


def rotate(theta, angle):
    """All angles turned by `angle`, a number or [n], in [0, 2 pi)."""
    return (theta + np.reshape(angle, (-1, 1, 1))) % TWO_PI


def rotate_one(theta, rng):
    """Copies of angles [n, L, L] with one spin of each, chosen at random, turned by up to a quarter turn."""
    theta = theta.copy()
    flat = theta.reshape(len(theta), -1)
    site = rng.integers(flat.shape[1], size=len(theta))
    flat[np.arange(len(theta)), site] += rng.uniform(-np.pi / 2, np.pi / 2, len(theta))
    return theta % TWO_PI


@numba.njit(inline="always")
def _crossing(xa, ya, xb, yb):
    """+1, -1 or 0: how the short way from spin a to spin b crosses the negative x axis, +1 anticlockwise."""
    if ya >= 0 and yb < 0:
        return 1 if xa * yb - ya * xb > 0 else 0
    if ya < 0 and yb >= 0:
        return -1 if xa * yb - ya * xb < 0 else 0
    return 0


@numba.njit(cache=True)
def _observe(cos, sin, out):
    R, rows, columns = cos.shape
    for n in range(R):
        c, s = cos[n], sin[n]
        nn, double, nnn, third, square, ix, iy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        vortices = 0
        for i in range(rows):
            d, d2 = (i + 1) % rows, (i + 2) % rows
            for j in range(columns):
                e, e2, w = (j + 1) % columns, (j + 2) % columns, (j - 1) % columns
                x, y = c[i, j], s[i, j]
                right, down = x * c[i, e] + y * s[i, e], x * c[d, j] + y * s[d, j]
                nn += right + down
                double += 2 * (right * right + down * down) - 2
                ix += y * c[i, e] - x * s[i, e]
                iy += y * c[d, j] - x * s[d, j]
                nnn += x * (c[d, e] + c[d, w]) + y * (s[d, e] + s[d, w])
                third += x * (c[d2, j] + c[i, e2]) + y * (s[d2, j] + s[i, e2])
                # z z_diagonal times the conjugate of z_right z_down
                re, im = x * c[d, e] - y * s[d, e], x * s[d, e] + y * c[d, e]
                square += re * (c[i, e] * c[d, j] - s[i, e] * s[d, j]) + im * (c[i, e] * s[d, j] + s[i, e] * c[d, j])
                winding = (
                    _crossing(x, y, c[i, e], s[i, e])
                    + _crossing(c[i, e], s[i, e], c[d, e], s[d, e])
                    + _crossing(c[d, e], s[d, e], c[d, j], s[d, j])
                    + _crossing(c[d, j], s[d, j], x, y)
                )
                vortices += abs(winding)
        out[n] = nn, double, nnn, third, square, ix * ix + iy * iy, vortices / (rows * columns)


def observe(spins):
    """The five sums of `OPERATORS`, I_x^2 + I_y^2 and the vortices per site, [n, 7]; spins: (cos, sin), [n, L, L] each.

    The same as `operators`, `currents` and `vortex_density`, compiled and without a trigonometric function. The winding
    of a square is counted by the edges that cross the negative x axis.
    """
    out = np.empty((len(spins[0]), 7))
    _observe(*spins, out)
    return out
