"""The renormalisation group: matching on made-up flows, operators, Monte Carlo RG, and the samplers' blocks."""

import numpy as np
import pytest

from lib.analysis import blocking, couplings, renormalisation
from lib.statistics import student
from lib.studies import rg
from lib.systems import ising
from tests.physics.standins import STATES, StandIn, boltzmann

T = np.array(rg.TEMPERATURES)


def flow(L, t_c=2.269, y_t=1.0, curvature=0.3):
    """Couplings that follow the linearised flow, with a smooth nonlinear part common to both lattices."""
    x = (1 / T - 1 / t_c) * (L / 8) ** y_t
    return 0.42 + x + curvature * x**2


@pytest.mark.parametrize("y_t", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("t_c", [2.255, 2.27])
def test_matching_finds_what_was_put_in(t_c, y_t):
    found = renormalisation.match(T, flow(32, t_c, y_t), flow(64, t_c, y_t))
    assert found.t_c == pytest.approx(t_c, abs=1e-9)
    assert found.y_t == pytest.approx(y_t, abs=1e-9)


def test_matching_refuses_what_it_cannot_read():
    with pytest.raises(ValueError, match="do not cross"):
        renormalisation.match(T, flow(32), flow(64) + 1)
    with pytest.raises(ValueError, match="differ in sign"):
        renormalisation.match(T, flow(32), 0.84 - flow(64))


def couplings_on(values):
    """A stand-in for the couplings read at one place, the same for all operator sets."""
    return [couplings.Couplings(names, np.full(len(names), values / len(names)), None, 0.0, 1e-4)
            for names in rg.OPERATOR_SETS]  # fmt: skip


def test_matches_of_every_repetition_are_nan_where_nothing_crosses():
    def repetition(shift):
        curves = {32: flow(32), 64: flow(64) + shift}
        return {
            (L, t): rg.Point(L, t, couplings_on(value), couplings_on(value), 1e-4, None)
            for L, curve in curves.items()
            for t, value in zip(rg.TEMPERATURES, curve, strict=True)
        }

    found = rg.matches([repetition(0.0), repetition(1.0)], 32, 64)
    assert found.t_c[0] == pytest.approx(2.269) and found.y_t[0] == pytest.approx(1.0)
    assert np.isnan([found.t_c[1], found.y_t[1], found.t_c_error[1], found.y_t_error[1]]).all()
    assert np.isnan(rg.combine_matches(found.t_c, found.t_c_error)).all()


def test_unblocked_spins_get_sixteen_times_as_many(monkeypatch):
    seen = {}
    monkeypatch.setattr(rg, "learn_all", lambda tasks, then: seen.update(tasks) or dict.fromkeys(tasks, [None]))
    rg.repetitions([(16, 2.27), (8, 2.27)], 100, 10, 1, 1)
    assert [seen[L, 2.27][0].n_train for L in (16, 8)] == [100, 1600]


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
        renormalisation.match(T, small + errors * rng.normal(size=5), large + errors * rng.normal(size=5))
        for _ in range(2000)
    ]
    expected = renormalisation.match_errors(T, small, large, errors, errors)
    assert np.std(draws, axis=0) == pytest.approx(expected, rel=0.07)


def test_odd_operators_by_hand():
    s = np.ones((1, 4, 4), np.int8)
    assert renormalisation.odd_operators(s).tolist() == [[16, 64]]  # four corners at each site
    s[0, 1, 1] = -1
    # the flipped spin stands in 4 corners as the centre and in 8 as an arm
    assert renormalisation.odd_operators(s).tolist() == [[14, 64 - 2 * 12]]
    assert renormalisation.odd_operators(-s).tolist() == [[-14, -40]]


