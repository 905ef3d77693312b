r"""The systems as Markov chains: all that the driver (`mcmc.py`) must know of a system and of its algorithm.

    Ising(L, T)                     multi-spin coded Metropolis, Swendsen-Wang, or Metropolis with further couplings
    XY(L, T)                        Metropolis, over-relaxation and clusters
    DoubleWell(couplings, n_sites)  paths: Metropolis and sign flips
    DipolarFilm(W, T)               Metropolis with the local fields of all dipoles

A chain holds no configurations: `start` makes them, and they are handed from call to call and changed in place.
"""

import numpy as np

from lib.lattice import check_side, sides
from lib.samplers import dipolar, ising_couplings, mcmc, multispin, path, swendsen_wang, xy_cluster, xy_local
from lib.statistics import Estimate
from lib.systems import check_temperature, coupling_vector, double_well, film, ising, xy


class Chain:
    """Replicas of a system, advanced side by side. What has no line here, a chain must bring itself.

    start(n, rng): state of all replicas, as many as serve to draw n configurations
    advance(state, n_sweeps, rng): sweeps, in place
    observe(state): observables, [replicas] each
    slow(seen): dict name -> series [t, replicas] of what decides on tau_int, from a list of observations
    configurations(state): copies, [replicas, ...]

    For averages (`mcmc.measure`) also names of the moments, averages (the kind of `mcmc.Averages`), n_sites, T, and
    moments(seen, origin): [replicas, names] of one observation, E^2 as (E - origin)^2
    """

    measurements = 128  # in a block of the pilot
    per_tau = 4  # measurements in one tau_int

    def refresh(self, state):
        """Remove rounding errors from the state."""

    def symmetrise(self, configurations, rng):
        """Every configuration under a random symmetry of the distribution that the sweeps may be slow in."""
        return configurations

    def origin(self, seen):
        """The energy around which E^2 is accumulated."""
        return 0.0


class IsingAverages(mcmc.Averages):
    """Moments: E, E^2 (lattice) and |m|, m^2, m^4 (m per site)."""

    def energy(self):
        """`Estimate` of the energy per site."""
        value, error = self.moment("E")
        return Estimate(value / self.n_sites, error / self.n_sites)

    def susceptibility(self):
        """`Estimate` of N (<m^2> - <|m|>^2) / T."""
        return self.jackknife(lambda m: self.n_sites * (m[3] - m[2] ** 2) / self.T)

    def binder(self):
        """`Estimate` of 1 - <m^4> / (3 <m^2>^2)."""
        return self.jackknife(lambda m: 1 - m[4] / (3 * m[3] ** 2))


class _Ising(Chain):
    """What the three have in common; J [5]: couplings in the order of `ising.OPERATORS`."""

    measurements = 256
    names = ("E", "E^2", "|m|", "m^2", "m^4")
    averages = IsingAverages
    field = 0.0  # over T

    def __init__(self, L, T, J):
        self.L, self.T, self.J, self.n_sites = L, float(T), J, int(np.prod(sides(L)))

    def slow(self, seen):
        series = np.array([[values[:256] for values in one] for one in seen], dtype=float)
        return {"E": series[:, 0], "|m|": np.abs(series[:, 1])}

    def symmetrise(self, configurations, rng):
        """The global flip: single-spin dynamics almost never changes the sign of m below T_c."""
        configurations *= _sign(ising.magnetization(configurations), self.field, rng)[:, None, None]
        return configurations

    def origin(self, seen):
        return seen[0].mean()

    def moments(self, seen, origin):
        energy, magnetization = seen
        m2 = (magnetization / self.n_sites) ** 2
        m = np.abs(magnetization) / self.n_sites
        return np.array([energy, (energy - origin) ** 2, m, m2, m2**2]).T


def _sign(magnetization, field, rng):
    """Random global signs +-1 from their conditional distribution, proportional to exp(sign * field * m)."""
    keep = 1 / (1 + np.exp(np.clip(-2 * field * magnetization, -700, 700)))
    return np.where(rng.random(len(magnetization)) < keep, 1, -1).astype(np.int8)


