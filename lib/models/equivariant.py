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

# Gradients by hand: torch's own composition passes over memory, which is what limits these functions, twice as often.
# The derivative of the loss by z is kept like z: real parts, then imaginary parts.


class _Squash(torch.autograd.Function):
    """u = z / (1 + |z|), dz = g / (1 + |z|) - u Re(u conj g) / |z|."""

    @staticmethod
    def forward(ctx, z, n):
        x, y = z[:, :n], z[:, n:]
        # zero has no direction; the floor keeps the derivative finite there
        length = torch.addcmul(x * x, y, y).clamp_(min=1e-20).sqrt_()
        scale = (length + 1).reciprocal_()
        u = torch.empty_like(z)
        for half in _halves(n):
            torch.mul(z[:, half], scale, out=u[:, half])
        ctx.n = n
        ctx.save_for_backward(u, scale, length)
        return u

    @staticmethod
    def backward(ctx, g):
        u, scale, length = ctx.saved_tensors
        along = _dot(u, g, ctx.n).div_(length)
        dz = torch.empty_like(u)
        for half in _halves(ctx.n):
            torch.mul(g[:, half], scale, out=dz[:, half]).addcmul_(along, u[:, half], value=-1)
        return dz, None


class _Dot(torch.autograd.Function):
    """Re(u conj v), du = g v, dv = g u."""

    @staticmethod
    def forward(ctx, u, v, n):
        ctx.n = n
        ctx.save_for_backward(u, v)
        return _dot(u, v, n)

    @staticmethod
    def backward(ctx, g):
        u, v = ctx.saved_tensors
        du, dv = torch.empty_like(u), torch.empty_like(v)
        for half in _halves(ctx.n):
            torch.mul(g, v[:, half], out=du[:, half])
            torch.mul(g, u[:, half], out=dv[:, half])
        return du, dv, None


class _Multiply(torch.autograd.Function):
    """u v, du = g conj v, dv = g conj u."""

    @staticmethod
    def forward(ctx, u, v, n):
        ctx.n = n
        ctx.save_for_backward(u, v)
        (ux, uy), (vx, vy), product = (u[:, :n], u[:, n:]), (v[:, :n], v[:, n:]), torch.empty_like(u)
        torch.mul(ux, vx, out=product[:, :n]).addcmul_(uy, vy, value=-1)
        torch.mul(ux, vy, out=product[:, n:]).addcmul_(uy, vx)
        return product

    @staticmethod
    def backward(ctx, g):
        n, (u, v) = ctx.n, ctx.saved_tensors
        gradients = []
        for other in (v, u):
            d = torch.empty_like(other)
            torch.mul(g[:, :n], other[:, :n], out=d[:, :n]).addcmul_(g[:, n:], other[:, n:])
            torch.mul(g[:, n:], other[:, :n], out=d[:, n:]).addcmul_(g[:, :n], other[:, n:], value=-1)
            gradients.append(d)
        return *gradients, None


def _halves(n):
    return slice(None, n), slice(n, None)


def _dot(u, v, n):
    return (u[:, :n] * v[:, :n]).addcmul_(u[:, n:], v[:, n:])


def squash(z, n):
    """z / (1 + |z|) of z [S, 2 n, H], real parts in the first n rows, imaginary parts in the rest."""
    return _Squash.apply(z, n)


def dot(u, v, n):
    """Scalar products Re(u conj v), [S, n, H]."""
    return _Dot.apply(u, v, n)


def multiply(u, v, n):
    """Complex products u v, [S, 2 n, H]: harmonics of order k and m give one of order k + m."""
    return _Multiply.apply(u, v, n)


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
        """inputs [M, S, n_inputs, 2 n], harmonic by harmonic, of S sites -> parameters [S, n, 2 M]."""
        n = inputs.shape[3] // 2
        z = squash(torch.bmm(inputs[0].transpose(1, 2), first), n)
        # split the weights, not the products: pieces of a large tensor cost another copy of it on the way back
        mixed, partner = (z @ weights for weights in self.second.chunk(2, dim=1))
        invariants, vectors, fields = dot(z, partner, n), squash(mixed, n), []
        gates = zip(self.gate.chunk(self.harmonics, dim=1), self.gate_bias.chunk(self.harmonics), strict=True)
        for m, (gate, bias) in enumerate(gates):
            if m > 0:
                vectors = multiply(vectors, z, n)
            weights = (1 + softsign(invariants @ gate + bias)) * output[m][:, None]
            gated = (vectors.unflatten(1, (2, n)) * weights[:, None]).sum(3).flatten(1)
            fields.append(gated + torch.bmm(skip[m][:, None], inputs[m])[:, 0])
        fields = torch.stack(fields, dim=2)
        return torch.cat([fields[:, :n], fields[:, n:]], dim=2)

    def _inputs(self, features, context):
        """features [M, N + 1, 2 n] (the last site zero), context [S, n_context] -> inputs [M, S, n_context, 2 n]."""
        return features.index_select(1, context.reshape(-1)).reshape(len(features), *context.shape, -1)

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
