"""The simulated film: kernel, energy and sampler against sums by hand and all states, images against photon counts.

Statistical checks use fixed seeds and the significance ALPHA, divided by the number of comparisons.
"""

import time

import numpy as np
import pytest
from scipy import stats

from lib.samplers import dipolar, mcmc
from lib.systems import film, ising

ALPHA = 0.001
RNG = np.random.default_rng


# Kelvin -----------------------------------------------------------------------------------------------------


def test_kelvin_and_coupling():
    T0 = film.reduced_temperature()
    assert T0 == pytest.approx(1.5715, abs=5e-5)
    assert film.curie_temperature(1 / T0, 0.01 / T0) == pytest.approx((427.4, 4.274))
    assert film.reduced_temperature(300, 300) == pytest.approx(ising.critical_temperature())
    with pytest.raises(ValueError, match="positive"):
        film.reduced_temperature(-1)


def test_pseudolikelihood_of_the_twin_returns_its_curie_temperature():
    from lib.analysis import couplings

    T0 = film.reduced_temperature()
    s = mcmc.sample(16, T0, 3000, RNG(1)).configurations
    read = couplings.pseudolikelihood(ising.local_sums(s, ("nn",)), 1.0, ("nn",))
    t_c, error = film.curie_temperature(read.values[0], read.errors[0])
    limit = stats.t.isf(ALPHA / 2, 19)
    assert abs(t_c - 427.4) < limit * error < 5
    assert abs(t_c - 1.02 * 427.4) > limit * error


# Dipolar kernel ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("L", [3, 4, 16])
def test_ewald_sum_does_not_depend_on_its_parameter(L):
    K = film.dipolar_kernel(L)
    np.testing.assert_allclose(film.dipolar_kernel(L, 3 / L, 12), K, rtol=1e-12)
    np.testing.assert_allclose(film.dipolar_kernel(L, 1.5 / L, 12), K, rtol=1e-12)
    assert np.abs(film.dipolar_kernel(L, 0.3 / L, 2) - K).max() > 1e-6  # too few images are noticed


def test_ewald_sum_is_the_sum_over_images():
    """Images up to 300 in each direction, and an integral over the rest: 4 sqrt 2 / (L^3 (M + 1/2)) for a square."""
    L, M = 5, 300
    n = L * np.arange(-M, M + 1)
    K = film.dipolar_kernel(L)
    for row, column in ((0, 0), (0, 1), (2, 1), (4, 3)):
        d = np.hypot(row + n[:, None], column + n)
        direct = (1 / d[d > 0] ** 3).sum() + 4 * np.sqrt(2) / (L**3 * (M + 0.5))
        assert K[row, column] == pytest.approx(direct, rel=1e-5)
    assert not np.isclose(K[0, 1], 1, rtol=0.01)  # the nearest image alone is not enough


def test_kernel_has_the_symmetry_of_the_lattice():
    K = film.dipolar_kernel(8)
    np.testing.assert_allclose(K, K.T, rtol=1e-13)
    np.testing.assert_allclose(K, np.roll(K[::-1], 1, 0), rtol=1e-13)
    assert np.argmin(K[1:, 1:]) == 3 * 7 + 3  # the farthest site (row 4, column 4)


def pair_sum(s, J, g):
    """The energy of one configuration [L, L], bond by bond and pair by pair."""
    L, K, H = len(s), film.dipolar_kernel(len(s)), 0.0
    sites = [(i, j) for i in range(L) for j in range(L)]
    for i, j in sites:
        H -= J * s[i, j] * (int(s[i, (j + 1) % L]) + int(s[(i + 1) % L, j]))
        H += 0.5 * g * sum(s[i, j] * s[k] * K[(i - k[0]) % L, (j - k[1]) % L] for k in sites if k != (i, j))
    return H


@pytest.mark.parametrize("L", [3, 4, 6])
def test_energy_pair_by_pair(L):
    s = (2 * RNG(L).integers(2, size=(5, L, L)) - 1).astype(np.int8)
    found = film.energy(s, film.pair_kernel(L, 1.3, 0.4))
    np.testing.assert_allclose(found, [pair_sum(x, 1.3, 0.4) for x in s], rtol=1e-10)
    np.testing.assert_allclose(film.energy(s, film.pair_kernel(L, 1, 0)), ising.energy(s), atol=1e-10)


