"""The RBM of a Gaussian field and the linear autoregressive network against exact answers."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from lib.models import rbm
from lib.models.fit import fit
from lib.models.linear_gaussian import LinearGaussian, precision_factor
from lib.systems.gaussian_field import GaussianField

FIELD = GaussianField((8,), 0.5)
K, MU2 = FIELD.kinetic_matrix(), 9.0


@pytest.mark.parametrize("sigma2", [1.0, 0.3])
def test_three_exact_solutions(sigma2):
    gram = rbm.weight_gram(K, MU2, sigma2)
    triangular = rbm.cholesky_weights(gram)
    symmetric = rbm.symmetric_weights(gram)
    rotated = rbm.rotated_weights(triangular, np.random.default_rng(3))
    assert np.array_equal(triangular, np.tril(triangular))
    np.testing.assert_allclose(symmetric, symmetric.T, atol=1e-13)
    assert np.abs(rotated - triangular).max() > 0.1
    for weights in (triangular, symmetric, rotated):
        np.testing.assert_allclose(rbm.GaussianRBM(weights, MU2, sigma2).kinetic_matrix(), K, atol=1e-12)


def test_induced_density_is_the_marginal_of_the_joint_one():
    weights = np.random.default_rng(4).normal(size=(3, 2))
    machine = rbm.GaussianRBM(weights, 9.0, 0.5)
    joint = np.block([[9.0 * np.eye(3), -weights], [-weights.T, np.eye(2) / 0.5]])
    marginal = np.linalg.inv(joint)[:3, :3]
    np.testing.assert_allclose(machine.covariance(), marginal, rtol=1e-12)
    phi = np.random.default_rng(5).normal(size=(4, 3))
    np.testing.assert_allclose(machine.log_prob(phi), multivariate_normal(cov=marginal).logpdf(phi), rtol=1e-12)


def test_gibbs_leaves_the_distribution_unchanged():
    machine = rbm.GaussianRBM(rbm.symmetric_weights(rbm.weight_gram(K, MU2, 0.5)), MU2, 0.5)
    n, rng = 20_000, np.random.default_rng(6)
    modes, eigenvalues = FIELD.modes()
    phi = machine.gibbs(FIELD.sample(n, rng), 3, rng)
    statistic = ((phi @ modes) ** 2).sum(0) * eigenvalues
    assert (np.abs(statistic / n - 1) < 5 * np.sqrt(2 / n)).all()
    relaxed = machine.gibbs(np.zeros((n, 8)), 200, rng)
    assert (np.abs(((relaxed @ modes) ** 2).mean(0) * eigenvalues - 1) < 5 * np.sqrt(2 / n)).all()


def test_exact_gradient_is_the_derivative_of_the_log_likelihood():
    rng = np.random.default_rng(7)
    phi = FIELD.sample(100, rng)
    machine = rbm.initial(8, 5, MU2, rng, sigma2=0.5)
    covariance = phi.T @ phi / len(phi)
    gradient = machine.sigma2 * (covariance - machine.covariance()) @ machine.weights
    step = 1e-5 * rng.normal(size=machine.weights.shape)
    up, down = (rbm.GaussianRBM(machine.weights + sign * step, MU2, 0.5) for sign in (1, -1))
    change = (up.log_prob(phi) - down.log_prob(phi)).mean()
    assert np.isclose(change, 2 * (gradient * step).sum(), rtol=1e-6)


def test_preconditioned_step_is_uphill_and_has_the_same_fixed_point():
    """The step (K C K - K) W: positive scalar product with the gradient; zero at K = C^-1."""
    rng = np.random.default_rng(20)
    covariance = np.cov(FIELD.sample(100, rng).T)
    for n_hidden in (8, 3):
        machine = rbm.initial(8, n_hidden, MU2, rng, scale=0.4)
        before, gradient = machine.weights.copy(), (covariance - machine.covariance()) @ machine.weights
        rbm.train_exact(machine, covariance, steps=1, preconditioned=True)
        assert ((machine.weights - before) * gradient).sum() > 0
    exact = rbm.GaussianRBM(rbm.symmetric_weights(rbm.weight_gram(K, MU2)), MU2)
    before = exact.weights.copy()
    rbm.train_exact(exact, np.linalg.inv(K), steps=10, preconditioned=True)
    np.testing.assert_allclose(exact.weights, before, atol=1e-12)
    rbm.train_exact(exact, 1.01 * np.linalg.inv(K), steps=10, preconditioned=True)
    assert np.abs(exact.weights - before).max() > 1e-4


@pytest.mark.parametrize("preconditioned, steps", [(False, 10_000), (True, 2000)])
@pytest.mark.parametrize("sigma2", [1.0, 0.3])
def test_training_reaches_the_inverse_covariance_and_hidden_units_limit_it(preconditioned, steps, sigma2):
    covariance = np.linalg.inv(K)
    for n_hidden in (8, 5, 4):
        machine = rbm.initial(8, n_hidden, MU2, np.random.default_rng(8), sigma2)
        rbm.train_exact(machine, covariance, steps=steps, preconditioned=preconditioned)
        expected = np.sort(FIELD.spectrum())
        expected[n_hidden:] = MU2
        np.testing.assert_allclose(np.linalg.eigvalsh(machine.kinetic_matrix()), expected, rtol=1e-4)


def test_the_cutoff_holds_the_modes_above_it():
    machine = rbm.initial(8, 8, 3.0, np.random.default_rng(21))
    rbm.train_exact(machine, np.linalg.inv(K), steps=2000, preconditioned=True)
    expected = np.minimum(np.sort(FIELD.spectrum()), 3.0)
    np.testing.assert_allclose(np.linalg.eigvalsh(machine.kinetic_matrix()), expected, rtol=1e-4)


def test_the_plain_gradient_learns_the_infrared_first():
    """After 1000 steps the lowest mode is there and the highest at the cutoff; preconditioned, both are there."""
    modes, eigenvalues = FIELD.modes()
    for preconditioned in (False, True):
        machine = rbm.initial(8, 8, MU2, np.random.default_rng(22))
        rbm.train_exact(machine, np.linalg.inv(K), steps=1000, preconditioned=preconditioned)
        found = np.diag(modes.T @ machine.kinetic_matrix() @ modes)
        assert np.isclose(found[0], eigenvalues[0], rtol=1e-3)
        assert np.isclose(found[-1], eigenvalues[-1], rtol=1e-3) == preconditioned


def test_training_keeps_the_steps_asked_for():
    machine = rbm.initial(8, 8, MU2, np.random.default_rng(23))
    start = machine.weights.copy()
    history = rbm.train_exact(machine, np.linalg.inv(K), steps=10, record=[0, 3, 10])
    assert list(history) == [0, 3, 10]
    assert np.array_equal(history[0], start) and np.array_equal(history[10], machine.weights)
    again = rbm.GaussianRBM(start, MU2)
    rbm.train_exact(again, np.linalg.inv(K), steps=3)
    assert np.array_equal(history[3], again.weights)


def test_triangular_form_of_any_weights():
    rng = np.random.default_rng(24)
    gram = rbm.weight_gram(K, MU2)
    rotated = rbm.rotated_weights(rbm.symmetric_weights(gram), rng)
    np.testing.assert_allclose(rbm.triangular_weights(rotated), rbm.cholesky_weights(gram), atol=1e-12)
    for impossible in (np.zeros((2, 2)), rng.normal(size=(3, 2)), rng.normal(size=(2, 3))):
        with pytest.raises(ValueError, match="square and invertible"):
            rbm.triangular_weights(impossible)


def test_contrastive_divergence_finds_the_spectrum():
    """Its highest modes need the preconditioned step: see `lib.models.rbm`."""
    rng = np.random.default_rng(9)
    phi = FIELD.sample(20_000, rng)
    machine = rbm.initial(8, 8, MU2, rng)
    rbm.train_contrastive(machine, phi, rng, steps=3000)
    modes, eigenvalues = FIELD.modes()
    found = np.einsum("im,ij,jm->m", modes, machine.kinetic_matrix(), modes)
    assert np.abs(found / eigenvalues - 1).max() < 0.1


def test_impossible_machines_are_refused():
    with pytest.raises(ValueError, match="must exceed"):
        rbm.weight_gram(K, 4.0)
    with pytest.raises(ValueError, match="too large"):
        rbm.GaussianRBM(3.1 * np.eye(2), 9.0).covariance()
    with pytest.raises(ValueError, match="positive"):
        rbm.GaussianRBM(np.eye(2), -1.0)


def test_precision_factor():
    T = precision_factor(K)
    assert np.array_equal(T, np.tril(T)) and (np.diag(T) > 0).all()
    np.testing.assert_allclose(T.T @ T, K, atol=1e-12)


def test_regression_is_the_factor_of_the_inverse_sample_covariance():
    phi = FIELD.sample(500, np.random.default_rng(10))
    order = np.random.default_rng(11).permutation(8)
    model = LinearGaussian((8,), order=order)
    model.fit_regression(phi)
    np.testing.assert_allclose(model.precision(), np.linalg.inv(phi.T @ phi / 500), rtol=1e-9)
    exact = multivariate_normal(cov=phi.T @ phi / 500).logpdf(phi)
    np.testing.assert_allclose(model.log_prob(phi).detach(), exact, rtol=1e-9)


def test_gradient_descent_finds_the_regression():
    phi = FIELD.sample(20_000, np.random.default_rng(12))
    closed, trained = LinearGaussian((8,)), LinearGaussian((8,))
    closed.fit_regression(phi)
    fit(trained, phi, steps=2000, batch=500, learning_rate=1e-2, seed=1)
    assert np.abs(closed.precision_factor() - trained.precision_factor()).max() < 0.02


def test_likelihood_ascent_finds_the_regression():
    order = np.random.default_rng(25).permutation(8)
    phi = FIELD.sample(300, np.random.default_rng(26))
    closed, trained, early = (LinearGaussian((8,), order=order) for _ in range(3))
    closed.fit_regression(phi)
    assert trained.fit_gradient(phi) < 1e-6
    np.testing.assert_allclose(trained.precision_factor(), closed.precision_factor(), atol=1e-6)
    assert early.fit_gradient(phi, steps=3) > 1e-3
    assert np.abs(early.precision_factor() - closed.precision_factor()).max() > 1e-2
    with pytest.raises(ValueError, match="at least 8"):
        early.fit_gradient(phi[:7])


def test_an_autoregressive_network_is_an_rbm_with_triangular_weights():
    model = LinearGaussian((8,))
    model.fit_gradient(FIELD.sample(2000, np.random.default_rng(27)))
    weights = rbm.cholesky_weights(rbm.weight_gram(model.precision(), MU2))
    phi = FIELD.sample(20, np.random.default_rng(28))
    found = rbm.GaussianRBM(weights, MU2).log_prob(phi)
    np.testing.assert_allclose(found, model.log_prob(phi).detach(), atol=1e-9)
    continued = 1j * model.precision_factor().T
    np.testing.assert_allclose(-continued @ continued.T, model.precision(), atol=1e-12)
    with pytest.raises(ValueError, match="must exceed"):
        rbm.weight_gram(model.precision(), 4.0)


def test_bad_fields_are_refused():
    model = LinearGaussian((8,))
    with pytest.raises(ValueError, match="must be finite"):
        model.log_prob(np.full((2, 8), np.nan))
    with pytest.raises(ValueError, match="at least 8"):
        model.fit_regression(np.zeros((3, 8)))
