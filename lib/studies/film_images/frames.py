"""A folder of Kerr frames -> spins: light and classes, size of a block, patches.

16 or more frames of one place are segmented together (`kerr.segment_series`); fewer, or frames of different places,
each on its own (`kerr.segment`).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib.analysis import kerr
from lib.analysis.kerr.series import FEWEST as FEWEST_TOGETHER
from lib.errors import BookError
from lib.paths import ROOT
from lib.studies.film_images.drift import Drift, registered

LARGEST = 120_000_000  # pixels of all frames; the analysis takes about 20 bytes for each
FEWEST = 20  # patches from which anything can be learned
SHOWN = 100  # frames from which the domain period is taken


class ImagesRefused(BookError):
    """Images that cannot be learned from; the message names what is wrong and the remedy."""


@dataclass(frozen=True)
class Imaged:
    """Frames of a folder, segmented. Lengths in pixels.

    names: [n]; skipped: (name, reason) of what was not used.
    frame, light: the first one and its light [h, w].
    contrast: float32 [n, h, w]; votes: threshold minus contrast, +1 in frames with one class; spins: int8, dark -1.
    mask: bool [n, h, w], where spins mean nothing.
    source: of the light, "reference", "mean", "smooth", or "each frame".
    found: are there two classes? depth, separation: their distance in contrast, and in widths of one.
    in_mean: as in `kerr.Series`, nan for single frames. noise: of the contrast of a pixel.
    period: of the domains, infinite where there is none.
    in_order: one place, in the order of time.
    """

    names: tuple
    skipped: tuple
    frame: np.ndarray
    light: np.ndarray
    contrast: np.ndarray
    votes: np.ndarray
    spins: np.ndarray
    mask: np.ndarray
    source: str
    found: bool
    depth: float
    separation: float
    in_mean: float
    noise: float
    period: float
    drift: Drift
    in_order: bool


def locate(path, base=ROOT):
    """The path meant; a relative one counts from `base`, by default the repository."""
    return Path(base) / Path(path).expanduser()


def image_folder(folder, reference="", *, block=0, bright=False, together=True):
    """`Imaged` of a folder of frames of one temperature.

    reference: file of the saturated film, or nothing. block: side in pixels, 0 if it is not known yet.
    bright: domains are brighter than the rest. together: the frames show one place, in the order of their names.

    BookError, one line, where there is nothing to segment.
    """
    read, _ = kerr.heard(kerr.read_folder, locate(folder))  # what was skipped is in `skipped`
    n, (h, w) = len(read.images), read.images[0].shape
    if n * h * w > LARGEST:
        raise ImagesRefused(f"{folder}: {n} frames of {w} x {h} pixels are more than {LARGEST} pixels; give fewer")
    reference = kerr.read_reference(locate(reference), (h, w)) if reference else None
    settings = kerr.Settings(bright=bright)
    settings = kerr.for_blocks(settings, block) if block else settings
    frames, ignore = np.stack(read.images), np.any(read.masks, axis=0)
    if ignore.all():
        raise ImagesRefused(f"{folder}: banners leave no film; cut the frames to the film")
    if together and n >= FEWEST_TOGETHER:
        fields = _together(frames, settings, reference, ignore)
    else:
        fields = _each(frames, settings, reference, read.masks, folder)
    fields["period"] = _period(fields["spins"], fields["mask"], together and n >= FEWEST_TOGETHER)
    still = Drift(np.full((n, 2), np.nan), False)
    imaged = Imaged(read.names, read.skipped, frames[0], drift=still, in_order=together, **fields)
    return registered(imaged) if imaged.found and together else imaged


def _together(frames, settings, reference, ignore):
    s = kerr.segment_series(frames, settings, reference, ignore)
    return {
        "light": s.light,
        "contrast": s.contrast,
        "votes": s.votes,
        "spins": s.spins if s.threshold.found else np.ones_like(s.spins),
        "mask": np.broadcast_to(s.mask | ignore, s.spins.shape),
        "source": s.source,
        "found": s.threshold.found,
        "depth": s.threshold.high - s.threshold.low,
        "separation": s.threshold.separation,
        "in_mean": s.in_mean if s.threshold.found else float("nan"),
        "noise": s.noise,
    }


def _each(frames, settings, reference, masks, folder):
    try:
        divided = frames if reference is None else frames / np.maximum(reference, 1e-9)
        steps = [kerr.segment(frame, settings, mask) for frame, mask in zip(divided, masks, strict=True)]
    except ValueError as problem:
        raise ImagesRefused(f"{folder}: {problem}") from None
    classes = [s.threshold for s in steps if s.threshold.found]
    light = steps[0].background if reference is None else steps[0].background * reference
    votes = [s.threshold.value - s.smooth if s.threshold.found else np.ones_like(s.smooth) for s in steps]
    return {
        "light": light,
        "contrast": np.array([s.smooth for s in steps], np.float32),
        "votes": np.array(votes, np.float32),
        "spins": np.stack([s.spins for s in steps]),
        "mask": np.stack([s.mask for s in steps]),
        "source": "each frame",
        "found": bool(classes),
        "depth": float(np.median([c.high - c.low for c in classes])) if classes else 0.0,
        "separation": float(np.median([c.separation for c in classes])) if classes else 0.0,
        "in_mean": float("nan"),
        "noise": float(np.median([s.noise for s in steps])),
    }


def _period(spins, mask, together):
    if together:
        some = np.linspace(0, len(spins) - 1, min(SHOWN, len(spins))).astype(int)
        return kerr.domain_period(spins[some], mask[0]).period
    periods = [kerr.domain_period(s, m).period for s, m in zip(spins, mask, strict=True)]
    finite = [p for p in periods if np.isfinite(p)]
    return float(np.median(finite)) if 2 * len(finite) >= len(periods) else float("inf")


def block_side(imaged, block=0):
    """Side of a block in pixels: as given, or a quarter of the domain period. ImagesRefused where there is neither."""
    if block:
        return block
    if not np.isfinite(imaged.period):
        raise ImagesRefused("no period found: give --block PIXELS")
    return max(1, int(imaged.period // 4))


def cut(imaged, block, L, pixel_um=float("nan"), seed=0):
    """`kerr.Patches` of L x L blocks. ImagesRefused where fewer than FEWEST come out of the frames."""
    remedy = f"take more frames, or smaller L than {L}"
    try:
        patches = kerr.coarse_grain(imaged.votes, block, L, mask=imaged.mask, pixel_um=pixel_um, seed=seed)
    except ValueError as problem:
        raise ImagesRefused(f"{problem}; {remedy}") from None
    if len(patches.spins) < FEWEST:
        masked = f", {patches.dropped} are masked" if patches.dropped else ""
        found = f"{len(patches.spins)} patches of {L} x {L} blocks of {block} pixels{masked}"
        raise ImagesRefused(f"{found}, fewer than {FEWEST}: {remedy}")
    return patches


def all_blocks(imaged, block):
    """Blocks of whole frames: spins int8 [n, R, C], mean vote float [n, R, C], and mask [R, C] (anywhere in time)."""
    n, h, w = imaged.votes.shape
    R, C = h // block, w // block
    shape = (n, R, block, C, block)
    keep = ~imaged.mask[:, : R * block, : C * block]
    votes = np.where(keep, imaged.votes[:, : R * block, : C * block], 0).reshape(shape).sum((2, 4))
    count = keep.reshape(shape).sum((2, 4))
    mean = votes / np.maximum(count, 1)
    return np.where(mean < 0, -1, 1).astype(np.int8), mean, (count < block * block / 2).any(axis=0)
