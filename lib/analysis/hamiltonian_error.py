r"""Is it the Hamiltonian? A learned H_theta against the true H on given configurations, and against its symmetries.

On configurations of one temperature, H_theta = constant + slope (E - <E>) + curvature (E - <E>)^2 / 2. The truth
has slope 1 and curvature 0. Pearson's r is reported because it is customary, but it hardly can fail: H varies
so much over a sample that an H_theta with the wrong curvature, hence the wrong specific heat, still has r = 0.999.

Symmetries need no truth. The talk's test: H(g s) against H(s). A symmetry that is built into the network holds to
rounding; one that had to be learned holds as well as the data and the training allow.
"""

from typing import NamedTuple

import numpy as np


class Comparison(NamedTuple):
    """H_theta as a function of H: slope, its error over configurations and rms residual of the straight line (units of
    energy), curvature of the parabola (per unit of energy), correlation coefficient."""

    slope: float
    slope_error: float
    curvature: float
    residual: float
    pearson: float


def compare(learned, true):
    """`Comparison` of energies [n] of the same configurations and of the whole lattice; constants drop out.

    ValueError for fewer than 10 configurations or lists of different length.
    """
    x, y = np.asarray(true, float), np.asarray(learned, float)
    if len(x) != len(y) or len(x) < 10:
        raise ValueError(f"{len(y)} learned and {len(x)} true energies: give at least 10 of each, and as many of both")
    x, y = x - x.mean(), y - y.mean()
    slope = (x @ y) / (x @ x)
    residual = y - slope * x
    # errors from the scatter of the residuals at each x (they are not equally spread)
    error = np.sqrt(((x * residual) ** 2).sum()) / (x @ x)
    curvature = 2 * np.polyfit(x, y, 2)[0]
    return Comparison(slope, error, curvature, residual.std(), np.corrcoef(x, y)[0, 1])


def symmetry_changes(hamiltonian, configurations, operations):
    """H(g s) - H(s) of every configuration, in units of energy, [g, n]. operations: functions g."""
    before = hamiltonian.energy(configurations)
    return np.stack([hamiltonian.energy(g(configurations)) - before for g in operations])


def symmetry_violation(hamiltonian, configurations, operations):
    """Largest and root-mean-square |H(g s) - H(s)|, in units of energy, as two floats. operations: functions g."""
    changes = symmetry_changes(hamiltonian, configurations, operations)
    return float(np.abs(changes).max()), float(np.sqrt((changes**2).mean()))
