"""From a source of configurations to a learned Hamiltonian: one task, one way to carry it out.

A `Task` is everything that determines the outcome: the network (`recipes.py`), the source, how many configurations and
steps, and the seed, from which the configurations, the initial weights and the batches all follow.
Tasks that differ in their seed are independent experiments, and their spread is the whole statistical error. The same
task gives the same network on the same machine, so what was learned once is kept (`lib.cache`).
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from lib import cache, parallel
from lib.models.fit import FitResult, fit
from lib.models.fit_variational import VariationalResult, fit_variational
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate
from lib.studies.recipes import Recipe
from lib.systems import ising

WARM = 0.3  # learning rate of a network that starts from a trained one, relative to one that starts from nothing


@dataclass(frozen=True)
class WithoutData:
    """Training from the energy alone.

    annealing: part of the steps in which 1 / T rises from 0.
    field: None, or the magnetic field of a first training of as many steps, from whose network this one starts.
    """

    annealing: float = 0.5
    field: float | None = None


@dataclass(frozen=True)
class Task:
    """One training.

    network: a key of `source.networks`, without data of `source.networks_without_data`.
    n_train: configurations, held-out ones included; 0 without data.
    seed: of weights and batches.
    start: a task whose network this one starts from, instead of random weights.
    data_seed: of the configurations; None: `seed`.
    without_data: None for maximum likelihood.
    options: pairs (name, value) handed to the recipe's `build`.
    """

    network: str
    source: object
    n_train: int
    n_steps: int
    seed: int
    start: "Task | None" = None
    data_seed: int | None = None
    without_data: WithoutData | None = None
    options: tuple = ()

    def __post_init__(self):
        if self.network not in self._networks:
            raise ValueError(f"network = {self.network!r}: choose from {', '.join(self._networks)}")

    @property
    def _networks(self) -> dict[str, Recipe]:
        return self.source.networks if self.without_data is None else self.source.networks_without_data

    @property
    def recipe(self) -> Recipe:
        return self._networks[self.network]

    @property
    def data(self) -> int:
        """The seed of the configurations."""
        return self.seed if self.data_seed is None else self.data_seed

    @property
    def cost(self) -> float:
        """Roughly the time it takes, to start the longest tasks first: the sites seen in training, and drawn."""
        drawn = 4 if self.without_data is not None else 1
        times = 2 if self.without_data is not None and self.without_data.field is not None else 1
        return times * drawn * self.n_steps / self.recipe.share * min(self.source.n_sites, 256)


class Learned(NamedTuple):
    """What a task came to.

    kl: KL(data || network) on configurations made for this purpose only, None where the distribution is not known.
    cpu_seconds: of one core, for the training alone.
    """

    task: Task
    hamiltonian: object
    fit: FitResult | VariationalResult
    kl: Estimate | None
    n_weights: int
    cpu_seconds: float

    @property
    def model(self):
        return self.hamiltonian.model


def train(recipe, model, data, n_steps, seed, *, held_out=None, learning_rate=None):
    """`FitResult` of a model trained in place on data [n, ...], as it sees them, by a recipe.

    held_out, learning_rate: None for the recipe's.
    """
    if held_out is None and recipe.held_out:
        n = max(1, min(2000, int(recipe.held_out * len(data))))
        held_out, data = data[:n], data[n:]
    return fit(
        model,
        data,
        steps=n_steps,
        batch=min(recipe.batch_for(model.n_sites), len(data)),
        learning_rate=recipe.learning_rate if learning_rate is None else learning_rate,
        window=recipe.window,
        augment=recipe.augment,
        held_out=held_out,
        checks=recipe.checks,
        seed=seed,
    )


def learned(task, start=None):
    """`learn(task, start)`, from the cache if this machine has carried out the task before."""
    return cache.remember(learn, task, given=(start,))


def learn(task, start=None):
    """Carry out a task -> `Learned`; start: the trained network of `task.start`, where it is at hand."""
    recipe, source = task.recipe, task.source
    if task.without_data is not None:
        return _learn_without_data(task)
    data = source.configurations(task.n_train, task.data, "train")
    data = data if recipe.preprocess is None else recipe.preprocess(data)
    if task.start is None:
        model, rate = recipe.build(source, task.seed, data, **dict(task.options)), recipe.learning_rate
    else:
        start = learned(task.start).model if start is None else start
        model, rate = copy.deepcopy(start), WARM * recipe.learning_rate
    begin = time.process_time()
    result = train(recipe, model, data, task.n_steps, task.seed, learning_rate=rate)
    seconds = time.process_time() - begin
    hamiltonian = LearnedHamiltonian(model, source.T, preprocess=recipe.preprocess)
    return Learned(task, hamiltonian, result, _divergence(task, hamiltonian), _n_weights(model), seconds)


def _divergence(task, hamiltonian):
    """KL, an `Estimate`, on configurations never trained on; about 2.5 million sites, at most 10 000 configurations."""
    source, recipe = task.source, task.recipe
    if not recipe.exact or source.log_prob is None:
        return None
    test = source.configurations(min(10_000, 2_560_000 // source.n_sites), task.data, "test")
    return source.divergence(hamiltonian, test, recipe.same_support)


def _learn_without_data(task):
    recipe, how = task.recipe, task.without_data
    model = recipe.build(task.source, task.seed, None, **dict(task.options))

    def fit_to(energy, annealing, seed):
        rates = {"batch": recipe.batch, "learning_rate": recipe.learning_rate, "window": recipe.window}
        beta = 1 / task.source.T
        return fit_variational(model, energy, beta, steps=task.n_steps, annealing=annealing, seed=seed, **rates)

    def in_field(s):
        return recipe.energy(s) - how.field * ising.magnetization(s)

    begin = time.process_time()
    if how.field is not None:
        fit_to(in_field, 0.5, 2 * task.seed + 1)
    result = fit_to(recipe.energy, how.annealing, 2 * task.seed)
    seconds = time.process_time() - begin
    hamiltonian = LearnedHamiltonian(model, task.source.T)
    return Learned(task, hamiltonian, result, None, _n_weights(model), seconds)


def _n_weights(model):
    return sum(weight.numel() for weight in model.parameters())


def replicas(network, source, n_train, n_steps, n_networks, seed, starts=None, **more):
    """`n_networks` tasks that differ in everything random: configurations, initial weights, batches.

    n_steps: of the reference network of the system; others get as many as take the same time (`Recipe.share`).
    starts: tasks, one each, whose networks they start from (default: none). more: other fields of `Task`.
    """
    starts = [None] * n_networks if starts is None else starts
    tasks = [Task(network, source, n_train, n_steps, 100 * seed + k, start, **more) for k, start in enumerate(starts)]
    return [replace(task, n_steps=max(1, round(task.recipe.share * n_steps))) for task in tasks]


def learn_all(tasks: dict, then: Callable | None = None) -> dict:
    """Carry out many tasks, side by side on the cores of this machine.

    tasks: name -> list of `Task`; networks from which others start are learned first, in the list or not, and equal
        tasks are carried out once.
    then: an importable function of a `Learned`, applied where it was learned, and at once: what the source remembers of
        its configurations need not be made again.
    Returns the same dict with a `Learned`, or then(learned), in the place of each task.
    """
    wanted = list(dict.fromkeys(task for group in tasks.values() for task in group))
    every = list(wanted)
    for task in every:  # grows while it is read
        if task.start is not None and task.start not in every:
            every.append(task.start)
    done = {}
    while len(done) < len(every):
        ready = [task for task in every if task not in done and (task.start is None or task.start in done)]
        ready.sort(key=lambda task: (-task.cost, every.index(task)))
        starts = [None if task.start is None else done[task.start][0].model for task in ready]
        after = [then if task in wanted else None for task in ready]
        done |= dict(zip(ready, parallel.starmap(_carry_out, zip(ready, starts, after, strict=True)), strict=True))
    which = 0 if then is None else 1
    return {name: [done[task][which] for task in group] for name, group in tasks.items()}


def _carry_out(task, start, then):
    """`learned`, and what `then` makes of it, None where there is nothing more to do."""
    found = learned(task, start)
    return found, None if then is None else then(found)
