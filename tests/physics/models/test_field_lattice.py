"""The Markov lattice of a scalar field: its symmetry, its order, and what it starts from. Fixed seeds, SIGMAS."""

import numpy as np
import pytest
import torch

from lib.models.field_lattice import (
    FieldLattice,
    SymmetricLogPolynomial,
    correlation,
    lost_by_reach,
    regression,
    within,
)
from lib.models.fit import fit
from lib.models.heads.real import LogPolynomial
from lib.models.learned import LearnedHamiltonian
from lib.samplers import mcmc
from lib.samplers.scalar_field import Fields
from lib.systems import phi_four
from lib.systems.phi_four import PhiFour
from tests.physics.standins import SIGMAS

FREE = PhiFour(4, 4, 1.0, 0.5, 0.0)


def drawn(field, n, seed):
    return mcmc.sample(Fields(field), n, np.random.default_rng(seed)).configurations.astype(np.float32)


def network(seed=1):
    """With weights of any size."""
    model = FieldLattice(4, SymmetricLogPolynomial(degree=4), seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (model.own, model.skip, model.output, model.even_bias):
            weight += 0.1 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


def test_odd_coefficients_come_first():
    ours, plain = SymmetricLogPolynomial(degree=6), LogPolynomial(degree=6, scale=2.6, bound=3.2, points=64)
    c = torch.tensor([[0.1, -0.6, 0.3, -0.2, 0.05, -0.01]], dtype=torch.float64)
    x = torch.tensor([0.7], dtype=torch.float64)
    assert torch.allclose(ours.log_prob(c[:, [0, 2, 4, 1, 3, 5]], x), plain.log_prob(c, x))
    assert not torch.allclose(ours.log_prob(c, x), plain.log_prob(c, x))


def test_a_global_flip_changes_nothing():
    phi = torch.as_tensor(np.random.default_rng(1).normal(size=(20, 4, 4)))
    assert torch.allclose(network().log_prob(phi), network().log_prob(-phi))


def test_drawing_site_by_site_is_the_same_distribution():
    model = network()
    fast, slow = model.sample(40, 3), model.sample(40, 3, naive=True)
    assert torch.allclose(fast[0], slow[0]) and torch.allclose(model.log_prob(fast[0]), fast[1])


def test_the_regression_of_a_free_field_is_its_precision_matrix():
    """Of the last site all others are seen: its weights are -K_ij / K_ii, its variance 1 / K_ii."""
    K_diagonal = 4 + 0.5
    context = np.where(np.arange(16) < 15, np.arange(16), 16)[None].repeat(16, 0)
    weights, variances = regression(correlation(drawn(FREE, 40_000, 1)), context)
    last = np.zeros(16)
    last[[11, 14, 3, 12]] = 1 / K_diagonal  # above, left, and across both boundaries
    np.testing.assert_allclose(weights[15], last, atol=0.015)
    np.testing.assert_allclose(variances[15], 1 / K_diagonal, rtol=0.02)


@pytest.mark.parametrize("free", [FREE, PhiFour(3, 6, 0.7, 0.5, 0.0), PhiFour(5, 4, 1.3, 0.5, 0.0)])
def test_it_starts_at_the_free_field(free):
    """Before any training: nearly equal weights, and the exact ln Z. A network without the start is far away."""
    data = drawn(free, 40_000, 2)

    def weights(model):
        phi, log_q = model.sample(4000, 5)
        w = -phi_four.action(phi.double().numpy(), free) - log_q.double().numpy()
        w = w - phi_four.free(free).log_z
        return np.exp(w)

    w = weights(FieldLattice.from_fields(data))
    assert w.mean() ** 2 / (w**2).mean() > 0.97
    assert abs(w.mean() - 1) < SIGMAS * w.std() / np.sqrt(len(w))
    w = weights(FieldLattice((free.n_t, free.n_x)))
    assert w.mean() ** 2 / (w**2).mean() < 0.5


def test_a_short_training_comes_close_to_an_interacting_field():
    """Effective sample size; and ln Z of 4 x 4 sites, known to six digits."""
    field = PhiFour(4, 4, 1.0, -1.27, 1.0)
    model = FieldLattice.from_fields(drawn(field, 10_000, 3))
    fit(model, drawn(field, 10_000, 3), steps=150, batch=128, learning_rate=1e-2, seed=1)
    phi, log_q = model.sample(4000, 5)
    w = -phi_four.action(phi.double().numpy(), field) - log_q.double().numpy()
    log_z = 8.683405  # 4 x 4 sites, computed independently
    w = np.exp(w - log_z)
    assert w.mean() ** 2 / (w**2).mean() > 0.9
    assert abs(w.mean() - 1) < SIGMAS * w.std() / np.sqrt(len(w))


def test_a_short_reach_hides_far_sites():
    data = drawn(FREE, 500, 6)
    phi = torch.as_tensor(data[:1]).double()
    near, whole = (FieldLattice.from_fields(data, reach=reach).double() for reach in (1.0, None))
    moved = phi.clone()
    moved[0, 0, 2] += 1.0  # diagonal to site (1, 1), which sees it if it may
    change = [(m.conditionals(moved.flatten(1)) - m.conditionals(phi.flatten(1)))[0, 5] for m in (near, whole)]
    assert change[0].abs().max() == 0 and change[1].abs().max() > 1e-3
    moved = phi.clone()
    moved[0, 0, 1] += 1.0  # above it
    change = (near.conditionals(moved.flatten(1)) - near.conditionals(phi.flatten(1)))[0, 5]
    assert change.abs().max() > 1e-3


def test_distances_are_those_of_the_torus():
    """Of a rectangle, along both axes."""
    rows, columns, reach = 5, 8, 2.0
    everything = torch.arange(40).repeat(40, 1)
    seen = within(everything, (rows, columns), reach).numpy()
    for i in range(40):
        for k in range(40):
            (a, b), (c, d) = divmod(i, columns), divmod(k, columns)
            distance = np.hypot(min(abs(a - c), rows - abs(a - c)), min(abs(b - d), columns - abs(b - d)))
            assert seen[i, k] == (k if distance <= reach else 40)


def test_what_a_short_reach_must_cost():
    """Against the KL of the two Gaussians, from their covariance matrices."""
    K = phi_four.spectrum(FREE)
    exact = np.fft.ifft2(1 / K).real
    row, column = np.divmod(np.arange(16), 4)
    covariance = exact[(row[:, None] - row) % 4, (column[:, None] - column) % 4]
    context = FieldLattice(4, reach=1.0).context.numpy()
    weights, variances = regression(exact, context)
    A = np.zeros((16, 17))
    for i, sites in enumerate(context):
        np.add.at(A[i], sites, np.where(sites < 16, weights[i], 0.0))
    factor = (np.eye(16) - A[:, :16]) / np.sqrt(variances)[:, None]
    precision = factor.T @ factor
    kl = (np.trace(precision @ covariance) - 16 - np.linalg.slogdet(precision @ covariance)[1]) / 2
    assert abs(lost_by_reach(exact, 1.0) - kl) < 1e-4 * kl + 1e-6
    assert lost_by_reach(exact, 1.0) > lost_by_reach(exact, 2.0) > -1e-9


def test_slopes_of_the_action_are_its_derivatives():
    """By the field, through its own density and through all that see it; and the two ways to a conditional agree."""
    model = network()
    phi = torch.as_tensor(np.random.default_rng(3).normal(scale=0.8, size=(2, 4, 4)))
    hamiltonian = LearnedHamiltonian(model, 1.0)
    slope, h = hamiltonian.gradient(phi.numpy()), 1e-5
    for t in range(4):
        for x in range(4):
            step = torch.zeros(4, 4, dtype=torch.float64)
            step[t, x] = h
            up, down = (hamiltonian.action((phi + sign * step).numpy()) for sign in (1, -1))
            np.testing.assert_allclose(slope[:, t, x], (up - down) / (2 * h), atol=1e-7)
    fast, slow = model.conditionals(phi.flatten(1)), model.conditionals(phi.flatten(1).requires_grad_())
    assert torch.allclose(fast, slow)
