r"""Two-dimensional Ising model on a periodic L x L lattice: energy, operators, symmetries, exact answers.

    H(s) = - sum_i s_i (s_right(i) + s_down(i)),    p(s) = exp(-H(s) / T) / Z,    s_i = +-1, N = L^2 sites.

Each bond counts once. For L = 2 right and left neighbour are the same site: its two bonds are both kept (8 bonds on 4
sites), which is what Kaufman's formula describes.

Kaufman's partition function of the finite torus (B. Kaufman, Phys. Rev. 76, 1232 (1949)), K = 1/T, S = sinh 2K:

    Z = 1/2 (2 S)^(N/2) [ prod_r 2 cosh(L g_{2r+1}/2) + prod_r 2 sinh(L g_{2r+1}/2)
                        + prod_r 2 cosh(L g_{2r}/2)   + prod_r 2 sinh(L g_{2r}/2) ],     r = 0 ... L-1,
    cosh g_l = S + 1/S - cos(pi l / L),     g_0 = 2K + ln tanh K   (changes sign at T_c).

We use g_l = 2 arsinh sqrt(d_l / 2) with d_l = (1 - S)^2 / S + 2 sin^2(pi l / 2L), and g_0 = 2 arsinh[(S - 1)
/ sqrt(2 S)]: nothing cancels near T_c. The products are taken relative to the first, with analytic derivatives by K, so
that nothing overflows and <E^2> - <E>^2 does not cancel. Infinite lattice: T_c of L. Onsager, Phys. Rev. 65, 117
(1944); magnetisation of C. N. Yang, Phys. Rev. 85, 808 (1952).
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from lib.lattice import NEIGHBOURS, check_side, neighbour, partner_sum, star
from lib.systems import check_temperature


def _total(local):
    """Sum over the lattice, [n] float64; local values are small integers."""
    if isinstance(local, torch.Tensor):
        return local.sum((-2, -1), dtype=torch.float64)
    return local.sum((-2, -1), dtype=np.int32 if local.dtype.kind == "i" else None).astype(np.float64)


def nearest(s):
    """sum_i s_i (s_right + s_down): the 2N bonds of the nearest neighbours. s: [n, L, L] -> [n] float64."""
    return _total(s * partner_sum(s, NEIGHBOURS["nn"]))


def diagonal(s):
    """sum_i s_i (s_right-down + s_left-down): the 2N diagonal bonds. s: [n, L, L] -> [n] float64."""
    return _total(s * partner_sum(s, NEIGHBOURS["nnn"]))


def third(s):
    """sum_i s_i (s_2 right + s_2 down): the 2N bonds of distance two. s: [n, L, L] -> [n] float64."""
    return _total(s * partner_sum(s, NEIGHBOURS["third"]))


def plaquette(s):
    """sum over the N elementary squares of the product of their four spins. s: [n, L, L] -> [n] float64."""
    return _total(s * neighbour(s, 0, 1) * neighbour(s, 1, 0) * neighbour(s, 1, 1))


def magnetization(s):
    """sum_i s_i, between -N and N. s: [n, L, L] -> [n] float64."""
    return _total(s)


OPERATORS = {"nn": nearest, "nnn": diagonal, "third": third, "plaquette": plaquette, "field": magnetization}


def energy(s):
    """H(s) in units of J. s: [n, L, L] of +-1 -> [n] float64."""
    return -nearest(s)


def operators(s, names=tuple(OPERATORS)):
    """The operator sums O_a(s), [n, a], in the order of `names`; a Hamiltonian is -sum_a J_a O_a(s)."""
    columns = [OPERATORS[name](s) for name in names]
    return torch.stack(columns, 1) if isinstance(s, torch.Tensor) else np.stack(columns, 1)


def local_sums(s, names=tuple(OPERATORS)):
    """s_i dO_a/ds_i for every site, int8 [n, N, a]: flipping spin i alone changes O_a by -2 times this.

    ValueError for L < 3, where a site is its own neighbour at distance two.
    """
    if min(s.shape[-2:]) < 3:
        raise ValueError(f"L = {min(s.shape[-2:])}: local sums need a lattice of side 3 or more")

    def field(name):
        if name == "field":
            return 1
        if name == "plaquette":
            corners = [(a, b) for a in (-1, 1) for b in (-1, 1)]
            return sum(neighbour(s, a, 0) * neighbour(s, 0, b) * neighbour(s, a, b) for a, b in corners)
        return partner_sum(s, star(NEIGHBOURS[name]))

    s = np.asarray(s, dtype=np.int8)
    return np.stack([(s * field(name)).reshape(len(s), -1) for name in names], axis=2)


def flip_one(s, rng):
    """Copies of s [n, L, L] in which one random spin of each configuration is flipped."""
    after = s.copy()
    flat = after.reshape(len(s), -1)
    site = rng.integers(flat.shape[1], size=len(s))
    flat[np.arange(len(s)), site] *= -1
    return after


class Exact(NamedTuple):
    """ln Z, F = -T ln Z, E, C = dE/dT, S (nats) of a lattice of `n_sites` sites, in the shape of T."""

    log_z: np.ndarray
    free_energy: np.ndarray
    energy: np.ndarray
    specific_heat: np.ndarray
    entropy: np.ndarray
    n_sites: int

    @property
    def per_site(self):
        """The same, divided by the number of sites."""
        return Exact(*(value / self.n_sites for value in self[:5]), 1)


def exact(L, T):
    """Kaufman's exact thermodynamics of the periodic L x L lattice at temperature(s) T, as `Exact` in the shape of T.

    Relative errors are about 1e-12 (L <= 128). ValueError if T is not positive or L not an integer >= 2.
    """
    check_side(L)
    check_temperature(T)
    T = np.asarray(T, dtype=float)
    N = int(L) ** 2
    K = np.minimum(1 / T, 90.0)[..., None]  # beyond K = 90 the lattice is in its ground state to double precision
    S, C2 = np.sinh(2 * K), np.cosh(2 * K)
    # a(K) = S + 1/S is the only place where K enters cosh g_l; first and second derivative
    a1 = 2 * C2 * (1 - 1 / S**2)
    a2 = 4 * S * (1 - 1 / S**2) + 8 * C2**2 / S**3

    def products(l_values):
        """log prod 2 cosh and log prod 2 sinh of L g_l / 2, each with two derivatives."""
        d = (1 - S) ** 2 / S + 2 * np.sin(np.pi * l_values / (2 * L)) ** 2
        sinh_g = np.sqrt(d * (d + 2))
        x = L * np.arcsinh(np.sqrt(d / 2))  # L g / 2
        x1 = L / 2 * a1 / sinh_g
        x2 = L / 2 * (a2 / sinh_g - a1**2 * (1 + d) / sinh_g**3)
        tanh, small = np.tanh(x), np.exp(-2 * x)
        sech2 = 4 * small / (1 + small) ** 2
        csch2 = 4 * small / np.expm1(-2 * x) ** 2
        cosh = x + np.log1p(small), tanh * x1, tanh * x2 + sech2 * x1**2
        sinh = x + np.log(-np.expm1(-2 * x)), x1 / tanh, x2 / tanh - csch2 * x1**2
        return [term.sum(-1) for term in cosh], [term.sum(-1) for term in sinh]

    reference, odd_sinh = products(np.arange(1, 2 * L, 2))
    even_cosh, even_sinh = products(np.arange(2, 2 * L, 2))
    S, C2, K = S[..., 0], C2[..., 0], K[..., 0]
    x = L * np.arcsinh((S - 1) / np.sqrt(2 * S))  # L g_0 / 2, signed
    x1, x2 = L * (1 + 1 / S), -2 * L * C2 / S**2

    # y = sum of the four products divided by the first, and its two derivatives
    y, y1, y2 = 1.0, 0.0, 0.0
    for (log, d1, d2), sign in ((odd_sinh, None), (even_cosh, 1), (even_sinh, -1)):
        log, d1, d2 = log - reference[0], d1 - reference[1], d2 - reference[2]
        if sign is None:
            f, f1, f2 = 1.0, 0.0, 0.0
        else:  # 2 cosh x or 2 sinh x, with exp(|x|) moved into the exponent
            log = log + np.abs(x)
            up, down = np.exp(x - np.abs(x)), np.exp(-x - np.abs(x))
            f, g = up + sign * down, up - sign * down
            f1, f2 = g * x1, g * x2 + f * x1**2
        weight = np.exp(log)
        y = y + weight * f
        y1 = y1 + weight * (f1 + f * d1)
        y2 = y2 + weight * (f2 + 2 * f1 * d1 + f * (d2 + d1**2))

    log_z = N / 2 * np.log(2 * S) + reference[0] + np.log(y / 2)
    first = N * C2 / S + reference[1] + y1 / y
    second = -2 * N / S**2 + reference[2] + y2 / y - (y1 / y) ** 2
    log_z = log_z + 2 * N * (1 / T - K)
    return Exact(log_z, -T * log_z, -first, np.maximum(second, 0) / T**2, log_z - first / T, N)


def log_partition_function(L, T):
    """ln Z of the periodic L x L lattice at temperature(s) T (Kaufman); see `exact`."""
    return exact(L, T).log_z


def reweighting_share(L, T0, T):
    """Effective sample size / samples when independent configurations of T0 are reweighted to temperature(s) T, exact.

    <w>^2 / <w^2> with w = exp[-(K - K0) E], K = 1 / T: Z(K)^2 / Z(K0) Z(2 K - K0). ValueError unless 0 < T < 2 T0.
    """
    check_temperature(T)
    K, K0 = 1 / np.asarray(T, float), 1 / T0
    if np.any(2 * K <= K0):
        raise ValueError(f"T = {T}: temperatures below 2 T0 = {2 * T0:g} are needed, <w^2> is at 1 / (2 / T - 1 / T0)")
    log_z, at_T0, of_squares = (log_partition_function(L, 1 / k) for k in (K, K0, 2 * K - K0))
    return np.exp(2 * log_z - at_T0 - of_squares)


def specific_heat_peak(L):
    """Temperature and height (per site) of the maximum of the exact specific heat of the L x L lattice."""
    check_side(L)
    grid = np.linspace(1.5, 4.5, 601)
    top = np.clip(np.argmax(exact(L, grid).specific_heat), 1, len(grid) - 2)
    found = minimize_scalar(
        lambda T: -float(exact(L, T).per_site.specific_heat),
        bounds=(grid[top - 1], grid[top + 1]),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return float(found.x), float(-found.fun)


def critical_temperature():
    """2 / ln(1 + sqrt 2) = 2.269185..., the critical temperature of the infinite lattice (Onsager 1944)."""
    return 2 / np.log1p(np.sqrt(2))


def yang_magnetization(T):
    """Spontaneous magnetisation per site of the infinite lattice (Yang 1952), zero above T_c."""
    check_temperature(T)
    S = np.sinh(np.minimum(2 / np.asarray(T, dtype=float), 180.0))
    return np.maximum(0.0, 1 - np.maximum(S, 1e-30) ** -4.0) ** 0.125


def enumerate_states(L):
    """All 2^N configurations of the L x L lattice, int8 [2^N, L, L]; L = 2, 3 or 4."""
    if L not in (2, 3, 4):
        raise ValueError(f"L = {L}: only L = 2, 3 and 4 can be enumerated")
    N = L * L
    bits = np.arange(2**N)[:, None] >> np.arange(N) & 1
    return (1 - 2 * bits).astype(np.int8).reshape(-1, L, L)


class Enumerated(NamedTuple):
    """From all states: ln Z, <E>, C, S of the lattice; <|m|>, <m^2>, <m^4> of m per site; Binder cumulant."""

    log_z: float
    energy: float
    specific_heat: float
    entropy: float
    abs_m: float
    m2: float
    m4: float
    binder: float


def enumerated(L, T):
    """Averages over all states of the 2 x 2, 3 x 3 or 4 x 4 lattice at temperature T (number)."""
    check_temperature(T)
    s = enumerate_states(L)
    E, m = energy(s), magnetization(s) / L**2
    log_w = -E / T
    log_z = np.log(np.exp(log_w - log_w.max()).sum()) + log_w.max()
    p = np.exp(log_w - log_z)
    mean = (p * E).sum()
    m2, m4 = (p * m**2).sum(), (p * m**4).sum()
    C = (p * (E - mean) ** 2).sum() / T**2
    return Enumerated(log_z, mean, C, log_z + mean / T, (p * np.abs(m)).sum(), m2, m4, 1 - m4 / (3 * m2**2))
