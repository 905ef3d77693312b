r"""A causal, dilated convolution along a chain (the WaveNet of van den Oord et al. 2016, without its gates).

Layer l combines its input at i and at i - 2^l, and adds the result to what it was given; the first layer sees site
i - 1. So output i depends on x_{i-1}, ..., x_{i - 2^depth}, with the same weights everywhere:

    x - . - . - x - x - x - x - s - (-) - (-)      x  seen       .  drawn, not seen
    first       |- 2^depth  |                      s  drawn now  -  not drawn yet

Every layer is also given the first site, x_0, which the periodic boundary makes a neighbour of the last one, and
numbers that say where i is. Unlike `markov_ring.py` it is not told that x_{i-1} and x_0 suffice.

Sampling keeps the last 2^l inputs of every layer, and so costs about one pass through the network.
"""

import math

import torch

from lib.models.autoregressive import Autoregressive
from lib.models.markov import with_one
from lib.models.markov_ring import ring_amplitudes


class CausalConvolution(Autoregressive):
    """Causal convolution for chains.

    channels: width.
    depth: number of layers, with dilations 1, 2, ..., 2^(depth - 1).
    rank: number of exponentials that tell the distance to the end.
    """

    def __init__(self, n_sites, head, *, channels=32, depth=4, rank=4, seed=0):
        super().__init__((n_sites,), head)
        if n_sites < 2 or channels < 1 or depth < 1 or rank < 1:
            given = f"n_sites = {n_sites}, channels = {channels}, depth = {depth}, rank = {rank}"
            raise ValueError(f"{given}: at least 2 sites and 1 of each other are needed")
        self.channels, self.depth = channels, depth
        generator = torch.Generator().manual_seed(seed)
        where = with_one(ring_amplitudes(n_sites, rank))
        self.register_buffer("where", where)
        n_context = (1 + head.n_features) * where.shape[1]

        def weight(n_in, n_out, scale=1.0):
            return torch.nn.Parameter(scale * torch.randn(n_in, n_out, generator=generator) / math.sqrt(n_in))

        self.first = weight(head.n_features, channels)
        self.context = torch.nn.ParameterList([weight(n_context, channels) for _ in range(depth)])
        self.now = torch.nn.ParameterList([weight(channels, channels) for _ in range(depth)])
        self.before = torch.nn.ParameterList([weight(channels, channels) for _ in range(depth)])
        self.output = weight(channels, head.n_parameters, 0.1)
        self.output_context = weight(n_context, head.n_parameters, 0.1)

    def _context(self, first, where):
        """Features of x_0 [n, S, C], zero where it is not drawn yet, and where [S, W] -> [n, S, W (1 + C)]."""
        both = torch.cat([torch.ones_like(first[..., :1]), first], -1)
        return (both[..., None] * where[:, None]).flatten(-2)

    def _layer(self, number, units, before, context):
        """One residual layer: units at i, the same at i - 2^number, context -> units at i."""
        mixed = units @ self.now[number] + before @ self.before[number] + context @ self.context[number]
        return units + torch.tanh(mixed)

    def conditionals(self, values):
        features = self.head.encode(values)
        nothing = torch.zeros_like(features[:, :1])
        units = torch.cat([nothing, features[:, :-1]], 1) @ self.first
        context = self._context(torch.cat([nothing, features[:, :1].expand(-1, self.n_sites - 1, -1)], 1), self.where)
        for number in range(self.depth):
            shift = min(2**number, self.n_sites)
            before = torch.cat([torch.zeros_like(units[:, :shift]), units[:, : self.n_sites - shift]], 1)
            units = self._layer(number, units, before, context)
        return units @ self.output + context @ self.output_context

    def incremental(self, n):
        nothing = torch.zeros(n, 1, self.head.n_features, dtype=self.dtype)
        history = [nothing.new_zeros(2**number, n, 1, self.channels) for number in range(self.depth)]
        previous = first = nothing
        for k in range(self.n_sites):
            units, context = previous @ self.first, self._context(first, self.where[k : k + 1])
            for number, past in enumerate(history):
                slot = k % len(past)
                before, past[slot] = past[slot].clone(), units
                units = self._layer(number, units, before, context)
            values = yield (units @ self.output + context @ self.output_context)[:, 0]
            previous = self.head.encode(values)[:, None]
            first = previous if k == 0 else first
