r"""Independent XY configurations, and precise averages: the thin driver over `xy_local.py` and `xy_cluster.py`.

One sweep here is a Metropolis sweep, three over-relaxation sweeps and, for the nearest-neighbour model, one cluster
update. Replicas start ordered, each turned by a random angle. A pilot of doubling length measures
tau_int = 1/2 + sum rho of the energy and of I_x^2 + I_y^2, until it is 20 tau_int long; all of that is discarded.
Configurations of one replica are 3 tau_int apart, and come in random order, each turned by a random angle.

Measuring is compiled too and takes no trigonometric function. The winding of a square is counted by the edges that
cross the negative x axis: going the short way from spin a to spin b crosses it upwards or downwards if the sign of
sin theta changes and a x b has the fitting sign.
"""

from typing import NamedTuple

import numba
import numpy as np

from lib.samplers import xy_cluster, xy_local
from lib.statistics import integrated_time, jackknife
from lib.systems import xy

OVER_RELAXATION = 3
METHODS = ("all", "local", "cluster", "metropolis")


class Samples(NamedTuple):
    """Angles float64 [n, L, L] in [0, 2 pi), in random order; tau_int (1/2 + sum rho) in sweeps."""

    configurations: np.ndarray
    tau_int: float
    thinning: int
    discarded: int
    replicas: int


class Averages(NamedTuple):
    """Replica means [replicas, 4], independent of each other, of E, E^2, I_x^2 + I_y^2 and vortices per site."""

    replica_means: np.ndarray
    n_sites: int
    T: float
    tau_int: float
    configurations: int

    def _jackknife(self, function):
        rows = np.column_stack([self.replica_means, np.ones(len(self.replica_means))])
        return jackknife(lambda total: function(total[:-1] / total[-1]), rows)

    def energy(self):
        """(value, error) of E / N."""
        return self._jackknife(lambda m: m[0] / self.n_sites)

    def specific_heat(self):
        """(value, error) of (<E^2> - <E>^2) / (N T^2)."""
        return self._jackknife(lambda m: (m[1] - m[0] ** 2) / (self.n_sites * self.T**2))

    def helicity(self):
        """(value, error) of the helicity modulus."""
        return self._jackknife(lambda m: xy.helicity_modulus(m[0], m[2], self.T, self.n_sites))

    def vortex_density(self):
        """(value, error) of vortices and antivortices per site."""
        return self._jackknife(lambda m: m[3])


@numba.njit(inline="always")
def _crossing(xa, ya, xb, yb):
    """+1, -1 or 0: how the short way from spin a to spin b crosses the negative x axis, +1 anticlockwise."""
    if ya >= 0 and yb < 0:
        return 1 if xa * yb - ya * xb > 0 else 0
    if ya < 0 and yb >= 0:
        return -1 if xa * yb - ya * xb < 0 else 0
    return 0


@numba.njit(cache=True)
def _observe(cos, sin, out):
    R, L, _ = cos.shape
    for n in range(R):
        c, s = cos[n], sin[n]
        nn, double, nnn, third, square, ix, iy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        vortices = 0
        for i in range(L):
            d, d2 = (i + 1) % L, (i + 2) % L
            for j in range(L):
                e, e2, w = (j + 1) % L, (j + 2) % L, (j - 1) % L
                x, y = c[i, j], s[i, j]
                right, down = x * c[i, e] + y * s[i, e], x * c[d, j] + y * s[d, j]
                nn += right + down
                double += 2 * (right * right + down * down) - 2
                ix += y * c[i, e] - x * s[i, e]
                iy += y * c[d, j] - x * s[d, j]
                nnn += x * (c[d, e] + c[d, w]) + y * (s[d, e] + s[d, w])
                third += x * (c[d2, j] + c[i, e2]) + y * (s[d2, j] + s[i, e2])
                # z z_diagonal times the conjugate of z_right z_down
                re, im = x * c[d, e] - y * s[d, e], x * s[d, e] + y * c[d, e]
                square += re * (c[i, e] * c[d, j] - s[i, e] * s[d, j]) + im * (c[i, e] * s[d, j] + s[i, e] * c[d, j])
                winding = (
                    _crossing(x, y, c[i, e], s[i, e])
                    + _crossing(c[i, e], s[i, e], c[d, e], s[d, e])
                    + _crossing(c[d, e], s[d, e], c[d, j], s[d, j])
                    + _crossing(c[d, j], s[d, j], x, y)
                )
                vortices += abs(winding)
        out[n] = nn, double, nnn, third, square, ix * ix + iy * iy, vortices / (L * L)


