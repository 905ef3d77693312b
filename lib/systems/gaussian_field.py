r"""Free scalar field on a periodic lattice of any dimension: everything about it is known exactly.

    S(phi) = 1/2 sum_ij phi_i K_ij phi_j,   p(phi) = exp(-S) / Z,   K = m^2 1 - Laplacian,   lattice spacing 1,
    (K phi)_i = m^2 phi_i + sum_directions (2 phi_i - phi_{i+1} - phi_{i-1}).

Plane waves diagonalise K: K_k = m^2 + sum_directions 4 sin^2(k/2), k = 2 pi n / L; mode k has variance 1/K_k.
The target of Aarts, Lucini and Park, Phys. Rev. D 109, 034521 (2024). Fields are float64 arrays [n, *shape].
"""

from dataclasses import dataclass
from math import prod

import numpy as np
from scipy.stats import chi2, norm


@dataclass(frozen=True)
class GaussianField:
    """Free field on a periodic lattice of this `shape`, `(L,)` or `(L, L)`, with squared mass `mass2` > 0."""

    shape: tuple
    mass2: float

    def __post_init__(self):
        if len(self.shape) == 0 or any(int(side) != side or side < 2 for side in self.shape):
            raise ValueError(f"shape = {self.shape}: every side must be an integer of at least 2")
        if not (self.mass2 > 0 and np.isfinite(self.mass2)):
            raise ValueError(f"mass2 = {self.mass2}: it must be positive, or the zero mode is not normalisable")

    @property
    def n_sites(self):
        return prod(self.shape)

    def apply(self, phi):
        """K phi for fields [n, *shape]."""
        result = (self.mass2 + 2 * len(self.shape)) * phi
        for axis in range(-len(self.shape), 0):
            result = result - np.roll(phi, 1, axis) - np.roll(phi, -1, axis)
        return result

    def kinetic_matrix(self):
        """K [N, N]."""
        return self.apply(np.eye(self.n_sites).reshape(-1, *self.shape)).reshape(self.n_sites, -1)

    def spectrum(self):
        """Eigenvalues K_k [*shape], at the momenta k = 2 pi n / L in the order of numpy's fft."""
        momenta = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(side) for side in self.shape], indexing="ij")
        return self.mass2 + sum(4 * np.sin(k / 2) ** 2 for k in momenta)

    def modes(self):
        """Real orthonormal modes [N, N] in the columns (standing waves), and their eigenvalues [N], ascending."""
        waves = np.fft.fftn(np.eye(self.n_sites).reshape(-1, *self.shape), axes=range(1, len(self.shape) + 1))
        # Hartley transform: cosine + sine of k x, real, symmetric and orthogonal
        hartley = (waves.real - waves.imag).reshape(self.n_sites, -1) / np.sqrt(self.n_sites)
        ascending = np.argsort(self.spectrum().ravel(), kind="stable")
        return hartley[:, ascending], self.spectrum().ravel()[ascending]

    def action(self, phi):
        """S(phi) of fields [n, *shape] -> [n]."""
        return 0.5 * (phi * self.apply(phi)).reshape(len(phi), -1).sum(1)

    def log_prob(self, phi):
        """ln p(phi), normalised, of fields [n, *shape] -> [n]."""
        log_det = np.log(self.spectrum()).sum()
        return -self.action(phi) + 0.5 * log_det - 0.5 * self.n_sites * np.log(2 * np.pi)

    def sample(self, n, rng):
        """n independent fields [n, *shape] from p: white noise times K^(-1/2), in momentum space. rng: numpy's."""
        axes = tuple(range(1, len(self.shape) + 1))
        noise = np.fft.fftn(rng.standard_normal((n, *self.shape)), axes=axes)
        return np.fft.ifftn(noise / np.sqrt(self.spectrum()), axes=axes).real


def _check_sample(n, size):
    if n < size:
        raise ValueError(f"n = {n}: the sample covariance of {size} sites is singular")


def maximum_likelihood_factors(factor, n, draws, rng):
    r"""Random draws of what maximum likelihood finds from n fields, by its exact sampling law: [draws, N, N].

    factor: lower triangular R of the true precision matrix, K = R^T R. The estimate from n fields is the factor of
    the inverse sample covariance, B R, where B^-1 is lower triangular with independent entries: squared diagonal
    ~ chi^2_{n-i} / n (i = 0 ... N-1), below it N(0, 1/n). This is Bartlett's decomposition of the Wishart
    distribution; no approximation.
    """
    size = len(factor)
    _check_sample(n, size)
    bartlett = np.tril(rng.standard_normal((draws, size, size)), -1)
    diagonal = np.arange(size)
    bartlett[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - diagonal, (draws, size)))
    return np.linalg.solve(bartlett / np.sqrt(n), np.broadcast_to(factor, bartlett.shape))


def spectrum_scores(found, exact, n):
    r"""How far fitted eigenvalues are from the exact ones: relative errors, and their normal scores, [N] each.

    found: diagonal, in the exact modes, of the maximum-likelihood precision matrix of n fields; exact: the eigenvalues.
    That matrix is the inverse of a Wishart matrix, so n exact / found ~ chi^2_{n-N+1} exactly: for n >> N the relative
    error found / exact - 1 is about N(0, 2/n). The score is the normal quantile of the probability under chi^2,
    positive for a found value that is too large: exactly standard normal at any n.
    """
    found, exact = np.asarray(found, float), np.asarray(exact, float)
    _check_sample(n, len(exact))
    if not (found > 0).all():
        raise ValueError(f"the fitted eigenvalue {found[~(found > 0)][0]:.3g} is not positive")
    return found / exact - 1, -_chi2_scores(n * exact / found, n - len(exact) + 1)


def factor_scores(found, exact, n):
    r"""How far a fitted triangular factor is from the exact one: relative errors D, and their normal scores, [N, N].

    found: maximum-likelihood R^ from n fields, exact: R, both lower triangular with positive diagonal. R = (1 + D) R^
    defines D, lower triangular. By Bartlett's decomposition (`maximum_likelihood_factors`) its entries are independent:
    below the diagonal N(0, 1/n); on it n (1 + D_ii)^2 ~ chi^2_{n-i}, i = 0 ... N-1, hence about N(0, 1/(2n)). Scores
    are exactly standard normal, and zero above the diagonal.
    """
    size = len(exact)
    _check_sample(n, size)
    for name, factor in [("found", found), ("exact", exact)]:
        if not (np.array_equal(factor, np.tril(factor)) and (np.diag(factor) > 0).all()):
            raise ValueError(f"{name}: not a lower triangular matrix with positive diagonal")
    error = np.tril(np.linalg.solve(found.T, exact.T).T) - np.eye(size)
    scores = np.sqrt(n) * error
    diagonal = np.arange(size)
    scores[diagonal, diagonal] = _chi2_scores(n * (1 + error[diagonal, diagonal]) ** 2, n - diagonal)
    return error, scores


def _chi2_scores(x, degrees):
    """Normal quantile of the probability of x under chi^2, from the nearer tail, where it is accurate."""
    below, above = chi2.cdf(x, degrees), chi2.sf(x, degrees)
    return np.where(below < above, norm.ppf(below), norm.isf(above))
