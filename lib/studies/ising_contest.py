"""Which method finds the Ising model from one temperature: networks and classical estimates, measured alike.

A contestant is anything that comes to a Hamiltonian of spins: a `task.Learned`, or a `Fitted`. Each of several seeds
has configurations of its own, the same for every contestant, and the spread over the seeds is the error.

Tuning. Every network got the same effort: six trials of about the default time, three learning rates times two widths
or batches, judged by KL at data seed 990, none of the chapter's; two or three trials more where the best was at the
edge. In nats, from 9000 configurations unless said otherwise:

    Markov lattice     rate 5e-3, 1e-2, 2e-2:  .170 .124 .104 (batch 64)    .118 .091 .072 (32)
                       rate 4e-2 .081 (32), 2e-2 .072 (16)
    MADE               rate 1e-3, 3e-3, 1e-2:  3.40 2.02 2.83 (128 units)   5.15 2.59 3.19 (512),  stopped early;
                       to the end, best average kept, 3e-3:  1.98 1.89 1.79 1.74 (128, 64, 32, 16 units)
       100 000                                 2.74 .541 .548               4.43 1.07 .753;  to the end 5e-3 .466
    MADE, symmetric                            2.72 .464 .412               4.42 .984 .606;  2e-2 .525, batch 32 .574
       100 000                                 2.70 .422 .390               4.39 .948 .582
    convolution        rate 3e-3, 1e-2, 3e-2:  2.69 1.59 1.25 (16 channels) 4.61 2.04 1.69 (32)
                       batch 16: 1e-2 .884, 3e-2 .717;  8 channels, batch 32: 1.02
    RBM                rate 1e-3, 3e-3, 1e-2:  12.9 10.9 10.0 (64 hidden)   8.80 6.58 21.6 (256),  two Gibbs rounds;
                       one round: 3e-3 6.15 (256 hidden); batch 32: 5.77 (256), 5.66 (512)
"""

import csv
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings, interaction_screening, reweighting
from lib.models.learned import LearnedHamiltonian
from lib.models.spin_rbm import SpinRBM, fit_persistent
from lib.paths import data_file
from lib.samplers import delayed_acceptance
from lib.statistics import BLOCKS, Estimate, block_sums, jackknife, mean, over_networks
from lib.studies import which_temperature
from lib.studies.recipes import Recipe, flip_and_move, markov_lattice, spin_convolution, spin_made
from lib.studies.sources import Spins
from lib.studies.task import learn_all, replicas
from lib.systems import ising


class Fitted(NamedTuple):
    """hamiltonian: with T0, energy and log_prob of spins [n, L, L]. kl: `Estimate`, in nats per configuration.
    cpu_seconds: of one core, for the estimate alone. couplings: `couplings.Couplings`, None for a network."""

    hamiltonian: object
    kl: Estimate
    cpu_seconds: float
    couplings: object = None


# ---------------------------------------------------------------- networks

SYMMETRIC = Recipe(partial(spin_made, hidden=(128,)), flip_and_move, learning_rate=1e-2, share=1.65)
PLAIN = replace(SYMMETRIC, augment=None, learning_rate=5e-3, held_out=0.1)
LATTICE = Recipe(markov_lattice, flip_and_move, learning_rate=2e-2, batch=32)
CONVOLUTION = Recipe(partial(spin_convolution, width=16), flip_and_move, learning_rate=3e-2, batch=16, share=0.78)


@dataclass(frozen=True)
class ContestSpins(Spins):
    """The same configurations as `Spins`, and networks tuned for a few seconds of one core."""

    networks = {
        "made": PLAIN,
        "made_narrow": replace(PLAIN, build=partial(spin_made, hidden=(16,)), learning_rate=3e-3, share=3.0),
        "made_symmetric": SYMMETRIC,
        "convolution": CONVOLUTION,
        "markov_lattice": LATTICE,
    }


