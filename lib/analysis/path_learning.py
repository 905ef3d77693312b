r"""From an inverse temperature to a learned action of the double well: sample, build a network, fit, measure.

One `Task` is everything that determines the outcome, so tasks that differ in their seed are independent experiments
and their spread is the whole statistical error. Every batch is shown under random translations, reversal of time and
x -> -x. The recipes differ in what they are told about the physics:

    chain         which sites a conditional can depend on (`models/chain.py`); mixture of Gaussians
    chain_beta    the same with the papers' mixture of Beta densities on an interval
    convolution   causality only, and the first site (`models/causal_convolution.py`); mixture of Gaussians
    made          nothing; mixture of Beta densities
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from lib.analysis.divergence import kl_divergence
from lib.models.causal_convolution import CausalConvolution
from lib.models.chain import ChainNetwork
from lib.models.fit import FitResult, fit
from lib.models.gaussian_mixture import GaussianMixture, OnInterval
from lib.models.learned_action import LearnedAction
from lib.models.made import MADE
from lib.samplers import path
from lib.statistics import Estimate
from lib.systems import double_well
from lib.tasks import carry_out

BATCH = 128  # paths per step in the last third of a training


def random_symmetry(paths, generator):
    """Random translation, reversal and sign of every path of a batch [n, N]: symmetries of the action."""
    n, n_sites = paths.shape
    start = torch.randint(n_sites, (n, 1), generator=generator)
    direction, sign = (2 * torch.randint(2, (n, 1), generator=generator) - 1 for _ in range(2))
    return paths.gather(1, (start + direction * torch.arange(n_sites)) % n_sites) * sign


class Recipe(NamedTuple):
    """build(n_sites, seed) -> network."""

    build: Callable
    learning_rate: float = 6e-3
    batch: int = BATCH


def _chain(n_sites, seed):
    return ChainNetwork(n_sites, GaussianMixture(), seed=seed)


def _chain_beta(n_sites, seed):
    return ChainNetwork(n_sites, OnInterval(), seed=seed)


def _convolution(n_sites, seed):
    return CausalConvolution(n_sites, GaussianMixture(), seed=seed)


def _made(n_sites, seed):
    return MADE(site_shape=(n_sites,), head=OnInterval(4), hidden=(512,), seed=seed)


NETWORKS = {
    "chain": Recipe(_chain),
    "chain_beta": Recipe(_chain_beta),
    "convolution": Recipe(_convolution, 3e-3),
    "made": Recipe(_made, 3e-3, 64),
}


@dataclass(frozen=True)
class Task:
    """One training. network: a key of NETWORKS. n_train: paths. All in all, (beta, n_sites) fix the physics."""

    network: str
    beta: float
    n_sites: int
    n_train: int
    n_steps: int
    seed: int


class Learned(NamedTuple):
    """What a task came to. `action`: a `LearnedAction`. `kl`: KL(data || network) on paths made for this purpose.

    cpu_seconds: time of one core that the training took, without making the paths.
    """

    task: Task
    action: LearnedAction
    fit: FitResult
    cpu_seconds: float
    kl: Estimate
    n_weights: int


def training_paths(task):
    """The paths a task trains on, float32 [n_train, N]: Monte Carlo, tau_int sweeps apart in each chain.

    Neighbours are correlated a little, which costs less than three times the sweeps; the KL is measured on others.
    """
    rng = np.random.default_rng([task.seed, 0])
    couplings = double_well.couplings(task.beta, task.n_sites)
    return path.sample(couplings, task.n_sites, task.n_train, rng, spacing=1.0).paths.astype(np.float32)


def test_paths(beta, n_sites, n, seed):
    """n independent paths [n, N] drawn exactly, by transfer matrix; no random number is shared with any training."""
    matrix = double_well.TransferMatrix(double_well.couplings(beta, n_sites), n_sites)
    return matrix.sample(n, np.random.default_rng([seed, 1]))


def learn(task):
    """Carry out a task. Deterministic: the same task gives the same network on the same machine. Returns `Learned`."""
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    recipe = NETWORKS[task.network]
    matrix = double_well.TransferMatrix(double_well.couplings(task.beta, task.n_sites), task.n_sites)
    model = recipe.build(task.n_sites, task.seed)
    paths = training_paths(task)
    start = time.process_time()
    result = fit(
        model,
        paths,
        steps=task.n_steps,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        augment=random_symmetry,
        seed=task.seed,
        device="cpu",
    )
    seconds = time.process_time() - start
    action = LearnedAction(model)
    test = test_paths(task.beta, task.n_sites, 8000, task.seed)
    distance = kl_divergence(matrix.log_prob(test), -action.action(test))
    return Learned(task, action, result, seconds, distance, sum(weight.numel() for weight in model.parameters()))


def replicas(network, beta, n_sites, n_train, n_steps, n_networks, seed):
    """`n_networks` tasks that differ in everything random: paths, initial weights, batches."""
    return [Task(network, beta, n_sites, n_train, n_steps, 100 * seed + k) for k in range(n_networks)]


def learn_all(tasks):
    """Carry out many tasks side by side. tasks: dict name -> list of `Task`. Returns it with a `Learned` for each."""
    return carry_out(learn, tasks, lambda task: task.n_steps * task.n_sites)
