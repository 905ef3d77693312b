"""Which method finds the Ising model from one temperature: networks and classical estimates, measured alike.

A contestant is anything that comes to a Hamiltonian of spins: a `task.Learned`, or a `Fitted`. Each of several seeds
has configurations of its own, the same for every contestant, and the spread over the seeds is the error.
"""

import time
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings, finite_size, interaction_screening, reweighting
from lib.models.learned import LearnedHamiltonian
from lib.models.spin_rbm import SpinRBM, fit_persistent
from lib.samplers import delayed_acceptance
from lib.statistics import BLOCKS, Estimate, block_sums, jackknife, mean, over_networks
from lib.studies.recipes import flip_and_move
from lib.systems import ising


class Fitted(NamedTuple):
    """hamiltonian: with T0, energy and log_prob of spins [n, L, L]. kl: `Estimate`, in nats per configuration.
    cpu_seconds: of one core, for the estimate alone. couplings: `couplings.Couplings`, None for a network."""

    hamiltonian: object
    kl: Estimate
    cpu_seconds: float
    couplings: object = None


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

RBM = {"n_hidden": 128, "learning_rate": 3e-3, "batch": 64, "share": 4.0}


def boltzmann_machine(source, n, n_steps, seed, recipe=None):
    """`Fitted` of an RBM, from the n configurations that a task with this seed trains on.

    n_steps: of the Markov lattice; this one gets as many as take the same time.
    """
    recipe = RBM if recipe is None else recipe
    model = SpinRBM((source.L, source.L), recipe["n_hidden"], seed)
    s = source.configurations(n, seed, "train")
    given = {name: recipe[name] for name in ("learning_rate", "batch")}
    begin = time.process_time()
    fit_persistent(model, s, steps=max(1, round(recipe["share"] * n_steps)), augment=flip_and_move, seed=seed, **given)
    seconds = time.process_time() - begin
    hamiltonian, test = LearnedHamiltonian(model, source.T), source.configurations(10_000, seed)
    model.log_z = 0.0
    log_z = log_partition_function(hamiltonian, source, np.random.default_rng([seed, 7]))
    away = mean(source.log_prob(test) - hamiltonian.log_prob(test))
    model.log_z = log_z.value
    kl = Estimate(away.value + log_z.value, float(np.hypot(away.error, log_z.error)))
    return Fitted(hamiltonian, kl, seconds)


def log_partition_function(hamiltonian, source, rng, n=1000, steps=100):
    """ln Z of a Hamiltonian at T0, an `Estimate`, by annealing n configurations of the true one, whose ln Z is known.

    A quarter of the steps, on as many configurations, has to agree within three errors, else it is nan.
    """
    found = []
    for part in (steps // 4, steps):
        s = source.configurations(n, int(rng.integers(2**31)), "thermodynamics")

        def beyond(s):
            return hamiltonian.energy(s) - ising.energy(s)

        _, log_w = delayed_acceptance.anneal(s, source.T, rng, beyond, 1.0, part)
        w = np.exp(log_w - log_w.max())
        columns = np.stack([np.ones_like(w), w], axis=1)
        ratio = jackknife(lambda total: np.log(total[1] / total[0]), block_sums(columns, BLOCKS))
        found.append(Estimate(ratio.value + log_w.max(), ratio.error))
    fast, slow = found
    agree = abs(fast.value - slow.value) < 3 * np.hypot(fast.error, slow.error)
    known = ising.log_partition_function(source.L, source.T)
    return Estimate(known + slow.value, slow.error) if agree else Estimate(np.nan, np.nan)


# ---------------------------------------------------------------- the same measurements for all


class Measured(NamedTuple):
    """J: read from flips of single spins. curves: `reweighting.Curves`."""

    J: float
    curves: reweighting.Curves


def measure(hamiltonian, source, temperatures, seed, n=300, length=20, anneal=120):
    """`Measured` of a Hamiltonian; n, length, anneal: see `reweighting.ising_by_surrogate`."""
    s = couplings.both_signs(source.configurations(200, seed))
    read = couplings.read_network(hamiltonian, s, {"nn": ising.nearest}, ising.flip_one, seed=seed)
    curves = reweighting.ising_by_surrogate(hamiltonian, source.L, temperatures, n, seed, length, anneal)
    return Measured(float(read.values[0]), curves)


def measure_all(found, source, temperatures, seed, n=300):
    """dict name -> list of `Measured`, side by side; found: dict name -> list of contestants, one for each seed."""
    calls = {
        name: [(measure, each.hamiltonian, source, temperatures, 100 * seed + k, n) for k, each in enumerate(group)]
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
    """Of the true Hamiltonian at temperatures T [t]: exact energy and specific heat per site, U4 by direct Monte Carlo,
    and U4 at the critical temperature of the infinite lattice."""

    energy: np.ndarray
    heat: np.ndarray
    binder: np.ndarray
    level: float


def truth(L, temperatures, n_sweeps, seed):
    """`Truth`; n_sweeps of direct Monte Carlo, five times as many at T_c."""
    exact = ising.exact(L, temperatures).per_site
    direct, critical = parallel.run(
        [
            (reweighting.ising_direct, L, temperatures, n_sweeps, seed),
            (reweighting.ising_direct, L, [ising.critical_temperature()], 5 * n_sweeps, seed + 1),
        ]
    )
    level = float(critical.values["binder"][0])
    return Truth(exact.energy, exact.specific_heat, direct.values["binder"], level)


def score(group, measured, known, bound):
    """`Score` of a contestant: a list of what was found and one of `Measured`, a `Truth`, the bound on J."""
    curves = [m.curves for m in measured]
    deviations = {
        "energy": [c.values["energy"] / known.energy - 1 for c in curves],
        "heat": [c.values["specific_heat"] / known.heat - 1 for c in curves],
        "binder": [c.values["binder"] - known.binder for c in curves],
    }
    largest = {name: over_networks([np.abs(d).max() for d in each]) for name, each in deviations.items()}
    return Score(
        kl=over_networks(*np.transpose([each.kl for each in group])),
        j=over_networks([abs(m.J - 1) / bound for m in measured]),
        t_c=finite_size.level_temperature(curves, known.level),
        seconds=float(np.mean([each.cpu_seconds for each in group])),
        **largest,
    )
