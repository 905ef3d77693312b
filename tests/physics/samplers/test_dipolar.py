"""The sampler of the dipolar film against all states. Fixed seeds, significance ALPHA."""

import numpy as np
import pytest
from scipy import stats

from lib.samplers import chains, dipolar, mcmc
from lib.systems import film, ising
from tests.physics.standins import ALPHA, boltzmann, number, p_value

RNG = np.random.default_rng
W3 = film.pair_kernel(3, 1.0, 0.25)
STATES = ising.enumerate_states(3)


def probabilities(T):
    return boltzmann(film.energy(STATES, W3), 1 / T)


def chance(spins, T):
    """p-value of the counts of all 512 states at temperature T."""
    return p_value(np.bincount(number(spins), minlength=512), probabilities(T))


def test_a_sweep_leaves_the_boltzmann_distribution_invariant():
    """One sweep of 50,000 exact samples; from the distribution of another temperature it must not look invariant."""
    n, T, rng = 50_000, 1.6, RNG(11)
    start = STATES[rng.choice(512, n, p=probabilities(T))]
    spins = start.copy()
    moved = dipolar.sweep((spins, film.local_fields(spins, W3)), 1 / T, rng, W3)
    assert 0.05 < moved < 0.9
    assert (spins != start).any()
    assert chance(spins, T) > ALPHA
    dipolar.sweep((spins, film.local_fields(spins, W3)), 1 / (1.1 * T), rng, W3)
    assert chance(spins, T) < ALPHA


def fluxes(T, T_sweep, n, seed):
    """chi^2 p-value of equal flux both ways between all pairs of states that differ in s_00, in one sweep on 3 x 3.

    The start has the Boltzmann distribution of T. Site (0, 0) is visited first, and once: its change is one Metropolis
    update out of the start, whatever happens to the other sites afterwards.
    """
    rng = RNG(seed)
    index = rng.choice(512, n, p=probabilities(T))
    spins = STATES[index]
    assert np.array_equal(STATES[index ^ 1][:, 0, 0], -spins[:, 0, 0])
    after = spins.copy()
    dipolar.sweep((after, film.local_fields(after, W3)), 1 / T_sweep, rng, W3)
    there = np.bincount(index[after[:, 0, 0] != spins[:, 0, 0]], minlength=512).astype(float)
    back = there[np.arange(512) ^ 1]
    busy = (there + back >= 20) & (np.arange(512) % 2 == 0)
    assert busy.sum() > 50
    return stats.chi2.sf(((there - back) ** 2 / (there + back))[busy].sum(), busy.sum())


def test_every_single_update_is_in_detailed_balance():
    assert fluxes(1.6, 1.6, 100_000, 12) > ALPHA
    assert fluxes(1.6, 1.8, 100_000, 12) < ALPHA


def test_random_starts_reach_equilibrium():
    """But for two: of the chessboard of 3 x 3 every flip in turn costs nothing, a sweep swaps black and white."""
    n, T, rng = 50_000, 1.6, RNG(13)
    index = rng.integers(512, size=n)
    spins = STATES[index[(index != 170) & (index != 341)]]
    fields = film.local_fields(spins, W3)
    assert chance(spins, T) < ALPHA
    dipolar.sweep((spins, fields), 1 / T, rng, W3, 60)
    assert chance(spins, T) > ALPHA
    assert dipolar.refresh((spins, fields), W3) < 1e-10


def test_sample_against_all_states_of_4_x_4():
    T, W = 1.4, film.pair_kernel(4, 1.0, 0.25)
    states = ising.enumerate_states(4)
    H = film.energy(states, W)
    s = mcmc.sample(chains.DipolarFilm(W, T), 8000, RNG(14), spacing=2.0).configurations
    assert s.shape == (8000, 4, 4) and s.dtype == np.int8
    observed = np.stack([film.energy(s, W), np.abs(ising.magnetization(s)), ising.diagonal(s)])
    exact = np.stack([H, np.abs(ising.magnetization(states)), ising.diagonal(states)]) @ boltzmann(H, 1 / T)
    # configurations of one replica are 2 tau_int apart: exp(-2) of correlation is left in the slowest mode
    error = observed.std(axis=1) / np.sqrt(len(s)) * np.sqrt((1 + np.exp(-2)) / (1 - np.exp(-2)))
    limit = stats.norm.isf(ALPHA / 2 / 3)
    assert (np.abs(observed.mean(axis=1) - exact) < limit * error).all()
    assert abs(observed[0].mean() - H @ boltzmann(H, 1 / (0.95 * T))) > limit * error[0]
    assert abs(s.mean()) < limit * np.abs(s.mean((1, 2))).std() / np.sqrt(len(s)) * 2


def test_without_dipoles_it_is_the_ising_model():
    T = 3.0
    s = mcmc.sample(chains.DipolarFilm(film.pair_kernel(8, 1.0, 0.0), T), 4000, RNG(15), spacing=2.0).configurations
    E, exact = ising.energy(s), ising.exact(8, T)
    error = np.sqrt(exact.specific_heat) * T / np.sqrt(len(s)) * 1.15
    assert abs(E.mean() - exact.energy) < stats.norm.isf(ALPHA / 2) * error
    assert abs(E.mean() - ising.exact(8, 1.02 * T).energy) > stats.norm.isf(ALPHA / 2) * error


def test_same_seed_same_film():
    chain = chains.DipolarFilm(film.pair_kernel(6), 1.2)
    a, b, c = (mcmc.sample(chain, 100, RNG(seed)).configurations for seed in (1, 1, 2))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_sampler_refuses():
    spins = np.ones((2, 4, 4), np.int8)
    W = film.pair_kernel(4)
    fields = film.local_fields(spins, W)
    with pytest.raises(ValueError, match="give \\[n, L, L\\] twice"):
        dipolar.sweep((spins, fields[:1]), 1.0, RNG(1), W)
    with pytest.raises(ValueError, match="pair interaction"):
        dipolar.sweep((spins, fields), 1.0, RNG(1), W + 1)
    lopsided = W.copy()
    lopsided[0, 1] += 0.1
    with pytest.raises(ValueError, match="pair interaction"):
        dipolar.sweep((spins, fields), 1.0, RNG(1), lopsided)
    with pytest.raises(ValueError, match="positive"):
        chains.DipolarFilm(W, -1)
