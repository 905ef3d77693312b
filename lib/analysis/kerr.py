r"""From Kerr images to spins: flat-field, denoise, threshold, mask, coarse-grain; every step by scikit-image.

A polar Kerr image shows the out-of-plane magnetisation as a small change of brightness, I = I_0(r) [1 + c s(r)] +
noise with s = +-1, an uneven illumination I_0 and a camera's noise. The steps, with one set of `Settings` for all
frames:

flat-field
    x = 1 - I / I_0. For one frame, I_0 starts as its upper envelope, a morphological closing, which fills dark domains
    narrower than 2 `radius`, and becomes (twice) the smooth mean of the pixels outside the domains found so far. For a
    stack of frames of one place, between which the domains move, I_0 is the mean over the frames.
denoise
    A narrow Gaussian, then total variation, which keeps edges; its weight is in units of the noise of the frame.
    Sources: A. Chambolle, J. Math. Imaging Vis. 20, 89 (2004), for the functional of Rudin, Osher and Fatemi;
    noise: J. Immerkaer, Comput. Vis. Image Underst. 64, 300 (1996).
threshold
    Two classes by Otsu (IEEE Trans. Syst. Man Cybern. 9, 62 (1979)), then the threshold of least error for two
    Gaussians of equal width sigma around the class medians c_0, c_1 with n_0, n_1 pixels, t = (c_0 + c_1) / 2 +
    sigma^2 / (c_1 - c_0) ln(n_0 / n_1). In a single frame t is at least c_0 + 3 sigma: what does not stand out of the
    noise is no domain.
mask
    The edge of the sample (a step of I_0), and what is far brighter or darker than any domain. Specks go.
coarse-grain
    Majority in blocks of `block` x `block` pixels, cut into patches of L x L blocks.

Dark domains are s = -1, the rest +1 (with `Settings.bright`, bright ones are -1). Nothing here has seen a hand label:
`iou` compares with one afterwards. The blocks must be small against the domains: a block of more than a quarter of
the domain period aliases the pattern (`check_block` warns), and neighbours in a stripe pattern then look
antiferromagnetic.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from skimage import color, filters, io, measure, morphology, restoration, transform

from lib.errors import BookError

SUFFIXES = (".png", ".tif", ".tiff")
SMALLEST = 64  # pixels: a frame must have at least this side
SEPARATED = 2.5  # distance of two classes in units of the width of one, below which they are one
COARSE = 4  # the background is computed on every fourth pixel


@dataclass(frozen=True)
class Settings:
    """Lengths in pixels. The defaults are for domains 6 to 40 pixels wide; change them for all frames, not for one.

    smooth: sigma of the Gaussian. tv: weight of the total variation, in units of the noise of the frame (0 switches
    it off). radius: dark areas wider than 2 radius are background. edge: relative step of the illumination within
    radius that counts as the edge of the sample (subtract the camera's dark level first: on top of it a step looks
    smaller). small: specks below this fraction of the typical domain area go. sigmas: a domain of a single frame
    stands out of the background by this many standard deviations. bright: domains are brighter than the rest.
    """

    smooth: float = 1.5
    tv: float = 0.25
    radius: int = 24
    edge: float = 0.2
    small: float = 0.1
    sigmas: float = 3.0
    bright: bool = False

    def __post_init__(self):
        if not (0 <= self.smooth <= 20 and 0 <= self.tv <= 10):
            raise ValueError(f"smooth = {self.smooth}, tv = {self.tv}: give 0 to 20 pixels, and 0 to 10")
        if not 2 * COARSE <= self.radius <= 500:
            raise ValueError(f"radius = {self.radius}: give 8 to 500 pixels, more than half the width of a domain")
        if not (0 < self.edge <= 1 and 0 <= self.small < 1):
            raise ValueError(f"edge = {self.edge}, small = {self.small}: give numbers between 0 and 1")
        if not 0 <= self.sigmas <= 10:
            raise ValueError(f"sigmas = {self.sigmas}: give 0 to 10 standard deviations")


# ---------------------------------------------------------------- reading


def heard(function, *arguments, **options):
    """(result, list of texts): what a function returns, and the warnings it gave, which a page prints as lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments, **options)
    return result, [str(warning.message) for warning in caught]


class Frames(NamedTuple):
    """Usable frames: names, images (float32 [h, w] between 0 and 1 for integer files), and skipped (name, reason)."""

    names: tuple
    images: list
    skipped: tuple


