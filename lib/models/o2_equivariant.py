r"""A frontier network for XY spins that commutes with O(2): p(g theta) = p(theta) for every rotation and reflection.

The context is that of `markov_lattice.py`, the exact one for nearest neighbours on the torus: the last L sites and the
first row, in the frame of site i. The conditional is the exponential of a Fourier series in theta_i (`fourier.py`).
Under a rotation by alpha its m-th coefficient must turn by m alpha, as the harmonics e^(i m theta_j) of the context do;
so the
network computes with harmonics and invariants only:

    vectors      z = sum_j w_j e^(i theta_j) with real weights, squashed as z / (1 + |z|), mixed by real weights,
    invariants   scalar products z_a . z_b, and any function of them: gates that multiply vectors,
    harmonics    complex products of m vectors, gated, and directly sum_j w_j e^(i m theta_j).

Rotations act as they should; reflections (complex conjugation) too, since the weights are real. Hence ln p does not
change under O(2), up to rounding, whatever the weights. No angle is singled out, not even that of a first site. The
weights depend on the place as in `markov_lattice.py`. The layers themselves are in `kernels/o2_layers.py`.
"""

import math

import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads.angle import FourierDensity
from lib.models.kernels.o2_layers import o2_layers
from lib.models.markov_lattice import context_index, initial_amplitudes, initial_scale


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

    def _waves(self, values):
        """values [n, K] -> their harmonics [M, K, 2, n], real parts and imaginary parts."""
        return self.head.waves(values).unflatten(2, (2, -1)).permute(3, 1, 2, 0)

    def _conditional(self, features, sites, first, skip, output):
        """Parameters [S, 2 M, n] of `sites`, a slice, from the features [M, N + 1, 2, n], the last site zero."""
        by_site = first[sites], skip[:, sites], output[:, sites]
        return o2_layers(features, self.context[sites], *by_site, self.second, self.gate, self.gate_bias)

    def conditionals(self, values):
        features = self._waves(values)
        features = torch.cat([features, torch.zeros_like(features[:, :1])], dim=1)
        return self._conditional(features, slice(None), *self._folded()).permute(2, 0, 1)

    def incremental(self, n):
        features = torch.zeros(self.harmonics, self.n_sites + 1, 2, n, dtype=self.dtype)
        weights = self._folded()
        for k in range(self.n_sites):
            values = yield self._conditional(features, slice(k, k + 1), *weights)[0].T
            features[:, k : k + 1] = self._waves(values[:, None])
