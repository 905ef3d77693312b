r"""From a temperature to a learned Hamiltonian of the Ising model: sample, build a network, fit, measure.

One `Task` is everything that determines the outcome: which network, lattice, temperature, how many configurations, how
many steps, and the seed, from which the configurations, the initial weights and the batches all follow. So three
tasks that differ in their seed are three independent experiments, and their spread is the whole statistical error.

The recipes differ in what they are told about the physics:

    made            MADE as in the talk: nothing (no symmetry, no geometry)
    made_symmetric  MADE, shown every configuration under random symmetries of the lattice and global flips
    linear          one linear layer, odd: what remains of MADE without hidden units; symmetric as above
    frontier        which sites its conditional can depend on, Z2 built in, lattice symmetries by augmentation
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings
from lib.analysis.comparison import compare
from lib.analysis.divergence import Divergence, kl_divergence
from lib.models.fit import FitResult, fit
from lib.models.frontier import FrontierNetwork
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli
from lib.models.made import MADE
from lib.samplers import driver
from lib.systems import ising, lattice

SITES_PER_BATCH = 32768  # 128 configurations at L = 16: the same number of spins per step for every L
HELD_OUT = 0.1  # part of the training data kept for early stopping


def _flip_and_move(configurations, generator):
    """A random symmetry of the Ising model on each part of a batch: lattice group, then a global flip of half of it."""
    images = lattice.random_transform(configurations, generator)
    images[::2] *= -1  # the batch itself is in random order
    return images


NETWORKS = {
    "made": (lambda L, seed: MADE(site_shape=(L, L), head=Bernoulli(), hidden=(512,), seed=seed), None, 3e-3),
    "made_symmetric": (
        lambda L, seed: MADE(site_shape=(L, L), head=Bernoulli(), hidden=(512,), seed=seed),
        _flip_and_move,
        3e-3,
    ),
    "linear": (
        lambda L, seed: MADE(site_shape=(L, L), head=Bernoulli(), hidden=(), odd=True, seed=seed),
        lattice.random_transform,
        3e-3,
    ),
    "frontier": (
        lambda L, seed: FrontierNetwork(L, Bernoulli(), odd=True, seed=seed),
        lattice.random_transform,
        1e-2,
    ),
}


@dataclass(frozen=True)
class Task:
    """One training. network: a key of NETWORKS. T0: of the data. n_train: configurations, held-out ones included."""

    network: str
    L: int
    T0: float
    n_train: int
    n_steps: int
    seed: int


class Learned(NamedTuple):
    """What a task came to. `kl`: KL(data || network) on test configurations made for this purpose only."""

    task: Task
    hamiltonian: LearnedHamiltonian
    fit: FitResult
    kl: Divergence
    n_weights: int


def configurations(L, T, n, seed, purpose="test"):
    """n independent configurations [n, L, L] at temperature T; different purposes never share random numbers."""
    stream = ("train", "test", "thermodynamics").index(purpose)
    return driver.sample(L, T, n, np.random.default_rng([seed, stream])).configurations


def learn(task):
    """Carry out a task. Deterministic: the same task gives the same network on the same machine. Returns `Learned`."""
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    build, augment, learning_rate = NETWORKS[task.network]
    data = configurations(task.L, task.T0, task.n_train, task.seed, "train")
    held_out = data[: max(1, min(2000, int(HELD_OUT * len(data))))]
    model = build(task.L, task.seed)
    result = fit(
        model,
        data[len(held_out) :],
        steps=task.n_steps,
        batch=max(1, SITES_PER_BATCH // task.L**2),
        learning_rate=learning_rate,
        augment=augment,
        held_out=held_out,
        seed=task.seed,
        device="cpu",
    )
    hamiltonian = LearnedHamiltonian(model, task.T0)
    test = configurations(task.L, task.T0, min(10_000, 2_560_000 // task.L**2), task.seed, "test")
    return Learned(
        task, hamiltonian, result, kl(hamiltonian, test), sum(weight.numel() for weight in model.parameters())
    )


def replicas(network, L, T0, n_train, n_steps, n_networks, seed):
    """`n_networks` tasks that differ in everything random: configurations, initial weights, batches."""
    return [Task(network, L, T0, n_train, n_steps, 100 * seed + k) for k in range(n_networks)]


def learn_all(tasks):
    """Carry out many tasks, side by side on the cores of this machine.

    tasks: dict name -> list of `Task`. Returns the same dict with a `Learned` in the place of each task.
    """
    every = [task for group in tasks.values() for task in group]
    longest_first = sorted(set(every), key=lambda task: (-task.n_steps * task.L, every.index(task)))
    done = dict(zip(longest_first, parallel.starmap(learn, [(task,) for task in longest_first]), strict=True))
    return {name: [done[task] for task in group] for name, group in tasks.items()}


def log_prob_exact(s, T):
    """ln p(s) = -H(s) / T - ln Z, Kaufman's ln Z, of configurations s [n, L, L] -> [n]."""
    return -ising.energy(s) / T - ising.log_partition_function(T, s.shape[-1])


def kl(hamiltonian, s):
    """`Divergence` of H_theta's distribution from the exact one on configurations s [n, L, L] drawn at T0."""
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
    return LearnedHamiltonian(hamiltonian.model, hamiltonian.T0, lattice.subgroup(side))
