r"""Readable couplings: a Hamiltonian projected on a few operators, from differences under local moves.

Write H(s) = H_0 - sum_a J_a O_a(s). For a local move s -> s' the constant cancels, and at temperature T0

    ln p(s') - ln p(s) = sum_a (J_a / T0) [O_a(s') - O_a(s)] = K . dO .

The pair (s, s') alone has p(s') / (p(s) + p(s')) = sigmoid(K . dO). `project` finds the K whose sigmoid is closest, in
cross-entropy, to a target probability q of each pair:

* q from a network, sigmoid(ln p_theta(s') - ln p_theta(s)): the couplings the network has learned (`read_network`);
* q = 0, "the data show s, not s'": for single spin flips this is Besag's pseudolikelihood (`pseudolikelihood`).

So both readings minimise the same functional, and pairs that the data never decided carry little weight. What the
operators cannot express shows up as the residual of the fit.
Sources: J. Besag, J. R. Stat. Soc. B 36, 192 (1974) (pseudolikelihood); the inverse Ising problem,
Nguyen, Zecchina and Berg, arXiv:1702.01522.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit

from lib.statistics import BLOCKS, jackknife, over_blocks, owners


class Couplings(NamedTuple):
    """Couplings in units of energy; nan where the configurations do not tell the operators apart, as nearly frozen ones
    do not.

    values, errors: J [a], errors over configurations.
    residual: rms of what the operators leave unexplained in T0 (ln p(s') - ln p(s)), weighted like the fit (nan for
        data).
    sum_error: of the sum of the couplings, which is often better known than each.
    """

    names: tuple
    values: np.ndarray
    errors: np.ndarray
    residual: float
    sum_error: float


def project(differences, targets, counts=None, iterations=30):
    """K [a] minimising the cross-entropy of sigmoid(differences @ K) against `targets`, by Newton's method.

    differences: [m, a]; K is nan when the operators cannot be told apart on these rows.
    targets: [m] in [0, 1]. counts: [m], weight of each row (default 1).
    """
    counts = np.ones(len(differences)) if counts is None else counts
    K = np.zeros(differences.shape[1])
    for _ in range(iterations):
        q = expit(differences @ K)
        gradient = differences.T @ (counts * (q - targets))
        hessian = (differences * (counts * q * (1 - q))[:, None]).T @ differences
        if not np.isfinite(hessian).all() or np.linalg.cond(hessian) > 1e12:
            return np.full(len(K), np.nan)
        step = np.linalg.solve(hessian, gradient)
        K = K - step
        if np.abs(step).max() < 1e-12:
            break
    return K


class Moves(NamedTuple):
    """What a network says about local moves s -> s': changes [m, a] of the operators, ln p(s') - ln p(s) [m], and the
    block of configurations each move belongs to [m]."""

    names: tuple
    differences: np.ndarray
    log_ratio: np.ndarray
    owner: np.ndarray


def try_moves(hamiltonian, configurations, operators, names, move, *, moves=16, seed=0, blocks=BLOCKS):
    """`Moves` of random local moves of each configuration.

    configurations: [n, ...], drawn at T0.
    operators: function configurations -> operator sums [n, a], called `names` [a].
    move: function (configurations, rng) -> changed copies.
    moves: of each configuration.
    """
    rng = np.random.default_rng(seed)
    before = np.repeat(configurations, moves, axis=0)
    after = move(before, rng)
    log_ratio = hamiltonian.log_prob(after) - np.repeat(hamiltonian.log_prob(configurations), moves)
    differences = operators(after) - np.repeat(operators(configurations), moves, axis=0)
    owner = np.repeat(owners(len(configurations), blocks), moves)
    return Moves(tuple(names), differences.astype(float), log_ratio, owner)


def both_signs(s):
    """s [n, L, L] and -s [2 n, L, L], as many up as down, so that a field of zero reads as zero; each configuration
    next to its image, since a jackknife takes blocks for independent."""
    return np.stack([s, -s], axis=1).reshape(-1, *s.shape[1:])


def read_moves(moves, T0, names=None):
    """`Couplings` J at temperature T0 on the operators `names` (default: all) of `Moves`; errors: jackknife."""
    names = moves.names if names is None else tuple(names)
    differences = moves.differences[:, [moves.names.index(name) for name in names]]
    q = expit(moves.log_ratio)

    def solve(keep):
        J = T0 * project(differences[keep], q[keep])
        return np.append(J, J.sum())

    values, errors = all_or_none(*over_blocks(solve, moves.owner))
    values, errors, sum_error = values[:-1], errors[:-1], errors[-1]
    weight = q * (1 - q)
    unexplained = T0 * moves.log_ratio - differences @ values
    residual = np.sqrt((weight * unexplained**2).sum() / weight.sum())
    return Couplings(names, values, errors, float(residual), float(sum_error))


def all_or_none(values, errors):
    """All nan unless all are finite: a value that one block of configurations alone decides has no error."""
    known = np.isfinite(values).all() and np.isfinite(errors).all()
    return (values, errors) if known else (np.full_like(values, np.nan), np.full_like(errors, np.nan))


def read_network(hamiltonian, configurations, operators, move, *, moves=16, seed=0, blocks=BLOCKS):
    """`Couplings` of a learned Hamiltonian; their errors do not contain the spread between networks.

    operators: dict name -> function configurations -> [n]; other arguments as in `try_moves`.
    """

    def sums(s):
        return np.stack([operator(s) for operator in operators.values()], axis=1)

    tried = try_moves(hamiltonian, configurations, sums, tuple(operators), move, moves=moves, seed=seed, blocks=blocks)
    return read_moves(tried, hamiltonian.T0)


def cramer_rao(values, T0, n):
    """Smallest possible errors [a] of the couplings J from n configurations: no unbiased estimate does better.

    values: operator sums [m, a] of independent configurations at temperature T0; inf where these do not tell the
        operators apart. The Fisher information of K = J / T0 is n times their covariance (C. R. Rao, 1945).
    """
    information = n * np.atleast_2d(np.cov(np.asarray(values, float).T))
    if np.linalg.cond(information) > 1e12:
        return np.full(len(information), np.inf)
    return T0 * np.sqrt(np.diag(np.linalg.inv(information)))


def counted(local_sums, blocks=BLOCKS):
    """Rows [r, a] among local sums int8 [n, N, a], each once, and how often in each block of them [blocks, r]."""
    n, n_sites, _ = local_sums.shape
    low = local_sums.min(axis=(0, 1)).astype(np.int64)
    span = local_sums.max(axis=(0, 1)) - low + 1
    radix = np.concatenate([[1], np.cumprod(span[:-1])])
    code = np.zeros((n, n_sites), dtype=np.int32)  # each row of local sums as one number
    for k, weight in enumerate(radix):
        code += (local_sums[:, :, k] - low[k]).astype(np.int32) * np.int32(weight)
    size = int(np.prod(span))
    owner = owners(n, blocks)
    counts = np.stack([np.bincount(code[owner == b].ravel(), minlength=size) for b in range(blocks)])
    seen = np.flatnonzero(counts.sum(axis=0))
    return (seen[:, None] // radix) % span + low, counts[:, seen]


def pseudolikelihood(local_sums, T0, names, *, blocks=BLOCKS):
    """`Couplings` of Ising configurations by maximum pseudolikelihood, from every site of every configuration.

    local_sums: int8 [n, N, a], s_i dO_a/ds_i (`ising.local_sums`): flipping spin i alone changes O_a by -2 times this.
    Equal rows are counted, block by block, so that 10^5 configurations cost seconds.
    """
    rows, counts = counted(local_sums, blocks)
    differences = -2.0 * rows

    def solve(total):
        J = T0 * project(differences, np.zeros(len(rows)), total.astype(float))
        return np.append(J, J.sum())

    values, errors = all_or_none(*jackknife(solve, counts))
    return Couplings(tuple(names), values[:-1], errors[:-1], float("nan"), float(errors[-1]))
