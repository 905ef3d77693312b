r"""The renormalisation group from couplings and correlations of block spins: two-lattice matching, Swendsen's MCRG.

Couplings K' of block spins are functions of the temperature of the original lattice. Near T_c, once irrelevant
directions have decayed, the linearised renormalisation group says for an L x L lattice that is blocked to side l

    K'(L -> l; T) = K* + c (K - K_c) (L / l)^y_t,     K = 1 / T,   y_t = 1 / nu.

Two lattices, L and L / 2, brought to the *same* side differ by one step only: their curves cross at T_c, and the ratio
of their slopes there is 2^y_t. What is common to both, finite size and truncation, cancels (`match`: two-lattice
matching).

`mcrg` is Swendsen's estimate of the linearised transformation, from correlations of the operators S before and S' after
one step on the same configurations:

    d<S'_a>/dK_b = <S'_a S_b> - <S'_a><S_b> = sum_c (d<S'_a>/dK'_c) T_cb,        T_cb = dK'_c / dK_b,

whose leading eigenvalue is 2^y_t (even operators) or 2^y_h (odd). Column b of T minimises
<(S_b - <S_b> - sum_c T_cb (S'_c - <S'_c>))^2>: it is the linear regression of the fine operator on those of the blocks.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import blocking
from lib.analysis.curve_features import real_roots
from lib.statistics import BLOCKS, Estimate, NoFeature, block_sums, jackknife
from lib.systems import ising

EVEN = ("nn", "nnn", "third", "plaquette")
DEGREE = 2  # of the polynomial in K through the couplings; fixed beforehand, like the constants of `studies/rg.py`


def exact_couplings(blocks, p, operators=blocking.TORUS_2):
    """Couplings [a] of the exact distribution p [k] of all `blocks` [k, 2, 2], on operators that express its ln p."""
    columns = np.column_stack([np.ones(len(blocks)), *[operator(blocks) for operator in operators.values()]])
    solution, *_ = np.linalg.lstsq(columns, np.log(p), rcond=None)
    if np.abs(columns @ solution - np.log(p)).max() > 1e-9:
        raise ValueError("these operators do not express ln p: there is more in it")
    return solution[1:]


class Match(NamedTuple):
    """Crossing temperature T_c and thermal exponent y_t of two block lattices."""

    t_c: float
    y_t: float


def match(temperatures, small, large):
    """`Match` of couplings small [t] and large [t], of lattices L and 2 L brought to the same side.

    temperatures: those of small [t] and of large [t]. Polynomials of degree `DEGREE` in K = 1 / T. `NoFeature` unless
    they cross once within the temperatures of both, with slopes of one sign.
    """
    of_both = [1 / np.asarray(T, float) for T in temperatures]
    centre = of_both[1].mean()
    a, b = [np.polyfit(K - centre, values, DEGREE) for K, values in zip(of_both, (small, large), strict=True)]
    low, high = max(K.min() for K in of_both), min(K.max() for K in of_both)
    inside = real_roots(np.polysub(b, a), low - centre, high - centre)
    if len(inside) != 1:
        raise NoFeature(f"the couplings do not cross once between T = {1 / high:g} and {1 / low:g}")
    slopes = np.polyval(np.polyder(b), inside[0]) / np.polyval(np.polyder(a), inside[0])
    if not slopes > 0:
        raise NoFeature("the slopes at the crossing differ in sign: more configurations or training are needed")
    return Match(float(1 / (inside[0] + centre)), float(np.log2(slopes)))


def match_errors(temperatures, small, large, small_errors, large_errors):
    """Standard errors of T_c and y_t as `Match`, propagated from independent errors [t] of the couplings."""
    centre = np.array(match(temperatures, small, large))
    curves, variance = [np.array(small, float), np.array(large, float)], np.zeros(2)
    for which, errors in enumerate((small_errors, large_errors)):
        for t, error in enumerate(errors):
            shifted = [curve.copy() for curve in curves]
            shifted[which][t] += error / 4  # a small step: the shifted curves must cross as well
            variance += (4 * (match(temperatures, *shifted) - centre)) ** 2
    return Match(*np.sqrt(variance))


def even_operators(s):
    """Sums of the EVEN operators, [n, 4]."""
    return ising.operators(s, EVEN)


def odd_operators(s):
    """Magnetisation, and the three spins at the corners of all right angles of nearest neighbours: [n, 2]."""
    up, down, left, right = (np.roll(s, shift, axis) for shift, axis in ((1, 1), (-1, 1), (1, 2), (-1, 2)))
    corners = s * (up + down) * (left + right)
    return np.stack([ising.magnetization(s), corners.sum((1, 2), dtype=np.int32).astype(float)], axis=1)


def correlations(before, after, groups=BLOCKS):
    """Sums over groups of consecutive configurations, [groups, 1 + a + b + a b + b b], from which a `transformation` is
    formed.

    before, after: operators [n, a] and [n, b] of the same configurations before and after one or more steps. The groups
        must be long against tau_int for `jackknife` to cover.
    """
    x, y = before - before.mean(axis=0), after - after.mean(axis=0)  # any constant does; this one loses no digits
    products = [np.ones((len(x), 1)), x, y]
    products += [np.einsum("na,nb->nab", y, other).reshape(len(x), -1) for other in (x, y)]
    return block_sums(np.concatenate(products, axis=1), groups)


def transformation(total, n_before, n_after):
    """Swendsen's matrix T [b, a] = dK'_b / dK_a from summed `correlations`, of a operators before and b after."""
    mean = total[1:] / total[0]
    x, y, yx, yy = np.split(mean, np.cumsum([n_before, n_after, n_after * n_before]))
    yx, yy = yx.reshape(n_after, n_before), yy.reshape(n_after, n_after)
    return np.linalg.solve(yy - np.outer(y, y), yx - np.outer(y, x))


def leading_exponent(T):
    """y = log2 of the largest eigenvalue of the transformation T [a, a] of a step that halves the lattice."""
    return float(np.log2(np.abs(np.linalg.eigvals(T)).max()))


def mcrg(sums, n_operators):
    """`Estimate` of the exponent from the `correlations` of one step, n_operators before and after."""
    return jackknife(lambda total: leading_exponent(transformation(total, n_operators, n_operators)), sums)


def over_steps(steps, step=1):
    """`Estimate` of an exponent from those of all steps, a list: the value of one of them (default: the second), where
    the first has not come close to the fixed point and the last has few blocks; error: its own, and the standard
    deviation of the steps, which tells what the cut-off of operators and lattices makes of it."""
    value, error = steps[step]
    return Estimate(value, float(np.hypot(error, np.std([each[0] for each in steps], ddof=1))))
