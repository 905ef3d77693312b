"""The Gaussian field, its RBM and its linear autoregressive network against exact answers."""

import numpy as np
import pytest
from scipy.stats import chi2, kstest, multivariate_normal, norm

from lib.models.linear_gaussian import precision_factor
from lib.systems.gaussian_field import GaussianField, factor_scores, maximum_likelihood_factors, spectrum_scores

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


# The linear autoregressive network --------------------------------------------------------------------------


def scores_of_fits(n, fits, rng):
    """Spectrum and factor scores of maximum likelihood from n fields, repeated: [fits, 8] and [fits, 36]."""
    modes, eigenvalues = FIELD.modes()
    lower = np.tril_indices(8)
    spectrum, factor = [], []
    for _ in range(fits):
        phi = FIELD.sample(n, rng)
        precision = np.linalg.inv(phi.T @ phi / n)
        spectrum.append(spectrum_scores(np.diag(modes.T @ precision @ modes), eigenvalues, n)[1])
        factor.append(factor_scores(precision_factor(precision), precision_factor(K), n)[1][lower])
    return np.array(spectrum), np.array(factor)


def test_scores_are_standard_normal_at_any_number_of_fields():
    """Kolmogorov-Smirnov of the scores of 400 fits, n = 20 and 500; level 1e-4 shared by the six tests, fixed seed.

    One mode at a time, since those of one fit are not independent; the entries of the factor are, so together.
    """
    rng = np.random.default_rng(29)
    for n in (20, 500):
        spectrum, factor = scores_of_fits(n, 400, rng)
        p_values = [kstest(scores, norm.cdf).pvalue for scores in (spectrum[:, 0], spectrum[:, -1], factor.ravel())]
        assert min(p_values) > 1e-4 / 6
    # what must fail: the law for large n, at n = 20
    modes, eigenvalues = FIELD.modes()
    errors = []
    for _ in range(400):
        phi = FIELD.sample(20, rng)
        found = np.diag(modes.T @ np.linalg.inv(phi.T @ phi / 20) @ modes)
        errors.append(spectrum_scores(found, eigenvalues, 20)[0][0] / np.sqrt(2 / 20))
    assert kstest(errors, norm.cdf).pvalue < 1e-4 / 6


def test_scores_see_an_error_and_its_sign():
    modes, eigenvalues = FIELD.modes()
    n = 20_000
    sigma = np.sqrt(2 / n)
    error, score = spectrum_scores(eigenvalues * (1 + 10 * sigma), eigenvalues, n)
    np.testing.assert_allclose(error, 10 * sigma, rtol=1e-9)
    assert (score > 9).all() and (score < 11).all()
    T = precision_factor(K)
    assert np.abs(factor_scores(T, T, n)[1]).max() < 0.1  # the chi-square has its median a little below n
    wrong = T.copy()
    wrong[5, 2] += 10 * T[2, 2] / np.sqrt(n)
    error, score = factor_scores(wrong, T, n)
    worst = np.unravel_index(np.abs(score).argmax(), score.shape)
    assert worst == (5, 2) and 9 < abs(score[worst]) < 16
    np.testing.assert_allclose((np.eye(8) + error) @ wrong, T, atol=1e-12)
    with pytest.raises(ValueError, match="singular"):
        spectrum_scores(eigenvalues, eigenvalues, 7)
    with pytest.raises(ValueError, match="not positive"):
        spectrum_scores(-eigenvalues, eigenvalues, n)
    with pytest.raises(ValueError, match="singular"):
        factor_scores(T, T, 7)
    with pytest.raises(ValueError, match="found: not a lower triangular"):
        factor_scores(T.T, T, n)


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
