r"""The renormalisation group from couplings and correlations of block spins: two-lattice matching, Swendsen's MCRG.

Couplings K' of block spins are functions of the temperature of the original lattice. Near T_c, once irrelevant
directions have decayed, the linearised renormalisation group says for an L x L lattice that is blocked to side l

    K'(L -> l; T) = K* + c (K - K_c) (L / l)^y_t,     K = 1 / T,   y_t = 1 / nu.

Two lattices, L and L / 2, brought to the *same* side differ by one step only: their curves cross at T_c, and the ratio
of their slopes there is 2^y_t. What is common to both, finite size and truncation, cancels (`match`: two-lattice
matching).

`mcrg` is Swendsen's estimate of the linearised transformation, from correlations of the operators S before and S' after
one step on the same configurations:

    d<S'_a>/dK_b = <S'_a S_b> - <S'_a><S_b> = sum_c (d<S'_a>/dK'_c) T_cb,

whose leading eigenvalue is 2^y_t (even operators) or 2^y_h (odd).
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import blocking
from lib.analysis.curve_features import real_roots
from lib.statistics import NoFeature, block_sums, jackknife
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

    Polynomials of degree `DEGREE` in K = 1 / T. `NoFeature` unless they cross once within the temperatures, with slopes
    of one sign.
    """
    K = 1 / np.asarray(temperatures, float)
    centre = K.mean()
    a, b = np.polyfit(K - centre, small, DEGREE), np.polyfit(K - centre, large, DEGREE)
    inside = real_roots(np.polysub(b, a), K.min() - centre, K.max() - centre)
    if len(inside) != 1:
        raise NoFeature(f"the couplings do not cross once between T = {min(temperatures):g} and {max(temperatures):g}")
    slopes = np.polyval(np.polyder(b), inside[0]) / np.polyval(np.polyder(a), inside[0])
    if not slopes > 0:
        raise NoFeature("the slopes at the crossing differ in sign: more configurations or training are needed")
    return Match(float(1 / (inside[0] + centre)), float(np.log2(slopes)))


def match_errors(temperatures, small, large, small_errors, large_errors):
    """Standard errors of T_c and y_t as `Match`, propagated from independent errors [t] of the couplings."""
    centre = np.array(match(temperatures, small, large))
    couplings_, errors = np.array([small, large], float), np.array([small_errors, large_errors], float)
    variance = np.zeros(2)
    for place in np.ndindex(couplings_.shape):
        shifted = couplings_.copy()
        shifted[place] += errors[place] / 4  # a small step: the shifted curves must cross as well
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


def correlations(levels, groups=20):
    """Sums over groups of configurations [groups, ...] from which `mcrg` forms its covariances, for every level.

    levels: configurations after 0, 1, ... steps. Returns a list over levels of (even, odd), each [groups, 1 + 2 a +
    ...].
    """
    operators = [(even_operators(s), odd_operators(s)) for s in levels]
    sums = []
    for before, after in zip(operators[:-1], operators[1:], strict=True):
        pair = []
        for x, y in zip(before, after, strict=True):
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # any constant does; this one loses no digits
            products = [np.ones((len(x), 1)), x, y, np.einsum("na,nb->nab", y, x).reshape(len(x), -1)]
            products.append(np.einsum("na,nb->nab", y, y).reshape(len(x), -1))
            pair.append(block_sums(np.concatenate(products, axis=1), groups))
        sums.append(pair)
    return sums


def _leading(total, a):
    """Exponent log2 of the leading eigenvalue of T from summed correlations of a operators."""
    mean = total[1:] / total[0]
    x, y = mean[:a], mean[a : 2 * a]
    yx, yy = mean[2 * a : 2 * a + a * a].reshape(a, a), mean[2 * a + a * a :].reshape(a, a)
    T = np.linalg.solve(yy - np.outer(y, y), yx - np.outer(y, x))
    return np.log2(np.abs(np.linalg.eigvals(T)).max())


def mcrg(sums):
    """(y_t, error), (y_h, error) for every step, from `correlations` of one or several runs joined along groups."""
    return [
        [
            tuple(map(float, jackknife(lambda total, a=a: _leading(total, a), s)))
            for s, a in zip(pair, (len(EVEN), 2), strict=True)
        ]
        for pair in sums
    ]