NETWORKS = {
    "MADE": ("made_narrow", False),
    "MADE, more data": ("made", True),
    "MADE, symmetries": ("made_symmetric", False),
    "MADE, symmetries, more data": ("made_symmetric", True),
    "masked convolution": ("convolution", False),
    "Markov lattice": ("markov_lattice", False),
}


TOLD = {
    "MADE": "nothing",
    "MADE, more data": "nothing",
    "MADE, symmetries": "symmetries of the lattice, flip",
    "MADE, symmetries, more data": "symmetries of the lattice, flip",
    "masked convolution": "one small network for all sites; symmetries, flip",
    "Markov lattice": "which sites matter; symmetries, flip",
    "RBM": "symmetries, flip",
    "pseudolikelihood, 1 coupling": "the operator",
    "pseudolikelihood, 5 couplings": "five operators",
    "interaction screening, 5 couplings": "five operators",
    "the true Hamiltonian": "everything",
}


def peers():
    """Rows (method, KL), texts, of data/contest_peers.csv."""
    with open(data_file("contest_peers.csv"), newline="", encoding="utf-8") as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    return rows[1:]


def learn_networks(source, n_few, n_many, n_steps, n_seeds, seed):
    """dict name -> list of `Learned`, one for each seed: NETWORKS, from n_few configurations or n_many.

    n_steps: of the Markov lattice; others get as many as take the same time.
    """
    return learn_all(
        {
            name: replicas(network, source, n_many if many else n_few, n_steps, n_seeds, seed)
            for name, (network, many) in NETWORKS.items()
        }
    )


def fit_others(source, n, n_steps, n_seeds, seed):
    """The same for what is no autoregressive network, from n configurations: the RBM and CLASSICAL."""
    seeds = [100 * seed + k for k in range(n_seeds)]
    calls = {"RBM": [(boltzmann_machine, source, n, n_steps, each) for each in seeds]}
    calls |= {name: [(estimate, name, source, n, each) for each in seeds] for name in CLASSICAL}
    return parallel.run_all(calls)


# ---------------------------------------------------------------- couplings, estimated without a network


class OfCouplings:
    """The Hamiltonian -sum_a J_a O_a of spins; J: dict name -> J_a (`ising.OPERATORS`). log_prob lacks -ln Z."""

    def __init__(self, J, T0):
        self.J, self.T0 = dict(J), float(T0)

    def energy(self, s):
        """H(s) of spins [n, L, L], float64 [n]."""
        return -ising.operators(s, tuple(self.J)) @ np.array(list(self.J.values()))

    def log_prob(self, s):
        """ln p(s) + ln Z of spins [n, L, L], float64 [n]."""
        return -self.energy(s) / self.T0


def kl_of_weights(log_p, log_weight):
    """KL(p || q), an `Estimate`, for q known up to its normalisation: ln <w / p> - <ln (w / p)>, averages over p.

    log_p, log_weight: of independent configurations of p [n], each up to a constant. Right where q is close to p.
    """
    x = np.asarray(log_weight, float) - np.asarray(log_p, float)
    x = x - x.mean()
    columns = np.stack([np.ones_like(x), np.exp(x), x], axis=1)
    return jackknife(lambda total: np.log(total[1] / total[0]) - total[2] / total[0], block_sums(columns, BLOCKS))


CLASSICAL = {
    "pseudolikelihood, 1 coupling": (couplings.pseudolikelihood, ("nn",)),
    "pseudolikelihood, 5 couplings": (couplings.pseudolikelihood, tuple(ising.OPERATORS)),
    "interaction screening, 5 couplings": (interaction_screening.screening, tuple(ising.OPERATORS)),
}