def test_shells_add_up_to_the_energy():
    """All shells of a 5 x 5 torus; and flipping one spin changes the operators by -2 times the local sums."""
    W, steps = film.pair_kernel(5, 1.0, 0.3), ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    s = (2 * RNG(9).integers(2, size=(20, 5, 5)) - 1).astype(np.int8)
    operators = film.shell_operators(steps)
    before = np.stack([operator(s) for operator in operators.values()], 1)
    np.testing.assert_allclose(-before @ film.shell_couplings(W, steps), film.energy(s, W), rtol=1e-10)
    assert np.abs(-before[:, :4] @ film.shell_couplings(W, steps[:4]) - film.energy(s, W)).max() > 0.1
    np.testing.assert_array_equal(operators["(0, 1)"](s), ising.nearest(s))
    np.testing.assert_array_equal(operators["(1, 1)"](s), ising.diagonal(s))
    after = s.copy()
    after[:, 2, 3] *= -1
    change = np.stack([operator(after) for operator in operators.values()], 1) - before
    np.testing.assert_array_equal(change, -2 * film.shell_local_sums(s, steps)[:, 13])
    known = film.DipolarHamiltonian(W, 1.7)
    np.testing.assert_allclose(known.log_prob(s), -film.energy(s, W) / 1.7)


def test_kernels_that_cannot_be():
    with pytest.raises(ValueError, match="side 3 or more"):
        film.pair_kernel(2)
    with pytest.raises(ValueError, match="L = 1"):
        film.dipolar_kernel(1)


# Sampler ----------------------------------------------------------------------------------------------------

W3 = film.pair_kernel(3, 1.0, 0.25)
STATES = ising.enumerate_states(3)


def boltzmann(T, W=W3):
    log_w = -film.energy(STATES, W) / T
    p = np.exp(log_w - log_w.max())
    return p / p.sum()


