r"""Multi-spin coded Metropolis: 64 independent Ising lattices in every 64-bit word.

Bit b of word w at site (i, j) is the spin of replica 64 w + b (1 = up); a sweep treats all replicas at once
with logical operations. For one site let a_1 ... a_4 be the words "bond unsatisfied" (spin xor neighbour), c
their sum. The Metropolis rule for Delta E = 8 - 4 c is: flip if c >= 2; if c = 1 with probability q = exp(-4
beta); if c = 0 with q^2. So, with u uniform in [0, 1), its own for every bit,

    flip = (c >= 2) | (c >= 1) & [u < q] | [u < q^2].

The comparisons run over 16 binary digits of u, last to first: r <- majority(r, digit of u, digit of threshold). The
remainder of the threshold is the probability that the start r_0 is all ones, drawn anew for every site and sweep: each
replica sees its q and q^2 to 2^-48, the temperature is not discretised. Only r_0 is shared by the replicas, and it
decides one flip in 2^16, so two replicas' decisions have a covariance below 2^-34.

Sites are updated on the two halves of a checkerboard (L even), so the order within a half does not matter.
The random words come from one xoroshiro128+ generator per word (Blackman and Vigna, ACM Trans. Math. Softw.
47, 36 (2021)), seeded from the numpy Generator. Sources: L. Jacobs and C. Rebbi, J. Comput. Phys. 41, 203
(1981); S. V. Isakov et al., Comput. Phys. Commun. 192, 265 (2015).
"""

import numba
import numpy as np

from lib.lattice import check_side

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
ZERO = np.uint64(0)


@numba.njit(inline="always")
def _rotate(x, k):
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@numba.njit(inline="always")
def _advance(s0, s1):
    """One step of xoroshiro128+: (random word, new state)."""
    word = s0 + s1
    s1 ^= s0
    return word, _rotate(s0, 24) ^ s1 ^ (s1 << np.uint64(16)), _rotate(s1, 37)


@numba.njit(inline="always")
def _digit(s0, s1, r1, r2, m1, m2):
    """One binary digit of the comparison with both thresholds; m1, m2: their digits, all ones or zeros."""
    u, s0, s1 = _advance(s0, s1)
    return s0, s1, (r1 & u) | (m1 & (r1 | u)), (r2 & u) | (m2 & (r2 | u))


@numba.njit(inline="always")
def _four_digits(s0, s1, r1, r2, m1, m2, k):
    # written out: an inner loop would keep the compiler from treating many words w in one instruction
    s0, s1, r1, r2 = _digit(s0, s1, r1, r2, m1[k], m2[k])
    s0, s1, r1, r2 = _digit(s0, s1, r1, r2, m1[k + 1], m2[k + 1])
    s0, s1, r1, r2 = _digit(s0, s1, r1, r2, m1[k + 2], m2[k + 2])
    return _digit(s0, s1, r1, r2, m1[k + 3], m2[k + 3])


@numba.njit(cache=True)
def _sweeps(spins, state, m1, m2, rest, n_sweeps):
    """Sweeps of spins [L, L, W]. state [2, W + 1]: generators, the last one for r_0."""
    L, _, W = spins.shape
    low, high = state[0], state[1]
    half = np.uint64(32)
    for color in range(2 * n_sweeps):
        for i in range(L):
            row, up, down = spins[i], spins[i - 1 if i > 0 else L - 1], spins[i + 1 if i < L - 1 else 0]
            for j in range((i + color) & 1, L, 2):
                site, above, below = row[j], up[j], down[j]
                left, right = row[j - 1 if j > 0 else L - 1], row[j + 1 if j < L - 1 else 0]
                first, low[W], high[W] = _advance(low[W], high[W])
                second, low[W], high[W] = _advance(low[W], high[W])
                start1 = ONES if (first >> half) < rest[0] else ZERO
                start2 = ONES if (second >> half) < rest[1] else ZERO
                for w in range(W):
                    s0, s1, r1, r2 = low[w], high[w], start1, start2
                    s0, s1, r1, r2 = _four_digits(s0, s1, r1, r2, m1, m2, 0)
                    s0, s1, r1, r2 = _four_digits(s0, s1, r1, r2, m1, m2, 4)
                    s0, s1, r1, r2 = _four_digits(s0, s1, r1, r2, m1, m2, 8)
                    s0, s1, r1, r2 = _four_digits(s0, s1, r1, r2, m1, m2, 12)
                    low[w], high[w] = s0, s1
                    s = site[w]
                    a, b, c, d = s ^ above[w], s ^ below[w], s ^ left[w], s ^ right[w]
                    ab, cd = a | b, c | d
                    two = (a & b) | (c & d) | (ab & cd)
                    site[w] = s ^ (two | ((ab | cd) & r1) | r2)