def estimate(name, source, n, seed):
    """`Fitted` of one of CLASSICAL, from the n configurations that a task with this seed trains on."""
    method, names = CLASSICAL[name]
    s = source.configurations(n, seed, "train")
    begin = time.process_time()
    found = method(ising.local_sums(s, names), source.T, names)
    seconds = time.process_time() - begin
    hamiltonian = OfCouplings(dict(zip(names, found.values, strict=True)), source.T)
    test = source.configurations(10_000, seed)
    return Fitted(hamiltonian, kl_of_weights(source.log_prob(test), hamiltonian.log_prob(test)), seconds, found)


# ---------------------------------------------------------------- restricted Boltzmann machine

UNKNOWN = 2.0  # difference of two annealings, in nats, from which ln Z is not known
RBM = {"n_hidden": 256, "learning_rate": 3e-3, "batch": 32, "rounds": 1, "share": 2.8}


def boltzmann_machine(source, n, n_steps, seed, recipe=None):
    """`Fitted` of an RBM, from the n configurations that a task with this seed trains on.

    n_steps: of the Markov lattice; this one gets as many as take the same time.
    """
    recipe = RBM if recipe is None else recipe
    model = SpinRBM((source.L, source.L), recipe["n_hidden"], seed)
    s = source.configurations(n, seed, "train")
    given = {name: recipe[name] for name in ("learning_rate", "batch", "rounds")}
    begin = time.process_time()
    fit_persistent(model, s, steps=max(1, round(recipe["share"] * n_steps)), augment=flip_and_move, seed=seed, **given)
    seconds = time.process_time() - begin
    hamiltonian, test = LearnedHamiltonian(model, source.T), source.configurations(10_000, seed)
    model.log_z = 0.0  # ln p up to a constant will do for all that follows, and the KL has ln Z apart
    log_z = log_partition_function(hamiltonian, source, np.random.default_rng([seed, 7]))
    away = mean(source.log_prob(test) - hamiltonian.log_prob(test))
    kl = Estimate(away.value + log_z.value, float(np.hypot(away.error, log_z.error)))
    return Fitted(hamiltonian, kl, seconds)


