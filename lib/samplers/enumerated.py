r"""The transition matrix of single-spin flips with any acceptance rule, on a lattice small enough to write it down.

One step: a site chosen at random, its spin flipped with probability a(dE). So P_ss' = a(E(s') - E(s)) / N for states
that differ in one spin, and the rest stays. For `checks.check_detailed_balance`, which then says whether a rule leaves
the Boltzmann distribution alone: Metropolis a = min(1, exp(-dE/T)) and heat bath a = 1 / (1 + exp(dE/T)) do.
"""

import numpy as np

from lib.systems import ising


def single_flips(acceptance, L=3, energy=ising.energy):
    """Transition matrix [S, S] over `ising.enumerate_states(L)`, S = 2^(L^2), L = 2 or 3.

    acceptance: energy changes [n] -> probabilities [n] between 0 and 1. energy: states [n, L, L] -> [n]. ValueError
    for another L and for an acceptance of another shape or range.
    """
    if L not in (2, 3):
        raise ValueError(f"L = {L}: the matrix is written down for L = 2 and 3 only")
    states = ising.enumerate_states(L)
    E, S, N = np.asarray(energy(states), float), len(states), L * L
    P = np.zeros((S, S))
    here = np.arange(S)
    for site in range(N):
        there = here ^ (1 << site)  # the states are counted by their spins that are down
        a = np.asarray(acceptance(E[there] - E), float)
        if a.shape != (S,) or not ((a >= 0) & (a <= 1)).all():
            raise ValueError("acceptance: give one probability between 0 and 1 for each energy change")
        P[here, there] = a / N
    P[here, here] = 1 - P.sum(1)
    return P
