r"""The driver: independent configurations, and averages with their errors, from any Markov chain.

A chain (`lib.samplers.chains`) knows a system and the sweeps that leave its distribution invariant. Every run has three
parts. (1) All replicas start ordered, each turned or flipped at random: a quench from random spins would freeze into
stripes below T_c. (2) A pilot: blocks of doubling length, until a block is at least 20 tau_int long, where tau_int is
measured in that block; everything so far, at least 20 tau_int, is discarded as equilibration. (3) Sampling, with
3 tau_int sweeps between two configurations of one replica, so that the correlation left in the slowest mode is about
exp(-3) = 5 %, and far less in the rest; most pairs are from different replicas and have none at all.

tau_int = 1/2 + sum_t rho(t), in sweeps, the largest of those of the chain's slow observables; its estimator:
`statistics.integrated_time`.
"""

from typing import NamedTuple

import numpy as np

from lib import statistics

PILOT = 20  # tau_int in a block of the pilot that is long enough
MANY = 10**6  # configurations wanted of a chain whose averages are measured


class Samples(NamedTuple):
    """Configurations [n, ...] in random order, and how they came about.

    tau: tau_int (1/2 + sum rho) in sweeps of each slow observable, by name
    thinning: sweeps between two configurations of a replica
    discarded: sweeps of equilibration, after the start
    replicas: how many chains ran side by side
    """

    configurations: np.ndarray
    tau: dict
    thinning: int
    discarded: int
    replicas: int

    @property
    def tau_int(self):
        """The largest of the autocorrelation times, in sweeps."""
        return max(self.tau.values())


def _observe(chain, state, measurements, interval, rng):
    """What `chain.observe` sees after every `interval` sweeps, a list."""
    seen = []
    for _ in range(measurements):
        chain.advance(state, interval, rng)
        seen.append(chain.observe(state))
    return seen


def equilibrate(chain, state, rng):
    """The pilot, in place. Returns tau_int in sweeps of each slow observable, a dict, and the sweeps it took."""
    interval, discarded = 1, 0
    while True:
        seen = _observe(chain, state, chain.measurements, interval, rng)
        discarded += chain.measurements * interval
        chain.refresh(state)
        tau = {name: interval * statistics.integrated_time(series) for name, series in chain.slow(seen).items()}
        if chain.measurements * interval >= PILOT * max(tau.values()):
            return tau, discarded
        interval *= 2


def sample(chain, n, rng, *, spacing=3.0):
    """n independent configurations, as `Samples`, each under a random global symmetry of the system.

    spacing: tau_int between two configurations of a replica; below 3 they are not independent

    ValueError unless n >= 1 and spacing > 0.
    """
    if int(n) != n or n < 1:
        raise ValueError(f"n = {n}: ask for at least one configuration")
    if not spacing > 0:
        raise ValueError(f"spacing = {spacing}: a positive number of autocorrelation times is needed")
    n = int(n)
    state = chain.start(n, rng)
    tau, discarded = equilibrate(chain, state, rng)
    thinning = int(np.ceil(spacing * max(tau.values())))
    batches = [chain.configurations(state)]
    replicas = len(batches[0])
    while len(batches) * replicas < n:
        chain.advance(state, thinning, rng)
        batches.append(chain.configurations(state))
    configurations = np.concatenate(batches)[rng.permutation(len(batches) * replicas)[:n]]
    return Samples(chain.symmetrise(configurations, rng), tau, thinning, discarded, replicas)


class Averages(NamedTuple):
    """Means of the chain's moments in each replica [replicas, moments]; the replicas are independent of each other.

    names: "E" and "E^2" (of the lattice) first; configurations: how many were measured, in all replicas together
    """

    replica_means: np.ndarray
    names: tuple
    n_sites: int
    T: float
    tau_int: float
    configurations: int

    def moment(self, name):
        """`Estimate` of one of the moments."""
        return statistics.mean(self.replica_means[:, self.names.index(name)])

    def jackknife(self, function, blocks=64):
        """`Estimate` of `function(means [moments])`, jackknife over blocks of replicas."""
        rows = np.column_stack([self.replica_means, np.ones(len(self.replica_means))])
        sums = statistics.block_sums(rows, min(blocks, len(rows)))
        return statistics.jackknife(lambda total: function(total[:-1] / total[-1]), sums)

    def specific_heat(self):
        """`Estimate` of (<E^2> - <E>^2) / (N T^2)."""
        return self.jackknife(lambda m: (m[1] - m[0] ** 2) / (self.n_sites * self.T**2))


def _equilibrated(chain, rng):
    """State of many replicas in equilibrium, tau_int, and the sweeps between two measurements."""
    state = chain.start(MANY, rng)
    tau_int = max(equilibrate(chain, state, rng)[0].values())
    return state, tau_int, max(1, int(tau_int / chain.per_tau))


def measure(chain, n_sweeps, rng):
    """The chain's `Averages` over `n_sweeps` sweeps of all replicas, measured every tau_int / chain.per_tau.

    ValueError unless n_sweeps >= 1.
    """
    if int(n_sweeps) != n_sweeps or n_sweeps < 1:
        raise ValueError(f"n_sweeps = {n_sweeps}: at least one sweep is needed")
    state, tau_int, interval = _equilibrated(chain, rng)
    count = -(-int(n_sweeps) // interval)
    total, origin = 0.0, None
    for _ in range(count):
        (seen,) = _observe(chain, state, 1, interval, rng)
        origin = chain.origin(seen) if origin is None else origin
        total = total + chain.moments(seen, origin)
    means = total / count
    means[:, 1] += 2 * origin * means[:, 0] - origin**2  # E^2 was accumulated around it
    return chain.averages(means, chain.names, chain.n_sites, chain.T, tau_int, count * len(means))


def record(chain, length, rng):
    """What the chain observes over `length` tau_int after equilibration, float64 [observables, t, replicas].

    Replicas are independent, times of one replica (every tau_int / chain.per_tau) are not.

    ValueError unless length > 0.
    """
    if not length > 0:
        raise ValueError(f"length = {length}: a positive number of autocorrelation times is needed")
    state, tau_int, interval = _equilibrated(chain, rng)
    measurements = -(-int(length * tau_int) // interval)
    return np.array(_observe(chain, state, measurements, interval, rng), float).swapaxes(0, 1)


def relax(chain, measurements, rng, *, interval=1):
    """What the chain observes from its start on, every `interval` sweeps, float64 [observables, t, replicas]."""
    state = chain.start(MANY, rng)
    return np.array(_observe(chain, state, measurements, interval, rng), float).swapaxes(0, 1)
