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

from lib import lattice, parallel
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import compare
from lib.analysis.reweighting import effective_sample_size, log_mean_weight, reweight
from lib.models.fit import FitResult
from lib.models.fit_variational import VariationalResult
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, mean
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

    def first(self, n):
        """The first n of them."""
        return Draws(self.configurations[:n], self.log_q[:n], self.energy[:n], self.T)


class LearnedDraws(NamedTuple):
    """A network that was learned, and its `Draws`."""

    task: Task
    model: torch.nn.Module
    result: VariationalResult | FitResult
    draws: Draws


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
    return LearnedDraws(task, learned.model, learned.fit, drawn)


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
    n, share = len(draws.energy), effective_sample_size(draws.log_weights)
    return Estimate(log_mean_weight(draws.log_weights), math.sqrt(max(1 / share - 1, 0) / n))


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


class Extrapolation(NamedTuple):
    """H_theta against H at temperatures [t]; slope and residual of the straight line.

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
