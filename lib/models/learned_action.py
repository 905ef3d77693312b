r"""The learned action: S_theta(x) = -ln p_theta(x), an action in units of hbar, up to nothing at all.

For an exact model S_theta = S + ln Z, so even the constant has a meaning. Averaging p over images of a path under
translations, reversal of time and x -> -x, p_sym(x) = (1/|G|) sum_g p_theta(g x), gives another normalised
distribution, exactly symmetric under G, and never a worse one, as for spins (`hamiltonian.py`). Both know their
gradient dS_theta / dx_i, which is what the Schwinger-Dyson equations and the readable action are made of.
"""

import math

import numpy as np
import torch


def symmetry_images(n_sites, shifts):
    """The 4 x `shifts` images of a ring as (index [G, N], sign [G]): translations by multiples of N / shifts, reversal,
    change of sign. They form a group. ValueError unless `shifts` divides `n_sites`."""
    if shifts < 1 or n_sites % shifts:
        raise ValueError(f"shifts = {shifts}: it must divide the number of sites, {n_sites}")
    site = torch.arange(n_sites)
    moved = [
        (start + direction * site) % n_sites for start in range(0, n_sites, n_sites // shifts) for direction in (1, -1)
    ]
    return torch.stack(moved + moved), torch.tensor([1.0, -1.0]).repeat_interleave(len(moved))


class LearnedAction:
    """S_theta = -ln p of a trained network `model` of paths [n, N].

    shifts: None for the network as it is, or the number of translations in the group that p is averaged over.
    Actions and gradients are computed `batch` network evaluations at a time.
    """

    def __init__(self, model, shifts=None, batch=512):
        self.model, self.batch = model, batch
        self.images = None if shifts is None else symmetry_images(model.n_sites, shifts)

    def _action(self, paths):
        """-ln p of a tensor of paths [n, N] -> [n], differentiable."""
        if self.images is None:
            return -self.model.log_prob(paths)
        index, sign = self.images
        images = paths[:, index] * sign.to(paths.dtype)[:, None]
        each = self.model.log_prob(images.flatten(0, 1)).reshape(len(paths), -1)
        return math.log(len(sign)) - torch.logsumexp(each, 1)

    def _batches(self, paths):
        paths = torch.as_tensor(np.asarray(paths), dtype=self.model.dtype)
        return paths.split(self.batch if self.images is None else max(1, self.batch // len(self.images[1])))

    @torch.no_grad()
    def action(self, paths):
        """S_theta of paths [n, N] as float64 [n]."""
        return torch.cat([self._action(part) for part in self._batches(paths)]).double().numpy()

    def log_prob(self, paths):
        """ln p of paths [n, N] as float64 [n]."""
        return -self.action(paths)

    def gradient(self, paths):
        """dS_theta / dx_i of paths [n, N] as float64 [n, N]."""
        return self.action_and_gradient(paths)[1]

    def action_and_gradient(self, paths):
        """S_theta and dS_theta / dx_i of paths [n, N], in one pass: float64 [n] and [n, N]."""
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        values, gradients = [], []
        try:
            for weight in weights:  # whose gradients would be computed along with those of the paths
                weight.requires_grad_(False)
            for part in self._batches(paths):
                part = part.clone().requires_grad_()
                values.append(self._action(part))
                gradients.append(torch.autograd.grad(values[-1].sum(), part)[0])
        finally:
            for weight in weights:
                weight.requires_grad_(True)
        return torch.cat(values).detach().double().numpy(), torch.cat(gradients).double().numpy()
