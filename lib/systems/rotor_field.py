r"""Rotors in 1+1 dimensions at finite density, and the currents that have no sign problem.

N_x x N_t angles, periodic in both directions, chemical potential on the time links:

    S = -beta [ sum_time cos(phi' - phi - i mu) + sum_space cos(phi' - phi) ].

Expanding every link in I_k(beta) e^(i k x) and integrating the angles leaves whole numbers on the links, the currents:
k(x, t) along time, j(x, t) along space, conserved at every site, with the positive weight

    prod_links I(beta) * e^(mu sum k),          k(x, t) = k(x, t-1) + j(x-1, t) - j(x, t).

The charge Q = sum_x k(x, t) is the same at all t; n = <Q> / N_x. Free are the first row k(., 0) and the slices j(., 1)
... j(., N_t - 1): an array [N_t, N_x] of whole numbers without constraint. The slice t = 0 leads from the last row
back to the first one: it is fixed up to a constant, its winding w, which is summed,

    W(k, k') = sum_w prod_x I_{j_x + w},        j_x = sum_{x' <= x} (k_x' - k'_x').

So Z (measure d phi / 2 pi) is the trace of a transfer matrix of rows, exact for N_x = 2, 3 with |k| <= 4.
For N_x = 2 both space links between the two sites are kept.

Source: the dual variables, M. G. Endres, Phys. Rev. D 75, 065012 (2007), hep-lat/0610029.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.special import ive

WINDINGS = np.arange(-12, 13)


class Field(NamedTuple):
    """beta, mu, and the size of the lattice."""

    beta: float
    mu: float
    n_x: int
    n_t: int


def log_bessel(k, beta):
    """ln I_k(beta) of whole numbers k."""
    return np.log(ive(np.abs(k), beta)) + beta


def log_hops(before, after, beta):
    """ln W of rows of currents `before` [..., N_x] and `after` [..., N_x] of equal charge."""
    j = np.cumsum(before - after, -1)
    return np.logaddexp.reduce([log_bessel(j + w, beta).sum(-1) for w in WINDINGS])


def time_currents(free):
    """k(x, t) [n, N_t, N_x] of free currents [n, N_t, N_x], whole numbers."""
    heights = np.cumsum(free[:, 1:], axis=1)
    later = free[:, :1] + np.roll(heights, 1, 2) - heights
    return np.concatenate([free[:, :1], later], axis=1)


def charge(free):
    """Q of free currents [n, N_t, N_x]: [n]."""
    return free[:, 0].sum(-1)


def log_weight(free, field):
    """ln of the weight of free currents, whole numbers [n, N_t, N_x]: [n]."""
    k = time_currents(free)
    links = log_bessel(k, field.beta).sum((1, 2)) + log_bessel(free[:, 1:], field.beta).sum((1, 2))
    return field.mu * field.n_t * charge(free) + links + log_hops(k[:, -1], k[:, 0], field.beta)


class Exact(NamedTuple):
    """density <Q> / N_x; log_z: ln Z; charges Q and their probabilities."""

    density: float
    log_z: float
    charges: np.ndarray
    probabilities: np.ndarray


def exact(field, largest=4):
    """`Exact` by transfer matrix, from currents |k| <= largest. ValueError for rows too long to list."""
    if (2 * largest + 1) ** field.n_x > 10_000:
        raise ValueError(f"n_x = {field.n_x}: too many rows for the transfer matrix; n_x = 3 is the largest")
    rows = np.array(list(itertools.product(range(-largest, largest + 1), repeat=field.n_x)))
    charges = np.arange(-largest * field.n_x, largest * field.n_x + 1)
    log_parts = []
    for q in charges:
        of_charge = rows[rows.sum(1) == q]
        time = np.exp(0.5 * log_bessel(of_charge, field.beta).sum(1))
        matrix = time[:, None] * time * np.exp(log_hops(of_charge[:, None], of_charge[None], field.beta))
        values = np.linalg.eigvalsh(matrix)
        powers = np.sum((values / values[-1]) ** field.n_t)
        log_parts.append(field.n_t * np.log(values[-1]) + np.log(powers) + field.mu * field.n_t * q)
    log_z = float(np.logaddexp.reduce(log_parts))
    probabilities = np.exp(np.array(log_parts) - log_z)
    return Exact(float((charges * probabilities).sum()) / field.n_x, log_z, charges, probabilities)
