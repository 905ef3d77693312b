"""Prediction of an action at a third temperature, against exact actions."""

import numpy as np
import pytest

from lib.analysis import action, two_temperatures
from lib.analysis.action import Readable
from lib.analysis.reweighting import effective_sample_size
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_networks
from lib.studies import prediction
from lib.studies.reading import ReadAction
from lib.studies.sources import Paths
from lib.studies.task import Task
from lib.systems import double_well
from lib.systems.double_well import TransferMatrix
from tests.conftest import refused
from tests.physics.standins import StandIn

N = 8


def stand_in(beta, wrong=1.0):
    """The exact -ln p at `beta`, in the place of a learned one; `wrong` multiplies its quartic coupling."""
    couplings = double_well.couplings(beta, N)
    couplings = couplings._replace(quartic=wrong * couplings.quartic)
    log_z = TransferMatrix(couplings, N).log_z
    exact = StandIn(lambda x: double_well.action(np.asarray(x, float), couplings) + log_z)
    readable = Readable(np.array([*couplings[:3], 0.0]), np.zeros(4), 1.0)
    task = Task("kinetic_ring", Paths(beta, N), 0, 0, 0)
    return ReadAction(task, exact, Estimate(0.0, 0.0), readable, readable, couplings, couplings, [], 0.0)


def log_z(beta_3, beta_1=8.0, beta_2=2.0):
    """ln Z_3 - c_1 ln Z_1 - c_2 ln Z_2, exact."""
    c_1, c_2 = two_temperatures.coefficients(beta_1, beta_2, beta_3)
    three, one, two = (TransferMatrix(double_well.couplings(b, N), N).log_z for b in (beta_3, beta_1, beta_2))
    return three - c_1 * one - c_2 * two


def pair_of(beta_1, beta_2, wrong=1.0):
    return prediction.Pair([stand_in(beta_1, wrong)] * 2, [stand_in(beta_2, wrong)] * 2)


@pytest.fixture(scope="module")
def paths():
    return mcmc.sample(
        chains.DoubleWell(double_well.couplings(4.0, N), N), 2000, np.random.default_rng(1)
    ).configurations


# ---------------------------------------------------------------- the law


def test_coefficients_of_the_paper():
    assert np.allclose(two_temperatures.coefficients(80, 20, 40), (0.4, 0.4), atol=1e-15)
    assert np.allclose(two_temperatures.coefficients(80, 40, 20), (-1, 2.5), atol=1e-15)
    assert np.allclose(two_temperatures.coefficients(20, 40, 80), (-1, 2.5), atol=1e-15)
    assert two_temperatures.error_factor(80, 20, 40) == pytest.approx(np.sqrt(0.32))
    assert two_temperatures.error_factor(80, 40, 20) == pytest.approx(np.sqrt(7.25))


@pytest.mark.parametrize("beta_3", [3.0, 5.0, 1.5, 17.0])
def test_law_is_exact_for_exact_actions(paths, beta_3):
    pair = pair_of(8.0, 2.0)
    found = prediction.agreement(pair, beta_3, paths)
    difference = found.predicted - found.exact
    assert np.ptp(difference) < 1e-12 * np.abs(found.exact).max()
    assert np.allclose(found.slope, 1, atol=1e-12) and found.rmse.max() < 1e-11


def test_k_and_v_are_separated(paths):
    K, V = double_well.parts(paths)
    found = two_temperatures.separate(K / 8 + 8 * V, K / 2 + 2 * V, 8.0, 2.0)
    assert np.allclose(found[0], K, atol=1e-11) and np.allclose(found[1], V, atol=1e-12)


def test_readable_couplings_obey_the_law():
    found = pair_of(8.0, 2.0).couplings(4.0)[0]
    assert np.allclose(found[:3], double_well.couplings(4.0, N)[:3], rtol=1e-12)


def test_couplings_of_one_temperature_give_those_of_another():
    found = two_temperatures.rescaled(double_well.couplings(8.0, N), 8.0, 3.0)
    assert np.allclose(found[:3], double_well.couplings(3.0, N)[:3], rtol=1e-12)
    one = [stand_in(8.0)] * 2
    averages = prediction.averages_from_one(one, 3.0)
    assert averages.shape == (2, 4) and np.allclose(averages, prediction.solve(found, 3.0, N), rtol=1e-12)


def test_values_of_an_action_give_its_couplings(paths):
    couplings = double_well.couplings(4.0, N)
    found = action.read_values(paths, double_well.action(paths, couplings))
    assert np.allclose(found.coefficients[:3], couplings[:3], rtol=1e-8) and found.explained == pytest.approx(1)
    noisy = double_well.action(paths, couplings) + np.random.default_rng(1).normal(0, 0.5, len(paths))
    found = action.read_values(paths, noisy)
    assert np.all(np.abs(found.coefficients[:3] - couplings[:3]) < 4 * found.errors[:3])
    assert 0 < found.errors[0] < 0.2


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ((80, 80, 40), "two different temperatures"),
        ((80, 20, 80), "nothing to predict"),
        ((80, 20, 20), "nothing to predict"),
        ((80, -20, 40), "must be positive"),
        ((0, 20, 40), "must be positive"),
        ((80, 20, float("nan")), "must be positive"),
    ],
)
def test_impossible_temperatures_are_refused(betas, message):
    with refused(message, kind=ValueError):
        two_temperatures.coefficients(*betas)


# ---------------------------------------------------------------- averages under the prediction


