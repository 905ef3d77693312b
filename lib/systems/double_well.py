r"""A quantum particle in a double well, as a field on a circle of imaginary time: everything about it is known exactly.

    S(x) = sum_i [(x_{i+1} - x_i)^2 / (2 a) + a V(x_i)],   V(x) = lambda/4 (x^2 - v^2)^2,   a = beta / N,   x_N = x_0,

v = mu / sqrt(lambda). Paths have the distribution exp(-S) / Z with respect to prod_i dx_i (no factor 1/sqrt(2 pi a)).
lambda = 4 and v = 1.4 as in arXiv:2405.10493. With the number of sites fixed, the kinetic and the potential part scale
with beta in opposite ways, S = K / beta + beta V, so two temperatures determine every other.

In general, a `Couplings` stands for the action

    S(x) = sum_i [kinetic/2 (x_{i+1} - x_i)^2 + quadratic/2 x_i^2 + quartic/4 x_i^4 + constant],

here kinetic = 1/a, quadratic = -a mu^2, quartic = a lambda. Its symmetric transfer matrix on a grid of x,
T(x, y) = exp[-kinetic/2 (x - y)^2 - (u(x) + u(y))/2] dx, gives Z = tr T^N and all the rest. The sums over the grid
replace integrals of smooth functions that vanish at both ends: their error is exponentially small in the spacing.

A kink is a passage from one well to the other: with `threshold` = 0 (the default) every change of sign of x along the
circle, otherwise every change of the last side visited, x > threshold or x < -threshold. Their number is even.
Semiclassically kinks are rare and independent, and follow x = +-v tanh[mu (tau - tau_0) / sqrt 2].
"""

from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np

LAMBDA = 4.0
WELL = 1.4  # v = mu / sqrt(lambda), the two minima
MU_SQUARED = LAMBDA * WELL**2


class Couplings(NamedTuple):
    """S = sum_i [kinetic/2 (x_{i+1} - x_i)^2 + quadratic/2 x_i^2 + quartic/4 x_i^4 + constant]."""

    kinetic: float
    quadratic: float
    quartic: float
    constant: float = 0.0


def check(beta, n_sites):
    if not (beta > 0 and np.isfinite(beta)):
        raise ValueError(f"beta = {beta}: the inverse temperature must be positive")
    if int(n_sites) != n_sites or n_sites < 4 or n_sites % 2:
        raise ValueError(f"n_sites = {n_sites}: the number of sites must be even and at least 4")


def couplings(beta, n_sites):
    """The couplings of the double well at inverse temperature `beta` on `n_sites` sites."""
    check(beta, n_sites)
    a = beta / n_sites
    return Couplings(1 / a, -a * MU_SQUARED, a * LAMBDA, a * LAMBDA / 4 * WELL**4)


def site_potential(x, couplings):
    """The part of the action that belongs to one site, of values x [...]."""
    return couplings.quadratic / 2 * x**2 + couplings.quartic / 4 * x**4 + couplings.constant


def action(paths, couplings):
    """S of paths [n, N] -> [n]."""
    hops = ((np.roll(paths, -1, -1) - paths) ** 2).sum(-1)
    return couplings.kinetic / 2 * hops + site_potential(paths, couplings).sum(-1)


def gradient(paths, couplings):
    """dS/dx_i of paths [n, N] -> [n, N]."""
    laplacian = np.roll(paths, -1, -1) + np.roll(paths, 1, -1) - 2 * paths
    return -couplings.kinetic * laplacian + couplings.quadratic * paths + couplings.quartic * paths**3


def operators(paths):
    """The sums of S = kinetic O_1 + quadratic O_2 + quartic O_3, of paths [n, N] -> [n, 3]."""
    hops = (np.roll(paths, -1, 1) - paths) ** 2
    return np.stack([hops.sum(1) / 2, (paths**2).sum(1) / 2, (paths**4).sum(1) / 4], axis=1)


def parts(paths):
    """K and V of S = K / beta + beta V, of paths [n, N] -> two arrays [n]; they do not depend on beta."""
    n_sites = paths.shape[-1]
    hops = ((np.roll(paths, -1, -1) - paths) ** 2).sum(-1)
    return n_sites * hops / 2, LAMBDA / 4 * ((paths**2 - WELL**2) ** 2).mean(-1)


@numba.njit(cache=True)
def _count_kinks(paths, threshold):
    count = np.zeros(len(paths), np.int64)
    for k in range(len(paths)):
        side = 0
        for lap in range(2):  # the first lap finds the side on which the path arrives at its beginning
            for x in paths[k]:
                now = 1 if x > threshold else -1 if x < -threshold else side
                if lap == 1 and side != 0 and now != side:
                    count[k] += 1
                side = now
    return count


