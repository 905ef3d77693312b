r"""The chain network: an autoregressive network that sees what a periodic chain with nearest neighbours makes relevant.

Draw the sites of a ring x_0, ..., x_{N-1} one after the other. If the action couples nearest neighbours only, the sites
not yet drawn touch the drawn ones at two places: x_{i-1}, and x_0 across the boundary. Hence, exactly,

    p(x_i | x_0, ..., x_{i-1}) = p(x_i | x_{i-1}, x_0),   a function of x_{i-1}, x_0 and i.

A network that is given this has locality built in and does not have to find it in the data; MADE (`made.py`) and the
causal convolution (`causal_convolution.py`) are not given it. Compare with that in mind.

The conditional is a two-layer network on these inputs and their squares (bounded, 4 x^2 / (4 + x^2), or samples could
run away), plus a linear skip: for a Gaussian kernel times any mixture of Gaussians the log weights and the means are
linear in x_{i-1}. Transfer matrices say how it depends on i: through powers
T^(N-i), exponentials of the distance to the end of the ring. So the weights of the first layer and of the skip are
W + sum_r exp[-(N-i)/r] M_r with a few ranges r, biases included; site 0, which has nothing before it, has biases of its
own. Few weights pay: trained on n paths, P of them cost about P / 2n nats.
"""

import math

import torch

from lib.models.autoregressive import Autoregressive
from lib.models.markov_lattice import softsign


class ChainNetwork(Autoregressive):
    """Conditionals from the previous and the first site of a ring of `n_sites` sites.

    head: a `heads.Head`. hidden: width of both hidden layers. rank: number of ranges r, from 1 to N / 2. seed: of the
    initial weights.
    """

    def __init__(self, n_sites, head, *, hidden=32, rank=4, seed=0):
        super().__init__((n_sites,), head)
        if n_sites < 2 or hidden < 1 or rank < 1:
            raise ValueError(f"n_sites = {n_sites}, hidden = {hidden}, rank = {rank}: at least 2, 1 and 1 are needed")
        self.hidden = hidden
        n_inputs = 4 * head.n_features + 1
        generator = torch.Generator().manual_seed(seed)
        site = torch.arange(float(n_sites))[:, None]
        ranges = torch.logspace(0, math.log10(n_sites / 2), rank)
        amplitude = [torch.ones(n_sites, 1), site == 0, torch.exp((site + 1 - n_sites) / ranges)]
        self.register_buffer("amplitude", torch.cat([a.float() for a in amplitude], dim=1))
        # matrices of each amplitude: inputs to first layer, and inputs to output (the skip)
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

    def _folded(self):
        """Weights of first layer and skip by site, [N, n_inputs, hidden + n_parameters]."""
        return torch.tensordot(self.amplitude, torch.cat([self.first, self.skip], dim=2), dims=1)

    def _inputs(self, previous, first):
        """Features [..., C] of x_{i-1} and x_0 -> inputs [..., 4 C + 1]: themselves, bounded squares, and 1."""
        one = torch.ones_like(previous[..., :1])
        both = torch.cat([previous, first], -1)
        squares = both.square()
        return torch.cat([both, squares / (1 + squares / 4), one], -1)

    def _conditional(self, inputs, weights):
        """inputs [S, n, n_inputs] of S sites, with the weights of these sites -> parameters [S, n, n_parameters]."""
        hidden, linear = torch.bmm(inputs, weights).split([self.hidden, self.head.n_parameters], dim=2)
        return linear + softsign(softsign(hidden) @ self.second + self.second_bias) @ self.output

    def conditionals(self, values):
        features = self.head.encode(values).transpose(0, 1)
        nothing = torch.zeros_like(features[:1])
        previous = torch.cat([nothing, features[:-1]])
        first = torch.cat([nothing, features[:1].expand(len(features) - 1, -1, -1)])
        return self._conditional(self._inputs(previous, first), self._folded()).transpose(0, 1)

    def incremental(self, n):
        weights = self._folded()
        previous = first = torch.zeros(1, n, self.head.n_features, dtype=self.dtype)
        for k in range(self.n_sites):
            values = yield self._conditional(self._inputs(previous, first), weights[k : k + 1])[0]
            previous = self.head.encode(values)[None]
            first = previous if k == 0 else first
