r"""The learned Hamiltonian of angles, H_theta = -T0 ln p_theta, whatever the network sees of them.

A Beta head sees s = theta / 2 pi, a head of angles the angles. ln p is always a density with respect to dtheta:
ln p(theta) = ln p(s) - N ln 2 pi.
"""

import copy

import numpy as np

from lib.models.hamiltonian import LearnedHamiltonian
from lib.systems import xy


def as_fraction(theta):
    """What a Beta head sees of angles: theta / 2 pi, float32, strictly inside (0, 1)."""
    tiny = np.finfo(np.float32).eps
    return np.clip(theta / xy.TWO_PI, tiny, 1 - tiny).astype(np.float32)


def as_angle(theta):
    """What a head of angles sees of them: themselves, in float32."""
    return theta.astype(np.float32)


class LearnedXY(LearnedHamiltonian):
    """`LearnedHamiltonian` of angles [n, L, L], with `view` one of the two functions above, or None for float64."""

    def log_prob(self, configurations):
        n_sites = configurations.shape[-1] * configurations.shape[-2]
        measure = n_sites * np.log(xy.TWO_PI) if self.view is as_fraction else 0.0
        return super().log_prob(configurations) - measure

    def sample(self, n, seed):
        """n configurations drawn from the network, angles float64 [n, L, L], and their ln p [n]."""
        values, _ = self.model.sample(n, seed)
        theta = values.double().numpy() * (xy.TWO_PI if self.view is as_fraction else 1.0)
        return theta, self.log_prob(theta)

    def in_double_precision(self):
        """The same Hamiltonian evaluated in float64."""
        view = self.view if self.view is as_fraction else None
        return LearnedXY(copy.deepcopy(self.model).double(), self.T0, self.images, view)
