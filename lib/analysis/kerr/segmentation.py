r"""One frame, on its own, to spins: its light and the contrast of its two classes, found together; mask; specks.

The illumination I_0 begins as the envelope of the frame (`flat_field`). Then, twice: contrast x = 1 - I / I_0, two
classes of it (`classes`), and I_0 anew from what lies outside the domains. Rare domains are grown from what stands out:
connected pixels above the threshold that hold one such pixel. Where there is no second class there are no domains.

The mask holds the edge of the sample (a step of I_0), and what is far brighter or darker than any domain. Specks go.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage import measure, morphology

from lib.analysis.kerr import classes, flat_field
from lib.analysis.kerr.classes import Threshold
from lib.analysis.kerr.flat_field import DEFAULT, denoise, noise


def grown(above, seeds):
    """Connected parts of bool `above` [h, w] that hold a pixel of `seeds` [h, w]."""
    label = measure.label(above, connectivity=1)
    kept = np.unique(label[seeds & above])
    return np.isin(label, kept[kept > 0])


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
    if not found.found:
        return np.zeros(contrast.shape, bool)
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


def segment(frame, settings=DEFAULT, ignore=None):
    """One frame [h, w] through light, denoising, classes and mask -> `Steps`.

    settings: the radius must be larger than half the width of a domain.
    ignore: bool [h, w], pixels that are no film, such as a banner.

    ValueError for anything but one grey image, or an illumination with steps everywhere.
    """
    frame = np.asarray(frame, dtype=np.float32)
    if frame.ndim != 2:
        raise ValueError(f"frame of shape {frame.shape}: give one grey image [h, w]")
    sign = 1 if settings.bright else -1
    if ignore is not None and ignore.any():  # no step between the film and what is not film
        frame = np.where(ignore, flat_field.light_outside(frame, ~ignore, settings.radius), frame)
    slope = flat_field.slope(frame, settings)
    frame = frame / slope
    light, edge = flat_field.background(frame, settings), flat_field.sample_edge(frame, settings)
    if ignore is not None:
        edge |= ignore
    if edge.mean() > 0.9:
        raise ValueError("the illumination has steps everywhere: raise `edge`, or leave the frame out")
    contrast, domains, found = _domains(frame, light, edge, sign, settings)
    for _ in range(2):
        outside = ~morphology.dilation(domains, morphology.disk(2)) & ~edge
        # across an edge the envelope knows more than a smooth surface: improve it there, and replace it elsewhere
        start = light if edge.any() else np.ones_like(light)
        light = start * flat_field.light_outside(frame / start, outside, settings.radius)
        contrast, domains, found = _domains(frame, light, edge, sign, settings)
    mask = edge | defects(contrast, found)
    spins = np.where(remove_specks(domains & ~mask, settings.small), -1, 1).astype(np.int8)
    ratio = frame / light
    return Steps(frame * slope, light * slope, sign * (ratio - 1), contrast, mask, spins, found, noise(ratio))


def _domains(frame, light, edge, sign, settings):
    """(contrast [h, w], domains bool [h, w], `Threshold`) of a frame under this light."""
    contrast = sign * (denoise(frame / light, settings) - 1)
    found = classes.two_classes(contrast, edge, coarse=settings.coarse, sigmas=settings.sigmas)
    above = contrast > found.value
    if np.isfinite(found.seed):
        above = grown(above, classes.smoothed(contrast, settings.coarse) > found.seed)
    return contrast, above, found


def iou(found, label, ignore=None):
    """Intersection over union of two boolean images [h, w], without the pixels `ignore`; 1 if both are empty."""
    found, label = np.asarray(found, dtype=bool), np.asarray(label, dtype=bool)
    if found.shape != label.shape:
        raise ValueError(f"{found.shape} against {label.shape}: the two images must have the same size")
    if ignore is not None:
        found, label = found & ~ignore, label & ~ignore
    union = (found | label).sum()
    return float((found & label).sum() / union) if union else 1.0
