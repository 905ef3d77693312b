r"""Metropolis for Ising spins that all interact: the simulated dipolar film.

    H(s) = - (1/2) sum_(i != j) s_i W(r_ij) s_j = - (1/2) sum_i s_i h_i,    h_i = sum_j W(r_ij) s_j

with a kernel W [L, L] of the periodic lattice (`lib.systems.film.pair_kernel`). The local fields h are kept beside
the spins: Delta E = 2 s_i h_i costs nothing, and only an accepted flip pays O(N), h_j -= 2 s_i W(r_ij) (s_i before
the flip), a run of multiply-adds over rows of W. Sites are visited in turn, each flipped with probability min(1,
exp(-beta Delta E)): every update is in detailed balance with exp(-beta H), a sweep leaves it invariant. Rounding
errors of h grow like a random walk; `refresh` recomputes them. Source: N. Metropolis et al., J. Chem. Phys. 21, 1087
(1953).
"""

import numba
import numpy as np

from lib.systems.film import local_fields


@numba.njit(cache=True, fastmath={"contract"})
def _sweep(spins, fields, double, beta, rng):
    n, L, _ = spins.shape
    flips = 0
    for c in range(n):
        s, h = spins[c], fields[c]
        for i in range(L):
            for j in range(L):
                delta = 2.0 * s[i, j] * h[i, j]
                if delta <= 0.0 or rng.random() < np.exp(-beta * delta):
                    change = 2.0 * s[i, j]
                    s[i, j] = -s[i, j]
                    flips += 1
                    for k in range(L):  # double[a + L, b + L] = W(a, b): a row needs no modulo
                        row = double[k - i + L, L - j : 2 * L - j]
                        field = h[k]
                        for m in range(L):
                            field[m] -= change * row[m]
    return flips


def sweep(state, beta, rng, W, n_sweeps=1):
    """n_sweeps of every configuration, in place; returns the fraction of attempts that flipped.

    state: spins int8 [n, L, L] of +-1, and fields float64 [n, L, L], `local_fields(spins, W)`, kept up to date
    beta: 1 / T >= 0
    W: symmetric kernel [L, L] with W(0) = 0
    """
    spins, fields = state
    W = np.asarray(W, dtype=float)
    L = W.shape[0]
    if W.shape != (L, L) or spins.shape[1:] != W.shape or fields.shape != spins.shape:
        raise ValueError(f"spins {spins.shape}, fields {fields.shape}, W {W.shape}: give [n, L, L] twice, and [L, L]")
    mirror = np.roll(W[::-1, ::-1], (1, 1), (0, 1))
    if W[0, 0] != 0 or np.abs(W - mirror).max() > 1e-12 * max(1.0, np.abs(W).max()):
        raise ValueError("W: a pair interaction has W(0) = 0 and W(-r) = W(r); see film.pair_kernel")
    double = np.ascontiguousarray(np.tile(W, (2, 2)))
    return sum(_sweep(spins, fields, double, beta, rng) for _ in range(n_sweeps)) / (spins.size * max(1, n_sweeps))


def refresh(state, W):
    """Recompute the fields in place; returns the largest error they had."""
    spins, fields = state
    exact = local_fields(spins, W)
    error = float(np.abs(fields - exact).max())
    fields[...] = exact
    return error
