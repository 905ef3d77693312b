"""All of it together: `learn_images` gives `Findings`, `check_parameters` refuses what would give none."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from lib import files
from lib.analysis import kerr
from lib.analysis.premise import Premise
from lib.errors import BookError
from lib.statistics import Estimate
from lib.studies.film_images import example
from lib.studies.film_images.couplings import Readings, learn_patches, read_patches, temperatures_agree
from lib.studies.film_images.frames import Imaged, ImagesRefused, all_blocks, block_side, cut, image_folder
from lib.studies.film_images.independence import Independence, independence
from lib.systems import film

LONE = 20  # lone blocks below which nothing is said of them
TEST = 5  # with a second temperature one of so many patches is kept for the test, the last ones
SATURATED = "the film is saturated, or the noise too strong: no frame has two classes, so there are no domains"


@dataclass(frozen=True)
class Blocks:
    """Frames cut into blocks of `side` pixels.

    spins: int8 [n, R, C]; mask: [R, C]. magnetisation: mean of all. flipped: how many have the rarer sign, in all
    frames; lone: of these, without a neighbour of their own sign.
    lone_contrast: of the middle of lone blocks, from 1, as deep as one with three neighbours of its sign, over 0,
    halfway, to -1, not seen; nan for fewer than LONE.
    wrong: estimate of the part of blocks whose sign is the noise's; it knows nothing of blur.
    aliased: what is wrong with the side, against the domain period; empty if nothing.
    """

    side: int
    spins: np.ndarray
    mask: np.ndarray
    magnetisation: float
    flipped: int
    lone: int
    lone_contrast: float
    wrong: float
    aliased: tuple


@dataclass(frozen=True)
class Findings:
    """What `learn_images` found; everything from `patches` on is None for a saturated film.

    T0: in K, pixel_um: side of a pixel in micrometres; both are the reader's word.
    t_c, t_c_classical: in K, from the nearest-neighbour coupling alone, by networks and by pseudolikelihood.
    premise: is one Hamiltonian behind both temperatures? None without a second folder, of which T1 is the temperature.
    """

    T0: float
    pixel_um: float
    imaged: Imaged
    L: int
    blocks: Blocks
    independence: Independence
    patches: kerr.Patches | None = None
    readings: Readings | None = None
    t_c: Estimate | None = None
    t_c_classical: Estimate | None = None
    T1: float | None = None
    premise: Premise | None = None


def blocks_of(imaged, side):
    """`Blocks` of `side` pixels of an `Imaged`."""
    spins, mean, mask = all_blocks(imaged, side)
    keep = ~mask
    n, R, C = spins.shape
    middle = slice((side - 1) // 2, side // 2 + 1)
    centre = imaged.votes[:, : R * side, : C * side].reshape(n, R, side, C, side)[:, :, middle, :, middle].mean((2, 4))
    inner = keep[1:-1, 1:-1] & keep[2:, 1:-1] & keep[:-2, 1:-1] & keep[1:-1, 2:] & keep[1:-1, :-2]
    around = spins[:, 2:, 1:-1] + spins[:, :-2, 1:-1] + spins[:, 1:-1, 2:] + spins[:, 1:-1, :-2]
    up = int((spins[:, keep] > 0).sum())
    rare = -1 if 2 * up > spins[:, keep].size else 1
    own = spins[:, 1:-1, 1:-1]
    here, aligned, level = inner & (own == rare), own * around, centre[:, 1:-1, 1:-1]
    lone, inside, outside = here & (aligned == -4), here & (aligned >= 2), inner & (own != rare) & (aligned == 4)
    contrast = float("nan")
    if min(lone.sum(), inside.sum(), outside.sum()) >= LONE:
        alone, domain, ground = (np.median(level[each]) for each in (lone, inside, outside))
        contrast = float(2 * (alone - ground) / (domain - ground) - 1)
    return Blocks(
        side=side,
        spins=spins,
        mask=mask,
        magnetisation=float(spins[:, keep].mean()) if keep.any() else float("nan"),
        flipped=min(up, int(spins[:, keep].size) - up),
        lone=int(lone.sum()),
        lone_contrast=contrast,
        wrong=_wrong(mean[:, 1:-1, 1:-1], own * (aligned + 5), inner, imaged.noise / side),
        aliased=tuple(kerr.heard(kerr.check_block, side, imaged.period)[1]),
    )


def _wrong(mean, environment, inner, noise):
    """Part of blocks whose sign is the noise's, from mean votes [n, R, C] with this noise.

    A level +-d of the vote and normal noise: given the vote v, the sign is wrong with 1 / (1 + exp(2 d |v| / noise^2)).
    d: median of |v| where sign and neighbours are alike (`environment`, integers [n, R, C]). inner: bool [R, C].
    """
    v, environment, total = np.abs(mean[:, inner]).ravel(), environment[:, inner].ravel(), 0.0
    for each in np.unique(environment):
        here = v[environment == each]
        total += expit(-2 * np.median(here) * here / max(noise, 1e-12) ** 2).sum()
    return float(total / len(v)) if len(v) else float("nan")


def look(imaged, block):
    """(`Blocks`, `Independence`) of an `Imaged`. block: side in pixels, 0 for a quarter of the domain period."""
    side = block_side(imaged, block) if imaged.found else block or 4
    blocks = blocks_of(imaged, side)
    return blocks, independence(blocks.spins, blocks.mask, imaged.in_order)


def learn_images(imaged, T0, *, pixel_um, block, L, n_networks, steps, seed, second=None, T1=None):
    """`Findings` from the `Imaged` of a folder.

    T0: temperature in K. pixel_um: side of a pixel in micrometres. block: side of one spin in pixels, 0 for a quarter
    of the domain period. L: side of a patch in blocks. n_networks, steps: trainings, and steps of each.
    second, T1: `Imaged` of a second folder and its temperature in K, or None.

    ImagesRefused, one line, where no block fits or the patches are too few.
    """
    blocks, worth = look(imaged, block)
    if not imaged.found:
        return Findings(T0, pixel_um, imaged, L, blocks, worth)
    side = blocks.side
    patches = cut(imaged, side, L, pixel_um, seed)
    both = second is not None and second.found
    n_train = len(patches.spins) * (TEST - 1) // TEST if both else len(patches.spins)
    spins, frame = patches.spins[:n_train], patches.origin[:n_train, 0]
    readings = read_patches(spins, frame, n_networks, steps, seed, worth.tau_int)
    tested = None
    if both:
        other = cut(second, side, L, pixel_um, seed).spins
        n_other = len(other) * (TEST - 1) // TEST
        seeds = [100 * seed + 50 + k for k in range(n_networks)]
        hamiltonians = [learn_patches(other[:n_other], readings.recipe, steps, s)[0] for s in seeds]
        held_out = patches.spins[n_train:], other[n_other:]
        tested = temperatures_agree(readings.hamiltonians, hamiltonians, T0, T1, held_out)
    return Findings(
        T0=T0,
        pixel_um=pixel_um,
        imaged=imaged,
        L=L,
        blocks=blocks,
        independence=worth,
        patches=patches,
        readings=readings,
        t_c=Estimate(*film.curie_temperature(*readings.alone, T0)),
        t_c_classical=Estimate(*film.curie_temperature(*readings.classical_alone, T0)),
        T1=T1 if both else None,
        premise=tested,
    )


def save_spins(imaged, save):
    """Write names [n], spins int8 [n, h, w] and mask bool [n, h, w] to a new .npz file, or nothing without a path.

    BookError where there is a file already, or it cannot be written.
    """
    if not save:
        return
    _check_new(save)
    packed = io.BytesIO()
    np.savez_compressed(packed, names=np.array(imaged.names), spins=imaged.spins, mask=np.asarray(imaged.mask))
    try:
        files.write_bytes(Path(save), packed.getvalue())
    except OSError as error:
        raise BookError(f"cannot write {save}: {error.strerror}; give the path of a new file") from None


def _check_new(save):
    if save and Path(save).exists():
        raise ImagesRefused(f"{save} exists already; name a new file")


# ---------------------------------------------------------------- what is refused before anything runs


def check_parameters(folder, reference, T0, block, L, second, T1, bright, together, save, **_):
    """The parameters of the chapter `your_images`: both folders are read and segmented, the patches counted."""
    _check_new(save)
    if not folder:
        if reference or second:
            raise ImagesRefused(f"{'reference' if reference else 'second'}: give a folder of frames as well")
        example.check(T0, block)
        return
    if bool(second) != bool(T1):
        raise ImagesRefused("a second folder needs its temperature, and a temperature its folder: give second and T1")
    if second and T1 == T0:
        raise ImagesRefused(f"T1={T1}: the second temperature must differ from T0")
    side = block
    for place in filter(None, (folder, second)):
        imaged = image_folder(place, reference, block=block, bright=bright, together=together)
        if imaged.found:
            side = side or block_side(imaged)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cut(imaged, side, L)
