"""Correlations of spin waves, which are known exactly."""

import numpy as np
import pytest

from lib.analysis import spin_correlation
from lib.systems import xy


def spin_waves(L, T, n, rng):
    """Angles of the harmonic model on the torus: independent Gaussian modes, Y = 1."""
    k = 2 * np.pi * np.fft.fftfreq(L)
    stiffness = 4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)
    stiffness[0, 0] = np.inf
    noise = np.fft.fft2(rng.normal(size=(n, L, L)))
    return np.fft.ifft2(noise * np.sqrt(T / stiffness)).real % xy.TWO_PI


def test_correlation_is_the_average_over_pairs_of_sites():
    theta = np.random.default_rng(1).uniform(0, xy.TWO_PI, (3, 6, 6))
    found = spin_correlation.correlation(theta)
    for r in range(4):
        rows, columns = (np.cos(theta - np.roll(theta, r, axis)).mean((1, 2)) for axis in (1, 2))
        assert found[:, r] == pytest.approx((rows + columns) / 2)


def test_the_propagator_grows_as_a_logarithm():
    far = spin_correlation.logarithm(512)
    assert far[32] - far[8] == pytest.approx(np.log(4), abs=0.01)


def test_spin_waves_decay_with_the_exponent_of_their_stiffness():
    L, T = 16, 0.5
    G = spin_correlation.correlation(spin_waves(L, T, 4000, np.random.default_rng(1))).mean(0)
    exact = np.exp(-T * spin_correlation.logarithm(L) / (2 * np.pi))
    assert G == pytest.approx(exact, abs=0.006)
    assert spin_correlation.decay_exponent(exact) == pytest.approx(T / (2 * np.pi), abs=1e-12)
    assert spin_correlation.decay_exponent(G) == pytest.approx(T / (2 * np.pi), abs=0.002)
    assert abs(spin_correlation.decay_exponent(np.r_[1, 1 / np.arange(1, 9) ** 0.08]) - T / (2 * np.pi)) > 0.004


def test_small_lattices_and_negative_correlations():
    assert np.isnan(spin_correlation.decay_exponent(np.ones((2, 4)))).all()
    assert np.isnan(spin_correlation.decay_exponent(np.array([1, 0.5, 0.1, -0.1, 0.1])))
