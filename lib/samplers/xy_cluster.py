r"""Cluster updates of the XY model: Swendsen-Wang for the Ising spins hidden in it.

Along a random direction r every spin has a sign, sigma_i = sign(s_i . r), and flipping sigma_i reflects s_i at the
line perpendicular to r. With the moduli |s_i . r| held fixed the XY energy is that of an Ising model with the
couplings J_ij = |s_i . r| |s_j . r| >= 0 (U. Wolff, Phys. Rev. Lett. 62, 361 (1989)): bonds between equal signs are
activated with probability 1 - exp(-2 beta J_ij), and every cluster is reflected with probability 1/2. This leaves
exp(-beta H) invariant. For the nearest-neighbour model only. The union-find forest is that of `swendsen_wang.py`.
"""

import numba
import numpy as np

from lib.samplers.swendsen_wang import _root


@numba.njit(cache=True)
def _sweep(cos, sin, beta, rng):
    R, rows, L = cos.shape
    N = rows * L
    parent, flip, p = np.empty(N, np.int32), np.empty(N, np.bool_), np.empty(N)
    for n in range(R):
        c, s = cos[n].reshape(-1), sin[n].reshape(-1)
        angle = 2 * np.pi * rng.random()
        rx, ry = np.cos(angle), np.sin(angle)
        for i in range(N):
            parent[i] = i
            p[i] = rx * c[i] + ry * s[i]
            flip[i] = rng.random() < 0.5
        for i in range(N):
            right = i + 1 if i % L < L - 1 else i + 1 - L
            down = i + L if i < N - L else i + L - N
            for k in (right, down):
                product = p[i] * p[k]
                if product > 0 and rng.random() < 1 - np.exp(-2 * beta * product):
                    a, b = _root(parent, i), _root(parent, k)
                    parent[max(a, b)] = min(a, b)
        for i in range(N):
            if flip[_root(parent, i)]:
                c[i] -= 2 * p[i] * rx
                s[i] -= 2 * p[i] * ry


def sweep(spins, beta, rng):
    """One cluster update of every configuration, in place. spins: contiguous (cos, sin), float64 [n, L, L] each."""
    _sweep(*spins, beta, rng)
