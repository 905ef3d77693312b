r"""The Markov ring: a conditional sees what a periodic chain with nearest neighbours makes relevant.

Draw the sites of a ring x_0, ..., x_{N-1} one after the other. If the action couples nearest neighbours only, the sites
not yet drawn touch the drawn ones at two places: x_{i-1}, and x_0 across the boundary. Hence, exactly,

    p(x_i | x_0, ..., x_{i-1}) = p(x_i | x_{i-1}, x_0),   a function of x_{i-1}, x_0 and i.

    x - . - . - . - x - s - (-) - (-) -+      x  seen       .  drawn, not seen
    |                                  |      s  drawn now  -  not drawn yet
    +----------------------------------+

The conditional is a two-layer network on these inputs and their squares (bounded, 4 x^2 / (4 + x^2), or samples could
run away), plus a linear skip: for a Gaussian kernel times any mixture of Gaussians the log weights and the means are
linear in x_{i-1}. Transfer matrices say how it depends on i: through powers T^(N-i), exponentials of the distance to
the end of the ring. So the weights of the first layer and of the skip are W + sum_r exp[-(N-i)/r] M_r with a few ranges
r (`markov.py`), biases included; site 0, which has nothing before it, has biases of its own.
"""

import math

import torch

from lib.models.markov import Markov, at_sites, with_one


class _Softsign(torch.autograd.Function):
    """y = x / (1 + |x|), dy/dx = (1 - |y|)^2; a third of the passes over memory that torch's own composition takes."""

    @staticmethod
    def forward(ctx, x):
        y = x.abs().add_(1).reciprocal_().mul_(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        (y,) = ctx.saved_tensors
        return y.abs().neg_().add_(1).square_().mul_(gradient)


softsign = _Softsign.apply


def decay_to_end(n_sites, ranges):
    """exp[-(N - 1 - i) / r] for every site i and every r of `ranges` [R], [N, R]."""
    return torch.exp((torch.arange(float(n_sites))[:, None] + 1 - n_sites) / ranges)


def ring_amplitudes(n_sites, rank):
    """Is the site the first one; its closeness to the end, with `rank` ranges from 1 to N / 2: [N, 1 + rank]."""
    first = (torch.arange(n_sites) == 0).float()[:, None]
    return torch.cat([first, decay_to_end(n_sites, torch.logspace(0, math.log10(n_sites / 2), rank))], dim=1)


class MarkovRing(Markov):
    """Conditionals from the previous and the first site of a ring.

    hidden: width of both hidden layers.
    rank: number of ranges r, from 1 to N / 2.
    """

    def __init__(self, n_sites, head, *, hidden=32, rank=4, seed=0):
        super().__init__((n_sites,), head)
        if n_sites < 2 or hidden < 1 or rank < 1:
            raise ValueError(f"n_sites = {n_sites}, hidden = {hidden}, rank = {rank}: at least 2, 1 and 1 are needed")
        self.hidden = hidden
        n_inputs = 4 * head.n_features + 1
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("amplitude", with_one(ring_amplitudes(n_sites, rank)))
        # (W, M_0, M_1, ..., M_rank): inputs to first layer, and inputs to output (the skip)
        self.first = torch.nn.Parameter(torch.zeros(2 + rank, n_inputs, hidden))
        self.skip = torch.nn.Parameter(torch.zeros(2 + rank, n_inputs, head.n_parameters))
        self.second = torch.nn.Parameter(torch.randn(hidden, hidden, generator=generator) / math.sqrt(hidden))
        self.second_bias = torch.nn.Parameter(torch.zeros(hidden))
        self.output = torch.nn.Parameter(torch.zeros(hidden, head.n_parameters))
        with torch.no_grad():
            self.first[0] = torch.randn(n_inputs, hidden, generator=generator)
            self.first[0, :-1] /= math.sqrt(n_inputs)
            # other components for every seed, or all networks would share their errors
            self.skip[0, -1] = 0.3 * torch.randn(head.n_parameters, generator=generator)

    def _features(self, values):
        return self.head.encode(values).transpose(0, 1)

    def _site_weights(self):
        """Weights of first layer and skip, [N, n_inputs, hidden + n_parameters]."""
        return at_sites(self.amplitude, torch.cat([self.first, self.skip], dim=2))

    def _context(self, features, sites):
        """Features [S, n, C] of x_{i-1} and of x_0; the last of all features, zero, where there is none."""
        if sites == slice(None):
            nothing, first = features[-1:], features[:1].expand(self.n_sites - 1, -1, -1)
            return torch.cat([nothing, features[:-2]]), torch.cat([nothing, first])
        k = sites.start
        return features[[k - 1]], features[[0 if k else -1]]

    def _inputs(self, previous, first):
        """Features [..., C] of x_{i-1} and x_0 -> inputs [..., 4 C + 1]: themselves, bounded squares, and 1."""
        one = torch.ones_like(previous[..., :1])
        both = torch.cat([previous, first], -1)
        squares = both.square()
        return torch.cat([both, squares / (1 + squares / 4), one], -1)

    def _conditional(self, features, sites, weights):
        inputs = self._inputs(*self._context(features, sites))
        hidden, linear = torch.bmm(inputs, weights[sites]).split([self.hidden, self.head.n_parameters], dim=2)
        parameters = linear + softsign(softsign(hidden) @ self.second + self.second_bias) @ self.output
        return parameters.transpose(1, 2)
