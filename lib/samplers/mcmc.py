r"""Independent Ising configurations, and precise averages, from whichever sampler is fastest.

Every run has the same three parts. (1) All replicas start ordered, each with a random sign: a quench from
random spins would freeze into stripes below T_c. (2) A pilot: blocks of doubling length, until a block is at
least 20 tau_int long, where tau_int is measured in that block; everything so far, at least 20 tau_int, is
discarded as equilibration. (3) Sampling, with 3 tau_int sweeps between two configurations of one replica, so
that the correlation left in the slowest mode is about exp(-3) = 5 %, and far less in the rest; most pairs are
from different replicas and have none at all.

tau_int = 1/2 + sum_t rho(t), in sweeps, the larger of those of E and |m| (emcee's convention is twice this).
Single-spin dynamics almost never changes the sign of m below T_c; the global flip, an exact symmetry, does
that here.

Up to L = 64 the multi-spin coded Metropolis sampler (`multispin.py`) wins at every temperature
(`benchmarks/samplers.py`), beyond that Swendsen-Wang (`swendsen_wang.py`); with further couplings,
`ising_couplings.py`. Source of the windowed estimator: A. Sokal, Monte Carlo Methods in Statistical Mechanics
(lecture notes, 1996).
"""

from typing import NamedTuple

import numpy as np

from lib.samplers import ising_couplings, multispin, swendsen_wang
from lib.statistics import block_sums, integrated_time, jackknife, mean
from lib.systems import ising

METHODS = ("auto", "multispin", "swendsen_wang", "coupled")


class Samples(NamedTuple):
    """Configurations int8 [n, L, L] in random order; tau_int (1/2 + sum rho) of E and |m|, in sweeps.

    `thinning`: sweeps between configurations of one replica; `discarded`: sweeps of equilibration.
    """

    configurations: np.ndarray
    tau_energy: float
    tau_magnetization: float
    thinning: int
    discarded: int
    replicas: int
    method: str

    @property
    def tau_int(self):
        """The larger of the two autocorrelation times, in sweeps."""
        return max(self.tau_energy, self.tau_magnetization)


# ---------------------------------------------------------------- one interface to three samplers


