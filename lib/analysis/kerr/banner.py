"""What a microscope's program writes into its frames: banners along the sides, scale bars and the text beside them.

The camera's noise makes neighbours differ; what was drawn is exactly constant along a line, or saturated.
"""

import numpy as np
from scipy import ndimage

LARGEST = 1 / 3  # of the frame: a strip that is wider is no banner
EQUAL = 0.2  # of neighbours: frames with as little noise as this cannot tell what was drawn
MARGIN = 2  # pixels around what was found


def find_banner(image):
    """True where a banner or a scale bar is, bool [h, w].

    image: grey frame, float [h, w]

    Banner: a strip along any side with one grey value and text in it, also after JPEG compression, or zeros that a
    registration has left there. Scale bar: a horizontal rectangle at least 20 pixels long and 2 to 20 high, constant or
    saturated, with sharp sides; what has its grey value within 60 pixels is taken for its text.
    """
    mask = np.zeros(image.shape, bool)
    for turned, part in ((image, mask), (image.T, mask.T)):
        top, bottom = _strip(turned), _strip(turned[::-1])
        part[:top] = True
        part[len(part) - bottom :] = True
    return mask | _bars(image, mask)


def _strip(image):
    """Number of rows at the top that belong to a banner."""
    middle = np.median(image, axis=1)
    equal = (image == middle[:, None]).mean(1)  # the share of the row that has exactly one value
    typical = np.median(equal)
    allowed = int(LARGEST * len(image))
    flat = equal[:allowed] >= max(0.75, 1.5 * typical)
    if typical > 0.4 or not flat[:8].any():
        return 0
    ground, film = np.median(middle[:allowed][flat]), np.median(middle)
    # rows of text have less of one value; JPEG leaves ripples at the rim, but hardly moves the median
    like = (equal >= max(0.25, 1.5 * typical)) | (np.abs(middle - ground) < 0.1 * abs(ground - film))
    rows = int(np.argmin(like)) if not like.all() else len(like)
    return rows + MARGIN if rows <= allowed else 0


def _bars(image, banner):
    """True where a scale bar and its text are."""
    found = np.zeros(image.shape, bool)
    inside = image[~banner]
    alike = image[:, 1:] == image[:, :-1]
    if not inside.size or alike[~banner[:, 1:]].mean() > EQUAL:
        return found
    low, high, film = inside.min(), inside.max(), np.median(inside)
    near = 16 / 255 * (high - low)  # what JPEG does to a saturated bar
    runs = np.zeros(image.shape, bool)
    runs[:, 1:] = alike
    runs[:, :-1] |= alike
    for candidate in (runs, image >= high - near, image <= low + near):
        if candidate is not runs and candidate.mean() > 0.06:  # the brighter or darker domains
            continue
        for box in _boxes(candidate & ~banner):
            level = np.median(image[box])
            if _is_bar(image, box, level, film, near):
                around = tuple(slice(max(0, s.start - 60), s.stop + 60) for s in box)
                labels, _ = ndimage.label(np.abs(image[around] - level) < 0.35 * abs(level - film), np.ones((3, 3)))
                found[around] |= (np.bincount(labels.ravel()) >= 3)[labels] & (labels > 0)  # fewer are noise
    if found.any():
        found = ndimage.binary_dilation(found, iterations=MARGIN)
    return found & ~banner


def _boxes(candidate):
    """Bounds of the parts at least 20 pixels long and 2 high."""
    count = np.cumsum(candidate, axis=1, dtype=np.int32)
    if not (count[:, 20:] - count[:, :-20] == 20).any():  # the usual frame, in a tenth of the time
        return []
    return ndimage.find_objects(ndimage.label(ndimage.binary_opening(candidate, np.ones((2, 20))))[0])


def _is_bar(image, box, level, film, near):
    """A full rectangle with sharp sides: optics blur what is bright in the sample itself, and its outline is uneven."""
    height, width = (s.stop - s.start for s in box)
    if not (2 <= height <= 20 and width >= max(20, 3 * height)):
        return False
    rows, columns = box
    grown = image[max(0, rows.start - 1) : rows.stop + 1, max(0, columns.start - 1) : columns.stop + 1]
    ring = np.concatenate([grown[0], grown[-1], grown[:, 0], grown[:, -1]])
    full = np.mean(np.abs(image[box] - level) <= near)
    outside = np.mean(np.abs(ring - level) > 0.5 * abs(level - film))
    return full > 0.97 and outside > 0.9
