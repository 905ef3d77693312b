r"""Metropolis for Ising spins that all interact: the simulated dipolar film.

    H(s) = - (1/2) sum_(i != j) s_i W(r_ij) s_j = - (1/2) sum_i s_i h_i,    h_i = sum_j W(r_ij) s_j

with a kernel W [L, L] of the periodic lattice (`lib.systems.film.pair_kernel`). The local fields h are kept beside
the spins: Delta E = 2 s_i h_i costs nothing, and only an accepted flip pays O(N), h_j -= 2 s_i W(r_ij) (s_i before
the flip), a run of multiply-adds over rows of W. Sites are visited in turn, each flipped with probability min(1,
exp(-beta Delta E)): every update is in detailed balance with exp(-beta H), a sweep leaves it invariant. Rounding
errors of h grow like a random walk; `refresh` recomputes them. Source: N. Metropolis et al., J. Chem. Phys. 21, 1087
(1953).

`sample` cools random spins through a ladder of temperatures, as stripes do not form from a quench, and measures the
autocorrelation of the energy, and of the amplitude of the strongest wave, before it keeps anything.
"""

from typing import NamedTuple

import numba
import numpy as np

from lib.statistics import integrated_time
from lib.systems.ising import check_temperature


def local_fields(spins, W):
    """h [n, L, L] float64 of spins [n, L, L] for the kernel W [L, L], by convolution."""
    shape = spins.shape[-2:]
    return np.fft.irfft2(np.fft.rfft2(spins.astype(float)) * np.fft.rfft2(W), s=shape)


@numba.njit(cache=True, fastmath={"contract"})
def _sweep(spins, fields, double, beta, rng):
    n, L, _ = spins.shape
    flips = 0
    for c in range(n):
        s, h = spins[c], fields[c]
        for i in range(L):
            for j in range(L):
                delta = 2.0 * s[i, j] * h[i, j]
                if delta <= 0.0 or rng.random() < np.exp(-beta * delta):
                    change = 2.0 * s[i, j]
                    s[i, j] = -s[i, j]
                    flips += 1
                    for k in range(L):  # double[a + L, b + L] = W(a, b): a row needs no modulo
                        row = double[k - i + L, L - j : 2 * L - j]
                        field = h[k]
                        for m in range(L):
                            field[m] -= change * row[m]
    return flips


def sweep(spins, fields, W, beta, rng, n_sweeps=1):
    """n_sweeps of every configuration, in place; returns the fraction of attempts that flipped.

    spins: int8 [n, L, L] of +-1; fields: float64 [n, L, L], `local_fields(spins, W)`, kept up to date; W: symmetric
    kernel [L, L] with W(0) = 0; beta: 1 / T >= 0; rng: numpy.random.Generator. ValueError for shapes that do not fit,
    or a W that is no pair interaction.
    """
    W = np.asarray(W, dtype=float)
    L = W.shape[0]
    if W.shape != (L, L) or spins.shape[1:] != W.shape or fields.shape != spins.shape:
        raise ValueError(f"spins {spins.shape}, fields {fields.shape}, W {W.shape}: give [n, L, L] twice, and [L, L]")
    mirror = np.roll(W[::-1, ::-1], (1, 1), (0, 1))
    if W[0, 0] != 0 or np.abs(W - mirror).max() > 1e-12 * max(1.0, np.abs(W).max()):
        raise ValueError("W: a pair interaction has W(0) = 0 and W(-r) = W(r); see film.pair_kernel")
    double = np.ascontiguousarray(np.tile(W, (2, 2)))
    return sum(_sweep(spins, fields, double, beta, rng) for _ in range(n_sweeps)) / (spins.size * max(1, n_sweeps))


def refresh(spins, fields, W):
    """Recompute the fields in place; returns the largest error they had."""
    exact = local_fields(spins, W)
    error = float(np.abs(fields - exact).max())
    fields[...] = exact
    return error


class Samples(NamedTuple):
    """Configurations int8 [n, L, L] in random order; tau_int (1/2 + sum rho) in sweeps of the energy and of the
    strongest wave; sweeps between configurations of a replica, sweeps discarded, replicas, and the rounding error of
    the fields."""

    configurations: np.ndarray
    tau_energy: float
    tau_wave: float
    thinning: int
    discarded: int
    replicas: int
    field_error: float


def sample(W, T, n, rng, *, replicas=None, start=4.0, steps=12, sweeps=20):
    """n configurations of the dipolar film at temperature T (units of W), SIMULATED, as `Samples`.

    W: kernel [L, L]. rng: numpy.random.Generator. replicas: independent chains, default between 16 and 64. They are
    cooled from `start` times T in `steps` geometric steps of `sweeps` sweeps, then run in blocks of doubling length
    until a block is at least 20 tau_int long (all of it is discarded); 2 tau_int sweeps lie between configurations of
    a replica. Each configuration gets a random global sign, an exact symmetry. ValueError for T <= 0 or n < 1.
    """
    check_temperature(T)
    if int(n) != n or n < 1:
        raise ValueError(f"n = {n}: ask for at least one configuration")
    n = int(n)
    L = len(W)
    replicas = int(np.clip(n // 16, 16, 64)) if replicas is None else int(replicas)
    spins = (2 * rng.integers(2, size=(replicas, L, L)) - 1).astype(np.int8)
    fields = local_fields(spins, W)
    for temperature in T * np.geomspace(start, 1, steps):
        sweep(spins, fields, W, 1 / temperature, rng, sweeps)
    discarded, measurements, interval, error = steps * sweeps, 128, 1, 0.0
    half = np.s_[:, : L // 2 + 1]
    while True:
        series, waves = [], []
        for _ in range(measurements):
            sweep(spins, fields, W, 1 / T, rng, interval)
            series.append(-0.5 * (spins * fields).sum((1, 2)))
            waves.append(np.fft.rfft2(spins)[(slice(None), *half)])
        discarded += measurements * interval
        error = max(error, refresh(spins, fields, W))
        power = np.abs(np.array(waves)) ** 2
        mean = power.mean((0, 1))
        strongest = np.unravel_index(np.argmax(mean), mean.shape)
        tau = interval * integrated_time(series), interval * integrated_time(power[:, :, strongest[0], strongest[1]])
        if measurements * interval >= 20 * max(tau):
            break
        interval *= 2
    thinning = int(np.ceil(2 * max(tau)))
    configurations = np.empty((-(-n // replicas) * replicas, L, L), np.int8)
    for first in range(0, len(configurations), replicas):
        if first:
            sweep(spins, fields, W, 1 / T, rng, thinning)
        configurations[first : first + replicas] = spins
    error = max(error, refresh(spins, fields, W))
    configurations = configurations[rng.permutation(len(configurations))[:n]]
    configurations *= (2 * rng.integers(2, size=(n, 1, 1)) - 1).astype(np.int8)
    return Samples(configurations, *tau, thinning, discarded, replicas, error)
