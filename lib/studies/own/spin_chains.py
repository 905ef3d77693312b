r"""Files of Ising spins on a ring, [n, N] of +-1.

The network is the Markov ring with a longer memory: a conditional sees the last three spins and the first three, which
is exact for couplings up to third neighbours. What reaches farther is not in it, and shows in what the network draws:
the correlations of the next neighbours are compared with those of the file, though no coupling of
them is read. All couplings that are read are known to the transfer matrix (`systems/spin_ring.py`).
"""

from dataclasses import replace

import numpy as np
import torch

from lib.analysis import couplings
from lib.lattice import RingElement
from lib.models.heads.discrete import Bernoulli
from lib.models.markov import with_one
from lib.models.markov_ring import MarkovRing, ring_amplitudes
from lib.samplers.chains import Chain
from lib.statistics import BLOCKS, block_sums
from lib.studies import recipes
from lib.studies.own import symmetries
from lib.studies.own.base import LatticeKind
from lib.studies.own.symmetries import allows
from lib.systems import ising, spin_ring

FARTHER = 4, 5, 6  # distances beyond the memory
MEMORY = 3  # spins before a site, and at the beginning, that its conditional sees


class SpinRing(MarkovRing):
    """The Markov ring of spins whose conditionals see the last `memory` spins and the first `memory` ones.

    The first and the last sites have weights of their own.
    """

    def __init__(self, n_sites, *, memory=MEMORY, hidden=16, rank=4, seed=0):
        super().__init__(n_sites, Bernoulli(), hidden=hidden, rank=rank, seed=seed)
        site, back = torch.arange(n_sites)[:, None], torch.arange(memory)[None]
        before = torch.where(back < site, site - 1 - back, n_sites)
        first = torch.where(back < site, back, n_sites)
        self.register_buffer("context", torch.cat([before, first], 1))
        ends = [site == k for k in (*range(1, memory), *range(n_sites - memory, n_sites))]
        self.amplitude = with_one(torch.cat([ring_amplitudes(n_sites, rank), *(end.float() for end in ends)], 1))
        n_inputs, generator = 2 * memory + 1, torch.Generator().manual_seed(seed)
        shape = self.amplitude.shape[1], n_inputs
        self.first = torch.nn.Parameter(torch.zeros(*shape, hidden))
        self.skip = torch.nn.Parameter(torch.zeros(*shape, 1))
        with torch.no_grad():
            self.first[0] = torch.randn(n_inputs, hidden, generator=generator) / n_inputs**0.5

    def _context(self, features, sites):
        """The spins that are seen [S, n, 2 memory], 0 for one that is not drawn yet."""
        return (features[self.context[sites]][..., 0].transpose(1, 2),)

    def _inputs(self, seen):
        return torch.cat([seen, torch.ones_like(seen[..., :1])], -1)


class ExactRings(Chain):
    """Independent rings of couplings K = J / T0: every sweep draws all of them anew."""

    measurements = 32

    def __init__(self, n_sites, K):
        self.n_sites, self.K = n_sites, K

    def start(self, n, rng):
        return spin_ring.draw(self.K, self.n_sites, int(np.clip(n, 64, 1024)), rng)

    def advance(self, spins, n_sweeps, rng):
        spins[:] = spin_ring.draw(self.K, self.n_sites, len(spins), rng)

    def observe(self, spins):
        return spin_ring.pair_sum(spins, 1), np.abs(spins.sum(1, dtype=float))

    def slow(self, seen):
        return dict(zip(("nn", "|m|"), np.array(seen).transpose(1, 0, 2), strict=True))

    def configurations(self, spins):
        return spins.copy()


def _boundary(s):
    """Bond across the boundary less the mean of all others: zero for rings."""
    bonds = s.astype(float) * np.roll(s, -1, 1)
    return bonds[:, -1] - bonds[:, :-1].mean(1)


def _reversal(s):
    """The mean of s_0 s_1 s_2 s_4 less that of its mirror image."""
    one, two, three, four = (np.roll(s, -k, 1) for k in (1, 2, 3, 4))
    return (s * four * (one.astype(float) * two - two.astype(float) * three)).mean(1)


