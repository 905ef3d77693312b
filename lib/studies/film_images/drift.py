"""Drift of the film between frames of one place: measured where successive frames are alike, and taken back."""

from dataclasses import dataclass, replace

import numpy as np
from skimage.registration import phase_cross_correlation

ALIKE = 0.5  # overlap of two frames, put on top of each other, above which their displacement means anything
MOST = 0.5  # of the pairs of successive frames that must be alike: a few lone blocks are, by chance
FURTHEST = 0.25  # of the side of a frame: drift beyond it is not corrected


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

    Without drift where fewer than MOST of them do. The border that comes in is masked. Beyond FURTHEST of a side the
    drift is reported only.
    """
    steps = displacements(imaged.spins, imaged.mask)
    if not len(steps) or np.isfinite(steps).all(1).mean() < MOST:
        return imaged
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
