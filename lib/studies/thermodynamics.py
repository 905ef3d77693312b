"""The quantum thermodynamics of the double well from actions that were read: two routes to another temperature."""

import numpy as np

from lib.analysis import quantum_thermodynamics, two_temperatures
from lib.analysis.quantum_thermodynamics import Thermodynamics
from lib.statistics import over_networks
from lib.studies.prediction import Pair
from lib.systems import double_well


def at_fixed_spacing(couplings, spacing, betas):
    """`Thermodynamics` at betas [t] by locality: the same couplings, beta / spacing sites."""
    return quantum_thermodynamics.of_levels(quantum_thermodynamics.levels(couplings, spacing), betas)


def at_fixed_sites(couplings, beta, n_sites, betas):
    """`Thermodynamics` at betas [t] by the law, from couplings read at beta: n_sites sites, spacing beta / n_sites.

    Every temperature has a lattice of its own, and the levels of that lattice.
    """
    found = []
    for target in betas:
        there = two_temperatures.rescaled(couplings, beta, target)
        found.append(at_fixed_spacing(there, target / n_sites, [target]))
    return Thermodynamics(*(np.concatenate(each) for each in zip(*found, strict=True)))


def by_law(first, second, n_sites, betas):
    """The same from networks of two beta, `reading.ReadAction` [m] each: dict name -> `Estimate` [t] over pairs."""
    pair, found = Pair(first, second), []
    for target in betas:
        each = [at_fixed_spacing(couplings, target / n_sites, [target]) for couplings in pair.couplings(target)]
        found.append(np.array(each)[:, :, 0])
    values = np.moveaxis(np.array(found), 0, 2)  # [m, 3, t]
    return {name: over_networks(values[:, k]) for k, name in enumerate(Thermodynamics._fields)}


def by_locality(read, spacing, betas):
    """The same from networks of one lattice, `reading.ReadAction` [m], at fixed spacing."""
    values = np.array([at_fixed_spacing(one.couplings(), spacing, betas) for one in read])
    return {name: over_networks(values[:, k]) for k, name in enumerate(Thermodynamics._fields)}


def kink_path(beta, n_sites, separation):
    """A classical kink and antikink this far apart in imaginary time, on a circle in the lower well otherwise: [N]."""
    tau = (np.arange(n_sites) + 0.5) * beta / n_sites - beta / 2
    up, down = (double_well.kink_profile(tau + shift) for shift in (separation / 2, -separation / 2))
    return up - down - double_well.WELL


def pair_action(action, beta, n_sites, separations):
    """What a kink and an antikink cost, [k], at k separations. action: function of paths [n, N] -> [n]."""
    paths = np.stack([kink_path(beta, n_sites, distance) for distance in (0.0, *separations)])
    cost = action(paths)
    return cost[1:] - cost[0]


def instanton_action(action, beta, n_sites):
    """The action of one kink: half that of a pair on opposite sides of the circle."""
    return float(pair_action(action, beta, n_sites, [beta / 2])[0] / 2)


CONTINUUM_INSTANTON = 2 * np.sqrt(2) / 3 * double_well.MU_SQUARED**1.5 / double_well.LAMBDA


def to_the_continuum(spacings, values):
    """The limit a -> 0 of values [..., k] at k spacings, by a polynomial in a^2 through all of them: [...]."""
    powers = np.asarray(spacings)[:, None] ** (2 * np.arange(len(spacings)))
    return np.linalg.inv(powers)[0] @ np.moveaxis(np.asarray(values), -1, 0)
