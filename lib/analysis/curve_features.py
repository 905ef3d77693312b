"""Features of a curve y(x) known at some points with errors: a peak, a crossing, the passage through a level.

Errors of the points are independent, [n]. Every feature is the root of a polynomial, or of a straight line between two
points, and its error follows from the covariance of the fit. A curve without the feature raises `NoFeature`
(`statistics.or_nan` makes nan of it): nothing is ever read off an edge.
"""

import numpy as np
from scipy.optimize import brentq

from lib.statistics import Estimate, NoFeature


def real_roots(polynomial, low, high):
    """Real roots of a polynomial (highest power first) between low and high, in no order."""
    roots = np.roots(polynomial)
    roots = roots[np.abs(roots.imag) < 1e-9].real
    return roots[(roots >= low) & (roots <= high)]


def peak(x, y, errors, window):
    """`Estimate` of the position of the maximum of y [n], from a weighted quartic through the points in the window.

    window: (low, high); ValueError if it holds fewer than 6 points.

    A cubic is no more precise and off by 0.005 for the specific heat of L = 16 on temperatures 0.05 apart; this one by
    0.0005. The error is that of the slope there, divided by the curvature. `NoFeature` without a maximum inside.
    """
    inside = (x >= window[0]) & (x <= window[1])
    if inside.sum() < 6:
        raise ValueError(f"window {window}: holds {inside.sum()} temperatures, at least 6 are needed")
    centre = np.mean(window)
    near = x[inside] - centre
    quartic, covariance = np.polyfit(near, y[inside], 4, w=1 / errors[inside], cov="unscaled")
    slope = np.polyder(quartic)
    roots = real_roots(slope, near.min(), near.max())
    roots = roots[np.polyval(np.polyder(slope), roots) < 0]
    if not len(roots):
        raise NoFeature(f"window {window}: no maximum inside; widen it or move it")
    top = roots[np.argmax(np.polyval(quartic, roots))]
    powers = np.array([4 * top**3, 3 * top**2, 2 * top, 1, 0])  # d/dx of those of the quartic
    error = np.sqrt(powers @ covariance @ powers) / abs(np.polyval(np.polyder(slope), top))
    return Estimate(float(top + centre), float(error))


def crossing(x, small, large, errors):
    """`Estimate` of where two curves [n] cross, from a weighted cubic through their difference.

    The error is that of the cubic there, divided by its slope. `NoFeature` when they do not cross between the ends.
    """
    centred, degree = x - np.mean(x), min(3, len(x) - 1)
    cubic, covariance = np.polyfit(centred, np.asarray(large) - np.asarray(small), degree, w=1 / errors, cov="unscaled")
    ends = np.polyval(cubic, [centred[0], centred[-1]])
    if ends[0] * ends[1] > 0:
        raise NoFeature(f"the curves do not cross between T = {x[0]:g} and {x[-1]:g}")
    at = brentq(lambda t: np.polyval(cubic, t), centred[0], centred[-1])
    powers = np.vander([at], degree + 1)[0]
    error = np.sqrt(powers @ covariance @ powers) / abs(np.polyval(np.polyder(cubic), at))
    return Estimate(float(at + np.mean(x)), float(error))


def fall(x, y, errors, level):
    """`Estimate` of where y [n], which may be nan at some points, falls through a level for good.

    A weighted parabola through the two known points on either side: points farther away would bend it. The error is the
    scatter of the root under the covariance of the fit. `NoFeature` without enough known points or without a passage.
    """
    known = np.isfinite(y)
    x, y, errors = x[known], y[known], errors[known]
    falls = np.flatnonzero((y[:-1] >= level) & (y[1:] < level))
    if len(falls) == 0:
        raise NoFeature("the curve does not pass the level within the points that are known")
    inner = falls[(falls >= 1) & (falls + 3 <= len(x))]  # noise can make it pass more than once
    if len(inner) == 0:
        raise NoFeature("too few points near the passage are known")
    near = slice(inner[len(inner) // 2] - 1, inner[len(inner) // 2] + 3)
    x, y, errors = x[near], y[near], errors[near]
    centre = x.mean()
    fit, covariance = np.polyfit(x - centre, y - level, 2, w=1 / errors, cov="unscaled")

    def root(parabola):
        roots = real_roots(parabola, -np.inf, np.inf)
        falling = roots[np.polyval(np.polyder(parabola), roots) < 0]
        return falling[0] + centre if len(falling) else np.nan

    found = root(fit)
    if not x[0] <= found <= x[-1]:
        raise NoFeature("the curve does not pass the level within the points that are known")
    draws = np.random.default_rng(0).multivariate_normal(fit, covariance, 400)
    return Estimate(float(found), float(np.nanstd([root(draw) for draw in draws])))


def first_passage(x, y, level, errors=0.0):
    """`Estimate` of where y [n] first rises above a level, from the start on, linear between two points.

    For what falls, give -y and -level. `NoFeature` if no point is above the level, or the first one is.
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    errors = np.broadcast_to(errors, y.shape)
    above = np.flatnonzero(y > level)
    if len(above) == 0 or above[0] == 0:
        raise NoFeature("the curve does not pass the level, or starts beyond it")
    k = above[0]
    slope = (y[k] - y[k - 1]) / (x[k] - x[k - 1])
    weight = (level - y[k - 1]) / (y[k] - y[k - 1])
    at = x[k - 1] + weight * (x[k] - x[k - 1])
    return Estimate(float(at), float(np.hypot((1 - weight) * errors[k - 1], weight * errors[k]) / abs(slope)))
