"""Samples against probabilities: chi-square tests over all states of a small lattice."""

import numpy as np
from scipy import stats


def boltzmann(energies, beta):
    """Probabilities of states with these energies."""
    p = np.exp(-beta * (energies - energies.min()))
    return p / p.sum()


def number(spins):
    """Number of each configuration [n, L, L] in the order of `ising.enumerate_states`."""
    return (spins.reshape(len(spins), -1) < 0) @ (1 << np.arange(spins[0].size))


def p_value(counts, p):
    """p-value of counts against p; cells that expect fewer than 5 are merged, impossible ones must be empty."""
    assert counts[p < 1e-14].sum() == 0
    counts, p = counts[p >= 1e-14], p[p >= 1e-14]
    expected = p * counts.sum()
    rare = expected < 5
    counts, expected = (np.append(x[~rare], x[rare].sum()) for x in (counts, expected))
    if expected[-1] < 5:
        counts, expected = counts[:-1], expected[:-1]
    return stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), max(1, len(counts) - 1))
