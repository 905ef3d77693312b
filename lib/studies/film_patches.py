"""Inner sites of patches [n, L, L], which are windows of a larger film: at their edges neighbours are missing."""

import numpy as np


def flip_inside(s, rng, margin=2):
    """Copies of s [n, L, L] with one random spin of each flipped that is `margin` or more from the edge."""
    after, inside = s.copy(), s.shape[1] - 2 * margin
    rows, columns = margin + rng.integers(inside, size=(2, len(s)))
    after[np.arange(len(s)), rows, columns] *= -1
    return after


def inner(sums, margin=2):
    """Local sums [n, N, a] of the sites of patches [n, L, L] that are `margin` or more from the edge."""
    n, n_sites, a = sums.shape
    side = round(n_sites**0.5)
    return sums.reshape(n, side, side, a)[:, margin:-margin, margin:-margin].reshape(n, -1, a)
