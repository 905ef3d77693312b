r"""Monte Carlo for paths with the action of `systems/double_well.py`, and with any other action of that form.

A sweep has two parts. (1) Metropolis: every site in turn is offered a uniform step, accepted with probability
min(1, exp(-Delta S)). Alone this would need thousands of sweeps to carry a kink around. (2) Sign flips: with x_i =
s_i |x_i| at fixed |x_i|, exp(-S) is an Ising chain with couplings J_i = kinetic |x_i x_{i+1}|, since u is even. Bonds
between equal signs are activated with probability 1 - exp(-2 J_i); every cluster of the ring gets a random sign. Both
leave exp(-S) invariant. Source of the cluster update: R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
"""

from typing import NamedTuple

import numba
import numpy as np

from lib.statistics import integrated_time
from lib.systems import double_well


class PathSamples(NamedTuple):
    """Paths float64 [n, N] in random order, and how they came about.

    tau_action, tau_x2, tau_x: autocorrelation times, 1/2 + sum rho, in sweeps, of S, the mean of x^2 and the mean of x
    along the path; `thinning`: sweeps between two paths of one chain; `discarded`: sweeps of equilibration.
    """

    paths: np.ndarray
    tau_action: float
    tau_x2: float
    tau_x: float
    thinning: int
    discarded: int
    chains: int

    @property
    def tau_int(self):
        """The largest of the autocorrelation times, in sweeps."""
        return max(self.tau_action, self.tau_x2, self.tau_x)


@numba.njit(cache=True, fastmath=True)
def _metropolis(x, kinetic, quadratic, quartic, step, rng):
    N = len(x)
    accepted = 0
    for i in range(N):
        neighbours = x[i - 1] + (x[i + 1] if i < N - 1 else x[0])
        old = x[i]
        new = old + step * (2 * rng.random() - 1)
        old2, new2 = old * old, new * new
        delta = (kinetic + quadratic / 2) * (new2 - old2) + quartic / 4 * (new2 * new2 - old2 * old2)
        delta -= kinetic * neighbours * (new - old)
        if delta <= 0 or rng.random() < np.exp(-delta):
            x[i] = new
            accepted += 1
    return accepted


@numba.njit(cache=True, fastmath=True)
def _flip_signs(x, kinetic, rng):
    """New signs for the clusters; the walk starts behind an inactive bond, so that no cluster is cut."""
    N = len(x)
    cut = np.empty(N, np.bool_)  # cut[i]: the bond between i - 1 and i is inactive
    start = -1
    for i in range(N):
        two_j = 2 * kinetic * x[i] * x[i - 1]
        cut[i] = two_j <= 0 or (two_j < 40 and rng.random() < np.exp(-two_j))
        if cut[i]:
            start = i
    sign = 1.0 if rng.random() < 0.5 else -1.0
    if start < 0:
        x *= sign
        return
    for k in range(start, start + N):
        i = k if k < N else k - N
        if cut[i]:
            sign = 1.0 if rng.random() < 0.5 else -1.0
        x[i] *= sign


@numba.njit(cache=True)
def _sweep(paths, kinetic, quadratic, quartic, step, rng, sweeps, local, clusters):
    accepted = 0
    for x in paths:  # one chain after the other: it stays in the processor's cache
        for _ in range(sweeps):
            if local:
                accepted += _metropolis(x, kinetic, quadratic, quartic, step, rng)
            if clusters:
                _flip_signs(x, kinetic, rng)
    return accepted


def step_size(couplings):
    """A Metropolis step that is accepted about half of the time: 2.4 widths of the conditional of a site in a well."""
    curvature = max(-2 * couplings.quadratic, couplings.quadratic, np.sqrt(couplings.quartic))
    return float(2.4 / np.sqrt(2 * couplings.kinetic + curvature))


def sweep(paths, couplings, rng, sweeps=1, *, local=True, clusters=True):
    """Sweeps of every path, in place; returns the fraction of accepted steps.

    paths: float64 [chains, N], contiguous. couplings: `double_well.Couplings`. rng: numpy.random.Generator.
    local=False leaves out Metropolis, clusters=False the sign flips: to compare with, and to test each.
    """
    kinetic, quadratic, quartic, _ = (float(c) for c in couplings)
    accepted = _sweep(paths, kinetic, quadratic, quartic, step_size(couplings), rng, int(sweeps), local, clusters)
    return accepted / (paths.size * sweeps)


def start(couplings, n_sites, chains, rng):
    """Paths [chains, n_sites] to start from: at rest in one of the wells, of random sign."""
    if not (couplings.kinetic > 0 and couplings.quartic > 0):
        raise ValueError(f"{couplings}: kinetic and quartic must be positive, or there is nothing to sample")
    well = np.sqrt(max(-couplings.quadratic / couplings.quartic, 0.0))
    return np.repeat(rng.choice([-well, well], chains)[:, None], n_sites, axis=1)


def _observe(paths, couplings):
    return double_well.action(paths, couplings), (paths**2).mean(-1), paths.mean(-1)


def record(couplings, n_sites, measurements, rng, *, interval=1, chains=64, clusters=True):
    """S, mean x^2 and mean x of every chain, [measurements, 3, chains], every `interval` sweeps from the start on."""
    paths = start(couplings, n_sites, chains, rng)
    series = []
    for _ in range(measurements):
        sweep(paths, couplings, rng, interval, clusters=clusters)
        series.append(_observe(paths, couplings))
    return np.array(series)


def sample(couplings, n_sites, n, rng, *, spacing=3.0):
    """n independent paths of `n_sites` sites with the distribution exp(-S) / Z, as `PathSamples`.

    couplings: `double_well.Couplings`. rng: numpy.random.Generator. As in `mcmc.sample`: blocks of doubling length
    until one is 20 tau_int long, all of it discarded, then paths `spacing` tau_int apart; below 3 they are not
    independent. ValueError for n < 1, spacing <= 0 or couplings without a Z.
    """
    if int(n) != n or n < 1:
        raise ValueError(f"n = {n}: ask for at least one path")
    if not spacing > 0:
        raise ValueError(f"spacing = {spacing}: a positive number of autocorrelation times is needed")
    chains = int(np.clip(n // 16, 16, 512))
    paths = start(couplings, n_sites, chains, rng)
    measurements, interval, discarded = 128, 1, 0
    while True:
        series = []
        for _ in range(measurements):
            sweep(paths, couplings, rng, interval)
            series.append(_observe(paths, couplings))
        discarded += measurements * interval
        tau = [interval * integrated_time(values) for values in np.array(series).transpose(1, 0, 2)]
        if measurements * interval >= 20 * max(tau):
            break
        interval *= 2
    thinning = int(np.ceil(spacing * max(tau)))
    drawn = np.empty((-(-n // chains) * chains, n_sites))
    for k in range(0, len(drawn), chains):
        if k:
            sweep(paths, couplings, rng, thinning)
        drawn[k : k + chains] = paths
    return PathSamples(drawn[rng.permutation(len(drawn))[: int(n)]], *tau, thinning, discarded, chains)
