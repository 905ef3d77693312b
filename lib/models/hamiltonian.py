r"""The learned Hamiltonian: H_theta(s) = -T0 ln p_theta(s), the talk's central equation.

For an exact model H_theta = H + T0 ln Z(T0): the Hamiltonian up to a constant. At another temperature T the learned
distribution is p_theta(s; T) ~ exp(-H_theta(s) / T) = p_theta(s)^(T0 / T) (arXiv:2007.01037, abstract).

Averaging p over images of s under a symmetry group, p_sym(s) = (1/|G|) sum_g p_theta(g s), gives another normalised
distribution, exactly symmetric, and never a worse one: by convexity KL(p || p_sym) <= KL(p || p_theta) when p itself
is symmetric.
"""

import numpy as np

from lib.models.autoregressive import log_prob_in_batches


class LearnedHamiltonian:
    """H_theta = -T0 ln p of a trained autoregressive network `model`, at the temperature `T0` of its training data.

    images: None, or a list of functions configurations -> configurations that together form a group; p is then
    averaged over them. view: None, or a function from the configurations given to those the model was trained on, for
    example to block spins. Energies are in the units of T0 and of the whole lattice.
    """

    def __init__(self, model, T0, images=None, view=None):
        if not T0 > 0:
            raise ValueError(f"T0 = {T0}: the temperature of the training data must be positive")
        self.model, self.T0, self.images, self.view = model, float(T0), images, view

    def log_prob(self, configurations):
        """ln p(s) at T0 of configurations [n, ...] as float64 [n]."""
        if self.view is not None:
            configurations = self.view(configurations)
        if self.images is None:
            return log_prob_in_batches(self.model, configurations)
        each = np.stack([log_prob_in_batches(self.model, image(configurations)) for image in self.images])
        return np.logaddexp.reduce(each, axis=0) - np.log(len(each))

    def energy(self, configurations):
        """H_theta(s) of configurations [n, ...] as float64 [n]."""
        return -self.T0 * self.log_prob(configurations)