def _thresholds(beta):
    """Digits (last first, masks [16]) of exp(-4 beta), exp(-8 beta), and remainders [2] in units of 2^-48."""
    masks, rest = [], []
    for p in (np.exp(-4.0 * beta), np.exp(-8.0 * beta)):
        p = min(int(p * 2.0**48), 2**48 - 1)
        masks.append(np.array([ONES if p >> k & 1 else ZERO for k in range(32, 48)], dtype=np.uint64))
        rest.append(p & 0xFFFFFFFF)
    return masks[0], masks[1], np.array(rest, dtype=np.uint64)


def sweep(spins, beta, rng, n_sweeps=1):
    """n_sweeps checkerboard Metropolis sweeps of all replicas, in place.

    spins: uint64 [L, L, W], L even
    beta: 1 / T >= 0
    """
    check_side(len(spins), even=True)
    generators = rng.integers(1, 2**64, size=(2, spins.shape[2] + 1), dtype=np.uint64)
    _sweeps(spins, generators, *_thresholds(beta), n_sweeps)


def cold_start(L, words, rng):
    """Ordered lattices, each replica with its own random sign: uint64 [L, L, words]."""
    signs = rng.integers(0, 2**64, size=words, dtype=np.uint64)
    return np.broadcast_to(signs, (L, L, words)).copy()


@numba.njit(cache=True)
def _count(spins, total, bonds):
    """Per replica [W, 64]: number of up spins into `total`, of unsatisfied bonds into `bonds`.

    Words of equal weight are added three at a time (carry-save adders); `held` waits for its partner.
    """
    L, _, W = spins.shape
    levels = 2
    while 2 ** (levels - 1) <= 2 * L * L:
        levels += 1
    for what in range(2):
        ones, held = np.zeros((levels, W), np.uint64), np.zeros((levels, W), np.uint64)
        word = np.empty(W, np.uint64)
        inputs = L * L * (1 + what)
        for t in range(inputs):
            site = t >> what
            i, j = site // L, site % L
            here = spins[i, j]
            if what == 0:
                word[:] = here
            else:
                there = spins[i, j + 1 if j < L - 1 else 0] if t & 1 else spins[i + 1 if i < L - 1 else 0, j]
                for w in range(W):
                    word[w] = here[w] ^ there[w]
            level = 0
            while t >> level & 1:
                one, other = ones[level], held[level]
                for w in range(W):
                    a, b, c = one[w], other[w], word[w]
                    one[w] = a ^ b ^ c
                    word[w] = (a & b) | (c & (a | b))
                level += 1
            held[level] = word
        out = bonds if what else total
        out[:] = 0
        for level in range(levels):
            waiting = inputs >> level & 1
            for w in range(W):
                a, b = ones[level, w], held[level, w] if waiting else ZERO
                for bit in range(64):
                    k = np.uint64(bit)
                    one = np.uint64(1)
                    out[w, bit] += np.int64(((a >> k) & one) + ((b >> k) & one)) << level


def observe(spins):
    """Lattice energy and magnetisation of every replica, int64 [64 W] each; spins: uint64 [L, L, W]."""
    L, _, W = spins.shape
    up, unsatisfied = np.empty((W, 64), np.int64), np.empty((W, 64), np.int64)
    _count(spins, up, unsatisfied)
    return 2 * unsatisfied.ravel() - 2 * L * L, 2 * up.ravel() - L * L


@numba.njit(cache=True)
def _unpack(spins, out):
    L, _, W = spins.shape
    for w in range(W):
        for i in range(L):
            for j in range(L):
                word = spins[i, j, w]
                for bit in range(64):
                    out[w, bit, i, j] = np.int8(2 * ((word >> np.uint64(bit)) & np.uint64(1)) - 1)


def unpack(spins):
    """The replicas as configurations, int8 [64 W, L, L] of +-1."""
    L, _, W = spins.shape
    out = np.empty((W, 64, L, L), np.int8)
    _unpack(spins, out)
    return out.reshape(-1, L, L)
