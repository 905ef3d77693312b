r"""Ising spins s = +-1 on a ring with couplings up to third neighbours and a field: exact by transfer matrix.

    ln p(s) = sum_a K_a O_a(s) - ln Z,    O = sum s_i s_{i+1},  sum s_i s_{i+2},  sum s_i s_{i+3},  sum s_i.

Three neighbouring spins are one of 8 states a, and T(a, a') = exp(terms of one site), from (s_i, s_{i+1}, s_{i+2}) to
(s_{i+1}, s_{i+2}, s_{i+3}). So Z = tr T^N; the averages are tr(T_a T^{N-1}) N / Z, T_a with O_a of one site in it; and
the spins can be drawn one after the other, each with its exact probability.
"""

import numpy as np

OPERATORS = ("nn", "nnn", "third", "field")
DISTANCES = {"nn": 1, "nnn": 2, "third": 3}
FEWEST = 7  # sites: on a smaller ring two of the neighbours at these distances are the same spin
SPINS = np.array([[1 if state >> k & 1 else -1 for k in (2, 1, 0)] for state in range(8)])  # of the 8 states


def pair_sum(s, distance):
    """sum_i s_i s_{i + distance} of spins [n, N]: [n]."""
    return (s.astype(float) * np.roll(s, -distance, 1)).sum(1)


def operators(s):
    """O_a of spins [n, N]: [n, 4]."""
    return np.stack([*(pair_sum(s, distance) for distance in DISTANCES.values()), s.sum(1, dtype=float)], 1)


def local_sums(s, names=OPERATORS):
    """s_i dO_a/ds_i of spins [n, N], int8 [n, N, a]: flipping s_i alone changes O_a by -2 times this."""
    one = np.ones_like(s)
    parts = (np.roll(s, DISTANCES[n], 1) + np.roll(s, -DISTANCES[n], 1) if n in DISTANCES else one for n in names)
    return np.stack([s * part for part in parts], 2).astype(np.int8)


def _terms():
    """O_a of one site between two states that fit, [4, 8, 8], and which of them fit."""
    before, after = SPINS[:, None], SPINS[None]
    fits = (before[..., 1:] == after[..., :2]).all(-1)
    pairs = [before[..., 0] * other for other in (before[..., 1], before[..., 2], after[..., 2])]
    return np.stack(np.broadcast_arrays(*pairs, before[..., 0])).astype(float), fits


TERMS, FITS = _terms()


def _matrix(K):
    """T / its largest |eigenvalue|, and ln of that."""
    with np.errstate(over="raise"):
        T = np.exp(np.tensordot(np.asarray(K, float), TERMS, 1)) * FITS
    largest = np.abs(np.linalg.eigvals(T)).max()
    return T / largest, np.log(largest)


def log_partition_function(K, n_sites):
    """ln Z of couplings K [4] on a ring."""
    T, log_largest = _matrix(K)
    return float(n_sites * log_largest + np.log(np.trace(np.linalg.matrix_power(T, n_sites))))


def averages(K, n_sites):
    """<O_a> of couplings K [4] on a ring, [4]."""
    T, _ = _matrix(K)
    rest = np.linalg.matrix_power(T, n_sites - 1)
    return n_sites * np.einsum("aij,ij,ji->a", TERMS, T, rest) / np.einsum("ij,ji->", T, rest)


def draw(K, n_sites, n, rng):
    """n independent rings int8 [n, N] of couplings K [4]. ValueError for fewer than FEWEST sites."""
    if n_sites < FEWEST:
        raise ValueError(f"n_sites = {n_sites}: a ring of at least {FEWEST} spins is needed")
    T, _ = _matrix(K)
    powers = [np.eye(8)]
    for _ in range(n_sites):
        powers.append(T @ powers[-1])
    weights = np.diag(powers[-1])
    start = rng.choice(8, n, p=weights / weights.sum())
    s = np.empty((n, n_sites), np.int8)
    s[:, :3] = SPINS[start]
    here = start
    for k in range(3, n_sites):
        # to the states whose last spin is -1 and +1, with what closes the ring
        ways = [2 * here % 8 + up for up in (0, 1)]
        down, up = (T[here, there] * powers[n_sites - (k - 2)][there, start] for there in ways)
        chosen = rng.random(n) * (down + up) < up
        here = np.where(chosen, ways[1], ways[0])
        s[:, k] = SPINS[here, 2]
    return s


def maximum_likelihood(means, n_sites, start, steps=50):
    """K [a] whose averages of the O_a are `means` [a], and the covariance [a, a] of these O_a, by Newton's method.

    start: dict name -> K to start from, whose names are those of the couplings that are not zero. None where it does
    not converge, as for rings that hardly vary.
    """
    places = [OPERATORS.index(name) for name in start]
    K = np.zeros(4)
    K[places] = list(start.values())
    for _ in range(steps):
        try:
            found = averages(K, n_sites)[places]
            slopes = np.stack([_slope(K, n_sites, place)[places] for place in places])
            step = np.linalg.solve(slopes, means - found)
        except (FloatingPointError, np.linalg.LinAlgError):
            return None
        if not np.isfinite(step).all():
            return None
        K[places] += np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-8:
            return K[places], slopes
    return None


def _slope(K, n_sites, place, width=1e-5):
    """d<O> / dK of one coupling, [4]."""
    shift = width * (np.arange(4) == place)
    return (averages(K + shift, n_sites) - averages(K - shift, n_sites)) / (2 * width)
