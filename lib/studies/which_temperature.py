r"""Which temperature to learn at, and how to know without an exact answer: what the chapter of that name measures.

At every T0 four pairs of networks are trained, one good and three that are wrong for different reasons (`TRAININGS`).
Each pair is one point of the chapter's figures: the blind diagnostics (`analysis.diagnostics`) of its networks, which
take configurations at T0 only, against the exact KL at T0 and the exact specific heat at other temperatures.

Fisher information of J. p ~ exp(-J E / T0) gives d ln p / dJ = -(E - <E>) / T0, so n configurations hold

    I = n Var(E) / T0^2 = n N C(T0),

N C the specific heat of the lattice: no unbiased estimate of J has an error below 1 / sqrt(I) (Cramer and Rao).
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from lib import lattice, parallel
from lib.analysis import couplings, diagnostics, finite_size
from lib.analysis.hamiltonian_error import symmetry_changes
from lib.analysis.reweighting import ising_direct
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, mean, over_blocks, over_networks
from lib.studies.sources import Spins
from lib.studies.task import replicas
from lib.systems import ising

TRAININGS = {
    "full": "the Markov lattice, all steps, its own file for each network",
    "short": "the same, an eighth of the steps",
    "few": "the same, half of the steps, 500 configurations that both networks share",
    "linear": "one linear layer, half of the steps: it cannot express the truth",
}
FEW = 500
BLIND = ("samples", "seeds", "symmetry", "surrogate")


def fisher_bound(L, T0, n):
    """Smallest possible error of J from n independent configurations at T0: 1 / sqrt(n N C(T0)), Kaufman's C."""
    return 1 / np.sqrt(n * ising.exact(L, T0).specific_heat)


def measured_information(s, T0):
    """`Estimate` of the information about J in one configuration, Var(E) / T0^2, from configurations s [n, L, L]."""
    energy = ising.energy(s) / T0
    return mean((energy - energy.mean()) ** 2)


