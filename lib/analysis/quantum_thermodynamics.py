r"""Energy, entropy and specific heat of a quantum particle from the levels of its transfer matrix.

On a lattice of spacing a in imaginary time the transfer matrix is exp(-a H), up to a factor: its eigenvalues tau_k give
the levels E_k - E_0 = -ln(tau_k / tau_0) / a, and they know nothing of the number of sites. That number is the inverse
temperature, beta = N a. So an action read at one temperature gives all of them, p_k ~ exp(-beta E_k):

    E = sum p_k E_k,    entropy = -sum p_k ln p_k,    C = dE/dT = beta^2 (<E^2> - <E>^2),

with k_B = 1 and E measured from the ground state. Two levels a distance D apart show the anomaly of Schottky,
C = (beta D / 2)^2 / cosh^2(beta D / 2), with a maximum 0.439 at beta D = 2.40.
"""

from typing import NamedTuple

import numpy as np

from lib.systems.double_well import TransferMatrix

MANY = 40  # levels; those of the double well far above any temperature of the book


class Thermodynamics(NamedTuple):
    """energy, entropy, specific_heat: at every beta, [t] each; the energy is that above the ground state."""

    energy: np.ndarray
    entropy: np.ndarray
    specific_heat: np.ndarray


def levels(couplings, spacing):
    """E_k - E_0 [k], ascending, of an action on a lattice of this spacing."""
    ratios = TransferMatrix(couplings, 2).ratios[:MANY]
    return -np.log(ratios[ratios > 1e-12]) / spacing


def of_levels(energies, betas):
    """`Thermodynamics` of levels [k] at betas [t]."""
    exponent = -np.asarray(betas, float)[:, None] * (energies - np.min(energies))
    p = np.exp(exponent - np.logaddexp.reduce(exponent, axis=1)[:, None])
    mean, square = p @ energies, p @ energies**2
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    return Thermodynamics(mean - np.min(energies), entropy, np.asarray(betas) ** 2 * (square - mean**2))
