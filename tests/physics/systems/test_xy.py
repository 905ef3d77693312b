"""The XY model against exact answers: hand-made vortices, the sum over all states of a clock model."""

import numpy as np
import pytest
import torch

from lib.systems import xy, xy_exact

# reference/physics.md: ln Z / N (measure d theta / 2 pi), E / N, C / N; from the transfer matrix with 12 and 16 states
TABLE = {
    0.7: (1.3256532544, -1.6312489, 0.62491),
    0.8929: (0.8403269511, -1.4987605, 0.76163),
    1.0: (0.66546758, -1.4117287, 0.86527),
    1.25: (0.40478343, -1.1701405, 1.02650),
}


def random_angles(n, L, seed=0):
    return np.random.default_rng(seed).uniform(0, xy.TWO_PI, (n, L, L))


# ---------------------------------------------------------------- definition


def test_energy_by_hand():
    theta = np.zeros((1, 3, 3))
    assert xy.energy(theta)[0] == -18
    theta[0, 1, 1] = np.pi / 3
    assert xy.energy(theta)[0] == pytest.approx(-18 + 4 * 0.5)
    assert xy.energy(torch.as_tensor(theta))[0] == pytest.approx(-16)


def test_operators_are_sums_over_bonds_and_squares():
    theta = random_angles(2, 4)
    t, (nn, double, nnn, third, square) = theta[1], xy.operators(theta)[1]
    sites = [(i, j) for i in range(4) for j in range(4)]

    def bonds(steps, factor=1):
        return sum(np.cos(factor * (t[i, j] - t[(i + a) % 4, (j + b) % 4])) for i, j in sites for a, b in steps)

    assert nn == pytest.approx(bonds([(0, 1), (1, 0)]))
    assert double == pytest.approx(bonds([(0, 1), (1, 0)], 2))
    assert nnn == pytest.approx(bonds([(1, 1), (1, 3)]))
    assert third == pytest.approx(bonds([(0, 2), (2, 0)]))
    corners = [(t[i, j], t[i, (j + 1) % 4], t[(i + 1) % 4, (j + 1) % 4], t[(i + 1) % 4, j]) for i, j in sites]
    assert square == pytest.approx(sum(np.cos(a - b + c - d) for a, b, c, d in corners))


def test_vortex_and_antivortex_by_hand():
    """A vortex in the square (3, 3) and an antivortex in (3, 11): only these two wind, with opposite sign."""
    i, j = np.indices((16, 16)) - 3.5
    theta = np.arctan2(i, j) - np.arctan2(i, j - 8)
    v = xy.vorticity(theta[None] % xy.TWO_PI)[0]
    inner = v[1:14, 1:14]
    assert v[3, 3] == 1 and v[3, 11] == -1 and np.abs(inner).sum() == 2
    assert xy.vorticity(-theta[None])[0][3, 3] == -1
    assert xy.vortex_density(theta[None])[0] == np.abs(v).mean()


def test_vorticity_adds_up_to_zero_and_is_invariant_under_rotations():
    theta = random_angles(300, 8)
    v = xy.vorticity(theta)
    assert not v.sum((1, 2)).any() and set(np.unique(v)) == {-1, 0, 1}
    assert np.array_equal(v, xy.vorticity(xy.rotate(theta, 2.5)))
    assert np.array_equal(-v, xy.vorticity(-theta))


def test_wrap():
    assert xy.wrap(np.array([0.1, np.pi + 0.1, -np.pi - 0.1, 5 * np.pi])) == pytest.approx(
        [0.1, 0.1 - np.pi, np.pi - 0.1, -np.pi]
    )


def test_plaquette_energy_adds_up_to_twice_the_energy():
    theta = random_angles(5, 6)
    assert xy.plaquette_energy(theta).sum((1, 2)) == pytest.approx(2 * xy.energy(theta))


def test_helicity_is_the_response_to_a_twist():
    """Per configuration: second derivative of H and square of the first, under a twist of every bond of a row."""
    theta = random_angles(3, 6)
    step = 1e-4
    right, down = np.roll(theta, -1, 2) - theta, np.roll(theta, -1, 1) - theta

    def H(a, b):
        return -(np.cos(right + a) + np.cos(down + b)).sum((1, 2))

    first = np.stack([H(step, 0) - H(-step, 0), H(0, step) - H(0, -step)], 1) / (2 * step)
    second = (H(step, 0) + H(-step, 0) + H(0, step) + H(0, -step) - 4 * H(0, 0)) / step**2
    assert np.abs(first) == pytest.approx(np.abs(xy.currents(theta)), rel=1e-6)
    expected = second / (2 * 36) - (first**2).sum(1) / (2 * 36 * 0.9)
    found = xy.helicity_modulus(xy.energy(theta), (xy.currents(theta) ** 2).sum(1), 0.9, 36)
    assert found == pytest.approx(expected, rel=1e-5)


def test_observing_without_trigonometry():
    theta = random_angles(50, 7)
    seen = xy.observe((np.cos(theta), np.sin(theta)))
    assert seen[:, :5] == pytest.approx(xy.operators(theta))
    assert seen[:, 5] == pytest.approx((xy.currents(theta) ** 2).sum(1))
    assert np.array_equal(seen[:, 6], xy.vortex_density(theta))


# ---------------------------------------------------------------- exact 4 x 4


@pytest.mark.parametrize("L", [2, 3])
def test_transfer_matrix_equals_the_sum_over_all_states(L):
    """All q^(L^2 - 1) clock states with one spin fixed, with a twist."""
    q, beta, twist = (8, 0.8, 0.1) if L == 2 else (4, 0.8, 0.1)
    states = np.stack(np.meshgrid(*[np.arange(q)] * (L * L - 1), indexing="ij"), -1).reshape(-1, L * L - 1)
    theta = (xy.TWO_PI / q * np.concatenate([np.zeros((len(states), 1)), states], 1)).reshape(-1, L, L)
    right = np.cos(theta - np.roll(theta, -1, 2) - twist).sum((1, 2))
    down = np.cos(theta - np.roll(theta, -1, 1)).sum((1, 2))
    expected = np.log(np.mean(np.exp(beta * (right + down))))
    assert xy_exact.log_partition_function(L, beta, q=q, twist=twist) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("T", [0.8929, 1.25])
def test_log_partition_function_of_the_reference(T):
    assert xy_exact.log_partition_function(4, 1 / T, q=12) / 16 == pytest.approx(TABLE[T][0], abs=1e-8)


def test_derivatives_of_the_reference():
    _, energy, specific_heat = TABLE[1.25]
    found = xy_exact.exact(4, 1.25, q=10)
    assert found.energy == pytest.approx(energy, abs=1e-6)
    assert found.specific_heat == pytest.approx(specific_heat, abs=1e-5)
