"""Frames of a folder as grey images; what cannot be used is skipped, and named."""

import hashlib
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.analysis.kerr.banner import find_banner
from lib.analysis.kerr.files import SUFFIXES, read_pages
from lib.errors import BookError

SMALLEST = 64  # pixels: a frame must have at least this side
FEW = 4  # grey values: an image with no more is a label
ONE_VALUE = 0.7  # of the pixels: a camera's noise leaves no more than this with one grey value


def heard(function, *arguments, **options):
    """(result, list of texts): what a function returns, and the warnings it gave, which a page prints as lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments, **options)
    return result, [str(warning.message) for warning in caught if issubclass(warning.category, UserWarning)]


class Frames(NamedTuple):
    """Usable frames of one size.

    names: tuple of texts, `file.tif[k]` for page k of several
    images: list of float32 [h, w], between 0 and 1 for integer files
    masks: list of bool [h, w], True where a banner or a scale bar is
    skipped: tuple of (name, reason)
    """

    names: tuple
    images: list
    masks: list
    skipped: tuple


def read_folder(folder, smallest=SMALLEST):
    """All frames of a folder, frame2 before frame10 -> `Frames`.

    folder: PNG, TIFF, JPEG and BMP files of 8, 16 or 32 bit or floating point; colours are made grey, the pages of a
        TIFF are frames; subfolders and hidden files are left out
    smallest: side in pixels that a frame must have

    A frame that cannot be read, is empty, constant, negative, too small, a label, a copy or not of the most common size
    is skipped, with one warning that names it; of two frames of different sizes the larger stays. BookError where there
    is no folder, no image or none that is usable, or where two sizes are equally common.
    """
    folder = Path(folder)
    images, masks, skipped, seen = {}, {}, {}, {}
    for file in _files(folder):
        pages, reason = _read(file)
        if reason:
            skipped[file.name] = reason
        for k, page in enumerate(pages):
            name = file.name if len(pages) == 1 else f"{file.name}[{k}]"
            reason, mask = _unusable(page, smallest)
            if not reason:
                first = seen.setdefault((page.shape, hashlib.sha256(page).digest()), name)
                reason = "" if first == name else f"is the same picture as {first}"
            if reason:
                skipped[name] = reason
            else:
                images[name], masks[name] = page, mask
    _one_size(folder, images, skipped)
    for name, reason in skipped.items():
        warnings.warn(f"skipped {name}: it {reason}", stacklevel=2)
    if not images:
        name, reason = next(iter(skipped.items()))
        raise BookError(f"{folder}: none of {len(skipped)} frames is usable; {name} {reason}")
    return Frames(tuple(images), list(images.values()), [masks[name] for name in images], tuple(skipped.items()))


def read_reference(file, shape):
    """Image of the saturated film, float32 [h, w]; the pages of a stack are averaged.

    file: an image as in `read_folder`
    shape: (h, w) of the frames

    BookError where it cannot be read, has no light or another size.
    """
    file = Path(file)
    if not file.is_file():
        raise BookError(f"{file}: no such file; give the image of the saturated film")
    pages, reason = _read(file)
    for page in pages:
        if page.shape != tuple(shape):
            reason = f"is {_size(page.shape)} pixels where the frames are {_size(shape)}; take it as they were taken"
        elif page.dtype == bool or not np.all(np.isfinite(page)) or page.min() < 0 or not page.any():
            reason = "has no light, or values that are negative or no numbers; save it again"
    if reason:
        raise BookError(f"{file}: the reference {reason}")
    return np.mean(pages, axis=0, dtype=np.float64).astype(np.float32)


def _files(folder):
    """Image files of a folder in natural order; BookError where there is none."""
    if not folder.is_dir():
        reason = "a file, no folder" if folder.is_file() else "no such folder"
        raise BookError(f"{folder}: {reason}; give the folder of the frames")
    files = [p for p in folder.iterdir() if p.is_file() and _is_image(p)]
    if files:
        return sorted(files, key=lambda p: (_natural(p.name), p.name))
    below = {p.name: sum(_is_image(q) for q in p.iterdir()) for p in folder.iterdir() if p.is_dir()}
    below = [f"{name} ({n})" for name, n in sorted(below.items(), key=lambda item: _natural(item[0])) if n]
    if below:
        names = ", ".join(below[:3]) + (", ..." if len(below) > 3 else "")
        raise BookError(f"{folder}: no image in it, but in its subfolders {names}; give one of them")
    raise BookError(f"{folder}: no PNG, TIFF, JPEG or BMP file in it; give the folder of the frames")


def _is_image(path):
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _natural(name):
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name.lower())]


def _size(shape):
    return f"{shape[1]} x {shape[0]}"


def _read(file):
    """Grey pages of a file, and why there are none."""
    if not file.stat().st_size:
        return [], "is empty; save it again"
    try:
        return read_pages(file), ""
    except Exception as problem:  # whatever a decoder makes of a broken file
        return [], f"cannot be read ({type(problem).__name__}); save it as PNG or uncompressed TIFF"


def _unusable(image, smallest):
    """(why a frame cannot be used or an empty text, mask of its banner)."""
    if min(image.shape) < smallest:
        return f"is too small, {_size(image.shape)} pixels; {smallest} are needed", None
    if image.dtype == bool:
        return "looks like labels: one bit a pixel", None
    if not np.all(np.isfinite(image)):
        return "has values that are no numbers; save it again", None
    if image.min() < 0:
        return "has negative values, perhaps a difference of two images; add an offset", None
    mask = find_banner(image)
    film = image[~mask]
    if film.size == 0 or np.ptp(film) <= 1e-6 * max(1e-12, float(film.max())):
        return "is constant; check the exposure", None
    if len(np.unique(film[::97])) <= FEW and len(values := np.unique(film)) <= FEW:  # few of the pixels tell mostly
        return f"looks like labels: only {len(values)} grey values", None
    if (share := np.mean(film == np.median(film))) > ONE_VALUE:
        return f"has one grey value in {share:.0%} of its pixels; check the exposure, or whether it is a label", None
    return "", mask


def _one_size(folder, images, skipped):
    """Moves what is not of the most common size from images to skipped; of two single images the larger stays."""
    sizes = Counter(image.shape for image in images.values()).most_common()
    if len(sizes) < 2:
        return
    keep = sizes[0][0]
    if sizes[0][1] == sizes[1][1]:
        keep = max((shape for shape, _ in sizes), key=np.prod)
        if len(images) > 2 or np.prod(sizes[0][0]) == np.prod(sizes[1][0]):
            named = ", ".join(f"{n} of {_size(shape)}" for shape, n in sizes[:4]) + (", ..." if len(sizes) > 4 else "")
            raise BookError(f"{folder}: no size of the frames is the most common: {named} pixels; give each its folder")
    for name in [name for name, image in images.items() if image.shape != keep]:
        size = _size(images.pop(name).shape)
        skipped[name] = f"is {size} pixels, the others {_size(keep)}"
