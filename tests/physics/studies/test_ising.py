"""What the chapters on spins and blocks measure: networks together, the largest error, crossings, what is shared."""

import numpy as np
import pytest

from lib import parallel
from lib.analysis.reweighting import Curves
from lib.statistics import Estimate, over_networks
from lib.studies import blocks
from lib.studies import ising as study
from lib.studies.sources import Spins
from lib.systems import ising


class Scaled:
    """H_theta = factor H + const, exactly."""

    def __init__(self, factor):
        self.factor = factor

    def energy(self, s):
        return self.factor * ising.energy(s) + 3.0


def test_networks_of_a_group_are_compared_together(monkeypatch):
    monkeypatch.setenv(parallel.LIMIT, "1")
    groups = {"two": [Scaled(0.9), Scaled(1.1)], "one": [Scaled(1.2)]}
    found = study.compare_networks(groups, 4, [2.27, 3.0], 50, 1)
    assert found["two"].slope == pytest.approx([1.0, 1.0])
    assert found["two"].slope_error == pytest.approx(2 * [over_networks([0.9, 1.1]).error])
    assert found["one"].slope == pytest.approx([1.2, 1.2]) and found["one"].residual.max() < 1e-9


def test_the_largest_error_is_taken_among_those_that_count():
    values, errors = np.array([0.1, -0.5, 0.3]), np.array([1.0, 2.0, 3.0])
    assert study.largest(values, errors) == Estimate(0.5, 2.0)
    assert study.largest(values, errors, values > -0.2) == Estimate(0.3, 3.0)


def binder(T, centre, L):
    """Straight cumulants that cross at `centre`."""
    values = {"binder": 0.6 - 0.05 * L * (T - centre)}
    return Curves(T, values, {"binder": np.full(len(T), 1e-3)}, np.ones(len(T)), np.zeros(len(T)))


def test_neighbouring_lattices_cross_and_the_mean_is_over_all_crossings():
    T = np.linspace(2.2, 2.34, 5)
    curves = {16: [binder(T, 2.27, 16)], 8: [binder(T, 2.27, 8)], 4: [binder(T, 2.27, 4)]}
    found = study.crossings(curves)
    assert list(found) == [(4, 8), (8, 16)]
    assert study.mean_crossing(found).value == pytest.approx(2.27)
    assert np.isnan(study.mean_crossing(study.crossings({16: curves[16]}))).all()


def test_order_penalty_of_a_hamiltonian_that_is_known():
    class Known:
        """ln p - ln p_theta = 0.3 - 2 m^2 + 0.01 E, and so its mean."""

        T0 = 2.27

        def __init__(self, in_order=-2.0):
            self.in_order = in_order

        def log_prob(self, s):
            m2 = (ising.magnetization(s) / 16) ** 2
            return Spins(4, self.T0).log_prob(s) - 0.3 - self.in_order * m2 - 0.01 * ising.energy(s)

    value, error = study.order_penalty(Known(), 4, (2.27, 3.5), 2000, 1)
    s = Spins(4, 3.5).configurations(2000, 1, "thermodynamics")
    mean = 0.3 - 2 * ((ising.magnetization(s) / 16) ** 2).mean() + 0.01 * ising.energy(s).mean()
    assert value[1] == pytest.approx([-2, -2]) and value[0, 1] == pytest.approx(mean)
    assert (error[1] < 1e-6).all() and (error[0] > 1e-3).all()
    none, _ = study.order_penalty(Known(in_order=0.0), 4, (2.27,), 2000, 1)
    assert none[1] == pytest.approx([0], abs=1e-8)


def test_a_ratio_has_the_errors_of_both():
    assert blocks.ratio(Estimate(2.0, 0.2), Estimate(1.0, 0.1)) == pytest.approx((2.0, 2.0 * np.hypot(0.1, 0.1)))


def test_calls_under_names_come_back_under_them():
    calls = {"a": [(divmod, 7, 2), (divmod, 9, 4)], "b": [(abs, -1)], "c": []}
    assert parallel.run_all(calls) == {"a": [(3, 1), (2, 1)], "b": [1], "c": []}
