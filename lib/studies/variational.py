r"""Networks trained on the energy alone: free energies, averages with weights p / q, and what went wrong.

A network q gives draws and their ln q. With w = exp(-beta E) / q,

    F_q = < E + T ln q >_q >= F,      D(q || p) = < ln q - ln p >_q = beta (F_q - F),
    ln Z = ln < w >_q,                < O >_p = < O w >_q / < w >_q,

and the effective sample size (sum w)^2 / sum w^2 says how many of the n draws count. It is blind to what q never draws:
if q = p / p(S) on a part S of the configurations and 0 elsewhere, all weights are equal, the effective sample size
is n, and D(q || p) = -ln p(S). Only an independent F shows it.

Trainings are tasks (`task.py`) with `without_data`. Densities of angles are with respect to d theta / 2 pi for every
site, so that ln Z goes to 0 at high temperature; with respect to d theta, ln Z has N ln 2 pi more.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats

from lib import lattice, parallel
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare
from lib.analysis.reweighting import effective_sample_size, log_mean_weight, reweight
from lib.models.fit import FitResult
from lib.models.fit_variational import VariationalResult
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, mean, over_networks
from lib.studies.sources import Spins
from lib.studies.task import Learned, Task, learn_all
from lib.systems import ising


class Draws(NamedTuple):
    """n independent configurations of a network: ln q, with respect to d theta / 2 pi for angles, and E, both [n]."""

    configurations: np.ndarray
    log_q: np.ndarray
    energy: np.ndarray
    T: float

    @property
    def log_weights(self):
        """ln w = -E / T - ln q, [n]."""
        return -self.energy / self.T - self.log_q

    @property
    def ess(self):
        """Effective sample size / n of these weights."""
        return effective_sample_size(self.log_weights)

    def first(self, n):
        """The first n of them."""
        return Draws(self.configurations[:n], self.log_q[:n], self.energy[:n], self.T)


class LearnedDraws(NamedTuple):
    """A network that was learned, and its `Draws`. cpu_seconds: of the training."""

    task: Task
    model: torch.nn.Module
    result: VariationalResult | FitResult
    draws: Draws
    cpu_seconds: float


def draw_from(learned: Learned, n: int) -> LearnedDraws:
    """n draws of a network. Deterministic, and with other random numbers than the training's."""
    task, recipe = learned.task, learned.task.recipe
    s, log_q = learned.model.sample(n, 3_000_000_000 + task.seed)
    energy = recipe.energy or ising.energy
    drawn = Draws(
        s.numpy().astype(np.int8 if energy is ising.energy else np.float64),
        log_q.double().numpy() + recipe.log_measure * learned.model.n_sites,
        np.asarray(energy(s.double()), float),
        task.source.T,
    )
    return LearnedDraws(task, learned.model, learned.fit, drawn, learned.cpu_seconds)


def learn_and_draw(tasks, n_draws):
    """Carry out many tasks and draw from each network, side by side: name -> list of `Task` -> of `LearnedDraws`.

    n_draws: name -> number of draws of each network, where it is not 4000.
    """
    learned = learn_all(tasks)
    jobs = [(one, n_draws.get(name, 4000)) for name, group in learned.items() for one in group]
    drawn = iter(parallel.starmap(draw_from, jobs))
    return {name: [next(drawn) for _ in group] for name, group in learned.items()}


def free_energy(draws):
    """F_q = < E + T ln q >, an upper bound of F, as an `Estimate` of the whole lattice."""
    return mean(draws.energy + draws.T * draws.log_q)


def reverse_divergence(draws, log_z):
    """D(q || p) in nats, an `Estimate`, given ln Z, with < p / q >_q = 1 as a control variate (`divergence.py`)."""
    return kl_divergence(draws.log_q, -draws.energy / draws.T - log_z)


def plain_divergence(draws, log_z):
    """D(q || p) as the average of ln q - ln p, an `Estimate`: right also for a network that misses a part of p."""
    return mean(draws.log_q + draws.energy / draws.T + log_z)


