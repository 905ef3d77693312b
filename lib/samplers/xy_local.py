r"""Metropolis and over-relaxation for XY spins (c, s) = (cos theta, sin theta), nearest-neighbour and beyond.

    H = - sum_a J_a O_a,    a in nn, nn_double, nnn, third, plaquette   (`lib.systems.xy.OPERATORS`)

In the spin at site i every term but nn_double is linear, so H = -h . s_i - J_double sum_j [2 (s_i . s_j)^2 - 1] + ...
with a local field h. No trigonometric function is needed:

* Metropolis rotates s_i by 2 arctan t, t uniform in (-width, width); cos and sin of it are rational in t. The proposal
  is symmetric, and accepted with probability min(1, exp(-beta Delta H)).
* Over-relaxation reflects s_i about h, which leaves h . s_i unchanged: a move at constant energy that goes as far as
  it can. With J_double it is accepted like any symmetric proposal.

Both leave exp(-beta H) invariant. Sites are visited in turn.
"""

import numba
import numpy as np


@numba.njit(inline="always")
def _corner(c, s, i, j, row, column, J):
    """Field J z_a z_b conj(z_d) on a site: its neighbours a = (i, column), b = (row, j), diagonal d = (row, column)."""
    re = c[i, column] * c[row, j] - s[i, column] * s[row, j]
    im = c[i, column] * s[row, j] + s[i, column] * c[row, j]
    x, y = c[row, column], s[row, column]
    return J * (re * x + im * y), J * (im * x - re * y)


@numba.njit(inline="always")
def _field(c, s, i, j, J, further):
    rows, columns = c.shape
    u, d, w, e = i - 1, i + 1 if i + 1 < rows else 0, j - 1, j + 1 if j + 1 < columns else 0
    hx = J[0] * (c[u, j] + c[d, j] + c[i, w] + c[i, e])
    hy = J[0] * (s[u, j] + s[d, j] + s[i, w] + s[i, e])
    if further:
        hx += J[2] * (c[u, w] + c[u, e] + c[d, w] + c[d, e])
        hy += J[2] * (s[u, w] + s[u, e] + s[d, w] + s[d, e])
        d2, e2 = (i + 2) % rows, (j + 2) % columns
        hx += J[3] * (c[i - 2, j] + c[d2, j] + c[i, j - 2] + c[i, e2])
        hy += J[3] * (s[i - 2, j] + s[d2, j] + s[i, j - 2] + s[i, e2])
        for row in (u, d):
            for column in (w, e):
                x, y = _corner(c, s, i, j, row, column, J[4])
                hx += x
                hy += y
    return hx, hy


@numba.njit(inline="always")
def _double(c, s, i, j, x, y):
    """sum over the four neighbours of cos 2(theta - theta_neighbour) for a spin (x, y) at site (i, j)."""
    rows, columns = c.shape
    d, e = i + 1 if i + 1 < rows else 0, j + 1 if j + 1 < columns else 0
    total = 0.0
    for row, column in ((i - 1, j), (d, j), (i, j - 1), (i, e)):
        dot = x * c[row, column] + y * s[row, column]
        total += 2 * dot * dot - 1
    return total


@numba.njit(cache=True)
def _metropolis(cos, sin, beta, J, further, width, rng):
    accepted = 0
    for n in range(len(cos)):
        c, s = cos[n], sin[n]
        for i in range(c.shape[0]):
            for j in range(c.shape[1]):
                hx, hy = _field(c, s, i, j, J, further)
                x, y = c[i, j], s[i, j]
                t = width * (2 * rng.random() - 1)
                norm = 1 / (1 + t * t)
                a, b = (1 - t * t) * norm, 2 * t * norm
                new_x, new_y = a * x - b * y, a * y + b * x
                gain = hx * (new_x - x) + hy * (new_y - y)
                if further:
                    gain += J[1] * (_double(c, s, i, j, new_x, new_y) - _double(c, s, i, j, x, y))
                if gain >= 0 or rng.random() < np.exp(beta * gain):
                    # a Newton step keeps |s| = 1 against rounding
                    scale = 1.5 - 0.5 * (new_x * new_x + new_y * new_y)
                    c[i, j], s[i, j] = scale * new_x, scale * new_y
                    accepted += 1
    return accepted


@numba.njit(cache=True)
def _overrelax(cos, sin, beta, J, further, rng):
    for n in range(len(cos)):
        c, s = cos[n], sin[n]
        for i in range(c.shape[0]):
            for j in range(c.shape[1]):
                hx, hy = _field(c, s, i, j, J, further)
                h2 = hx * hx + hy * hy
                if h2 < 1e-12:
                    continue
                x, y = c[i, j], s[i, j]
                along = 2 * (hx * x + hy * y) / h2
                new_x, new_y = along * hx - x, along * hy - y
                if further:
                    gain = J[1] * (_double(c, s, i, j, new_x, new_y) - _double(c, s, i, j, x, y))
                    if gain < 0 and rng.random() >= np.exp(beta * gain):
                        continue
                c[i, j], s[i, j] = new_x, new_y


def _ready(spins, J):
    L = min(spins[0].shape[1:])
    further = bool(np.any(J[1:]))
    if L < (3 if further else 2):
        raise ValueError(f"L = {L}: these couplings need a lattice of side {3 if further else 2} or more")
    return further


def metropolis(spins, beta, rng, J, width):
    """One Metropolis sweep of every configuration, in place; returns the fraction of accepted moves.

    spins: (cos, sin), float64 [n, L, L] each
    beta: 1 / T
    J: [5], couplings in the order of OPERATORS
    width: largest tangent of half the proposed rotation
    """
    return _metropolis(*spins, beta, J, _ready(spins, J), width, rng) / spins[0].size


def overrelax(spins, beta, rng, J):
    """One over-relaxation sweep of every configuration, in place. Arguments as in `metropolis`."""
    _overrelax(*spins, beta, J, _ready(spins, J), rng)
