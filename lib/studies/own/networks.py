"""One network: trained on a file of configurations, and what it says.

Averages under exp(-H / T0) of the file: T0 is the number in that weight. For a path the weight is exp(-S / T0): T0 = 1
gives the action itself, and "another temperature" is another hbar.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from lib.models.learned import LearnedHamiltonian
from lib.studies import task
from lib.studies.own.kinds import CouplingReading
from lib.studies.own.symmetries import changes, violations

EVALUATED = 200  # configurations from which couplings and symmetry violations are read


class TrainedNetwork(NamedTuple):
    """Learned Hamiltonians: `bare`, and `symmetric` with p averaged over a group. history: (step, validation NLL)."""

    bare: object
    symmetric: object
    history: list
    steps: int
    n_weights: int


def train_network(kind, training, validation, T0, broken, steps, seed):
    """`TrainedNetwork` on training [n, ...], with early stopping on `validation`; broken: see `symmetries.py`."""
    model, recipe = kind.network(training, broken, seed)
    recipe = replace(recipe, checks=10)
    seen = [c if recipe.preprocess is None else recipe.preprocess(c) for c in (training, validation)]
    result = task.train(recipe, model, seen[0], steps, seed, held_out=seen[1])
    group = kind.group(training.shape[1:], broken)
    return TrainedNetwork(
        bare=LearnedHamiltonian(model, T0, None, recipe.preprocess),
        symmetric=LearnedHamiltonian(model, T0, group, recipe.preprocess),
        history=result.history,
        steps=result.steps,
        n_weights=sum(weight.numel() for weight in model.parameters()),
    )


class NetworkSamples(NamedTuple):
    """Configurations a network drew: energy, order, ln p [k] and operator sums [k, a]."""

    energy: np.ndarray
    order: np.ndarray
    operators: np.ndarray
    log_prob: np.ndarray


@dataclass(frozen=True)
class NetworkReading:
    """What one network says.

    log_prob, log_prob_train: ln p of the test set [m], and of as many training configurations.
    changes: name of a symmetry -> changes of ln p of the bare network [g, n]; violations: their (largest, rms).
    samples: of the network, p averaged over its group.
    drawn: a few of them [k, ...].
    """

    log_prob: np.ndarray
    log_prob_train: np.ndarray
    couplings: CouplingReading
    changes: dict
    violations: dict
    samples: NetworkSamples
    drawn: np.ndarray


def spread_out(c, n):
    """n of the configurations c, evenly spread over the file; all if there are fewer."""
    return c[np.linspace(0, len(c) - 1, min(n, len(c))).astype(int)]


def examine(kind, trained, test, some, broken, n_samples, seed):
    """`NetworkReading` on a test set [m, ...] and `some` training configurations."""
    hamiltonian, few = trained.symmetric, spread_out(test, EVALUATED)
    read = kind.read(hamiltonian, test, few, broken, seed)
    changed = changes(trained.bare, few, kind.operations(few.shape[1:], seed))
    values, log_prob = hamiltonian.sample(n_samples, seed)
    drawn = kind.restored(values)
    return NetworkReading(
        log_prob=hamiltonian.log_prob(test),
        log_prob_train=hamiltonian.log_prob(some),
        couplings=read,
        changes=changed,
        violations=violations(changed),
        samples=NetworkSamples(kind.energy(drawn), kind.order(drawn), kind.operators(drawn), log_prob),
        drawn=drawn[:5],
    )