def read_folder(folder, smallest=SMALLEST):
    """All PNG and TIFF frames of a folder, in the order of their names -> `Frames`.

    8 or 16 bit, or floating point; grey or colour (made grey); pages of a TIFF become frames. A frame that cannot be
    read, is empty, constant, negative, or has a side below `smallest` pixels is skipped, with one warning that names
    it. BookError where there is no folder, no image, or none that is usable.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BookError(f"image_dir = {folder}: no such folder; give the folder of the PNG or TIFF frames")
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise BookError(f"image_dir = {folder}: no PNG or TIFF file in it; give the folder of the frames")
    names, images, skipped = [], [], []
    for file in files:
        try:
            pages = _pages(io.imread(file) if file.stat().st_size else np.empty(0))
        except Exception as problem:  # whatever a decoder makes of a broken file
            pages, reason = [], f"cannot be read ({type(problem).__name__}); save it as PNG or uncompressed TIFF"
        else:
            reason = "is empty; save it again"
        if not pages:
            skipped.append((file.name, reason))
        for k, page in enumerate(pages):
            name = file.name if len(pages) == 1 else f"{file.name}[{k}]"
            reason = _unusable(page, smallest)
            if reason:
                skipped.append((name, reason))
            else:
                names.append(name)
                images.append(page)
    for name, reason in skipped:
        warnings.warn(f"skipped {name}: it {reason}", stacklevel=2)
    if not images:
        raise BookError(
            f"image_dir = {folder}: none of {len(skipped)} frames is usable; {skipped[0][0]} {skipped[0][1]}"
        )
    return Frames(tuple(names), images, tuple(skipped))


def _pages(image):
    """Grey float32 frames of whatever imread returned."""
    image = np.asarray(image)
    if image.size == 0 or image.ndim < 2 or image.ndim > 4:
        return []
    if image.dtype.kind in "ub":
        top = 1 if image.dtype.kind == "b" else np.iinfo(image.dtype).max
        image = image.astype(np.float32) / np.float32(top)
    image = image.astype(np.float32)
    if image.ndim == 4 or (image.ndim == 3 and image.shape[-1] not in (2, 3, 4)):
        return [grey for page in image for grey in _pages(page)]
    if image.ndim == 3:
        image = color.rgb2gray(image[..., :3]) if image.shape[-1] > 2 else image[..., 0]  # transparency is dropped
    return [np.ascontiguousarray(image, dtype=np.float32)]


def _unusable(image, smallest):
    """Why a frame cannot be used, or an empty text."""
    if min(image.shape) < smallest:
        return f"is too small, {image.shape[1]} x {image.shape[0]} pixels; {smallest} are needed"
    if not np.all(np.isfinite(image)):
        return "has values that are no numbers; save it again"
    if image.min() < 0:
        return "has negative values, perhaps a difference of two images; add an offset"
    if np.ptp(image) <= 1e-6 * max(1e-12, float(np.abs(image).max())):
        return "is constant; check the exposure"
    return ""


# ---------------------------------------------------------------- flat field


def _envelope(frame, settings):
    """Upper envelope of a frame over discs of this radius, on every COARSE-th pixel: dark domains are filled, bright
    ones cut.
    """
    smooth = filters.gaussian(frame, 3, mode="nearest")[::COARSE, ::COARSE]
    pad = settings.radius // COARSE + 1
    fill = morphology.opening if settings.bright else morphology.closing
    envelope = fill(np.pad(smooth, pad, mode="edge"), morphology.disk(settings.radius // COARSE))
    return envelope[pad:-pad, pad:-pad]


def _enlarge(coarse, shape):
    return transform.resize(coarse, shape, order=1, mode="edge", anti_aliasing=False)


def background(frame, settings=Settings()):
    """First estimate of the illumination I_0 [h, w] of a frame [h, w]: its envelope, smoothed; positive everywhere."""
    light = _enlarge(filters.gaussian(_envelope(frame, settings), settings.radius / 8, mode="nearest"), frame.shape)
    return np.maximum(light, 1e-6 * max(float(light.max()), 1e-9))


def sample_edge(frame, settings=Settings()):
    """Where I_0 changes by more than `edge` within `radius`: edge of the sample or a blot, not light. bool [h, w]."""
    closed = _envelope(frame, settings)
    pad = settings.radius // COARSE
    window = morphology.footprint_rectangle((2 * pad + 1,) * 2)
    padded = np.pad(closed, pad, mode="edge")
    step = morphology.dilation(padded, window) - morphology.erosion(padded, window)
    step = step[pad : pad + closed.shape[0], pad : pad + closed.shape[1]] / np.maximum(closed, 1e-9)
    return _enlarge(step, frame.shape) > settings.edge


def mean_outside(image, outside, sigma):
    """Gaussian mean (sigma in pixels) of the pixels of image [h, w] where `outside` [h, w] is true, everywhere."""
    weight = outside.astype(np.float32)
    total = filters.gaussian(filters.gaussian(image * weight, 2)[::COARSE, ::COARSE], sigma / COARSE, mode="nearest")
    count = filters.gaussian(filters.gaussian(weight, 2)[::COARSE, ::COARSE], sigma / COARSE, mode="nearest")
    seen = count > 1e-3
    if not seen.any():
        return np.ones_like(image)
    mean = np.where(seen, total / np.maximum(count, 1e-3), np.median(total[seen] / count[seen]))
    return _enlarge(mean, image.shape)


# ---------------------------------------------------------------- denoise, threshold


def noise(image):
    """Standard deviation of white noise of an image [h, w], from its second differences (Immerkaer 1996)."""
    second = image[:-2] - 2 * image[1:-1] + image[2:]
    second = second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(second).mean())


def denoise(image, settings=Settings()):
    """Gaussian of width `smooth`, then total variation of weight `tv` times the noise of the image [h, w] given."""
    scale = noise(image)
    smooth = filters.gaussian(image, settings.smooth, mode="nearest")
    if settings.tv == 0 or scale == 0:
        return smooth
    return scale * restoration.denoise_tv_chambolle(smooth / scale, weight=settings.tv, max_num_iter=100)


class Threshold(NamedTuple):
    """The threshold of x, the two class medians, and their distance in units of the width of the lower class.

    Below a separation of 2.5 (SEPARATED) there is no second class: white noise alone, cut by Otsu, has 1.8.
    """

    value: float
    low: float
    high: float
    separation: float


def threshold(x, mask=None, sigmas=0.0):
    """Threshold of least error (top of this file) of contrast x (any shape), leaving out mask -> `Threshold`.

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
    labels = measure.label(dark, connectivity=1)
    area = np.bincount(labels.ravel()).astype(float)
    area[0] = 0
    if fraction == 0 or area.sum() == 0:
        return dark
    disc = 9 * np.pi * ndimage.distance_transform_edt(dark)[dark].mean() ** 2
    return (area >= fraction * min((area**2).sum() / area.sum(), disc))[labels]


