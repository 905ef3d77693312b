r"""How the distribution of block spins answers to the temperature, from configurations at one temperature.

Spins s with weight exp(K B(s)), K = 1 / T and B the sum of their bonds, are seen through blocks S(s) only. Then exactly

    d ln p(S) / dK = <B | S> - <B>,        d^2 ln p(S) / dK^2 = Var(B | S) - Var(B):

what is conditional on S is known at one temperature, from pairs of blocks and the bonds of the spins behind them. Two
linear regressions on operators O_a of the blocks stand for the conditional mean and variance,

    R(S) = sum_a R_a (O_a - <O_a>),        V(S) = V_0 + sum_a V_a (O_a - <O_a>),

least squares of B - <B>, and of its squared residual, on the operators. At K0 + d

    ln p(S; K0 + d) = ln p(S; K0) + d R(S) + d^2 V(S) / 2 + const.

Where nothing is lost, S = s, this is R = B - <B>, V = 0, and Boltzmann's law. Scaling all of ln p with the temperature
instead, p^(K / K0), takes R = ln p / K0: right for B = ln p / K0 + const, that is for the spins themselves, only.
R_a are a column of Swendsen's matrix (`renormalisation.py`). They depend on which operators are kept, as those of any
projection do; R is right as a function.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis.reweighting import effective_sample_size
from lib.statistics import BLOCKS, Estimate, over_blocks, owners

WAYS = ("bonds", "first", "second")


class Response(NamedTuple):
    """R(S) and V(S) of the module's docstring on a operators.

    centre: averages of the operators [a]. mean: R_a [a]. variance: V_0 and V_a [1 + a].
    """

    centre: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    def terms(self, operators):
        """R(S) and V(S), [n] each, from operators [n, a]."""
        found = (operators - self.centre) @ np.column_stack([self.mean, self.variance[1:]])
        return found[:, 0], self.variance[0] + found[:, 1]

    def log_weight(self, operators, change, order=2):
        """ln p(S; K0 + change) - ln p(S; K0) [n] up to a constant, from operators [n, a]; order: 1 or 2."""
        R, V = self.terms(operators)
        return change * R if order == 1 else change * R + change**2 / 2 * V


def fit(operators, bonds, *, squares=None, weights=None):
    """`Response` by least squares.

    operators: of the blocks [n, a]. bonds: B [n] of the spins behind them.
    squares: B^2 [n], where `bonds` are averages <B | S> and these <B^2 | S> (default: bonds^2).
    weights: of the n configurations, not negative (default: equal).

    ValueError if the operators cannot be told apart on these configurations.
    """
    operators, bonds = np.asarray(operators, float), np.asarray(bonds, float)
    share = np.full(len(bonds), 1 / len(bonds)) if weights is None else np.asarray(weights) / np.sum(weights)
    centre, origin = share @ operators, share @ bonds
    centred, excess = operators - centre, bonds - origin
    weighted = centred * share[:, None]
    covariance = weighted.T @ centred
    scale = np.sqrt(np.diag(covariance))
    if not (scale > 1e-12 * (1 + np.abs(centre))).all() or np.linalg.cond(covariance / np.outer(scale, scale)) > 1e12:
        raise ValueError(
            "the operators cannot be told apart on these configurations: use fewer, or more configurations"
        )
    mean = np.linalg.solve(covariance, weighted.T @ excess)
    residual = (excess - centred @ mean) ** 2
    if squares is not None:
        residual = residual + np.asarray(squares) - bonds**2
    level = share @ residual
    return Response(centre, mean, np.append(level, np.linalg.solve(covariance, weighted.T @ (residual - level))))


class Extrapolated(NamedTuple):
    """Averages at K0 + d, `Estimate` [way, d, ...] for each of WAYS; and what the rule misses of the change, (rule -
    bonds) / (bonds - average at K0), `Estimate` [order, d, ...] for first and second."""

    averages: Estimate
    missed: Estimate


def extrapolate(operators, bonds, observables, changes, function=None, groups=BLOCKS):
    """`Extrapolated` averages of the blocks at K0 + d.

    operators [n, a], bonds [n], observables [n, k]: of the same configurations, all at K0.
    changes: d [d], not zero.
    function: maps averages [k] to an array (default: the averages).
    groups: of consecutive configurations, which must be independent. Jackknife: R and V are fitted without each group.

    The ways: reweighting by the bonds of the spins behind the blocks, which is exact, the reference where weights
    overlap; the rule of first and of second order. They share their configurations, and so most of their errors.
    """
    function = (lambda averages: averages) if function is None else function
    observables = np.asarray(observables, float)

    def estimate(keep):
        of_blocks, B, f = operators[keep], bonds[keep], observables[keep]
        R, V = fit(of_blocks, B).terms(of_blocks)
        ways = [lambda d: d * B, lambda d: d * R, lambda d: d * R + d**2 / 2 * V]
        found = np.array([[function(_weighted_mean(f, way(d))) for d in changes] for way in ways])
        return np.concatenate([found, (found[1:] - found[0]) / (found[0] - function(f.mean(axis=0)))])

    value, error = over_blocks(estimate, owners(len(bonds), groups))
    return Extrapolated(Estimate(value[:3], error[:3]), Estimate(value[3:], error[3:]))


def overlap(bonds, changes):
    """Effective samples / samples [d] when configurations are reweighted by d B."""
    return np.array([effective_sample_size(d * (bonds - np.mean(bonds))) for d in changes])


def _weighted_mean(observables, log_weights):
    w = np.exp(log_weights - log_weights.max())
    return w @ observables / w.sum()


def divergence(p, log_q):
    """KL(p || q) in nats of distributions over the same configurations; q is normalised here, log_q [n] up to a
    constant."""
    log_q = log_q - np.logaddexp.reduce(log_q)
    return float(p @ (np.log(p) - log_q))
