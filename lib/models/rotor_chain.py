r"""The rotor chain: conditionals of a periodic chain of angles that only knows differences of neighbours.

If the weight is a product over i of functions of phi_i - phi_{i-1}, every conditional depends on two numbers, the last
angle and how far the chain has turned, s = phi_{i-1} - phi_0:

    p(phi_0) = 1 / 2 pi,      p(phi_i | phi_0 ... phi_{i-1}) = p_i(x | s),      x = phi_i - phi_{i-1}.

    phi_0 -- . -- . -- phi_{i-1} -- x -- (-) -- (-) --+      .  drawn, not seen      (-)  not drawn yet
      |<------- s ------->|                           |
      +-----------------------------------------------+

At mu = i nu a step turns by about -nu, so that the chain turns away from its start and must be brought back by the N -
i steps to come and the present one. The network sees s in the frame that turns along, s - (N - i) nu, through cos k s
and sin k s; without it, it would have to learn a different function at every site. Its output is a Fourier density of
x + nu, turned to the angle of the last site. Weights vary along the chain as in `markov.py`.

Put in are locality, the rotations phi -> phi + alpha, and nu, which whoever simulates knows; not the cosine, nor beta.
"""

import math

import torch

from lib.models.autoregressive import Autoregressive
from lib.models.heads.angle import FourierDensity
from lib.models.markov import at_sites, with_one
from lib.models.markov_ring import decay_to_end


class RotorChain(Autoregressive):
    """Fourier densities of the steps of a chain of n_sites angles at mu = i nu.

    harmonics: of the density, and of s. hidden: width of the one hidden layer.
    rank: number of matrices that let the weights vary along the chain.
    """

    def __init__(self, n_sites, nu, harmonics=3, *, hidden=16, rank=3, seed=0):
        super().__init__((n_sites,), FourierDensity(harmonics))
        if n_sites < 3 or hidden < 1 or rank < 1:
            given = f"n_sites = {n_sites}, hidden = {hidden}, rank = {rank}"
            raise ValueError(f"{given}: n_sites >= 3, the others >= 1 are needed")
        generator = torch.Generator().manual_seed(seed)
        self.nu, self.harmonics = float(nu), harmonics
        ranges = torch.logspace(-0.3, math.log10(n_sites / 3), rank)
        self.amplitude = torch.nn.Parameter(decay_to_end(n_sites, ranges))
        n_waves = 2 * harmonics
        self.weight = torch.nn.Parameter(torch.randn(n_waves, hidden, generator=generator) / math.sqrt(n_waves))
        self.bias = torch.nn.Parameter(torch.zeros(hidden))
        # (W, M_1, ..., M_rank): hidden units, waves of s and 1 to the Fourier coefficients
        self.output = torch.nn.Parameter(torch.zeros(1 + rank, hidden + n_waves + 1, n_waves))

    def _weights(self):
        """Of the sites 1 ... N - 1, [N - 1, hidden + waves + 1, waves]."""
        return at_sites(with_one(self.amplitude[1:]), self.output)

    def step_coefficients(self, turned, sites, weights):
        """Fourier coefficients [n, S, 2 M] of x at `sites` [S], from s = `turned` [n, S]; weights: of these sites."""
        frame = turned - (self.n_sites - sites) * self.nu
        waves = self.head.waves(frame)
        hidden = torch.tanh(waves @ self.weight + self.bias)
        features = torch.cat([hidden, waves, torch.ones_like(waves[..., :1])], -1)
        coefficients = torch.einsum("nsf,sfp->nsp", features, weights)
        return turn(coefficients, torch.tensor(-self.nu, dtype=turned.dtype))

    def conditionals(self, values):
        sites = torch.arange(1, self.n_sites, dtype=values.dtype)
        turned = values[:, :-1] - values[:, :1]
        steps = self.step_coefficients(turned, sites, self._weights())
        later = turn(steps, values[:, :-1])
        return torch.cat([torch.zeros_like(later[:, :1]), later], 1)

    def incremental(self, n):
        weights = self._weights()
        values = first = yield torch.zeros(n, self.head.n_parameters, dtype=self.dtype)
        for k in range(1, self.n_sites):
            site = torch.tensor([float(k)], dtype=self.dtype)
            steps = self.step_coefficients((values - first)[:, None], site, weights[k - 1 : k])[:, 0]
            values = yield turn(steps, values)


def turn(coefficients, angle):
    """Fourier coefficients [..., 2 M] of f(theta - angle) from those of f; angle [...]."""
    a, b = coefficients.chunk(2, -1)
    phase = angle[..., None] * torch.arange(1, a.shape[-1] + 1, dtype=coefficients.dtype)
    cos, sin = phase.cos(), phase.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
