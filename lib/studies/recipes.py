r"""Which networks there are, and how each is trained: one registry for all systems.

What a recipe is told about the physics, by name:

    made              MADE as in the talk: nothing (no symmetry, no geometry)
    made_symmetric    MADE, shown every configuration under random symmetries of the lattice and global flips
    linear            one linear layer, odd: what remains of MADE without hidden units; symmetric as above
    frontier          which sites a conditional can depend on, Z2 built in, lattice symmetries by augmentation
    stride_1, ...     Markov lattices of the 2x2 block sums of the spins, five states a site, Z2 built in:
                      overlapping blocks from the last row and the first (`stride_1`), with the running staggered sums
                      (`stride_1_sums`), with what they have told so far (`stride_1_remember`); adjoining blocks from
                      the last two rows and the first (`stride_2`)
    majority          a Markov lattice of majority blocks, two rows of context: block couplings reach further
    film, film_wider  the Markov lattice of film images; one that looks twice as far
    patch             the same for patches of a larger film: no field excluded, rotations and reflections only

    xy.made_beta      MADE, Beta mixtures of theta / 2 pi: nothing, as in the talk
    xy.can            masked convolution, Beta mixtures, as in Chin. Phys. Lett. 39, 120502: that space is flat
    xy.made_von_mises MADE, cos and sin as inputs, von Mises mixtures: that an angle has no seam
    xy.convolution    masked convolution, von Mises mixtures, the torus closed
    xy.equivariant    which sites matter, and O(2) exactly; a Fourier density of 3 harmonics

    path.hop          which sites matter, and that neighbours are coupled by x x'; polynomials as log densities
    path.chain        which sites matter (`models/markov_ring.py`); mixture of Gaussians
    path.chain_beta   the same with the papers' mixture of Beta densities on an interval
    path.convolution  causality only, and the first site; mixture of Gaussians
    path.made         nothing; mixture of Beta densities

    reverse.*         trained without data, from the energy alone (`fit_variational`)

Batch and learning rate were tuned once on KL for a given time of one core: with care for the Markov
networks and those of angles, in a few trials for `path.convolution` and `path.made`, not for `made` and `linear`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

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

    build: (source, seed, data) -> network; data are the configurations it will be trained on, as it sees them. More
    keywords are the `options` of a task.
    augment: see `fit`.
    preprocess: configurations -> what the network sees, None for the configurations themselves.
    exact: preprocess loses nothing, so ln p of what the network sees is known where the source knows it.
    same_support: whatever the network can draw can be seen in data; not so for overlapping sums (`divergence.py`).
    batch: configurations per step, for the number of sites the recipe was tuned at (`sites`); with more sites fewer.
    held_out: part of the data kept for early stopping, looked at `checks` times; 0 trains to the end.
    share: steps that take as long as one of the reference network of the system (frontier, equivariant, chain), so that
    networks can be compared at the same computing time (`task.replicas`).
    energy, log_measure: for training without data: of what the network draws, and what is added to ln q per site to
    make its density one with respect to d theta / 2 pi.
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


# ---------------------------------------------------------------- symmetries shown


def flip_and_move(s, generator):
    """Every configuration [n, L, L] under a random symmetry of the Ising model: lattice group, global flip of half."""
    images = lattice.random_transform(s, generator)
    images[::2] *= -1  # the batch itself is in random order
    return images


def turn(s, generator):
    """Rotations and reflections only: a patch of a larger film has edges, which translations would move."""
    return lattice.random_transform(s, generator, translations=False)


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


# ---------------------------------------------------------------- what block networks see


def stride_1(s):
    """Overlapping 2x2 sums of spins [n, L, L] as states 0 ... 4, [n, L, L]."""
    return blocking.states(blocking.sums(s, block=2, stride=1))


def stride_2(s):
    """Adjoining 2x2 sums of spins [n, L, L] as states 0 ... 4, [n, L/2, L/2]."""
    return blocking.states(blocking.sums(s, block=2))


# ---------------------------------------------------------------- networks


def _made(source, seed, _, hidden=(512,), odd=False):
    return MADE(site_shape=(source.L, source.L), head=Bernoulli(), hidden=hidden, odd=odd, seed=seed)


def _linear(source, seed, data):
    return _made(source, seed, data, hidden=(), odd=True)


def _made_narrow(source, seed, data):
    return _made(source, seed, data, hidden=(64,))


def _frontier(source, seed, _, rows=1, odd=True):
    return MarkovLattice(source.L, Bernoulli(), odd=odd, last_sites=rows * source.L, first_rows=rows, seed=seed)


def _frontier_free(source, seed, data):
    return _frontier(source, seed, data, odd=False)


def _frontier_wider(source, seed, data):
    return _frontier(source, seed, data, rows=2)


def _patch(source, seed, data):
    return _frontier(source, seed, data, rows=2, odd=False)


def _majority(source, seed, _):
    return MarkovLattice(source.side, Bernoulli(), odd=True, last_sites=2 * source.side, seed=seed)


def _overlapping(source, seed, _, memory=None):
    return MarkovLattice(source.L, SymmetricCategorical(5), odd=True, last_sites=source.L + 1, memory=memory, seed=seed)


def _overlapping_sums(source, seed, data):
    return _overlapping(source, seed, data, StaggeredSums(source.L))


def _overlapping_remember(source, seed, _):
    memory = StaggeredSums(source.L, remember=True)
    return MarkovLattice(
        source.L, SymmetricCategorical(5), odd=True, last_sites=2, first_rows=0, memory=memory, seed=seed
    )


def _adjoining(source, seed, _):
    return MarkovLattice(source.L // 2, SymmetricCategorical(5), odd=True, last_sites=source.L, seed=seed)


def _xy_made(source, seed, _, head):
    return MADE(site_shape=(source.L, source.L), head=head, hidden=(512,), seed=seed)


def _made_beta(source, seed, data, n_components=3):
    return _xy_made(source, seed, data, BetaMixture(n_components))


def _made_von_mises(source, seed, data, n_components=3):
    return _xy_made(source, seed, data, VonMisesMixture(n_components))


def _can(source, seed, _, n_components=3):
    return MaskedConvolution(source.L, BetaMixture(n_components), seed=seed)


def _convolution(source, seed, _, n_components=3):
    head = VonMisesMixture(n_components)
    return MaskedConvolution(source.L, head, periodic_columns=True, closure=True, uniform_first=False, seed=seed)


def _equivariant(source, seed, _):
    return O2MarkovLattice(source.L, seed=seed)


def _hop(_, seed, data):
    return KineticRing.from_paths(data, hidden=16, rank=4, seed=seed)


def _chain(source, seed, _):
    return MarkovRing(source.n_sites, GaussianMixture(), hidden=16, seed=seed)


def _chain_beta(source, seed, _):
    return MarkovRing(source.n_sites, BetaOnInterval(), hidden=16, seed=seed)


def _path_convolution(source, seed, _):
    return CausalConvolution(source.n_sites, GaussianMixture(), channels=16, seed=seed)


def _path_made(source, seed, _):
    return MADE(site_shape=(source.n_sites,), head=BetaOnInterval(), hidden=(256,), seed=seed)


def fraction_energy(s):
    """Energy of the XY model from s = theta / 2 pi, [n, L, L] -> [n]."""
    return xy.energy(xy.TWO_PI * s)


# ---------------------------------------------------------------- the registry

_FRONTIER = Recipe(_frontier)
_BLOCKS = Recipe(_overlapping, preprocess=stride_1, same_support=False, batch=64, learning_rate=1e-2, window=0.03)
_XY = Recipe(
    _equivariant,
    augment=rotate_and_move,
    preprocess=Units(),
    learning_rate=2e-2,
    window=0.03,
    batch=32,
    held_out=0.1,
)
_XY_FRACTION = replace(_XY, preprocess=Fraction(), augment=None)  # like the papers' networks
# the noise of the gradient matters more than in a training from data: larger batches, a longer average
_REVERSE = Recipe(_frontier, energy=ising.energy, batch=256, learning_rate=1.5e-2, window=0.1)
_PATH = Recipe(_chain, augment=move_path, learning_rate=6e-3, window=0.1, batch=64, sites=128)

RECIPES = {
    "made": Recipe(_made, augment=None, learning_rate=1e-3, held_out=0.1),
    "made_symmetric": Recipe(_made, augment=flip_and_move, learning_rate=3e-3),
    "linear": Recipe(_linear, learning_rate=3e-3),
    "frontier": _FRONTIER,
    "stride_1": _BLOCKS,
    "stride_1_sums": replace(_BLOCKS, build=_overlapping_sums),
    "stride_1_remember": replace(_BLOCKS, build=_overlapping_remember),
    "stride_2": replace(_BLOCKS, build=_adjoining, preprocess=stride_2, exact=False),
    "majority": Recipe(_majority, learning_rate=1e-2, window=0.1, sites=64),
    "film": replace(_FRONTIER, held_out=0.1, checks=10),
    "film_wider": replace(_FRONTIER, build=_frontier_wider, held_out=0.1, checks=10),
    "patch": replace(_FRONTIER, build=_patch, augment=turn, held_out=0.1, checks=10),
    "xy.made_beta": replace(_XY_FRACTION, build=_made_beta, learning_rate=1e-2, batch=64, share=0.7),
    "xy.can": replace(_XY_FRACTION, build=_can, learning_rate=3e-2, share=1.1),
    "xy.made_von_mises": replace(_XY, build=_made_von_mises, learning_rate=1e-2, batch=64, share=0.6),
    "xy.convolution": replace(_XY, build=_convolution, share=0.8),
    "xy.equivariant": _XY,
    "path.hop": replace(_PATH, build=_hop, learning_rate=1.5e-3, share=0.8),
    "path.chain": _PATH,
    "path.chain_beta": replace(_PATH, build=_chain_beta),
    "path.convolution": replace(_PATH, build=_path_convolution, batch=32, share=0.8),
    "path.made": replace(_PATH, build=_path_made, learning_rate=3e-3, batch=32, share=0.5),
    "reverse.frontier": _REVERSE,
    "reverse.frontier_free": replace(_REVERSE, build=_frontier_free),
    "reverse.made": replace(_REVERSE, build=_made_narrow, batch=1024, learning_rate=1e-2),
    "reverse.can": replace(_REVERSE, build=_can, energy=fraction_energy, batch=128, learning_rate=1e-2),
    "reverse.equivariant": replace(
        _REVERSE,
        build=_equivariant,
        energy=xy.energy,
        batch=64,
        learning_rate=1e-2,
        log_measure=math.log(xy.TWO_PI),
    ),
}