class _Multispin(_Ising):
    method = "multispin"

    def start(self, n, rng):
        return multispin.cold_start(self.L, int(np.clip(-(-n // 512), 8, 32)), rng)

    def advance(self, spins, n_sweeps, rng):
        multispin.sweep(spins, self.J[0] / self.T, rng, n_sweeps)

    def observe(self, spins):
        energy, magnetization = multispin.observe(spins)
        return self.J[0] * energy, magnetization

    def configurations(self, spins):
        return multispin.unpack(spins)


class _SwendsenWang(_Ising):
    method = "swendsen_wang"

    def start(self, n, rng):
        return np.ones((int(np.clip(n // 16, 8, 32)), self.L, self.L), np.int8)

    def advance(self, spins, n_sweeps, rng):
        for _ in range(n_sweeps):
            swendsen_wang.sweep(spins, self.J[0] / self.T, rng)

    def observe(self, spins):
        return self.J[0] * ising.energy(spins), ising.magnetization(spins)

    def configurations(self, spins):
        return spins.copy()


class _FurtherCouplings(_Ising):
    method = "ising_couplings"

    @property
    def field(self):
        return self.J[4] / self.T

    def start(self, n, rng):
        return ising_couplings.cold_start(self.L, int(np.clip(2 * (n // 16), 64, 512)), rng)

    def advance(self, spins, n_sweeps, rng):
        """Sweeps, and a global flip with its exact conditional probability: sweeps rarely change the sign."""
        spins *= _sign(spins.sum((0, 1), dtype=float), self.field, rng)
        ising_couplings.sweep(spins, 1 / self.T, rng, self.J, n_sweeps)

    def observe(self, spins):
        s = spins.transpose(2, 0, 1)
        return -ising.operators(s) @ self.J, ising.magnetization(s)

    def configurations(self, spins):
        return np.ascontiguousarray(spins.transpose(2, 0, 1))


ISING_METHODS = {kind.method: kind for kind in (_Multispin, _SwendsenWang, _FurtherCouplings)}


def Ising(L, T, *, couplings=None, method="auto"):
    """The chain of the periodic L x L Ising model: spins int8 [n, L, L]; observes E and sum_i s_i.

    L: side, even for "multispin"; or (rows, columns), for "ising_couplings" alone
    couplings: dict name -> J (`ising.OPERATORS`) of another Hamiltonian
    method: one of ISING_METHODS; "auto" takes the fastest (`benchmarks/samplers.py`): multi-spin coding up to L = 64,
        Swendsen-Wang beyond, and `ising_couplings.py` where there is more than a nearest-neighbour coupling

    ValueError for an unknown method, or one that does not know the couplings.
    """
    square = np.ndim(L) == 0
    for side in sides(L):
        check_side(side)
    check_temperature(T)
    J = coupling_vector(couplings, ising.OPERATORS)
    nearest_only = J[0] > 0 and not J[1:].any()
    if method == "auto":
        method = "ising_couplings" if not (nearest_only and square) else "multispin" if L <= 64 else "swendsen_wang"
    if method not in ISING_METHODS:
        raise ValueError(f"method = {method!r}: choose from auto, {', '.join(ISING_METHODS)}")
    if method != "ising_couplings" and not nearest_only:
        raise ValueError(f"method = {method!r} knows a positive nn coupling only: use method='ising_couplings'")
    if method != "ising_couplings" and not square:
        raise ValueError(f"method = {method!r} knows squares only: use method='ising_couplings'")
    if method == "multispin":
        check_side(L, even=True)
    return ISING_METHODS[method](L, T, J)


class XYAverages(mcmc.Averages):
    """Moments: E, E^2, I_x^2 + I_y^2 (lattice) and vortices per site."""

    def energy(self):
        """`Estimate` of the energy per site."""
        return self.jackknife(lambda m: m[0] / self.n_sites)

    def helicity(self):
        """`Estimate` of the helicity modulus."""
        return self.jackknife(lambda m: xy.helicity_modulus(m[0], m[2], self.T, self.n_sites))

    def vortex_density(self):
        """`Estimate` of vortices and antivortices per site."""
        return self.jackknife(lambda m: m[3])


class XY(Chain):
    """The chain of the periodic L x L XY model: angles float64 [n, L, L] in [0, 2 pi).

    One sweep is a Metropolis sweep, three over-relaxation sweeps and, for the nearest-neighbour model, one cluster
    update. Observes the seven sums of `xy.observe`; the state is (cos, sin).

    L: side, or (rows, columns)
    couplings: dict name -> J (`xy.OPERATORS`) of another Hamiltonian
    method: "all", "local" (no clusters), "cluster" or "metropolis"
    replicas: how many side by side
    """

    METHODS = ("all", "local", "cluster", "metropolis")
    OVER_RELAXATION = 3
    measurements = 200
    per_tau = 2
    names = ("E", "E^2", "I^2", "vortices")
    averages = XYAverages

    def __init__(self, L, T, *, couplings=None, method="all", replicas=32):
        check_temperature(T)
        for side in sides(L):
            check_side(side)
        if method not in self.METHODS:
            raise ValueError(f"method = {method!r}: choose from {', '.join(self.METHODS)}")
        self.L, self.T, self.n_sites = L, float(T), int(np.prod(sides(L)))
        self.method, self.replicas = method, replicas
        self.J = coupling_vector(couplings, xy.OPERATORS)
        nearest_only = self.J[0] > 0 and not self.J[1:].any()
        if method == "cluster" and not nearest_only:
            raise ValueError("method = 'cluster' knows a positive nn coupling only: use method='local'")
        self.clusters = method == "cluster" or (method == "all" and nearest_only)
        self.width = 0.8 * min(T / max(self.J[0], 1e-3), 2.5)  # about half of the moves are accepted

    def start(self, n, rng):
        angle = np.broadcast_to(rng.uniform(0, xy.TWO_PI, (self.replicas, 1, 1)), (self.replicas, *sides(self.L)))
        return np.cos(angle), np.sin(angle)

    def advance(self, spins, n_sweeps, rng):
        beta = 1 / self.T
        for _ in range(n_sweeps):
            if self.method != "cluster":
                xy_local.metropolis(spins, beta, rng, self.J, self.width)
            if self.method in ("all", "local"):
                for _ in range(self.OVER_RELAXATION):
                    xy_local.overrelax(spins, beta, rng, self.J)
            if self.clusters:
                xy_cluster.sweep(spins, beta * self.J[0], rng)

    def observe(self, spins):
        return xy.observe(spins).T

    def slow(self, seen):
        energy, current2 = np.array([(values[:5].T @ self.J, values[5]) for values in seen]).swapaxes(0, 1)
        return {"E": energy, "I^2": current2}

    def configurations(self, spins):
        return np.arctan2(spins[1], spins[0]) % xy.TWO_PI

    def symmetrise(self, configurations, rng):
        """A global rotation."""
        return xy.rotate(configurations, rng.uniform(0, xy.TWO_PI, len(configurations)))

    def moments(self, seen, origin):
        E = -seen[0]
        return np.stack([E, E**2, seen[5], seen[6]], axis=1)


class DoubleWell(Chain):
    """The chain of paths float64 [n, n_sites] with the distribution exp(-S) / Z; observes S, mean x^2 and mean x.

    couplings: `double_well.Couplings`; ValueError if they have no Z
    replicas: how many side by side, by default between 16 and 512
    clusters: False leaves out the sign flips
    """

    def __init__(self, couplings, n_sites, *, replicas=None, clusters=True):
        self.couplings, self.n_sites, self.replicas, self.clusters = couplings, n_sites, replicas, clusters

    def start(self, n, rng):
        replicas = int(np.clip(n // 16, 16, 512)) if self.replicas is None else self.replicas
        return path.cold_start(self.couplings, self.n_sites, replicas, rng)

    def advance(self, paths, n_sweeps, rng):
        path.sweep(paths, self.couplings, rng, n_sweeps, clusters=self.clusters)

    def observe(self, paths):
        return double_well.action(paths, self.couplings), (paths**2).mean(-1), paths.mean(-1)

    def slow(self, seen):
        return dict(zip(("S", "x^2", "x"), np.array(seen).transpose(1, 0, 2), strict=True))

    def configurations(self, paths):
        return paths.copy()


class DipolarFilm(Chain):
    """The chain of the SIMULATED dipolar film: spins int8 [n, L, L]; the state is (spins, local fields).

    Random spins are cooled through a ladder of temperatures, as stripes do not form from a quench. Slow are the energy
    and the amplitude of the strongest wave.

    W: pair kernel [L, L] (`film.pair_kernel`); T is in its units
    replicas: how many side by side, by default between 16 and 64
    """

    COOLING = np.geomspace(4, 1, 12)  # temperatures of the ladder, in units of T
    SWEEPS = 20  # at each of them

    def __init__(self, W, T, *, replicas=None):
        check_temperature(T)
        self.W, self.T, self.L, self.replicas = W, T, len(W), replicas

    def start(self, n, rng):
        replicas = int(np.clip(n // 16, 16, 64)) if self.replicas is None else self.replicas
        spins = (2 * rng.integers(2, size=(replicas, self.L, self.L)) - 1).astype(np.int8)
        state = spins, film.local_fields(spins, self.W)
        for temperature in self.T * self.COOLING:
            dipolar.sweep(state, 1 / temperature, rng, self.W, self.SWEEPS)
        return state

    def advance(self, state, n_sweeps, rng):
        dipolar.sweep(state, 1 / self.T, rng, self.W, n_sweeps)

    def refresh(self, state):
        dipolar.refresh(state, self.W)

    def observe(self, state):
        """Energies [replicas], and Fourier amplitudes [replicas, L, L / 2 + 1]."""
        spins, fields = state
        return -0.5 * (spins * fields).sum((1, 2)), np.fft.rfft2(spins)

    def slow(self, seen):
        energies, waves = zip(*seen, strict=True)
        power = np.abs(np.array(waves)) ** 2
        mean = power.mean((0, 1))
        row, column = np.unravel_index(np.argmax(mean), mean.shape)
        return {"E": np.array(energies), "wave": power[:, :, row, column]}

    def configurations(self, state):
        return state[0].copy()

    def symmetrise(self, configurations, rng):
        """The global flip."""
        configurations *= (2 * rng.integers(2, size=(len(configurations), 1, 1)) - 1).astype(np.int8)
        return configurations
