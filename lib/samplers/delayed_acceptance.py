r"""Metropolis for an energy that is dear to evaluate, with a cheap one to propose: the learned Hamiltonian at any T.

Let H = J E + D with E = - sum of the bonds, and D = H - J E the excess. From s, `flips` single-spin Metropolis
updates at randomly chosen sites under exp(-J E / T) lead to s'; every update, and so their sequence with random sites,
is in detailed balance with exp(-J E / T). Accepting s' with probability min(1, exp(-[D(s') - D(s)] / T)) is then in
detailed balance with exp(-H / T), exactly, and the dear function is evaluated once for `flips` updates. Reweighting
needs D / T to vary little over a whole configuration; this needs it to vary little over a few flips.
This is delayed acceptance, after J. A. Christen and C. Fox, Markov chain Monte Carlo using an approximation (2005).
"""

from typing import NamedTuple

import numba
import numpy as np

from lib.statistics import integrated_time
from lib.systems.ising import check_side, check_temperature


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


def step(spins, excess, function, coupling, T, rng, flips=64):
    """One proposal to every chain, in place; returns bool [n], where it was accepted.

    spins: int8 [n, L, L] of +-1; excess: float64 [n], function(spins), kept up to date; function: configurations ->
    D [n] in units of energy; coupling: J; T: temperature of each chain [n]; rng: numpy.random.Generator.
    """
    proposed = spins.copy()
    _propose(proposed, coupling / T, flips, rng)
    new = np.asarray(function(proposed), dtype=float)
    accepted = rng.random(len(spins)) < np.exp(np.minimum(0.0, -(new - excess) / T))
    spins[accepted], excess[accepted] = proposed[accepted], new[accepted]
    return accepted


class Heated(NamedTuple):
    """Magnetisation per site m and excess D, [steps, t, chains] each, of chains at temperatures T [t].

    accepted [t]: fraction of the proposals; tau [t]: tau_int (1/2 + sum rho) of |m|, in steps. The steps of
    equilibration are not in them.
    """

    T: np.ndarray
    m: np.ndarray
    excess: np.ndarray
    accepted: np.ndarray
    tau: np.ndarray


def heat(function, coupling, L, temperatures, rng, *, chains=20, steps=1000, discard=400, flips=64):
    """`Heated`: an ordered lattice brought to each of the temperatures, where it equilibrates for `discard` steps.

    Arguments as in `step`; temperatures [t]. All chains of all temperatures are evaluated together.
    """
    check_side(L)
    check_temperature(temperatures)
    temperatures = np.asarray(temperatures, dtype=float)
    T = temperatures.repeat(chains)
    spins = np.ones((len(T), L, L), np.int8)
    excess = np.asarray(function(spins), dtype=float)
    m, D, accepted = np.empty((steps, len(T))), np.empty((steps, len(T))), np.zeros(len(T))
    for number in range(-discard, steps):
        took = step(spins, excess, function, coupling, T, rng, flips)
        if number >= 0:
            m[number], D[number] = spins.mean((1, 2), dtype=float), excess
            accepted += took / steps
    m, D = m.reshape(steps, -1, chains), D.reshape(steps, -1, chains)
    tau = np.array([integrated_time(np.abs(m[:, k])) for k in range(len(temperatures))])
    return Heated(temperatures, m, D, accepted.reshape(-1, chains).mean(1), tau)
