"""Value +- error: jackknife, autocorrelation and the average over networks, against statistics that are known."""

import numpy as np
import pytest
from scipy import stats

from lib.statistics import (
    ONE_SIGMA,
    NoFeature,
    autocorrelation,
    block_sums,
    integrated_time,
    jackknife,
    mean,
    or_nan,
    over_blocks,
    over_networks,
    owners,
    student,
)
from tests.physics.standins import ALPHA
from tests.physics.standins import covers as errors_cover


def test_jackknife_of_a_mean_is_the_standard_error():
    x = np.random.default_rng(1).normal(size=1000)
    value, error = jackknife(lambda total: total[0] / total[1], block_sums(np.stack([x, np.ones(1000)], 1), 1000))
    assert np.isclose(value, x.mean()) and np.isclose(error, x.std(ddof=1) / np.sqrt(1000))
    assert over_blocks(lambda keep: x[keep].mean(), np.arange(1000)) == pytest.approx((value, error))
    assert mean(x) == pytest.approx((value, error)) and isinstance(value, float)
    with pytest.raises(ValueError, match="10 values cannot be cut into 20 blocks"):
        block_sums(np.ones(10), 20)


def test_blocks_are_consecutive_and_complete():
    assert owners(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert block_sums(np.arange(7), 3).sum() == 21


def test_correlated_values_count_less():
    """An autoregressive series with rho(t) = a^t: tau_int, and the scatter of its means over 400 series."""
    a, n, series = 0.8, 4000, 400
    rng = np.random.default_rng(2)
    x = np.empty((n, series))
    x[0] = rng.normal(size=series)
    for t in range(1, n):
        x[t] = a * x[t - 1] + np.sqrt(1 - a**2) * rng.normal(size=series)
    tau = 0.5 + a / (1 - a)
    assert integrated_time(x) == pytest.approx(tau, rel=0.02)
    assert integrated_time(x[:, 0]) == pytest.approx(tau, rel=0.25)
    assert autocorrelation(x, 4) == pytest.approx([1, 0.8, 0.64, 0.512], abs=0.01)
    pulls = x.mean(0) / mean(x, tau).error
    assert errors_cover(pulls) and not errors_cover(x.mean(0) / mean(x).error)
    assert integrated_time(np.full((10, 3), 2.0)) == 0.5 and autocorrelation(np.ones(5), 3).tolist() == [1, 0, 0]


# ---------------------------------------------------------------- several networks


def covers(m, scatter, own, common, shared, repetitions=20_000):
    """How often |mean - truth| < error, for m networks: scatter between them, error of the configurations of each, and
    of the ones that all share."""
    rng = np.random.default_rng([3, m])
    values = scatter * rng.normal(size=(m, repetitions)) + own * rng.normal(size=(m, repetitions))
    values = values + common * rng.normal(size=repetitions)
    errors = np.full(values.shape, common if shared else own)
    found = over_networks(values, errors, shared=shared)
    return (np.abs(found.value) < found.error).mean()


SLACK = stats.norm.isf(ALPHA / 2) * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / 20_000)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_the_error_of_a_few_networks_covers(m):
    """68.27 % where the scatter between networks is all there is, on independent and on shared configurations."""
    assert abs(covers(m, 1.0, 0.0, 0.0, False) - ONE_SIGMA) < SLACK
    assert abs(covers(m, 1.0, 0.0, 0.0, True) - ONE_SIGMA) < SLACK
    assert abs(covers(m, 0.0, 0.0, 1.0, True) - ONE_SIGMA) < SLACK  # one error, shared, is not averaged
    for scatter, own, common, shared in ((1, 1, 0, False), (0.3, 1, 0, False), (0, 1, 0, False), (1, 0, 1, True)):
        assert covers(m, scatter, own, common, shared) > ONE_SIGMA - SLACK  # both: never less
    # what is forgotten shows: shared configurations taken as independent ones
    assert covers(m, 0.1, 0.0, 1.0, False) < ONE_SIGMA - 10 * SLACK


def test_students_factor():
    assert [student(m) for m in (2, 3, 4, 1000)] == pytest.approx([1.837, 1.321, 1.197, 1.0], abs=0.001)


def test_the_average_over_networks_by_hand():
    value, error = over_networks([1.0, 2.0, 3.0], [0.1, 0.1, 0.1])
    assert value == 2 and error == pytest.approx(student(3) / np.sqrt(3))
    assert over_networks([1.0, 1.0, 1.0], [0.3, 0.3, 0.3]).error == pytest.approx(0.3 / np.sqrt(3))
    assert over_networks([1.0, 1.0, 1.0], [0.3, 0.3, 0.3], shared=True).error == pytest.approx(0.3)
    both = over_networks([1.0, 2.0, 3.0], [0.3, 0.3, 0.3], shared=True)
    assert both == pytest.approx((2, np.hypot(0.3, student(3) / np.sqrt(3))))
    of_log_z = over_networks([1.0, 1.0, 1.0], [0.3, 0.3, 0.3], shared=0.4)
    assert of_log_z.error == pytest.approx(np.hypot(0.3 / np.sqrt(3), 0.4))
    assert over_networks([1.0, 2.0, 3.0]) == over_networks([1.0, 2.0, 3.0], np.zeros(3), shared=True)


def test_one_network_shows_no_scatter():
    assert over_networks([1.5], [0.2]) == over_networks([1.5], [0.2], shared=True) == (1.5, 0.2)
    assert over_networks([1.5], [0.3], shared=0.4).error == pytest.approx(0.5)
    assert np.isnan(over_networks([1.5]).error) and over_networks([[1.5, 2]]).value.tolist() == [1.5, 2]


def test_only_a_missing_feature_is_nan():
    def fails(error):
        raise error

    assert or_nan(mean, [1.0, 3.0]) == pytest.approx((2.0, 1.0))
    assert np.isnan(or_nan(fails, NoFeature("no peak"))).all()
    with pytest.raises(ValueError, match="shapes"):  # a mistake is no missing feature
        or_nan(fails, ValueError("shapes"))
