"""What every value head of an angle in [0, 2 pi) shares: range, cos and sin as features, quadrature on the circle."""

import math

import torch

from lib.models.heads import Head, _refuse

TWO_PI = 2 * math.pi


class Angle(Head):
    """A density of an angle in [0, 2 pi), with respect to dtheta; it enters a trunk as (cos, sin)."""

    n_features = 2

    def check(self, values):
        _refuse(values, ~((values >= 0) & (values <= TWO_PI)), "angles must be in [0, 2 pi)")

    def encode(self, values):
        return torch.stack([values.cos(), values.sin()], -1)

    def site_rule(self, points=81):
        """Trapezoid rule on the circle: exact to rounding for smooth periodic functions."""
        values = TWO_PI * torch.arange(points, dtype=torch.float64) / points
        return values, torch.full_like(values, TWO_PI / points)
