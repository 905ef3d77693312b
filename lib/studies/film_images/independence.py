r"""How many pictures a series of frames is worth, and what in it never changes.

Three times: of the magnetisation, of the nearest-neighbour sum, and of the single blocks, whose autocorrelation around
the mean of all is the overlap q(t) = (<s_t s_t+t'> - <s>^2) / (1 - <s>^2). A pattern that is frozen has q = 1 at all
distances, whatever the noise of the camera makes of the other two. tau_int = 1/2 + sum of rho, in frames.
"""

from dataclasses import dataclass

import numpy as np

from lib.statistics import autocorrelation, integrated_time


@dataclass(frozen=True)
class Independence:
    """Of n frames.

    series: name -> autocorrelation at 0, 1, ... frames [lags]; `blocks` is the overlap.
    tau_int: the largest, in frames; 1/2 for frames of different places.
    overlap: of successive frames, nan for a single one and for different places.
    stuck: part of the blocks with one sign in all frames, beyond what independent frames would leave.
    """

    n: int
    series: dict
    tau_int: float
    overlap: float
    stuck: float

    @property
    def n_effective(self):
        """How many independent frames they are worth, at least 1."""
        return max(1.0, self.n / (2 * self.tau_int))


def independence(blocks, mask=None, one_place=True):
    """`Independence` of blocks, spins [n, R, C], in the order in which they were taken.

    mask: bool [R, C], blocks to leave out. one_place: False for frames of different places, which have no order.
    """
    n, R, C = blocks.shape
    keep = np.ones((R, C), bool) if mask is None else ~mask
    if n < 2 or not one_place or not keep.any():
        return Independence(n, {}, 0.5, float("nan"), float("nan"))
    s = blocks.astype(float)
    right, below = keep & np.roll(keep, -1, 1), keep & np.roll(keep, -1, 0)
    right[:, -1] = below[-1] = False
    pairs = (s * np.roll(s, -1, 2))[:, right].sum(1) + (s * np.roll(s, -1, 1))[:, below].sum(1)
    inside = s[:, keep]
    every = {"magnetisation": inside.mean(1), "neighbours": pairs, "blocks": inside}
    rho = {name: autocorrelation(each) for name, each in every.items()}
    up = float((inside > 0).mean())
    stuck = float((np.abs(inside.mean(0)) == 1).mean()) - up**n - (1 - up) ** n
    tau = max(integrated_time(each) for each in every.values())
    return Independence(n, rho, tau, float(rho["blocks"][1]), stuck)
