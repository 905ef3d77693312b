r"""Networks trained on the energy alone: free energies, averages with weights p / q, and what went wrong.

A network q gives draws and their ln q. With w = exp(-beta E) / q,

    F_q = < E + T ln q >_q >= F,      D(q || p) = < ln q - ln p >_q = beta (F_q - F),
    ln Z = ln < w >_q,                < O >_p = < O w >_q / < w >_q,

and the effective sample size (sum w)^2 / sum w^2 says how many of the n draws count. It is blind to what q never draws:
if q = p / p(S) on a part S of the configurations and 0 elsewhere, all weights are equal, the effective sample size
is n, and D(q || p) = -ln p(S). Only an independent F shows it.

One `Task` determines a training. Densities of angles are with respect to d theta / 2 pi for every site, so that ln Z
goes to 0 at high temperature; with respect to d theta, ln Z has N ln 2 pi more.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from lib.analysis.comparison import compare
from lib.analysis.divergence import kl_divergence
from lib.analysis.importance import effective_sample_size, log_mean_weight, reweight
from lib.analysis.learning import configurations as observed
from lib.models.equivariant import EquivariantFrontier
from lib.models.fit import FitResult, fit
from lib.models.fit_variational import VariationalResult, fit_variational
from lib.models.frontier import FrontierNetwork
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli, BetaMixture
from lib.models.made import MADE
from lib.models.masked_convolution import MaskedConvolution
from lib.systems import ising, lattice, xy
from lib.tasks import carry_out

# ---------------------------------------------------------------- what is trained


def _frontier(L, seed):
    return FrontierNetwork(L, Bernoulli(), odd=True, seed=seed)


def _frontier_free(L, seed):
    return FrontierNetwork(L, Bernoulli(), seed=seed)


def _made(L, seed):
    return MADE(site_shape=(L, L), head=Bernoulli(), hidden=(64,), seed=seed)


def _can(L, seed):
    return MaskedConvolution(L, BetaMixture(3), seed=seed)


def _equivariant(L, seed):
    return EquivariantFrontier(L, seed=seed)


def fraction_energy(s):
    """Energy of the XY model from s = theta / 2 pi, [n, L, L] -> [n]."""
    return xy.energy(xy.TWO_PI * s)


class Recipe(NamedTuple):
    """build(L, seed) -> network. energy: of what the network draws. log_measure: what is added to ln q for every site
    to make its density one with respect to d theta / 2 pi. effort: of a step, roughly, relative to the first. The
    noise of the gradient matters more here than in a training from data: larger batches, a longer average."""

    build: Callable
    energy: Callable = ising.energy
    batch: int = 256
    learning_rate: float = 1.5e-2
    window: float = 0.1
    log_measure: float = 0.0
    effort: float = 1.0


NETWORKS = {
    "frontier": Recipe(_frontier),
    "frontier_free": Recipe(_frontier_free),
    "made": Recipe(_made, batch=1024, learning_rate=1e-2),
    "can": Recipe(_can, fraction_energy, batch=128, learning_rate=1e-2, effort=2.5),
    "equivariant": Recipe(
        _equivariant, xy.energy, batch=64, learning_rate=1e-2, log_measure=math.log(xy.TWO_PI), effort=4.0
    ),
}


@dataclass(frozen=True)
class Task:
    """One training without data. network: a key of NETWORKS. L, T: the lattice and its temperature.

    annealing: part of the training in which beta rises from 0. field: None, or the magnetic field of a first training
    of as many steps, whose network this one starts from. n_train: 0, or the number of configurations of a training from
    data instead: maximum likelihood with the same network, initial weights, steps, batches and learning rate.
    n_draws: configurations drawn in the end.
    """

    network: str
    L: int
    T: float
    n_steps: int
    seed: int
    annealing: float = 0.5
    field: float | None = None
    n_train: int = 0
    n_draws: int = 4000


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


class Trained(NamedTuple):
    """What a task came to."""

    task: Task
    model: torch.nn.Module
    result: VariationalResult | FitResult
    draws: Draws


def draw(model, network, T, n, seed):
    """`Draws` of a model made by the recipe `network`."""
    recipe = NETWORKS[network]
    s, log_q = model.sample(n, seed)
    log_q = log_q.double().numpy() + recipe.log_measure * model.n_sites
    energy = np.asarray(recipe.energy(s.double()), float)
    is_spin = recipe.energy is ising.energy
    return Draws(s.numpy().astype(np.int8 if is_spin else np.float64), log_q, energy, T)


def train(task):
    """Carry out a task. Deterministic: the same task gives the same network on the same machine. Returns `Trained`."""
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    recipe = NETWORKS[task.network]
    model = recipe.build(task.L, task.seed)
    arguments = {"steps": task.n_steps, "batch": recipe.batch, "learning_rate": recipe.learning_rate}
    arguments |= {"window": recipe.window}
    if task.n_train:
        data = observed(task.L, task.T, task.n_train, task.seed, "train")
        augment = lattice.random_transform
        result = fit(model, data, **arguments, augment=augment, seed=task.seed)
    else:
        arguments |= {"beta": 1 / task.T}
        if task.field is not None:

            def in_field(s):
                return recipe.energy(s) - task.field * ising.magnetization(s)

            fit_variational(model, in_field, **arguments, seed=2 * task.seed + 1)
        result = fit_variational(model, recipe.energy, **arguments, annealing=task.annealing, seed=2 * task.seed)
    return Trained(task, model, result, draw(model, task.network, task.T, task.n_draws, 3_000_000_000 + task.seed))


def train_all(tasks):
    """Carry out many tasks, side by side on the cores. tasks: dict name -> list of `Task` -> the same of `Trained`."""

    def cost(task):
        """What is drawn takes most of the time; a first training in a field is one more."""
        once = task.n_steps * NETWORKS[task.network].effort
        return once * (1 if task.field is None else 2) / (2 if task.n_train else 1)

    return carry_out(train, tasks, cost)


def replicas(network, L, T, n_steps, n_networks, seed, **more):
    """`n_networks` tasks that differ in everything random: initial weights and draws."""
    return [Task(network, L, T, n_steps, 100 * seed + k, **more) for k in range(n_networks)]


# ---------------------------------------------------------------- what it says


class Estimate(NamedTuple):
    """A value and its standard error."""

    value: float
    error: float


def mean(values):
    """`Estimate` of the average of independent values [n]."""
    values = np.asarray(values, float)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values))))


def free_energy(draws):
    """F_q = < E + T ln q >, an upper bound of F, as an `Estimate` of the whole lattice."""
    return mean(draws.energy + draws.T * draws.log_q)


def divergence(draws, log_z):
    """D(q || p) in nats, `Divergence`, given ln Z.

    Uses < p / q >_q = 1 as a control variate where the weights allow it, see `divergence.py`: not for a network that
    misses a part of p.
    """
    return kl_divergence(draws.log_q, -draws.energy / draws.T - log_z)


def plain_divergence(draws, log_z):
    """D(q || p) as the average of ln q - ln p, an `Estimate`: right also for a network that misses a part of p."""
    return mean(draws.log_q + draws.energy / draws.T + log_z)


def log_partition_function(draws):
    """ln Z = ln < w >_q, an `Estimate`; its error holds for an effective sample size of many draws."""
    n, share = len(draws.energy), effective_sample_size(draws.log_weights)
    return Estimate(log_mean_weight(draws.log_weights), math.sqrt(max(1 / share - 1, 0) / n))


def divergence_over_steps(trained, log_z, windows=25):
    """Steps and D(q || p) [windows] along a training without data: each batch at the beta in force then, averages over
    windows of as many steps.

    log_z: function of temperatures [n] -> ln Z [n], not a number where it is not known.
    """
    step, beta, f, _ = np.array(trained.result.history).T
    d = f + NETWORKS[trained.task.network].log_measure * trained.model.n_sites + log_z(1 / beta)
    parts = np.array_split(np.arange(len(d)), min(windows, len(d)))
    return np.array([step[k].mean() for k in parts]), np.array([d[k].mean() for k in parts])


class Averages(NamedTuple):
    """One observable per column: the plain average of q and the one with weights, with errors, and the ESS / n."""

    plain: np.ndarray
    plain_error: np.ndarray
    value: np.ndarray
    error: np.ndarray
    ess: float


def averages(draws, observables):
    """`Averages` of observables [n, k] of the draws."""
    observables = np.asarray(observables, float)
    weighted = reweight(observables, draws.log_weights)
    plain_error = observables.std(axis=0, ddof=1) / math.sqrt(len(observables))
    return Averages(observables.mean(axis=0), plain_error, weighted.value, weighted.error, weighted.ess)


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


# ---------------------------------------------------------------- forward and reverse, side by side


class Extrapolation(NamedTuple):
    """H_theta against H at temperatures [t]: slope, rms residual (units of energy), effective sample size / n of the
    weights exp[-(H_theta - H) / T] of configurations drawn from exp(-H / T); KL(p || q) in nats at the training T."""

    slope: np.ndarray
    residual: np.ndarray
    ess: np.ndarray
    kl: float


def extrapolate(model, T0, temperatures, n, seed):
    """`Extrapolation` of H_theta = -T0 ln q to each temperature, on n fresh Monte Carlo configurations each."""
    hamiltonian = LearnedHamiltonian(model, T0)
    rows = []
    for T in temperatures:
        s = observed(model.side, T, n, seed, "thermodynamics")
        learned, true = hamiltonian.energy(s), ising.energy(s)
        straight = compare(learned, true)
        rows.append([straight.slope, straight.residual, effective_sample_size((true - learned) / T)])
    s = observed(model.side, T0, 4 * n, seed, "test")
    log_p = -ising.energy(s) / T0 - ising.log_partition_function(T0, model.side)
    kl = kl_divergence(log_p, hamiltonian.log_prob(s)).value
    return Extrapolation(*np.array(rows).T, kl)
