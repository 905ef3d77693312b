"""The sign-free side of finite density: what an autoregressive network of conserved currents says, and the worm."""

import math
import time
from typing import NamedTuple

import numpy as np

from lib.analysis.reweighting import log_mean_weight, reweight
from lib.samplers import mcmc
from lib.samplers.worm import Worms
from lib.statistics import Estimate, mean
from lib.systems import rotor_field

CHARGES = np.arange(6)


class Dual(NamedTuple):
    """What one network says with weights: <n>, ln Z, probabilities of the charges 0 ... 5 [6].

    ess: effective samples per draw. cpu_seconds, draw_seconds: of its training, and of its draws.
    """

    density: Estimate
    log_z: Estimate
    charges: Estimate
    ess: float
    cpu_seconds: float
    draw_seconds: float


def evaluate(learned, n_draws=20_000):
    """`Dual` from n_draws of a trained network; for `task.learn_all(tasks, then=evaluate)`."""
    field = learned.task.source.field
    begin = time.process_time()
    draws, log_q = learned.model.sample(n_draws, learned.task.seed)
    seconds = time.process_time() - begin
    free = draws.numpy().astype(int)
    log_weights = rotor_field.log_weight(free, field) - log_q.double().numpy()
    charge = rotor_field.charge(free)
    observables = np.column_stack([charge / field.n_x, charge[:, None] == CHARGES])
    found = reweight(observables, log_weights)
    error = math.sqrt(max(1 / found.ess - 1, 0) / n_draws)
    return Dual(
        density=Estimate(float(found.value[0]), float(found.error[0])),
        log_z=Estimate(log_mean_weight(log_weights), error),
        charges=Estimate(found.value[1:], found.error[1:]),
        ess=float(found.ess),
        cpu_seconds=learned.cpu_seconds,
        draw_seconds=seconds,
    )


class Worm(NamedTuple):
    """What worms say: <n>, probabilities of the charges [6], tau_int in worms, and seconds of one core."""

    density: Estimate
    charges: Estimate
    tau_int: float
    cpu_seconds: float


def worm(field, n, seed):
    """`Worm` from n independent configurations."""
    begin = time.process_time()
    found = mcmc.sample(Worms(field), n, np.random.default_rng([seed, n]))
    seconds = time.process_time() - begin
    charge = rotor_field.charge(found.configurations.astype(int))
    return Worm(mean(charge / field.n_x), mean(charge[:, None] == CHARGES), found.tau_int, seconds)
