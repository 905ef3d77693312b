r"""The kinetic ring: neighbours are coupled by a kinetic term, x_{i-1} x_i, everything else is learned.

In a ring with nearest-neighbour couplings p(x_i | x_0 ... x_{i-1}) = p(x_i | x_{i-1}, x_0), exactly (`markov_ring.py`).
More is true: x_{i-1} touches x_i through one pair factor, the same at every site; what depends on x_0 and on the
distance to the end is the other factor, the sum over the sites not yet drawn. If the pair factor is that of a kinetic
term, exp[kappa x_{i-1} x_i] and functions of one site, then

    ln p(x_i | x_{i-1}, x_0) = kappa x_{i-1} x_i + sum_k c_k(x_0, i) phi_k(x_i) - ln Z,

    x - . - . - . - x = s - (-) - (-) -+      x  seen       .  drawn, not seen
    |            kappa x x'            |      s  drawn now  -  not drawn yet
    +---------- c_k(x_0, i) -----------+

with the polynomials phi_k of `heads.real.LogPolynomial`. This network has exactly this form, kappa and c_k learned:
c_k(x_0, i) is a layer of hidden units of x_0, with weights W + sum_r a_r(i) M_r that vary along the
ring (`markov.py`), and a kinetic term of strength kappa b(i) back to x_0, which closes the ring.

Put in are locality, and that neighbours are coupled by the product x_{i-1} x_i alone; not the strength of that
coupling, the potential, or beta. `markov_ring.py` does not assume the second, and pays at far hops.

kappa and the constant part of the c_k start from their maximum-likelihood values for a Markov chain without an end, by
Newton's method: a convex problem of D + 1 unknowns, solved in a second (`KineticRing.from_paths`).
"""

import math

import numpy as np
import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads.real import LogPolynomial
from lib.models.markov import at_sites, with_one
from lib.models.markov_ring import decay_to_end


def maximum_likelihood(table, log_weights, front, at_values, start, tolerance=1e-6, most=100):
    """Maximum of the mean over n of ln p(x_n | y_n) = theta . (front * at_values) - ln Z(y_n), by Newton's method.

    table [J, K]: K statistics of x at the quadrature points; front [n, K]: their factors that depend on y; at_values
    [n, K]. Concave; steps are halved until they do not go down. FloatingPointError if it does not converge.
    """
    products = (table[:, :, None] * table[:, None, :]).reshape(len(table), -1)

    def evaluate(theta):
        exponent = (front * theta) @ table.T + log_weights
        largest = exponent.max(1, keepdims=True)
        p = np.exp(exponent - largest)
        norm = p.sum(1, keepdims=True)
        return ((front * at_values) @ theta - largest[:, 0] - np.log(norm[:, 0])).mean(), p / norm

    theta = start
    likelihood, p = evaluate(theta)
    for _ in range(most):
        mean = p @ table
        gradient = (front * (at_values - mean)).mean(0)
        covariance = (p @ products).reshape(-1, len(theta), len(theta)) - mean[:, :, None] * mean[:, None, :]
        hessian = np.einsum("ni,nij,nj->ij", front, covariance, front, optimize=True) / len(front)
        step = np.linalg.lstsq(hessian, gradient, rcond=1e-10)[0]  # none along what the data say nothing about
        scale = 1.0
        while (new := evaluate(theta + scale * step))[0] < likelihood and scale > 1e-6:
            scale /= 2
        gain = new[0] - likelihood
        theta, (likelihood, p) = theta + scale * step, new
        if gain < tolerance:
            return theta
    raise FloatingPointError(f"no maximum likelihood after {most} Newton steps: are the values inside (-bound, bound)?")


def markov_chain(head, previous, values, few=6000):
    """Maximum likelihood of ln p(x | y) = kappa y x + sum_k c_k phi_k(x) - ln Z for pairs y, x [n] -> kappa, c [D].

    Newton's method begins with a `few` of the pairs, so that most of its steps are cheap.
    """
    nodes, values = head.nodes.numpy(), np.asarray(values, float)
    table = np.concatenate([nodes[:, None], head.table.numpy().T], axis=1)
    at_values = np.concatenate([values[:, None], head.basis(torch.as_tensor(values)).numpy()], axis=1)
    front = np.ones_like(at_values)
    front[:, 0] = previous
    theta = np.concatenate([[0.0], independent(head, values)])
    for n in (min(few, len(values)), len(values)):
        theta = maximum_likelihood(table, head.log_weights.numpy(), front[:n], at_values[:n], theta)
    return float(theta[0]), theta[1:]


def independent(head, values):
    """Maximum likelihood of ln p(x) = sum_k c_k phi_k(x) - ln Z for values [n] -> c [D]: only their means matter."""
    mean = head.basis(torch.as_tensor(np.asarray(values, float))).numpy().mean(0, keepdims=True)
    start = -0.5 * head.square().numpy().astype(float)  # a Gaussian of unit width
    return maximum_likelihood(head.table.numpy().T, head.log_weights.numpy(), np.ones_like(mean), mean, start)


