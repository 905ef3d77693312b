"""Figures of a folder of Kerr frames."""

import numpy as np

from lib.page import plotting


def steps(imaged, blocks):
    """A figure of the first frame: as taken, its light, its contrast, spins, and blocks; masked pixels are red."""
    import matplotlib.pyplot as plt

    shown = [imaged.frame, imaged.light, imaged.contrast[0], imaged.spins[0], blocks.spins[0]]
    titles = ["frame", "light", "contrast", "spins", "blocks"]
    figure, axes = plt.subplots(1, len(shown), figsize=(1.9 * len(shown), 2.2))
    for axis, image, title in zip(axes, shown, titles, strict=True):
        # contrast is positive in domains, which are dark in the frame
        limits = {"vmin": -1, "vmax": 1} if title in ("spins", "blocks") else {}
        axis.imshow(image, cmap="gray_r" if title == "contrast" else "gray", **limits)
        mask = imaged.mask[0] if title in ("contrast", "spins") else None
        if mask is not None and mask.any():
            axis.imshow(np.ma.masked_where(~mask, mask), cmap="autumn", alpha=0.6)
        axis.set(xticks=[], yticks=[], title=title)
    return figure


def in_time(worth):
    """A figure of the autocorrelation of magnetisation, nearest-neighbour sum and single blocks against frames."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    if not worth.series:
        axis.text(0.5, 0.5, "frames of different places have no order", ha="center", transform=axis.transAxes)
        return figure
    lags = int(np.clip(12 * worth.tau_int, 20, max(2, worth.n // 4)))
    for (name, rho), role in zip(worth.series.items(), plotting.ordered(3), strict=True):
        label = "single blocks: overlap" if name == "blocks" else name
        axis.plot(rho[:lags], **role.joined, ms=3, lw=1, label=label)
    axis.axhline(0, **plotting.guide)
    axis.set(xlabel="distance in the series (frames)", ylabel="autocorrelation")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend()
    return figure
