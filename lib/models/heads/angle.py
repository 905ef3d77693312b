r"""Heads of angles in [0, 2 pi), densities with respect to dtheta, without a seam at 0 = 2 pi.

    VonMisesMixture  sum_k w_k exp[a_k cos theta + b_k sin theta] / (2 pi I_0(|(a_k, b_k)|))
    FourierDensity   exp{sum_m [a_m cos m theta + b_m sin m theta]} / Z

One von Mises component, or one harmonic, is the exact conditional of an XY spin in a field (a, b): what the neighbours
already drawn exert on it. A global rotation turns the fields; the weights stay. A Beta density in theta / 2 pi
(`heads.real.BetaMixture`, the talk's choice) has a seam and knows no rotations.

What an XY spin feels from the spins not drawn yet is a message with higher harmonics (a single spin in between
contributes ln I_0(beta |e_1 + e_2|)), and they decide how unlikely the unlikely angles are: a mixture of von Mises
densities gets the bulk right and the tails, where vortices come from, wrong.
"""

import math

import torch

from lib.models.heads import Head, pick, refuse

TWO_PI = 2 * math.pi


class Angle(Head):
    """What all heads of angles share: the range, (cos, sin) as features, quadrature on the circle."""

    n_features = 2

    def check(self, values):
        refuse(values, ~((values >= 0) & (values <= TWO_PI)), "angles must be in [0, 2 pi)")

    def encode(self, values):
        return torch.stack([values.cos(), values.sin()], -1)

    def site_rule(self, points):
        """Trapezoid rule on the circle: exact to rounding for smooth periodic functions."""
        values = TWO_PI * torch.arange(points, dtype=torch.float64) / points
        return values, torch.full_like(values, TWO_PI / points)


class _LogBessel(torch.autograd.Function):
    """ln I_0(k) - k."""

    @staticmethod
    def forward(ctx, k):
        scaled = torch.special.i0e(k)
        ctx.save_for_backward(torch.special.i1e(k) / scaled)
        return scaled.log()

    @staticmethod
    def backward(ctx, gradient):
        (ratio,) = ctx.saved_tensors
        return gradient * (ratio - 1)


class VonMisesMixture(Angle):
    """A mixture of `n_components` von Mises densities, p = sum_k w_k exp[a_k cos theta + b_k sin theta] / Z_k.

    Parameters: the fields a_1 ... a_K, then b_1 ... b_K, then unnormalised log weights.
    Sampling: rejection from a wrapped Cauchy density (Best and Fisher's method), in double precision.
    """

    def __init__(self, n_components=1):
        if n_components < 1:
            raise ValueError(f"n_components = {n_components}: a mixture needs at least one component")
        self.n_components = n_components
        self.n_parameters = 3 * n_components

    def log_prob(self, parameters, values):
        a, b, log_weight = parameters.chunk(3, -1)
        # a field of exactly zero has no direction; the floor keeps the square root differentiable there
        k = (a * a + b * b).clamp(min=1e-20).sqrt()
        exponent = a * values.cos()[..., None] + b * values.sin()[..., None] - k
        terms = torch.log_softmax(log_weight, -1) + exponent - _LogBessel.apply(k)
        return torch.logsumexp(terms, -1) - math.log(TWO_PI)

    def sample(self, parameters, generator):
        a, b, log_weight = parameters.double().chunk(3, -1)
        chosen = pick(log_weight, generator)
        a, b = (x.gather(-1, chosen).reshape(-1) for x in (a, b))
        angle = torch.atan2(b, a) + _von_mises(torch.hypot(a, b), generator)
        return (angle % TWO_PI).reshape(parameters.shape[:-1]).to(parameters.dtype)


def _von_mises(k, generator):
    """Angles [m] from densities exp(k cos) around 0, k float64 [m]."""
    k = k.clamp(min=1e-6)  # below, the density is flat to 1e-6
    s = 1 + (1 + 4 * k * k).sqrt()
    rho = (s - (2 * s).sqrt()) / (2 * k)
    r = (1 + rho * rho) / (2 * rho)
    result, left = torch.empty_like(k), torch.arange(len(k))
    while len(left):
        u = torch.rand(3, len(left), generator=generator, dtype=k.dtype)
        z = torch.cos(math.pi * u[0])
        f = (1 + r * z) / (r + z)
        c = k * (r - f)
        accepted = (c * (2 - c) > u[1]) | ((c / u[1]).log() + 1 >= c)
        result[left[accepted]] = (torch.sign(u[2] - 0.5) * torch.acos(f.clamp(-1, 1)))[accepted]
        left, k, r = left[~accepted], k[~accepted], r[~accepted]
    return result


