r"""Which networks there are, and how each is trained: the one registry, a table for each kind of source.

A source (`sources.py`) names the table of the networks that can learn its configurations, and a task picks from it by
name. What a recipe is told about the physics:

SPINS
    made              MADE as in the talk: nothing (no symmetry, no geometry)
    made_symmetric    MADE, shown every configuration under random symmetries of the lattice and global flips
    linear            one linear layer, odd: what remains of MADE without hidden units; symmetric as above
    markov_lattice    which sites a conditional can depend on, Z2 built in, lattice symmetries by augmentation
    stride_1, ...     Markov lattices of the 2x2 block sums of the spins, five states a site, Z2 built in:
                      overlapping blocks from the last row and the first (`stride_1`), with the running staggered sums
                      (`stride_1_sums`), with what they have told so far (`stride_1_remember`); adjoining blocks from
                      the last two rows and the first (`stride_2`)
MAJORITY
    majority          a Markov lattice of majority blocks, two rows of context: block couplings reach further
ANGLES
    made_beta         MADE, Beta mixtures of theta / 2 pi: nothing, as in the talk
    can               masked convolution, Beta mixtures, as in Chin. Phys. Lett. 39, 120502: that space is flat
    made_von_mises    MADE, cos and sin as inputs, von Mises mixtures: that an angle has no seam
    convolution       masked convolution, von Mises mixtures, the torus closed
    equivariant       which sites matter, and O(2) exactly; a Fourier density of 3 harmonics
PATHS
    kinetic_ring      which sites matter, and that neighbours are coupled by x x'; polynomials as log densities
    markov_ring       which sites matter; mixture of Gaussians
    markov_ring_beta  the same with the papers' mixture of Beta densities on an interval
    convolution       causality only, and the first site; mixture of Gaussians
    made              nothing; mixture of Beta densities
SPINS_WITHOUT_DATA, ANGLES_WITHOUT_DATA
                      trained from the energy alone (`fit_variational`)

Batch and learning rate were tuned once on KL for a given time of one core: with care for the Markov
networks and those of angles, in a few trials for `convolution` and `made` of paths, not for `made` and `linear`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch

from lib import lattice
from lib.analysis import blocking
from lib.models.causal_convolution import CausalConvolution
from lib.models.heads.angle import VonMisesMixture
from lib.models.heads.discrete import Bernoulli, SymmetricCategorical
from lib.models.heads.real import BetaMixture, BetaOnInterval, GaussianMixture
from lib.models.kinetic_ring import KineticRing
from lib.models.learned import Fraction, Units
from lib.models.made import MADE
from lib.models.markov_lattice import MarkovLattice
from lib.models.markov_ring import MarkovRing
from lib.models.masked_convolution import MaskedConvolution
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.models.staggered_sums import StaggeredSums
from lib.systems import ising, xy


@dataclass(frozen=True)
class Recipe:
    """How a network is made and trained.

    build: (source, seed, data) -> network; data: the configurations it will be trained on, as it sees them. More
        keywords are the `options` of a task.
    augment: see `fit`.
    preprocess: configurations -> what the network sees, None for the configurations themselves.
    exact: preprocess loses nothing, so ln p of what the network sees is known where the source knows it.
    same_support: whatever the network can draw can be seen in data; not so for overlapping sums (`divergence.py`).
    learning_rate, window: see `fit`.
    batch: configurations per step, for the number of sites the recipe was tuned at (`sites`); with more sites fewer.
    held_out: part of the data kept for early stopping, looked at `checks` times; 0 trains to the end.
    share: steps that take as long as one of the reference network of the system (Markov lattice, equivariant, Markov
        ring), so that networks can be compared at the same computing time (`task.replicas`).
    energy: without data: of what the network draws, as it draws it.
    log_measure: without data: added to ln q per site to make its density one with respect to d theta / 2 pi.
    """

    build: Callable
    augment: Callable | None = lattice.random_transform
    preprocess: Callable | None = None
    exact: bool = True
    same_support: bool = True
    learning_rate: float = 1e-2
    window: float = 0.05
    batch: int = 64
    sites: int = 256
    held_out: float = 0.0
    checks: int = 4
    share: float = 1.0
    energy: Callable | None = None
    log_measure: float = 0.0

    def batch_for(self, n_sites):
        """Configurations per step for a network of n_sites: as many sites as the recipe was tuned at, within 4."""
        return int(min(4 * self.batch, max(1, self.batch * self.sites // n_sites)))


def flip_and_move(s, generator):
    """Every configuration [n, L, L] under a random symmetry of the Ising model: lattice group, global flip of half."""
    images = lattice.random_transform(s, generator)
    images[::2] *= -1  # the batch itself is in random order
    return images


def rotate_and_move(theta, generator):
    """A random symmetry of the XY model on a batch of angles: lattice group, rotation, and reflection of half of it."""
    theta = lattice.random_transform(theta, generator)
    theta[::2] *= -1
    by = xy.TWO_PI * torch.rand(len(theta), 1, 1, generator=generator)
    return (theta + by) % xy.TWO_PI


def move_path(paths, generator):
    """Random translation, reversal and sign of every path of a batch [n, N]: symmetries of the action."""
    n, n_sites = paths.shape
    start = torch.randint(n_sites, (n, 1), generator=generator)
    direction, sign = (2 * torch.randint(2, (n, 1), generator=generator) - 1 for _ in range(2))
    return paths.gather(1, (start + direction * torch.arange(n_sites)) % n_sites) * sign


def stride_1(s):
    """Overlapping 2x2 sums of spins [n, L, L] as states 0 ... 4, [n, L, L]."""
    return blocking.states(blocking.sums(s, block=2, stride=1))


def stride_2(s):
    """Adjoining 2x2 sums of spins [n, L, L] as states 0 ... 4, [n, L/2, L/2]."""
    return blocking.states(blocking.sums(s, block=2))


def spin_made(source, seed, _, hidden=(512,), odd=False):
    return MADE(site_shape=(source.L, source.L), head=Bernoulli(), hidden=hidden, odd=odd, seed=seed)


def spin_convolution(source, seed, _, width=32):
    """The masked convolution of spins, the torus closed."""
    closed = {"periodic_columns": True, "closure": True, "uniform_first": False}
    return MaskedConvolution(source.L, Bernoulli(), width=width, seed=seed, **closed)


def markov_lattice(source, seed, _, rows=1, odd=True):
    """The Markov lattice of spins; rows: of context before the site and at the beginning."""
    return MarkovLattice(source.L, Bernoulli(), odd=odd, last_sites=rows * source.L, first_rows=rows, seed=seed)


def overlapping(source, seed, _, sums=False):
    """The Markov lattice of overlapping block sums; sums: it is told the running staggered ones as well."""
    memory = StaggeredSums(source.L) if sums else None
    return MarkovLattice(source.L, SymmetricCategorical(5), odd=True, last_sites=source.L + 1, memory=memory, seed=seed)


def remembering(source, seed, _):
    memory = StaggeredSums(source.L, remember=True)
    context = {"last_sites": 2, "first_rows": 0, "memory": memory}
    return MarkovLattice(source.L, SymmetricCategorical(5), odd=True, seed=seed, **context)


def adjoining(source, seed, _):
    return MarkovLattice(source.L // 2, SymmetricCategorical(5), odd=True, last_sites=source.L, seed=seed)


def majority_blocks(source, seed, _):
    """Half as wide as that of spins: on 8 x 8 sites it learns faster, and its couplings are cleaner."""
    return MarkovLattice(source.side, Bernoulli(), hidden=12, odd=True, last_sites=2 * source.side, seed=seed)


MARKOV_LATTICE = Recipe(markov_lattice)
SUMS = Recipe(overlapping, preprocess=stride_1, same_support=False, window=0.03)

SPINS = {
    "made": Recipe(spin_made, augment=None, learning_rate=1e-3, held_out=0.1),
    "made_symmetric": Recipe(spin_made, augment=flip_and_move, learning_rate=3e-3),
    "linear": Recipe(partial(spin_made, hidden=(), odd=True), learning_rate=3e-3),
    "markov_lattice": MARKOV_LATTICE,
    "stride_1": SUMS,
    "stride_1_sums": replace(SUMS, build=partial(overlapping, sums=True)),
    "stride_1_remember": replace(SUMS, build=remembering),
    "stride_2": replace(SUMS, build=adjoining, preprocess=stride_2, exact=False),
}

MAJORITY = {"majority": Recipe(majority_blocks, window=0.1, sites=64)}

# the noise of the gradient matters more than in a training from data: larger batches, a longer average
REVERSE = Recipe(markov_lattice, energy=ising.energy, batch=256, learning_rate=1.5e-2, window=0.1)

SPINS_WITHOUT_DATA = {
    "markov_lattice": REVERSE,
    "markov_lattice_free": replace(REVERSE, build=partial(markov_lattice, odd=False)),
    "made": replace(REVERSE, build=partial(spin_made, hidden=(64,)), batch=1024, learning_rate=1e-2),
}


# ---------------------------------------------------------------- angles


def angle_made(source, seed, _, head=BetaMixture, n_components=3):
    """MADE of angles, or of s = theta / 2 pi; head: class of the mixture."""
    return MADE(site_shape=(source.L, source.L), head=head(n_components), hidden=(512,), seed=seed)


def can(source, seed, _, n_components=3):
    return MaskedConvolution(source.L, BetaMixture(n_components), seed=seed)


def convolution(source, seed, _, n_components=3):
    head = VonMisesMixture(n_components)
    return MaskedConvolution(source.L, head, periodic_columns=True, closure=True, uniform_first=False, seed=seed)


def equivariant(source, seed, _):
    return O2MarkovLattice(source.L, seed=seed)


def fraction_energy(s):
    """Energy of the XY model from s = theta / 2 pi, [n, L, L] -> [n]."""
    return xy.energy(xy.TWO_PI * s)


OF_ANGLES = Recipe(equivariant, rotate_and_move, Units(), learning_rate=2e-2, window=0.03, batch=32, held_out=0.1)
OF_FRACTIONS = replace(OF_ANGLES, preprocess=Fraction(), augment=None)  # like the papers' networks
VON_MISES = partial(angle_made, head=VonMisesMixture)

ANGLES = {
    "made_beta": replace(OF_FRACTIONS, build=angle_made, learning_rate=1e-2, batch=64, share=0.7),
    "can": replace(OF_FRACTIONS, build=can, learning_rate=3e-2, share=1.1),
    "made_von_mises": replace(OF_ANGLES, build=VON_MISES, learning_rate=1e-2, batch=64, share=0.6),
    "convolution": replace(OF_ANGLES, build=convolution, share=0.8),
    "equivariant": OF_ANGLES,
}

ANGLES_WITHOUT_DATA = {
    "can": replace(REVERSE, build=can, energy=fraction_energy, batch=128, learning_rate=1e-2),
    "equivariant": replace(
        REVERSE, build=equivariant, energy=xy.energy, log_measure=math.log(xy.TWO_PI), batch=64, learning_rate=1e-2
    ),
}


# ---------------------------------------------------------------- paths


def kinetic_ring(_, seed, data):
    """The kinetic ring, which starts from a Markov chain fitted to the data."""
    return KineticRing.from_paths(data, hidden=16, rank=4, seed=seed)


def markov_ring(source, seed, _, head=GaussianMixture):
    """The Markov ring; head: class of the mixture."""
    return MarkovRing(source.n_sites, head(), hidden=16, seed=seed)


def causal(source, seed, _):
    return CausalConvolution(source.n_sites, GaussianMixture(), channels=16, seed=seed)


def path_made(source, seed, _):
    return MADE(site_shape=(source.n_sites,), head=BetaOnInterval(), hidden=(256,), seed=seed)


RING = Recipe(markov_ring, augment=move_path, learning_rate=6e-3, window=0.1, batch=64, sites=128)

PATHS = {
    "kinetic_ring": replace(RING, build=kinetic_ring, learning_rate=1.5e-3, share=0.8),
    "markov_ring": RING,
    "markov_ring_beta": replace(RING, build=partial(markov_ring, head=BetaOnInterval)),
    "convolution": replace(RING, build=causal, batch=32, share=0.8),
    "made": replace(RING, build=path_made, learning_rate=3e-3, batch=32, share=0.5),
}