def p_value(spins, p):
    """Of the counts of all 512 states under the probabilities p; states expected less than 10 times are one."""
    index = ((1 - spins.reshape(len(spins), -1)) // 2).astype(int) @ (1 << np.arange(9))
    seen, wanted = np.bincount(index, minlength=512).astype(float), p * len(spins)
    rare = wanted < 10
    seen, wanted = (np.append(x[~rare], x[rare].sum()) for x in (seen, wanted))
    keep = wanted > 0
    return stats.chisquare(seen[keep], wanted[keep]).pvalue


def test_a_sweep_leaves_the_boltzmann_distribution_invariant():
    """One sweep of 50,000 exact samples; from the distribution of another temperature it must not look invariant."""
    n, T, rng = 50_000, 1.6, RNG(11)
    start = STATES[rng.choice(512, n, p=boltzmann(T))]
    spins = start.copy()
    moved = dipolar.sweep(spins, dipolar.local_fields(spins, W3), W3, 1 / T, rng)
    assert 0.05 < moved < 0.9
    assert (spins != start).any()
    assert p_value(spins, boltzmann(T)) > ALPHA
    dipolar.sweep(spins, dipolar.local_fields(spins, W3), W3, 1 / (1.1 * T), rng)
    assert p_value(spins, boltzmann(T)) < ALPHA


def fluxes(T, T_sweep, n, seed):
    """chi^2 p-value of equal flux both ways between all pairs of states that differ in s_00, in one sweep on 3 x 3.

    The start has the Boltzmann distribution of T. Site (0, 0) is visited first, and once: its change is one Metropolis
    update out of the start, whatever happens to the other sites afterwards.
    """
    rng = RNG(seed)
    index = rng.choice(512, n, p=boltzmann(T))
    spins = STATES[index]
    assert np.array_equal(STATES[index ^ 1][:, 0, 0], -spins[:, 0, 0])
    after = spins.copy()
    dipolar.sweep(after, dipolar.local_fields(after, W3), W3, 1 / T_sweep, rng)
    there = np.bincount(index[after[:, 0, 0] != spins[:, 0, 0]], minlength=512).astype(float)
    back = there[np.arange(512) ^ 1]
    busy = (there + back >= 20) & (np.arange(512) % 2 == 0)
    assert busy.sum() > 50
    return stats.chi2.sf(((there - back) ** 2 / (there + back))[busy].sum(), busy.sum())


def test_every_single_update_is_in_detailed_balance():
    assert fluxes(1.6, 1.6, 100_000, 12) > ALPHA
    assert fluxes(1.6, 1.8, 100_000, 12) < ALPHA


def test_random_starts_reach_equilibrium():
    n, T, rng = 50_000, 1.6, RNG(13)
    spins = STATES[rng.integers(512, size=n)].copy()
    fields = dipolar.local_fields(spins, W3)
    assert p_value(spins, boltzmann(T)) < ALPHA
    dipolar.sweep(spins, fields, W3, 1 / T, rng, 60)
    assert p_value(spins, boltzmann(T)) > ALPHA
    assert np.abs(fields - dipolar.local_fields(spins, W3)).max() < 1e-10


def test_sample_against_all_states_of_4_x_4():
    T, W = 1.4, film.pair_kernel(4, 1.0, 0.25)
    states = ising.enumerate_states(4)
    H = film.energy(states, W)
    p = np.exp(-(H - H.min()) / T)
    p /= p.sum()
    found = dipolar.sample(W, T, 8000, RNG(14))
    s = found.configurations
    assert s.shape == (8000, 4, 4) and s.dtype == np.int8 and found.field_error < 1e-9
    observed = np.stack([film.energy(s, W), np.abs(ising.magnetization(s)), ising.diagonal(s)])
    exact = np.stack([H, np.abs(ising.magnetization(states)), ising.diagonal(states)]) @ p
    # configurations of one replica are 2 tau_int apart: exp(-2) of correlation is left in the slowest mode
    error = observed.std(axis=1) / np.sqrt(len(s)) * np.sqrt((1 + np.exp(-2)) / (1 - np.exp(-2)))
    limit = stats.norm.isf(ALPHA / 2 / 3)
    assert (np.abs(observed.mean(axis=1) - exact) < limit * error).all()
    other = np.exp(-(H - H.min()) / (0.95 * T))
    assert abs(observed[0].mean() - H @ other / other.sum()) > limit * error[0]
    assert abs(s.mean()) < limit * np.abs(s.mean((1, 2))).std() / np.sqrt(len(s)) * 2


def test_without_dipoles_it_is_the_ising_model():
    T = 3.0
    s = dipolar.sample(film.pair_kernel(8, 1.0, 0.0), T, 4000, RNG(15)).configurations
    E, exact = ising.energy(s), ising.exact(T, 8)
    error = np.sqrt(exact.specific_heat) * T / np.sqrt(len(s)) * 1.15
    assert abs(E.mean() - exact.energy) < stats.norm.isf(ALPHA / 2) * error
    assert abs(E.mean() - ising.exact(1.02 * T, 8).energy) > stats.norm.isf(ALPHA / 2) * error


def test_same_seed_same_film():
    W = film.pair_kernel(6)
    a, b, c = (dipolar.sample(W, 1.2, 100, RNG(seed)).configurations for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_sampler_refuses():
    spins = np.ones((2, 4, 4), np.int8)
    W = film.pair_kernel(4)
    fields = dipolar.local_fields(spins, W)
    with pytest.raises(ValueError, match="give \\[n, L, L\\] twice"):
        dipolar.sweep(spins, fields[:1], W, 1.0, RNG(1))
    with pytest.raises(ValueError, match="pair interaction"):
        dipolar.sweep(spins, fields, W + 1, 1.0, RNG(1))
    lopsided = W.copy()
    lopsided[0, 1] += 0.1
    with pytest.raises(ValueError, match="pair interaction"):
        dipolar.sweep(spins, fields, lopsided, 1.0, RNG(1))
    for T, n, message in ((-1, 10, "positive"), (1, 0, "n = 0")):
        with pytest.raises(ValueError, match=message):
            dipolar.sample(W, T, n, RNG(1))


# Structure factor -------------------------------------------------------------------------------------------


def test_structure_factor_by_hand():
    L = 8
    stripes = np.where(np.arange(L) // 2 % 2, -1, 1) * np.ones((L, 1), int)  # period 4: k = 2 pi / 4, ring 2
    found = film.structure_factor(np.stack([stripes, stripes.T]))
    assert found.plane.sum() == pytest.approx(L**2)
    assert np.argmax(found.mean) == 2 and found.k[0] == 0 and found.mean[0] == pytest.approx(0, abs=1e-20)
    assert found.plane[0, 2] == found.plane[2, 0] == pytest.approx(L**2 / 4)
    up = film.structure_factor(np.ones((3, L, L), np.int8))
    assert up.mean[0] == L**2 and up.mean[1:].max() < 1e-20
    random = film.structure_factor(2 * RNG(16).integers(2, size=(4000, L, L)) - 1)
    z = (random.mean - 1) / random.error
    assert np.abs(z).max() < stats.norm.isf(ALPHA / 2 / len(z))
    with pytest.raises(ValueError, match="give \\[n, L, L\\]"):
        film.structure_factor(stripes)


def test_dipoles_suppress_the_magnetisation_and_make_a_ring():
    W = film.pair_kernel(16, 1.0, 0.25)
    S = film.structure_factor(dipolar.sample(W, 1.2, 1000, RNG(17)).configurations)
    ring = int(np.argmax(S.mean))
    assert ring in (1, 2) and S.mean[ring] - S.mean[0] > 5 * S.error[ring]
    ferromagnet = film.structure_factor(mcmc.sample(16, 2.6, 1000, RNG(18)).configurations)
    assert np.argmax(ferromagnet.mean) == 0


# Images -----------------------------------------------------------------------------------------------------

FLAT = {"uneven": 0.0, "pattern": 0.0}


def test_brightness_and_shot_noise():
    spins = np.ones((400, 8, 8), np.int8)
    spins[200:] = -1
    frames = film.render(spins, RNG(19), film.Camera(photons=1000, contrast=0.2, **FLAT)).astype(float)
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
    sharp, soft = (film.render(spins, RNG(20), film.Camera(blur=b, photons=1e6, **FLAT)).mean(0) for b in (0, 2))
    assert sharp[17, 17] < 0.9 * sharp[0, 0] and np.abs(sharp[16:20, 16:20] / sharp[0, 0] - 0.9 / 1.1).max() < 0.002
    assert soft.mean() == pytest.approx(sharp.mean(), rel=1e-3) and sharp[17, 17] < soft[17, 17] < soft[0, 0]
    light = film.illumination((60, 90), film.Camera(uneven=0.3, pattern=0.0), RNG(21))
    assert light.mean() == pytest.approx(1, abs=1e-5) and light.min() / light.max() == pytest.approx(0.7, abs=1e-5)
    patterned = film.render(np.ones((64, 8, 8), np.int8), RNG(22), film.Camera(photons=1e6, uneven=0, pattern=0.05))
    gains = patterned.mean(0) / patterned.mean()
    assert gains.std() == pytest.approx(0.05, rel=0.1)
    assert np.corrcoef(patterned[0].ravel(), patterned[1].ravel())[0, 1] > 0.9  # the same in every frame


def test_blur_wraps_around_the_torus():
    """A flipped spin in the corner looks like one in the middle, moved: the noise of the photons is 3e-4."""
    spins = np.ones((1, 8, 8), np.int8)
    spins[0, 0, 0] = -1
    corner, middle = (
        film.render(s, RNG(26), film.Camera(4, 5.0, 1e7, 0.5, **FLAT))[0].astype(float)
        for s in (spins, np.roll(spins, (4, 4), (1, 2)))
    )
    assert np.abs(np.roll(corner, (16, 16), (0, 1)) / middle - 1).max() < 0.003
    assert np.abs(corner / middle - 1).max() > 0.01


def test_blur_limit():
    """One flipped spin in the middle: found a little below the limit, lost a little above it."""
    limit = film.blur_limit()
    assert limit == pytest.approx(0.366, abs=0.002)
    spins = np.ones((2, 9, 9), np.int8)
    spins[:, 4, 4] = -1
    for blur, lost in ((0.95 * limit, False), (1.05 * limit, True)):
        frames = film.render(spins, RNG(25), film.Camera(16, 16 * blur, 1e7, **FLAT))
        dark = (frames[0, 64:80, 64:80] < 2**14).mean()
        assert (dark < 0.5) == lost


def test_images_of_the_film_in_time():
    spins = mcmc.sample(16, film.reduced_temperature(), 3000, RNG(23)).configurations
    start = time.perf_counter()
    frames = film.render(spins, RNG(24))
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
        film.Camera(**change)


def test_render_refuses_what_is_no_spin():
    for bad in (np.ones((4, 4)), np.zeros((2, 4, 4))):
        with pytest.raises(ValueError, match="give \\+-1 configurations"):
            film.render(bad, RNG(1))