def test_gap_from_the_correlator_is_that_of_the_transfer_matrix():
    for beta in (20.0, 40.0, 80.0):
        matrix = TransferMatrix(double_well.couplings(beta, 64), 64)
        first, second = prediction.lags(beta, 64)
        C = matrix.correlator()
        found = prediction.gap_from_correlator(C[first] / C[second], beta, 64)
        assert found == pytest.approx(matrix.gap(beta / 64), rel=3e-3)
    assert np.isnan(prediction.gap_from_correlator(0.9, 40.0, 64))


def test_averages_of_exact_actions_are_exact():
    pair = pair_of(8.0, 2.0)
    found = prediction.predicted_averages(pair, 4.0, 2000, seed=1, with_distributions=True)
    values, errors = found.mean()
    expected = prediction.solve(double_well.couplings(4.0, N), 4.0, N)
    # the surrogate is the target: the control variate leaves no noise at all
    assert np.allclose(values[:4], expected, rtol=1e-10) and errors.max() < 1e-10
    assert np.allclose(found.ess, 1)
    probabilities = values[4 : 4 + len(prediction.KINKS)]
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert np.allclose(found.log_z, log_z(4.0), atol=1e-8) and found.log_z_shared < 1e-8
    assert np.allclose(prediction.readable_log_z(pair, 4.0), log_z(4.0), atol=1e-8)


def test_paths_of_the_networks_are_weighted_with_their_own_probability():
    """Exact paths of beta_1 and beta_2: the effective sample size of p_3 / p is that of the exact weights."""
    groups = []
    for beta in (4.0, 2.0):
        matrix = TransferMatrix(double_well.couplings(beta, N), N)

        def sample(n, seed, matrix=matrix):
            x = matrix.sample(n, np.random.default_rng(seed))
            return x, matrix.log_prob(x)

        one = stand_in(beta)
        one.action.sample = sample
        groups.append([one])
    found = prediction.direct_importance(prediction.Pair(*groups), 3.0, 4000, 1)
    at = TransferMatrix(double_well.couplings(3.0, N), N)
    for size, beta in zip(found, (4.0, 2.0), strict=True):
        matrix = TransferMatrix(double_well.couplings(beta, N), N)
        x = matrix.sample(4000, np.random.default_rng(2))
        exact = effective_sample_size(at.log_prob(x) - matrix.log_prob(x))
        assert 0.2 < exact < 0.99 and size == pytest.approx(exact, rel=0.15)


def test_averages_reach_a_target_that_is_not_the_surrogate():
    """Networks that differ from their readable action: the averages must be those of the networks."""
    wrong = pair_of(8.0, 2.0, wrong=1.04)
    right = pair_of(8.0, 2.0)
    mixed = prediction.Pair(
        [one._replace(readable=other.readable) for one, other in zip(wrong.first, right.first, strict=True)],
        [one._replace(readable=other.readable) for one, other in zip(wrong.second, right.second, strict=True)],
    )
    found = prediction.predicted_averages(mixed, 4.0, 20_000, seed=2)
    target = double_well.couplings(4.0, N)
    target = target._replace(quartic=1.04 * target.quartic)
    expected = prediction.solve(target, 4.0, N)
    surrogate = prediction.solve(double_well.couplings(4.0, N), 4.0, N)
    values, errors = found.mean()
    of_paths = found.errors.max(axis=0)
    assert np.all(np.abs(values - expected) < 4 * of_paths)
    assert np.abs(values[0] - surrogate[0]) > 10 * of_paths[0]  # and the surrogate's own are far off
    assert np.all(errors >= np.abs(values - surrogate))  # two readings that disagree: the error says so
    assert found.ess.min() < 0.999


def tilted(beta, a):
    """p (1 + a tanh(mean x)): normalised where p is, and the mean over a and -a is p itself."""
    one = stand_in(beta)
    action = StandIn(lambda x: one.action.energy(x) - np.log1p(a * np.tanh(2 * np.asarray(x, float).mean(1))))
    return one._replace(action=action)


def test_a_shift_that_all_networks_share_is_in_the_error():
    """Two networks that err in opposite directions: averages of even quantities agree, and are off by the same."""
    groups = [[tilted(beta, a) for a in (0.6, -0.6)] for beta in (8.0, 2.0)]
    found = prediction.predicted_averages(prediction.Pair(*groups), 4.0, 20_000, seed=3)
    exact = log_z(4.0)
    off = found.log_z - exact
    scatter = over_networks(found.log_z, found.log_z_error, shared=True)
    assert np.ptp(off) < 0.02 and 4 * scatter.error < abs(off.mean())  # scatter and paths do not show it
    value, error = found.mean_log_z()
    # twice that of the mean density, and the distance to the readable action
    assert abs(value - exact) < error and found.log_z_shared == pytest.approx(np.sqrt(5) * abs(off.mean()), rel=0.05)
    values, errors = found.mean()
    assert (np.abs(values - prediction.solve(double_well.couplings(4.0, N), 4.0, N)) < 2 * errors).all()


@pytest.mark.parametrize(("wrong", "passes"), [(1.0, True), (0.5, False), (2.0, False)])
def test_pulls_notice_errors_that_are_too_small_or_too_large(wrong, passes):
    """Three networks each, normal: right errors have a p-value that is not small, and cover 68 %."""
    n, m, rng = 200, 3, np.random.default_rng(1)
    value, error = over_networks(rng.normal(size=(m, n)))
    rows = {"pairs": np.full(n, m), "exact": np.zeros(n)}
    rows |= {name: value for name in ("readable", "networks")}
    rows |= {f"{name}_error": wrong * error for name in ("readable", "networks")}
    table = np.rec.fromarrays(list(rows.values()), names=list(rows))
    found = prediction.pulls(table)
    assert (found.p_value > 0.01) == passes
    assert (abs(found.covered - 0.6827) < 4 * np.sqrt(0.68 * 0.32 / n)) == passes