def log_z_from_weights(draws):
    """ln Z = ln < w >_q, an `Estimate`; its error holds for an effective sample size of many draws."""
    error = math.sqrt(max(1 / draws.ess - 1, 0) / len(draws.energy))
    return Estimate(log_mean_weight(draws.log_weights), error)


def divergence_over_steps(learned, log_z, windows=25):
    """Steps and D(q || p) [windows] along a training without data, each batch at the beta in force then.

    log_z: function of temperatures [n] -> ln Z [n], not a number where it is not known.
    windows: of as many steps, which are averaged over.
    """
    step, beta, f, _ = np.array(learned.result.history).T
    d = f + learned.task.recipe.log_measure * learned.model.n_sites + log_z(1 / beta)
    parts = np.array_split(np.arange(len(d)), min(windows, len(d)))
    return np.array([step[k].mean() for k in parts]), np.array([d[k].mean() for k in parts])


class WeightedAverages(NamedTuple):
    """Averages of k observables, [k] each: `plain` over q, `value` with weights p / q. ess: effective samples / n."""

    plain: np.ndarray
    plain_error: np.ndarray
    value: np.ndarray
    error: np.ndarray
    ess: float


def weighted_averages(draws, observables):
    """`WeightedAverages` of observables [n, k] of the draws."""
    observables = np.asarray(observables, float)
    weighted = reweight(observables, draws.log_weights)
    plain_error = observables.std(axis=0, ddof=1) / math.sqrt(len(observables))
    return WeightedAverages(observables.mean(axis=0), plain_error, weighted.value, weighted.error, weighted.ess)


def ising_observables(draws):
    """E / N, |m| and m^2 of Ising draws, [n, 3]."""
    n_sites = draws.configurations[0].size
    m = ising.magnetization(draws.configurations) / n_sites
    return np.stack([draws.energy / n_sites, np.abs(m), m**2], axis=1)


def images_log_q(model, draws):
    """ln q [n] of Ising draws with q averaged over 16 symmetries of the lattice, `lattice.subgroup`.

    D(q_sym || p) = < ln q_sym - ln p >_q holds with draws of q itself, because ln q_sym - ln p is symmetric.
    """
    return LearnedHamiltonian(model, draws.T, lattice.subgroup(draws.configurations.shape[1])).log_prob(
        draws.configurations
    )


def flip_log_q(model, draws):
    """ln of (q(s) + q(-s)) / 2 for Ising draws, [n]: Z2 restored at evaluation."""
    other = LearnedHamiltonian(model, draws.T).log_prob(-draws.configurations)
    return np.logaddexp(draws.log_q, other) - math.log(2)


# ---------------------------------------------------------------- several networks


class Judged(NamedTuple):
    """Networks of Ising spins that differ in their seed, together.

    divergence: D(q || p) in nats. ess: effective samples / draws of each, [m].
    log_z_error: ln Z from the weights, minus the exact one.
    plain, weighted: averages of `ising_observables` over q, and with weights p / q; values and errors [3].
    """

    divergence: Estimate
    ess: np.ndarray
    log_z_error: Estimate
    plain: Estimate
    weighted: Estimate


def _together(estimates):
    """`over_networks` of a list of (value, error)."""
    return over_networks(*zip(*estimates, strict=True))


def judge(group, log_z):
    """`Judged` of a list of `LearnedDraws`, given ln Z."""
    each = [one.draws for one in group]
    averages = [weighted_averages(draws, ising_observables(draws)) for draws in each]
    from_weights = [log_z_from_weights(draws) for draws in each]
    return Judged(
        _together([reverse_divergence(draws, log_z) for draws in each]),
        np.array([draws.ess for draws in each]),
        _together([(found.value - log_z, found.error) for found in from_weights]),
        _together([(a.plain, a.plain_error) for a in averages]),
        _together([(a.value, a.error) for a in averages]),
    )


