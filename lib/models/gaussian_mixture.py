r"""A mixture of Gaussians: the value head of fields that may take any real value.

    p(x) = sum_k w_k N(x; m_k, s_k),   w = softmax of the log weights, s_k = spread exp(parameter)

Parameters of zero give means spread evenly over (-3 spread, 3 spread), so that the components start out different.
`OnInterval` is the papers' mixture of Beta densities (`heads.BetaMixture`) on an interval (-bound, bound).
"""

import math

import numba
import numpy as np
import torch

from lib.models.heads import BetaMixture, Head, _refuse
from lib.models.vector_math import exp, log

LIMIT = 5.0  # of |ln (a + b) / 60|, a width of 0.005 of the interval: beyond, single precision fails
BLOCK = 64  # values of a mixture of Beta densities that are worked on at a time


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


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _beta_components(p, offset, log_s, log_rest, joint, by_mean, by_total, a, b):
    """ln of weight times density, joint [K, n], of Beta components at s and 1 - s, and what changes it.

    p [3K, n]: log weights, means, log sums of a and b, as parameters of `OnInterval`. by_mean, by_total [K, n]: the
    derivatives by the last two; a, b [K, n]. Single precision: with y = z + 4 and w = z (z + 1) (z + 2) (z + 3),

        ln Gamma(z) = (y - 1/2) ln y - y + ln(2 pi) / 2 + c(y) - ln w,   c: Stirling's series,

    and terms are put together so that large ones cancel before they are rounded.
    """
    number = joint.dtype.type
    one, two, three, four, half = number(1), number(2), number(3), number(4), number(0.5)
    low, range_, sixty = number(0.001), number(0.998), number(60)
    limit, constant = number(LIMIT), number(4 - 0.5 * math.log(2 * math.pi))
    c_1, c_3, c_5 = number(1 / 12), number(1 / 360), number(1 / 1260)
    d_2, d_4, d_6 = number(1 / 12), number(1 / 120), number(1 / 252)
    K = len(offset)
    for k in range(K):
        for i in range(joint.shape[1]):
            sigmoid = one / (one + exp(-(p[K + k, i] + offset[k])))
            mean, t = low + range_ * sigmoid, sixty * exp(min(max(p[2 * K + k, i], -limit), limit))
            za, zb = mean * t, (one - mean) * t
            ya, yb, y = za + four, zb + four, t + four
            qa, qb, q = za * (za + three), zb * (zb + three), t * (t + three)
            wa, wb, w = qa * (qa + two), qb * (qb + two), q * (q + two)
            va, vb, v = one / ya, one / yb, one / y
            sa, sb, s = va * va, vb * vb, v * v
            log_a, log_b, log_y = log(ya), log(yb), log(y)
            far_a, far_b = log_y - log_a + log_s[i], log_y - log_b + log_rest[i]
            series = v * (c_1 - s * (c_3 - s * c_5))
            series -= va * (c_1 - sa * (c_3 - sa * c_5)) + vb * (c_1 - sb * (c_3 - sb * c_5))
            result = za * far_a + zb * far_b + (three + half) * (log_y - log_a - log_b) + series + log(wa / w * wb)
            joint[k, i] = p[k, i] + result + constant - log_s[i] - log_rest[i]
            # digamma: ln y - 1 / 2y - 1 / 12y^2 + ... - w' / w
            psi_a = half * va + sa * (d_2 - sa * (d_4 - sa * d_6)) + (two * za + three) * (two * qa + two) / wa
            psi_b = half * vb + sb * (d_2 - sb * (d_4 - sb * d_6)) + (two * zb + three) * (two * qb + two) / wb
            psi = half * v + s * (d_2 - s * (d_4 - s * d_6)) + (two * t + three) * (two * q + two) / w
            to_a, to_b = far_a - psi + psi_a, far_b - psi + psi_b
            by_mean[k, i] = (to_a - to_b) * t * range_ * sigmoid * (one - sigmoid)
            by_total[k, i] = to_a * za + to_b * zb
            a[k, i], b[k, i] = za, zb


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _beta_mixture(parameters, x, offset, bound, result, by_parameter, by_x):
    """ln p [M] of values x [M] under mixtures of Beta densities with parameters [M, 3K], and its derivatives.

    by_parameter [M, 3K] and by_x [M] may be empty: then they are not filled. Values are taken BLOCK at a time, so that
    the inner loops run over values and their arrays stay in the cache.
    """
    number = x.dtype.type
    K = len(offset)
    p = np.zeros((3 * K, BLOCK), x.dtype)
    joint, by_mean, by_total, a, b = [np.empty((K, BLOCK), x.dtype) for _ in range(5)]
    log_s, log_rest, s = np.zeros(BLOCK, x.dtype), np.zeros(BLOCK, x.dtype), np.zeros(BLOCK, x.dtype)
    width, one, zero = number(2) * bound, number(1), number(0)
    log_width = log(width)
    for start in range(0, len(x), BLOCK):
        n = min(BLOCK, len(x) - start)
        for i in range(n):
            s[i] = (x[start + i] + bound) / width
            for k in range(3 * K):
                p[k, i] = parameters[start + i, k]
        for i in range(BLOCK):
            log_s[i], log_rest[i] = log(s[i]), log(one - s[i])
        _beta_components(p, offset, log_s, log_rest, joint, by_mean, by_total, a, b)
        for i in range(n):
            largest, largest_weight = joint[0, i], p[0, i]
            for k in range(1, K):
                largest, largest_weight = max(largest, joint[k, i]), max(largest_weight, p[k, i])
            total, total_weight, slope = zero, zero, zero
            for k in range(K):
                joint[k, i] = exp(joint[k, i] - largest)
                p[k, i] = exp(p[k, i] - largest_weight)
                total += joint[k, i]
                total_weight += p[k, i]
                slope += joint[k, i] * ((a[k, i] - one) / s[i] - (b[k, i] - one) / (one - s[i]))
            result[start + i] = log(total) + largest - log(total_weight) - largest_weight - log_width
            if len(by_x):
                by_x[start + i] = slope / total / width
            if len(by_parameter):
                for k in range(K):
                    r = joint[k, i] / total
                    by_parameter[start + i, k] = r - p[k, i] / total_weight
                    by_parameter[start + i, K + k] = r * by_mean[k, i]
                    by_parameter[start + i, 2 * K + k] = r * by_total[k, i]


