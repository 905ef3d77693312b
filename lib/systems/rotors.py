r"""A chain of rotors at finite density: the O(2) model in 0+1 dimensions with a chemical potential.

N angles phi_i on a circle of imaginary time, x_i = phi_i - phi_{i-1} the step to site i:

    S_mu(phi) = -beta sum_i cos(x_i - i mu) = -beta [cosh(mu) A + i sinh(mu) B],    A = sum cos x_i, B = sum sin x_i,

complex for real mu. For imaginary mu = i nu it is real: S = -beta sum cos(x_i + nu), a chain that likes to wind. With
the modified Bessel functions I_n and the measure d phi / 2 pi of every site,

    Z(mu) = sum_n I_n(beta)^N e^(n N mu),                the sum over the charge n,

density <n> = (1/N) d ln Z / d mu: a staircase, flat until mu_c = ln(I_0 / I_1) (the silver blaze) at large N. Without
its phase the weight is exp(beta cosh(mu) A); the average phase Z(mu) / Z_phase-quenched(mu) vanishes exponentially
with N.

Exact draws at imaginary mu: site after site, a von Mises step, accepted with the probability m_k(rest) / m_k(most) that
the k sites to come close the circle, m_k(y) = sum_n I_n^k e^(i n y).

Turning site j by -2 pi j / N takes nu to nu + 2 pi / N: Z(i nu) has this period.

Sources: the expansion exp(beta cos x) = sum_n I_n(beta) e^(i n x), NIST DLMF 10.35; chemical potential on the links:
D. Banerjee and S. Chandrasekharan, arXiv:1001.3648.
"""

import numpy as np
from scipy.special import ive

TWO_PI = 2 * np.pi


def steps(angles):
    """x_i = phi_i - phi_{i-1} around the circle, [n, N]."""
    return angles - np.roll(angles, 1, axis=1)


def operators(angles):
    """A = sum cos x_i and B = sum sin x_i of angles [n, N], [n] each."""
    x = steps(angles)
    return np.cos(x).sum(1), np.sin(x).sum(1)


def action(angles, beta, nu):
    """S(i nu) = -beta sum cos(x_i + nu) of angles [n, N]: [n]."""
    return -beta * np.cos(steps(angles) + nu).sum(1)


def _terms(beta, n_sites, mu):
    """Logarithms of the terms of Z(mu) / e^(N beta), beside their charges."""
    charges = np.arange(-60, 61)
    with np.errstate(divide="ignore"):  # I_n of a large n is zero to rounding
        return n_sites * np.log(ive(charges, beta)) + charges * n_sites * mu, charges


def log_partition_function(beta, n_sites, mu):
    """ln Z at a real mu, measure d phi / 2 pi."""
    return float(np.logaddexp.reduce(_terms(beta, n_sites, mu)[0]) + n_sites * beta)


def log_partition_function_at_imaginary(beta, n_sites, nu):
    """ln Z at mu = i nu: a positive integral, so a positive sum."""
    terms, charges = _terms(beta, n_sites, 0.0)
    return float(np.log(np.sum(np.exp(terms) * np.cos(charges * n_sites * nu))) + n_sites * beta)


def density(beta, n_sites, mu):
    """<n> = (1/N) d ln Z / d mu, the charge: a number for a number mu, [m] for [m]."""
    each = []
    for one in np.atleast_1d(mu):
        terms, charges = _terms(beta, n_sites, one)
        weights = np.exp(terms - terms.max())
        each.append((charges * weights).sum() / weights.sum())
    return np.array(each) if np.ndim(mu) else float(each[0])


def average_phase(beta, n_sites, mu):
    """Z(mu) / Z of |exp(-S)|: a number in (0, 1]."""
    quenched = log_partition_function(beta * np.cosh(mu), n_sites, 0.0)
    return float(np.exp(log_partition_function(beta, n_sites, mu) - quenched))


def quenched_density(beta, n_sites, mu, h=1e-5):
    """<n> of the weight without its phase, (1/N) d ln Z_phase-quenched / d mu."""
    above, below = (log_partition_function(beta * np.cosh(mu + step), n_sites, 0.0) for step in (h, -h))
    return float((above - below) / (2 * h * n_sites))


def onset(beta):
    """mu_c = ln(I_0 / I_1), where the density leaves zero at zero temperature, N -> infinity."""
    return float(np.log(ive(0, beta) / ive(1, beta)))


def log_prob(angles, beta, nu):
    """ln p, density with respect to d phi, of angles [n, N] at mu = i nu: exact, [n]."""
    n_sites = angles.shape[1]
    log_z = log_partition_function_at_imaginary(beta, n_sites, nu) + n_sites * np.log(TWO_PI)
    return -action(angles, beta, nu) - log_z


def sample(beta, n_sites, nu, n, rng):
    """n independent chains of angles in [0, 2 pi), float64 [n, N], at mu = i nu."""
    charges = np.arange(31)
    ratio = ive(charges, beta) / ive(0, beta)
    winding = np.zeros(n)  # phi_i - phi_0
    columns = [np.zeros(n)]
    for k in range(n_sites - 1, 0, -1):  # k steps come after this one
        coefficients = np.where(charges == 0, 1.0, 2.0) * ratio**k
        coefficients = coefficients[coefficients > 1e-17]  # only few charges survive many steps
        most = coefficients.sum()
        left = np.arange(n)
        while len(left):
            x = rng.vonmises(-nu, beta, len(left))
            # the k steps to come, each nu off, must bring the rest back to zero
            rest = winding[left] + x - k * nu
            closing = np.cos(rest[:, None] * charges[: len(coefficients)]) @ coefficients
            accepted = rng.random(len(left)) * most < closing
            winding[left[accepted]] += x[accepted]
            left = left[~accepted]
        columns.append(winding.copy())
    first = rng.uniform(0, TWO_PI, (n, 1))
    return (np.stack(columns, 1) + first) % TWO_PI
