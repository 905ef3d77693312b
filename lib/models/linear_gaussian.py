r"""Linear Gaussian autoregressive network: each field value is a linear function of the earlier ones plus noise.

    phi_i = sum_{j<i} A_ij phi_j + sqrt(v_i) eps_i,    eps_i ~ N(0, 1) independent.

Solved for the noise this reads eps = R phi with R = diag(v)^(-1/2) (1 - A) lower triangular, so the distribution is a
Gaussian of precision matrix

    K = R^T R,    R_ii = 1 / sqrt(v_i) > 0:

the unique triangular factor of K. Any positive definite K has one: no eigenvalue is out of reach. Maximum likelihood is
N linear regressions (`fit_regression`), ascent of the whole likelihood (`fit_gradient`), or stochastic ascent
(`lib.models.fit.fit`). All aim at the factor of the inverse sample covariance.
"""

import numpy as np
import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads.real import Gaussian


class LinearGaussian(Autoregressive):
    """The network above, in float64, mean zero; it starts as independent N(0, 1) sites."""

    def __init__(self, site_shape, order=None):
        super().__init__(site_shape, Gaussian(), order)
        zeros = torch.zeros(self.n_sites, self.n_sites, dtype=torch.float64)
        self.coefficients = torch.nn.Parameter(zeros)  # entries on and above the diagonal are ignored
        self.log_scale = torch.nn.Parameter(zeros[0].clone())

    def conditionals(self, values):
        mean = values @ self.coefficients.tril(-1).T
        return torch.stack([mean, self.log_scale.expand_as(mean)], dim=-1)

    def incremental(self, n):
        values = torch.zeros(n, self.n_sites, dtype=self.dtype)
        for k in range(self.n_sites):
            mean = values[:, :k] @ self.coefficients[k, :k]
            values[:, k] = yield torch.stack([mean, self.log_scale[k].expand_as(mean)], dim=-1)

    def _moments(self, configurations):
        """<phi_i phi_j> of configurations [n, *site_shape], [N, N] in drawing order."""
        values = self.flatten(configurations)
        if len(values) < self.n_sites:
            raise ValueError(f"{len(values)} configurations: at least {self.n_sites} are needed, one per site")
        return values.T @ values / len(values)

    @torch.no_grad()
    def fit_regression(self, configurations):
        """Maximum likelihood for configurations [n, *site_shape] in closed form: N least-squares problems."""
        moments = self._moments(configurations)
        self.coefficients.zero_()
        for k in range(self.n_sites):
            a = torch.linalg.solve(moments[:k, :k], moments[:k, k])
            self.coefficients[k, :k] = a
            self.log_scale[k] = 0.5 * torch.log(moments[k, k] - a @ moments[:k, k])

    def fit_gradient(self, configurations, steps=500):
        """Maximum likelihood for configurations [n, *site_shape] by L-BFGS from where the network is, in place.

        The likelihood depends on the data through their second moments only, so N configurations with the same moments
        stand in for all n. Returns the largest derivative of ln p per configuration that is left.
        """
        moments = self._moments(configurations)
        stand_in = self.unflatten(self.n_sites**0.5 * torch.linalg.cholesky(moments).T)
        tolerances = {"tolerance_grad": 1e-10, "tolerance_change": 0.0, "line_search_fn": "strong_wolfe"}
        optimizer = torch.optim.LBFGS(self.parameters(), max_iter=steps, history_size=50, **tolerances)

        def loss():
            optimizer.zero_grad()
            value = -self.log_prob(stand_in).mean()
            value.backward()
            return value

        optimizer.step(loss)
        loss()
        return max(float(weight.grad.abs().max()) for weight in self.parameters())

    @torch.no_grad()
    def precision_factor(self):
        """R [N, N] float64, lower triangular with positive diagonal, in drawing order: precision = R^T R."""
        one = torch.eye(self.n_sites, dtype=self.dtype)
        factor = (-self.log_scale).exp()[:, None] * (one - self.coefficients.tril(-1))
        return factor.double().numpy()

    def precision(self):
        """The precision matrix K [N, N] float64, in lattice order."""
        factor = self.precision_factor()[:, self.inverse_order.numpy()]
        return factor.T @ factor


def precision_factor(precision):
    """The lower triangular R with positive diagonal and precision = R^T R, for a positive definite matrix [N, N].

    It is the Cholesky factor read from the last site to the first: flip, factorise, flip back, transpose.
    """
    return np.linalg.cholesky(precision[::-1, ::-1])[::-1, ::-1].T
