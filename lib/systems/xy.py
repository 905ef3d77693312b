r"""Two-dimensional XY model on a periodic L x L lattice: energy, operators, vortices, helicity modulus.

Units J = 1, k_B = 1; N = L^2 sites, angles theta_i in [0, 2 pi), configurations float64 [n, L, L].

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

import numpy as np
import torch

T_BKT, T_BKT_ERROR = 0.8935, 0.0001  # arXiv:1302.2900
TWO_PI = 2 * np.pi


def check_temperature(T):
    """ValueError unless the temperature is positive and finite."""
    if not (np.isfinite(T) and T > 0):
        raise ValueError(f"T = {T}: the temperature must be positive and finite")


def _next(x, rows, columns):
    """The value `rows` down and `columns` to the right of each site."""
    roll = torch.roll if isinstance(x, torch.Tensor) else np.roll
    return roll(x, (-rows, -columns), (-2, -1))


def _vectors(theta):
    return (theta.cos(), theta.sin()) if isinstance(theta, torch.Tensor) else (np.cos(theta), np.sin(theta))


def _pairs(theta, *steps):
    """sum over sites and steps of cos(theta_i - theta_{i + step}) -> [n]."""
    c, s = _vectors(theta)
    total = sum(c * _next(c, *step) + s * _next(s, *step) for step in steps)
    return total.sum((-2, -1))


def nearest(theta):
    """sum of cos over the 2N nearest-neighbour bonds. theta: [n, L, L] -> [n]."""
    return _pairs(theta, (0, 1), (1, 0))


def nearest_double(theta):
    """sum of cos 2(theta_i - theta_j) over the 2N nearest-neighbour bonds. theta: [n, L, L] -> [n]."""
    return nearest(2 * theta)


def diagonal(theta):
    """sum of cos over the 2N diagonal bonds. theta: [n, L, L] -> [n]."""
    return _pairs(theta, (1, 1), (1, -1))


def third(theta):
    """sum of cos over the 2N bonds of distance two. theta: [n, L, L] -> [n]."""
    return _pairs(theta, (0, 2), (2, 0))


def plaquette(theta):
    """sum over the squares of cos(theta_1 - theta_2 + theta_3 - theta_4), corners in turn. theta: [n, L, L] -> [n]."""
    around = theta - _next(theta, 0, 1) + _next(theta, 1, 1) - _next(theta, 1, 0)
    return _vectors(around)[0].sum((-2, -1))


OPERATORS = {
    "nn": nearest,
    "nn_double": nearest_double,
    "nnn": diagonal,
    "third": third,
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
    right, down = np.cos(theta - _next(theta, 0, 1)), np.cos(theta - _next(theta, 1, 0))
    return -(right + down + _next(right, 1, 0) + _next(down, 0, 1))


def vorticity(theta):
    """Winding number v of the square whose upper left corner is each site, int8 [n, L, L]."""
    right = wrap(_next(theta, 0, 1) - theta)
    down = wrap(_next(theta, 1, 0) - theta)
    # clockwise as printed: along the top, down the right side, back along the bottom, up the left side
    around = right + _next(down, 0, 1) - _next(right, 1, 0) - down
    return np.rint(around / TWO_PI).astype(np.int8)


def vortex_density(theta):
    """Vortices and antivortices per site, [n]."""
    return np.abs(vorticity(theta)).mean((-2, -1))


def currents(theta):
    """I_x, I_y = sum of sin(theta_i - theta_j) along rows and columns, [n, 2]."""
    c, s = _vectors(theta)
    steps = ((0, 1), (1, 0))
    return np.stack([(s * _next(c, *step) - c * _next(s, *step)).sum((-2, -1)) for step in steps], axis=1)


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
