r"""From a temperature to a learned Hamiltonian of the Ising model: sample, build a network, fit, measure.

One `Task` is everything that determines the outcome: which network, lattice, temperature, how many configurations, how
many steps, and the seed, from which the configurations, the initial weights and the batches all follow. So three
tasks that differ in their seed are three independent experiments, and their spread is the whole statistical error.

The recipes differ in what they are told about the physics:

    made            MADE as in the talk: nothing (no symmetry, no geometry)
    made_symmetric  MADE, shown every configuration under random symmetries of the lattice and global flips
    linear          one linear layer, odd: what remains of MADE without hidden units; symmetric as above
    frontier        which sites its conditional can depend on, Z2 built in, lattice symmetries by augmentation

and, on the 2x2 block sums of the spins, five states a site, all of them frontier networks with Z2 built in:

    stride_1           overlapping blocks, from the last row and the first (`blocking.py`)
    stride_1_sums      the same, and the running alternating sums (`lib.models.alternating`)
    stride_1_remember  the running alternating sums and what they have told so far
    stride_2           adjoining blocks, from the last two rows and the first
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import blocking, couplings
from lib.analysis.comparison import compare
from lib.analysis.divergence import kl_divergence
from lib.models.alternating import AlternatingSums
from lib.models.fit import FitResult, fit
from lib.models.frontier import FrontierNetwork
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli, SymmetricCategorical
from lib.models.made import MADE
from lib.samplers import driver
from lib.statistics import Estimate
from lib.systems import ising, lattice

SITES_PER_BATCH = 32768  # in the last third: 128 configurations of 16 x 16, the same number of sites for every L
HELD_OUT = 0.1  # part of the training data kept for early stopping


def _flip_and_move(configurations, generator):
    """A random symmetry of the Ising model on each part of a batch: lattice group, then a global flip of half of it."""
    images = lattice.random_transform(configurations, generator)
    images[::2] *= -1  # the batch itself is in random order
    return images


def stride_1(s):
    """What the networks of overlapping blocks see of spins [n, L, L]: the 2x2 sums as states 0 ... 4, [n, L, L]."""
    return blocking.states(blocking.sums(s, block=2, stride=1))


def stride_2(s):
    """What the networks of adjoining blocks see of spins [n, L, L]: the 2x2 sums as states 0 ... 4, [n, L/2, L/2]."""
    return blocking.states(blocking.sums(s, block=2))


def _made(L, seed):
    return MADE(site_shape=(L, L), head=Bernoulli(), hidden=(512,), seed=seed)


def _linear(L, seed):
    return MADE(site_shape=(L, L), head=Bernoulli(), hidden=(), odd=True, seed=seed)


def _frontier(L, seed):
    return FrontierNetwork(L, Bernoulli(), odd=True, seed=seed)


def _overlapping(L, seed, memory=None):
    return FrontierNetwork(L, SymmetricCategorical(5), odd=True, reach=L + 1, memory=memory, seed=seed)


def _overlapping_sums(L, seed):
    return _overlapping(L, seed, AlternatingSums(L))


def _overlapping_remember(L, seed):
    memory = AlternatingSums(L, remember=True)
    return FrontierNetwork(L, SymmetricCategorical(5), odd=True, reach=2, first_rows=0, memory=memory, seed=seed)


def _adjoining(L, seed):
    return FrontierNetwork(L, SymmetricCategorical(5), odd=True, reach=2 * L, seed=seed)


class Recipe(NamedTuple):
    """build(side, seed) -> network; augment: see `fit`; view: spins -> what the network sees, None for the spins.

    checks: how often the held-out configurations are looked at. shrink: side of the spin lattice / side of the network.
    exact: view loses nothing, so ln p of what it shows is known.
    """

    build: Callable
    augment: Callable | None = lattice.random_transform
    learning_rate: float = 1e-2
    sites_per_batch: int = SITES_PER_BATCH
    checks: int = 10
    view: Callable | None = None
    shrink: int = 1
    exact: bool = True


NETWORKS = {
    "made": Recipe(_made, None, 3e-3),
    "made_symmetric": Recipe(_made, _flip_and_move, 3e-3),
    "linear": Recipe(_linear, learning_rate=3e-3),
    "frontier": Recipe(_frontier),
    "stride_1": Recipe(_overlapping, checks=4, sites_per_batch=SITES_PER_BATCH // 2, view=stride_1),
    "stride_1_sums": Recipe(_overlapping_sums, checks=4, sites_per_batch=SITES_PER_BATCH // 2, view=stride_1),
    "stride_1_remember": Recipe(_overlapping_remember, checks=4, sites_per_batch=SITES_PER_BATCH // 2, view=stride_1),
    "stride_2": Recipe(
        _adjoining, checks=4, sites_per_batch=SITES_PER_BATCH // 2, view=stride_2, shrink=2, exact=False
    ),
}


@dataclass(frozen=True)
class Task:
    """One training. network: a key of NETWORKS. L: side of the spin lattice. T0: of the data. n_train: configurations,
    held-out ones included. start: a task whose network this one starts from, instead of random weights."""

    network: str
    L: int
    T0: float
    n_train: int
    n_steps: int
    seed: int
    start: "Task | None" = None


class Learned(NamedTuple):
    """What a task came to. `kl`: KL(data || network) on test configurations made for this purpose only, None where
    the exact distribution is not known."""

    task: Task
    hamiltonian: LearnedHamiltonian
    fit: FitResult
    kl: Estimate | None
    n_weights: int


def configurations(L, T, n, seed, purpose="test"):
    """n independent configurations [n, L, L] at temperature T; different purposes never share random numbers."""
    stream = ("train", "test", "thermodynamics").index(purpose)
    return driver.sample(L, T, n, np.random.default_rng([seed, stream])).configurations


def learn(task, start=None):
    """Carry out a task. Deterministic: the same task gives the same network on the same machine. Returns `Learned`.

    start: the network of `task.start`, if that has been learned already.
    """
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    recipe = NETWORKS[task.network]
    data = configurations(task.L, task.T0, task.n_train, task.seed, "train")
    data = data if recipe.view is None else recipe.view(data)
    held_out = data[: max(1, min(2000, int(HELD_OUT * len(data))))]
    if task.start is None:
        model = recipe.build(task.L // recipe.shrink, task.seed)
    else:
        model = copy.deepcopy(learn(task.start).hamiltonian.model if start is None else start)
    result = fit(
        model,
        data[len(held_out) :],
        steps=task.n_steps,
        batch=max(1, recipe.sites_per_batch // data[0].size),
        learning_rate=recipe.learning_rate,
        augment=recipe.augment,
        held_out=held_out,
        checks=recipe.checks,
        seed=task.seed,
        device="cpu",
    )
    hamiltonian = LearnedHamiltonian(model, task.T0, view=recipe.view)
    distance = None
    if recipe.exact:
        test = configurations(task.L, task.T0, min(10_000, 2_560_000 // task.L**2), task.seed, "test")
        distance = kl(hamiltonian, test)
    return Learned(task, hamiltonian, result, distance, sum(weight.numel() for weight in model.parameters()))


def replicas(network, L, T0, n_train, n_steps, n_networks, seed, starts=None):
    """`n_networks` tasks that differ in everything random: configurations, initial weights, batches.

    starts: tasks, one each, whose networks they start from (default: none).
    """
    starts = [None] * n_networks if starts is None else starts
    return [Task(network, L, T0, n_train, n_steps, 100 * seed + k, start) for k, start in enumerate(starts)]


def learn_all(tasks):
    """Carry out many tasks, side by side on the cores of this machine.

    tasks: dict name -> list of `Task`; a task that starts from another's network may come before or after that one.
    Returns the same dict with a `Learned` in the place of each task.
    """
    every = list(dict.fromkeys(task for group in tasks.values() for task in group))
    done = {}
    while len(done) < len(every):
        ready = [t for t in every if t not in done and (t.start is None or t.start in done or t.start not in every)]
        ready.sort(key=lambda task: (-task.n_steps * task.L, every.index(task)))  # longest first
        starts = [done[t.start].hamiltonian.model if t.start in done else None for t in ready]
        done |= dict(zip(ready, parallel.starmap(learn, list(zip(ready, starts, strict=True))), strict=True))
    return {name: [done[task] for task in group] for name, group in tasks.items()}


def log_prob_exact(s, T):
    """ln p(s) = -H(s) / T - ln Z, Kaufman's ln Z, of configurations s [n, L, L] -> [n]."""
    return -ising.energy(s) / T - ising.log_partition_function(T, s.shape[-1])


def kl(hamiltonian, s):
    """`Estimate` of H_theta's distribution from the exact one on configurations s [n, L, L] drawn at T0."""
    return kl_divergence(log_prob_exact(s, hamiltonian.T0), hamiltonian.log_prob(s))


def pseudolikelihood(task):
    """Couplings by maximum pseudolikelihood from the very configurations that a task trains on."""
    s = configurations(task.L, task.T0, task.n_train, task.seed, "train")
    return couplings.pseudolikelihood(ising.local_sums(s), task.T0, tuple(ising.OPERATORS))


def compare_at(hamiltonian, L, temperatures, n, seed):
    """`Comparison` of H_theta with H on n new configurations at each temperature, a list [t]."""
    results = []
    for T in temperatures:
        s = configurations(L, T, n, seed, "thermodynamics")
        results.append(compare(hamiltonian.energy(s), ising.energy(s)))
    return results


def symmetrised(hamiltonian):
    """The same network with p averaged over 16 lattice symmetries (`lattice.subgroup`)."""
    (side, _) = hamiltonian.model.site_shape
    return LearnedHamiltonian(hamiltonian.model, hamiltonian.T0, lattice.subgroup(side), hamiltonian.view)
