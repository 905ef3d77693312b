r"""The sign of a vortex, from a Hamiltonian alone: what does a test charge cost there?

ln p of an O(2)-symmetric network is the same for a configuration and its mirror image theta -> -theta, in which every
vortex is an antivortex. So no score built from H of the configuration itself can tell the two apart. But it can be
asked what a vortex *more* would cost:

    s_a = H(theta + psi_a) - H(theta - psi_a),

with psi_a the harmonic field (`vortex_pairs.pair_field`) of a vortex in the square a and an antivortex as far away as
the torus allows. On a vortex the first makes a double one and the second removes it: s_a is large and positive. On an
antivortex it is as large and negative. Elsewhere it measures the potential of all other vortices.
"""

import numpy as np

from lib.analysis.vortex_pairs import pair_field
from lib.systems import xy


def signed_score(energy, theta, squares):
    """s_a, in the units of H, one for each configuration: [n].

    energy: function of angles [n, L, L] -> [n].
    squares: the upper left corner of one in each of the configurations theta [n, L, L], int [n, 2].
    """
    L = theta.shape[-1]
    psi, _ = pair_field(L, L // 2, L // 2)
    field = np.stack([np.roll(psi, tuple(square), (0, 1)) for square in squares])
    return energy((theta + field) % xy.TWO_PI) - energy((theta - field) % xy.TWO_PI)


def some_squares(theta, n, rng):
    """(which configuration [3 n], square [3 n, 2], winding [3 n]) of n vortices, n antivortices and n squares without.

    ValueError if there are fewer than n of one kind.
    """
    v = xy.vorticity(theta)
    which, squares, winding = [], [], []
    for sign in (1, -1, 0):
        every = np.argwhere(v == sign)
        if len(every) < n:
            raise ValueError(f"n = {n}: only {len(every)} squares have winding {sign}; take more configurations")
        chosen = every[rng.choice(len(every), n, replace=False)]
        which.append(chosen[:, 0])
        squares.append(chosen[:, 1:])
        winding.append(np.full(n, sign))
    return np.concatenate(which), np.concatenate(squares), np.concatenate(winding)
