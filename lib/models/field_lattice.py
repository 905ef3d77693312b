r"""The Markov lattice for a scalar field: a log-polynomial density at every site, and a Gaussian to start from.

The context is that of `markov_lattice.py`, exact for couplings between nearest neighbours: the last L sites and the
first row. The conditional of phi_i is exp(polynomial), as on the kinetic ring (`kinetic_ring.py`), and its
coefficients are functions of the context. A field whose action is even under phi -> -phi has odd coefficients that are
odd functions of the context and even ones that are even: with `odd=True` of the Markov lattice this is exact.

Most of a field near its transition is Gaussian: the mean of phi_i is linear in the context, and the weights of that
linear function are long-ranged and differ from site to site. So the linear coefficient has a linear skip of its own at
every site, and it starts from the regression of phi_i on its context, with the covariance of the data averaged over
translations (`from_fields`). Without that start the training spends most of its time on the Gaussian, and leaves the
bonds across the boundary too weak.
"""

import numpy as np
import torch

from lib.models.heads.real import LogPolynomial
from lib.models.markov_lattice import MarkovLattice

RIDGE = 1e-6  # of the variance, added to it where a regression would be singular


class SymmetricLogPolynomial(LogPolynomial):
    """`LogPolynomial` with the odd coefficients c_1, c_3, ... first, the even ones c_2, c_4, ... last."""

    def __init__(self, degree=6, scale=2.6, bound=3.2, points=64):
        super().__init__(degree, scale, bound, points)
        odd, even = np.arange(0, self.degree, 2), np.arange(1, self.degree, 2)
        self.n_even = len(even)
        self.place = torch.as_tensor(np.argsort(np.concatenate([odd, even])))  # of c_1, c_2, ... in the parameters

    def log_prob(self, parameters, values):
        return super().log_prob(parameters[..., self.place], values)

    def sample(self, parameters, generator):
        return super().sample(parameters[..., self.place], generator)


class FieldLattice(MarkovLattice):
    """Log-polynomial densities on an L x L torus of a field that is even under phi -> -phi.

    head: a `SymmetricLogPolynomial`. regression: None, or weights [N, n_context] of the mean of phi_i and the variances
    [N] around it, to start from.
    """

    def __init__(self, side, head=None, *, regression=None, hidden=24, rank=5, seed=0):
        head = SymmetricLogPolynomial() if head is None else head
        super().__init__(side, head, hidden=hidden, rank=rank, odd=True, seed=seed)
        n_context = self.context.shape[1]
        self.own = torch.nn.Parameter(torch.zeros(self.n_sites, n_context))
        # of the coefficients c_1 and c_2 that make up x and x^2
        self.linear, square = float(head.linear()[0]), float(head.square()[1])
        if regression is not None:
            mean, variance = (torch.as_tensor(each, dtype=torch.float32) for each in regression)
            with torch.no_grad():
                self.own += mean / variance[:, None]
                self.even_bias[:, 0, 0] = -square / (2 * variance)

    @classmethod
    def from_fields(cls, fields, head=None, *, hidden=24, rank=5, seed=0):
        """A network for fields [n, L, L], started from the Gaussian of the same covariance."""
        side = fields.shape[-1]
        network = cls(side, head, hidden=hidden, rank=rank, seed=seed)
        network.head.check(torch.as_tensor(fields))
        return cls(
            side, head, regression=gaussian_start(fields, network.context.numpy()), hidden=hidden, rank=rank, seed=seed
        )

    def _site_weights(self):
        first, output = super()._site_weights()
        skip = torch.nn.functional.pad(self.linear * self.own[..., None], (self.hidden, self.n_odd - 1))
        return first + skip, output


def gaussian_start(fields, context):
    """Regression of every site on its context: weights [N, n_context] and variances [N], from fields [n, L, L].

    context: index [N, n_context] of the sites seen, N where there is none.
    """
    side = fields.shape[-1]
    n_sites = side * side
    waves = np.abs(np.fft.fft2(np.asarray(fields, float))) ** 2
    correlation = np.fft.ifft2(waves.mean(0)).real / n_sites  # of two sites a translation apart
    row, column = np.divmod(np.arange(n_sites), side)
    covariance = correlation[(row[:, None] - row) % side, (column[:, None] - column) % side]
    weights, variances = np.zeros(context.shape), np.empty(n_sites)
    for i, sites in enumerate(context):
        seen = sites < n_sites
        inside, across = covariance[np.ix_(sites[seen], sites[seen])], covariance[sites[seen], i]
        found = np.linalg.solve(inside + RIDGE * covariance[0, 0] * np.eye(len(inside)), across)
        weights[i, seen] = found
        variances[i] = covariance[i, i] - across @ found
    return weights, variances
