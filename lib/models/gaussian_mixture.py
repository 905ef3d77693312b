r"""A mixture of Gaussians: the value head of fields that may take any real value.

    p(x) = sum_k w_k N(x; m_k, s_k),   w = softmax of the log weights, s_k = spread exp(parameter)

Parameters of zero give means spread evenly over (-3 spread, 3 spread), so that the components start out different.
`OnInterval` is the papers' mixture of Beta densities (`heads.BetaMixture`) on an interval (-bound, bound).
"""

import math

import torch

from lib.models.heads import BetaMixture, Head, _refuse


class _LogProb(torch.autograd.Function):
    """ln p(x) from log weights, means and log widths [..., K] and values [..., 1]; a third of autograd's passes.

    With responsibilities r_k = p(k | x) and z_k = (x - m_k) / s_k the derivatives are r_k - w_k, r_k z_k / s_k and
    r_k (z_k^2 - 1), and -sum_k r_k z_k / s_k with respect to x.
    """

    @staticmethod
    def forward(ctx, log_weight, mean, log_width, value):
        inverse = torch.exp(-log_width)
        z = (value - mean).mul_(inverse)
        joint = torch.addcmul(log_weight, z, z, value=-0.5).sub_(log_width)
        largest, largest_weight = joint.amax(-1, keepdim=True), log_weight.amax(-1, keepdim=True)
        responsibility, weight = joint.sub_(largest).exp_(), (log_weight - largest_weight).exp_()
        total, total_weight = responsibility.sum(-1, keepdim=True), weight.sum(-1, keepdim=True)
        responsibility.div_(total)
        weight.div_(total_weight)
        ctx.save_for_backward(responsibility, weight, z, inverse)
        result = total.log_().add_(largest).sub_(total_weight.log_()).sub_(largest_weight)
        return result.sub_(0.5 * math.log(2 * math.pi))[..., 0]

    @staticmethod
    def backward(ctx, gradient):
        responsibility, weight, z, inverse = ctx.saved_tensors
        gradient = gradient[..., None]
        weighted = responsibility * gradient
        by_weight = torch.addcmul(weighted, weight, gradient, value=-1)
        pull = weighted * z
        by_width = torch.addcmul(-weighted, pull, z)
        by_mean = pull.mul_(inverse)
        by_value = -by_mean.sum(-1, keepdim=True) if ctx.needs_input_grad[3] else None
        return by_weight, by_mean, by_width, by_value


class GaussianMixture(Head):
    """A real value as a mixture of `n_components` Gaussians. spread: the width of a component at parameters zero."""

    n_features = 1

    def __init__(self, n_components=8, spread=0.5):
        if n_components < 1 or not spread > 0:
            raise ValueError(f"n_components = {n_components}, spread = {spread}: both must be positive")
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
        return _LogProb.apply(
            *torch.broadcast_tensors(*self._components(parameters), values[..., None])[:3], values[..., None]
        )

    def sample(self, parameters, generator):
        log_weight, mean, log_width = self._components(parameters)
        flat = torch.softmax(log_weight, -1).reshape(-1, self.n_components)
        pick = torch.multinomial(flat, 1, generator=generator).reshape(*log_weight.shape[:-1], 1)
        noise = torch.randn(pick.shape[:-1], generator=generator, dtype=mean.dtype, device=mean.device)
        return mean.gather(-1, pick)[..., 0] + noise * log_width.gather(-1, pick)[..., 0].exp()

    def site_rule(self, points=81):
        """Points spread sinh(t), equidistant in t, out to 200 spread, for `lib.checks`: values, weights."""
        t = torch.linspace(-6.0, 6.0, points, dtype=torch.float64)
        return self.spread * torch.sinh(t), (t[1] - t[0]) * self.spread * torch.cosh(t)


def _digamma(z):
    """Derivative of ln Gamma for z > 0, to single precision, by vectorised arithmetic: torch's own is ten times slower.

    Recurrence up to z + 4, then the asymptotic series.
    """
    recurrence = z.reciprocal().add_((z + 1).reciprocal_()).add_((z + 2).reciprocal_()).add_((z + 3).reciprocal_())
    inverse = (z + 4).reciprocal_()
    square = inverse * inverse
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252)))
    return -(inverse.log() + 0.5 * inverse + series + recurrence)


