r"""From an inverse temperature to a learned action of the double well: sample, build a network, fit, measure.

One `Task` is everything that determines the outcome, so tasks that differ in their seed are independent experiments
and their spread is the whole statistical error. Every batch is shown under random translations, reversal of time and
x -> -x. The recipes differ in what they are told about the physics:

    hop           how neighbours are coupled, and which sites a conditional can depend on (`models/hop.py`)
    chain         which sites a conditional can depend on (`models/chain.py`); mixture of Gaussians
    chain_beta    the same with the papers' mixture of Beta densities on an interval
    convolution   causality only, and the first site (`models/causal_convolution.py`); mixture of Gaussians
    made          nothing; mixture of Beta densities

Each was tuned on its own, by KL per second. They take different times for a step: `replicas` gives every network the
computing time that the number of steps costs the chain network.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from lib.analysis.divergence import Divergence, kl_divergence
from lib.models.causal_convolution import CausalConvolution
from lib.models.chain import ChainNetwork
from lib.models.fit import FitResult, fit
from lib.models.gaussian_mixture import GaussianMixture, OnInterval
from lib.models.hop import HopNetwork
from lib.models.learned_action import LearnedAction
from lib.models.made import MADE
from lib.samplers import path
from lib.systems import double_well
from lib.tasks import carry_out


def random_symmetry(paths, generator):
    """Random translation, reversal and sign of every path of a batch [n, N]: symmetries of the action."""
    n, n_sites = paths.shape
    start = torch.randint(n_sites, (n, 1), generator=generator)
    direction, sign = (2 * torch.randint(2, (n, 1), generator=generator) - 1 for _ in range(2))
    return paths.gather(1, (start + direction * torch.arange(n_sites)) % n_sites) * sign


class Recipe(NamedTuple):
    """build(paths [n, N], seed) -> network. batch, learning_rate, window: of `fit`.

    share: steps, as a part of those of the chain network, that take as long.
    """

    build: Callable
    batch: int
    learning_rate: float
    window: float = 0.03
    share: float = 1.0


def _chain(paths, seed):
    return ChainNetwork(paths.shape[1], GaussianMixture(), hidden=16, seed=seed)


def _chain_beta(paths, seed):
    return ChainNetwork(paths.shape[1], OnInterval(), hidden=16, seed=seed)


def _convolution(paths, seed):
    return CausalConvolution(paths.shape[1], GaussianMixture(), channels=16, seed=seed)


def _made(paths, seed):
    return MADE(site_shape=(paths.shape[1],), head=OnInterval(), hidden=(128,), seed=seed)


def _hop(paths, seed):
    return HopNetwork.from_paths(paths, hidden=16, rank=4, seed=seed)


NETWORKS = {
    "hop": Recipe(_hop, 64, 1.5e-3, share=0.5),
    "chain": Recipe(_chain, 32, 8e-3),
    "chain_beta": Recipe(_chain_beta, 32, 8e-3),
    "convolution": Recipe(_convolution, 32, 6e-3, share=0.5),
    "made": Recipe(_made, 32, 3e-3, share=0.3),
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
    kl: Divergence
    n_weights: int


def training_paths(task):
    """The paths a task trains on, float32 [n_train, N]: Monte Carlo, tau_int sweeps apart in each chain.

    Neighbours are correlated a little, which costs less than three times the sweeps; the KL is measured on others.
    Networks of different kinds with the same seed see the same paths.
    """
    return _monte_carlo(task.beta, task.n_sites, task.n_train, task.seed)


@functools.lru_cache(maxsize=2)  # tasks of one worker that share their paths
def _monte_carlo(beta, n_sites, n, seed):
    rng = np.random.default_rng([seed, 0])
    return path.sample(double_well.couplings(beta, n_sites), n_sites, n, rng, spacing=1.0).paths.astype(np.float32)


def test_paths(beta, n_sites, n, seed):
    """n independent paths [n, N] drawn exactly, by transfer matrix; no random number is shared with any training."""
    matrix = double_well.TransferMatrix(double_well.couplings(beta, n_sites), n_sites)
    return matrix.sample(n, np.random.default_rng([seed, 1]))


def train(task):
    """The trained network of a task, its `FitResult`, and the seconds of one core that this took, paths apart.

    Deterministic: the same task gives the same network on the same machine.
    """
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    recipe = NETWORKS[task.network]
    paths = training_paths(task)
    start = time.process_time()
    model = recipe.build(paths, task.seed)
    result = fit(
        model,
        paths,
        steps=task.n_steps,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        window=recipe.window,
        augment=random_symmetry,
        seed=task.seed,
    )
    return model, result, time.process_time() - start


def learn(task):
    """Carry out a task: train, and measure on paths that the network has not seen. Returns `Learned`."""
    model, result, seconds = train(task)
    action = LearnedAction(model)
    matrix = double_well.TransferMatrix(double_well.couplings(task.beta, task.n_sites), task.n_sites)
    test = test_paths(task.beta, task.n_sites, 8000, task.seed)
    distance = kl_divergence(matrix.log_prob(test), -action.action(test))
    return Learned(task, action, result, seconds, distance, sum(weight.numel() for weight in model.parameters()))


def replicas(network, beta, n_sites, n_train, n_steps, n_networks, seed):
    """`n_networks` tasks that differ in everything random: paths, initial weights, batches.

    n_steps: of the chain network; others get as many as take the same time.
    """
    n_steps = max(1, round(NETWORKS[network].share * n_steps))
    return [Task(network, beta, n_sites, n_train, n_steps, 100 * seed + k) for k in range(n_networks)]


def learn_all(tasks):
    """Carry out many tasks side by side. tasks: dict name -> list of `Task`. Returns it with a `Learned` for each."""
    return carry_out(learn, tasks, lambda task: task.n_steps * task.n_sites)
