r"""Value heads: what one conditional p(s_i | s_<i) looks like.

A trunk turns the sites already drawn into `n_parameters` numbers for site i; the head turns these numbers into a
normalised distribution of s_i.

    discrete    Bernoulli, Categorical, SymmetricCategorical      spins and block spins
    angle       VonMisesMixture, FourierDensity                   angles, without a seam at 0 = 2 pi
    real        Gaussian, GaussianMixture, LogPolynomial          fields and paths
                BetaMixture, BetaOnInterval                       values in (0, 1), in (-bound, bound)

The talk uses Bernoulli for spins, and Beta for angles, s_i = theta_i / 2 pi.
"""

from abc import ABC, abstractmethod

import torch


class Head(ABC):
    """One conditional distribution. All methods are vectorised over leading axes.

    n_parameters: numbers that fix it. n_features: numbers as which a value enters a trunk.
    n_even: where a global flip of all values is a symmetry, the features are odd under `flip`, the last n_even of the
    parameters even, the others odd.
    """

    n_parameters: int
    n_features: int
    n_even = 0

    @abstractmethod
    def check(self, values):
        """Raise ValueError, naming the first offending value, unless all `values` are in the range of the head."""

    @abstractmethod
    def encode(self, values):
        """values [...] -> features [..., n_features] in the dtype of `values`."""

    @abstractmethod
    def log_prob(self, parameters, values):
        """parameters [..., n_parameters], values [...] -> log probability (density) [...]."""

    def flip(self, values):
        """The values [...] after a global flip, s -> -s unless a head says otherwise."""
        return -values

    @abstractmethod
    def sample(self, parameters, generator):
        """parameters [..., n_parameters] -> values [...] drawn with a torch.Generator."""

    def site_rule(self, points):
        """Values of a site and weights, float64: sum(weights * f(values)) is the sum, or integral, of f over it."""
        raise ValueError(f"{type(self).__name__} needs a method site_rule(points) -> values of a site, weights")


def refuse(values, wrong, remedy):
    """ValueError that names the first of the `values` marked in `wrong`, if there is one."""
    if bool(wrong.any()):
        raise ValueError(f"a configuration holds the value {values[wrong][0].item()}: {remedy}")


def pick(log_weight, generator):
    """The number of a component of a mixture, [..., 1], drawn with unnormalised log weights [..., K]."""
    flat = torch.softmax(log_weight, -1).reshape(-1, log_weight.shape[-1])
    return torch.multinomial(flat, 1, generator=generator).reshape(*log_weight.shape[:-1], 1)