class _BetaLogProb(torch.autograd.Function):
    """ln p from log weights, a and b [..., K], and ln s and ln(1 - s) [..., 1]; derivatives by responsibilities."""

    @staticmethod
    def forward(ctx, log_weight, a, b, log_s, log_rest):
        joint = torch.lgamma(a + b).sub_(torch.lgamma(a)).sub_(torch.lgamma(b)).add_(log_weight)
        joint.add_((a - 1).mul_(log_s)).add_((b - 1).mul_(log_rest))
        total, total_weight = joint.logsumexp(-1, keepdim=True), log_weight.logsumexp(-1, keepdim=True)
        responsibility, weight = joint.sub_(total).exp_(), (log_weight - total_weight).exp_()
        ctx.save_for_backward(responsibility, weight, a, b, log_s, log_rest)
        return (total - total_weight)[..., 0]

    @staticmethod
    def backward(ctx, gradient):
        responsibility, weight, a, b, log_s, log_rest = ctx.saved_tensors
        gradient = gradient[..., None]
        weighted = responsibility * gradient
        by_weight = torch.addcmul(weighted, weight, gradient, value=-1)
        both = _digamma(a + b)
        by_a = (both - _digamma(a)).add_(log_s).mul_(weighted)
        by_b = both.sub_(_digamma(b)).add_(log_rest).mul_(weighted)
        by_s = ((a - 1) * weighted).sum(-1, keepdim=True) if ctx.needs_input_grad[3] else None
        by_rest = ((b - 1) * weighted).sum(-1, keepdim=True) if ctx.needs_input_grad[4] else None
        return by_weight, by_a, by_b, by_s, by_rest


class OnInterval(BetaMixture):
    """A value x in (-bound, bound) as a mixture of `n_components` Beta(a, b) densities of s = (x + bound) / (2 bound).

    Parameters per component: an unnormalised log weight, and what stands for its mean a / (a + b) and a + b through
    sigmoid and exponential. At parameters zero the means are spread evenly and the widths are about bound / 8.
    """

    def __init__(self, n_components=8, bound=3.5):
        super().__init__(n_components)
        if not bound > 0:
            raise ValueError(f"bound = {bound}: it must be positive")
        self.bound = float(bound)
        middle = (torch.arange(n_components) + 0.5) / n_components
        self.offset = torch.logit(0.2 + 0.6 * middle)

    def _unit(self, values):
        return (values + self.bound) / (2 * self.bound)

    def check(self, values):
        outside = ~(values.abs() < self.bound)
        _refuse(values, outside, f"this Beta head needs values strictly inside (-{self.bound:g}, {self.bound:g})")

    def encode(self, values):
        return values[..., None]

    def _components(self, parameters):
        log_weight, mean, log_total = parameters.chunk(3, -1)
        # a mean of exactly 0 or 1, to rounding, would make a or b vanish
        mean, total = 0.001 + 0.998 * torch.sigmoid(mean + self.offset.to(mean)), 60 * torch.exp(log_total)
        return log_weight, mean * total, (1 - mean) * total

    def log_prob(self, parameters, values):
        unit = self._unit(values)[..., None]
        components = torch.broadcast_tensors(*self._components(parameters), unit)[:3]
        return _BetaLogProb.apply(*components, unit.log(), torch.log1p(-unit)) - math.log(2 * self.bound)

    def sample(self, parameters, generator):
        return self.bound * (2 * super().sample(parameters, generator) - 1)

    def site_rule(self, points=81):
        """Double-exponential quadrature on (-bound, bound), for `lib.checks`: values, weights."""
        t = torch.linspace(-3.0, 3.0, points, dtype=torch.float64)
        u = math.pi * torch.sinh(t)
        weights = (t[1] - t[0]) * math.pi * torch.cosh(t) * torch.sigmoid(u) * torch.sigmoid(-u)
        return self.bound * (2 * torch.sigmoid(u) - 1), 2 * self.bound * weights
