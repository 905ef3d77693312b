"""Overlap of the spins that the book finds in real Kerr frames with hand labels: writes kerr_iou.csv.

    python data/kerr_iou.py FOLDER

FOLDER holds images/*.png and labels/*.png of doi:10.5281/zenodo.10997175 (red: domain, blue: film without one, other
colours: no film, or a defect). The settings of `lib.analysis.kerr` were chosen on the development frames: twelve that
come with the book's reference material, every fourth of all, and every second of the rest, the worst of which were
looked at after a first trial. The others, the check frames, were seen as numbers only, and nothing was changed for
them. Columns:

    film: share of the frame that is film. iou: of this book, outside its mask and what is labelled as neither.
    otsu: of a Gaussian background (sigma 40) subtracted, a Gaussian (1.5), and Otsu's threshold.
"""

import csv
import sys
from pathlib import Path

import numpy as np
from skimage import filters, io

from lib.analysis import kerr

TWELVE = (0, 3, 16, 17, 36, 37, 56, 57, 83, 84, 105, 110)


def check_frames(n):
    """Numbers of the check frames among n."""
    rest = [k for k in range(n) if k % 4 != 1 and k not in TWELVE]
    return rest[1::2]


def overlap(image, label):
    """(film, iou, otsu) of a frame [h, w] and its label [h, w, 3]."""
    red, green, blue = (label[..., k] > 127 for k in range(3))
    domain, film = red & ~green & ~blue, (red | blue) & ~green & ~(red & blue)
    steps = kerr.segment(image)
    flat = filters.gaussian(image, 40) - filters.gaussian(image, 1.5)
    by_otsu = kerr.iou(flat > filters.threshold_otsu(flat), domain, ~film)
    return film.mean(), kerr.iou(steps.spins < 0, domain, ~film | steps.mask), by_otsu


def main(folder):
    frames = kerr.read_folder(folder / "images")
    with open(Path(__file__).with_name("kerr_iou.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["frame", "group", "film", "iou", "otsu"])
        for k, (name, image) in enumerate(zip(frames.names, frames.images, strict=True)):
            numbers = overlap(image, np.asarray(io.imread(folder / "labels" / name))[..., :3])
            table.writerow(
                [
                    name[:6],
                    "check" if k in check_frames(len(frames.names)) else "development",
                    *(f"{x:.4f}" for x in numbers),
                ]
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
