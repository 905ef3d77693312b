r"""A complex action from two real ones: rotors at a real chemical potential from networks at imaginary ones.

S_{i nu} = -beta sum cos(x + nu) is a combination of two functions, sum cos x and sum sin x, for every nu, real or
complex:

    S_mu = c_1 S_{i nu_1} + c_2 S_{i nu_2},
    c_1 = sin(nu_2 + i mu) / sin(nu_2 - nu_1),        c_2 = -sin(nu_1 + i mu) / sin(nu_2 - nu_1).

Two networks give S_{i nu_1}, S_{i nu_2}, each up to a constant. The constants are fixed by the mean over all angles,
which is zero for both functions. One network at nu is a pair, too: S_{-i nu}(phi) = S_{i nu}(-phi), its mirror image.

The network is a Markov chain in s = phi_{i-1} - phi_0, so that the complex weight is integrated over all angles as a
product of matrices on a grid of s, without any sampling: what is left is the networks' error alone.

    Z(mu) = sum over s_1 ... s_{N-1} of prod_i exp(-c_1 S_1 - c_2 S_2),      <n> = (1/N) d ln Z / d mu.

An error of the two, d_1 and d_2, enters S_mu as |c_1 d_1 + c_2 d_2|: for nu = 0, pi/2 and errors of the same size it is
sqrt(cosh 2 mu) times as large.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch

from lib.models.heads.angle import TWO_PI
from lib.statistics import Estimate, mean, over_networks
from lib.systems import rotors

GRID = 48  # angles: the integrand is smooth and periodic


def coefficients(mu, nu_1, nu_2):
    """c_1, c_2 of S_mu, complex numbers. ValueError if the two actions are one function."""
    apart = np.sin(nu_2 - nu_1)
    if abs(apart) < 1e-6:
        raise ValueError(f"nu = {nu_1:g}, {nu_2:g}: they differ by a multiple of pi and are one action, not two")
    return np.sin(nu_2 + 1j * mu) / apart, -np.sin(nu_1 + 1j * mu) / apart


def slopes(mu, nu_1, nu_2):
    """d c_1 / d mu, d c_2 / d mu."""
    apart = np.sin(nu_2 - nu_1)
    return 1j * np.cos(nu_2 + 1j * mu) / apart, -1j * np.cos(nu_1 + 1j * mu) / apart


class Links(NamedTuple):
    """A learned action, sum_i S_i(s_{i-1}, s_i): tables [N - 1, q, q] on q angles each, mean zero over all angles."""

    nu: float
    tables: np.ndarray

    def mirrored(self):
        """S(-phi), which is the action at -nu."""
        return Links(-self.nu, np.roll(self.tables[:, ::-1, ::-1], 1, (1, 2)))


@torch.no_grad()
def links(model, grid=GRID):
    """`Links` of a `RotorChain`, on `grid` angles."""
    angles = TWO_PI * torch.arange(grid, dtype=torch.float64) / grid
    model = copy.deepcopy(model).double()
    sites = torch.arange(1, model.n_sites, dtype=torch.float64)
    turned = angles[:, None].expand(-1, len(sites))
    steps = model.step_coefficients(turned, sites, model._weights()).transpose(0, 1)  # [N - 1, q, 2 M]
    x = angles[None] - angles[:, None]
    S = -model.head.log_prob(steps[:, :, None], x[None].expand(len(sites), -1, -1)).numpy()
    S[0] -= S[0, 0].mean()  # the first step starts at s = 0
    S[1:] -= S[1:].mean((1, 2), keepdims=True)
    return Links(model.nu, S)


class AtRealDensity(NamedTuple):
    """At one mu: <n>, complex where the networks break the symmetry that makes it real, the average phase, and ln Z."""

    density: complex
    phase: float
    log_z: complex


def integrate(first, second, mu):
    """`AtRealDensity` of the theory of two `Links`: all angles are summed, on their grid."""
    c = coefficients(mu, first.nu, second.nu)
    slope = slopes(mu, first.nu, second.nu)
    S = c[0] * first.tables + c[1] * second.tables
    dS = slope[0] * first.tables + slope[1] * second.tables
    log_z, density = _sum(S, dS)
    quenched, _ = _sum(S.real, dS.real)
    return AtRealDensity(density / (len(S) + 1), float(np.exp(log_z - quenched).real), log_z)


def _sum(S, dS):
    """ln of the mean of exp(-S) over all angles, and minus the mean of dS: tables [N - 1, q, q], from s = 0."""
    q = S.shape[1]
    vector = np.zeros(q, S.dtype)
    vector[0] = 1.0
    change, log_z = np.zeros_like(vector), 0.0
    for of_link, slope in zip(S, dS, strict=True):
        weight = np.exp(-of_link) / q
        change = change @ weight - vector @ (weight * slope)
        vector = vector @ weight
        norm = np.abs(vector).max()
        vector, change, log_z = vector / norm, change / norm, log_z + np.log(norm)
    total = vector.sum()
    return log_z + np.log(total), change.sum() / total


class Curve(NamedTuple):
    """Over m pairs of networks, `Estimate` [k] at k values of mu: the real part of the density, and the phase."""

    density: Estimate
    phase: Estimate


def curve(pairs, mus):
    """`Curve` of pairs of `Links`."""
    found = [[integrate(first, second, mu) for mu in mus] for first, second in pairs]
    density = np.array([[at.density.real for at in pair] for pair in found])
    phase = np.array([[at.phase for at in pair] for pair in found])
    return Curve(over_networks(density), over_networks(phase))


# ---------------------------------------------------------------- reading A and B


def read(action, angles):
    """Coefficients of -A and -B in an action S [n] of angles [n, N]: (beta cos nu, -beta sin nu) if it is exact.

    Least squares, with a constant.
    """
    A, B = rotors.operators(angles)
    columns = np.stack([-A, -B, np.ones_like(A)], 1)
    return np.linalg.lstsq(columns, action, rcond=None)[0][:2]


def score_matching(angles):
    """The same from angles [n, N] without a network: the minimum of <|grad S|^2 / 2 - laplace S>, linear in both."""
    x = rotors.steps(angles)
    gradient, laplacian = [], []
    for slope, bend in ((np.sin(x), np.cos(x)), (-np.cos(x), np.sin(x))):  # of -cos x and of -sin x
        gradient.append(slope - np.roll(slope, -1, 1))
        laplacian.append((bend + np.roll(bend, -1, 1)).sum(1).mean())
    matrix = [[(a * b).sum(1).mean() for b in gradient] for a in gradient]
    return np.linalg.solve(matrix, laplacian)


def smallest_error(beta, n_sites, nu, n):
    """Cramer-Rao: the smallest standard errors of the two coefficients from n chains, from the exact Z, [2]."""
    a, b, h = beta * np.cos(nu), -beta * np.sin(nu), 1e-3

    def log_z(a, b):
        return rotors.log_partition_function_at_imaginary(np.hypot(a, b), n_sites, np.arctan2(-b, a))

    moves = np.eye(2) * h
    information = np.empty((2, 2))
    for i, u in enumerate(moves):
        for k, v in enumerate(moves):
            corners = [
                s * t * log_z(a + s * u[0] + t * v[0], b + s * u[1] + t * v[1]) for s in (1, -1) for t in (1, -1)
            ]
            information[i, k] = sum(corners) / (4 * h * h)
    return np.sqrt(np.diag(np.linalg.inv(information)) / n)


def read_density(coefficients_read, n_sites, nu, mu):
    """<n> at a real mu of S read at nu: beta from the coefficient along the known direction."""
    beta = coefficients_read @ (np.cos(nu), -np.sin(nu))
    return rotors.density(beta, n_sites, mu)


# ---------------------------------------------------------------- errors and reweighting


def error_factor(first, second, angles, beta, mu):
    """|error of S_mu| / error of one network, rms over angles [n, N]. first, second: (nu, S [n]) of two networks."""
    errors = []
    for nu, action in (first, second):
        error = action - rotors.action(angles, beta, nu)
        errors.append(error - error.mean())
    c_1, c_2 = coefficients(mu, first[0], second[0])
    one = np.sqrt((errors[0] ** 2 + errors[1] ** 2).mean() / 2)
    return float(np.sqrt((np.abs(c_1 * errors[0] + c_2 * errors[1]) ** 2).mean()) / one)


class Reweighted(NamedTuple):
    """<n> and the average phase as `Estimate`s from phase-quenched chains, weighted with the phase."""

    density: Estimate
    phase: Estimate


def reweight(beta, n_sites, mu, n, rng):
    """`Reweighted` from n independent chains of the phase-quenched weight exp[beta cosh(mu) A], the exact one."""
    angles = rotors.sample(beta * np.cosh(mu), n_sites, 0.0, n, rng)
    A, B = rotors.operators(angles)
    phase = np.cos(beta * np.sinh(mu) * B)
    # d S / d mu = -beta (sinh A + i cosh B); its average is real
    slope = beta * (np.sinh(mu) * A * phase - np.cosh(mu) * B * np.sin(beta * np.sinh(mu) * B)) / n_sites
    density = slope.mean() / phase.mean()
    error = np.std(slope - density * phase) / abs(phase.mean()) / np.sqrt(n)
    return Reweighted(Estimate(float(density), float(error)), mean(phase))
