r"""From a temperature to a learned Hamiltonian of the XY model: sample, build a network, fit, measure.

As in `learning.py`, one `Task` determines everything. The networks differ in what they are told about the physics:

    made_beta        MADE, Beta mixtures of theta / 2 pi: nothing, as in the talk
    can              masked convolution, Beta mixtures, as in Chin. Phys. Lett. 39, 120502: that space is flat
    made_von_mises   MADE, cos and sin as inputs, von Mises mixtures: that an angle has no seam
    convolution      masked convolution, von Mises mixtures, the torus closed (`masked_convolution.py`)
    equivariant      which sites matter, and O(2) exactly; a Fourier density of 3 harmonics (`lib.models.equivariant`)

The last three see every configuration under random rotations, reflections and lattice symmetries; the first two see the
data as they are, like the papers'.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from lib.analysis.divergence import Divergence, kl_divergence
from lib.analysis.importance import effective_sample_size, log_mean_weight
from lib.models.equivariant import EquivariantFrontier
from lib.models.fit import FitResult, fit
from lib.models.heads import BetaMixture
from lib.models.learned_xy import LearnedXY, as_angle, as_fraction
from lib.models.made import MADE
from lib.models.masked_convolution import MaskedConvolution
from lib.models.von_mises import VonMisesMixture
from lib.samplers import xy as sampler
from lib.systems import lattice, xy
from lib.tasks import carry_out

HELD_OUT = 0.1  # part of the training data kept for early stopping


def rotate_and_move(theta, generator):
    """A random symmetry of the XY model on a batch of angles: lattice group, rotation, and reflection of half of it."""
    theta = lattice.random_transform(theta, generator)
    theta[::2] *= -1  # the batch itself is in random order
    turn = xy.TWO_PI * torch.rand(len(theta), 1, 1, generator=generator)
    return (theta + turn) % xy.TWO_PI


class Recipe(NamedTuple):
    """build(side, n_components, seed) -> network; view: angles -> what it sees; augment: see `fit`."""

    build: Callable
    view: Callable
    augment: Callable | None
    learning_rate: float
    batch: int


def _made_beta(L, K, seed):
    return MADE(site_shape=(L, L), head=BetaMixture(K), hidden=(512,), seed=seed)


def _made_von_mises(L, K, seed):
    return MADE(site_shape=(L, L), head=VonMisesMixture(K), hidden=(512,), seed=seed)


def _can(L, K, seed):
    return MaskedConvolution(L, BetaMixture(K), seed=seed)


def _convolution(L, K, seed):
    return MaskedConvolution(L, VonMisesMixture(K), periodic_columns=True, closure=True, uniform_first=False, seed=seed)


def _equivariant(L, _, seed):
    return EquivariantFrontier(L, seed=seed)


# learning rate and batch: tuned for the KL after some twenty seconds of one core, at L = 16, T0 = 0.9
NETWORKS = {
    "made_beta": Recipe(_made_beta, as_fraction, None, 1e-2, 64),
    "can": Recipe(_can, as_fraction, None, 3e-2, 32),
    "made_von_mises": Recipe(_made_von_mises, as_angle, rotate_and_move, 1e-2, 64),
    "convolution": Recipe(_convolution, as_angle, rotate_and_move, 2e-2, 32),
    "equivariant": Recipe(_equivariant, as_angle, rotate_and_move, 2e-2, 32),
}


@dataclass(frozen=True)
class Task:
    """One training. network: a key of NETWORKS; n_train: configurations, held-out ones included; n_components: of the
    mixture that is the conditional of a site, where it is one."""

    network: str
    L: int
    T0: float
    n_train: int
    n_steps: int
    n_components: int
    seed: int


class Learned(NamedTuple):
    """What a task came to."""

    task: Task
    hamiltonian: LearnedXY
    fit: FitResult
    n_weights: int


def configurations(L, T, n, seed, purpose="test"):
    """n independent angles [n, L, L] at temperature T; different purposes never share random numbers."""
    stream = ("train", "test", "thermodynamics").index(purpose)
    return sampler.sample(L, T, n, np.random.default_rng([seed, stream])).configurations


def learn(task):
    """Carry out a task; the same task gives the same network on the same machine. Returns `Learned`."""
    if task.network not in NETWORKS:
        raise ValueError(f"network = {task.network!r}: choose from {', '.join(NETWORKS)}")
    recipe = NETWORKS[task.network]
    data = recipe.view(configurations(task.L, task.T0, task.n_train, task.seed, "train"))
    held_out = data[: max(1, int(HELD_OUT * len(data)))]
    model = recipe.build(task.L, task.n_components, task.seed)
    result = fit(
        model,
        data[len(held_out) :],
        steps=task.n_steps,
        batch=recipe.batch,
        learning_rate=recipe.learning_rate,
        augment=recipe.augment,
        held_out=held_out,
        checks=4,
        seed=task.seed,
    )
    n_weights = sum(weight.numel() for weight in model.parameters())
    return Learned(task, LearnedXY(model, task.T0, view=recipe.view), result, n_weights)


def replicas(network, L, T0, n_train, n_steps, n_components, n_networks, seed):
    """`n_networks` tasks that differ in everything random: configurations, initial weights, batches."""
    return [Task(network, L, T0, n_train, n_steps, n_components, 100 * seed + k) for k in range(n_networks)]


def learn_all(tasks):
    """Carry out many tasks side by side: dict name -> list of `Task`, returned with a `Learned` for each."""
    return carry_out(learn, tasks, lambda task: task.n_steps * task.L**2)


def kl(hamiltonian, theta, log_partition):
    """`Divergence` of the exact distribution at T0 from the network's, on angles [n, L, L] drawn at T0.

    log_partition: (value, error) of ln Z. Its error is a common shift and is added in quadrature.
    """
    value, error = log_partition
    distance = kl_divergence(xy.log_density(theta, hamiltonian.T0, value), hamiltonian.log_prob(theta))
    return Divergence(distance.value, float(np.hypot(distance.error, error)))


class Assessed(NamedTuple):
    """KL of the exact distribution from a network; effective sample size per draw of its own draws, weighted with
    p / p_theta; ln Z from these weights, (value, error)."""

    kl: Divergence
    ess: float
    log_z: tuple


def assess(hamiltonian, log_partition, seed, n=2000, n_draws=1000):
    """`Assessed` on n new configurations at T0 and n_draws of the network. log_partition: (value, error) of ln Z."""
    theta = configurations(hamiltonian.model.site_shape[0], hamiltonian.T0, n, seed)
    distance = kl(hamiltonian, theta, log_partition)
    drawn, log_q = hamiltonian.sample(n_draws, seed)
    log_w = xy.log_density(drawn, hamiltonian.T0, 0.0) - log_q
    ess = effective_sample_size(log_w)
    return Assessed(distance, ess, (log_mean_weight(log_w), float(np.sqrt((1 / ess - 1) / n_draws))))
