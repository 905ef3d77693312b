r"""What networks of angles say that never saw a configuration: thermodynamics and the transition, beside Monte Carlo.

The networks of `xy_ladder`, one at each temperature. With weights w = exp(-E / T) / q their draws give averages of the
true distribution, up to a bias of one over the number of draws, and ln Z = ln <w>; without weights they give what the
network itself believes. Independent of both are direct Monte Carlo and ln Z by thermodynamic integration.

A chi2 here is a sum of squared differences over squared errors. Integrals of several temperatures share what lies above
them: Cov(ln Z_i, ln Z_j) is the variance at the higher of both temperatures, and chi2 uses the inverse of the matrix.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from lib.analysis import bkt, finite_size, reweighting
from lib.analysis.reweighting import XY, Curves, effective_sample_size, reweight
from lib.statistics import Estimate, over_networks
from lib.studies.variational import log_z_from_weights, plain_divergence
from lib.studies.xy_temperature import Agreement, helicity_near
from lib.systems import xy

ENOUGH = 0.1  # effective samples per draw, below which the error of a weighted average is not to be trusted


# ---------------------------------------------------------------- one network


def averages(draws, weighted=True):
    """`Reweighted` of E / N, the helicity modulus and the vortices per site, [3], of `xy_ladder.AngleDraws`.

    weighted: with weights p / q, or as the network draws them.
    """
    observables = np.stack([draws.energy, draws.current_squared, draws.vortices], axis=1)
    log_weights = draws.log_weights if weighted else np.zeros(len(draws.energy))

    def quantities(means):
        E, current_squared, v = means
        return np.array([E / draws.L**2, xy.helicity_modulus(E, current_squared, draws.T, draws.L**2), v])

    return reweight(observables, log_weights, quantities)


def curves(rungs, weighted=True):
    """`Curves` of one network, from its `Rung`s; ess is that of the weights in any case."""
    each = [averages(rung.draws, weighted)._replace(ess=rung.draws.ess) for rung in rungs]
    log_z = [log_z_from_weights(rung.draws).value for rung in rungs]
    return Curves.of(XY, [rung.draws.T for rung in rungs], each, log_z)


# ---------------------------------------------------------------- several networks


def together(group, weighted=True):
    """`Curves` over networks, from a list of lists of `Rung`s. Those with few effective samples enter as they are."""
    return reweighting.average([curves(rungs, weighted) for rungs in group])


def smallest_ess(group):
    """Effective samples per draw [t], the smallest over the networks."""
    return np.min([[rung.draws.ess for rung in rungs] for rungs in group], axis=0)


def log_z(group):
    """`Estimate` [t] of ln Z from the weights, over networks."""
    each = [[log_z_from_weights(rung.draws) for rung in rungs] for rungs in group]
    return _over(each)


def free_energy_gap(group, reference):
    """`Estimate` [t] of (F_q - F) / N, over networks. reference: list of `LogPartition` at the same temperatures."""
    rows = []
    for rungs in group:
        divergence = [plain_divergence(rung.draws, known.value) for rung, known in zip(rungs, reference, strict=True)]
        scale = [rung.draws.T / rung.draws.L**2 for rung in rungs]
        rows.append([Estimate(s * d.value, s * d.error) for s, d in zip(scale, divergence, strict=True)])
    shared = [known.T / rung.draws.L**2 * known.error for rung, known in zip(group[0], reference, strict=True)]
    return _over(rows, np.array(shared))


def _over(rows, shared=0.0):
    """`over_networks` of rows [m][t] of `Estimate`s."""
    found = np.array(rows)  # [m, t, 2]
    return over_networks(found[..., 0], found[..., 1], shared=shared)


# ---------------------------------------------------------------- against what is known


def log_z_agreement(found, reference):
    """`Agreement` of ln Z [t], an `Estimate`, with a list of `LogPartition` at the same temperatures."""
    T, value, error = np.array(reference).T
    # of two temperatures the higher one comes first on the way of the integral; what came by then is in both
    shared = np.where(T > T[:, None], error**2, error[:, None] ** 2)
    covariance = shared + np.diag(np.asarray(found.error) ** 2)
    off = found.value - value
    chi2 = float(off @ np.linalg.solve(covariance, off))
    return Agreement(chi2, len(T), float(stats.chi2.sf(chi2, len(T))))


def each_agreement(group, truth, name, weighted=True, keep=True):
    """`Agreement` of every network by itself, with its own jackknife error, at every temperature.

    truth: `Curves` at the same temperatures. keep: bool [t].
    """
    pulls = []
    for rungs in group:
        found = curves(rungs, weighted)
        error = np.hypot(found.errors[name], truth.errors[name])
        kept = np.broadcast_to(keep, error.shape)  # where nothing was counted, an error may be zero
        pulls.append((found.values[name] - truth.values[name])[kept] / error[kept])
    chi2, dof = float(np.sum(np.square(pulls))), int(np.size(pulls))
    return Agreement(chi2, dof, float(stats.chi2.sf(chi2, dof)))


def crossing(group, window, weighted=True):
    """`Estimate` over networks of where Y falls through 2 T / pi, from the temperatures of the window [t]."""
    each = [curves([rung for rung in rungs if np.isin(rung.draws.T, window)], weighted) for rungs in group]
    return _crossing((one.T, one.values["helicity"], one.errors["helicity"]) for one in each)


def _crossing(each):
    """The same from (T, Y, errors) of every network."""
    found = [bkt.crossing(T, Y, errors) for T, Y, errors in each]
    return over_networks(*zip(*found, strict=True))


def transition(curves, window):
    """`finite_size.KosterlitzThouless` from a dict L -> `Curves`, at the temperatures of the window [t].

    NaN from fewer than three lattices, and where the fit has no minimum within the window.
    """
    nothing = finite_size.KosterlitzThouless(*[np.nan] * len(finite_size.KosterlitzThouless._fields))
    if len(curves) < 3:
        return nothing
    values, errors = helicity_near(curves, window)
    T = next(iter(curves.values())).T
    try:
        return finite_size.kosterlitz_thouless(T[np.isin(T, window)], values, errors)
    except (ValueError, np.linalg.LinAlgError):
        return nothing


# ---------------------------------------------------------------- along the way


class LearningCurve(NamedTuple):
    """Steps and D(q || p) in nats, at the temperature in force, averaged over a few steps each, [w]."""

    step: np.ndarray
    divergence: np.ndarray


def learning_curves(rungs, reference, width=10):
    """A `LearningCurve` at each temperature, from the batches at its full beta. width: steps averaged over.

    reference: list of `LogPartition` at the same temperatures.
    """
    found = []
    for rung, known in zip(rungs, reference, strict=True):
        reached = np.isclose(rung.beta, 1 / known.T)
        divergence = rung.beta_f[reached] + known.value
        step = rung.first_step + 1 + np.flatnonzero(reached)
        parts = np.array_split(np.arange(len(step)), max(1, len(step) // width))
        found.append(LearningCurve(*(np.array([each[part].mean() for part in parts]) for each in (step, divergence))))
    return found


def reach(draws, temperatures):
    """Effective samples per draw [t] of the draws of one network with the weights of other temperatures."""
    return np.array([effective_sample_size(draws._replace(T=T).log_weights) for T in temperatures])


# ---------------------------------------------------------------- the network of the paper

CAN_SIDE = 16  # of the lattice of the table


class TableCurves(NamedTuple):
    """What the table of `data/variational_can.py` says at each temperature [t], over its seeds.

    steps, cpu_seconds: of one ladder down to there, cpu_seconds a mean over the seeds.
    free_energy, energy, helicity: F_q / N, E / N and Y as the networks draw them, `Estimate`s [t] over networks.
    ess: effective samples per draw, the largest of the seeds.
    each: Y of every seed with its error, two arrays [m, t].
    """

    T: np.ndarray
    steps: np.ndarray
    cpu_seconds: np.ndarray
    free_energy: Estimate
    energy: Estimate
    helicity: Estimate
    ess: np.ndarray
    each: tuple

    def gap(self, reference):
        """(F_q - F) / N, an `Estimate` [t]; reference: list of `LogPartition` at the same temperatures."""
        _, log_z, error = np.array(reference).T
        scale = self.T / CAN_SIDE**2
        return Estimate(self.free_energy.value + scale * log_z, np.hypot(self.free_energy.error, scale * error))

    def crossing(self, window):
        """`Estimate` over networks of where Y falls through 2 T / pi, at the temperatures of the window."""
        near = np.isin(self.T, window)
        return _crossing((self.T[near], Y[near], errors[near]) for Y, errors in zip(*self.each, strict=True))


def read_can(file):
    """`TableCurves` of the ladders in the table."""
    table = np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf-8")
    table = table[table["kind"] == "ladder"]
    seeds = np.unique(table["seed"])
    T = table["T"][table["seed"] == seeds[0]]

    def rows(name):
        return np.array([table[name][table["seed"] == seed] for seed in seeds])  # [m, t]

    of = {name: (rows(name), rows(f"{name}_error")) for name in ("free_energy", "energy", "helicity")}
    together = {name: over_networks(*pair) for name, pair in of.items()}
    once = {"T": T, "steps": rows("steps")[0], "cpu_seconds": rows("cpu_seconds").mean(axis=0)}
    return TableCurves(**once, **together, ess=rows("ess").max(axis=0), each=of["helicity"])
