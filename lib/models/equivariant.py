r"""A frontier network for XY spins that commutes with O(2): p(g theta) = p(theta) for every rotation and reflection.

The context is that of `frontier.py`, the exact one for nearest neighbours on the torus: the last L sites and the first
row, in the frame of site i. Every spin enters as its vector e_j = (cos theta_j, sin theta_j). The network computes with
vectors and invariants only:

    vectors      z = sum_j w_j e_j with real weights, squashed as z / (1 + |z|), mixed by real weights,
    invariants   scalar products z_a . z_b, and any function of them,
    gates        vectors times functions of the invariants.

A rotation turns every vector and leaves the invariants; a reflection too, since the weights are real. The fields of a
von Mises mixture are vectors, its weights invariants: hence ln p does not change, up to rounding, whatever the weights.
No angle is singled out, not even that of a first site. The weights depend on the place as in `frontier.py`.
"""

import math

import torch

from lib.models.base import Autoregressive
from lib.models.frontier import context_index, initial_amplitudes, initial_scale, softsign
from lib.models.von_mises import VonMisesMixture


def squash(z, n):
    """z / (1 + |z|) of vectors z [S, 2 n, H], the x components in the first n rows, the y components in the rest."""
    x, y = z[:, :n], z[:, n:]
    scale = 1 / (1 + (x * x + y * y).clamp(min=1e-20).sqrt())
    return torch.cat([x * scale, y * scale], dim=1)


def dot(u, v, n):
    """Scalar products [S, n, H] of vectors u, v [S, 2 n, H]."""
    product = u * v
    return product[:, :n] + product[:, n:]


def nearest(side):
    """Places in the context of the sites closest to site i, those right above and across the boundary included.

    Left, above, above right, then two and three steps away, then the first row.
    """
    steps = [1, side, side - 1, 2, side - 2, 3, side - 3]
    return [step - 1 for step in dict.fromkeys(steps) if 1 <= step <= side] + [side, side + 1, 2 * side - 1]


class EquivariantFrontier(Autoregressive):
    """Von Mises mixtures from the last L sites and the first row of an L x L torus, O(2) exact.

    side: L. n_components: of the mixture. hidden: vectors in each layer. rank: as in `FrontierNetwork`. seed: of the
    initial weights.
    """

    def __init__(self, side, n_components=2, *, hidden=24, rank=5, seed=0):
        super().__init__((side, side), VonMisesMixture(n_components))
        if side < 2 or hidden < 1 or rank < 1:
            raise ValueError(f"side={side}, hidden={hidden}, rank={rank}: side >= 2, hidden and rank >= 1 are needed")
        self.side, self.hidden, self.n_components = side, hidden, n_components
        self.register_buffer("context", context_index(side, side, 1))
        n_inputs, K = self.context.shape[1], n_components
        generator = torch.Generator().manual_seed(seed)

        def weight(*shape):
            return torch.randn(*shape, generator=generator)

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        row, column = initial_amplitudes(side, rank)
        self.amplitude_row = torch.nn.Parameter(row[:, None] + 0.1 * weight(side, 1, rank))
        self.amplitude_column = torch.nn.Parameter(column + 0.1 * weight(1, side, rank))
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(1 + rank, n_inputs, K)
        self.output = zeros(1 + rank, hidden, K)
        self.weights = zeros(1 + rank, hidden, K)
        with torch.no_grad():
            self.first[0] = initial_scale(side, side, 1, hidden) * weight(n_inputs, hidden)
            for unit, site in enumerate(nearest(side)[: hidden // 2]):
                self.first[0, :, unit] = 0.0
                self.first[0, site, unit] = 1.0
            self.output[0] = 0.1 * weight(hidden, K) / math.sqrt(hidden)
        # half of the first layer starts as single spins close by: their angles to each other are what a vortex changes
        # second layer of vectors, and the partners with which the first layer's vectors form invariants
        self.second = torch.nn.Parameter(weight(hidden, 2 * hidden) / math.sqrt(hidden))
        self.gate = torch.nn.Parameter(weight(hidden, 2 * hidden) / math.sqrt(hidden))
        self.gate_bias = zeros(2 * hidden)
        self.weight_bias = zeros(self.n_sites, 1, K)

    def _folded(self):
        """Weights by site: first layer and skip [N, n_inputs, hidden + K], fields and log weights [N, hidden, K]."""
        amplitude = (self.amplitude_row + self.amplitude_column).reshape(self.n_sites, -1)
        amplitude = torch.cat([torch.ones_like(amplitude[:, :1]), amplitude], dim=1)
        first = torch.cat([self.first, self.skip], dim=2)
        return tuple(torch.tensordot(amplitude, w, dims=1) for w in (first, self.output, self.weights))

    def _conditional(self, inputs, first, output, weights, bias):
        """inputs [S, 2 n, n_inputs] of S sites -> parameters [S, n, 3 K], with the weights of these sites."""
        n = inputs.shape[1] // 2
        z, linear = torch.bmm(inputs, first).split([self.hidden, self.n_components], dim=2)
        z = squash(z, n)
        mixed, partner = (z @ self.second).chunk(2, dim=2)
        invariants = dot(z, partner, n)
        gate, scalars = softsign(invariants @ self.gate + self.gate_bias).chunk(2, dim=2)
        z = squash(mixed, n) * (1 + gate).repeat(1, 2, 1)
        fields = linear + torch.bmm(z, output)
        return torch.cat([fields[:, :n], fields[:, n:], torch.bmm(scalars, weights) + bias], dim=2)

    def _inputs(self, features, context):
        """features [N + 1, 2 n] (the last one zero), context [S, n_context] -> inputs [S, 2 n, n_context]."""
        return features.index_select(0, context.reshape(-1)).reshape(*context.shape, -1).transpose(1, 2)

    def conditionals(self, values):
        features = torch.cat([values.cos(), values.sin()]).transpose(0, 1)
        features = torch.cat([features, features.new_zeros(1, features.shape[1])])
        inputs = self._inputs(features, self.context)
        return self._conditional(inputs, *self._folded(), self.weight_bias).transpose(0, 1)

    def incremental(self, n):
        features = torch.zeros(self.n_sites + 1, 2 * n, dtype=self.dtype, device=self.device)
        folded = self._folded()
        for k in range(self.n_sites):
            site = slice(k, k + 1)
            inputs = self._inputs(features, self.context[site])
            values = yield self._conditional(inputs, *(w[site] for w in folded), self.weight_bias[site])[0]
            features[k] = torch.cat([values.cos(), values.sin()])
