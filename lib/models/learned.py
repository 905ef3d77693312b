r"""The learned Hamiltonian: H_theta(s) = -T0 ln p_theta(s), the talk's central equation.

For an exact model H_theta = H + T0 ln Z(T0): the Hamiltonian up to a constant. At another temperature T the learned
distribution is p_theta(s; T) ~ exp(-H_theta(s) / T) = p_theta(s)^(T0 / T) (arXiv:2007.01037, abstract). For a path or a
field T0 = 1, and S_theta = -ln p_theta is the learned action in units of hbar; there even the constant has a meaning.

Symmetry. Averaging p over the images of s under a group G, p_sym(s) = (1/|G|) sum_g p_theta(g s), gives another
normalised distribution, exactly symmetric, and never a worse one: by convexity KL(p || p_sym) <= KL(p || p_theta) when
p itself is symmetric.

Units. A network may see x = (s - centre) / scale instead of s. ln p is always the density with respect to ds,
ln p(s) = ln p_theta(x) - N ln(scale).
"""

import contextlib
import copy
import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from lib.models.autoregressive import log_prob_in_batches


@dataclass(frozen=True)
class Units:
    """Preprocessing of real values: a network sees (s - centre) / scale, in the given precision."""

    scale: float = 1.0
    centre: float = 0.0
    dtype: type = np.float32

    def __call__(self, configurations):
        return ((configurations - self.centre) / self.scale).astype(self.dtype)

    def inverse(self, values):
        """What the network has drawn, in the units of the configurations."""
        return values * self.scale + self.centre


@dataclass(frozen=True)
class Fraction(Units):
    """Preprocessing of angles for a Beta head: theta / 2 pi, strictly inside (0, 1)."""

    scale: float = 2 * math.pi

    def __call__(self, configurations):
        tiny = np.finfo(self.dtype).eps
        return np.clip(configurations / self.scale, tiny, 1 - tiny).astype(self.dtype)


def identity(configurations):
    """The group of one element."""
    return configurations


class LearnedHamiltonian:
    """H_theta = -T0 ln p of a trained autoregressive network, in the units of T0 and for the whole lattice.

    T0: temperature of its training data; 1 for an action.
    group: None, or functions configurations -> configurations that together form a group; p is averaged over them.
    preprocess: None, or a function from the configurations given to those the model was trained on: `Units`, or, for
    states that can be counted, any function, like one to block spins.
    """

    def __init__(self, model, T0, group=None, preprocess=None):
        if not T0 > 0:
            raise ValueError(f"T0 = {T0}: the temperature of the training data must be positive")
        self.model, self.T0, self.preprocess = model, float(T0), preprocess
        self.group = (identity,) if group is None else tuple(group)

    @property
    def scale(self):
        """The unit in which the network sees a configuration."""
        return self.preprocess.scale if isinstance(self.preprocess, Units) else 1.0

    def _seen(self, configurations):
        return configurations if self.preprocess is None else self.preprocess(configurations)

    def log_prob(self, configurations):
        """ln p(s) at T0 of configurations [n, ...] as float64 [n]."""
        seen = self._seen(configurations)
        each = np.stack([log_prob_in_batches(self.model, g(seen)) for g in self.group])
        return self._average(each)

    def _average(self, each):
        """ln p [n] from ln p_theta of all images, [G, n]."""
        return np.logaddexp.reduce(each, axis=0) - np.log(len(each)) - self.model.n_sites * np.log(self.scale)

    def action(self, configurations):
        """S_theta(s) = H_theta(s) / T0 of configurations [n, ...] as float64 [n]."""
        return -self.log_prob(configurations)

    def energy(self, configurations):
        """H_theta(s) of configurations [n, ...] as float64 [n]."""
        return -self.T0 * self.log_prob(configurations)

    def gradient(self, configurations):
        """dH_theta / ds_i of real configurations, float64 [n, ...]."""
        return self.energy_and_gradient(configurations)[1]

    def energy_and_gradient(self, configurations, batch=128):
        """H_theta and dH_theta / ds_i of real configurations [n, ...], `batch` at a time: float64 [n] and [n, ...]."""
        seen = torch.as_tensor(self._seen(configurations)).to(self.model.dtype)
        each, slopes = [], []
        with _frozen(self.model):
            for g in self.group:
                parts = [_with_slope(self.model, g, part) for part in seen.split(batch)]
                log_prob, slope = (torch.cat(tensors).double().numpy() for tensors in zip(*parts, strict=True))
                each.append(log_prob)
                slopes.append(slope)
        log_prob = self._average(np.stack(each))
        share = np.exp(np.stack(each) - np.logaddexp.reduce(each, axis=0))  # of an image in the average
        slope = np.einsum("gn,gn...->n...", share, np.stack(slopes))
        return -self.T0 * log_prob, -self.T0 * slope / self.scale

    def sample(self, n, seed):
        """n configurations drawn from p, float64 [n, ...], and their ln p [n].

        Each is a random image of one that the network draws. ValueError if what the network sees, like block spins,
        does not fix the configuration.
        """
        if not (self.preprocess is None or isinstance(self.preprocess, Units)):
            raise ValueError("this network sees functions of the configurations only: it cannot draw configurations")
        values = self.model.sample(n, seed)[0].double().numpy()
        chosen = np.random.default_rng([seed, 5]).integers(len(self.group), size=n)
        for k, g in enumerate(self.group):
            values[chosen == k] = g(values[chosen == k])
        configurations = values if self.preprocess is None else self.preprocess.inverse(values)
        return configurations, self.log_prob(configurations)

    def in_double_precision(self):
        """The same Hamiltonian evaluated in float64."""
        preprocess = self.preprocess
        if isinstance(preprocess, Units):
            preprocess = replace(preprocess, dtype=np.float64)
        return LearnedHamiltonian(copy.deepcopy(self.model).double(), self.T0, self.group, preprocess)


def _with_slope(model, g, values):
    """ln p_theta(g x) [n] of values x [n, ...] and its gradient by x."""
    values = values.clone().requires_grad_()
    log_prob = model.log_prob(g(values))
    return log_prob.detach(), torch.autograd.grad(log_prob.sum(), values)[0]


@contextlib.contextmanager
def _frozen(model):
    """No gradients of the weights, which would be computed along with those of the configurations."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    try:
        for weight in weights:
            weight.requires_grad_(False)
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
