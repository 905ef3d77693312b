"""The simulated film: kelvin, and kernel, energy and shells of the dipoles against sums by hand."""

import numpy as np
import pytest

from lib.systems import film, ising

RNG = np.random.default_rng


# Kelvin -----------------------------------------------------------------------------------------------------


def test_kelvin_and_coupling():
    T0 = film.reduced_temperature()
    assert T0 == pytest.approx(1.5715, abs=5e-5)
    assert film.curie_temperature(1 / T0, 0.01 / T0) == pytest.approx((427.4, 4.274))
    assert film.reduced_temperature(300, 300) == pytest.approx(ising.critical_temperature())
    with pytest.raises(ValueError, match="positive"):
        film.reduced_temperature(-1)


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


def test_kernels_that_cannot_be():
    with pytest.raises(ValueError, match="side 3 or more"):
        film.pair_kernel(2)
    with pytest.raises(ValueError, match="L = 1"):
        film.dipolar_kernel(1)
