"""Many-valued block spins: their operators by hand, and the tables of the sampler."""

import numpy as np
import pytest

from lib.systems import block_spins

NAMES = block_spins.names()


def couplings(seed=0, scale=0.1):
    return scale * np.random.default_rng(seed).normal(size=len(NAMES))


def random_states(n, L, seed=1, n_states=5):
    return np.random.default_rng(seed).integers(0, n_states, (n, L, L)).astype(np.int8)


def test_operators_by_hand():
    state = np.full((1, 6, 6), 2, np.int8)
    values = dict(zip(NAMES, block_spins.operators(state)[0], strict=True))
    assert values["one 0"] == values["one 1"] == 0 and values["nn odd 00"] == 0 and values["plaquette"] == 0
    state[0, 0, 0] = 4
    state[0, 0, 1] = 0
    state[0, 1, 1] = 3
    values = dict(zip(NAMES, block_spins.operators(state)[0], strict=True))
    assert values["one 0"] == 1 and values["one 1"] == 2  # |S| = 2, 4
    assert values["nn odd 00"] == pytest.approx(1 * -1 + -1 * 0.5)
    assert values["nnn odd 00"] == pytest.approx(1 * 0.5)
    assert values["nn even 01"] == pytest.approx(0.5)  # (0, 1) and (1, 1), symmetrised
    assert values["plaquette"] == 0
    assert block_spins.operators(4 - state) == pytest.approx(block_spins.operators(state))


def test_tables_and_operators_are_the_same_hamiltonian():
    """Changes of ln w seen by the sampler's tables equal those of the operator sums."""
    K = couplings()
    s = random_states(50, 6)
    t = block_spins.tables(K)
    pairs = sum(
        t.pair[k][s, np.roll(s, (-a, -b), (1, 2))].sum((1, 2))
        for k, steps in enumerate(block_spins.NEIGHBOURS.values())
        for a, b in steps
    )
    v = t.values[s]
    squares = (v * np.roll(v, -1, 1) * np.roll(v, -1, 2) * np.roll(v, (-1, -1), (1, 2))).sum((1, 2))
    log_w = t.one[s].sum((1, 2)) + pairs + t.square * squares
    assert log_w == pytest.approx(block_spins.operators(s) @ K)
    assert block_spins.log_weight(s, t) == pytest.approx(log_w)
