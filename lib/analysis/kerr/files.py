"""Image files -> grey pages: tifffile knows the stacks of every microscope's program, Pillow the compressions."""

import logging
import warnings

import numpy as np
from PIL import Image
from tifffile import TiffFile, TiffFileError

SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".bmp")
COLOURS = ("RGB", "PALETTE")
LUMA = np.array([0.2125, 0.7154, 0.0721], np.float32)  # ITU-R BT.709


def read_pages(file):
    """Grey pages of an image file: a list of float32 [h, w], or of bool [h, w] where the file has one bit a pixel.

    file: path; integers are divided by the maximum of their type, floating point stays; transparency is dropped

    Pages of a TIFF are frames, three or four of them too: only a page that says it is RGB is a colour. Raises whatever
    a decoder makes of a broken file, OSError and ValueError mostly.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow: metadata it does not understand
        if file.suffix.lower() not in (".tif", ".tiff"):
            with Image.open(file) as image:
                return [_grey(*_pillow(image))]
        try:
            return _tiff(file)
        except TiffFileError:  # another format under this name
            pass
        except ValueError as problem:
            if "imagecodecs" not in str(problem):  # LZW, JPEG: libtiff in Pillow reads them
                raise
        with Image.open(file) as image:
            found = []
            for k in range(getattr(image, "n_frames", 1)):
                image.seek(k)
                found.append(_grey(*_pillow(image)))
            return found


def _tiff(file):
    problems = []

    def note(record):
        problems.append(record.getMessage())
        return False

    log = logging.getLogger("tifffile")
    log.addFilter(note)
    try:
        with TiffFile(file) as tif:
            page = tif.pages[0]
            # ImageJ and others store one header for all the frames that follow it
            whole = len(tif.pages) == 1 and not tif.is_ome and tif.series and tif.series[0].size > page.size
            if whole:
                found = [_page(page, x) for x in tif.series[0].asarray().reshape(-1, *page.shape)]
            else:
                found = [_page(page, page.asarray()) for page in tif.pages]
            found = [grey for greys in found for grey in greys]
            promised = (tif.imagej_metadata or {}).get("images", 1) if tif.is_imagej else 1
    finally:
        log.removeFilter(note)
    if promised > len(found) or any("offset" in text for text in problems):
        raise ValueError("truncated")
    return found


def _page(page, image):
    """Grey frames of one page of tifffile."""
    kind = page.photometric.name
    if kind == "PALETTE":
        return [_grey(np.moveaxis(page.colormap[:, image], 0, -1), True)]
    if kind not in ("RGB", "MINISBLACK", "MINISWHITE") or page.axes not in ("YX", "YXS", "SYX"):
        raise ValueError(f"imagecodecs: {kind} {page.axes} is left to Pillow")
    planes = image[None] if page.axes == "YX" else image if page.axes == "SYX" else np.moveaxis(image, -1, 0)
    if kind == "RGB":
        return [_grey(np.moveaxis(planes, 0, -1), True)]
    extra = [e.name for e in page.extrasamples]
    if len(planes) == 2 and extra and extra[0] != "UNSPECIFIED":  # grey and alpha; else the planes are a stack
        planes = planes[:1]
    return [_grey(plane, False, negative=kind == "MINISWHITE") for plane in planes]


def _pillow(image):
    """(array, colour, negative) of the present page of a Pillow image."""
    if image.mode == "I" and image.format == "TIFF":  # Pillow's one type of integers: back to the type of the file
        bits, kind = image.tag_v2.get(258, (32,))[0], image.tag_v2.get(339, (1,))[0]
        return np.asarray(image).astype(f"{'i' if kind == 2 else 'u'}{bits // 8}"), False
    if image.mode in ("L", "F", "I", "1") or image.mode.startswith("I;16"):
        turned = image.mode.startswith("I;16") and image.format == "TIFF" and image.tag_v2.get(262) == 0
        return np.asarray(image), False, turned
    if image.mode == "LA":
        return np.asarray(image)[..., 0], False
    return np.asarray(image.convert("RGB")), True


def _grey(image, colour, negative=False):
    """Scaled, and colours [h, w, 3 or more] made grey; bool stays."""
    if image.dtype.kind == "b":
        return image
    if image.dtype.kind not in "uif":
        raise ValueError(f"values of type {image.dtype}")
    if colour and all(np.array_equal(image[..., 0], image[..., k]) for k in (1, 2)):
        image, colour = image[..., 0], False  # the very numbers of the grey file
    if image.dtype.kind in "ui":
        top = np.iinfo(image.dtype).max
        image = image.astype(np.float64 if image.dtype.itemsize > 2 else np.float32) / top
        image = 1 - image if negative else image
    image = image.astype(np.float32)
    return np.ascontiguousarray(image[..., :3] @ LUMA if colour else image)
