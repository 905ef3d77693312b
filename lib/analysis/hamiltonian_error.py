r"""Is it the Hamiltonian? A learned H_theta against the true H on given configurations.

On configurations of one temperature, H_theta = constant + slope (E - <E>) + curvature (E - <E>)^2 / 2. The truth
has slope 1 and curvature 0. Pearson's r is reported because it is customary, but it hardly can fail: H varies
so much over a sample that an H_theta with the wrong curvature, hence the wrong specific heat, still has r = 0.999.
"""

from typing import NamedTuple

import numpy as np


class Comparison(NamedTuple):
    """slope with its error over configurations; rms residual of the straight line (units of energy); Pearson's r."""

    slope: float
    slope_error: float
    curvature: float
    residual: float
    pearson: float


def compare(learned, true):
    """`Comparison` of energies learned [n] and true [n] of the same configurations, whole lattice; constants drop out.

    ValueError for fewer than 10 configurations or lists of different length.
    """
    x, y = np.asarray(true, float), np.asarray(learned, float)
    if len(x) != len(y) or len(x) < 10:
        raise ValueError(
            f"{len(y)} learned and {len(x)} true energies: give at least 10 of each, as many as each other"
        )
    x, y = x - x.mean(), y - y.mean()
    slope = (x @ y) / (x @ x)
    residual = y - slope * x
    # errors from the scatter of the residuals at each x (they are not equally spread)
    error = np.sqrt(((x * residual) ** 2).sum()) / (x @ x)
    curvature = 2 * np.polyfit(x, y, 2)[0]
    return Comparison(slope, error, curvature, residual.std(), np.corrcoef(x, y)[0, 1])
