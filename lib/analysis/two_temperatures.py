r"""The action at a third temperature from those at two (arXiv:2405.10493).

With N sites at every beta, S(beta) = K / beta + beta V, where K and V do not depend on beta. Two actions give both,

    V = (beta_1 S_1 - beta_2 S_2) / (beta_1^2 - beta_2^2),
    K = (S_1 / beta_1 - S_2 / beta_2) / (beta_1^-2 - beta_2^-2),

and any other action: S_3 = c_1 S_1 + c_2 S_2 + constant. Independent errors of the two of equal size are multiplied by
sqrt(c_1^2 + c_2^2): below 1 between the two temperatures, quickly growing outside.

Where K and V are known apart, one temperature is enough: couplings that were read at beta_1 are rescaled (`rescaled`).
"""

import numpy as np

from lib.systems.double_well import Couplings


def coefficients(beta_1, beta_2, beta_3):
    """c_1, c_2 of S_3 = c_1 S_1 + c_2 S_2 + constant, for three different beta.

    ValueError unless the three are positive and different.
    """
    for name, beta in (("beta_1", beta_1), ("beta_2", beta_2), ("beta_3", beta_3)):
        if not (beta > 0 and np.isfinite(beta)):
            raise ValueError(f"{name} = {beta}: an inverse temperature must be positive")
    if beta_1 == beta_2:
        raise ValueError(f"beta_1 = beta_2 = {beta_1}: two different temperatures are needed to separate K from V")
    if beta_3 in (beta_1, beta_2):
        raise ValueError(f"beta_3 = {beta_3} is one of the two that were learned: there is nothing to predict")
    return unchecked(beta_1, beta_2, beta_3)


def unchecked(beta_1, beta_2, beta_3):
    """The coefficients without the checks; (1, 0) and (0, 1) at the two ends."""
    difference = beta_1**2 - beta_2**2
    c_1 = beta_1 * (beta_3**2 - beta_2**2) / (beta_3 * difference)
    c_2 = beta_2 * (beta_1**2 - beta_3**2) / (beta_3 * difference)
    return c_1, c_2


def error_factor(beta_1, beta_2, beta_3):
    """sqrt(c_1^2 + c_2^2): by how much independent errors of equal size in S_1 and S_2 grow in S_3."""
    return float(np.hypot(*coefficients(beta_1, beta_2, beta_3)))


def separate(action_1, action_2, beta_1, beta_2):
    """K and V, each up to a constant, from two actions [...] of the same paths."""
    K = (action_1 / beta_1 - action_2 / beta_2) / (beta_1**-2 - beta_2**-2)
    V = (beta_1 * action_1 - beta_2 * action_2) / (beta_1**2 - beta_2**2)
    return K, V


def combined(couplings_1, couplings_2, beta_1, beta_2, beta_3):
    """The `Couplings` of S_3 from those of S_1 and S_2 (constant 0)."""
    c_1, c_2 = unchecked(beta_1, beta_2, beta_3)
    values = c_1 * np.array(couplings_1[:3]) + c_2 * np.array(couplings_2[:3])
    return Couplings(*(float(value) for value in values))


def rescaled(couplings, beta_1, beta_3):
    """The `Couplings` at beta_3 from those at beta_1 alone: the kinetic one is K / beta, the others are beta V."""
    ratio = beta_3 / beta_1
    return Couplings(couplings.kinetic / ratio, couplings.quadratic * ratio, couplings.quartic * ratio)
