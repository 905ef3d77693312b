"""Written once for all tests of the physics: Hamiltonians that are known, samples against probabilities, pulls.

Statistical checks have fixed seeds and the significance ALPHA, divided by the number of comparisons.
"""

import numpy as np
import torch
from scipy import stats

from lib.systems import ising

ALPHA = 0.001
SIGMAS = 4.5  # where a comparison of a Gaussian has a level of its own: two-sided, 7e-6
STATES = ising.enumerate_states(4)
NEAR = {"nn": 1.02, "nnn": 0.03, "third": -0.01, "plaquette": 0.02}
T0 = 2.4


# In the place of a learned Hamiltonian ---------------------------------------------------------------------


class StandIn:
    """A Hamiltonian that is known: energy(configurations), at T0; draw(n, seed) gives configurations."""

    def __init__(self, energy, T0=1.0, draw=None):
        self.energy, self.T0, self.draw, self.model = energy, T0, draw, self

    def log_prob(self, s):
        return -self.energy(s) / self.T0

    def action(self, s):
        return -self.log_prob(s)

    def sample(self, n, seed):
        return torch.as_tensor(self.draw(n, seed)), None


class Known(StandIn):
    """H = -sum_a J_a O_a of 4 x 4 spins, normalised at T0; every average is known by enumeration, with p of STATES."""

    def __init__(self, J, T0=T0):
        super().__init__(lambda s: -T0 * self.log_prob(s), T0, self._draw)
        self.J, self.log_z = J, 0.0
        self.log_z = np.logaddexp.reduce(self.log_prob(STATES))
        self.p = np.exp(self.log_prob(STATES))

    def log_prob(self, s):
        return ising.operators(s, tuple(self.J)) @ np.array(list(self.J.values())) / self.T0 - self.log_z

    def exact(self, T):
        """The quantities of `reweighting.ISING`, and ln Z of the normalised H, at temperature T."""
        H, E, m = self.energy(STATES), ising.energy(STATES), np.abs(ising.magnetization(STATES)) / 16
        log_z = np.logaddexp.reduce(-H / T)
        p = np.exp(-H / T - log_z)
        C = (p @ H**2 - (p @ H) ** 2) / (16 * T**2)
        m1, m2, m4 = p @ m, p @ m**2, p @ m**4
        return np.array([p @ E / 16, C, m1, 16 * (m2 - m1**2) / T, 1 - m4 / (3 * m2**2)]), log_z

    def _draw(self, n, seed):
        return STATES[np.random.default_rng(seed).choice(len(STATES), n, p=self.p)]


# Samples against probabilities -----------------------------------------------------------------------------


def boltzmann(energies, beta):
    """Probabilities of states with these energies."""
    p = np.exp(-beta * (energies - energies.min()))
    return p / p.sum()


def number(spins):
    """Number of each configuration [n, ...] of +-1 in the order of `ising.enumerate_states`."""
    return (spins.reshape(len(spins), -1) < 0) @ (1 << np.arange(spins[0].size))


def p_value(counts, p):
    """Chi-square of counts against p; cells that expect fewer than 5 are merged, impossible ones must be empty."""
    assert counts[p < 1e-14].sum() == 0
    counts, p = counts[p >= 1e-14], p[p >= 1e-14]
    expected = p * counts.sum()
    rare = expected < 5
    counts, expected = (np.append(x[~rare], x[rare].sum()) for x in (counts, expected))
    if expected[-1] < 5:
        counts, expected = counts[:-1], expected[:-1]
    return stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), max(1, len(counts) - 1))


# Errors that cover -----------------------------------------------------------------------------------------
# Pulls are (estimate - truth) / error of many repetitions. With an error from few blocks they follow Student's t; they
# are mapped to a normal variable of the same probability. An estimate with a bias fails too, where the bias is
# comparable to the error.


def normal(pulls, dof=np.inf):
    """Pulls [repetitions, ...] of Student's t with dof degrees of freedom as normal ones of the same probability."""
    size = np.abs(np.asarray(pulls, float))
    return np.sign(pulls) * (size if np.isinf(dof) else stats.norm.isf(stats.t.sf(size, dof)))


def mean_square(pulls):
    pulls = np.asarray(pulls)
    return (pulls.reshape(len(pulls), -1) ** 2).mean(axis=0)


def covers(pulls, dof=np.inf):
    """Whether the mean square of pulls [repetitions, ...] is that of a normal variable, for every quantity."""
    found = mean_square(normal(pulls, dof))
    n, level = len(pulls), ALPHA / 2 / len(found)
    return bool(((stats.chi2.ppf(level, n) < n * found) & (n * found < stats.chi2.isf(level, n))).all())


def check(pulls, dof=np.inf):
    assert covers(pulls, dof), f"mean square of the pulls: {mean_square(pulls).round(2)}"
