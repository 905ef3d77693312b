"""Curie temperatures: the six points of the talk against published and recomputed numbers, made-up points against the
truth.

Fits of exact points must return them to rounding. Errors are compared with the scatter over 400 noisy data sets,
chi^2 at the significance ALPHA.
"""

import numpy as np
import pytest

from lib import paths
from lib.analysis import curie
from lib.errors import BookError
from tests.conftest import refused
from tests.physics.standins import check, covers

FILM = curie.read_csv(paths.data_file("film_ms.csv"))
T = np.array([50.0, 100, 150, 200, 250, 300, 350])


def test_the_six_points_of_the_talk():
    assert FILM.T.tolist() == [50, 100, 150, 200, 250, 300]
    assert FILM.M.tolist() == [961.16, 925.25, 877.73, 818.17, 753.31, 673.427]
    assert FILM.errors is None


def test_the_fits_of_the_issue():
    fits = curie.all_forms(FILM.T, FILM.M)
    plain, free = fits["exponent 1/3"], fits["exponent free"]
    assert (round(plain.t_c, 1), round(plain.error, 1), round(plain.m0)) == (428.9, 3.8, 1008)
    relative = curie.power_law(FILM.T, FILM.M, weights="relative")
    assert (round(relative.t_c, 1), round(relative.error, 1)) == (428.0, 3.1)
    assert (round(free.exponent, 3), round(free.exponent_error, 3)) == (0.292, 0.023)
    assert (round(free.t_c, 1), round(free.error, 1)) == (402.7, 14.8)
    assert (round(fits["Ising 0.326"].t_c, 1), round(fits["Heisenberg 0.365"].t_c, 1)) == (424.1, 449.6)
    assert (round(fits["mean field 1/2"].t_c, 1), round(fits["Bloch 3/2"].t_c)) == (541.7, 651)
    assert (round(fits["Kuz'min"].t_c, 1), round(fits["Kuz'min"].error, 1)) == (455.5, 9.8)
    assert (round(fits["Bloch 3/2"].rms, 2), round(plain.rms, 2)) == (2.27, 3.33)
    assert plain.residuals.round(1).tolist() == [-6.0, 2.6, 4.5, 0.6, 0.2, -1.7]
    assert plain.reach == pytest.approx(0.70, abs=0.003)
    # consistent with the published value, which another temperature would not be
    assert abs(plain.t_c - 427.4) < np.hypot(plain.error, 2.9) < abs(free.t_c - 427.4)


def test_spread_over_the_forms():
    fits = curie.all_forms(FILM.T, FILM.M)
    spread = curie.spread(fits)
    assert (spread.lowest, spread.highest) == ("exponent free", "Kuz'min")
    assert (spread.low, spread.high) == (fits["exponent free"].t_c, fits["Kuz'min"].t_c)
    assert spread.width > 10 * fits["exponent 1/3"].error
    assert curie.spread(fits, ("exponent 1/3", "Bloch 3/2")).highest == "Bloch 3/2"
    with pytest.raises(ValueError, match="choose some of exponent 1/3"):
        curie.spread(fits, ("cubic",))


