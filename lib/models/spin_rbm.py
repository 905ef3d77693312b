r"""The restricted Boltzmann machine of spins: N_h hidden spins h_j = +-1, none of them coupled to another.

    p(s, h) ~ exp( sum_ij s_i W_ij h_j ),        p(s) = exp(f(s)) / Z,        f(s) = sum_j ln 2 cosh( sum_i s_i W_ij ).

Without biases p(-s) = p(s) holds whatever W is. Given one layer, the spins of the other are independent: h_j | s is up
with probability sigmoid(2 sum_i s_i W_ij), and s | h likewise. The gradient of the log likelihood,

    d/dW < ln p(s) >_data  =  d/dW [ <f>_data - <f>_model ],

needs configurations of the model: persistent contrastive divergence keeps a set of chains and moves them by a few
rounds s -> h -> s at every step. Z is not known; it has to be measured, and ln p with it. Smolensky 1986; A. Fischer
and C. Igel, Training restricted Boltzmann machines: an introduction.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from lib.models.fit import WeightAverage, learning_rate_factor


class SpinRBM(torch.nn.Module):
    """p(s) of spins [n, *site_shape] with `n_hidden` hidden ones; log_z: ln Z, nan until it is set."""

    def __init__(self, site_shape, n_hidden, seed=0):
        super().__init__()
        if n_hidden < 1:
            raise ValueError(f"n_hidden = {n_hidden}: at least one hidden spin is needed")
        self.site_shape, self.n_sites = tuple(site_shape), math.prod(site_shape)
        generator = torch.Generator().manual_seed(seed)
        scale = 0.1 / math.sqrt(self.n_sites)
        self.weight = torch.nn.Parameter(scale * torch.randn(self.n_sites, n_hidden, generator=generator))
        self.log_z = math.nan

    @property
    def dtype(self):
        return self.weight.dtype

    def _flat(self, configurations):
        return torch.as_tensor(configurations).reshape(-1, self.n_sites).to(self.dtype)

    def log_weight(self, configurations):
        """f(s) [n] of spins [n, *site_shape], a tensor; differentiable in the weights."""
        fields = (self._flat(configurations) @ self.weight).abs()
        return (fields + F.softplus(-2 * fields)).sum(1)  # ln 2 cosh x

    def log_prob(self, configurations):
        """ln p(s) [n], nan as long as ln Z is not known."""
        return self.log_weight(configurations) - self.log_z

    @torch.no_grad()
    def gibbs(self, configurations, rounds, generator):
        """Spins [n, *site_shape] after `rounds` of s -> h -> s."""
        s = self._flat(configurations)
        for _ in range(rounds):
            h = _draw(s @ self.weight, generator)
            s = _draw(h @ self.weight.T, generator)
        return s.reshape(-1, *self.site_shape)


def _draw(fields, generator):
    """Spins +-1, up with probability sigmoid(2 fields)."""
    up = torch.rand(fields.shape, generator=generator, dtype=fields.dtype) < torch.sigmoid(2 * fields)
    return 2.0 * up.to(fields.dtype) - 1


def fit_persistent(
    model, configurations, *, steps, batch=64, learning_rate=3e-3, rounds=2, window=0.1, augment=None, seed=0
):
    """Fit an RBM in place by persistent contrastive divergence, with the schedule and the average of `fit`.

    configurations: [n, *site_shape] of +-1. steps, batch, learning_rate, window, augment: as in `fit`.
    rounds: of Gibbs sampling at every step, of as many chains as the batch has configurations.
    """
    data = torch.as_tensor(np.asarray(configurations)).to(model.dtype)
    generator = torch.Generator().manual_seed(seed)
    chains = data[torch.randint(len(data), (batch,), generator=generator)]
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, betas=(0.9, 0.99), fused=True)
    average = WeightAverage(model, steps, window)
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * learning_rate_factor(step - 1, steps)
        chosen = data[torch.randint(len(data), (batch,), generator=generator)]
        if augment is not None:
            chosen = augment(chosen, generator)
        chains = model.gibbs(chains, rounds, generator)
        loss = (model.log_weight(chains).mean() - model.log_weight(chosen).mean()) / model.n_sites
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update(model, step)
    model.load_state_dict(average.model.state_dict())