def tasks(L, temperatures, n_train, n_networks, n_steps, seed):
    """dict (training, T0) -> list of `Task`, for every name of `TRAININGS`; no two T0 share random numbers."""
    found = {}
    for number, T0 in enumerate(temperatures):
        spins, own = Spins(L, T0), 10 * seed + number
        found |= {
            ("full", T0): replicas("markov_lattice", spins, n_train, n_steps, n_networks, own),
            ("short", T0): replicas("markov_lattice", spins, n_train, max(10, n_steps // 8), n_networks, own),
            ("few", T0): replicas(
                "markov_lattice", spins, min(FEW, n_train), max(10, n_steps // 2), n_networks, own, data_seed=own
            ),
            ("linear", T0): replicas("linear", spins, n_train, max(10, n_steps // 2), n_networks, own),
        }
    return found


# ---------------------------------------------------------------- J without a network


def nearest_coupling(s, T0):
    """`Estimate` of J alone by maximum pseudolikelihood from configurations s [n, L, L] at T0."""
    found = couplings.pseudolikelihood(ising.local_sums(s, ("nn",)), T0, ("nn",))
    return Estimate(float(found.values[0]), float(found.errors[0]))


class Classical(NamedTuple):
    """From configurations at one T0, without a network: J by pseudolikelihood and the information about J in one
    configuration, `Estimate`; undecided: share of the spins whose four neighbours cancel."""

    J: Estimate
    information: Estimate
    undecided: float


def _classical(L, T0, n, seed):
    s = Spins(L, T0).configurations(n, seed, "train")
    undecided = float((ising.local_sums(s, ("nn",)) == 0).mean())
    return Classical(nearest_coupling(s, T0), measured_information(s, T0), undecided)


def classical(tasks):
    """dict T0 -> `Classical` from the very configurations that the first network of "full" is trained on."""
    first = {task.source.T: task for (name, _), (task, *_) in tasks.items() if name == "full"}
    calls = [(_classical, task.source.L, T0, task.n_train, task.data) for T0, task in first.items()]
    return dict(zip(first, parallel.run(calls), strict=True))


# ---------------------------------------------------------------- blind diagnostics


class Reading(NamedTuple):
    """What one network says of the n held-out configurations of its T0, and what it draws.

    log_prob: [n]. changes: of ln p under translations, rotations and reflections, [g, 300].
    drawn: of k of its own samples, and observed: of the held-out ones: `quantities`, [k, 3] and [n, 3].
    """

    log_prob: np.ndarray
    changes: np.ndarray
    drawn: np.ndarray
    observed: np.ndarray


def quantities(s, energy):
    """E, |m| N and (E - `energy`)^2 of spins s [n, L, L], [n, 3]."""
    E = ising.energy(s)
    return np.column_stack([E, np.abs(ising.magnetization(s)), (E - energy) ** 2])


def operations(side):
    """Three translations and the seven other elements of D4."""
    shifts = (1, 0), (0, 1), (side // 2, side // 2)
    return [lattice.Element(0, shift) for shift in shifts] + [lattice.Element(p, (0, 0)) for p in range(1, 8)]


def held_out(task, n=1500):
    """n configurations that no network has seen, the same for all trainings at one T0."""
    return task.source.configurations(n, task.seed // 100, "thermodynamics")


def read(learned, n=1500):
    """`Reading` of one `Learned`, with n held-out configurations and n samples."""
    s, hamiltonian = held_out(learned.task, n), learned.hamiltonian
    drawn = hamiltonian.sample(n, learned.task.seed)[0].astype(np.int8)
    changes = symmetry_changes(hamiltonian, s[:300], operations(s.shape[1])) / hamiltonian.T0
    energy = ising.energy(s).mean()
    return Reading(hamiltonian.log_prob(s), changes, quantities(drawn, energy), quantities(s, energy))


def blind(readings, J, task):
    """`diagnostics.Blind` of the `Reading` of several networks; J: coupling of the surrogate, from the data."""
    log_weight = -J * ising.energy(held_out(task, len(readings[0].log_prob))) / task.source.T
    return diagnostics.blind(
        [r.log_prob for r in readings],
        [r.drawn for r in readings],
        readings[0].observed,
        [r.changes for r in readings],
        log_weight,
    )


def blind_of_all(learned, J):
    """dict name of the group -> `diagnostics.Blind`, of groups of `Learned`. J: dict T0 -> coupling from the data."""
    readings = parallel.run_all({name: [(read, each) for each in group] for name, group in learned.items()})
    return {name: blind(readings[name], J[name[1]], group[0].task) for name, group in learned.items()}


# ---------------------------------------------------------------- the exact answers


def binder_level(L, seed, n_sweeps=4000):
    """U4 of the L x L lattice at the exact T_c, by direct Monte Carlo: an `Estimate`."""
    found = ising_direct(L, [ising.critical_temperature()], n_sweeps, seed)
    return Estimate(float(found.values["binder"][0]), float(found.errors["binder"][0]))


def heat_error(curves, L):
    """`Estimate` of the root mean square over T of C / C_exact - 1, over the `Curves` of several networks.

    It holds the noise of the curves, which does not average out of a square.
    """
    exact = ising.exact(L, curves[0].T).per_site.specific_heat
    each = []
    for c in curves:
        off, error = c.values["specific_heat"] / exact - 1, c.errors["specific_heat"] / exact
        size = np.sqrt((off**2).mean())
        each.append((size, np.sqrt(((off * error) ** 2).mean() / len(off)) / max(size, 1e-12)))
    return over_networks(*np.transpose(each))


def critical_temperature(curves, level):
    """`Estimate` of where U4 falls through `level`, an `Estimate`, over the `Curves` of several networks; nan where one
    does not."""
    found = finite_size.level_temperature(curves, level.value)
    lower = finite_size.level_temperature(curves, level.value - level.error)
    return Estimate(found.value, float(np.hypot(found.error, lower.value - found.value)))


def configurations_at(L, temperatures, n, seed, J=1.0):
    """n configurations of the nearest-neighbour model with coupling J at each temperature, a list [t] of [n, L, L]."""
    streams = [np.random.default_rng([seed, 7, number]) for number in range(len(temperatures))]
    chain = [chains.Ising(L, T / J) for T in temperatures]
    return [mcmc.sample(each, n, rng).configurations for each, rng in zip(chain, streams, strict=True)]


class Elsewhere(NamedTuple):
    """Networks away from T0, averages over the temperatures, `Estimate` in nats.

    true: Var((H_theta - H) / T) / 2, the KL of exp(-H_theta / T) to second order, on exact configurations at T.
    seeds: Var((H_1 - H_2) / T) / 4 on configurations of the surrogate at T, which needs no exact answer.
    """

    true: Estimate
    seeds: Estimate


def elsewhere(group, exact, surrogate, temperatures):
    """`Elsewhere` of a list of `Learned`; exact, surrogate: `configurations_at` the temperatures."""
    true, seeds = [], []
    for T, s, t in zip(temperatures, exact, surrogate, strict=True):
        log_weight = -ising.energy(s) / T
        each = [diagnostics.surrogate(-r.hamiltonian.energy(s) / T, log_weight) for r in group]
        true.append(over_networks(*np.transpose(each)))
        seeds.append(diagnostics.seeds([-r.hamiltonian.energy(t) / T for r in group]))
    return Elsewhere(_mean_over_temperatures(true), _mean_over_temperatures(seeds))


def _mean_over_temperatures(estimates):
    """The same networks at every temperature: their errors add up."""
    values, errors = np.transpose(estimates)
    return Estimate(float(values.mean()), float(errors.mean()))


def elsewhere_of_all(learned, J, temperatures, n, seed):
    """dict name -> `Elsewhere` of groups of `Learned`. J: dict T0 -> coupling of the surrogate, from the data."""
    L = next(iter(learned.values()))[0].task.source.L
    exact = configurations_at(L, temperatures, n, seed)
    surrogates = {T0: configurations_at(L, temperatures, n, seed + 1, each) for T0, each in J.items()}
    calls = [(group, exact, surrogates[name[1]], temperatures) for name, group in learned.items()]
    return dict(zip(learned, parallel.starmap(elsewhere, calls), strict=True))


def ratio(a, b):
    """a / b of two independent `Estimate`."""
    value = a.value / b.value
    return Estimate(value, abs(value) * np.hypot(a.error / a.value, b.error / b.value))


def rank_correlation(x, y):
    """Spearman's rank correlation of two lists of `Estimate`, one for each group; error: jackknife over groups."""
    x, y = (np.array([each.value for each in values]) for values in (x, y))
    return over_blocks(lambda keep: float(spearmanr(x[keep], y[keep]).statistic), np.arange(len(x)))
