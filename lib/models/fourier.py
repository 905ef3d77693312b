r"""The density of an angle as the exponential of a short Fourier series.

    ln p(theta) = sum_{m=1}^{M} [a_m cos m theta + b_m sin m theta] - ln Z,     Z = int dtheta exp(...).

One harmonic is the von Mises density. What an XY spin feels from the spins not drawn yet is a message with higher
harmonics (a single spin in between contributes ln I_0(beta |e_1 + e_2|)), and they decide how unlikely the unlikely
angles are: a mixture of von Mises densities gets the bulk right and the tails, where vortices come from, wrong.

Z is a trapezoid sum over `points` angles, exact to rounding for a smooth periodic integrand that the grid resolves; in
double precision, where rounding is finer, over three times as many.
Sampling is rejection from the same grid: between two grid angles ln p exceeds the larger of its end values by at most
h^2 / 8 times the largest |second derivative|, sum_m m^2 |(a_m, b_m)|.
"""

import math

import torch

from lib.models.angles import TWO_PI, Angle


class _LogProb(torch.autograd.Function):
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
    """An angle in [0, 2 pi) with `harmonics` harmonics, density with respect to dtheta.

    Parameters: a_1 ... a_M, b_1 ... b_M. Features: cos, sin.
    """

    def __init__(self, harmonics=3, points=32):
        if harmonics < 1 or points < 4 * harmonics:
            raise ValueError(
                f"harmonics = {harmonics}, points = {points}: at least 1, and 4 points for each, are needed"
            )
        self.harmonics, self.points = harmonics, points
        self.n_parameters = 2 * harmonics

    def waves(self, values):
        """cos m theta (m = 1 ... M), then sin m theta, [..., 2 M]."""
        order = torch.arange(1, self.harmonics + 1, dtype=values.dtype, device=values.device)
        phase = values[..., None] * order
        return torch.cat([phase.cos(), phase.sin()], -1)

    def _grid(self, points, kind):
        """Waves at `points` angles, [points, 2 M] in the dtype `kind`."""
        return self.waves(TWO_PI * torch.arange(points, dtype=kind) / points)

    def log_prob(self, parameters, values):
        points = 3 * self.points if parameters.dtype == torch.float64 else self.points
        waves = self.waves(values)
        parameters, waves = torch.broadcast_tensors(parameters, waves)
        return _LogProb.apply(parameters, waves, self._grid(points, parameters.dtype))

    def sample(self, parameters, generator):
        shape, flat = parameters.shape[:-1], parameters.double().reshape(-1, self.n_parameters)
        cells = 2 * self.points
        step = TWO_PI / cells
        ends = flat @ self._grid(cells, flat.dtype).T
        order = torch.arange(1, self.harmonics + 1, dtype=flat.dtype, device=flat.device)
        bend = (torch.hypot(*flat.chunk(2, -1)) * order**2).sum(-1, keepdim=True) * step**2 / 8
        bound = torch.maximum(ends, ends.roll(-1, -1)) + bend
        below = torch.cumsum((bound - bound.amax(-1, keepdim=True)).exp_(), -1)  # of every cell and those before it
        result, left = torch.empty(len(flat), dtype=flat.dtype, device=flat.device), torch.arange(len(flat))
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
