r"""Metropolis for Ising spins with a few more couplings: the surrogate read out of a network.

    H(s) = - sum_a J_a O_a(s),   a in nn, nnn, third, plaquette, field   (`lib.systems.ising.OPERATORS`)

Sites are visited in turn and flipped with probability min(1, exp(-beta Delta E)), which leaves exp(-beta H)
invariant. Delta E = 2 sum_a J_a s_i dO_a/ds_i takes few values, so the probabilities are tabulated as 32-bit
thresholds (bias below 2.4e-10). The replicas are the last index: all of them are updated at one site together,
each with its own generator (xoroshiro128+). Source: N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953).
"""

import numba
import numpy as np

from lib.lattice import sides
from lib.samplers.multispin import _advance


def _thresholds(J, beta):
    """Acceptance thresholds uint32 [1250]; index 625 [s = 1] + 125 f_nn + 25 f_nnn + 5 f_third + f_plaquette,
    with f = (s_i times the local sum) / 2 + 2 in 0 ... 4."""
    f = np.stack(np.meshgrid(*[np.arange(-4, 5, 2)] * 4, indexing="ij"), -1).reshape(-1, 4)
    delta = 2 * np.concatenate([f @ J[:4] - J[4], f @ J[:4] + J[4]])
    return np.floor(np.exp(np.minimum(0.0, -beta * delta)) * (2**32 - 1)).astype(np.uint32)


@numba.njit(cache=True)
def _sweeps(spins, state, table, n_sweeps):
    """Sweeps of spins [L, L, replicas]. Many short loops over the replicas, so that each becomes vector code."""
    rows, columns, replicas = spins.shape
    low, high = state[0], state[1]
    words = np.empty(replicas // 2, np.uint64)
    field, draws = np.empty(replicas, np.int16), words.view(np.uint32)
    for _ in range(n_sweeps):
        for i in range(rows):
            u, d = (i - 1) % rows, (i + 1) % rows
            for j in range(columns):
                left, right = (j - 1) % columns, (j + 1) % columns
                n, o, w, e = spins[u, j], spins[d, j], spins[i, left], spins[i, right]
                for c in range(replicas):
                    field[c] = 125 * (n[c] + o[c] + w[c] + e[c])
                nw, ne, ow, oe = spins[u, left], spins[u, right], spins[d, left], spins[d, right]
                for c in range(replicas):
                    field[c] += 25 * (nw[c] + ne[c] + ow[c] + oe[c])
                for c in range(replicas):
                    field[c] += n[c] * (w[c] * nw[c] + e[c] * ne[c])
                for c in range(replicas):
                    field[c] += o[c] * (w[c] * ow[c] + e[c] * oe[c])
                nn, oo, ww, ee = (
                    spins[(i - 2) % rows, j],
                    spins[(i + 2) % rows, j],
                    spins[i, j - 2],
                    spins[i, (j + 2) % columns],
                )
                for c in range(replicas):
                    field[c] += 5 * (nn[c] + oo[c] + ww[c] + ee[c])
                for c in range(replicas // 2):
                    words[c], low[c], high[c] = _advance(low[c], high[c])
                s = spins[i, j]
                for c in range(replicas):
                    index = ((s[c] * np.int32(field[c])) >> 1) + 312 + 625 * (s[c] > 0)
                    s[c] *= 1 - 2 * (draws[c] <= table[index])


def sweep(spins, beta, rng, J, n_sweeps=1):
    """n_sweeps of every replica, in place.

    spins: int8 [rows, columns, replicas] of +-1, three of both or more
    beta: 1 / T >= 0
    J: [5], couplings in the order of OPERATORS
    """
    if min(spins.shape[:2]) < 3:
        raise ValueError(f"L = {min(spins.shape[:2])}: these couplings need a lattice of side 3 or more")
    replicas = spins.shape[2]
    if replicas % 2:
        raise ValueError(f"replicas = {replicas}: two of them share the halves of a random word, give an even number")
    state = rng.integers(1, 2**64, size=(2, replicas // 2), dtype=np.uint64)
    _sweeps(spins, state, _thresholds(J, beta), n_sweeps)


def cold_start(side, replicas, rng):
    """Ordered lattices with random signs, int8 [rows, columns, replicas]; side: L, or (rows, columns)."""
    signs = (2 * rng.integers(2, size=replicas) - 1).astype(np.int8)
    return np.broadcast_to(signs, (*sides(side), replicas)).copy()
