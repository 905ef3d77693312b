r"""A mixture of Gaussians: the value head of fields that may take any real value.

    p(x) = sum_k w_k N(x; m_k, s_k),   w = softmax of the log weights, s_k = spread exp(parameter)

Parameters of zero give means spread evenly over (-3 spread, 3 spread), so that the components start out different.
The mixture of Beta densities of the papers (`heads.BetaMixture`) on an interval (-bound, bound) is `on_interval`.
"""

import math

import torch

from lib.models.heads import BetaMixture, Head, _refuse


class GaussianMixture(Head):
    """A real value as a mixture of `n_components` Gaussians. spread: the width of a component at parameters zero."""

    n_features = 1

    def __init__(self, n_components=8, spread=0.5):
        if n_components < 1 or not spread > 0:
            raise ValueError(
                f"n_components = {n_components}, spread = {spread}: at least one component, of positive width, is needed"
            )
        self.n_components, self.spread = n_components, float(spread)
        self.n_parameters = 3 * n_components
        self.offset = 3 * spread * (2 * (torch.arange(n_components) + 0.5) / n_components - 1)

    def check(self, values):
        _refuse(values, ~values.isfinite(), "a field must be finite")

    def encode(self, values):
        return values[..., None]

    def _components(self, parameters):
        """Log weights up to a constant, means, log widths, [..., n_components] each."""
        log_weight, mean, log_width = parameters.chunk(3, -1)
        return log_weight, mean + self.offset.to(parameters), log_width + math.log(self.spread)

    def log_prob(self, parameters, values):
        log_weight, mean, log_width = self._components(parameters)
        distance = (values[..., None] - mean) * torch.exp(-log_width)
        joint = torch.logsumexp(log_weight - log_width - 0.5 * distance.square(), -1)
        return joint - torch.logsumexp(log_weight, -1) - 0.5 * math.log(2 * math.pi)

    def sample(self, parameters, generator):
        log_weight, mean, log_width = self._components(parameters)
        flat = torch.softmax(log_weight, -1).reshape(-1, self.n_components)
        pick = torch.multinomial(flat, 1, generator=generator).reshape(*log_weight.shape[:-1], 1)
        noise = torch.randn(pick.shape[:-1], generator=generator, dtype=mean.dtype, device=mean.device)
        return mean.gather(-1, pick)[..., 0] + noise * log_width.gather(-1, pick)[..., 0].exp()

    def site_rule(self, points=81):
        """Double-exponential quadrature on the real line, for `lib.checks`: values, weights."""
        t = torch.linspace(-3.0, 3.0, points, dtype=torch.float64)
        u = 0.5 * math.pi * torch.sinh(t)
        scale = 3 * self.spread
        return scale * torch.sinh(u), (t[1] - t[0]) * scale * torch.cosh(u) * 0.5 * math.pi * torch.cosh(t)


class OnInterval(BetaMixture):
    """A value in (-bound, bound) as a mixture of `n_components` Beta densities of (x + bound) / (2 bound)."""

    def __init__(self, n_components=8, bound=4.0):
        super().__init__(n_components)
        if not bound > 0:
            raise ValueError(f"bound = {bound}: it must be positive")
        self.bound = float(bound)

    def _unit(self, values):
        return (values + self.bound) / (2 * self.bound)

    def check(self, values):
        outside = ~(values.abs() < self.bound)
        _refuse(values, outside, f"this Beta head needs values strictly inside (-{self.bound:g}, {self.bound:g})")

    def encode(self, values):
        return values[..., None]

    def log_prob(self, parameters, values):
        return super().log_prob(parameters, self._unit(values)) - math.log(2 * self.bound)

    def sample(self, parameters, generator):
        return self.bound * (2 * super().sample(parameters, generator) - 1)

    def site_rule(self, points=81):
        """Double-exponential quadrature on (-bound, bound), for `lib.checks`: values, weights."""
        t = torch.linspace(-3.0, 3.0, points, dtype=torch.float64)
        u = math.pi * torch.sinh(t)
        weights = (t[1] - t[0]) * math.pi * torch.cosh(t) * torch.sigmoid(u) * torch.sigmoid(-u)
        return self.bound * (2 * torch.sigmoid(u) - 1), 2 * self.bound * weights
