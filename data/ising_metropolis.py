"""Makes data/ising_L8_T2.5.npy: the Ising model on a periodic 8 x 8 lattice at T = 2.5, by Metropolis in plain numpy.

It imports nothing of this book, so that the file is what a stranger's simulation would have written: one chain, in the
order of time, every fourth sweep, int8 [4000, 8, 8] of +-1. Takes seconds. The same numpy gives the same file.

    python data/ising_metropolis.py data/ising_L8_T2.5.npy
"""

import sys

import numpy as np


def metropolis(L, T, n, every, seed, equilibrate=2000):
    """n configurations int8 [n, L, L] of one chain, `every` sweeps apart; a sweep does both colours of the lattice."""
    rng = np.random.default_rng(seed)
    colour = np.add.outer(np.arange(L), np.arange(L)) % 2
    s = rng.choice(np.array([-1, 1], np.int8), (L, L))
    saved = np.empty((n, L, L), np.int8)
    for sweep in range(equilibrate + n * every):
        for half in (0, 1):
            field = np.roll(s, 1, 0) + np.roll(s, -1, 0) + np.roll(s, 1, 1) + np.roll(s, -1, 1)
            flip = (colour == half) & (rng.random((L, L)) < np.exp(-2 * s * field / T))
            s[flip] *= -1
        k = sweep - equilibrate + 1
        if k > 0 and k % every == 0:
            saved[k // every - 1] = s
    return saved


if __name__ == "__main__":
    np.save(sys.argv[1], metropolis(L=8, T=2.5, n=4000, every=4, seed=1))
