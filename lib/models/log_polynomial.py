r"""A value head whose log density is a polynomial: the exponential family of degree D on an interval.

    ln p(x) = sum_{k=1}^{D} c_k phi_k(x) - ln Z(c),   |x| < bound,   phi_k = sqrt(2k + 1) P_k(x / reach),

with Legendre polynomials P_k, orthonormal on (-reach, reach), where nearly all data lie. Beyond, they grow fast: keep
bound / reach near 1.2. Z is a sum over Gauss-Legendre points.

The gradients are those of an exponential family, written by hand (a test compares them with torch's own):
d ln p / d c_k = phi_k(x) - <phi_k>, d ln p / dx = sum_k c_k phi_k'(x). The averages come from the sum that makes Z, so
nothing of the size of all quadrature points is kept or passed a second time.

Mixtures can have any shape where there are data; their tails are those of their widest component. This head has the
tails of exp(-polynomial), which is what the conditionals of a field with a polynomial potential have.
"""

import math

import numba
import numpy as np
import torch

from lib.models.heads import Head, _refuse
from lib.models.vector_math import exp, log

CELLS = 1024  # of the table from which values are drawn
AT_ONCE = 4096  # values drawn at a time, to save memory


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _log_prob(c, x, table, log_weights, reach, norm, result, by_c, by_x):
    """ln p [M] of values x [M] with coefficients c [M, D], and its derivatives.

    table [D, K]: phi_k at the points, log_weights [K], norm [D]: sqrt(2k + 1). by_c and by_x may be empty: then they
    are not filled.
    """
    number = x.dtype.type
    D, K = table.shape
    weight = np.empty(K, x.dtype)
    one, zero = number(1), number(0)
    forward, back = np.empty(D, x.dtype), np.empty(D, x.dtype)
    for k in range(1, D + 1):
        forward[k - 1], back[k - 1] = number((2 * k + 1) / (k + 1)), number(k / (k + 1))
    for m in range(len(x)):
        for j in range(K):
            weight[j] = log_weights[j]
        for k in range(D):
            factor = c[m, k]
            for j in range(K):
                weight[j] += factor * table[k, j]
        largest, total = weight[0], zero
        for j in range(K):
            largest = max(largest, weight[j])
        for j in range(K):
            weight[j] = exp(weight[j] - largest)
            total += weight[j]
        u = x[m] / reach
        before, now = one, u  # P_{k-1} and P_k
        slope_before, slope = zero, one
        exponent, derivative = zero, zero
        for k in range(D):
            if len(by_c):
                mean = zero
                for j in range(K):
                    mean += weight[j] * table[k, j]
                by_c[m, k] = norm[k] * now - mean / total
            exponent += c[m, k] * norm[k] * now
            derivative += c[m, k] * norm[k] * slope
            slope_before, slope = slope, slope_before + number(2 * k + 3) * now
            before, now = now, forward[k] * u * now - back[k] * before
        result[m] = exponent - largest - log(total)
        if len(by_x):
            by_x[m] = derivative / reach


class _LogProb(torch.autograd.Function):
    """ln p [M] of values [M] from coefficients [M, D]; table [D, K], log_weights [K], norm [D]: of the head."""

    @staticmethod
    def forward(ctx, c, values, table, log_weights, norm, reach):
        result = torch.empty_like(values)
        by_c = c.new_empty(c.shape if ctx.needs_input_grad[0] else (0, 0))
        by_x = c.new_empty(len(c) if ctx.needs_input_grad[1] else 0)
        c, values, table, log_weights, norm = (t.detach().numpy() for t in (c, values, table, log_weights, norm))
        reach = values.dtype.type(reach)
        _log_prob(c, values, table, log_weights, reach, norm, result.numpy(), by_c.numpy(), by_x.numpy())
        ctx.save_for_backward(by_c, by_x)
        return result

    @staticmethod
    def backward(ctx, gradient):
        by_c, by_x = ctx.saved_tensors
        to_c = by_c * gradient[:, None] if ctx.needs_input_grad[0] else None
        to_x = by_x * gradient if ctx.needs_input_grad[1] else None
        return to_c, to_x, None, None, None, None


class LogPolynomial(Head):
    """A value in (-bound, bound) with a polynomial of this `degree` as its log density.

    reach, bound: see the module; the defaults suit the double well. points: of the quadrature. Parameters of zero give
    the uniform density. Values are drawn from the density interpolated linearly between the corners of 1024 cells.
    """

    n_features = 1

    def __init__(self, degree=10, reach=2.6, bound=3.2, points=64):
        if degree < 2 or not 0 < reach <= bound < math.inf:
            raise ValueError(
                f"degree = {degree}, reach = {reach}, bound = {bound}: degree >= 2 and 0 < reach <= bound are needed"
            )
        self.degree = self.n_parameters = int(degree)
        self.reach, self.bound = float(reach), float(bound)
        nodes, weights = np.polynomial.legendre.leggauss(points)
        self.nodes = torch.as_tensor(self.bound * nodes)
        self.log_weights = torch.as_tensor(np.log(self.bound * weights))
        self.norm = torch.sqrt(2 * torch.arange(1.0, self.degree + 1, dtype=torch.float64) + 1)
        self.table = self.basis(self.nodes).T.contiguous()

    def check(self, values):
        outside = ~(values.abs() < self.bound)
        _refuse(values, outside, f"this head needs values strictly inside (-{self.bound:.4g}, {self.bound:.4g})")

    def encode(self, values):
        return values[..., None]

    def basis(self, values):
        """phi_1 ... phi_D at values [...] -> [..., D]."""
        u = values / self.reach
        before, now = torch.ones_like(u), u
        terms = [now]
        for k in range(1, self.degree):
            before, now = now, ((2 * k + 1) * u * now - k * before) / (k + 1)
            terms.append(now)
        return torch.stack(terms, -1) * self.norm.to(u)

    def linear(self):
        """Coefficients [D] of the function x."""
        result = torch.zeros(self.degree)
        result[0] = self.reach / math.sqrt(3)
        return result

    def square(self):
        """Coefficients [D] of the function x^2, up to its constant."""
        result = torch.zeros(self.degree)
        result[1] = 2 * self.reach**2 / (3 * math.sqrt(5))
        return result

    def log_prob(self, parameters, values):
        parameters, x = torch.broadcast_tensors(parameters, values.to(parameters)[..., None])
        c, x = parameters.reshape(-1, self.degree), x[..., 0].reshape(-1)
        constants = (t.to(parameters) for t in (self.table, self.log_weights, self.norm))
        return _LogProb.apply(c.contiguous(), x.contiguous(), *constants, self.reach).reshape(values.shape)

    def sample(self, parameters, generator):
        shape = parameters.shape[:-1]
        uniform = torch.rand((2, *shape), generator=generator, dtype=parameters.dtype, device=parameters.device)
        corners = torch.linspace(-self.bound, self.bound, CELLS + 1, dtype=parameters.dtype, device=parameters.device)
        basis = self.basis(corners).T
        parts = zip(parameters.flatten(0, -2).split(AT_ONCE), uniform.flatten(1).split(AT_ONCE, 1), strict=True)
        drawn = torch.cat([_draw(part @ basis, corners, u) for part, u in parts])
        edge = self.bound * (1 - 1e-6)
        return drawn.clamp(-edge, edge).reshape(shape)

    def site_rule(self, points=81):
        """Gauss-Legendre quadrature on (-bound, bound), for `lib.checks`: values, weights."""
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
