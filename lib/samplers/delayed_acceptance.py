r"""Metropolis for an energy that is dear to evaluate, with a cheap one to propose: the learned Hamiltonian at any T.

Let H = J E + D with E = - sum of the bonds, and D = H - J E the excess. From s, `flips` single-spin Metropolis
updates at randomly chosen sites under exp(-J E / T) lead to s'; every update, and so their sequence with random sites,
is in detailed balance with exp(-J E / T). Accepting s' with probability min(1, exp(-[D(s') - D(s)] / T)) is then in
detailed balance with exp(-H / T), exactly, and the dear function is evaluated once for `flips` updates. Reweighting
needs D / T to vary little over a whole configuration; this needs it to vary little over a few flips.
This is delayed acceptance, after J. A. Christen and C. Fox, Markov chain Monte Carlo using an approximation (2005).

Where the excess varies too much to reweight from J E to H at once, it is switched on in steps, lambda = 1/n ... 1, with
such an update at each and the weights of the steps multiplied: annealed importance sampling, R. M. Neal, Statistics and
Computing 11, 125 (2001). The weighted averages are exact in the limit of many configurations, however few the steps.
"""

from typing import NamedTuple

import numba
import numpy as np

from lib.lattice import check_side
from lib.systems import check_temperature


@numba.njit(cache=True)
def _propose(spins, K, flips, rng):
    n, L, _ = spins.shape
    for c in range(n):
        s = spins[c]
        for _ in range(flips):
            site = rng.integers(0, L * L)
            i, j = site // L, site % L
            around = s[i - 1, j] + s[(i + 1) % L, j] + s[i, j - 1] + s[i, (j + 1) % L]
            change = 2.0 * K[c] * s[i, j] * around
            if change <= 0.0 or rng.random() < np.exp(-change):
                s[i, j] = -s[i, j]


def step(state, T, rng, function, coupling, flips=64):
    """One proposal to every replica, in place; returns bool [n], where it was accepted.

    state: spins int8 [n, L, L] of +-1, and excess float64 [n], function(spins), kept up to date
    T: temperature of each replica [n]
    function: configurations -> D [n] in units of energy
    coupling: J
    """
    spins, excess = state
    proposed = spins.copy()
    _propose(proposed, coupling / T, flips, rng)
    new = np.asarray(function(proposed), dtype=float)
    accepted = rng.random(len(spins)) < np.exp(np.minimum(0.0, -(new - excess) / T))
    spins[accepted], excess[accepted] = proposed[accepted], new[accepted]
    return accepted


def anneal(spins, T, rng, function, coupling, steps, flips=64):
    """Configurations drawn from exp(-J E / T) led to exp(-H / T), the excess switched on in `steps`.

    spins: int8 [n, L, L], changed in place; the rest as in `step`, T a number. Returns D [n] of where they end, and the
    log weights [n] that make their averages those of exp(-H / T); the mean weight is the ratio of partition functions.
    """
    excess, log_w = np.asarray(function(spins), dtype=float), np.zeros(len(spins))
    everywhere = np.full(len(spins), float(T))
    for k in range(1, steps + 1):
        log_w -= excess / (steps * T)
        part = k / steps
        scaled = part * excess
        step((spins, scaled), everywhere, rng, lambda s, part=part: part * function(s), coupling, flips)
        excess = scaled / part
    return excess, log_w


class Heated(NamedTuple):
    """Magnetisation per site m and excess D, [steps, t, replicas] each, and the fraction of accepted proposals [t]."""

    m: np.ndarray
    excess: np.ndarray
    accepted: np.ndarray


def heat(L, temperatures, rng, function, coupling, *, replicas=20, steps=1000, flips=64):
    """`Heated`: replicas from an ordered lattice on, at each of the temperatures [t]; the rest as in `step`.

    All replicas of all temperatures are evaluated together. The first steps are not in equilibrium.
    """
    check_side(L)
    check_temperature(temperatures)
    T = np.asarray(temperatures, dtype=float).repeat(replicas)
    spins = np.ones((len(T), L, L), np.int8)
    excess = np.asarray(function(spins), dtype=float)
    m, D, accepted = np.empty((steps, len(T))), np.empty((steps, len(T))), np.zeros(len(T))
    for k in range(steps):
        accepted += step((spins, excess), T, rng, function, coupling, flips) / steps
        m[k], D[k] = spins.mean((1, 2), dtype=float), excess
    shape = steps, len(temperatures), replicas
    return Heated(m.reshape(shape), D.reshape(shape), accepted.reshape(-1, replicas).mean(1))
