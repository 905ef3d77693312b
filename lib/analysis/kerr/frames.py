"""Frames of a folder as grey images; what cannot be used is skipped, and named."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from skimage import color, io

from lib.errors import BookError

SUFFIXES = (".png", ".tif", ".tiff")
SMALLEST = 64  # pixels: a frame must have at least this side


def heard(function, *arguments, **options):
    """(result, list of texts): what a function returns, and the warnings it gave, which a page prints as lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments, **options)
    return result, [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


class Frames(NamedTuple):
    """Usable frames, float32 [h, w] each, between 0 and 1 for integer files; skipped: (name, reason) each."""

    names: tuple
    images: list
    skipped: tuple


def read_folder(folder, smallest=SMALLEST):
    """All PNG and TIFF frames of a folder, in the order of their names -> `Frames`.

    smallest: side in pixels that a frame must have.

    8 or 16 bit, or floating point; grey or colour (made grey); pages of a TIFF become frames. A frame that cannot be
    read, is empty, constant, negative or too small is skipped, with one warning that names it. BookError where there is
    no folder, no image, or none that is usable.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BookError(f"image_dir = {folder}: no such folder; give the folder of the PNG or TIFF frames")
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not files:
        raise BookError(f"image_dir = {folder}: no PNG or TIFF file in it; give the folder of the frames")
    images, skipped = {}, {}
    for file in files:
        pages, reason = _read(file)
        if reason:
            skipped[file.name] = reason
        for k, page in enumerate(pages):
            name = file.name if len(pages) == 1 else f"{file.name}[{k}]"
            reason = _unusable(page, smallest)
            if reason:
                skipped[name] = reason
            else:
                images[name] = page
    for name, reason in skipped.items():
        warnings.warn(f"skipped {name}: it {reason}", stacklevel=2)
    if not images:
        name, reason = next(iter(skipped.items()))
        raise BookError(f"image_dir = {folder}: none of {len(skipped)} frames is usable; {name} {reason}")
    return Frames(tuple(images), list(images.values()), tuple(skipped.items()))


def _read(file):
    """Grey pages of a file, and why there are none."""
    if not file.stat().st_size:
        return [], "is empty; save it again"
    try:
        pages = _pages(io.imread(file))
    except Exception as problem:  # whatever a decoder makes of a broken file
        return [], f"cannot be read ({type(problem).__name__}); save it as PNG or uncompressed TIFF"
    return pages, "" if pages else "is empty; save it again"


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
