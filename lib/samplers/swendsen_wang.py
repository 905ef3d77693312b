r"""Swendsen-Wang cluster updates of the periodic Ising model.

Given the spins, every bond between equal spins is activated with probability 1 - exp(-2 beta); given the
bonds, every cluster of connected sites takes a new sign, +1 or -1 with equal probability. Spins and bonds
have a joint distribution (Edwards and Sokal, Phys. Rev. D 38, 2009 (1988)) whose marginal is exp(-beta H),
and both steps draw from its conditionals, so exp(-beta H) is invariant. Clusters carry the critical
fluctuations: the autocorrelation time grows with L much more slowly than for single-spin updates. They are found with a
union-find forest. Any L >= 2. Source: R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
"""

import numba
import numpy as np

from lib.lattice import check_side


@numba.njit(inline="always")
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True)
def _sweep(spins, activate, rng):
    n, L, _ = spins.shape
    N = L * L
    parent, sign = np.empty(N, np.int32), np.empty(N, np.int8)
    for c in range(n):
        s = spins[c].reshape(-1)
        for i in range(N):
            parent[i] = i
        for i in range(N):
            right = i + 1 if i % L < L - 1 else i + 1 - L
            down = i + L if i < N - L else i + L - N
            for k in (right, down):
                if s[i] == s[k] and rng.random() < activate:
                    a, b = _root(parent, i), _root(parent, k)
                    parent[max(a, b)] = min(a, b)
        for i in range(N):
            root = _root(parent, i)
            if root == i:
                sign[i] = 1 if rng.random() < 0.5 else -1
            s[i] = sign[root]  # the root is the first site of its cluster


def sweep(spins, beta, rng):
    """One cluster update of every configuration, in place.

    spins: contiguous int8 [n, L, L] of +-1
    beta: 1 / T >= 0
    """
    check_side(spins.shape[-1])
    _sweep(spins, -np.expm1(-2.0 * beta), rng)
