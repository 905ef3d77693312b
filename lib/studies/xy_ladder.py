r"""Networks of angles that go down a ladder of temperatures without data, and what they draw on every rung.

A `Ladder` is everything that determines the outcome, so what was trained once is kept (`lib.cache`). Of the draws only
what the estimators need is kept: ln q, with respect to d theta / 2 pi for every site so that ln Z goes to 0 at high
temperature, the energy E, I_x^2 + I_y^2 and the vortices per site.
"""

import time
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import cache, parallel
from lib.models.descent import Schedule, descend
from lib.models.heads.equal_betas import EqualBetas
from lib.models.masked_convolution import MaskedConvolution
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.studies.variational import Draws
from lib.systems import xy

DRAWN_AT_ONCE = 1000  # configurations, to save memory


class Network(NamedTuple):
    """unit: the angle that a value of 1 stands for. build: (L, seed) -> network."""

    unit: float
    build: object


def _equivariant(L, seed):
    return O2MarkovLattice(L, seed=seed)


def _can(L, seed):
    """Three layers of masked 3 x 3 convolutions of width 32, three Beta densities of equal weight."""
    return MaskedConvolution(L, EqualBetas(3), seed=seed)


NETWORKS = {"equivariant": Network(1.0, _equivariant), "can": Network(xy.TWO_PI, _can)}


@dataclass(frozen=True)
class Ladder:
    """One descent.

    network: a key of NETWORKS. L: lattice side. temperatures: falling. schedule: of the training.
    n_draws: of the network of each temperature. seed: of initial weights and of all draws.
    """

    network: str
    L: int
    temperatures: tuple
    schedule: Schedule
    n_draws: int
    seed: int

    def __post_init__(self):
        if self.network not in NETWORKS:
            raise ValueError(f"network = {self.network!r}: choose from {', '.join(NETWORKS)}")

    @property
    def cost(self):
        """Roughly the time it takes, to start the longest first."""
        return self.L**2 * (self.schedule.first + self.schedule.steps * (len(self.temperatures) - 1))


class AngleDraws(NamedTuple):
    """n independent configurations of a network at T: arrays [n] of ln q, E, I_x^2 + I_y^2 and vortices per site.

    ln q is with respect to d theta / 2 pi.
    """

    log_q: np.ndarray
    energy: np.ndarray
    current_squared: np.ndarray
    vortices: np.ndarray
    T: float
    L: int

    log_weights, ess = Draws.log_weights, Draws.ess


class Rung(NamedTuple):
    """What came out at one temperature.

    draws: `AngleDraws`. beta_f: <beta E + ln q> in every batch of the training, [steps], with the beta in force.
    beta: that beta, [steps]. first_step: steps trained before, at higher temperatures.
    cpu_seconds: of the training at this temperature.
    """

    draws: AngleDraws
    beta_f: np.ndarray
    beta: np.ndarray
    first_step: int
    cpu_seconds: float


def draw(model, unit, n, T, seed):
    """`AngleDraws` of n configurations of a model whose values are angles / unit."""
    n_sites, parts = model.n_sites, []
    for k, start in enumerate(range(0, n, DRAWN_AT_ONCE)):
        s, log_q = model.sample(min(DRAWN_AT_ONCE, n - start), 1_000_000 * seed + k)
        theta = unit * s.double().numpy()
        # with respect to d theta / 2 pi: ln q of the values has d theta / unit
        log_q = log_q.double().numpy() + n_sites * np.log(xy.TWO_PI / unit)
        current_squared = (xy.currents(theta) ** 2).sum(1)
        parts.append((log_q, xy.energy(theta), current_squared, xy.vortex_density(theta)))
    return AngleDraws(*map(np.concatenate, zip(*parts, strict=True)), T, model.site_shape[0])


def climb_down(ladder):
    """A `Rung` for every temperature of a `Ladder`, a list."""
    network, n_sites = NETWORKS[ladder.network], ladder.L**2
    model = network.build(ladder.L, ladder.seed)

    def energy(s):
        return xy.energy(network.unit * s)

    rungs, taken, begin = [], 0, time.process_time()
    for T, result in descend(model, energy, ladder.temperatures, ladder.schedule, ladder.seed):
        seconds = time.process_time() - begin
        _, beta, beta_f, _ = np.array(result.history).T
        beta_f = beta_f + n_sites * np.log(xy.TWO_PI / network.unit)
        draws = draw(model, network.unit, ladder.n_draws, T, 1000 * ladder.seed + len(rungs))
        rungs.append(Rung(draws, beta_f, beta, taken, seconds))
        taken, begin = taken + result.steps, time.process_time()
    return rungs


def climbed(ladder):
    """`climb_down`, from the cache if this machine has done it before."""
    return cache.remember(climb_down, ladder)


def climb_all(ladders):
    """Many ladders side by side on the cores of this machine: dict name -> list of `Ladder` -> of lists of `Rung`."""
    every = sorted((one for group in ladders.values() for one in group), key=lambda one: -one.cost)
    done = dict(zip(every, parallel.starmap(climbed, [(one,) for one in every]), strict=True))
    return {name: [done[one] for one in group] for name, group in ladders.items()}