def kinks(paths, threshold=0.0):
    """The number of kinks of paths [n, N] -> int64 [n], as defined in the module."""
    if not threshold >= 0:
        raise ValueError(f"threshold = {threshold}: it must not be negative")
    return _count_kinks(np.ascontiguousarray(paths, dtype=float), float(threshold))


def kink_profile(tau):
    """The classical kink v tanh(mu tau / sqrt 2), centred at tau = 0."""
    return WELL * np.tanh(np.sqrt(MU_SQUARED / 2) * np.asarray(tau))


def dilute_gas(beta, gap, largest=40):
    """Probabilities of 0, 2, 4, ..., `largest` kinks in a gas of independent ones, and their mean number x tanh x.

    On a circle kinks and antikinks alternate, so their number is even: Poissonian with mean x = beta gap / 2,
    restricted to even numbers.
    """
    x = beta * gap / 2
    number = np.arange(0, largest + 1, 2)
    log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])
    return np.exp(number * np.log(x) - log_factorials[::2]) / np.cosh(x), x * np.tanh(x)


class TransferMatrix:
    """Exact results for the action `couplings` on a circle of `n_sites` sites.

    points: on [-limit, limit]. The defaults are exact to about ten digits for spacings a >= 0.02.
    """

    def __init__(self, couplings, n_sites, points=401, limit=4.0):
        if int(n_sites) != n_sites or n_sites < 2:
            raise ValueError(f"n_sites = {n_sites}: at least two sites are needed")
        if not (couplings.kinetic > 0 and couplings.quartic > 0):
            raise ValueError(f"{couplings}: kinetic and quartic must be positive, or Z does not exist")
        self.couplings, self.n_sites = couplings, int(n_sites)
        self.x = np.linspace(-limit, limit, points)
        self.dx = self.x[1] - self.x[0]
        # the constant and the largest value are taken out, so that powers neither overflow nor vanish
        half = site_potential(self.x, couplings._replace(constant=0.0)) / 2
        log_kernel = -couplings.kinetic / 2 * (self.x[:, None] - self.x) ** 2 - half[:, None] - half
        self._shift = log_kernel.max()
        self.kernel = self.dx * np.exp(log_kernel - self._shift)
        values, vectors = np.linalg.eigh(self.kernel)
        self._scale = values[-1]
        self.ratios = values[::-1] / self._scale  # eigenvalues relative to the largest, descending
        self.vectors = vectors[:, ::-1]
        self._trace = (self.ratios**self.n_sites).sum()

    @cached_property
    def log_z(self):
        per_site = np.log(self._scale) + self._shift - self.couplings.constant
        return float(self.n_sites * per_site + np.log(self._trace))

    def log_prob(self, paths):
        """ln p = -S - ln Z of paths [n, N] -> [n], exact."""
        return -action(paths, self.couplings) - self.log_z

    def gap(self, spacing):
        """E_1 - E_0 = -ln(tau_1 / tau_0) / spacing; spacing: the a of the lattice, beta / N for the double well."""
        return float(-np.log(self.ratios[1]) / spacing)

    @cached_property
    def density(self):
        """p(x) of one site, at the grid points `x`."""
        return (self.vectors**2 @ self.ratios**self.n_sites) / self._trace / self.dx

    def average(self, function):
        """<f(x)> of one site; f is vectorised."""
        return float((function(self.x) * self.density).sum() * self.dx)

    @cached_property
    def x2(self):
        return self.average(np.square)

    @cached_property
    def hop2(self):
        """<(x_{i+1} - x_i)^2>."""
        return float(((self.x[:, None] - self.x) ** 2 * self._pair_probability()).sum())

    def _pair_probability(self):
        """Probability of (x_i, x_{i+1}) at the grid points, [points, points]."""
        rest = (self.vectors * self.ratios ** (self.n_sites - 1)) @ self.vectors.T
        return rest * self.kernel / self._scale / self._trace

    def mean_parts(self):
        """<K> and <V> of S = K / beta + beta V (see `parts`), of paths with the distribution of this action."""
        potential = self.average(lambda x: LAMBDA / 4 * (x**2 - WELL**2) ** 2)
        return self.n_sites**2 * self.hop2 / 2, potential

    @cached_property
    def mean_action(self):
        site = self.average(lambda x: site_potential(x, self.couplings))
        return self.n_sites * (self.couplings.kinetic / 2 * self.hop2 + site)

    def correlator(self):
        """<x_0 x_t> for t = 0 ... N / 2."""
        elements = (self.vectors.T * self.x @ self.vectors) ** 2
        t = np.arange(self.n_sites // 2 + 1)[:, None]
        # sum_mn tau_m^(N-t) |<m|x|n>|^2 tau_n^t
        return ((self.ratios ** (self.n_sites - t) @ elements) * self.ratios**t).sum(-1) / self._trace

    def mean_kinks(self):
        """The mean number of changes of sign: N times the probability of one.

        The grid point at 0 counts by halves; the error is of order dx^2, a few parts in 10^4 by default.
        """
        sign = np.sign(self.x)
        return float(self.n_sites * (self._pair_probability() * (1 - sign[:, None] * sign) / 2).sum())

    def kink_distribution(self, threshold=0.0, largest=40):
        r"""Probabilities of 0, 2, 4, ..., `largest` kinks, as defined in the module.

        Along with x, follow the side s = +-1 visited last, in the frame y = s x. The kernel splits into A, which keeps
        s, and B, which changes it; with a factor z for every change, Z(z) = tr (A + zB)^N + tr (A - zB)^N, and a
        discrete Fourier transform over |z| = 1 gives its coefficients. The even potential makes A and B the same for
        both s. Paths that never leave |x| < threshold have no side; they count twice as kinkless, which is negligible
        as long as their probability is. The boundaries lie between grid points, `threshold` is rounded to them.
        """
        dx = self.dx
        lowest = -dx * np.round(threshold / dx) + dx / 2
        y = np.arange(lowest, self.x[-1], dx)
        half = site_potential(y, self.couplings._replace(constant=0.0)) / 2

        def kernel(signs):
            log = -self.couplings.kinetic / 2 * (y[:, None] - signs * y) ** 2 - half[:, None] - half
            return dx * np.exp(log - self._shift) / self._scale

        stay, change = kernel(1), kernel(-1) * (y > -lowest)
        terms = largest // 2 + 2  # in powers of z^2, of which Z(z) is a polynomial
        phases = np.exp(1j * np.pi * np.arange(terms // 2 + 1) / terms)  # the others are complex conjugates
        power = np.linalg.matrix_power
        z = [
            np.trace(power(stay + phase * change, self.n_sites)) + np.trace(power(stay - phase * change, self.n_sites))
            for phase in phases
        ]
        return np.fft.hfft(z, terms)[: terms - 1] / terms / z[0].real

    def sample(self, n, rng):
        """n independent paths [n, N], drawn exactly, with values at the grid points. rng: numpy.random.Generator.

        Site by site: p(x_i | x_{i-1}, x_0) ~ T(x_{i-1}, x_i) T^(N-i)(x_i, x_0). Averages of smooth functions over the
        grid are those over continuous paths, to the accuracy of the grid.
        """
        paths = np.empty((n, self.n_sites), np.int64)
        first = np.cumsum(self.density * self.dx)
        paths[:, 0] = np.searchsorted(first, rng.random(n) * first[-1])
        for i in range(1, self.n_sites):
            rest = (self.vectors * self.ratios ** (self.n_sites - i)) @ self.vectors.T
            _draw(self.kernel, np.maximum(rest, 0), paths[:, i - 1], paths[:, 0], rng.random(n), paths[:, i])
        return self.x[paths]


@numba.njit(cache=True)
def _draw(kernel, rest, previous, first, uniform, out):
    cumulative = np.empty(kernel.shape[0])
    for k in range(len(out)):
        total = 0.0
        for j in range(kernel.shape[0]):
            total += kernel[previous[k], j] * rest[first[k], j]
            cumulative[j] = total
        out[k] = min(np.searchsorted(cumulative, uniform[k] * total, side="right"), kernel.shape[0] - 1)


def continuum_gap(points=1001, limit=4.0):
    """E_1 - E_0 of the Hamiltonian p^2/2 + V without any lattice in time: 0.10817.

    p^2 in the basis of sinc functions: spectral accuracy on an equidistant grid.
    """
    x = np.linspace(-limit, limit, points)
    distance = np.arange(points)[:, None] - np.arange(points)
    with np.errstate(divide="ignore"):
        kinetic = np.where(distance == 0, np.pi**2 / 3, 2.0 * (-1.0) ** distance / distance**2) / 2 / (x[1] - x[0]) ** 2
    energies = np.linalg.eigvalsh(kinetic + np.diag(LAMBDA / 4 * (x**2 - WELL**2) ** 2))
    return float(energies[1] - energies[0])
