r"""Heads of real values: on the line, on an interval.

    Gaussian         N(x; m, s)
    GaussianMixture  sum_k w_k N(x; m_k, s_k)
    BetaMixture      sum_k w_k Beta(x; a_k, b_k),                       0 < x < 1
    BetaOnInterval   the same for (x + bound) / (2 bound),             |x| < bound
    LogPolynomial    exp[sum_k c_k phi_k(x)] / Z,                      |x| < bound

Mixtures can have any shape where there are data; their tails are those of their widest component. A `LogPolynomial` has
the tails of exp(-polynomial), which is what the conditionals of a field with a polynomial potential have.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F

from lib.models.heads import Head, pick, refuse
from lib.models.kernels import densities

CELLS = 1024  # of the table from which values of a `LogPolynomial` are drawn
AT_ONCE = 4096  # values drawn at a time, to save memory


class Real(Head):
    """What heads of real values share: any finite value is allowed, and it enters a trunk as it is."""

    n_features = 1

    def check(self, values):
        refuse(values, ~values.isfinite(), "a field must be finite")

    def encode(self, values):
        return values[..., None]


class Gaussian(Real):
    """A real value with parameters mean and ln(standard deviation)."""

    n_parameters = 2

    def log_prob(self, parameters, values):
        mean, log_scale = parameters.unbind(-1)
        return -0.5 * ((values - mean) * (-log_scale).exp()) ** 2 - log_scale - 0.5 * math.log(2 * math.pi)

    def sample(self, parameters, generator):
        mean, log_scale = parameters.unbind(-1)
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
        return mean + log_scale.exp() * noise

    def site_rule(self, points):
        """Trapezoidal rule on (-12, 12)."""
        values = torch.linspace(-12, 12, points, dtype=torch.float64)
        return values, torch.full_like(values, 24 / (points - 1))


class _LogOfGaussians(torch.autograd.Function):
    """ln p(x) from log weights, means and log widths [..., K] and values [..., 1].

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


class GaussianMixture(Real):
    """A real value as a mixture of Gaussians, p(x) = sum_k w_k N(x; m_k, s_k).

    Parameters: log weights up to a constant, means, log widths. At parameters zero the widths are `spread` and the
    means lie evenly in (-3 spread, 3 spread), so that the components start out different.
    """

    def __init__(self, n_components=8, spread=0.5):
        if n_components < 1 or not spread > 0:
            raise ValueError(f"n_components = {n_components}, spread = {spread}: both must be positive")
        self.n_components, self.spread = n_components, float(spread)
        self.n_parameters = 3 * n_components
        self.offset = 3 * spread * (2 * (torch.arange(n_components) + 0.5) / n_components - 1)

    def _components(self, parameters):
        """Log weights up to a constant, means, log widths, [..., n_components] each."""
        log_weight, mean, log_width = parameters.chunk(3, -1)
        return log_weight, mean + self.offset.to(parameters), log_width + math.log(self.spread)

    def log_prob(self, parameters, values):
        components = torch.broadcast_tensors(*self._components(parameters), values[..., None])[:3]
        return _LogOfGaussians.apply(*components, values[..., None])

    def sample(self, parameters, generator):
        log_weight, mean, log_width = self._components(parameters)
        chosen = pick(log_weight, generator)
        noise = torch.randn(chosen.shape[:-1], generator=generator, dtype=mean.dtype)
        return mean.gather(-1, chosen)[..., 0] + noise * log_width.gather(-1, chosen)[..., 0].exp()

    def site_rule(self, points):
        """Points spread sinh(t), equidistant in t, out to 200 spread."""
        t = torch.linspace(-6.0, 6.0, points, dtype=torch.float64)
        return self.spread * torch.sinh(t), (t[1] - t[0]) * self.spread * torch.cosh(t)


def _digamma(x):
    """The derivative of ln Gamma at x > 0, to 1e-9: four times as fast as torch's.

    psi(x) = psi(x + 6) - sum_{k < 6} 1 / (x + k), and Stirling's series for the first (DLMF 5.5.2 and 5.11.2).
    """
    u, y = x * (x + 5), x + 6
    steps = (2 * x + 5) * (u.reciprocal() + (u + 4).reciprocal() + (u + 6).reciprocal())
    z = y.reciprocal()
    square = z * z
    series = square * (1 / 12 - square * (1 / 120 - square * (1 / 252 - square / 240)))
    return y.log() - z / 2 - series - steps