class _BetaLogProb(torch.autograd.Function):
    """ln p [M] of values [M] from parameters [M, 3K]; offset, bound: of the head."""

    @staticmethod
    def forward(ctx, parameters, values, offset, bound):
        result = torch.empty_like(values)
        by_parameter = parameters.new_empty(parameters.shape if ctx.needs_input_grad[0] else (0, 0))
        by_value = values.new_empty(len(values) if ctx.needs_input_grad[1] else 0)
        arrays = [t.detach().numpy() for t in (parameters, values, offset)]
        bound = arrays[1].dtype.type(bound)
        _beta_mixture(*arrays, bound, result.numpy(), by_parameter.numpy(), by_value.numpy())
        ctx.save_for_backward(by_parameter, by_value)
        return result

    @staticmethod
    def backward(ctx, gradient):
        by_parameter, by_value = ctx.saved_tensors
        to_parameter = by_parameter * gradient[:, None] if ctx.needs_input_grad[0] else None
        to_value = by_value * gradient if ctx.needs_input_grad[1] else None
        return to_parameter, to_value, None, None


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

    def check(self, values):
        outside = ~(values.abs() < self.bound)
        _refuse(values, outside, f"this Beta head needs values strictly inside (-{self.bound:g}, {self.bound:g})")

    def encode(self, values):
        return values[..., None]

    def _components(self, parameters):
        log_weight, mean, log_total = parameters.chunk(3, -1)
        # a mean of exactly 0 or 1, to rounding, would make a or b vanish
        mean = 0.001 + 0.998 * torch.sigmoid(mean + self.offset.to(mean))
        total = 60 * torch.exp(log_total.clamp(-LIMIT, LIMIT))
        return log_weight, mean * total, (1 - mean) * total

    def log_prob(self, parameters, values):
        parameters, x = torch.broadcast_tensors(parameters, values.to(parameters)[..., None])
        rows, x = parameters.reshape(-1, self.n_parameters).contiguous(), x[..., 0].reshape(-1).contiguous()
        return _BetaLogProb.apply(rows, x, self.offset.to(rows), self.bound).reshape(parameters.shape[:-1])

    def sample(self, parameters, generator):
        return self.bound * (2 * super().sample(parameters, generator) - 1)

    def site_rule(self, points=81):
        """Double-exponential quadrature on (-bound, bound), for `lib.checks`: values, weights."""
        t = torch.linspace(-3.0, 3.0, points, dtype=torch.float64)
        u = math.pi * torch.sinh(t)
        weights = (t[1] - t[0]) * math.pi * torch.cosh(t) * torch.sigmoid(u) * torch.sigmoid(-u)
        return self.bound * (2 * torch.sigmoid(u) - 1), 2 * self.bound * weights
