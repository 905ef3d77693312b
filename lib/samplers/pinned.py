r"""Metropolis for a periodic Ising model some of whose spins are held: a SIMULATED film with pinning sites.

The free spins are flipped with probability min(1, exp(-beta Delta E)), as in `metropolis.py`; the held ones never. The
distribution of the free spins is exp(-beta H), given those that are held: the same in all configurations.
"""

import numba
import numpy as np

from lib.lattice import check_side
from lib.samplers.metropolis import acceptance

SWEEPS = 60  # from complete order, far below T_c, where tau_int is a few sweeps


@numba.njit(cache=True)
def _sweeps(spins, free, accept, n_sweeps, rng):
    n, L, _ = spins.shape
    for c in range(n):
        s = spins[c]
        for k in range(2 * n_sweeps):
            for i in range(L):
                for j in range((i + k) & 1, L, 2):
                    if free[i, j]:
                        around = s[i - 1, j] + s[(i + 1) % L, j] + s[i, j - 1] + s[i, (j + 1) % L]
                        aligned = s[i, j] * around
                        if aligned <= 0 or rng.random() < accept[aligned // 2 + 2]:
                            s[i, j] = -s[i, j]


def sample(L, T, n, share, rng, n_sweeps=SWEEPS):
    """Independent configurations int8 [n, L, L] at T, in units of J, well below T_c, magnetised upwards.

    share: of the sites that are held, the same in every configuration, half of them up and half down.
    """
    check_side(L, even=True)
    if not 0 <= share < 1:
        raise ValueError(f"share = {share}: give 0 to 1, the part of the sites that is pinned")
    held = rng.permutation(L * L)[: round(share * L * L)]
    start, free = np.ones(L * L, np.int8), np.ones(L * L, bool)
    start[held[::2]], free[held] = -1, False
    spins = np.repeat(start.reshape(1, L, L), n, axis=0)
    _sweeps(spins, free.reshape(L, L), acceptance(1 / T), n_sweeps, rng)
    return spins
