r"""Two classes of contrast x, positive in domains: where they lie, and the threshold between them.

Common domains: two classes by Otsu (IEEE Trans. Syst. Man Cybern. 9, 62 (1979)), c_0 and c_1 their medians, sigma
the width of the lower class on its outer side.

Rare domains: where Otsu's classes are less than SEPARATED sigma apart there is one class, or hardly any pixel in the
second, and Otsu has cut the noise in two. Then the second class is what stands out of the noise, at least `far` widths
after a Gaussian that is nearly as wide as the smallest domain. Where nothing does, there are no domains: the film is
saturated, or the noise too strong, and the threshold is infinite.

The threshold is halfway, or, for single pixels, that of least error for two Gaussians of equal width with n_0 and n_1
pixels,

    t = (c_0 + c_1) / 2 + sigma^2 / (c_1 - c_0) ln(n_0 / n_1).
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.stats import norm
from skimage import filters

SEPARATED = 2.5  # distance of two classes in widths of one below which they are one; Otsu cuts white noise at 1.8
FEWEST = 20  # pixels of a second class


class Threshold(NamedTuple):
    """A threshold of x.

    low, high: medians of the two classes; equal where there is one only.
    separation: their distance in widths of one; 0 where there is one only, and `value` is infinite.
    seed: of x smoothed once more: what is above belongs to a domain (below, for rare domains on the lower side); nan
        unless domains are rare.
    """

    value: float
    low: float
    high: float
    separation: float
    seed: float = float("nan")

    @property
    def found(self):
        """Is there a second class?"""
        return self.separation >= SEPARATED


def width(x, centre):
    """Standard deviation of a class about its centre, from its lower side; 0.32 of half a Gaussian is beyond it."""
    lower = x[x < centre]
    return centre - float(np.quantile(lower, 0.32)) if len(lower) else 0.0


def interior(inside):
    """Where the four neighbours, in the plane of [h, w] or [n, h, w], are inside as well; `inside` if that is empty."""
    cross = ndimage.generate_binary_structure(2, 1)
    core = ndimage.binary_erosion(inside, cross[(None,) * (inside.ndim - 2)])
    return core if core.sum() >= FEWEST else inside


def smoothed(contrast, sigma):
    """Gaussian of the plane of [h, w] or [n, h, w], sigma in pixels."""
    each = (0,) * (contrast.ndim - 2) + (sigma, sigma)
    return filters.gaussian(contrast, each, mode="reflect", preserve_range=True)


def two_classes(contrast, mask=None, *, coarse=3.0, far=6.0, sigmas=0.0, halfway=False, both_sides=False):
    """`Threshold` of a contrast [h, w] or [n, h, w].

    mask: bool [h, w], pixels to leave out.
    coarse: sigma in pixels of the Gaussian that shows rare domains. far: widths by which they stand out after it.
    sigmas: smallest distance of the threshold from the lower class, in its widths.
    halfway: threshold halfway between the cores of the classes, whatever the numbers of pixels.
    both_sides: the lower class may be the smaller one.

    ValueError for a contrast that is the same everywhere.
    """
    keep = np.ones(contrast.shape[-2:], bool) if mask is None else ~mask
    x = contrast[..., keep].ravel()
    if x.size < 2 or np.ptp(x) == 0:
        raise ValueError("a frame without contrast has no two classes; leave it out")

    def between(above, below, seed=np.nan):
        low, high = (float(np.median(contrast[part & keep])) for part in (below, above))
        # the outer side of the larger class is free of the edges of domains
        sigma = width(-x, -high) if both_sides and above.sum() > below.sum() else width(x, low)
        if halfway:  # the edges of small domains are blurred: their cores say how deep they are
            cores = [float(np.median(contrast[interior(part & keep)])) for part in (below, above)]
            value = sum(cores) / 2
        else:
            value = (low + high) / 2
            share = (above & keep).sum() / x.size
            quarter = (high - low) / 4
            value += np.clip(sigma**2 / (high - low) * np.log((1 - share) / share), -quarter, quarter)
            value = max(value, low + min(sigmas * sigma, 3 * quarter))
        return Threshold(float(value), low, high, (high - low) / max(sigma, 1e-12), float(seed))

    above = contrast > filters.threshold_otsu(x)
    common = between(above, ~above)
    if common.found:
        return common
    coarse = smoothed(contrast, coarse)
    middle = float(np.median(coarse[..., keep]))
    for side in (1, -1) if both_sides else (1,):
        level = middle + side * far * width(side * coarse[..., keep], side * middle)
        out = (side * coarse > side * level) & keep
        if out.sum() < FEWEST + 10 * x.size * norm.sf(far):
            continue
        for _ in range(5):  # the Gaussian has made them wider: keep what is beyond halfway
            out &= side * (contrast - (middle + np.median(contrast[out])) / 2) > 0
        rare = between(out, ~out, level) if side > 0 else between(~out, out, level)
        if rare.found:
            return rare
    centre = float(np.median(x))
    return Threshold(float("inf"), centre, centre, 0.0)