def enough_points(paths):
    """Quadrature points for conditionals of sites of paths [n, N]: pi bound / points is at most their width.

    A conditional is at most as wide as a peak of the values and as the hops. The shortest interval that holds a tenth
    of them is half a width of one of two equal Gaussian peaks.
    """
    width = math.inf
    for values in (paths, paths - np.roll(paths, 1, 1)):
        values = np.sort(values, axis=None)
        tenth = max(1, len(values) // 10)
        width = min(width, 2 * float((values[tenth:] - values[:-tenth]).min()))
    return 16 * math.ceil(min(max(10 / max(width, 0.01), 48), 512) / 16)


class KineticRing(Autoregressive):
    """Conditionals of a ring with a kinetic term.

    head: a `LogPolynomial`.
    hidden: units that see x_0.
    rank: number of matrices that let the weights vary along the ring.
    start: start values of kappa and of the coefficients [D] of the site factor and of the first site; without them,
        instead of `from_paths`, training takes far longer.
    """

    def __init__(self, n_sites, head, *, hidden=24, rank=6, start=None, seed=0):
        super().__init__((n_sites,), head)
        if n_sites < 3 or hidden < 1 or rank < 1:
            given = f"n_sites = {n_sites}, hidden = {hidden}, rank = {rank}"
            raise ValueError(f"{given}: n_sites >= 3, the others >= 1 are needed")
        generator = torch.Generator().manual_seed(seed)
        kappa, site, first = (1.0, -0.5 * head.square(), -0.5 * head.square()) if start is None else start
        ranges = torch.logspace(-0.3, math.log10(n_sites / 3), rank)
        self.amplitude = torch.nn.Parameter(decay_to_end(n_sites, ranges))
        to_end = torch.arange(n_sites, 0, -1.0)[:, None]
        self.bridge = torch.nn.Parameter(decay_to_end(n_sites, 2) / to_end)
        self.kappa = torch.nn.Parameter(torch.tensor(float(kappa)))
        self.site = torch.nn.Parameter(torch.as_tensor(site, dtype=torch.float32).clone())
        self.first = torch.nn.Parameter(torch.as_tensor(first, dtype=torch.float32).clone())
        self.weight = torch.nn.Parameter(torch.randn(hidden, generator=generator))
        self.bias = torch.nn.Parameter(torch.randn(hidden, generator=generator))
        # (W, M_1, ..., M_rank): hidden units, x_0, x_0^2 and 1 to coefficients
        self.output = torch.nn.Parameter(torch.zeros(1 + rank, hidden + 3, head.n_parameters))
        self.register_buffer("linear", head.linear())
        self.register_buffer("square", head.square())

    @classmethod
    def from_paths(cls, paths, head=None, *, hidden=24, rank=6, seed=0, n_pairs=20_000):
        """A network for paths [n, N] of a ring, started from the Markov chain of their neighbours.

        head: a `LogPolynomial`, by default with `enough_points`. n_pairs: from which the chain is estimated.
        """
        paths = np.asarray(paths)
        head = LogPolynomial(points=enough_points(paths[:1000])) if head is None else head
        head.check(torch.as_tensor(paths))
        rng = np.random.default_rng([seed, 2])
        which = rng.integers(len(paths), size=n_pairs)
        i = rng.integers(paths.shape[1], size=n_pairs)
        values = paths[which, i]
        start = *markov_chain(head, paths[which, i - 1], values), independent(head, values)
        return cls(paths.shape[1], head, hidden=hidden, rank=rank, start=start, seed=seed)

    def _weights(self):
        """Weights of the sites 1 ... N - 1 from hidden units, x_0, x_0^2 and 1 to coefficients, [N - 1, hidden + 3, D].

        The term back to x_0, of strength kappa b, is one of them: kappa b (x_0 x - x^2 / 2).
        """
        weights = at_sites(with_one(self.amplitude[1:]), self.output)
        back = self.kappa * self.bridge[1:]
        constant = weights[:, -1] + self.site - 0.5 * back * self.square
        linear = weights[:, -3] + back * self.linear
        return torch.cat([weights[:, :-3], linear[:, None], weights[:, -2:-1], constant[:, None]], 1)

    def _coefficients(self, previous, first, weights):
        """previous [n, S], first [n], of S sites with their weights -> parameters [n, S, D]."""
        x = first[:, None]
        features = torch.cat([torch.tanh(x * self.weight + self.bias), x, x.square(), torch.ones_like(x)], 1)
        learned = features @ weights.transpose(0, 1).flatten(1)
        kinetic = (self.kappa * self.linear)[None]
        parameters = torch.addmm(learned.reshape(-1, len(self.linear)), previous.reshape(-1, 1), kinetic)
        return parameters.reshape(len(x), len(weights), -1)

    def conditionals(self, values):
        later = self._coefficients(values[:, :-1], values[:, 0], self._weights())
        return torch.cat([self.first.expand(len(values), 1, -1), later], 1)

    def incremental(self, n):
        weights = self._weights()
        values = first = yield self.first.expand(n, -1)
        for k in range(1, self.n_sites):
            values = yield self._coefficients(values[:, None], first, weights[k - 1 : k])[:, 0]
