"""Patches cut from images of a film: couplings of the inner sites, by pseudolikelihood and from a network.

Patches are windows of a larger film. At their edges neighbours are missing, so only inner sites are read.
"""

from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings, kerr
from lib.models.learned import LearnedHamiltonian
from lib.statistics import over_networks
from lib.studies.imaged_film import FILM, Film
from lib.studies.task import train
from lib.systems import film, ising
from lib.systems.camera import Camera

PATCH_SHELLS = ((0, 1), (1, 1), (0, 2))
MARGIN = 2  # blocks from the edge of a patch, where a neighbour is missing
FEWEST = 20  # patches from which anything can be learned


class SegmentedFrame(NamedTuple):
    """A frame by its name, its `kerr.Steps`, and its domain period in pixels (infinite where there is none)."""

    name: str
    steps: kerr.Steps
    period: float


def segment_frames(frames, settings):
    """`SegmentedFrame` of every one of some `kerr.Frames`."""
    steps = [kerr.segment(image, settings, mask) for image, mask in zip(frames.images, frames.masks, strict=True)]
    periods = [kerr.domain_period(s.spins, s.mask).period for s in steps]
    return [SegmentedFrame(*each) for each in zip(frames.names, steps, periods, strict=True)]


def cut_frames(segmented, L, pixel_um):
    """Patches of L x L blocks from `SegmentedFrame`s; a block is a quarter of their median period wide, or 4 pixels.

    Returns a list of `kerr.Patches`, of frames that are large enough for one, and lines to print: the size of a block,
    and what is wrong with which frame.
    """
    finite = [frame.period for frame in segmented if np.isfinite(frame.period)]
    block = max(1, int(np.median(finite) // 4)) if finite else 4
    patches, lines = [], [f"blocks of {block} pixels, {block * pixel_um:g} micrometres"]
    for name, steps, period in segmented:
        _, warned = kerr.heard(kerr.check_block, block, period)
        lines += [f"{name}: {line}" for line in warned]
        votes = steps.threshold.value - steps.smooth
        try:
            patches.append(kerr.coarse_grain(votes, block, L, mask=steps.mask, pixel_um=pixel_um))
        except ValueError as problem:
            lines.append(f"{name}: {problem}")
    return patches, lines


def flip_inside(s, rng, margin=MARGIN):
    """Copies of s [n, L, L] with one random spin of each flipped that is `margin` or more from the edge."""
    after, inside = s.copy(), s.shape[1] - 2 * margin
    rows, columns = margin + rng.integers(inside, size=(2, len(s)))
    after[np.arange(len(s)), rows, columns] *= -1
    return after


def inner(sums, margin=MARGIN):
    """Local sums [n, N, a] of the sites of patches [n, L, L] that are `margin` or more from the edge."""
    n, n_sites, a = sums.shape
    side = round(n_sites**0.5)
    return sums.reshape(n, side, side, a)[:, margin:-margin, margin:-margin].reshape(n, -1, a)


def patches_classical(patches):
    """`Couplings` K(r) = J(r) / T, and the field, of patches [n, L, L] of a larger film, by pseudolikelihood.

    Inner sites only: at the edges neighbours are missing.
    """
    n = len(patches)
    sums = np.concatenate([film.shell_local_sums(patches, PATCH_SHELLS), patches.reshape(n, -1, 1)], axis=2)
    return couplings.pseudolikelihood(inner(sums), 1.0, (*map(str, PATCH_SHELLS), "field"), blocks=min(20, n))


def read_patches(patches, n_steps, seed):
    """The same read from a network trained on the patches, which may have a net magnetisation."""
    recipe, L = FILM["film_field"], patches.shape[-1]
    data = patches[np.random.default_rng(seed).permutation(len(patches))]
    model = recipe.build(Film(Camera(), L, film.T_IMAGES, film.T_CURIE), seed, data)
    train(recipe, model, data, n_steps, seed)
    hamiltonian = LearnedHamiltonian(model, 1.0)
    operators = film.shell_operators(PATCH_SHELLS) | {"field": ising.magnetization}
    some = patches[:500]
    return couplings.read_network(hamiltonian, some, operators, flip_inside, moves=32, blocks=min(20, len(some)))


def read_networks(patches, n_steps, n_networks, seed):
    """PATCH_SHELLS and the field from several networks, an `Estimate`, and `patches_classical` beside it.

    The error of the classical estimate is what these patches allow, whatever the network: it is in both.
    """
    read = parallel.run([(read_patches, patches, n_steps, 100 * seed + k) for k in range(n_networks)])
    classical = patches_classical(patches)
    return over_networks([r.values for r in read], shared=np.hypot(read[0].errors, classical.errors)), classical
