r"""Block spins: sums over b x b blocks with any stride, and the majority rule.

The talk's blocks of side b = 2 with stride d,

    S_IJ = s_ij + s_{i+1,j} + s_{i,j+1} + s_{i+1,j+1},     i = 1 + d (I - 1),  j = 1 + d (J - 1),

live on a lattice of side L / d. d = b tiles the lattice; d < b overlaps. A sum of b^2 spins takes b^2 + 1 values, -b^2,
-b^2 + 2, ..., b^2, and if the spins were free the value S would have the multiplicity binomial(b^2, (b^2 + S) / 2):
1, 4, 6, 4, 1 for b = 2. The majority rule keeps the sign of the sum, a tie (S = 0) decided by a fair coin.
Source: the talk (2x2 spin-block); the majority rule is the one of T. Kennedy, arXiv:0905.2601.
"""

from typing import NamedTuple

import numpy as np


def _check(L, block, stride):
    for name, value in (("block", block), ("stride", stride)):
        if int(value) != value or value < 1:
            raise ValueError(f"{name} = {value}: it must be an integer of at least 1")
    if block > L:
        raise ValueError(f"block = {block}: larger than the lattice of side L = {L}; give a block of at most {L}")
    if L % stride:
        raise ValueError(f"stride = {stride}: does not divide the lattice side L = {L}; give a divisor of {L}")


def sums(s, block=2, stride=None):
    """Sums over block x block squares, int16 [n, L / stride, L / stride] of -block^2 ... block^2 in steps of two.

    s: int8 [n, L, L] of +-1, periodic.
    block: side of a block; ValueError if it is larger than L.
    stride: from block to block, a divisor of L (default: the block side, no overlap).
    """
    stride = block if stride is None else stride
    s = np.asarray(s)
    _check(s.shape[-1], block, stride)
    if stride == block:  # every spin once
        return sum(s[:, i::block, j::block].astype(np.int16) for i in range(block) for j in range(block))
    total = s.astype(np.int16)
    for axis in (1, 2):
        strip = total
        total = strip.copy()
        for k in range(1, block):
            total += np.roll(strip, -k, axis)
    return np.ascontiguousarray(total[:, ::stride, ::stride])


def states(S, block=2):
    """Sums S [...] as the states 0 ... block^2 of a categorical network, in the same shape (int8)."""
    return ((S + block**2) // 2).astype(np.int8)


def majority(s, rng, block=2):
    """The sign of every block's sum, ties decided at random: int8 [n, L / block, L / block].

    s: int8 [n, L, L] of +-1; the side of a block must divide L.
    """
    S = sums(s, block)
    coin = 2 * rng.integers(2, size=S.shape, dtype=np.int8) - 1
    return np.where(S == 0, coin, np.sign(S)).astype(np.int8)


def exact_sums(s, p, block=2, stride=None):
    """The different block sums [k, ...] of all configurations s [n, L, L] of probabilities p [n], and theirs [k]."""
    S = sums(s, block, stride)
    different, index = np.unique(S.reshape(len(S), -1), axis=0, return_inverse=True)
    return different.reshape(-1, *S.shape[1:]), np.bincount(index.ravel(), weights=p)


def exact_majority(s, p, block=2):
    """Exact distribution of majority blocks, ties split evenly: all 2^N block configurations [2^N, ...] and p [2^N].

    s, p: as in `exact_sums`; at most 16 blocks.
    """
    S = sums(s, block)
    n_sites = S[0].size
    bits = np.arange(2**n_sites)[:, None] >> np.arange(n_sites) & 1
    blocks = (1 - 2 * bits).astype(np.int8)
    probability = np.zeros(2**n_sites)
    # equal patterns of signs need to be treated only once
    signs, index = np.unique(np.sign(S).reshape(len(S), -1), axis=0, return_inverse=True)
    for pattern, weight in zip(signs, np.bincount(index.ravel(), weights=p), strict=True):
        agree = (blocks * pattern >= 0).all(axis=1)
        probability[agree] += weight / agree.sum()
    return blocks.reshape(-1, *S.shape[1:]), probability


def order(states):
    """Bond average S S' / 16 and |m|, m = mean S / 4, of states 0 ... 4 [n, L, L]: [n] each."""
    S = 2.0 * states - 4
    bonds = (S * np.roll(S, -1, 1) + S * np.roll(S, -1, 2)).mean((1, 2)) / 32
    return bonds, np.abs(S.mean((1, 2))) / 4


class AtT0(NamedTuple):
    """|m|, bond average S S' / 16, Var(H_theta) / (N T0^2): [3] over block sums, [3] over the network's own samples."""

    blocks: np.ndarray
    blocks_error: np.ndarray
    network: np.ndarray
    network_error: np.ndarray

    def deviation(self):
        """network / blocks - 1, its error from the network's samples, and from the blocks, [3] each; the last is
        common to all networks that are compared with the same blocks."""
        ratio = self.network / self.blocks
        return ratio - 1, self.network_error / self.blocks, ratio * self.blocks_error / self.blocks


def at_T0(hamiltonian, states, seed):
    """`AtT0`: does the network have the averages of its data?

    hamiltonian: a `LearnedHamiltonian` on states 0 ... 4.
    states: new block sums [n, L, L]; as many are drawn from the network.
    """
    drawn, _ = hamiltonian.model.sample(len(states), seed)
    rows = []
    for s in (states, drawn.numpy().astype(np.int8)):
        H = hamiltonian.energy(s) / (hamiltonian.T0 * np.sqrt(s[0].size))
        bonds, m = order(s)
        values = np.stack([m, bonds, (H - H.mean()) ** 2])
        rows += [values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(len(s))]
    return AtT0(*rows)


# Functions of four +-1 blocks M [n, 2, 2]: pairs of neighbours, diagonals, the product of all. With a constant they
# make any even ln p.
TORUS_2 = {
    "pairs": lambda M: ((M[:, :, 0] * M[:, :, 1]).sum(1) + (M[:, 0] * M[:, 1]).sum(1)).astype(float),
    "diagonals": lambda M: (M[:, 0, 0] * M[:, 1, 1] + M[:, 0, 1] * M[:, 1, 0]).astype(float),
    "product": lambda M: M.prod((1, 2)).astype(float),
}
