"""Simulated images against photon counts. Fixed seeds, significance ALPHA."""

import time

import numpy as np
import pytest
from scipy import stats

from lib.samplers import chains, mcmc
from lib.systems import film
from lib.systems.camera import Camera, blur_limit, illumination, render
from tests.physics.standins import ALPHA

RNG = np.random.default_rng
FLAT = {"uneven": 0.0, "pattern": 0.0}


def test_brightness_and_shot_noise():
    spins = np.ones((400, 8, 8), np.int8)
    spins[200:] = -1
    frames = render(spins, Camera(photons=1000, contrast=0.2, **FLAT), RNG(19)).astype(float)
    assert frames.shape == (400, 32, 32)
    for part, level in ((frames[:200], 1.2), (frames[200:], 0.8)):
        counts = part / 2**14 * 1000
        mean, n = 1000 * level, counts.size
        assert abs(counts.mean() - mean) < stats.norm.isf(ALPHA / 2) * np.sqrt(mean / n) + 0.05
        low, high = stats.chi2.ppf([ALPHA / 2, 1 - ALPHA / 2], n - 1) / (n - 1)
        assert low < counts.var(ddof=1) / mean < high
        assert not low < counts.var(ddof=1) / (1.05 * mean) < high


def test_blur_light_and_pattern():
    spins = np.ones((64, 8, 8), np.int8)
    spins[:, 4, 4] = -1
    sharp, soft = (render(spins, Camera(blur=b, photons=1e6, **FLAT), RNG(20)).mean(0) for b in (0, 2))
    assert sharp[17, 17] < 0.9 * sharp[0, 0] and np.abs(sharp[16:20, 16:20] / sharp[0, 0] - 0.9 / 1.1).max() < 0.002
    assert soft.mean() == pytest.approx(sharp.mean(), rel=1e-3) and sharp[17, 17] < soft[17, 17] < soft[0, 0]
    light = illumination((60, 90), Camera(uneven=0.3, pattern=0.0), RNG(21))
    assert light.mean() == pytest.approx(1, abs=1e-5) and light.min() / light.max() == pytest.approx(0.7, abs=1e-5)
    patterned = render(np.ones((64, 8, 8), np.int8), Camera(photons=1e6, uneven=0, pattern=0.05), RNG(22))
    gains = patterned.mean(0) / patterned.mean()
    assert gains.std() == pytest.approx(0.05, rel=0.1)
    assert np.corrcoef(patterned[0].ravel(), patterned[1].ravel())[0, 1] > 0.9  # the same in every frame


def test_blur_wraps_around_the_torus():
    """A flipped spin in the corner looks like one in the middle, moved: the noise of the photons is 3e-4."""
    spins = np.ones((1, 8, 8), np.int8)
    spins[0, 0, 0] = -1
    corner, middle = (
        render(s, Camera(4, 5.0, 1e7, 0.5, **FLAT), RNG(26))[0].astype(float)
        for s in (spins, np.roll(spins, (4, 4), (1, 2)))
    )
    assert np.abs(np.roll(corner, (16, 16), (0, 1)) / middle - 1).max() < 0.003
    assert np.abs(corner / middle - 1).max() > 0.01


def test_blur_limit():
    """One flipped spin in the middle: found a little below the limit, lost a little above it."""
    limit = blur_limit()
    assert limit == pytest.approx(0.366, abs=0.002)
    spins = np.ones((2, 9, 9), np.int8)
    spins[:, 4, 4] = -1
    for blur, lost in ((0.95 * limit, False), (1.05 * limit, True)):
        frames = render(spins, Camera(16, 16 * blur, 1e7, **FLAT), RNG(25))
        dark = (frames[0, 64:80, 64:80] < 2**14).mean()
        assert (dark < 0.5) == lost


def test_images_of_the_film_in_time():
    spins = mcmc.sample(chains.Ising(16, film.reduced_temperature()), 3000, RNG(23)).configurations
    start = time.perf_counter()
    frames = render(spins, Camera(), RNG(24))
    assert frames.shape == (3000, 64, 64) and frames.dtype == np.uint16
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "change",
    [
        {"pixels_per_spin": 0},
        {"blur": -1},
        {"photons": 0},
        {"contrast": 0},
        {"uneven": 1},
        {"pattern": 0.5},
    ],
)
def test_camera_is_checked(change):
    with pytest.raises(ValueError, match=f"{list(change)[0]} = "):
        Camera(**change)


def test_render_refuses_what_is_no_spin():
    for bad in (np.ones((4, 4)), np.zeros((2, 4, 4))):
        with pytest.raises(ValueError, match="give \\+-1 configurations"):
            render(bad, Camera(), RNG(1))


def test_drift_moves_every_frame_by_a_part_of_a_pixel():
    """A pixel of a displaced film is the average over its area; the mean displacement is zero."""
    spins = np.ones((400, 8, 8), np.int8)
    spins[:, 4, 4] = -1
    camera = Camera(blur=0, photons=1e6, drift=0.5, **FLAT)
    dark = 1 - render(spins, camera, RNG(27)) / 2**14 / 1.1
    still = 1 - render(spins, Camera(blur=0, photons=1e6, **FLAT), RNG(27)) / 2**14 / 1.1
    assert dark.sum((1, 2)) == pytest.approx(still.sum((1, 2)), rel=0.04)  # nothing is lost
    rows = (dark.sum(2) * np.arange(32)).sum(1) / dark.sum((1, 2))
    assert np.std(rows) == pytest.approx(0.5, rel=0.15) and abs(np.mean(rows) - 17.5) < 4 * 0.5 / np.sqrt(400)
    with pytest.raises(ValueError, match="drift = -1"):
        Camera(drift=-1)
