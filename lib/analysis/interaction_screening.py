r"""Interaction screening: couplings of Ising configurations without a normalisation, and without pseudolikelihood.

Flipping spin i alone changes sum_a K_a O_a, K = J / T0, by -2 K . x_i with x_i = s_i dO_a/ds_i. So exp(-K . x_i)
removes from exp(K . O) just the terms that spin i takes part in: under the true K,

    < x_i exp(-K . x_i) > = 0,

since what is left of the weight does not know s_i, and x_i is odd in it. These are the stationarity conditions of the
convex interaction screening objective (RISE),

    S(K) = < (1/N) sum_i exp(-K . x_i) >,

minimised here by Newton's method, from a few couplings shared by all sites; those of a graph that is not known need a
penalty |K| too. M. Vuffray, S. Misra, A. Lokhov and M. Chertkov, arXiv:1605.07252; Lokhov et al., arXiv:1612.05024.
"""

import numpy as np

from lib.analysis.couplings import Couplings, all_or_none, counted
from lib.statistics import BLOCKS, jackknife


def minimise(rows, counts, iterations=50):
    """K [a] with the smallest sum of counts exp(-rows . K).

    rows: [r, a]. counts: [r], not negative. K is nan where the rows do not tell the operators apart.
    """
    rows, counts = np.asarray(rows, float), np.asarray(counts, float)
    K = np.zeros(rows.shape[1])
    for _ in range(iterations):
        terms = counts * np.exp(-rows @ K)
        hessian = (rows * terms[:, None]).T @ rows
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            return np.full(len(K), np.nan)
        step = np.linalg.solve(hessian, rows.T @ terms)
        K = K + step / max(1.0, np.abs(step).max())  # far from the minimum the exponential outruns its parabola
        if np.abs(step).max() < 1e-12:
            break
    return K


def screening(local_sums, T0, names, *, blocks=BLOCKS):
    """`Couplings` of Ising configurations by interaction screening, from every site of every configuration.

    local_sums: int8 [n, N, a], x_i of every site (`ising.local_sums`). Errors: jackknife over configurations.
    """
    rows, counts = counted(local_sums, blocks)

    def solve(total):
        J = T0 * minimise(rows, total)
        return np.append(J, J.sum())

    values, errors = all_or_none(*jackknife(solve, counts))
    return Couplings(tuple(names), values[:-1], errors[:-1], float("nan"), float(errors[-1]))
