r"""Von Mises mixtures: the conditional of an angle, without a seam at 0 = 2 pi.

    p(theta) = sum_k w_k exp[a_k cos theta + b_k sin theta] / (2 pi I_0(|(a_k, b_k)|)).

One component is the exact conditional of an XY spin in a field (a, b): what the neighbours already drawn exert on it. A
global rotation of all angles turns the fields; the weights stay. In comparison a Beta density in theta / 2 pi
(`heads.BetaMixture`, the talk's choice) has a seam at 0 = 2 pi and knows no rotations.

Sampling: rejection from a wrapped Cauchy density (Best and Fisher's method), in double precision.
"""

import math

import torch

from lib.models.angles import TWO_PI, Angle


class _LogBessel(torch.autograd.Function):
    """ln I_0(k) - k for k = sqrt(k2), as a function of k2; smooth at 0, where its slope is that of k2 / 4 - k."""

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
    """An angle in [0, 2 pi) as a mixture of `n_components` von Mises densities, with respect to dtheta.

    Parameters: the fields a_1 ... a_K, then b_1 ... b_K, then unnormalised log weights. Features: cos, sin.
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
        flat = torch.softmax(log_weight, -1).reshape(-1, self.n_components)
        pick = torch.multinomial(flat, 1, generator=generator)
        a, b = (x.reshape(-1, self.n_components).gather(-1, pick)[:, 0] for x in (a, b))
        angle = torch.atan2(b, a) + _von_mises(torch.hypot(a, b), generator)
        return (angle % TWO_PI).reshape(parameters.shape[:-1]).to(parameters.dtype)


def _von_mises(k, generator):
    """Angles [m] from densities exp(k cos) around 0, k float64 [m]."""
    k = k.clamp(min=1e-6)  # below, the density is flat to 1e-6
    s = 1 + (1 + 4 * k * k).sqrt()
    rho = (s - (2 * s).sqrt()) / (2 * k)
    r = (1 + rho * rho) / (2 * rho)
    result, left = torch.empty_like(k), torch.arange(len(k), device=k.device)
    while len(left):
        u = torch.rand(3, len(left), generator=generator, dtype=k.dtype, device=k.device)
        z = torch.cos(math.pi * u[0])
        f = (1 + r * z) / (r + z)
        c = k * (r - f)
        accepted = (c * (2 - c) > u[1]) | ((c / u[1]).log() + 1 >= c)
        result[left[accepted]] = (torch.sign(u[2] - 0.5) * torch.acos(f.clamp(-1, 1)))[accepted]
        left, k, r = left[~accepted], k[~accepted], r[~accepted]
    return result