FORMS = {
    "power": (lambda T: 1000 * (1 - T / 430) ** 0.4, lambda T, M, **w: curie.power_law(T, M, 0.4, **w), 430),
    "free": (lambda T: 1000 * (1 - T / 430) ** 0.3, lambda T, M, **w: curie.power_law(T, M, None, **w), 430),
    "bloch": (lambda T: 1000 * (1 - (T / 500) ** 1.5), curie.bloch, 500),
    "kuzmin": (
        lambda T: 1000 * np.cbrt(1 - 0.8 * (T / 430) ** 1.5 - 0.2 * (T / 430) ** 2.5),
        curie.kuzmin,
        430,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_exact_points_come_back(form):
    truth, fit, t_c = FORMS[form]
    for weights in ("equal", "relative", np.linspace(1, 2, len(T))):
        found = fit(T, truth(T), weights=weights)
        assert found.t_c == pytest.approx(t_c, rel=1e-5) and found.m0 == pytest.approx(1000, rel=1e-5)
        assert found.rms < 1e-3
        np.testing.assert_allclose(found.function(np.array([0.0, 120.0])), truth(np.array([0.0, 120.0])), rtol=1e-5)
        assert found.function(t_c + 30) == pytest.approx(0, abs=1e-9)
    assert FORMS["free"][1](T, FORMS["free"][0](T)).exponent == pytest.approx(0.3, abs=1e-4)
    assert curie.kuzmin(T, FORMS["kuzmin"][0](T)).shape == pytest.approx(0.8, abs=1e-3)
    # another form leaves residuals
    assert min(curie.power_law(T, truth(T), 0.6).rms, curie.power_law(T, truth(T), 0.2).rms) > 1


@pytest.mark.parametrize("form", FORMS)
def test_the_quoted_error_is_the_scatter(form):
    """Noise of known size: pulls of T_C have variance 1, and fail the same test where the errors are 30 % too small."""
    truth, fit, t_c = FORMS[form]
    rng, sigma, n = np.random.default_rng(1), np.full(len(T), 0.5), 400
    pulls = []
    for _ in range(n):
        found = fit(T, truth(T) + sigma * rng.normal(size=len(T)), weights=sigma)
        pulls.append((found.t_c - t_c) / found.error)
    check(pulls)
    assert not covers(np.array(pulls) / 0.7)


def test_absolute_errors_are_not_rescaled():
    M = FORMS["power"][0](T) + np.random.default_rng(2).normal(size=len(T))
    one, two = (curie.power_law(T, M, 0.4, weights=np.full(len(T), s)) for s in (1.0, 2.0))
    assert two.error == pytest.approx(2 * one.error, rel=1e-6) and two.t_c == pytest.approx(one.t_c)
    by_hand = curie.power_law(T, M, 0.4)
    scale = np.sqrt((by_hand.residuals**2).sum() / (len(T) - 2))
    assert by_hand.error == pytest.approx(scale * one.error, rel=1e-6)


def test_leave_one_out():
    fits = curie.leave_one_out(FILM.T, FILM.M)
    assert [round(f.t_c, 1) for f in fits] == [424.9, 429.9, 429.6, 428.8, 428.8, 432.8]
    assert round(fits[0].error, 1) == 1.3 and len(fits[0].residuals) == 5
    assert len(curie.leave_one_out(FILM.T, FILM.M, curie.kuzmin)) == 6
    with pytest.raises(ValueError, match="at least 5"):
        curie.leave_one_out(FILM.T[:4], FILM.M[:4])


@pytest.mark.parametrize(
    "t, m, arguments, message",
    [
        (T[:3], T[:3], {}, "3 points: a fit needs at least 4"),
        (T, T[:4], {}, "same length"),
        (-T, T, {}, "T must be positive"),
        (T, T - 50, {}, "M must be positive"),
        (T, np.where(T > 300, np.nan, T), {}, "M must be positive and finite"),
        (T, 500 - T, {"exponent": 0}, "exponent = 0"),
        (T, 500 - T, {"weights": "none"}, "weights = 'none'"),
        (T, 500 - T, {"weights": [1, 2]}, "7 positive numbers"),
        (T, 100 + T, {}, "M must fall with T"),
        (T, np.full(7, 3.0), {}, "M must fall with T"),
        (
            np.append(T, 450.0),
            np.append(1000 * (1 - T / 430) ** (1 / 3), 5.0),
            {},
            "T = 450 K; leave out points at or above T_C",
        ),
    ],
)
def test_points_that_cannot_be_fitted(t, m, arguments, message):
    with refused(message, kind=ValueError):
        curie.power_law(t, m, **arguments)


# csv ------------------------------------------------------------------------------------------------------

GOOD = "# a comment\n\nsample,T_K,Ms_emu_per_cc,error\na,300,600,1\na,100,900,2\nb,200,800,3\nb,50,950,4\n"


def test_a_csv_of_ones_own(tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("\ufeff" + GOOD, encoding="utf-8")
    mine = curie.read_csv(file)
    assert mine.T.tolist() == [50, 100, 200, 300] and mine.M.tolist() == [950, 900, 800, 600]
    assert mine.errors.tolist() == [4, 2, 3, 1]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("T_K", "T", "no column 'T_K'"),
        ("Ms_emu_per_cc", "M", "no column 'Ms_emu_per_cc'"),
        ("900", "abc", "line 5: Ms_emu_per_cc = 'abc' is not a number"),
        ("900", "", "is not a number"),
        ("a,100,900,2", "a,100", "is not a number"),
        ("900", "-900", "must be positive"),
        ("900", "nan", "must be positive and finite"),
        ("100,900", "0,900", "line 5: T_K = 0 must be positive"),
        (",2\n", ",0\n", "error = 0 must be positive"),
        ("b,50,950,4\n", "", "3 points; a fit needs at least 4"),
        ("b,50", "b,100", "T = 100 K appears twice"),
        (GOOD, "", "no column 'T_K'"),
    ],
)
def test_a_bad_csv_gets_one_line(old, new, message, tmp_path):
    file = tmp_path / "bad.csv"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with refused(message, "bad.csv"):
        curie.read_csv(file)


def test_a_file_that_is_no_csv(tmp_path):
    with pytest.raises(BookError, match="nothing.csv: cannot be read"):
        curie.read_csv(tmp_path / "nothing.csv")
    (tmp_path / "picture.csv").write_bytes(bytes(range(256)))
    with pytest.raises(BookError, match="picture.csv: cannot be read"):
        curie.read_csv(tmp_path / "picture.csv")
