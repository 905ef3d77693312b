"""The length scale of domains, and spins of blocks of pixels in patches of L x L blocks."""

import warnings
from typing import NamedTuple

import numpy as np
from skimage import filters


class Period(NamedTuple):
    """Domain period in pixels (infinite where the spectrum has no peak), and the spectrum: k [m] in 1/pixel, S [m]."""

    period: float
    k: np.ndarray
    spectrum: np.ndarray


def domain_period(images, mask=None):
    """Period of the domains from the radially averaged spectrum -> `Period`.

    images: spins or contrast, [h, w] or [n, h, w]; ValueError below 16 pixels.
    mask: bool [h, w], pixels to leave out (set to the mean).

    The mean is removed and a Hann window applied; rings are 1 / (smaller side) wide. The period is 1 / k at the
    maximum, taken by a parabola through three points; a maximum in the first ring, or one below twice the first two
    rings, is no period.
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
    """Spins int8 [m, L, L] of blocks of pixels.

    origin: [m, 3], frame, row and column (in pixels) of each patch; dropped: how many have a masked block.
    block, block_um: side of one spin in pixels, and in micrometres (nan where the pixel size is not known).
    """

    spins: np.ndarray
    origin: np.ndarray
    dropped: int
    block: int
    block_um: float


def coarse_grain(spins, block, L, *, mask=None, pixel_um=float("nan"), seed=0):
    """Majority spins of blocks of `block` x `block` pixels, in patches of L x L blocks -> `Patches`.

    spins: +-1, or any number whose sign votes with its weight, such as threshold minus contrast, [h, w] or [n, h, w].
    block, L: side of a block in pixels and of a patch in blocks; ValueError where not a single patch fits.
    mask: bool [h, w] or [n, h, w], pixels that do not vote.

    Patches are cut from the upper left corner without overlap; one with a block that is masked by more than half is
    dropped. Patches of a larger image are not periodic, whatever a network on a torus assumes.
    """
    if int(block) != block or block < 1 or int(L) != L or L < 2:
        raise ValueError(f"block = {block}, L = {L}: give whole numbers, at least 1 pixel and 2 blocks")
    spins = np.asarray(spins)
    spins = spins[None] if spins.ndim == 2 else spins
    n, h, w = spins.shape
    rows, columns = h // (block * L), w // (block * L)
    if not rows * columns * n:
        raise ValueError(f"{L} blocks of {block} pixels do not fit into {w} x {h} pixels: take smaller ones or fewer")
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