def log_partition_function(hamiltonian, source, rng, n=500, steps=400):
    """ln Z of a Hamiltonian at T0, an `Estimate`, by annealing n configurations of the true one, whose ln Z is known.

    Few configurations carry the weight, and the likeliest ones may be missed, which the scatter of the others does not
    show. So the same is done with a quarter of the steps, and the difference is part of the error; nan if it is above
    two, then ln Z is not known.
    """
    found, flips = [], max(1, source.n_sites // 16)
    for part in (steps // 4, steps):
        s = source.configurations(n, int(rng.integers(2**31)), "thermodynamics")

        def beyond(s):
            return hamiltonian.energy(s) - ising.energy(s)

        _, log_w = delayed_acceptance.anneal(s, source.T, rng, beyond, 1.0, part, flips)
        w = np.exp(log_w - log_w.max())
        columns = np.stack([np.ones_like(w), w], axis=1)
        ratio = jackknife(lambda total: np.log(total[1] / total[0]), block_sums(columns, BLOCKS))
        found.append(Estimate(ratio.value + log_w.max(), ratio.error))
    fast, slow = found
    apart = abs(fast.value - slow.value)
    if apart > UNKNOWN:
        return Estimate(np.nan, np.nan)
    known = ising.log_partition_function(source.L, source.T)
    return Estimate(float(known + slow.value), float(np.hypot(slow.error, apart)))


# ---------------------------------------------------------------- the same measurements for all


class Measured(NamedTuple):
    """J: read from flips of single spins. curves: `reweighting.Curves`."""

    J: float
    curves: reweighting.Curves


def measure(hamiltonian, source, temperatures, seed, n, length, anneal):
    """`Measured` of a Hamiltonian; n, length, anneal: see `reweighting.ising_by_surrogate`."""
    s = couplings.both_signs(source.configurations(200, seed))
    read = couplings.read_network(hamiltonian, s, {"nn": ising.nearest}, ising.flip_one, seed=seed)
    curves = reweighting.ising_by_surrogate(hamiltonian, source.L, temperatures, n, seed, length, anneal)
    return Measured(float(read.values[0]), curves)


def measure_all(found, source, temperatures, seed, n=250):
    """dict name -> list of `Measured`, side by side; found: dict name -> list of contestants, one for each seed.

    Each has random numbers of its own, and the true Hamiltonian competes: what is left of it is the noise of measuring.
    """
    known = Fitted(OfCouplings({"nn": 1.0}, source.T), Estimate(0.0, 0.0), 0.0)
    length, anneal = 15, {"masked convolution": 10}  # it takes ten times as long to evaluate as the others
    found = found | {"the true Hamiltonian": [known] * max(len(group) for group in found.values())}
    calls = {
        name: [
            (measure, each.hamiltonian, source, temperatures, 100 * seed + k, n, length, anneal.get(name, 60))
            for k, each in enumerate(group)
        ]
        for name, group in found.items()
    }
    return parallel.run_all(calls)


class Score(NamedTuple):
    """Means over the seeds, each an `Estimate` with the spread between them (Student's t).

    kl: nats per configuration. j: |J - 1| in units of the bound. energy, heat: largest relative deviation among the
    temperatures; binder: largest deviation of U4. t_c: where U4 falls through its true value at T_c. seconds: CPU time.
    """

    kl: Estimate
    j: Estimate
    energy: Estimate
    heat: Estimate
    binder: Estimate
    t_c: Estimate
    seconds: float


class Truth(NamedTuple):
    """Of the true Hamiltonian at temperatures T [t]: exact energy and specific heat per site, |m| and U4 by direct
    Monte Carlo. level: U4 at the critical temperature of the infinite lattice, an `Estimate`."""

    T: np.ndarray
    energy: np.ndarray
    specific_heat: np.ndarray
    abs_m: np.ndarray
    binder: np.ndarray
    level: Estimate


def truth(L, temperatures, seed, n_sweeps=2000):
    """`Truth`; n_sweeps of direct Monte Carlo."""
    exact = ising.exact(L, temperatures).per_site
    direct, level = parallel.run(
        [
            (reweighting.ising_direct, L, temperatures, n_sweeps, seed),
            (which_temperature.binder_level, L, seed + 1, 2 * n_sweeps),
        ]
    )
    found = (direct.values[name] for name in ("abs_m", "binder"))
    return Truth(direct.T, exact.energy, exact.specific_heat, *found, level)


def error_of_couplings(group, name="nn"):
    """Standard error of a coupling in one data set, an `Estimate`, mean over the seeds; and the coupling, another."""
    at = group[0].couplings.names.index(name)
    values, errors = (np.array([getattr(f.couplings, field)[at] for f in group]) for field in ("values", "errors"))
    return over_networks(errors), Estimate(float(values.mean()), float(np.sqrt((errors**2).sum()) / len(errors)))


def score(group, measured, known, bound):
    """`Score` of a contestant.

    group: what was found, a list; None for the true Hamiltonian. measured: `Measured`, a list. known: `Truth`.
    bound: on the error of J.
    """
    curves = [m.curves for m in measured]
    deviations = {
        "energy": [c.values["energy"] / known.energy - 1 for c in curves],
        "heat": [c.values["specific_heat"] / known.specific_heat - 1 for c in curves],
        "binder": [c.values["binder"] - known.binder for c in curves],
    }
    largest = {name: over_networks([np.abs(d).max() for d in each]) for name, each in deviations.items()}
    group = [Fitted(None, Estimate(0.0, 0.0), 0.0)] * len(measured) if group is None else group
    return Score(
        kl=over_networks(*np.transpose([each.kl for each in group])),
        j=over_networks([abs(m.J - 1) / bound for m in measured]),
        t_c=which_temperature.critical_temperature(curves, known.level),
        seconds=float(np.mean([each.cpu_seconds for each in group])),
        **largest,
    )
