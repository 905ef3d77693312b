"""Block spins: hand-made cases, exact entropies and averages at L = 4."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis import blocking
from lib.systems import ising
from tests.conftest import refused
from tests.physics.standins import ALPHA, STATES, StandIn, boltzmann, number, p_value

T = 2.27

P = boltzmann(ising.energy(STATES), 1 / T)


def test_sums_by_hand():
    s = np.ones((1, 4, 4), np.int8)
    s[0, 0, 0] = -1
    assert blocking.sums(s).tolist() == [[[2, 4], [4, 4]]]
    # the site belongs to the overlapping blocks that start at it, left of it, above it and both, across the boundary
    overlapping = np.full((4, 4), 4)
    overlapping[[0, 0, 3, 3], [0, 3, 0, 3]] = 2
    assert (blocking.sums(s, 2, 1)[0] == overlapping).all()
    assert blocking.sums(s, block=4).tolist() == [[[14]]]
    assert blocking.sums(s, block=3, stride=2)[0].tolist() == [[7, 7], [7, 7]]
    assert blocking.sums(s, block=3, stride=4)[0].tolist() == [[7]]
    assert (blocking.sums(s, block=1) == s).all()
    assert blocking.states(blocking.sums(s)).tolist() == [[[3, 4], [4, 4]]]


def test_every_block_lies_where_the_talk_puts_it():
    s = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (3, 6, 6))
    for d in (1, 2):
        S = blocking.sums(s, 2, d)
        for row in range(6 // d):
            for column in range(6 // d):
                i, j = d * row, d * column
                corners = s[:, [i, (i + 1) % 6]][:, :, [j, (j + 1) % 6]]
                assert (S[:, row, column] == corners.sum((1, 2))).all()


def test_majority_and_its_ties():
    rng = np.random.default_rng(2)
    s = np.ones((4000, 2, 2), np.int8)
    s[:, 0] = -1
    tied = blocking.majority(s, rng)
    # a fair coin: |mean| < 3.3 standard errors at level 0.001
    assert set(np.unique(tied)) == {-1, 1} and abs(tied.mean()) < 3.3 / np.sqrt(4000)
    s[:, 0, 0] = 1
    assert (blocking.majority(s, rng) == 1).all() and (blocking.majority(-s, rng) == -1).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda s: blocking.sums(s, 2, 0), "stride = 0"),
        (lambda s: blocking.sums(s, 0), "block = 0"),
        (lambda s: blocking.sums(s, 8), "larger than the lattice"),
        (lambda s: blocking.sums(s, 4), "does not divide the lattice side L = 6"),
        (lambda s: blocking.sums(s, 2, 1.5), "integer"),
        (lambda s: blocking.majority(s, np.random.default_rng(0), 5), "does not divide"),
    ],
)
def test_impossible_blocks_are_refused_with_one_line(call, message):
    with refused(message, kind=ValueError):
        call(np.ones((1, 6, 6), np.int8))


def test_exact_entropies_at_L4():
    s, p = STATES, P
    assert stats.entropy(p) == pytest.approx(4.48722, abs=5e-6)
    assert stats.entropy(blocking.exact_sums(s, p, 2, 1)[1]) == pytest.approx(4.47137, abs=5e-6)
    assert stats.entropy(blocking.exact_sums(s, p, 2)[1]) == pytest.approx(3.38093, abs=5e-6)
    blocks, q = blocking.exact_majority(s, p)
    assert q.sum() == pytest.approx(1, abs=1e-12) and len(blocks) == 16
    assert stats.entropy(q) == pytest.approx(1.35480, abs=5e-6)


def test_exact_majority_is_what_majority_does():
    s, p = STATES, P
    rng = np.random.default_rng(3)
    drawn = blocking.majority(s[rng.choice(len(s), 40_000, p=p)], rng)
    blocks, q = blocking.exact_majority(s, p)
    counts = np.bincount(number(drawn), minlength=16)
    assert p_value(counts, q) > ALPHA


def test_order_and_bonds_are_not_exchanged():
    """Stripes have no |m| but bonds; all sums at 1 have |m| = 1/2 and bonds of 1/4. `at_T0` keeps |m| first."""
    stripes = np.tile(np.array([4, 4, 0, 0], np.int8), (2, 4, 1))
    low = np.ones((2, 4, 4), np.int8)
    assert [values[0] for values in blocking.order(stripes)] == pytest.approx([0.5, 0])
    assert [values[0] for values in blocking.order(low)] == pytest.approx([0.25, 0.5])
    frozen = StandIn(lambda states: 12 * 2.27 * np.arange(len(states)), 2.27, lambda n, seed: low[:n])
    found = blocking.at_T0(frozen, stripes, seed=1)
    # energies of 0 and 12 T0: variance 36 T0^2, divided by T0^2 and 16 sites
    assert found.blocks == pytest.approx([0, 0.5, 2.25]) and found.network == pytest.approx([0.5, 0.25, 2.25])


def test_multiplicities_are_those_of_free_spins():
    S = blocking.states(blocking.sums(np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (2000, 4, 4))))
    counts = np.bincount(S.ravel(), minlength=5)
    assert p_value(counts, np.array([1, 4, 6, 4, 1]) / 16) > ALPHA
