"""The XY model against exact answers: hand-made vortices, quadrature, the 4 x 4 transfer matrix.

Statistical checks use fixed seeds and a level of SIGMA standard errors; each is shown to notice something wrong.
"""

import numpy as np
import pytest
import torch

from lib import lattice
from lib.analysis.thermodynamic_integration import log_partition_function as integrated
from lib.samplers import xy as sampler
from lib.samplers import xy_local
from lib.systems import xy, xy_exact

SIGMA = 4.0
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


# ---------------------------------------------------------------- samplers


@pytest.mark.parametrize("method", sampler.METHODS)
def test_samplers_against_the_exact_lattice(method):
    exact = xy_exact.exact(4, 0.8929, q=8)  # 8 states: 2e-4 off, a fifth of the errors below
    run = sampler.measure(4, 0.8929, 8_000, np.random.default_rng(3), method=method, replicas=64)
    for name in ("energy", "specific_heat", "helicity"):
        value, error = getattr(run, name)()
        assert abs(value - getattr(exact, name)) < SIGMA * error
    wrong = xy_exact.exact(4, 0.8929 * 1.03, q=8)
    value, error = run.energy()
    assert abs(value - wrong.energy) > 2 * SIGMA * error


def test_energy_and_helicity_at_16():
    """An independent run: reference/feasibility.md, E = -1.4443(7), Y = 0.641(1) at T = 0.9."""
    run = sampler.measure(16, 0.9, 1000, np.random.default_rng(1))
    for (value, error), (other, other_error) in zip(
        (run.energy(), run.helicity()), ((-1.4443, 0.0007), (0.641, 0.001)), strict=True
    ):
        assert abs(value - other) < SIGMA * np.hypot(error, other_error)


def test_further_couplings_against_reweighting():
    """Averages with five couplings, sampled and reweighted from the plain model, on a 4 x 4 lattice."""
    J = {"nn": 0.9, "nn_double": 0.05, "nnn": 0.04, "third": -0.03, "plaquette": 0.03}
    T, rng = 1.0, np.random.default_rng(5)
    plain = sampler.sample(4, T, 40_000, rng, replicas=200).configurations
    operators = xy.operators(plain)
    log_w = (operators @ np.array(list(J.values())) - operators[:, 0]) / T
    w = np.exp(log_w - log_w.max())
    blocks = np.array_split(np.arange(len(w)), 50)
    each = np.array([(w[b] @ xy.energy(plain[b])) / w[b].sum() for b in blocks]) / 16
    expected, expected_error = (w @ xy.energy(plain)) / w.sum() / 16, each.std() / np.sqrt(50)
    for method in ("local", "metropolis"):
        value, error = sampler.measure(4, T, 5000, rng, couplings=J, method=method, replicas=64).energy()
        assert abs(value - expected) < SIGMA * np.hypot(error, expected_error)
        plain_value = sampler.measure(4, T, 500, rng).energy()[0]
        assert abs(value - plain_value) > 2 * SIGMA * error  # the couplings matter


def test_over_relaxation_keeps_the_energy():
    theta = random_angles(4, 6)
    spins = np.cos(theta), np.sin(theta)
    xy_local.overrelax(spins, 1.0, np.random.default_rng(0), xy_local.coupling_vector(None))
    after = np.arctan2(spins[1], spins[0])
    assert xy.energy(after) == pytest.approx(xy.energy(theta)) and np.abs(after % xy.TWO_PI - theta).min() > 0


def test_observing_without_trigonometry():
    theta = random_angles(50, 7)
    seen = sampler.observe((np.cos(theta), np.sin(theta)))
    assert seen[:, :5] == pytest.approx(xy.operators(theta))
    assert seen[:, 5] == pytest.approx((xy.currents(theta) ** 2).sum(1))
    assert np.array_equal(seen[:, 6], xy.vortex_density(theta))


def test_samples_are_uniform_in_direction_and_repeatable():
    a = sampler.sample(6, 0.5, 400, np.random.default_rng(2))
    b = sampler.sample(6, 0.5, 400, np.random.default_rng(2))
    assert np.array_equal(a.configurations, b.configurations)
    theta = a.configurations
    assert theta.min() >= 0 and theta.max() < xy.TWO_PI and theta.shape == (400, 6, 6)
    m = np.exp(1j * theta).mean((1, 2))
    assert abs((m / abs(m)).mean()) < SIGMA / np.sqrt(400)
    assert abs(np.mean(xy.energy(theta)) - xy.energy(lattice.transform(theta, 5, (1, 2))).mean()) < 1e-9


@pytest.mark.parametrize("arguments, text", [
    ((1, 1.0, 10), "side"), ((8, 0.0, 10), "temperature"), ((8, -1.0, 10), "temperature"), ((8, 1.0, 0), "one"),
])  # fmt: skip
def test_bad_requests_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        sampler.sample(*arguments, np.random.default_rng(0))


def test_unknown_couplings_and_methods_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="'field'"):
        sampler.sample(8, 1.0, 1, rng, couplings={"field": 1.0})
    with pytest.raises(ValueError, match="'wolff'"):
        sampler.sample(8, 1.0, 1, rng, method="wolff")
    with pytest.raises(ValueError, match="method='local'"):
        sampler.sample(8, 1.0, 1, rng, couplings={"nn": 1.0, "nnn": 0.1}, method="cluster")


def test_thermodynamic_integration_against_the_transfer_matrix():
    (high, low) = integrated(4, [1.25, 0.8929], seed=1, n_sweeps=500)
    for found, T in ((high, 1.25), (low, 0.8929)):
        exact = 16 * TABLE[T][0]
        assert abs(found.value - exact) < SIGMA * found.error
        assert found.error < 0.04
