r"""A Markov lattice for XY spins that commutes with O(2): p(g theta) = p(theta) for every rotation and reflection.

The context is that of `markov_lattice.py`, exact for nearest neighbours on the torus: the last L sites and the first
row, in the frame of site i. The conditional is the exponential of a Fourier series in theta_i
(`heads.angle.FourierDensity`). Under a rotation by alpha its m-th coefficient must turn by m alpha, as the harmonics
e^(i m theta_j) of the context do; so the network computes with harmonics and invariants only:

    vectors      z = sum_j w_j e^(i theta_j) with real weights, squashed as z / (1 + |z|), mixed by real weights,
    invariants   scalar products z_a . z_b, and any function of them: gates that multiply vectors,
    harmonics    complex products of m vectors, gated, and directly sum_j w_j e^(i m theta_j).

    e^(i m theta_j) of the context --W--> vectors z_a --> invariants z_a . z_b --> gates
                                              |                                      |
                                              +--> products of m vectors --- x ------+--> m-th Fourier coefficient

Rotations act as they should; reflections (complex conjugation) too, since the weights are real. Hence ln p does not
change under O(2), up to rounding, whatever the weights. The layers themselves are in `kernels/o2_layers.py`.
"""

import math

import torch

from lib import lattice
from lib.models.heads.angle import FourierDensity
from lib.models.kernels.o2_layers import o2_layers
from lib.models.markov import at_sites
from lib.models.markov_lattice import TorusNetwork, initial_scale


def nearest(columns):
    """Places in the context of the sites closest to site i.

    Left, above, above right, then two and three steps away, then the first row: neighbours across the boundary.
    """
    steps = [1, columns, columns - 1, 2, columns - 2, 3, columns - 3]
    before = [step - 1 for step in dict.fromkeys(steps) if 1 <= step <= columns]
    return [*before, columns, columns + 1, 2 * columns - 1]


class O2MarkovLattice(TorusNetwork):
    """Fourier densities from the last L sites and the first row of an L x L torus, O(2) exact.

    side: L, or (rows, columns); then L stands for the length of a row.
    harmonics: M of the density.
    hidden: vectors in each layer.
    rank: number of matrices that let the weights vary over the lattice.
    """

    def __init__(self, side, harmonics=3, *, hidden=24, rank=5, seed=0):
        generator = torch.Generator().manual_seed(seed)
        columns = lattice.sides(side)[1]
        super().__init__(side, FourierDensity(harmonics), hidden, rank, columns, 1, generator)
        self.harmonics = harmonics
        n_inputs = self.context.shape[1]

        def weight(*shape):
            return torch.randn(*shape, generator=generator)

        def zeros(*shape):
            return torch.nn.Parameter(torch.zeros(*shape))

        # (W, M_1, ..., M_rank): context to vectors, context to harmonics (the skip), vectors to harmonics
        self.first = zeros(1 + rank, n_inputs, hidden)
        self.skip = zeros(harmonics, 1 + rank, n_inputs)
        self.output = zeros(harmonics, 1 + rank, hidden)
        with torch.no_grad():
            self.first[0] = initial_scale(side, columns, 1, hidden) * weight(n_inputs, hidden)
            # half of the vectors start as single spins close by: the angles between them are what a vortex changes
            for unit, site in enumerate(nearest(columns)[: hidden // 2]):
                self.first[0, :, unit] = 0.0
                self.first[0, site, unit] = 1.0
            self.output[0, 0] = 0.1 * weight(hidden) / math.sqrt(hidden)
        # a second layer of vectors, the partners with which the first forms invariants, the gates of every harmonic
        self.second = torch.nn.Parameter(weight(hidden, 2 * hidden) / math.sqrt(hidden))
        self.gate = torch.nn.Parameter(weight(hidden, harmonics * hidden) / math.sqrt(hidden))
        self.gate_bias = zeros(harmonics * hidden)

    def _features(self, values):
        """The harmonics, [M, K, 2, n]: real parts and imaginary parts."""
        return self.head.waves(values).unflatten(2, (2, -1)).permute(3, 1, 2, 0)

    def _site_weights(self):
        """First layer [N, n_inputs, hidden], skip [M, N, n_inputs] and output [M, N, hidden]."""
        amplitude = self._amplitude()
        skip, output = (torch.einsum("sr,mrk->msk", amplitude, weights) for weights in (self.skip, self.output))
        return at_sites(amplitude, self.first), skip, output

    def _conditional(self, features, sites, weights):
        first, skip, output = weights
        by_site = first[sites], skip[:, sites], output[:, sites]
        return o2_layers(features, self.context[sites], *by_site, self.second, self.gate, self.gate_bias)
