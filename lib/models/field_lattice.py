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

`reach` cuts the context off: sites farther away than that, on the torus, are not seen. What this must cost a free field
is a ratio of variances (`lost_by_reach`).
"""

import numpy as np
import torch
from torch.nn.functional import softsign

from lib.lattice import sides
from lib.models.heads.real import LogPolynomial
from lib.models.markov_lattice import MarkovLattice, context_index

RIDGE = 1e-6  # of the variance, added to it where a regression would be singular
BOUND, ROOM = 3.2, 1.5  # of the density: BOUND, or ROOM times the largest value of the data


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

    side: L, or (rows, columns); then L stands for the length of a row.
    head: a `SymmetricLogPolynomial`. regression: None, or weights [N, n_context] of the mean of phi_i and the variances
    [N] around it, to start from. reach: None, or the largest distance of a site that is seen.
    """

    def __init__(self, side, head=None, *, regression=None, reach=None, hidden=24, rank=5, seed=0):
        head = SymmetricLogPolynomial() if head is None else head
        super().__init__(side, head, hidden=hidden, rank=rank, odd=True, seed=seed)
        self.context = within(self.context, side, reach)
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
    def from_fields(cls, fields, *, reach=None, hidden=24, rank=5, seed=0):
        """A network for fields [n, rows, columns], started from the Gaussian of the same covariance."""
        side = fields.shape[1:]
        bound = max(BOUND, ROOM * float(np.abs(fields).max()))
        head = SymmetricLogPolynomial(scale=bound * 2.6 / 3.2, bound=bound)
        context = within(context_index(side, side[1], 1), side, reach).numpy()
        start = regression(correlation(fields), context)
        return cls(side, head, regression=start, reach=reach, hidden=hidden, rank=rank, seed=seed)

    def _conditional(self, features, sites, weights, extra=None):
        # the fast kernel knows the gradient by the weights only; slopes of the action need that by the field
        if not features.requires_grad:
            return super()._conditional(features, sites, weights, extra)
        first, output = (each[sites] for each in weights)
        first_bias, second_bias, output_bias = self._biases()
        seen = features[self.context[sites]].flatten(1, 2)  # [S, n_context, n]
        z = first.transpose(1, 2) @ seen
        h = softsign(z[:, : self.hidden] + first_bias[sites][..., None])
        k = softsign(self.second.T @ h + second_bias[:, None])
        odd = z[:, self.hidden :] + output[..., : self.n_odd].transpose(1, 2) @ k
        even = output[..., self.n_odd :].transpose(1, 2) @ k**2
        return torch.cat([odd, even], 1) + output_bias[sites][..., None]

    def _site_weights(self):
        first, output = super()._site_weights()
        skip = torch.nn.functional.pad(self.linear * self.own[..., None], (self.hidden, self.n_odd - 1))
        return first + skip, output


def within(context, side, reach):
    """The context [N, n_context] without the sites farther away than `reach`; None: all of it."""
    if reach is None:
        return context
    rows, columns = sides(side)
    n_sites = rows * columns
    here = torch.arange(n_sites)[:, None]
    row, column = (context // columns - here // columns) % rows, (context - here) % columns
    row, column = torch.minimum(row, rows - row), torch.minimum(column, columns - column)
    seen = (context < n_sites) & (row**2 + column**2 <= reach**2)
    return torch.where(seen, context, n_sites)


def correlation(fields):
    """<phi_0 phi_r> [rows, columns] of fields [n, rows, columns], averaged over translations."""
    waves = np.abs(np.fft.fft2(np.asarray(fields, float))) ** 2
    return np.fft.ifft2(waves.mean(0)).real / fields[0].size


def regression(correlation, context):
    """Regression of every site on its context: weights [N, n_context] and variances [N].

    correlation: <phi_0 phi_r> [rows, columns]. context: index [N, n_context] of the sites seen, N where there is none.
    """
    n_sites = correlation.size
    row, column = np.divmod(np.arange(n_sites), correlation.shape[1])
    covariance = correlation[row[:, None] - row, column[:, None] - column]
    weights, variances = np.zeros(context.shape), np.empty(n_sites)
    for i, sites in enumerate(context):
        seen = sites < n_sites
        inside, across = covariance[np.ix_(sites[seen], sites[seen])], covariance[sites[seen], i]
        found = np.linalg.solve(inside + RIDGE * covariance[0, 0] * np.eye(len(inside)), across)
        weights[i, seen] = found
        variances[i] = covariance[i, i] - across @ found
    return weights, variances


def lost_by_reach(correlation, reach):
    """KL in nats of the best Gaussian whose conditionals see no farther than `reach`, from the free field with this
    correlation [rows, columns]: the sum of ln(variance / variance with the whole context) / 2."""
    side = correlation.shape
    context = context_index(side, side[1], 1)
    variances = [regression(correlation, within(context, side, r).numpy())[1] for r in (reach, None)]
    return float(np.log(variances[0] / variances[1]).sum() / 2)
