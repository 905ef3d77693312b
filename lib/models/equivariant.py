r"""A frontier network for XY spins that commutes with O(2): p(g theta) = p(theta) for every rotation and reflection.

The context is that of `frontier.py`, the exact one for nearest neighbours on the torus: the last L sites and the first
row, in the frame of site i. The conditional is the exponential of a Fourier series in theta_i (`fourier.py`). Under a
rotation by alpha its m-th coefficient must turn by m alpha, as the harmonics e^(i m theta_j) of the context do; so the
network computes with harmonics and invariants only:

    vectors      z = sum_j w_j e^(i theta_j) with real weights, squashed as z / (1 + |z|), mixed by real weights,
    invariants   scalar products z_a . z_b, and any function of them: gates that multiply vectors,
    harmonics    complex products of m vectors, gated, and directly sum_j w_j e^(i m theta_j).

Rotations act as they should; reflections (complex conjugation) too, since the weights are real. Hence ln p does not
change under O(2), up to rounding, whatever the weights. No angle is singled out, not even that of a first site. The
weights depend on the place as in `frontier.py`. Complex numbers are kept as real and imaginary parts, one after the
other along the batch.
"""

import math

import torch

from lib.models.base import Autoregressive
from lib.models.fourier import FourierDensity
from lib.models.frontier import context_index, initial_amplitudes, initial_scale, softsign


def squash(z, n):
    """z / (1 + |z|) of z [S, 2 n, H], real parts in the first n rows, imaginary parts in the rest."""
    x, y = z[:, :n], z[:, n:]
    # zero has no direction; the floor keeps the square root differentiable there
    scale = 1 / (1 + (x * x + y * y).clamp(min=1e-20).sqrt())
    return torch.cat([x * scale, y * scale], dim=1)


def dot(u, v, n):
    """Scalar products Re(u conj v), [S, n, H]."""
    product = u * v
    return product[:, :n] + product[:, n:]


def multiply(u, v, n):
    """Complex products u v, [S, 2 n, H]: harmonics of order k and m give one of order k + m."""
    ux, uy, vx, vy = u[:, :n], u[:, n:], v[:, :n], v[:, n:]
    return torch.cat([ux * vx - uy * vy, ux * vy + uy * vx], dim=1)


def nearest(side):
    """Places in the context of the sites closest to site i.

    Left, above, above right, then two and three steps away, then the first row: neighbours across the boundary.
    """
    steps = [1, side, side - 1, 2, side - 2, 3, side - 3]
    return [step - 1 for step in dict.fromkeys(steps) if 1 <= step <= side] + [side, side + 1, 2 * side - 1]


class EquivariantFrontier(Autoregressive):
    """Fourier densities from the last L sites and the first row of an L x L torus, O(2) exact.

    side: L. harmonics: M of the density. hidden: vectors in each layer. rank: as in `FrontierNetwork`. seed: of the
    initial weights.
    """

    def __init__(self, side, harmonics=3, *, hidden=24, rank=5, seed=0):
        super().__init__((side, side), FourierDensity(harmonics))
        if side < 2 or hidden < 1 or rank < 1:
            raise ValueError(f"side={side}, hidden={hidden}, rank={rank}: side >= 2, hidden and rank >= 1 are needed")
        self.side, self.hidden, self.harmonics = side, hidden, harmonics
        self.register_buffer("context", context_index(side, side, 1))
        n_inputs = self.context.shape[1]
        generator = torch.Generator().manual_seed(seed)

        def weight(*shape):
            return torch.randn(*shape, generator=generator)

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        row, column = initial_amplitudes(side, rank)
        self.amplitude_row = torch.nn.Parameter(row[:, None] + 0.1 * weight(side, 1, rank))
        self.amplitude_column = torch.nn.Parameter(column + 0.1 * weight(1, side, rank))
        # [W, M_1, ..., M_rank]: context to vectors, context to harmonics (the skip), vectors to harmonics
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(harmonics, 1 + rank, n_inputs)
        self.output = zeros(harmonics, 1 + rank, hidden)
        with torch.no_grad():
            self.first[0] = initial_scale(side, side, 1, hidden) * weight(n_inputs, hidden)
            # half of the vectors start as single spins close by: the angles between them are what a vortex changes
            for unit, site in enumerate(nearest(side)[: hidden // 2]):
                self.first[0, :, unit] = 0.0
                self.first[0, site, unit] = 1.0
            self.output[0, 0] = 0.1 * weight(hidden) / math.sqrt(hidden)
        # a second layer of vectors, the partners with which the first forms invariants, the gates of every harmonic
        self.second = torch.nn.Parameter(weight(hidden, 2 * hidden) / math.sqrt(hidden))
        self.gate = torch.nn.Parameter(weight(hidden, harmonics * hidden) / math.sqrt(hidden))
        self.gate_bias = zeros(harmonics * hidden)

    def _folded(self):
        """Weights by site: first layer [N, n_inputs, hidden], skip and output [M, N, n_inputs or hidden]."""
        amplitude = (self.amplitude_row + self.amplitude_column).reshape(self.n_sites, -1)
        amplitude = torch.cat([torch.ones_like(amplitude[:, :1]), amplitude], dim=1)
        skip, output = (torch.einsum("sr,mrk->msk", amplitude, w) for w in (self.skip, self.output))
        return torch.tensordot(amplitude, self.first, dims=1), skip, output

    def _conditional(self, inputs, first, skip, output):
        """inputs [M, S, 2 n, n_inputs], harmonic by harmonic, of S sites -> parameters [S, n, 2 M]."""
        n = inputs.shape[2] // 2
        z = squash(torch.bmm(inputs[0], first), n)
        mixed, partner = (z @ self.second).chunk(2, dim=2)
        gates = softsign(dot(z, partner, n) @ self.gate + self.gate_bias).chunk(self.harmonics, dim=2)
        vectors, fields = squash(mixed, n), []
        for m in range(self.harmonics):
            if m > 0:
                vectors = multiply(vectors, z, n)
            gated = vectors * (1 + gates[m]).repeat(1, 2, 1)
            fields.append((inputs[m] * skip[m][:, None]).sum(2) + (gated * output[m][:, None]).sum(2))
        fields = torch.stack(fields, dim=2)
        return torch.cat([fields[:, :n], fields[:, n:]], dim=2)

    def _inputs(self, features, context):
        """features [M, N + 1, 2 n] (the last site zero), context [S, n_context] -> inputs [M, S, 2 n, n_context]."""
        gathered = features.index_select(1, context.reshape(-1))
        return gathered.reshape(len(features), *context.shape, -1).transpose(2, 3)

    def _waves(self, values):
        """values [n, ...] -> [M, ..., 2 n]: harmonics with the batch last."""
        return torch.cat(self.head.waves(values).movedim(0, -1).chunk(2, dim=-2), dim=-1).movedim(-2, 0)

    def conditionals(self, values):
        features = self._waves(values)
        features = torch.cat([features, features.new_zeros(len(features), 1, features.shape[2])], dim=1)
        return self._conditional(self._inputs(features, self.context), *self._folded()).transpose(0, 1)

    def incremental(self, n):
        features = torch.zeros(self.harmonics, self.n_sites + 1, 2 * n, dtype=self.dtype, device=self.device)
        first, skip, output = self._folded()
        for k in range(self.n_sites):
            site = slice(k, k + 1)
            inputs = self._inputs(features, self.context[site])
            values = yield self._conditional(inputs, first[site], skip[:, site], output[:, site])[0]
            features[:, k] = self._waves(values)
