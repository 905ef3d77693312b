r"""The chain network: an autoregressive network that sees what a periodic chain with nearest neighbours makes relevant.

Draw the sites of a ring x_0, ..., x_{N-1} one after the other. If the action couples nearest neighbours only, the sites
not yet drawn touch the drawn ones at two places: x_{i-1}, and x_0 across the boundary. Hence, exactly,

    p(x_i | x_0, ..., x_{i-1}) = p(x_i | x_{i-1}, x_0),   a function of x_{i-1}, x_0 and i.

A network that is given this has locality built in and does not have to find it in the data; MADE (`made.py`) and the
causal convolution (`causal_convolution.py`) are not given it. Compare with that in mind.

The conditional is a two-layer network on these inputs and their squares, plus a linear skip. The distance to the end of
the ring matters near the end only: the weights of the first layer and of the skip are W + sum_r A_r(i) M_r with a few
amplitudes A_r(i), at first exponentials of the distance N - i, learned like the rest.
"""

import math

import torch

from lib.models.base import Autoregressive
from lib.models.frontier import softsign


class ChainNetwork(Autoregressive):
    """Conditionals from the previous and the first site of a ring of `n_sites` sites.

    head: a `heads.Head`. hidden: width of both hidden layers. rank: number of matrices that let the weights vary along
    the ring. seed: of the initial weights.
    """

    def __init__(self, n_sites, head, *, hidden=32, rank=4, seed=0):
        super().__init__((n_sites,), head)
        if n_sites < 3 or hidden < 1 or rank < 1:
            raise ValueError(
                f"n_sites = {n_sites}, hidden = {hidden}, rank = {rank}: at least 3 sites and 1 of each other are needed"
            )
        self.hidden = hidden
        n_inputs = 4 * head.n_features
        generator = torch.Generator().manual_seed(seed)

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        to_end = torch.arange(n_sites, 0, -1.0)[:, None]
        self.amplitude = torch.nn.Parameter(torch.exp(-(to_end - 1) / torch.logspace(0, math.log10(n_sites / 4), rank)))
        # [W, M_1, ..., M_rank]: inputs to first layer, and inputs to output (the skip)
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(1 + rank, n_inputs, head.n_parameters)
        self.first_bias = zeros(n_sites, 1, hidden)
        self.second = torch.nn.Parameter(torch.randn(hidden, hidden, generator=generator) / math.sqrt(hidden))
        self.second_bias = zeros(hidden)
        self.output = zeros(hidden, head.n_parameters)
        self.output_bias = zeros(n_sites, 1, head.n_parameters)
        with torch.no_grad():
            self.first[0] = torch.randn(n_inputs, hidden, generator=generator) / math.sqrt(n_inputs)
            self.first_bias += torch.randn(hidden, generator=generator)

    def _folded(self):
        """Weights of first layer and skip by site, [N, n_inputs, hidden + n_parameters]; site 0 has no inputs."""
        amplitude = torch.cat([torch.ones_like(self.amplitude[:, :1]), self.amplitude], dim=1)
        return torch.tensordot(amplitude, torch.cat([self.first, self.skip], dim=2), dims=1)

    def _inputs(self, previous, first):
        """Features [..., C] of x_{i-1} and x_0 -> inputs [..., 4 C]."""
        return torch.cat([previous, first, previous.square(), first.square()], -1)

    def _conditional(self, inputs, first, first_bias, output_bias):
        """inputs [S, n, n_inputs] of S sites -> parameters [S, n, n_parameters]."""
        hidden, linear = torch.bmm(inputs, first).split([self.hidden, self.head.n_parameters], dim=2)
        hidden = softsign(softsign(hidden + first_bias) @ self.second + self.second_bias)
        return linear + hidden @ self.output + output_bias

    def conditionals(self, values):
        features = self.head.encode(values).transpose(0, 1)
        previous = torch.cat([torch.zeros_like(features[:1]), features[:-1]])
        first = torch.cat([torch.zeros_like(features[:1]), features[:1].expand(len(features) - 1, -1, -1)])
        inputs = self._inputs(previous, first)
        return self._conditional(inputs, self._folded(), self.first_bias, self.output_bias).transpose(0, 1)

    def incremental(self, n):
        weights = self._folded()
        inputs = torch.zeros(1, n, weights.shape[1], dtype=self.dtype, device=self.device)
        first = None
        for k in range(self.n_sites):
            site = slice(k, k + 1)
            values = yield self._conditional(inputs, weights[site], self.first_bias[site], self.output_bias[site])[0]
            previous = self.head.encode(values)
            first = previous if first is None else first
            inputs = self._inputs(previous, first)[None]
