"""A folder of Kerr frames -> spins: light and classes, drift between frames, size of a block, patches.

16 or more frames of one place are segmented together (`kerr.segment_series`); fewer, or frames of different places,
each on its own (`kerr.segment`).
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from skimage.registration import phase_cross_correlation

from lib.analysis import kerr
from lib.analysis.kerr.series import FEWEST as FEWEST_TOGETHER
from lib.errors import BookError
from lib.paths import ROOT

LARGEST = 120_000_000  # pixels of all frames; the analysis takes about 20 bytes for each
FEWEST = 20  # patches from which anything can be learned
ALIKE = 0.5  # overlap of two frames, put on top of each other, above which their displacement means anything
FURTHEST = 0.25  # of the side of a frame: drift beyond it is not corrected
SHOWN = 100  # frames from which the domain period is taken


class ImagesRefused(BookError):
    """Images that cannot be learned from; the message names what is wrong and the remedy."""


@dataclass(frozen=True)
class Drift:
    """Displacement of the film against the first frame.

    position: [n, 2], rows and columns in pixels, nan where successive frames have too little in common to tell.
    corrected: whether the frames were moved back, by whole pixels.
    """

    position: np.ndarray
    corrected: bool

    @property
    def largest(self):
        """In pixels; nan where it is not known."""
        known = self.position[np.isfinite(self.position).all(1)]
        return float(np.hypot(*known.T).max()) if len(known) > 1 else float("nan")


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


# ---------------------------------------------------------------- drift


def overlap(a, b, keep=True):
    """Overlap of two arrays of spins [h, w] or more: (<a b> - <a> <b>) over the root of their variances; nan for one
    without domains. keep: bool of their shape."""
    a, b = (np.asarray(x, float)[np.broadcast_to(keep, np.shape(x))] for x in (a, b))
    scale = a.std() * b.std() if a.size else 0.0
    return float((a * b).mean() - a.mean() * b.mean()) / scale if scale > 0 else float("nan")


def displacements(spins, mask):
    """Displacement [n - 1, 2] in pixels of each frame of spins [n, h, w] against the one before it.

    By cross-correlation; nan where two frames, put on top of each other, overlap less than ALIKE. mask: bool [n, h, w].
    """
    found = np.full((len(spins) - 1, 2), np.nan)
    centred = [np.where(m, 0, s - s[~m].mean()) if not m.all() else 0.0 * s for s, m in zip(spins, mask, strict=True)]
    for k in range(len(found)):
        before, after = centred[k], centred[k + 1]
        if not (before.any() and after.any()):
            continue
        moved, *_ = phase_cross_correlation(after, before, upsample_factor=5, normalization=None)
        whole = np.rint(moved).astype(int)
        keep = ~(_rolled(mask[k], whole) | mask[k + 1])
        if overlap(np.roll(spins[k], whole, (0, 1)), spins[k + 1], keep) > ALIKE:
            found[k] = moved
    return found


def _rolled(mask, by):
    """A mask [h, w] moved by (rows, columns); what comes in from outside is masked."""
    moved = np.roll(mask, by, (0, 1))
    for axis, step in enumerate(by):
        edge = slice(0, step) if step > 0 else slice(len(mask) + step if axis == 0 else mask.shape[1] + step, None)
        if step:
            moved[edge if axis == 0 else (slice(None), edge)] = True
    return moved


def registered(imaged):
    """The same `Imaged` with `drift`, and moved back by it where all successive frames tell, by whole pixels.

    The border that comes in is masked. Beyond FURTHEST of a side the drift is reported only.
    """
    steps = displacements(imaged.spins, imaged.mask)
    position = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    whole = np.rint(np.nan_to_num(position)).astype(int)
    known, side = np.isfinite(steps).all(), np.array(imaged.frame.shape)
    if not known or not whole.any() or (np.abs(whole) > FURTHEST * side).any():
        return replace(imaged, drift=Drift(position, False))

    def back(arrays):
        return np.stack([np.roll(a, -by, (0, 1)) for a, by in zip(arrays, whole, strict=True)])

    mask = np.stack([_rolled(m, -by) for m, by in zip(imaged.mask, whole, strict=True)])
    moved = {name: back(getattr(imaged, name)) for name in ("contrast", "votes", "spins")}
    return replace(imaged, drift=Drift(position, True), mask=mask, **moved)


# ---------------------------------------------------------------- blocks and patches


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
        dropped = f", {patches.dropped} are masked" if patches.dropped else ""
        raise ImagesRefused(
            f"{len(patches.spins)} patches of {L} x {L} blocks of {block} pixels{dropped}, fewer than {FEWEST}: {remedy}"
        )
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