class _LogOfSeries(torch.autograd.Function):
    """ln p [n] of waves w [n, 2 M] with parameters h [n, 2 M]: h . w - ln sum_grid exp(h . grid) - ln(2 pi / points).

    An exponential family: the gradient is w minus its mean, a sum over the grid [points, 2 M] as well.
    """

    @staticmethod
    def forward(ctx, parameters, waves, grid):
        on_grid = parameters @ grid.T
        largest = on_grid.amax(-1, keepdim=True)
        weights = on_grid.sub_(largest).exp_()
        total = weights.sum(-1, keepdim=True)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(torch.sub(waves, (weights @ grid).div_(total)))
        return (parameters * waves).sum(-1) - (largest + total.log())[..., 0] - math.log(TWO_PI / len(grid))

    @staticmethod
    def backward(ctx, gradient):
        (difference,) = ctx.saved_tensors
        return gradient[..., None] * difference, None, None


class FourierDensity(Angle):
    """The exponential of a Fourier series, ln p = sum_{m=1}^{M} [a_m cos m theta + b_m sin m theta] - ln Z.

    Parameters: a_1 ... a_M, b_1 ... b_M. Z is a trapezoid sum over a grid of angles, exact to rounding for a smooth
    periodic integrand that the grid resolves; in double precision, where rounding is finer, over three times as many.
    Sampling is rejection from such a grid: between two grid angles ln p exceeds the larger of its end values by at
    most h^2 / 8 times the largest |second derivative|, sum_m m^2 |(a_m, b_m)|.
    harmonics: M.
    points: of the grid.
    """

    def __init__(self, harmonics=3, points=32):
        if harmonics < 1 or points < 4 * harmonics:
            raise ValueError(f"harmonics = {harmonics}, points = {points}: give at least 1, and 4 points for each")
        self.harmonics, self.points = harmonics, points
        self.n_parameters = 2 * harmonics

    def waves(self, values):
        """cos m theta (m = 1 ... M), then sin m theta, [..., 2 M]."""
        order = torch.arange(1, self.harmonics + 1, dtype=values.dtype)
        phase = values[..., None] * order
        return torch.cat([phase.cos(), phase.sin()], -1)

    def _grid(self, points, kind):
        """Waves at `points` angles, [points, 2 M] in the dtype `kind`."""
        return self.waves(TWO_PI * torch.arange(points, dtype=kind) / points)

    def log_prob(self, parameters, values):
        points = 3 * self.points if parameters.dtype == torch.float64 else self.points
        waves = self.waves(values)
        parameters, waves = torch.broadcast_tensors(parameters, waves)
        return _LogOfSeries.apply(parameters, waves, self._grid(points, parameters.dtype))

    def sample(self, parameters, generator):
        shape, flat = parameters.shape[:-1], parameters.double().reshape(-1, self.n_parameters)
        cells = 2 * self.points
        step = TWO_PI / cells
        ends = flat @ self._grid(cells, flat.dtype).T
        order = torch.arange(1, self.harmonics + 1, dtype=flat.dtype)
        bend = (torch.hypot(*flat.chunk(2, -1)) * order**2).sum(-1, keepdim=True) * step**2 / 8
        bound = torch.maximum(ends, ends.roll(-1, -1)) + bend
        below = torch.cumsum((bound - bound.amax(-1, keepdim=True)).exp_(), -1)  # of every cell and those before it
        result, left = torch.empty(len(flat), dtype=flat.dtype), torch.arange(len(flat))
        while len(left):
            u = torch.rand(3, len(left), generator=generator, dtype=flat.dtype)
            here = below[left]
            cell = torch.searchsorted(here, u[2, :, None] * here[:, -1:], right=True).clamp_(max=cells - 1)
            angle = (cell[:, 0] + u[0]) * step
            excess = (flat[left] * self.waves(angle)).sum(-1) - bound[left].gather(1, cell)[:, 0]
            accepted = u[1].log() < excess
            result[left[accepted]] = angle[accepted]
            left = left[~accepted]
        return result.clamp(max=TWO_PI).reshape(shape).to(parameters.dtype)
