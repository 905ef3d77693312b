r"""Spins from a contrast x, positive in domains: one threshold, and a mask.

Two classes by Otsu (IEEE Trans. Syst. Man Cybern. 9, 62 (1979)), then the threshold of least error for two Gaussians of
equal width sigma around the class medians c_0, c_1 with n_0, n_1 pixels,

    t = (c_0 + c_1) / 2 + sigma^2 / (c_1 - c_0) ln(n_0 / n_1).

In a single frame t is at least c_0 + 3 sigma: what does not stand out of the noise is no domain. The mask holds the
edge of the sample (a step of I_0), and what is far brighter or darker than any domain. Specks go.

For a stack of frames of one place, between which the domains move, I_0 is the mean over the frames.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage import filters, measure, morphology

from lib.analysis.kerr import flat_field
from lib.analysis.kerr.flat_field import Settings, denoise, noise

FRAME, STACK = Settings(), Settings(smooth=0.5, tv=0.0, small=0.0, sigmas=0.0)
SEPARATED = 2.5  # distance of two classes in units of the width of one, below which they are one


class Threshold(NamedTuple):
    """A threshold of x.

    low, high: the two class medians.
    separation: their distance in units of the width of the lower class. Below 2.5 (SEPARATED) there is no second class:
        white noise alone, cut by Otsu, has 1.8.
    """

    value: float
    low: float
    high: float
    separation: float


def threshold(x, mask=None, sigmas=0.0):
    """Threshold of least error (top of this file) of contrast x -> `Threshold`.

    mask: bool, pixels to leave out.
    sigmas: smallest distance of the threshold from the lower class, in units of that class's width.
    """
    x = np.asarray(x)[~mask] if mask is not None else np.ravel(x)
    if x.size < 2 or np.ptp(x) == 0:
        raise ValueError("threshold: a frame without contrast has no two classes; leave it out")
    otsu = filters.threshold_otsu(x)
    above = x > otsu
    low, high = float(np.median(x[~above])), float(np.median(x[above]))
    fraction = above.mean()
    # the outer side of the lower class is free of edges between domains; 0.32 of a half Gaussian lies beyond sigma
    sigma = low - float(np.quantile(x[x < low], 0.32)) if (x < low).any() else 0.0
    shift = sigma**2 / (high - low) * np.log((1 - fraction) / fraction)
    middle, quarter = (low + high) / 2, (high - low) / 4
    value = max(middle + np.clip(shift, -quarter, quarter), low + min(sigmas * sigma, 3 * quarter))
    return Threshold(float(value), low, high, (high - low) / max(sigma, 1e-12))


def _above(contrast, found):
    """Where contrast is above the threshold; nowhere if there is no second class."""
    return (contrast > found.value) & (found.separation >= SEPARATED)


def remove_specks(dark, fraction):
    """Domains bool [h, w] without those below `fraction` of the typical area.

    The typical area is that of the domain of a random pixel, or, where stripes have joined into something larger, of a
    disc as wide as the stripes: 9 pi d^2, d the mean distance of a domain pixel from the edge (a third of a disc's
    radius).
    """
    if fraction == 0 or not dark.any():
        return dark
    area = np.bincount(measure.label(dark, connectivity=1).ravel())[1:].astype(float)
    disc = 9 * np.pi * ndimage.distance_transform_edt(dark)[dark].mean() ** 2
    typical = min((area**2).sum() / area.sum(), disc)
    return morphology.remove_small_objects(dark, max_size=fraction * typical)


def defects(contrast, found):
    """Pixels far brighter than the background or far darker than the domains, and 2 pixels around. bool [h, w]."""
    depth = found.high - found.low
    far = (contrast < found.low - 1.5 * depth) | (contrast > found.high + 1.5 * depth)
    return morphology.dilation(far, morphology.disk(2))


class Steps(NamedTuple):
    """One frame through the pipeline, every array [h, w].

    frame, background: as given, and its illumination.
    flat: relative contrast with its noise, positive in domains.
    smooth: the same, denoised.
    mask: True where the spins mean nothing.
    spins: int8, -1 in domains.
    threshold: `Threshold` of `smooth`.
    noise: of `flat`.
    """

    frame: np.ndarray
    background: np.ndarray
    flat: np.ndarray
    smooth: np.ndarray
    mask: np.ndarray
    spins: np.ndarray
    threshold: Threshold
    noise: float


def segment(frame, settings=FRAME):
    """One frame, on its own, through flat-field, denoise, threshold and mask -> `Steps`.

    settings: the radius must be larger than half the width of a domain.

    A frame whose contrast has no two classes (separation below SEPARATED: saturated film, or too noisy) has no domains.

    ValueError for anything but one grey image, or an illumination with steps everywhere.
    """
    frame = np.asarray(frame, dtype=np.float32)
    if frame.ndim != 2:
        raise ValueError(f"frame of shape {frame.shape}: give one grey image [h, w]")
    sign = 1 if settings.bright else -1
    light, edge = flat_field.background(frame, settings), flat_field.sample_edge(frame, settings)
    if edge.mean() > 0.9:
        raise ValueError("the illumination has steps everywhere: raise `edge`, or leave the frame out")
    ratio = frame / light
    x = denoise(ratio, settings)
    for _ in range(2):  # the envelope is high by some of the noise: take the mean of what lies outside the domains
        domains = _above(sign * (x - 1), threshold(sign * (x - 1), edge))
        outside = ~morphology.dilation(domains, morphology.disk(2)) & ~edge
        correction = flat_field.mean_outside(x, outside, settings.radius)
        x, ratio, light = x / correction, ratio / correction, light * correction
    contrast = sign * (x - 1)
    found = threshold(contrast, edge, settings.sigmas)
    mask = edge | defects(contrast, found)
    domains = remove_specks(_above(contrast, found) & ~mask, settings.small)
    spins = np.where(domains, -1, 1).astype(np.int8)
    return Steps(frame, light, sign * (ratio - 1), contrast, mask, spins, found, noise(ratio))


def iou(found, label, ignore=None):
    """Intersection over union of two boolean images [h, w], without the pixels `ignore`; 1 if both are empty."""
    found, label = np.asarray(found, dtype=bool), np.asarray(label, dtype=bool)
    if found.shape != label.shape:
        raise ValueError(f"{found.shape} against {label.shape}: the two images must have the same size")
    if ignore is not None:
        found, label = found & ~ignore, label & ~ignore
    union = (found | label).sum()
    return float((found & label).sum() / union) if union else 1.0


class Stack(NamedTuple):
    """Frames of one place: background, mask [h, w], contrast, spins [n, h, w], and the one threshold of all."""

    background: np.ndarray
    smooth: np.ndarray
    mask: np.ndarray
    spins: np.ndarray
    threshold: Threshold


def segment_stack(frames, settings=STACK):
    """Frames of one place, between which the domains have moved -> `Stack`.

    frames: [n, h, w], n >= 16. settings: of these, smooth, tv and bright matter.

    The mean over the frames is the illumination, fixed pattern of the camera included; a pixel that hardly changes is
    a defect. One threshold for all frames, so that a frame may be all of one sign. Where the domains do not move, or
    keep a net magnetisation, the mean is no background: use `segment`; n independent frames leave 1 / sqrt n of the
    contrast in it.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or len(frames) < 16:
        raise ValueError(f"frames of shape {frames.shape}: give at least 16 frames of one place, [n, h, w]")
    light = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    contrast = frames.astype(np.float32)
    contrast /= np.maximum(light, 1e-6 * max(float(light.max()), 1e-9))
    contrast -= 1
    contrast *= np.float32(1 if settings.bright else -1)
    deviation = contrast[:256].std(axis=0)
    mask = (deviation < 0.25 * np.median(deviation)) | (deviation > 4 * np.median(deviation))
    contrast[:, mask] = 0
    if settings.smooth:
        width = (0, settings.smooth, settings.smooth)
        contrast = filters.gaussian(contrast, width, mode="nearest", preserve_range=True)
    if settings.tv:
        scale = noise(frames[0] / np.maximum(light, 1e-9))
        for k in range(len(contrast)):
            contrast[k] = flat_field.total_variation(contrast[k], scale, settings)
    found = threshold(contrast[:, ~mask][:: max(1, len(frames) // 500)])
    spins = np.where(contrast > np.float32(found.value), np.int8(-1), np.int8(1))
    return Stack(light, contrast, mask, spins, found)
