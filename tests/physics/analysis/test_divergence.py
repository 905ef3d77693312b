"""KL and how far a Hamiltonian is from the true one, against enumeration."""

import numpy as np
import pytest
from scipy import stats

from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare, symmetry_violation
from lib.systems import ising
from tests.physics.standins import ALPHA, NEAR, STATES, Known


def test_kl_against_enumeration():
    p, q = Known({"nn": 1.0}), Known(NEAR)
    exact = np.exp(p.log_prob(STATES)) @ (p.log_prob(STATES) - q.log_prob(STATES))
    s = p.draw(4000, 2)
    found = kl_divergence(p.log_prob(s), q.log_prob(s))
    assert abs(found.value - exact) < stats.norm.isf(ALPHA / 2) * found.error
    d = p.log_prob(s) - q.log_prob(s)
    assert found.error < 0.7 * d.std() / np.sqrt(len(d))  # the control variate pays
    # an unnormalised "model" is off by its normalisation, and caught
    wrong = kl_divergence(p.log_prob(s), q.log_prob(s) + 0.05)
    assert abs(wrong.value - exact) > stats.norm.isf(ALPHA / 2) * wrong.error
    assert kl_divergence(p.log_prob(s), p.log_prob(s)) == (0.0, 0.0)
    with pytest.raises(ValueError, match="finite"):
        kl_divergence([0.0, np.nan], [0.0, 0.0])


def test_kl_of_a_distribution_far_away_is_the_plain_average():
    """p and q normal with unit variance and means 8 apart: KL = 32; exp(-d) has no effective sample at all."""
    x = np.random.default_rng(3).normal(size=4000)
    log_p, log_q = -(x**2) / 2, -((x - 8) ** 2) / 2
    far = kl_divergence(log_p, log_q)
    assert abs(far.value - 32) < 4 * far.error and far.error == pytest.approx(8 / np.sqrt(4000), rel=0.1)
    near = kl_divergence(log_p, -((x - 0.3) ** 2) / 2)
    assert abs(near.value - 0.045) < 4 * near.error and near.error < 0.5 * 0.3 / np.sqrt(4000)


def test_comparison():
    rng = np.random.default_rng(8)
    E = 40 * rng.normal(size=4000)
    same = compare(E + 7, E)
    assert (same.slope, same.residual, same.pearson) == pytest.approx((1, 0, 1), abs=1e-12)
    noisy = compare(1.01 * E + rng.normal(size=4000), E)
    assert abs(noisy.slope - 1.01) < 4 * noisy.slope_error and noisy.residual == pytest.approx(1, rel=0.05)
    bent = compare(E + 0.5 * 2e-4 * (E - E.mean()) ** 2, E)
    assert bent.curvature == pytest.approx(2e-4, rel=1e-6) and bent.pearson > 0.999
    with pytest.raises(ValueError, match="at least 10"):
        compare(E[:5], E[:5])


def test_symmetry_violation():
    s = STATES[::97]
    even, odd = Known(NEAR), Known(NEAR | {"field": 0.1})
    assert symmetry_violation(even, s, [lambda s: -s])[0] < 1e-10
    largest, rms = symmetry_violation(odd, s, [lambda s: -s])
    assert largest == pytest.approx(0.2 * np.abs(ising.magnetization(s)).max()) and 0 < rms < largest