class Steps(NamedTuple):
    """One frame through the pipeline, every array [h, w].

    `flat`: relative contrast with its noise, positive in domains; `smooth`: the same, denoised. `noise`: of `flat`.
    `spins`: int8, -1 in domains. `mask`: True where the spins mean nothing. `threshold`: `Threshold` of `smooth`.
    """

    frame: np.ndarray
    background: np.ndarray
    flat: np.ndarray
    smooth: np.ndarray
    mask: np.ndarray
    spins: np.ndarray
    threshold: Threshold
    noise: float


def segment(frame, settings=Settings()):
    """One frame [h, w], on its own, through flat-field, denoise, threshold and mask -> `Steps`.

    The radius must be larger than half the width of a domain. A frame whose contrast has no two classes (separation
    below 3: saturated film, or too noisy) has no domains. ValueError for anything but a two-dimensional array, and
    for a frame without contrast.
    """
    frame = np.asarray(frame, dtype=np.float32)
    if frame.ndim != 2:
        raise ValueError(f"frame of shape {frame.shape}: give one grey image [h, w]")
    sign = 1 if settings.bright else -1
    light, edge = background(frame, settings), sample_edge(frame, settings)
    if edge.mean() > 0.9:
        raise ValueError("the illumination has steps everywhere: raise `edge`, or leave the frame out")
    ratio = frame / light
    x = denoise(ratio, settings)
    for _ in range(2):  # the envelope is high by some of the noise: take the mean of what lies outside the domains
        domains = _above(sign * (x - 1), threshold(sign * (x - 1), edge))
        correction = mean_outside(x, ~morphology.dilation(domains, morphology.disk(2)) & ~edge, settings.radius)
        x, ratio, light = x / correction, ratio / correction, light * correction
    contrast = sign * (x - 1)
    found = threshold(contrast, edge, settings.sigmas)
    mask = edge | defects(contrast, found)
    domains = remove_specks(_above(contrast, found) & ~mask, settings.small)
    spins = np.where(domains, -1, 1).astype(np.int8)
    return Steps(frame, light, sign * (ratio - 1), contrast, mask, spins, found, noise(ratio))


