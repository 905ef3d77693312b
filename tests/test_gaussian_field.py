"""The Gaussian field, its RBM and its linear autoregressive network against exact answers."""

import numpy as np
import pytest
from scipy.stats import chi2, multivariate_normal

from lib.models import rbm
from lib.models.fit import fit
from lib.models.linear_gaussian import LinearGaussian, precision_factor
from lib.systems.gaussian_field import GaussianField, maximum_likelihood_factors

FIELDS = [
    GaussianField((8,), 0.5),
    GaussianField((5,), 1.0),
    GaussianField((4, 3), 0.3),
    GaussianField((2,), 1.0),
]


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_spectrum_and_modes_diagonalise_the_kinetic_matrix(field):
    K = field.kinetic_matrix()
    assert np.array_equal(K, K.T)
    np.testing.assert_allclose(np.linalg.eigvalsh(K), np.sort(field.spectrum().ravel()), rtol=1e-12)
    modes, eigenvalues = field.modes()
    np.testing.assert_allclose(modes.T @ modes, np.eye(field.n_sites), atol=1e-12)
    np.testing.assert_allclose(K @ modes, modes * eigenvalues, atol=1e-12)
    assert np.isclose(eigenvalues[0], field.mass2)


def test_kinetic_matrix_of_a_ring():
    K = GaussianField((4,), 1.0).kinetic_matrix()
    assert np.array_equal(K, [[3, -1, 0, -1], [-1, 3, -1, 0], [0, -1, 3, -1], [-1, 0, -1, 3]])


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_log_prob_is_the_normal_density(field):
    phi = np.random.default_rng(1).normal(size=(5, *field.shape))
    exact = multivariate_normal(cov=np.linalg.inv(field.kinetic_matrix())).logpdf(phi.reshape(5, -1))
    np.testing.assert_allclose(field.log_prob(phi), exact, rtol=1e-12)


@pytest.mark.parametrize("field", FIELDS, ids=str)
def test_samples_have_the_right_covariance(field):
    """Every mode's sample variance is chi^2_n / (n K); two-sided level 1e-4 shared by the modes, fixed seed."""
    n = 20_000
    modes, eigenvalues = field.modes()
    amplitudes = field.sample(n, np.random.default_rng(2)).reshape(n, -1) @ modes
    statistic = (amplitudes**2).sum(0) * eigenvalues
    level = 1e-4 / (2 * field.n_sites)
    assert (chi2.cdf(statistic, n) > level).all() and (chi2.sf(statistic, n) > level).all()
    correlation = np.corrcoef(amplitudes.T) - np.eye(field.n_sites)
    assert np.abs(correlation).max() < 5 / np.sqrt(n)


def test_impossible_fields_are_refused():
    for shape, mass2 in [((), 1.0), ((1,), 1.0), ((4,), 0.0), ((4,), np.nan)]:
        with pytest.raises(ValueError, match="must be"):
            GaussianField(shape, mass2)


# The RBM ----------------------------------------------------------------------------------------------------

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


def test_training_reaches_the_inverse_covariance_and_hidden_units_limit_it():
    covariance = np.linalg.inv(K)
    for n_hidden in (8, 5, 4):
        machine = rbm.initial(8, n_hidden, MU2, np.random.default_rng(8))
        rbm.train_exact(machine, covariance, steps=20_000)
        relative = np.linalg.eigvalsh(machine.kinetic_matrix() @ covariance @ np.eye(8))
        found = np.linalg.eigvalsh(machine.kinetic_matrix())
        expected = np.sort(FIELD.spectrum())
        expected[n_hidden:] = MU2
        np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert len(relative) == 8


def test_contrastive_divergence_finds_the_spectrum():
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


# The linear autoregressive network --------------------------------------------------------------------------


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


def test_sampling_law_of_maximum_likelihood():
    """Bartlett's draws against repeated fits: mean and spread of the squared distance from the truth."""
    T, n = precision_factor(K), 50
    rng = np.random.default_rng(13)

    def distance(factors):
        return ((factors - T) ** 2).sum((1, 2))

    drawn = distance(maximum_likelihood_factors(T, n, 4000, rng))
    fitted = []
    for _ in range(400):
        phi = FIELD.sample(n, rng)
        fitted.append(precision_factor(np.linalg.inv(phi.T @ phi / n)))
    fitted = distance(np.array(fitted))
    error = np.hypot(drawn.std() / np.sqrt(4000), fitted.std() / np.sqrt(400))
    assert abs(drawn.mean() - fitted.mean()) < 4 * error
    assert abs(fitted.std() / drawn.std() - 1) < 0.3


def test_bad_fields_are_refused():
    model = LinearGaussian((8,))
    with pytest.raises(ValueError, match="must be finite"):
        model.log_prob(np.full((2, 8), np.nan))
    with pytest.raises(ValueError, match="at least 8"):
        model.fit_regression(np.zeros((3, 8)))
