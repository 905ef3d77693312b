r"""Population annealing of many-valued block spins from one temperature to others, and Metropolis to move them.

`sweep` visits the sites in turn and proposes one of the other states, all equally likely; accepting with probability
min(1, w' / w) leaves w invariant (N. Metropolis et al., J. Chem. Phys. 21, 1087 (1953)). ln w is given as tables
(`lib.systems.block_spins`).

`anneal` carries populations from one distribution to the next: configurations get the weight w_next / w_now, are
resampled accordingly, and then do some sweeps under w_next. Resampling stays within groups, so that groups are
independent and their scatter is the statistical error. This is population annealing, introduced by Hukushima and Iba
and described by J. Machta, Santa Fe Institute working paper 10-07-012.
"""

import numba
import numpy as np


@numba.njit(cache=True)
def _sweep(states, one, pair, square, values, rng, n_sweeps):
    n, L, _ = states.shape
    K = len(one)
    for c in range(n):
        s = states[c]
        for _ in range(n_sweeps):
            for i in range(L):
                u, d, uu, dd = (i - 1) % L, (i + 1) % L, (i - 2) % L, (i + 2) % L
                for j in range(L):
                    w, e, ww, ee = (j - 1) % L, (j + 1) % L, (j - 2) % L, (j + 2) % L
                    old = s[i, j]
                    new = (old + 1 + np.int64(rng.random() * (K - 1))) % K
                    a, b = pair[0, new], pair[0, old]
                    change = one[new] - one[old]
                    change += a[s[u, j]] + a[s[d, j]] + a[s[i, w]] + a[s[i, e]]
                    change -= b[s[u, j]] + b[s[d, j]] + b[s[i, w]] + b[s[i, e]]
                    a, b = pair[1, new], pair[1, old]
                    change += a[s[u, w]] + a[s[u, e]] + a[s[d, w]] + a[s[d, e]]
                    change -= b[s[u, w]] + b[s[u, e]] + b[s[d, w]] + b[s[d, e]]
                    a, b = pair[2, new], pair[2, old]
                    change += a[s[uu, j]] + a[s[dd, j]] + a[s[i, ww]] + a[s[i, ee]]
                    change -= b[s[uu, j]] + b[s[dd, j]] + b[s[i, ww]] + b[s[i, ee]]
                    north, south, west, east = values[s[u, j]], values[s[d, j]], values[s[i, w]], values[s[i, e]]
                    corners = north * (west * values[s[u, w]] + east * values[s[u, e]])
                    corners += south * (west * values[s[d, w]] + east * values[s[d, e]])
                    change += square * (values[new] - values[old]) * corners
                    if change >= 0 or rng.random() < np.exp(change):
                        s[i, j] = new


def sweep(states, tables, rng, n_sweeps=1):
    """n_sweeps of every configuration, in place.

    states: contiguous int8 [n, L, L], L >= 3
    tables: `lib.systems.block_spins.Tables`, which hold the temperature
    """
    if states.shape[-1] < 3:
        raise ValueError(f"L = {states.shape[-1]}: third neighbours need a lattice of side 3 or more")
    _sweep(states, tables.one, tables.pair, tables.square, tables.values, rng, n_sweeps)


def _resample(log_weights, rng):
    """Indices [n] of a systematic resampling: every configuration n w_i times, rounded up or down at random."""
    w = np.exp(log_weights - log_weights.max())
    edges = np.cumsum(w) / w.sum() * len(w)
    return np.minimum(np.searchsorted(edges, np.arange(len(w)) + rng.random()), len(w) - 1)


def anneal(states, steps, log_weights, tables, rng, *, sweeps=30, groups=25):
    """Yield the population [n, L, L] at every step of a path, in place of the one before.

    states: int8 [n, L, L], distributed like steps[0]
    log_weights(states, a, b): ln w_b - ln w_a [n]
    tables(step): `Tables` of that step
    sweeps: at every step
    groups: of consecutive configurations, resampled separately
    """
    states = states.copy()
    for k, step in enumerate(steps):
        if k:
            change = log_weights(states, steps[k - 1], step)
            for part in np.array_split(np.arange(len(states)), groups):
                states[part] = states[part[_resample(change[part], rng)]]
        sweep(states, tables(step), rng, sweeps)
        yield states.copy()