def defects(contrast, found):
    """Pixels far brighter than the background or far darker than the domains, and 2 pixels around. bool [h, w]."""
    depth = found.high - found.low
    far = (contrast < found.low - 1.5 * depth) | (contrast > found.high + 1.5 * depth)
    return morphology.dilation(far, morphology.disk(2))


def iou(found, label, ignore=None):
    """Intersection over union of two boolean images [h, w], without the pixels `ignore`; 1 if both are empty."""
    found, label = np.asarray(found, dtype=bool), np.asarray(label, dtype=bool)
    if found.shape != label.shape:
        raise ValueError(f"{found.shape} against {label.shape}: the two images must have the same size")
    if ignore is not None:
        found, label = found & ~ignore, label & ~ignore
    union = (found | label).sum()
    return float((found & label).sum() / union) if union else 1.0


# ---------------------------------------------------------------- many frames of one place

STACK = Settings(smooth=0.5, tv=0.0, small=0.0, sigmas=0.0)


class Stack(NamedTuple):
    """Frames of one place: background and mask [h, w], contrast `smooth` (float32) and spins (int8) [n, h, w]."""

    background: np.ndarray
    smooth: np.ndarray
    mask: np.ndarray
    spins: np.ndarray
    threshold: Threshold


def segment_stack(frames, settings=STACK):
    """Frames [n, h, w] of one place, n >= 16, between which the domains have moved -> `Stack`.

    The mean over the frames is the illumination, fixed pattern of the camera included; a pixel that hardly changes is
    a defect. One threshold for all frames, so that a frame may be all of one sign. Of `settings`, smooth, tv and
    bright matter. Where the domains do not move, or keep a net magnetisation, the mean is no background: use
    `segment`; n independent frames leave 1 / sqrt n of the contrast in it. ValueError for frames of another shape, too
    few, or without contrast.
    """
    frames = np.asarray(frames)
    if frames.ndim != 3 or len(frames) < 16:
        raise ValueError(f"frames of shape {frames.shape}: give at least 16 frames of one place, [n, h, w]")
    sign = np.float32(1 if settings.bright else -1)
    light = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    contrast = frames.astype(np.float32)
    contrast /= np.maximum(light, 1e-6 * max(float(light.max()), 1e-9))
    contrast -= 1
    contrast *= sign
    deviation = contrast[: 256 if len(frames) > 256 else None].std(axis=0)
    mask = (deviation < 0.25 * np.median(deviation)) | (deviation > 4 * np.median(deviation))
    contrast[:, mask] = 0
    if settings.smooth:
        width = (0, settings.smooth, settings.smooth)
        contrast = filters.gaussian(contrast, width, mode="nearest", preserve_range=True)
    if settings.tv:
        scale = noise(frames[0] / np.maximum(light, 1e-9))
        for k in range(len(contrast)):
            contrast[k] = scale * restoration.denoise_tv_chambolle(
                contrast[k] / scale, weight=settings.tv, max_num_iter=100
            )
    found = threshold(contrast[:, ~mask][:: max(1, len(frames) // 500)])
    spins = np.where(contrast > np.float32(found.value), np.int8(-1), np.int8(1))
    return Stack(light, contrast, mask, spins, found)


# ---------------------------------------------------------------- the length scale, and blocks


class Period(NamedTuple):
    """Domain period in pixels (infinite where the spectrum has no peak), and the spectrum: k [m] in 1/pixel, S [m]."""

    period: float
    k: np.ndarray
    spectrum: np.ndarray


def domain_period(images, mask=None):
    """Period of the domains from the radially averaged spectrum of images [h, w] or [n, h, w] -> `Period`.

    images: spins or contrast. mask [h, w]: pixels to leave out (set to the mean). The mean is removed and a Hann
    window applied; rings are 1 / (smaller side) wide. The period is 1 / k at the maximum, taken by a parabola through
    three points; a maximum in the first ring, or one below twice the first two rings, is no period.
    """
    images = np.atleast_3d(np.asarray(images, dtype=np.float32).T).T  # [h, w] -> [1, h, w]
    n, h, w = images.shape
    if min(h, w) < 16:
        raise ValueError(f"images of {w} x {h} pixels: a period needs a side of at least 16")
    window = np.outer(filters.window("hann", h), filters.window("hann", w)).astype(np.float32)
    keep = np.ones((h, w), bool) if mask is None else ~mask
    weight = window * keep
    k = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w))
    side = min(h, w)
    ring = np.rint(k * side).astype(int)
    power = np.zeros(ring.shape)
    for image in images:
        mean = (image * weight).sum() / max(weight.sum(), 1e-9)
        power += np.abs(np.fft.rfft2((image - mean) * weight)) ** 2 / n
    inside = slice(1, side // 2 + 1)
    count = np.maximum(np.bincount(ring.ravel()), 1)[inside]
    spectrum = np.bincount(ring.ravel(), power.ravel())[inside] / count / (weight**2).sum()
    k_mean = np.bincount(ring.ravel(), k.ravel())[inside] / count
    top = int(np.argmax(spectrum))
    if top == 0 or top == len(spectrum) - 1 or spectrum[top] < 2 * spectrum[: min(2, top)].mean():
        return Period(float("inf"), k_mean, spectrum)
    a, b, c = np.log(np.maximum(spectrum[top - 1 : top + 2], 1e-300))
    curvature = a - 2 * b + c
    shift = 0.5 * (a - c) / curvature if curvature < 0 else 0.0
    return Period(float(1 / (k_mean[top] + shift / side)), k_mean, spectrum)


def check_block(block, period):
    """True if blocks of `block` pixels resolve domains of this period (in pixels); else one warning, and False."""
    if block <= period / 4:
        return True
    advice = f"take blocks of at most {int(period // 4)} pixels" if period >= 4 else "take images of higher resolution"
    warnings.warn(f"blocks of {block} pixels alias a domain period of {period:.1f} pixels: {advice}", stacklevel=2)
    return False


class Patches(NamedTuple):
    """Spins int8 [m, L, L]; `origin` [m, 3]: frame, row and column (in pixels) of each; `dropped`: patches with a
    masked block.

    `block` in pixels, `block_um`: side of one spin in micrometres, nan where the pixel size is not known.
    """

    spins: np.ndarray
    origin: np.ndarray
    dropped: int
    block: int
    block_um: float


def coarse_grain(spins, block, L, *, mask=None, pixel_um=float("nan"), seed=0):
    """Majority spins of blocks of `block` x `block` pixels, in patches of L x L blocks -> `Patches`.

    spins: +-1, or any number whose sign votes with its weight, such as threshold minus contrast, [h, w] or [n, h, w];
    mask: bool [h, w] or [n, h, w], pixels that do not vote. Patches are cut from the upper left corner without
    overlap; one with a block that is masked by more than half is dropped. Ties fall at random (seed). pixel_um: size
    of a pixel on the sample. ValueError where not a single patch fits. Patches of a larger image are not periodic,
    whatever a network on a torus assumes.
    """
    if int(block) != block or block < 1 or int(L) != L or L < 2:
        raise ValueError(f"block = {block}, L = {L}: give whole numbers, at least 1 pixel and 2 blocks")
    spins = np.asarray(spins)
    spins = spins[None] if spins.ndim == 2 else spins
    n, h, w = spins.shape
    rows, columns = h // (block * L), w // (block * L)
    if not rows * columns * n:
        raise ValueError(
            f"{L} blocks of {block} pixels do not fit into {w} x {h} pixels: smaller blocks or a smaller L"
        )
    cut = np.s_[:, : rows * L * block, : columns * L * block]
    vote = spins[cut]
    if mask is not None:
        mask = np.broadcast_to(mask, spins.shape)[cut]
        vote = np.where(mask, vote.dtype.type(0), vote)
    blocks = (n, rows * L, block, columns * L, block)
    total = vote.reshape(blocks).sum((2, 4), dtype=np.int32 if vote.dtype.kind in "iu" else np.float64)
    tie = np.random.default_rng(seed).integers(2, size=total.shape) * 2 - 1
    majority = np.where(total == 0, tie, np.sign(total)).astype(np.int8)

    def patches(values):
        return values.reshape(n, rows, L, columns, L).swapaxes(2, 3).reshape(-1, L, L)

    origin = np.stack(np.meshgrid(np.arange(n), np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 3)
    origin = origin * (1, L * block, L * block)
    found, keep = patches(majority), slice(None)
    if mask is not None:
        keep = (patches(mask.reshape(blocks).mean((2, 4))) <= 0.5).all((1, 2))
    found, kept = np.ascontiguousarray(found[keep]), origin[keep]
    return Patches(found, kept, len(origin) - len(found), int(block), float(block * pixel_um))
