"""Illumination I_0 and noise of one frame: flat-field and denoise.

A cubic surface takes out the slope of the light (`slope`), unless it leaves steps: the edge of the sample. Then I_0
starts as the upper envelope of the frame, a morphological closing, which fills dark domains narrower than 2 `radius`,
and becomes (in `segmentation.segment`, twice) the smooth light outside the domains found so far (`light_outside`).
Denoising is a narrow Gaussian, then total variation, which keeps edges; its weight is in units of the noise of the
frame. Sources: A. Chambolle, J. Math. Imaging Vis. 20, 89 (2004), for the functional of Rudin, Osher and Fatemi;
noise: J. Immerkaer, Comput. Vis. Image Underst. 64, 300 (1996).
"""

from dataclasses import dataclass

import numpy as np
from skimage import filters, morphology, restoration, transform

COARSE = 4  # the background is computed on every fourth pixel
FEWEST_OUTSIDE = 0.01  # of the pixels
LIMITS = dict(
    smooth=(0, 20), coarse=(0.5, 50), tv=(0, 10), radius=(8, 500), edge=(0.001, 1), small=(0, 0.999), sigmas=(0, 10)
)


@dataclass(frozen=True)
class Settings:
    """Lengths in pixels. The defaults are for domains 6 to 40 pixels wide; change them for all frames, not for one.

    smooth: sigma of the Gaussian.
    coarse: sigma of the one that shows rare domains, a quarter of the smallest domain.
    tv: weight of the total variation, in units of the noise of the frame (0 switches it off).
    radius: dark areas wider than 2 radius are background.
    edge: relative step of the illumination within radius that counts as the edge of the sample (subtract the camera's
        dark level first: on top of it a step looks smaller).
    small: specks below this fraction of the typical domain area go.
    sigmas: a domain of a single frame stands out of the background by this many standard deviations.
    bright: domains are brighter than the rest.
    """

    smooth: float = 1.5
    coarse: float = 3.0
    tv: float = 0.25
    radius: int = 24
    edge: float = 0.2
    small: float = 0.1
    sigmas: float = 3.0
    bright: bool = False

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} = {getattr(self, name)}: give {low} to {high}")


DEFAULT = Settings()


def _envelope(frame, settings):
    """Envelope of a frame over discs of this radius, on every COARSE-th pixel: dark domains filled, bright ones cut."""
    smooth = filters.gaussian(frame, 3, mode="nearest")[::COARSE, ::COARSE]
    pad = settings.radius // COARSE + 1
    fill = morphology.opening if settings.bright else morphology.closing
    envelope = fill(np.pad(smooth, pad, mode="edge"), morphology.disk(settings.radius // COARSE))
    return envelope[pad:-pad, pad:-pad]


def _enlarge(coarse, shape):
    return transform.resize(coarse, shape, order=1, mode="edge", anti_aliasing=False)


def background(frame, settings=DEFAULT):
    """First estimate of the illumination I_0 [h, w] of a frame [h, w]: its envelope, smoothed; positive everywhere."""
    light = _enlarge(filters.gaussian(_envelope(frame, settings), settings.radius / 8, mode="nearest"), frame.shape)
    return np.maximum(light, 1e-6 * max(float(light.max()), 1e-9))


def sample_edge(frame, settings=DEFAULT):
    """Where I_0 changes by more than `edge` within `radius`: edge of the sample or a blot, not light. bool [h, w]."""
    closed = _envelope(frame, settings)
    pad = settings.radius // COARSE
    window = morphology.footprint_rectangle((2 * pad + 1,) * 2)
    padded = np.pad(closed, pad, mode="edge")
    step = morphology.dilation(padded, window) - morphology.erosion(padded, window)
    step = step[pad : pad + closed.shape[0], pad : pad + closed.shape[1]] / np.maximum(closed, 1e-9)
    return _enlarge(step, frame.shape) > settings.edge


def light_outside(image, outside, sigma):
    """Light [h, w] everywhere from the pixels of an image where `outside` [h, w] is true.

    A cubic surface by least squares, times the Gaussian mean (sigma in pixels) of what it leaves: without the surface
    the mean would flatten a slope at the border. Ones where hardly a pixel is outside.
    """
    if outside.mean() < FEWEST_OUTSIDE:
        return np.ones_like(image)
    weight = outside.astype(np.float32)
    total, count = (
        filters.gaussian(values, 2, mode="reflect")[::COARSE, ::COARSE] for values in (image * weight, weight)
    )
    seen = count > 0.05
    mean = np.where(seen, total / np.maximum(count, 0.05), 1)
    surface = np.maximum(_cubic(mean, seen), 0.1 * np.median(mean[seen]))
    total, count = (filters.gaussian(values, sigma / COARSE, mode="reflect") for values in (total / surface, count))
    rest = np.where(count > 1e-3, total / np.maximum(count, 1e-3), 1)
    return _enlarge(rest * surface, image.shape)


def slope(frame, settings=DEFAULT):
    """Cubic surface [h, w] through the envelope of a frame; ones where it leaves steps, which are no light."""
    envelope = _envelope(frame, settings)
    fitted = _cubic(envelope, np.ones(envelope.shape, bool))
    fitted = np.maximum(fitted, 0.1 * max(float(np.median(fitted)), 1e-9))
    low, high = np.quantile(envelope / fitted, (0.01, 0.99))
    if high - low > settings.edge:
        return np.ones_like(frame)
    return np.maximum(_enlarge(fitted, frame.shape), 1e-9).astype(np.float32)


def _cubic(image, where):
    """Cubic polynomial of row and column, everywhere, fitted to an image [h, w] where `where` is true."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    terms = np.stack([x**i * y**j for i in range(4) for j in range(4 - i)], -1)
    return terms @ np.linalg.lstsq(terms[where], image[where], rcond=None)[0]


def noise(image):
    """Standard deviation of white noise of an image [h, w], from its second differences (Immerkaer 1996)."""
    second = image[:-2] - 2 * image[1:-1] + image[2:]
    second = second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(second).mean())


def total_variation(image, scale, settings):
    """Image [h, w] without noise of standard deviation `scale`, its edges kept."""
    return scale * restoration.denoise_tv_chambolle(image / scale, weight=settings.tv, max_num_iter=100)


def denoise(image, settings=DEFAULT):
    """Gaussian of width `smooth`, then total variation of weight `tv` times the noise of the image [h, w] given."""
    scale = noise(image)
    smooth = filters.gaussian(image, settings.smooth, mode="reflect")
    return total_variation(smooth, scale, settings) if settings.tv and scale else smooth
