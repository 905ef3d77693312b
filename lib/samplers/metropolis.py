r"""Checkerboard Metropolis for the periodic Ising model, one spin at a time: the sampler to read and to test
against.

A spin is flipped with probability min(1, exp(-beta Delta E)), Delta E = 2 s_i (sum of its four neighbours).
Spins of one colour of the checkerboard have no common bond, so a half sweep is the product of independent
single-spin updates, each in detailed balance with exp(-beta H); a sweep updates both colours in turn and
leaves exp(-beta H) invariant. Source: N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953). `multispin.py` is
the same update, many times faster.
"""

import numba
import numpy as np

from lib.lattice import check_side


def acceptance(beta):
    """Flip probabilities [5] for s_i times the sum of its neighbours = -4, -2, 0, 2, 4."""
    return np.minimum(1.0, np.exp(-2.0 * beta * np.arange(-4, 5, 2)))


@numba.njit(cache=True)
def _sweep(spins, accept, rng):
    n, L, _ = spins.shape
    flips = 0
    for c in range(n):
        s = spins[c]
        for color in range(2):
            for i in range(L):
                up, down = i - 1 if i > 0 else L - 1, i + 1 if i < L - 1 else 0
                for j in range((i + color) & 1, L, 2):
                    left, right = j - 1 if j > 0 else L - 1, j + 1 if j < L - 1 else 0
                    aligned = s[i, j] * (s[up, j] + s[down, j] + s[i, left] + s[i, right])
                    if aligned <= 0 or rng.random() < accept[aligned // 2 + 2]:
                        s[i, j] = -s[i, j]
                        flips += 1
    return flips


def sweep(spins, beta, rng):
    """One checkerboard sweep of every configuration, in place; returns the fraction of spins that flipped.

    spins: int8 [n, L, L] of +-1, L even
    beta: 1 / T >= 0
    """
    check_side(spins.shape[-1], even=True)
    return _sweep(spins, acceptance(beta), rng) / spins.size