class Pulls(NamedTuple):
    """(estimate - exact) / error of independent estimates, [k], and the probability of a larger sum of squares."""

    each: np.ndarray
    p: float


def weighted_energy_pulls(group, energy):
    """`Pulls` of the weighted E / N of each `LearnedDraws` of Ising spins, with its own error; energy: exact, per site.

    Weighted averages have no bias left that the scatter of networks would have to show.
    """
    found = [weighted_averages(one.draws, ising_observables(one.draws)) for one in group]
    each = np.array([(average.value[0] - energy) / average.error[0] for average in found])
    return Pulls(each, float(stats.chi2.sf((each**2).sum(), len(each))))


def symmetrised_divergence(group, log_z, n=3000):
    """D(q_sym || p), an `Estimate`, of q averaged over 16 symmetries (`images_log_q`), from n draws of each network."""
    some = [(one.model, one.draws.first(n)) for one in group]
    symmetric = parallel.starmap(images_log_q, some)
    each = [draws._replace(log_q=log_q) for (_, draws), log_q in zip(some, symmetric, strict=True)]
    return _together([reverse_divergence(draws, log_z) for draws in each])


# ---------------------------------------------------------------- two valleys


class Valleys(NamedTuple):
    """A network of spins below the transition.

    m: magnetisation per site of its draws, [n].
    divergence, mirrored: D(q || p) in nats of q, and of its average over s and -s, `Estimate`s.
    ess: effective samples / draws.
    """

    m: np.ndarray
    divergence: Estimate
    mirrored: Estimate
    ess: float


def valleys(one, log_z):
    """`Valleys` of a `LearnedDraws`, given ln Z."""
    draws = one.draws
    mirrored = draws._replace(log_q=flip_log_q(one.model, draws))
    m = ising.magnetization(draws.configurations) / draws.configurations[0].size
    return Valleys(m, plain_divergence(draws, log_z), plain_divergence(mirrored, log_z), draws.ess)


# ---------------------------------------------------------------- forward and reverse, side by side


class Extrapolation(NamedTuple):
    """H_theta against H at temperatures [t]; of several networks together, an `Estimate` in every place.

    ess: effective samples / n of the weights exp[-(H_theta - H) / T] of configurations drawn from exp(-H / T).
    kl: KL(p || q) in nats at the training T.
    """

    slope: np.ndarray
    residual: np.ndarray
    ess: np.ndarray
    kl: float


def extrapolate_hamiltonian(model, T0, temperatures, n, seed):
    """`Extrapolation` of H_theta = -T0 ln q to each temperature, on n fresh Monte Carlo configurations each."""
    hamiltonian = LearnedHamiltonian(model, T0)
    rows = []
    for T in temperatures:
        s = Spins(model.side, T).configurations(n, seed, "thermodynamics")
        learned, true = hamiltonian.energy(s), ising.energy(s)
        straight = compare(learned, true)
        rows.append([straight.slope, straight.residual, effective_sample_size((true - learned) / T)])
    source = Spins(model.side, T0)
    kl = source.divergence(hamiltonian, source.configurations(4 * n, seed)).value
    return Extrapolation(*np.array(rows).T, kl)


def extrapolate_all(groups, temperatures, n, seed):
    """Dict name -> `Extrapolation` over networks, side by side; errors are their spread.

    groups: dict name -> list of `LearnedDraws`. n: see `extrapolate_hamiltonian`. seed: of the first of a list.
    """
    jobs = [
        (one.model, one.draws.T, temperatures, n, seed + k) for group in groups.values() for k, one in enumerate(group)
    ]
    found = iter(parallel.starmap(extrapolate_hamiltonian, jobs))
    together = {}
    for name, group in groups.items():
        columns = zip(*[next(found) for _ in group], strict=True)
        together[name] = Extrapolation(*(over_networks(column, np.zeros_like(column)) for column in columns))
    return together