def observe(spins):
    """The five sums of `xy.OPERATORS`, I_x^2 + I_y^2 and the vortices per site of (cos, sin) [n, L, L] each: [n, 7]."""
    out = np.empty((len(spins[0]), 7))
    _observe(*spins, out)
    return out


class _Chain:
    def __init__(self, L, T, couplings, replicas, rng, method):
        xy.check_temperature(T)
        if int(L) != L or L < 2:
            raise ValueError(f"L = {L}: the lattice side must be an integer of at least 2")
        if method not in METHODS:
            raise ValueError(f"method = {method!r}: choose from {', '.join(METHODS)}")
        self.J = xy_local.coupling_vector(couplings)
        self.plain = self.J[0] > 0 and not self.J[1:].any()
        if method == "cluster" and not self.plain:
            raise ValueError("method = 'cluster' knows a positive nn coupling only: use method='local'")
        self.beta, self.rng, self.method = 1 / T, rng, method
        angle = np.broadcast_to(rng.uniform(0, xy.TWO_PI, (replicas, 1, 1)), (replicas, L, L))
        self.spins = np.cos(angle), np.sin(angle)
        self.width = 0.8 * min(T / max(self.J[0], 1e-3), 2.5)  # about half of the moves are accepted

    def advance(self, sweeps):
        for _ in range(sweeps):
            if self.method != "cluster":
                xy_local.metropolis(self.spins, self.beta, self.rng, self.J, self.width)
            if self.method in ("all", "local"):
                for _ in range(OVER_RELAXATION):
                    xy_local.overrelax(self.spins, self.beta, self.rng, self.J)
            if self.method == "cluster" or (self.method == "all" and self.plain):
                xy_cluster.sweep(self.spins, self.beta * self.J[0], self.rng)

    def angles(self):
        return np.arctan2(self.spins[1], self.spins[0]) % xy.TWO_PI

    def observe(self):
        """See `observe`."""
        return observe(self.spins)


def _start(L, T, couplings, replicas, rng, method):
    """An equilibrated chain, its autocorrelation time, and the number of discarded sweeps."""
    chain = _Chain(L, T, couplings, replicas, rng, method)
    measurements, interval, discarded = 200, 1, 0
    while True:
        series = []
        for _ in range(measurements):
            chain.advance(interval)
            values = chain.observe()
            series.append((values[:, :5] @ chain.J, values[:, 5]))
        discarded += measurements * interval
        tau = interval * max(integrated_time(kind) for kind in np.array(series).swapaxes(0, 1))
        if measurements * interval >= 20 * tau:
            return chain, tau, discarded
        interval *= 2


def sample(L, T, n, rng, *, couplings=None, method="all", replicas=32):
    """n independent configurations of the periodic L x L XY model at temperature T, as `Samples`.

    T in units of J. rng: numpy.random.Generator. couplings: dict name -> J (`xy.OPERATORS`) of another Hamiltonian.
    method: "all", "local" (no clusters), "cluster" or "metropolis". ValueError for T <= 0, L < 2, n < 1.
    """
    if int(n) != n or n < 1:
        raise ValueError(f"n = {n}: ask for at least one configuration")
    chain, tau, discarded = _start(L, T, couplings, replicas, rng, method)
    thinning = int(np.ceil(3 * tau))
    theta = np.empty((-(-int(n) // replicas) * replicas, L, L))
    for start in range(0, len(theta), replicas):
        if start:
            chain.advance(thinning)
        theta[start : start + replicas] = chain.angles()
    theta = theta[rng.permutation(len(theta))[: int(n)]]
    return Samples(xy.rotate(theta, rng.uniform(0, xy.TWO_PI, len(theta))), tau, thinning, discarded, replicas)


def measure(L, T, n_sweeps, rng, *, couplings=None, method="all", replicas=32):
    """`Averages` over `n_sweeps` sweeps of every replica. Arguments as in `sample`."""
    if int(n_sweeps) != n_sweeps or n_sweeps < 1:
        raise ValueError(f"n_sweeps = {n_sweeps}: at least one sweep is needed")
    chain, tau, _ = _start(L, T, couplings, replicas, rng, method)
    interval = max(1, int(tau / 2))
    count = -(-int(n_sweeps) // interval)
    total = np.zeros((replicas, 4))
    for _ in range(count):
        chain.advance(interval)
        values = chain.observe()
        E = -values[:, 0]
        total += np.stack([E, E**2, values[:, 5], values[:, 6]], axis=1)
    return Averages(total / count, L * L, float(T), tau, count * replicas)
