"""Transition temperatures from helicity moduli that obey the law they are read with."""

import numpy as np
import pytest

from lib.analysis import bkt, finite_size

T = np.array([0.82, 0.86, 0.90, 0.94, 0.98])


def curves(t_c, C, sizes, slope=-2.0):
    """Straight lines through the value of Weber and Minnhagen at t_c."""
    return {L: finite_size.weber_minnhagen(t_c, C, L) + slope * (T - t_c) for L in sizes}


def biased(t_c, C, sizes, bias):
    """Lattices of sides doubled one after the other whose T(L, 2L) is t_c + bias / ln^2 L, exactly."""
    shift, found = 0.0, {}
    for L in sizes:
        inverse = np.log(L) + C + 5 * np.log(L) * (T - t_c) - shift  # 1 / 2 x_L
        found[L] = 2 * T / np.pi * (1 + 1 / (2 * inverse))
        shift += 5 * np.log(2) * bias / np.log(L) ** 2
    return found


def errors(sizes, size=1e-6):
    return dict.fromkeys(sizes, np.full(len(T), size))


def test_the_crossing_of_a_straight_line():
    Y = 2 * 0.93 / np.pi - 3.0 * (T - 0.93)
    found = bkt.crossing(T, Y, np.full(len(T), 1e-3))
    assert found.value == pytest.approx(0.93, abs=1e-9)
    assert 1e-4 < found.error < 1e-3
    assert np.isnan(bkt.crossing(T, Y + 1, np.full(len(T), 1e-3)).value)


def test_pairs_that_obey_the_formula_need_no_extrapolation():
    sizes = (6, 8, 12, 16, 24, 32)
    found = bkt.of_pairs(T, curves(0.8935, 0.6, sizes), errors(sizes))
    assert found.sizes.tolist() == [6, 8, 12, 16]
    assert found.pairs.value == pytest.approx(0.8935, abs=2e-5)
    assert found.T.value == pytest.approx(0.8935, abs=1e-4)


def test_the_extrapolation_removes_what_the_formula_leaves():
    sizes = (8, 16, 32, 64, 128, 256)
    found = bkt.of_pairs(T, biased(0.8935, 1.0, sizes, -0.04), errors(sizes))
    assert found.pairs.value == pytest.approx(0.8935 - 0.04 / np.log(sizes[:-1]) ** 2, abs=5e-4)
    assert found.T.value == pytest.approx(0.8935, abs=5e-4) and found.slope.value == pytest.approx(-0.04, rel=0.1)
    assert found(8) == pytest.approx(found.pairs.value[0], abs=1e-3)


def test_errors_cover():
    """Pulls of the extrapolated temperature over 200 sets of noisy curves."""
    sizes, noise, rng = (6, 8, 12, 16, 24, 32), 1e-3, np.random.default_rng(1)
    exact, pulls = curves(0.8935, 0.6, sizes), []
    for _ in range(200):
        noisy = {L: y + noise * rng.normal(size=len(T)) for L, y in exact.items()}
        found = bkt.of_pairs(T, noisy, errors(sizes, noise))
        pulls.append((found.T.value - 0.8935) / found.T.error)
    assert 0.8 < np.std(pulls) < 1.25 and abs(np.mean(pulls)) < 0.35


def test_too_few_pairs_are_refused():
    sizes = (8, 16, 32)
    with pytest.raises(ValueError, match="three pairs"):
        bkt.of_pairs(T, curves(0.8935, 0.6, sizes), errors(sizes))
    with pytest.raises(ValueError, match="widen the window"):
        every = (6, 8, 12, 16, 24, 32)
        bkt.of_pairs(T, curves(1.2, 0.6, every), errors(every))
