"""Beta densities of equal weight, as in the code of Chin. Phys. Lett. 39, 120502 (github.com/Anguswlx/CAN2XY)."""

import torch

from lib.models.heads.real import BetaMixture


class EqualBetas(BetaMixture):
    """A value in (0, 1) as the mean of `n_components` Beta(a, b) densities.

    Parameters per component: the pre-images of a and b under softplus. Without random weights in the layers before, all
    components would stay the same.
    """

    def __init__(self, n_components=3):
        super().__init__(n_components)
        self.n_parameters = 2 * n_components

    def _components(self, parameters):
        a, b = parameters.chunk(2, -1)
        return super()._components(torch.cat([torch.zeros_like(a), a, b], -1))
