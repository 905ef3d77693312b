"""Peaks, crossings and levels of curves that are known."""

import numpy as np
import pytest

from lib.analysis import curve_features, finite_size
from lib.analysis.reweighting import Curves


def test_peak_and_crossing():
    T = np.linspace(2.0, 2.6, 13)
    height = 1.5 - 20 * (T - 2.31) ** 2 + 8 * (T - 2.31) ** 3
    position, error = curve_features.peak(T, height, np.full(13, 0.01), (2.1, 2.5))
    assert position == pytest.approx(2.31, abs=1e-9) and 0 < error < 0.01
    with pytest.raises(ValueError, match="no maximum inside"):
        curve_features.peak(T, T, np.full(13, 0.01), (2.1, 2.5))
    with pytest.raises(ValueError, match="at least 6"):
        curve_features.peak(T, height, np.full(13, 0.01), (2.3, 2.4))
    error = np.full(13, 0.01)
    assert curve_features.crossing(T, 0.61 - (T - 2.27), 0.61 - 2 * (T - 2.27), error).value == pytest.approx(2.27)
    with pytest.raises(ValueError, match="do not cross"):
        curve_features.crossing(T, 0.6 - T, 0.5 - T, error)


def test_a_feature_that_one_network_does_not_have_is_nan():
    T, error = np.linspace(2.0, 2.6, 13), np.full(13, 0.01)
    height = 1.5 - 20 * (T - 2.31) ** 2

    def curves(name, *heights):
        return [Curves(T, {name: y}, {name: error}, None, None) for y in heights]

    assert finite_size.peak_temperature(curves("specific_heat", height, height), (2.1, 2.5)).value == pytest.approx(
        2.31
    )
    assert np.isnan(finite_size.peak_temperature(curves("specific_heat", height, T), (2.1, 2.5))).all()
    assert np.isnan(finite_size.peak_temperature(curves("specific_heat", T), (2.1, 2.5))).all()  # one network alone
    small, large = curves("binder", 0.6 - T, 0.61 - (T - 2.27)), curves("binder", 0.5 - T, 0.61 - 2 * (T - 2.27))
    found = finite_size.crossing_temperatures(small, large)
    assert np.isnan(found.value[0]) and found.value[1] == pytest.approx(2.27)


def binder_curve(T, noise=0.0, seed=0):
    """A cumulant that saturates at 2/3 and passes 0.61 at T = 2.27."""
    width = 0.08
    U = (2 / 3) / (1 + np.exp((T - 2.27) / width + np.log((2 / 3 - 0.61) / 0.61)))
    U = U + noise * np.random.default_rng(seed).normal(size=len(T))
    zero = np.zeros(len(T))
    return Curves(T, {"binder": U}, {"binder": zero + max(noise, 1e-3)}, zero + 1, zero)


def fall(curve):
    return curve_features.fall(curve.T, curve.values["binder"], curve.errors["binder"], 0.61)


def test_the_mark_of_a_transition():
    T = np.round(np.arange(1.9, 2.66, 0.05), 2)
    assert fall(binder_curve(T))[0] == pytest.approx(2.27, abs=0.002)
    found = np.array([fall(binder_curve(T, 0.004, seed)) for seed in range(200)])
    assert found[:, 0].mean() == pytest.approx(2.27, abs=0.003)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.25)  # the error is the scatter
    with pytest.raises(ValueError, match="does not pass"):
        fall(binder_curve(T[T < 2.2]))
    hidden = binder_curve(T)
    hidden.values["binder"][T > 2.31] = np.nan
    with pytest.raises(ValueError, match="too few"):
        fall(hidden)
    assert finite_size.level_temperature([binder_curve(T)] * 2, 0.61).value == pytest.approx(2.27, abs=0.002)
    assert np.isnan(finite_size.level_temperature([binder_curve(T), hidden], 0.61)).all()