class ChainFile(LatticeKind):
    """Ising spins on a ring, int8 [n, N]; without a field where the file does not contradict the flip."""

    name = "chain"
    has_phases = False
    operator_names = (*spin_ring.OPERATORS, *(f"distance {r}" for r in FARTHER))  # the last are compared, not read
    energy_name = "-(sum of s s' over nearest neighbours) / N"
    order_name = "|m|"
    exact_for = "neighbours up to the third"
    classical_name = "pseudolikelihood"
    signed_names = ("m",)
    convention = "H = -J sum s s', each bond of the ring once, s = +-1"
    factors = (
        "J = 2 usually means a program that counts each bond twice, J = 1/2 one that gives half a bond to each end, "
        "J = 1/4 spins of +-1/2, or 0 and 1"
    )
    asymmetries = {"flip": lambda s: s.mean(1, dtype=float), "boundary": _boundary, "reversal": _reversal}
    discrete = True
    move = staticmethod(ising.flip_one)

    def operators(self, s):
        farther = [spin_ring.pair_sum(s, distance) for distance in FARTHER]
        return np.concatenate([spin_ring.operators(s), np.stack(farther, 1)], 1)

    def energy(self, s):
        return -spin_ring.pair_sum(s, 1) / s.shape[1]

    def order(self, s):
        return np.abs(s.mean(1, dtype=float))

    def signed(self, s):
        return s.mean(1, dtype=float)[:, None]

    def independent_sites(self, training, test):
        up = np.clip((1 + training.mean(dtype=float)) / 2, 1e-12, 1 - 1e-12)
        n_up = (test == 1).sum(1)
        return n_up * np.log(up) + (test.shape[1] - n_up) * np.log1p(-up)

    def network(self, training, broken, seed):
        same = broken | ({"sign"} if not allows(broken, "flip") else set())
        recipe = replace(recipes.PATHS["markov_ring"], augment=symmetries.path_moves(same))
        return SpinRing(training.shape[1], seed=seed), recipe

    def chain(self, shape, T0, couplings):
        return ExactRings(shape[0], np.array([couplings.get(name, 0.0) / T0 for name in spin_ring.OPERATORS]))

    def group(self, shape, broken):
        (n_sites,) = shape
        shifts = (0, n_sites // 2) if n_sites % 2 == 0 and allows(broken, "boundary") else (0,)
        ways = (1, -1) if allows(broken, "reversal") else (1,)
        signs = (1, -1) if allows(broken, "flip") else (1,)
        # read backwards from the last site, or a boundary would move
        return [
            RingElement(shift + (n_sites - 1 if way < 0 else 0), way, sign)
            for sign in signs
            for shift in shifts
            for way in ways
        ]

    def coupling_names(self, broken):
        return spin_ring.OPERATORS[:-1] if allows(broken, "flip") else spin_ring.OPERATORS

    def representative(self, few, broken):
        return couplings.both_signs(few[::2]) if allows(broken, "flip") else few

    def operations(self, shape, seed):
        found = symmetries.path_operations(shape[0])
        return {"flip": found.pop("sign")} | found | {"reversal": [lambda s: s[:, ::-1].copy()]}  # torch wants it so

    def restored(self, values):
        return values.astype(np.int8)

    def classical(self, training, names, T0):
        return couplings.pseudolikelihood(spin_ring.local_sums(training, names), T0, names)

    def most_likely(self, training, T0, names=spin_ring.OPERATORS):
        """By the transfer matrix; errors from the scatter of the averages over blocks of the file."""
        start = self.classical(training, names, T0)
        if not np.isfinite(start.values).all():
            return None
        sums = spin_ring.operators(training)[:, [spin_ring.OPERATORS.index(name) for name in names]]
        K = dict(zip(names, start.values / T0, strict=True))
        found = spin_ring.maximum_likelihood(sums.mean(0), training.shape[1], K)
        if found is None:
            return None
        inverse = np.linalg.inv(found[1])
        blocks = block_sums(sums, BLOCKS) / block_sums(np.ones(len(sums)), BLOCKS)[:, None]
        spread = inverse @ np.cov(blocks.T) @ inverse / BLOCKS
        values, errors = T0 * found[0], T0 * np.sqrt(np.diag(spread))
        return couplings.Couplings(tuple(names), values, errors, float("nan"), float("nan"))