class _LogOfBetas(torch.autograd.Function):
    """ln of a mixture of Beta densities at x [...]: logits, a and b [..., K].

    With r the share of a component at x the gradients are r - w, r [psi(a + b) - psi(a) + ln x] and
    r [psi(a + b) - psi(b) + ln(1 - x)].
    """

    @staticmethod
    def forward(ctx, logits, a, b, x):
        log_x, log_rest = x.log()[..., None], torch.log1p(-x)[..., None]
        total, log_weight = a + b, torch.log_softmax(logits, -1)
        terms = torch.lgamma(total) - torch.lgamma(a) - torch.lgamma(b) + (a - 1) * log_x + (b - 1) * log_rest
        terms += log_weight
        result = torch.logsumexp(terms, -1)
        if any(ctx.needs_input_grad):
            share, psi = (terms - result[..., None]).exp_(), _digamma(total)
            by_a, by_b = share * (psi - _digamma(a) + log_x), share * (psi - _digamma(b) + log_rest)
            ctx.save_for_backward(share - log_weight.exp(), by_a, by_b)
        return result

    @staticmethod
    def backward(ctx, gradient):
        return *(gradient[..., None] * d for d in ctx.saved_tensors), None


class BetaMixture(Real):
    """A value in (0, 1), for example theta / 2 pi, as a mixture of `n_components` Beta(a, b) densities.

    Parameters per component: an unnormalised log weight, and the pre-images of a and b under softplus.
    One component is the talk's Beta head (Chin. Phys. Lett. 39, 120502).
    """

    def __init__(self, n_components=1):
        if n_components < 1:
            raise ValueError(f"n_components = {n_components}: a mixture needs at least one component")
        self.n_components = n_components
        self.n_parameters = 3 * n_components

    def check(self, values):
        refuse(values, ~((values > 0) & (values < 1)), "a Beta head needs values strictly between 0 and 1")

    def encode(self, values):
        return 2 * values[..., None] - 1

    def _components(self, parameters):
        log_weight, a, b = parameters.chunk(3, -1)
        # inverse softplus of 1 as offset: parameters of zero give the uniform density
        offset = math.log(math.expm1(1.0))
        return log_weight, F.softplus(a + offset), F.softplus(b + offset)

    def log_prob(self, parameters, values):
        shape = torch.broadcast_shapes(parameters.shape[:-1], values.shape)
        return _LogOfBetas.apply(*(p.expand(*shape, -1) for p in self._components(parameters)), values.expand(shape))

    def sample(self, parameters, generator):
        log_weight, a, b = self._components(parameters)
        chosen = pick(log_weight, generator)
        x = torch._standard_gamma(a.gather(-1, chosen)[..., 0].contiguous(), generator=generator)
        y = torch._standard_gamma(b.gather(-1, chosen)[..., 0].contiguous(), generator=generator)
        tiny = torch.finfo(x.dtype).eps
        return (x / (x + y)).clamp(tiny, 1 - tiny)

    def site_rule(self, points):
        """Double-exponential quadrature on (0, 1)."""
        t = torch.linspace(-3.0, 3.0, points, dtype=torch.float64)
        u = math.pi * torch.sinh(t)
        return torch.sigmoid(u), (t[1] - t[0]) * math.pi * torch.cosh(t) * torch.sigmoid(u) * torch.sigmoid(-u)


class BetaOnInterval(BetaMixture):
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
        refuse(values, outside, f"this Beta head needs values strictly inside (-{self.bound:g}, {self.bound:g})")

    def encode(self, values):
        return values[..., None]

    def _components(self, parameters):
        log_weight, mean, log_total = parameters.chunk(3, -1)
        # a mean of exactly 0 or 1, to rounding, would make a or b vanish
        mean = 0.001 + 0.998 * torch.sigmoid(mean + self.offset.to(mean))
        total = 60 * torch.exp(log_total.clamp(-densities.LIMIT, densities.LIMIT))
        return log_weight, mean * total, (1 - mean) * total

    def log_prob(self, parameters, values):
        return densities.log_prob(densities.beta_mixture, parameters, values, self.offset, self.bound)

    def sample(self, parameters, generator):
        return self.bound * (2 * super().sample(parameters, generator) - 1)

    def site_rule(self, points):
        values, weights = super().site_rule(points)
        return self.bound * (2 * values - 1), 2 * self.bound * weights


