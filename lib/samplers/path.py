r"""Monte Carlo for paths with the action of `systems/double_well.py`, and with any other action of that form.

A sweep has two parts. (1) Metropolis: every site in turn is offered a uniform step, accepted with probability
min(1, exp(-Delta S)). Alone this would need thousands of sweeps to carry a kink around. (2) Sign flips: with x_i =
s_i |x_i| at fixed |x_i|, exp(-S) is an Ising chain with couplings J_i = kinetic |x_i x_{i+1}|, since u is even. Bonds
between equal signs are activated with probability 1 - exp(-2 J_i); every cluster of the ring gets a random sign. Both
leave exp(-S) invariant. Source of the cluster update: R. H. Swendsen and J.-S. Wang, Phys. Rev. Lett. 58, 86 (1987).
"""

import numba
import numpy as np


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
def _sweep(paths, kinetic, quadratic, quartic, step, rng, n_sweeps, local, clusters):
    accepted = 0
    for x in paths:  # one replica after the other: it stays in the processor's cache
        for _ in range(n_sweeps):
            if local:
                accepted += _metropolis(x, kinetic, quadratic, quartic, step, rng)
            if clusters:
                _flip_signs(x, kinetic, rng)
    return accepted


def step_size(couplings):
    """A Metropolis step that is accepted about half of the time: 2.4 widths of the conditional of a site in a well."""
    curvature = max(-2 * couplings.quadratic, couplings.quadratic, np.sqrt(couplings.quartic))
    return float(2.4 / np.sqrt(2 * couplings.kinetic + curvature))


def sweep(paths, couplings, rng, n_sweeps=1, *, local=True, clusters=True):
    """n_sweeps of every path, in place; returns the fraction of accepted steps.

    paths: float64 [replicas, N], contiguous
    couplings: `double_well.Couplings`, which hold the temperature
    local: False leaves out Metropolis, clusters: False the sign flips; to compare with, and to test each
    """
    kinetic, quadratic, quartic, _ = (float(c) for c in couplings)
    accepted = _sweep(paths, kinetic, quadratic, quartic, step_size(couplings), rng, int(n_sweeps), local, clusters)
    return accepted / (paths.size * n_sweeps)


def cold_start(couplings, n_sites, replicas, rng):
    """Paths at rest in one of the wells, of random sign: float64 [replicas, n_sites]."""
    if not (couplings.kinetic > 0 and couplings.quartic > 0):
        raise ValueError(f"{couplings}: kinetic and quartic must be positive, or there is nothing to sample")
    well = np.sqrt(max(-couplings.quadratic / couplings.quartic, 0.0))
    return np.repeat(rng.choice([-well, well], replicas)[:, None], n_sites, axis=1)
