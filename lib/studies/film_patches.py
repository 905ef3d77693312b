"""Patches cut from images of a real film, where nothing is known: couplings by pseudolikelihood and from a network."""

import numpy as np

from lib.analysis import couplings
from lib.models.learned import LearnedHamiltonian
from lib.studies.recipes import FILM
from lib.studies.sources import Film
from lib.studies.task import train
from lib.systems import film, ising
from lib.systems.camera import Camera

PATCH_SHELLS = ((0, 1), (1, 1), (0, 2))
MARGIN = 2  # blocks from the edge of a patch, where a neighbour is missing


def _flip_inside(s, rng):
    """Copies of s [n, L, L] with one random spin of each flipped that is MARGIN or more from the edge."""
    after, inside = s.copy(), s.shape[1] - 2 * MARGIN
    rows, columns = MARGIN + rng.integers(inside, size=(2, len(s)))
    after[np.arange(len(s)), rows, columns] *= -1
    return after


def patches_classical(patches):
    """`Couplings` K(r) = J(r) / T, and the field, of patches [n, L, L] of a larger film, by pseudolikelihood.

    Inner sites only: at the edges neighbours are missing.
    """
    n, L, _ = patches.shape
    sums = film.shell_local_sums(patches, PATCH_SHELLS).reshape(n, L, L, -1)
    sums = np.concatenate([sums, patches[..., None]], axis=3)
    inner = sums[:, MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(n, -1, sums.shape[3])
    return couplings.pseudolikelihood(inner, 1.0, (*map(str, PATCH_SHELLS), "field"), blocks=min(20, n))


def read_patches(patches, n_steps, seed):
    """The same read from a network trained on the patches, which may have a net magnetisation."""
    recipe, L = FILM["patch"], patches.shape[-1]
    data = patches[np.random.default_rng(seed).permutation(len(patches))]
    model = recipe.build(Film(Camera(), L, film.T_IMAGES, film.T_CURIE), seed, data)
    train(recipe, model, data, n_steps, seed)
    hamiltonian = LearnedHamiltonian(model, 1.0)
    operators = film.shell_operators(PATCH_SHELLS) | {"field": ising.magnetization}
    some = patches[:500]
    return couplings.read_network(hamiltonian, some, operators, _flip_inside, moves=32, blocks=min(20, len(some)))