def test_blocks_of_unblocked_spins_have_the_exact_energy():
    """L = 8: Swendsen-Wang against Kaufman, 32 chains as independent groups, |z| < 3.9 (level 1e-4, 31 degrees)."""
    (s,) = rg.blocks(8, 2.27, 6400, seed=5)
    energy = ising.energy(s).reshape(32, -1).mean(axis=1)
    z = (energy.mean() - float(ising.exact(8, 2.27).energy)) / (energy.std(ddof=1) / np.sqrt(32))
    assert abs(z) < 4.5
    wrong = (energy.mean() - float(ising.exact(8, 2.35).energy)) / (energy.std(ddof=1) / np.sqrt(32))
    assert abs(wrong) > 4.5
    levels = rg.blocks(32, 2.27, 64, seed=5)
    assert [level.shape[1] for level in levels] == [32, 16, 8]
    assert all(set(np.unique(level)) == {-1, 1} for level in levels)
    assert np.array_equal(rg.blocks(32, 2.27, 64, seed=5)[-1], levels[-1])


def test_monte_carlo_rg_finds_exponents_near_the_exact_ones():
    """Two steps from L = 32 at T_c: second-step y_t and y_h within 5 errors of 1 and 15/8 after truncation of 0.02."""
    levels = rg.blocks(32, ising.critical_temperature(), 12_800, seed=6)
    steps = renormalisation.mcrg(renormalisation.correlations(levels))
    assert len(steps) == 2
    (y_t, y_t_error), (y_h, y_h_error) = steps[1]
    assert abs(y_t - 1) < 0.02 + 5 * y_t_error and 0 < y_t_error < 0.05
    assert abs(y_h - 15 / 8) < 0.005 + 5 * y_h_error
    # far from T_c there is no such eigenvalue
    hot = renormalisation.mcrg(renormalisation.correlations(rg.blocks(32, 3.5, 6_400, seed=6)))
    assert hot[1][0][0] < 0.8


def test_linear_transformation_comes_back_exactly():
    """If S' = A S + noise, the matrix T of the definition is A with the noise's covariance; here without noise."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4000, 2))
    y = x @ np.array([[3.0, 0.5], [0.2, 1.0]]).T
    products = [np.ones((4000, 1)), x, y]
    products += [np.einsum("na,nb->nab", a, b).reshape(4000, -1) for a, b in ((y, x), (y, y))]
    exponent = renormalisation._leading(np.concatenate(products, axis=1).sum(axis=0), 2)
    # T solves <y y> T = <y x>; its eigenvalues are those of the inverse of A's transpose
    expected = np.linalg.eigvals(np.linalg.inv(np.array([[3.0, 0.5], [0.2, 1.0]])))
    assert exponent == pytest.approx(np.log2(np.abs(expected).max()), abs=1e-9)


def test_a_small_study_end_to_end():
    """Shapes, determinism and a known answer: spins themselves have nn = 1 / T and no other coupling."""
    places = [(16, t) for t in (2.25, 2.27, 2.29)] + [(8, 2.27)]
    study = rg.repetitions(places, 1500, 40, 2, seed=3)
    assert len(study) == 2 and set(study[0]) == set(places)
    point = study[0][8, 2.27]
    assert point.mcrg is None and len(study[0][16, 2.27].mcrg) == 1
    exact = [1 / 2.27, 0, 0, 0]
    read = point.pseudolikelihood[2]
    assert (np.abs(read.values - exact) < 4.5 * read.errors).all()
    assert np.abs(point.network[0].values[0] - 1 / 2.27) < 0.05  # short training: near it, no more
    assert point.network[1].names == ("nn", "nnn")
    again = rg.repetitions(places, 1500, 40, 2, seed=3)
    assert np.array_equal(again[1][16, 2.29].network[2].values, study[1][16, 2.29].network[2].values)


def test_reading_a_subset_of_operators_equals_reading_it_alone():
    h = StandIn(lambda s: -renormalisation.even_operators(s) @ np.array([0.35, 0.1, -0.02, 0.01]))
    s = rg.blocks(8, 2.27, 320, seed=7)[0]
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
