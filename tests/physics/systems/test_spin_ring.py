"""Spins on a ring by transfer matrix, against all 2^N of them."""

import itertools

import numpy as np
import pytest

from lib.systems import spin_ring

K = np.array([0.3, 0.15, -0.1, 0.05])
EVERY = {n: np.array(list(itertools.product([-1, 1], repeat=n)), np.int8) for n in (7, 9)}


@pytest.mark.parametrize("n_sites", EVERY)
def test_the_transfer_matrix_sums_over_all_rings(n_sites):
    s = EVERY[n_sites]
    weights = np.exp(spin_ring.operators(s) @ K)
    assert spin_ring.log_partition_function(K, n_sites) == pytest.approx(np.log(weights.sum()), abs=1e-12)
    exact = weights @ spin_ring.operators(s) / weights.sum()
    np.testing.assert_allclose(spin_ring.averages(K, n_sites), exact, atol=1e-10)


def test_rings_are_drawn_with_their_probability():
    s = EVERY[7]
    p = np.exp(spin_ring.operators(s) @ K - spin_ring.log_partition_function(K, 7))
    n = 200_000
    drawn = spin_ring.draw(K, 7, n, np.random.default_rng(1))
    counts = np.bincount((drawn > 0) @ (1 << np.arange(7)[::-1]), minlength=len(s))
    chi2 = ((counts - n * p) ** 2 / (n * p)).sum()
    assert abs(chi2 - 127) < 4 * np.sqrt(2 * 127)
    with pytest.raises(ValueError, match="n_sites = 6: a ring of at least 7"):
        spin_ring.draw(K, 6, 10, np.random.default_rng(1))


def test_local_sums_are_what_a_flip_changes():
    s = EVERY[9][::7]
    for site in (0, 4, 8):
        flipped = s.copy()
        flipped[:, site] *= -1
        change = spin_ring.operators(flipped) - spin_ring.operators(s)
        np.testing.assert_array_equal(change, -2 * spin_ring.local_sums(s)[:, site])
    assert spin_ring.local_sums(s, ("third",)).shape == (len(s), 9, 1)


def test_maximum_likelihood_has_the_averages():
    start = dict(zip(spin_ring.OPERATORS, 0.5 * K, strict=True))
    found, slopes = spin_ring.maximum_likelihood(spin_ring.averages(K, 24), 24, start)
    np.testing.assert_allclose(found, K, atol=1e-7)
    sums = spin_ring.operators(spin_ring.draw(K, 24, 40_000, np.random.default_rng(2)))
    np.testing.assert_allclose(slopes, np.cov(sums.T), atol=1.0)
    assert spin_ring.maximum_likelihood(np.array([24.0]), 24, {"nn": 0.1}) is None  # never reached
