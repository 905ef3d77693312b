r"""Models of many-valued block spins: an explicit Hamiltonian to stand in for a learned one.

Sites of a periodic lattice take states 0 ... K - 1 (block sums S = -4, -2, 0, 2, 4 for 2x2 blocks, K = 5). With o(S)
and e(S) odd and even functions of S the operators are

    one body     sum_i e(S_i)
    pairs        sum_<ij> o(S_i) o'(S_j) and sum_<ij> e(S_i) e'(S_j), for nearest, diagonal and third neighbours
    plaquette    sum over squares of the product of four o(S)

and ln w(S) = sum_a K_a O_a(S). Odd functions: S / S_max and its cube; even ones: whether |S| has a given value other
than the middle one. Complete for even pair interactions of five states up to third neighbours, plus the simplest
four-body term. Each pair counts once; distances as in `lib.systems.ising`.
"""

from typing import NamedTuple

import numpy as np

from lib.lattice import NEIGHBOURS, neighbour


class Functions(NamedTuple):
    """Odd functions [a, K] and even functions [b, K] of the state."""

    odd: np.ndarray
    even: np.ndarray


def functions(n_states=5):
    """`Functions` of n_states states; n_states = 5 gives two odd and two even ones."""
    S = np.linspace(-1, 1, n_states)
    levels = np.unique(np.abs(S).round(12))[1:] if n_states % 2 else np.unique(np.abs(S).round(12))[:-1]
    return Functions(np.array([S, S**3])[: n_states // 2], np.array([np.isclose(np.abs(S), x) for x in levels], float))


def _terms(n_states):
    """Every operator as (name, kind, table): table [K] or [K, K]."""
    odd, even = functions(n_states)
    terms = [(f"one {k}", "one", even[k]) for k in range(len(even))]
    for distance in NEIGHBOURS:
        for family, members in (("odd", odd), ("even", even)):
            for a in range(len(members)):
                for b in range(a, len(members)):
                    table = (np.outer(members[a], members[b]) + np.outer(members[b], members[a])) / 2
                    terms.append((f"{distance} {family} {a}{b}", distance, table))
    return terms


def names(n_states=5):
    """Names of the operators, in order."""
    return [name for name, _, _ in _terms(n_states)] + ["plaquette"]


def operators(states, n_states=5):
    """Operator sums [n, a] of states [n, L, L], in the order of `names`."""
    states = np.asarray(states)
    columns = []
    for _, kind, table in _terms(n_states):
        if kind == "one":
            columns.append(table[states].sum((1, 2)))
        else:
            pairs = sum(table[states, neighbour(states, a, b)].sum((1, 2)) for a, b in NEIGHBOURS[kind])
            columns.append(pairs)
    v = functions(n_states).odd[0][states]
    squares = v * neighbour(v, 1, 0) * neighbour(v, 0, 1) * neighbour(v, 1, 1)
    return np.stack([*columns, squares.sum((1, 2))], axis=1)


class Tables(NamedTuple):
    """ln w as tables: one-body [K], pairs [3, K, K] (nn, nnn, third), plaquette coupling and its values [K]."""

    one: np.ndarray
    pair: np.ndarray
    square: float
    values: np.ndarray


def tables(K, n_states=5, one=None):
    """`Tables` of the couplings K [a] (order of `names`); `one` [n_states]: a one-body ln weight to add."""
    single = np.zeros(n_states) if one is None else np.array(one, float)
    pair = np.zeros((3, n_states, n_states))
    for coupling, (_, kind, table) in zip(K, _terms(n_states), strict=False):
        if kind == "one":
            single += coupling * table
        else:
            pair[list(NEIGHBOURS).index(kind)] += coupling * table
    return Tables(single, pair, float(K[-1]), functions(n_states).odd[0])


def log_weight(states, tables):
    """ln w [n] of states [n, L, L], up to a constant: the same as `operators` times couplings, in fewer look-ups."""
    states = np.asarray(states)
    total = tables.one[states].sum((1, 2))
    for table, steps in zip(tables.pair, NEIGHBOURS.values(), strict=True):
        for a, b in steps:
            total += table[states, neighbour(states, a, b)].sum((1, 2))
    v = tables.values[states]
    right = v * neighbour(v, 0, 1)
    return total + tables.square * (right * neighbour(right, 1, 0)).sum((1, 2))


def change_one(states, rng, n_states=5):
    """Copies of states [n, L, L] in which one random site has another state, all others equally likely."""
    after = states.copy()
    flat = after.reshape(len(states), -1)
    rows, site = np.arange(len(states)), rng.integers(flat.shape[1], size=len(states))
    flat[rows, site] = (flat[rows, site] + rng.integers(1, n_states, size=len(states))) % n_states
    return after
