r"""Frames of one place to spins: light and contrast fitted together from the frames' own two classes.

A frame is I_0(r) (1 + c s(r)) and noise, the same I_0 in all of them, the fixed pattern of the camera included. Where
the I_0 comes from:

    reference   an image of the saturated film, I_0 (1 + c) everywhere
    mean        the mean over the frames, I_0 (1 + c m(r)): fine where the mean spin m(r) is the same everywhere,
                whatever it is; then, with the spins that are found, I_0 = sum of frames / sum of (1 + c s), twice
    smooth      of the mean over the frames, segmented like one frame. The pattern of the camera stays

The mean is used where it shows no domains itself: `in_mean`, the standard deviation of its contrast over half the
distance of the classes in the frames, is below PINNED. Where it is larger, domains do not move, and the mean is a
picture of them. n independent frames leave 1 / sqrt n of the contrast in it.

One threshold for all frames, halfway between the cores of the classes, so that a frame may be all of one sign; rare
domains may be the darker or the brighter class. The sign is known up to a global flip: dark is -1.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib.analysis.kerr.classes import Threshold, smoothed, two_classes
from lib.analysis.kerr.flat_field import DEFAULT, light_outside, noise
from lib.analysis.kerr.segmentation import segment

FEWEST = 16  # frames
PINNED = 0.4
SHOWN = 250  # frames from which the classes are taken
DEFECT = 0.25, 4  # changes of a pixel, relative to the typical one, that a sound one does not have


class Series(NamedTuple):
    """Frames of one place, segmented.

    light, mask: [h, w]; mask: True where the spins mean nothing.
    contrast: float32 [n, h, w], positive in dark domains. spins: int8 [n, h, w].
    threshold: of all frames. source: of the light, "reference", "mean" or "smooth".
    in_mean: how much of the contrast is in the mean over the frames, 0 to 1; 1 where there are no two classes.
    noise: of the contrast, for single pixels before smoothing.
    """

    light: np.ndarray
    mask: np.ndarray
    contrast: np.ndarray
    spins: np.ndarray
    threshold: Threshold
    source: str
    in_mean: float
    noise: float

    @property
    def votes(self):
        """Threshold minus contrast, float32 [n, h, w], for `coarse_grain`; +1 where there is one class only."""
        if not self.threshold.found:
            return np.ones_like(self.contrast)
        return np.float32(self.threshold.value) - self.contrast


def segment_series(frames, settings=DEFAULT, reference=None, ignore=None):
    """Frames [n, h, w] of one place, n >= 16 -> `Series`.

    settings: of these smooth, coarse and bright matter; smooth must be small against what is to be seen.
    reference: image [h, w] of the saturated film. ignore: bool [h, w], pixels that are no film.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or len(frames) < FEWEST:
        raise ValueError(f"frames of shape {frames.shape}: give at least {FEWEST} frames of one place, [n, h, w]")
    ignore = np.zeros(frames.shape[1:], bool) if ignore is None else ignore
    mean = np.maximum(frames.mean(axis=0, dtype=np.float64), 1e-9).astype(np.float32)
    every = slice(None, None, max(1, len(frames) // SHOWN))
    mask = ignore | _defects(frames[every], mean)

    def classes_under(light):
        contrast = _contrast(frames[every], light, settings)
        contrast[:, mask] = 0
        return two_classes(contrast, mask, coarse=settings.coarse, far=4.5, halfway=True, both_sides=True)

    light, source = (mean, "mean") if reference is None else (np.maximum(reference, 1e-9), "reference")
    found = classes_under(light)
    in_mean = _in_mean(mean, found, settings, ignore)
    if source == "mean" and in_mean > PINNED and (of_mean := segment(mean, settings, ignore)).threshold.found:
        light, source = of_mean.background, "smooth"
        found = classes_under(light)
    if source == "mean" and found.found:
        for _ in range(2):
            light = _light(frames, light, found, settings)
            found = classes_under(light)
    contrast = _contrast(frames, light, settings)
    contrast[:, mask] = 0
    spins = np.where(contrast > np.float32(found.value), np.int8(-1), np.int8(1))
    return Series(light, mask, contrast, spins, found, source, in_mean, noise(frames[0] / light))


def _contrast(frames, light, settings):
    """Smoothed contrast float32 [n, h, w], positive in dark domains."""
    contrast = frames.astype(np.float32)
    contrast /= light
    contrast -= 1
    contrast *= np.float32(1 if settings.bright else -1)
    return smoothed(contrast, settings.smooth) if settings.smooth else contrast


def _defects(frames, mean):
    """Pixels that hardly change, or far too much, also for the wall of a domain that moves. bool [h, w]."""
    changes = frames.std(axis=0) / mean
    half = np.ptp(np.quantile(frames[:: max(1, len(frames) // 50)] / mean, (0.005, 0.995))) / 2  # of all contrast
    low, high = DEFECT[0] * np.median(changes), max(DEFECT[1] * np.median(changes), half)
    return (changes < low) | (changes > high)


def _in_mean(mean, found, settings, ignore):
    """How much of the contrast is in the mean over the frames [h, w], 0 to 1; its white noise does not count."""
    if not found.found:
        return 1.0
    flat = mean / light_outside(mean, ~ignore, settings.radius) - 1
    white = noise(flat) ** 2 / (4 * np.pi * settings.coarse**2)
    excess = smoothed(flat, settings.coarse)[~ignore].var() - white
    return float(2 * np.sqrt(max(0.0, excess)) / (found.high - found.low))


def _light(frames, light, found, settings):
    """I_0 [h, w] of frames [n, h, w] whose spins are those that this light and threshold give."""
    middle, depth = (found.low + found.high) / 2, (found.high - found.low) / 2
    sign = 1 if settings.bright else -1
    total, weight = np.zeros(light.shape), np.zeros(light.shape)
    for part in np.array_split(frames, max(1, len(frames) // SHOWN)):
        above = _contrast(part, light, settings) > found.value
        total += part.sum(axis=0, dtype=np.float64)
        weight += (1 + sign * (middle + depth * (2.0 * above - 1))).sum(axis=0)
    return np.maximum(total / weight, 1e-9).astype(np.float32)


def for_blocks(settings, block):
    """These settings for blocks of `block` pixels: the Gaussians must be narrow against one."""
    return replace(settings, smooth=min(settings.smooth, block / 8), coarse=min(settings.coarse, block / 4))
