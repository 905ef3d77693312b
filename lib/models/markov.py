r"""Markov networks: every conditional sees a few sites only, with weights of its own.

If the energy couples neighbours only, a conditional depends on those of the sites already drawn that touch the rest of
the lattice: its Markov blanket in this order. A network that is given it has locality built in and does not have to
find it in the data. MADE (`made.py`) and the convolutions are not given it: compare with that in mind.

The weights depend on the site, since how close the boundary is matters, but little: every weight is

    w_i = W + sum_r a_r(i) M_r

with a few matrices M_r and amplitudes a_r(i). Trained on n configurations, P weights cost about P / 2n nats, and
maximum likelihood with too many of them overstates every preference of a spin, which bends H_theta exactly where one
wants to extrapolate.
"""

from abc import abstractmethod

import torch

from lib.models.autoregressive import Autoregressive


def with_one(amplitude):
    """Amplitudes (1, a_1, ..., a_R) of every site, [N, 1 + R], from (a_1, ..., a_R) [N, R]."""
    return torch.cat([torch.ones_like(amplitude[:, :1]), amplitude], dim=1)


def at_sites(amplitude, weights):
    """W + sum_r a_r M_r of every site, [N, ...]: amplitude [N, 1 + R] with its one, weights (W, M_1, ..., M_R)."""
    return torch.tensordot(amplitude, weights, dims=1)


class Markov(Autoregressive):
    """Conditionals from the features of a few sites; sampling computes every conditional once.

    Features of K sites of n configurations are one tensor [..., K, f, n] or [..., K, n, f].
    """

    @abstractmethod
    def _features(self, values):
        """Features of the values [n, K] of K sites."""

    @abstractmethod
    def _site_weights(self):
        """The weights of all sites."""

    @abstractmethod
    def _conditional(self, features, sites, weights):
        """Parameters [S, P, n] of the S `sites` (a slice).

        features: of all sites, then one of zeros that stands for a site not drawn yet. weights: of all sites.
        """

    def conditionals(self, values):
        features = self._features(values)
        features = torch.cat([features, torch.zeros_like(features[..., :1, :, :])], -3)
        return self._conditional(features, slice(None), self._site_weights()).permute(2, 0, 1)

    def incremental(self, n):
        nothing = self._features(torch.zeros(n, self.n_sites + 1, dtype=self.dtype))
        features, weights = nothing.new_zeros(nothing.shape), self._site_weights()
        for k in range(self.n_sites):
            values = yield self._conditional(features, slice(k, k + 1), weights)[0].T
            features[..., k : k + 1, :, :] = self._features(values[:, None])