class LogPolynomial(Real):
    """The exponential family of polynomials of one degree D on (-bound, bound):

        ln p(x) = sum_{k=1}^{D} c_k phi_k(x) - ln Z(c),     phi_k = sqrt(2k + 1) P_k(x / scale),

    with Legendre polynomials P_k, orthonormal on (-scale, scale), where nearly all data lie. Beyond, they grow fast:
    keep bound / scale near 1.2. Z is a sum over Gauss-Legendre points, and the averages in the gradients,
    d ln p / d c_k = phi_k(x) - <phi_k> and d ln p / dx = sum_k c_k phi_k'(x), come from the same sum.

    Parameters: c_1 ... c_D; zero is the uniform density. Values are drawn from the density interpolated linearly
    between the corners of 1024 cells.
    degree: D. scale, bound: the defaults suit the double well. points: of the quadrature.
    """

    def __init__(self, degree=10, scale=2.6, bound=3.2, points=64):
        if degree < 2 or not 0 < scale <= bound < math.inf:
            given = f"degree = {degree}, scale = {scale}, bound = {bound}"
            raise ValueError(f"{given}: degree >= 2 and 0 < scale <= bound are needed")
        self.degree = self.n_parameters = int(degree)
        self.scale, self.bound = float(scale), float(bound)
        nodes, weights = np.polynomial.legendre.leggauss(points)
        self.nodes = torch.as_tensor(self.bound * nodes)
        self.log_weights = torch.as_tensor(np.log(self.bound * weights))
        self.norm = torch.sqrt(2 * torch.arange(1.0, self.degree + 1, dtype=torch.float64) + 1)
        self.table = self.basis(self.nodes).T.contiguous()

    def check(self, values):
        outside = ~(values.abs() < self.bound)
        refuse(values, outside, f"this head needs values strictly inside (-{self.bound:.4g}, {self.bound:.4g})")

    def basis(self, values):
        """phi_1 ... phi_D at values [...] -> [..., D]."""
        u = values / self.scale
        before, now = torch.ones_like(u), u
        terms = [now]
        for k in range(1, self.degree):
            before, now = now, ((2 * k + 1) * u * now - k * before) / (k + 1)
            terms.append(now)
        return torch.stack(terms, -1) * self.norm.to(u)

    def linear(self):
        """Coefficients [D] of the function x."""
        result = torch.zeros(self.degree)
        result[0] = self.scale / math.sqrt(3)
        return result

    def square(self):
        """Coefficients [D] of the function x^2, up to its constant."""
        result = torch.zeros(self.degree)
        result[1] = 2 * self.scale**2 / (3 * math.sqrt(5))
        return result

    def log_prob(self, parameters, values):
        constants = self.table, self.log_weights, self.norm, self.scale
        return densities.log_prob(densities.log_polynomial, parameters, values, *constants)

    def sample(self, parameters, generator):
        shape = parameters.shape[:-1]
        uniform = torch.rand((2, *shape), generator=generator, dtype=parameters.dtype)
        corners = torch.linspace(-self.bound, self.bound, CELLS + 1, dtype=parameters.dtype)
        basis = self.basis(corners).T
        parts = zip(parameters.flatten(0, -2).split(AT_ONCE), uniform.flatten(1).split(AT_ONCE, 1), strict=True)
        drawn = torch.cat([_draw(part @ basis, corners, u) for part, u in parts])
        edge = self.bound * (1 - 1e-6)
        return drawn.clamp(-edge, edge).reshape(shape)

    def site_rule(self, points):
        """Gauss-Legendre quadrature on (-bound, bound)."""
        nodes, weights = np.polynomial.legendre.leggauss(points)
        return torch.as_tensor(self.bound * nodes), torch.as_tensor(self.bound * weights)


def _draw(log_density, corners, uniform):
    """Values [n] from densities [n, cells + 1] at the corners, linear in between; uniform: random numbers [2, n]."""
    density = torch.exp(log_density - log_density.amax(-1, keepdim=True))
    cumulative = torch.cumsum(density[:, :-1] + density[:, 1:], -1)
    cell = torch.searchsorted(cumulative, uniform[0, :, None] * cumulative[:, -1:]).clamp(max=len(corners) - 2)
    left, right = (density.gather(1, index)[:, 0] for index in (cell, cell + 1))
    # inside the cell the density is linear in t: (left + right) u = 2 left t + (right - left) t^2
    u = uniform[1] * (left + right)
    t = u / (left + torch.sqrt(left.square() + (right - left) * u)).clamp(min=torch.finfo(u.dtype).tiny)
    return corners[cell[:, 0]] + t * (corners[1] - corners[0])
