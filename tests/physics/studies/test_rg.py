"""The renormalisation group: matching on made-up flows, operators, Monte Carlo RG, and the samplers' blocks."""

import numpy as np
import pytest

from lib.analysis import blocking, clusters, couplings, renormalisation
from lib.statistics import student
from lib.studies import rg
from lib.systems import ising
from tests.physics.standins import STATES, StandIn, boltzmann

T = np.array(rg.CLOSE)


def flow(L, t_c=2.269, y_t=1.0, curvature=0.3, T=T, cubic=0.0):
    """Couplings that follow the linearised flow, with a smooth nonlinear part common to both lattices."""
    x = (1 / np.asarray(T) - 1 / t_c) * (L / 8) ** y_t
    return 0.42 + x + curvature * x**2 + cubic * x**3


@pytest.mark.parametrize("y_t", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("t_c", [2.255, 2.27])
def test_matching_finds_what_was_put_in(t_c, y_t):
    found = renormalisation.match((T, T), flow(32, t_c, y_t), flow(64, t_c, y_t))
    assert found.t_c == pytest.approx(t_c, abs=1e-9)
    assert found.y_t == pytest.approx(y_t, abs=1e-9)


def test_matching_refuses_what_it_cannot_read():
    with pytest.raises(ValueError, match="do not cross"):
        renormalisation.match((T, T), flow(32), flow(64) + 1)
    with pytest.raises(ValueError, match="differ in sign"):
        renormalisation.match((T, T), flow(32), 0.84 - flow(64))


def test_twice_the_range_for_half_the_lattice_cancels_what_a_parabola_misses():
    """A flow that saturates: over equal temperatures the steeper curve loses more slope; here both lose as much."""
    close, wide = T, np.array(rg.WIDE)
    both = renormalisation.match((wide, close), flow(32, T=wide, cubic=-5), flow(64, T=close, cubic=-5))
    equal = renormalisation.match((wide, wide), flow(32, T=wide, cubic=-5), flow(64, T=wide, cubic=-5))
    assert abs(both.y_t - 1) < 0.01 < 0.08 < abs(equal.y_t - 1)


def couplings_on(values):
    """A stand-in for the couplings read at one place, the same for all operator sets."""
    return [couplings.Couplings(names, np.full(len(names), values / len(names)), np.full(len(names), 1e-4), 0.0, 1e-4)
            for names in rg.OPERATOR_SETS]  # fmt: skip


def point(L, t, value):
    return rg.Point(L, t, couplings_on(value), couplings_on(value), [], [], None, None)


def test_matches_of_every_repetition_are_nan_where_nothing_crosses():
    def repetition(shift):
        curves = {32: flow(32), 64: flow(64) + shift}
        return {(L, t): point(L, t, value) for L, curve in curves.items() for t, value in zip(T, curve, strict=True)}

    found = rg.matches([repetition(0.0), repetition(1.0)], 32, 64)
    assert found.t_c[0] == pytest.approx(2.269) and found.y_t[0] == pytest.approx(1.0)
    assert np.isnan([found.t_c[1], found.y_t[1], found.t_c_error[1], found.y_t_error[1]]).all()
    assert np.isnan(rg.combine_matches(found.t_c, found.t_c_error)).all()


def test_networks_that_agree_by_chance_know_no_more_than_their_configurations():
    study = [{(rg.SIDE, rg.MIDDLE): point(8, 2.27, 0.44)} for _ in range(3)]
    assert rg.coupling(study, rg.SIDE, rg.MIDDLE) == pytest.approx((0.44, 1e-4 / np.sqrt(3)))
    value, error = rg.spurious(study)
    assert value == pytest.approx([0.22, 0.11, 0.11, 0.11]) and error == pytest.approx(1e-4 / np.sqrt(3))


def test_every_network_starts_from_the_first(monkeypatch):
    seen = {}
    monkeypatch.setattr(rg, "learn_all", lambda tasks, then: seen.update(tasks) or dict.fromkeys(tasks, [None]))
    rg.repetitions(100, 10, 1, 1, {16: (2.27,), 32: (2.27,)})
    assert [seen[L, 2.27][0].n_train for L in (rg.START, 32, 16, 8)] == [100, 200, 100, 200]
    (first,) = seen[rg.START, 2.27]
    assert first.source.L == 32 and first.start is None
    assert all(seen[L, 2.27][0].start == first for L in (32, 16, 8))


def test_errors_hold_repetitions_and_operator_sets():
    values = np.array([[1.0, 1.2], [1.1, 1.3], [0.9, 1.1]])
    mean, error = rg.combine_matches(values, np.zeros((3, 2)))
    assert mean == pytest.approx(1.1)
    # repetitions: standard deviation 0.1, mean of three; operator sets: 1.0 and 1.2
    assert error == pytest.approx(np.hypot(student(3) * 0.1 / np.sqrt(3), np.std([1.0, 1.2], ddof=1)))
    # three repetitions that agree by chance do not know better than their configurations
    _, error = rg.combine_matches(np.full((3, 2), 1.1), np.full((3, 2), 0.3))
    assert error == pytest.approx(0.3 / np.sqrt(3))


def test_errors_of_a_matching_are_its_scatter():
    """Noise on ten couplings: the propagated errors equal the scatter over 2000 draws (known to 2 %)."""
    small, large, errors = flow(32), flow(64), np.full(5, 2e-4)
    rng = np.random.default_rng(8)
    draws = [
        renormalisation.match((T, T), small + errors * rng.normal(size=5), large + errors * rng.normal(size=5))
        for _ in range(2000)
    ]
    expected = renormalisation.match_errors((T, T), small, large, errors, errors)
    assert np.std(draws, axis=0) == pytest.approx(expected, rel=0.07)


def test_odd_operators_by_hand():
    s = np.ones((1, 4, 4), np.int8)
    assert renormalisation.odd_operators(s).tolist() == [[16, 64]]  # four corners at each site
    s[0, 1, 1] = -1
    # the flipped spin stands in 4 corners as the centre and in 8 as an arm
    assert renormalisation.odd_operators(s).tolist() == [[14, 64 - 2 * 12]]
    assert renormalisation.odd_operators(-s).tolist() == [[-14, -40]]


def test_blocks_of_unblocked_spins_have_the_exact_energy():
    """L = 8: Swendsen-Wang against Kaufman, 20 chains as independent groups, |z| < 4.8 (level 1e-4, 19 degrees)."""
    s, bonds = rg.sampled(8, 2.27, 8000, seed=5)
    assert np.array_equal(bonds, ising.nearest(s))
    energy = -bonds.reshape(rg.CHAINS, -1).mean(axis=1)

    def z(T):
        return (energy.mean() - float(ising.exact(8, T).energy)) / (energy.std(ddof=1) / np.sqrt(rg.CHAINS))

    assert abs(z(2.27)) < 4.8 < abs(z(2.35))


def test_blocks_come_with_the_bonds_of_their_spins_chain_by_chain(monkeypatch):
    """The bonds of 16 x 16 spins from the samplers' own energy; four blocks in a row share them."""
    spins = [s.copy() for s, _ in rg.updates(16, 2.27, 3, seed=5)]
    blocks, bonds = rg.sampled(16, 2.27, 240, seed=5)
    assert blocks.shape == (240, 8, 8) and set(np.unique(blocks)) == {-1, 1}
    bonds = bonds.reshape(rg.CHAINS, 3, 4)
    # the random numbers of ties move the chain on: only the first update is the same
    assert np.array_equal(bonds[:, 0, 0], ising.nearest(spins[0])) and (bonds == bonds[:, :, :1]).all()
    assert np.array_equal(rg.sampled(16, 2.27, 240, seed=5).blocks, blocks)
    monkeypatch.setattr(rg.blocking, "majority", lambda s, rng: blocking.sums(s))
    four = rg.on_four_grids(spins[0], None)
    assert np.array_equal(four[:, 0], blocking.sums(spins[0]))
    assert np.array_equal(four[:, 1], blocking.sums(np.roll(spins[0], (1, 1), (1, 2))))
    assert len({grid.tobytes() for grid in four.transpose(1, 0, 2, 3)}) == 4


def test_clusters():
    s = np.random.default_rng(2).choice(np.array([-1, 1], np.int8), (6, 8, 8))
    sums = clusters.cluster_sums(s)
    assert np.array_equal(sums[:, :4], ising.operators(s, renormalisation.EVEN))
    # every spin up: as many terms as sites times images
    ones = clusters.cluster_sums(np.ones((1, 8, 8), np.int8))[0] / 64
    assert ones.tolist() == [2, 2, 2, 1, 4, 2, 2, 2, 8, 4, 4, 1, 1]
    for image in (np.rot90(s, 1, (1, 2)), s[:, ::-1], np.roll(s, 3, 2), -s):
        assert np.array_equal(clusters.cluster_sums(image), sums)
    by_hand = sum(np.roll(s, (a, b), (1, 2)) * s for a, b in ((1, 2), (1, -2), (2, 1), (2, -1))).sum((1, 2), dtype=int)
    assert np.array_equal(clusters.cluster_sums(s, ("knight",))[:, 0], by_hand)
    with pytest.raises(ValueError, match="side 4"):
        clusters.cluster_sums(s[:, :3, :3])


def test_monte_carlo_rg_finds_exponents_near_the_exact_ones():
    """Two steps from L = 32 at T_c: second-step y_t and y_h within 5 errors of 1 and 15/8 after truncation of 0.02."""
    steps = rg._steps(32, ising.critical_temperature(), 10_000, seed=6)
    assert len(steps) == 2
    for y_t, error in (steps[1].y_t, steps[1].y_t_13):
        assert abs(y_t - 1) < 0.02 + 5 * error and 0 < error < 0.05
    assert abs(steps[1].y_h[0] - 15 / 8) < 0.005 + 5 * steps[1].y_h[1]
    # far from T_c there is no such eigenvalue
    assert rg._steps(32, 3.5, 4_000, seed=6)[1].y_t[0] < 0.8


def test_an_exponent_holds_the_spread_of_the_steps():
    steps = [(1.8802, 0.0002), (1.8755, 0.0004), (1.8733, 0.0007)]
    value, error = renormalisation.over_steps(steps)
    assert value == 1.8755 and error == pytest.approx(np.hypot(np.std([1.8802, 1.8755, 1.8733], ddof=1), 0.0004))
    assert abs(value - 15 / 8) < error and abs(steps[0][0] - 15 / 8) > 20 * steps[0][1]


def test_linear_transformation_comes_back_exactly():
    """Fine operators that are a linear function of those of the blocks, and a part that these do not know: T is it."""
    rng = np.random.default_rng(1)
    known = np.array([[3.0, 0.5, 1.0], [0.2, 1.0, 0.0]])
    y = rng.normal(size=(40_000, 2))
    x = y @ known + rng.normal(size=(40_000, 3))
    T = renormalisation.transformation(renormalisation.correlations(x, y).sum(axis=0), 3, 2)
    assert T == pytest.approx(known, abs=4.5 / np.sqrt(40_000))
    regression, *_ = np.linalg.lstsq(y - y.mean(axis=0), x - x.mean(axis=0), rcond=None)
    assert T == pytest.approx(regression, abs=1e-12)
    exponent = renormalisation.leading_exponent(known[:, :2])
    assert 2**exponent == pytest.approx(np.abs(np.linalg.eigvals(known[:, :2])).max())


def test_response_of_blocks_that_are_the_spins():
    """Unblocked: B is the first operator itself, so dK'/dK is 1 for it and 0 for the others."""
    s, bonds = rg.sampled(8, 2.27, 400, seed=3)
    for found in rg.responses(s, bonds):
        assert found == pytest.approx([1, 0, 0, 0][: len(found)], abs=1e-12)


def test_response_is_the_derivative_of_block_couplings():
    """Four blocks of 4 x 4 spins, all enumerated: the three operators express ln p, so the regression of the fine bonds
    is the derivative of the exact couplings; a quarter of K more would not pass."""
    s, K, h = STATES, 1 / 2.27, 1e-4

    def exact(K):
        blocks, q = blocking.exact_majority(s, boltzmann(ising.energy(s), K))
        return renormalisation.exact_couplings(blocks, q)

    slope = (exact(K + h) - exact(K - h)) / (2 * h)
    # one coin for every tie: each configuration with all its blockings, weighted
    p, S = boltzmann(ising.energy(s), K), blocking.sums(s).reshape(len(s), 4)
    blocks, q = blocking.exact_majority(s, p)
    flat = blocks.reshape(len(blocks), 4)
    share = np.prod((1 + np.sign(S)[:, None] * flat[None]) / 2, axis=2)
    assert (p @ share) == pytest.approx(q)
    bonds = (p * ising.nearest(s)) @ share / q  # <B | S>
    sums = np.column_stack([operator(blocks) for operator in blocking.TORUS_2.values()])
    centred = (sums - q @ sums) * np.sqrt(q)[:, None]
    found, *_ = np.linalg.lstsq(centred, (bonds - q @ bonds) * np.sqrt(q), rcond=None)
    assert found == pytest.approx(slope, abs=1e-5)
    assert found != pytest.approx((exact(1.25 * K + h) - exact(1.25 * K - h)) / (2 * h), abs=1e-2)


def test_a_small_study_end_to_end():
    """Shapes, determinism and a known answer: spins themselves have nn = 1 / T and no other coupling."""
    temperatures = {16: (2.21, 2.27, 2.33)}
    study = rg.repetitions(1600, 20, 2, 3, temperatures)
    places = [(rg.START, 2.27), *[(16, t) for t in temperatures[16]], (8, 2.27)]
    assert len(study) == 2 and set(study[0]) == set(places)
    point = study[0][8, 2.27]
    exact = [1 / 2.27, 0, 0, 0]
    read = point.pseudolikelihood[2]
    assert (np.abs(read.values - exact) < 4.8 * read.errors).all()
    assert np.abs(point.network[0].values[0] - 1 / 2.27) < 0.05  # short training: near it, no more
    assert point.network[1].names == ("nn", "nnn") and [len(r) for r in point.response] == [1, 2, 4]
    assert point.observed.shape == point.drawn.shape == (5, 8, 8)
    (again,) = rg.repetitions(1600, 20, 1, 3, temperatures)
    assert np.array_equal(again[16, 2.33].network[2].values, study[0][16, 2.33].network[2].values)


def test_reading_a_subset_of_operators_equals_reading_it_alone():
    h = StandIn(lambda s: -renormalisation.even_operators(s) @ np.array([0.35, 0.1, -0.02, 0.01]))
    s = rg.sampled(8, 2.27, 320, seed=7).blocks
    tried = couplings.try_moves(
        h, s, renormalisation.even_operators, renormalisation.EVEN, ising.flip_one, moves=8, seed=1
    )
    assert couplings.read_moves(tried, 1.0).values == pytest.approx([0.35, 0.1, -0.02, 0.01], abs=1e-9)
    alone = couplings.read_network(
        h, s, {name: ising.OPERATORS[name] for name in ("nn", "nnn")}, ising.flip_one, moves=8, seed=1
    )
    assert couplings.read_moves(tried, 1.0, ("nn", "nnn")).values == pytest.approx(alone.values, abs=1e-12)


def test_blocks_to_network_to_couplings_against_the_exact_ones():
    """The whole path at L = 4: pairs, diagonals and the product of all express any even ln p of four blocks."""
    s, p = STATES, boltzmann(ising.energy(STATES), 1 / 2.27)
    blocks, q = blocking.exact_majority(s, p)
    exact = renormalisation.exact_couplings(blocks, q)
    assert exact == pytest.approx([0.6925, 0.3271, 0.0196], abs=5e-5)
    assert rg.exact_path(blocks, q, seed=1) == pytest.approx(exact, abs=5e-5)
    # blocks of another temperature do not pass
    _, q = blocking.exact_majority(s, boltzmann(ising.energy(s), 1 / 2.3))
    assert rg.exact_path(blocks, q, seed=1) != pytest.approx(exact, abs=1e-3)
    with pytest.raises(ValueError, match="do not express"):
        renormalisation.exact_couplings(blocks, q, {"pairs": blocking.TORUS_2["pairs"]})
