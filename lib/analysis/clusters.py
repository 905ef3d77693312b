r"""Even operators of block spins beyond the nearest ones: sums over the lattice of products of the spins of a cluster.

    O_a(s) = sum_x sum_(g a) prod_(d in g a) s_(x + d)

over all sites x and all different images g a of the cluster a under the symmetries of the square (rotations and
reflections; translates count once). The 13 clusters here are the pairs up to distance three, and compact ones of four
spins; with the first four alone, linear projections on block spins are cut off too early (`renormalisation.py`).
"""

from functools import cache

import numpy as np

CLUSTERS = {
    "nn": ((0, 0), (0, 1)),
    "nnn": ((0, 0), (1, 1)),
    "third": ((0, 0), (0, 2)),
    "plaquette": ((0, 0), (0, 1), (1, 0), (1, 1)),
    "knight": ((0, 0), (1, 2)),
    "far diagonal": ((0, 0), (2, 2)),
    "three apart": ((0, 0), (0, 3)),
    "row": ((0, 0), (0, 1), (0, 2), (0, 3)),
    "L": ((0, 0), (0, 1), (0, 2), (1, 2)),
    "T": ((0, 0), (0, 1), (0, 2), (1, 1)),
    "zigzag": ((0, 0), (0, 1), (1, 1), (1, 2)),
    "diamond": ((0, 1), (1, 0), (1, 2), (2, 1)),
    "wide plaquette": ((0, 0), (0, 2), (2, 0), (2, 2)),
}
REACH = 3


@cache
def images(name):
    """The different images of a cluster, each a tuple of offsets from its upper left corner."""
    found, offsets = set(), np.array(CLUSTERS[name])
    for reflected in (offsets, offsets[:, ::-1]):
        for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            turned = reflected * signs
            found.add(tuple(sorted(map(tuple, (turned - turned.min(axis=0)).tolist()))))
    return tuple(sorted(found))


def cluster_sums(s, names=tuple(CLUSTERS)):
    """The operators of spins +-1, int8 [n, L, L], as float64 [n, a].

    ValueError for L < 4, where clusters close on themselves.
    """
    L = s.shape[-1]
    if L <= REACH:
        raise ValueError(f"L = {L}: these clusters need a lattice of side {REACH + 1} or more")
    wide = np.pad(s, ((0, 0), (0, REACH), (0, REACH)), mode="wrap")

    def product(image):
        total = 1
        for i, j in image:
            total = total * wide[:, i : i + L, j : j + L]
        return total

    columns = [sum(product(image).sum((1, 2), dtype=np.int32) for image in images(name)) for name in names]
    return np.stack(columns, axis=1).astype(float)