class _Multispin:
    name = "multispin"

    def __init__(self, L, T, couplings, wanted, rng):
        self.beta, self.rng, self.field = couplings[0] / T, rng, 0.0
        self.scale = couplings[0]
        self.spins = multispin.cold_start(L, int(np.clip(-(-wanted // 512), 8, 32)), rng)
        self.replicas = 64 * self.spins.shape[2]

    def advance(self, sweeps):
        multispin.sweep(self.spins, self.beta, self.rng, sweeps)

    def observe(self):
        energy, magnetization = multispin.observe(self.spins)
        return self.scale * energy, magnetization

    def configurations(self):
        return multispin.unpack(self.spins)


class _SwendsenWang:
    name = "swendsen_wang"

    def __init__(self, L, T, couplings, wanted, rng):
        self.beta, self.rng, self.field = couplings[0] / T, rng, 0.0
        self.scale = couplings[0]
        self.replicas = int(np.clip(wanted // 16, 8, 32))
        self.spins = np.ones((self.replicas, L, L), np.int8)

    def advance(self, sweeps):
        for _ in range(sweeps):
            swendsen_wang.sweep(self.spins, self.beta, self.rng)

    def observe(self):
        return self.scale * ising.energy(self.spins), ising.magnetization(self.spins)

    def configurations(self):
        return self.spins.copy()


class _Coupled:
    name = "coupled"

    def __init__(self, L, T, couplings, wanted, rng):
        self.beta, self.rng, self.couplings = 1 / T, rng, couplings
        self.field = couplings[4] / T
        self.replicas = int(np.clip(2 * (wanted // 16), 64, 512))
        self.spins = ising_couplings.cold_start(L, self.replicas, rng)

    def advance(self, sweeps):
        """Sweeps, and a global flip with its exact conditional probability: sweeps rarely change the sign."""
        flip = _sign(self.spins.sum((0, 1), dtype=float), self.field, self.rng)
        self.spins *= flip
        ising_couplings.sweep(self.spins, self.beta, self.rng, self.couplings, sweeps)

    def observe(self):
        s = self.spins.transpose(2, 0, 1)
        return -ising.operators(s) @ self.couplings, ising.magnetization(s)

    def configurations(self):
        return np.ascontiguousarray(self.spins.transpose(2, 0, 1))


def _sign(magnetization, field, rng):
    """Random global signs +-1 from their conditional distribution, proportional to exp(sign * field * m)."""
    keep = 1 / (1 + np.exp(np.clip(-2 * field * magnetization, -700, 700)))
    return np.where(rng.random(len(magnetization)) < keep, 1, -1).astype(np.int8)


def _start(L, T, wanted, rng, method, couplings):
    """An equilibrated sampler, its two autocorrelation times, and the number of discarded sweeps."""
    ising.check_side(L)
    ising.check_temperature(T)
    if method not in METHODS:
        raise ValueError(f"method = {method!r}: choose from {', '.join(METHODS)}")
    couplings = ising_couplings.coupling_vector({"nn": 1.0} if couplings is None else couplings)
    nearest_only = couplings[0] > 0 and not couplings[1:].any()
    if method == "auto":
        method = "coupled" if not nearest_only else "multispin" if L <= 64 else "swendsen_wang"
    if method != "coupled" and not nearest_only:
        raise ValueError(f"method = {method!r} knows a positive nn coupling only: use method='coupled'")
    if method == "multispin":
        ising.check_side(L, even=True)
    chain = {"multispin": _Multispin, "swendsen_wang": _SwendsenWang, "coupled": _Coupled}[method](
        L, T, couplings, wanted, rng
    )
    measurements, interval, discarded = 256, 1, 0
    while True:
        series = []
        for _ in range(measurements):
            chain.advance(interval)
            series.append([values[:256] for values in chain.observe()])
        series = np.array(series, dtype=float)
        discarded += measurements * interval
        tau = interval * integrated_time(series[:, 0]), interval * integrated_time(np.abs(series[:, 1]))
        if measurements * interval >= 20 * max(tau):
            return chain, tau, discarded
        interval *= 2


def sample(L, T, n, rng, *, method="auto", couplings=None, thinning=None):
    """n independent configurations of the periodic L x L Ising model at temperature T, as `Samples`.

    L: side, even (odd only with method "swendsen_wang" or "coupled"). T: temperature, in units of J. rng:
    numpy.random.Generator. couplings: dict name -> J (`ising.OPERATORS`) of another Hamiltonian.
    thinning: sweeps between two configurations of a replica, default 3 tau_int. Configurations come in random
    order, and without a field each with a random global sign. ValueError for T <= 0, odd L, n < 1, unknown
    method or coupling.
    """
    if int(n) != n or n < 1:
        raise ValueError(f"n = {n}: ask for at least one configuration")
    if thinning is not None and thinning < 1:
        raise ValueError(f"thinning = {thinning}: at least one sweep is needed")
    n = int(n)
    chain, tau, discarded = _start(L, T, n, rng, method, couplings)
    thinning = int(np.ceil(3 * max(tau))) if thinning is None else int(thinning)
    configurations = np.empty((-(-n // chain.replicas) * chain.replicas, L, L), np.int8)
    for start in range(0, len(configurations), chain.replicas):
        if start:
            chain.advance(thinning)
        configurations[start : start + chain.replicas] = chain.configurations()
    configurations = configurations[rng.permutation(len(configurations))[:n]]
    configurations *= _sign(ising.magnetization(configurations), chain.field, rng)[:, None, None]
    return Samples(configurations, *tau, thinning, discarded, chain.replicas, chain.name)


# ---------------------------------------------------------------- averages

MOMENTS = ("E", "E^2", "|m|", "m^2", "m^4")


class Averages(NamedTuple):
    """Means and standard errors of E, E^2 (lattice) and |m|, m^2, m^4 (m per site), in the order of MOMENTS.

    `replica_means` [replicas, 5] are independent of each other; the errors are their scatter.
    """

    mean: np.ndarray
    error: np.ndarray
    replica_means: np.ndarray
    n_sites: int
    T: float
    tau_int: float
    configurations: int

    def jackknife(self, function, blocks=64):
        """(value, error) of `function(means [5])`, jackknife over blocks of replicas."""
        rows = np.column_stack([self.replica_means, np.ones(len(self.replica_means))])
        sums = block_sums(rows, min(blocks, len(rows)))
        return jackknife(lambda total: function(total[:-1] / total[-1]), sums)

    def energy(self):
        """(value, error) of the energy per site."""
        return self.mean[0] / self.n_sites, self.error[0] / self.n_sites

    def specific_heat(self):
        """(value, error) of (<E^2> - <E>^2) / (N T^2)."""
        return self.jackknife(lambda m: (m[1] - m[0] ** 2) / (self.n_sites * self.T**2))

    def susceptibility(self):
        """(value, error) of N (<m^2> - <|m|>^2) / T."""
        return self.jackknife(lambda m: self.n_sites * (m[3] - m[2] ** 2) / self.T)

    def binder(self):
        """(value, error) of 1 - <m^4> / (3 <m^2>^2)."""
        return self.jackknife(lambda m: 1 - m[4] / (3 * m[3] ** 2))


def _run(chain, tau, sweeps):
    """Yield (energy, magnetisation) of all replicas every tau_int / 4, for at least `sweeps` sweeps."""
    interval = max(1, int(max(tau) / 4))
    for _ in range(-(-int(sweeps) // interval)):
        chain.advance(interval)
        yield chain.observe()


def measure(L, T, n_sweeps, rng, *, method="auto", couplings=None):
    """Averages over `n_sweeps` sweeps of all replicas (2048 if multi-spin coded), measured every tau_int / 4.

    Arguments as in `sample`. Returns `Averages`. ValueError for T <= 0, odd L, n_sweeps < 1.
    """
    if int(n_sweeps) != n_sweeps or n_sweeps < 1:
        raise ValueError(f"n_sweeps = {n_sweeps}: at least one sweep is needed")
    chain, tau, _ = _start(L, T, 10**6, rng, method, couplings)
    N, count = L * L, 0
    total = np.zeros((5, chain.replicas))
    shift = None  # E^2 is accumulated around the first mean energy
    for energy, magnetization in _run(chain, tau, n_sweeps):
        count += 1
        shift = energy.mean() if shift is None else shift
        m2 = (magnetization / N) ** 2
        total += (energy, (energy - shift) ** 2, np.abs(magnetization) / N, m2, m2**2)
    means = (total / count).T
    means[:, 1] += 2 * shift * means[:, 0] - shift**2
    return Averages(*mean(means), means, N, float(T), max(tau), count * chain.replicas)


def record(L, T, length, rng, *, method="auto", couplings=None):
    """The energies and magnetisations of the lattice themselves, float64 [t, replicas] each, over `length` tau_int.

    Other arguments as in `measure`. Replicas are independent, times of one replica (every tau_int / 4) are not.
    """
    if not length > 0:
        raise ValueError(f"length = {length}: a positive number of autocorrelation times is needed")
    chain, tau, _ = _start(L, T, 10**6, rng, method, couplings)
    energy, magnetization = zip(*_run(chain, tau, length * max(tau)), strict=True)
    return np.array(energy, float), np.array(magnetization, float)
