r"""Exact averages of small periodic XY lattices: the transfer matrix of a clock model that has converged.

Angles are replaced by multiples of 2 pi / q. Sums over such a grid of a smooth periodic function converge to its
integral faster than any power of 1 / q, so at moderate beta a small q is exact to many digits (compare two q to see).
With rows r = (theta_1 ... theta_L) and

    D(r) = exp[beta sum_k cos(theta_k - theta_{k+1} - phi)],
    K(r, r') = prod_k (1/q) exp[beta cos(theta_k - theta'_k)],

Z(beta, phi) = Tr (D K)^L. A global rotation by 2 pi / q is a symmetry: the trace needs start rows with theta_1 = 0
only, times q. K is a product over the columns, so applying it costs q^(L+1) L operations instead of q^(2L).

    <E> / N = -(1/N) d ln Z / d beta,  C / N = (beta^2 / N) d^2 ln Z / d beta^2,  Y = -(1/(N beta)) d^2 ln Z / d phi^2

at phi = 0 by central differences. This generates the 4 x 4 reference values of the tests.
"""

from typing import NamedTuple

import numpy as np


class Exact(NamedTuple):
    """ln Z / N (measure d theta / 2 pi), E / N, C / N and the helicity modulus of an L x L torus."""

    log_z: float
    energy: float
    specific_heat: float
    helicity: float


def log_partition_function(L, beta, *, q=12, twist=0.0, batch=64):
    """ln Z of the L x L torus in the q-state clock approximation, with a twist `twist` on every bond of the rows."""
    if L < 2 or q < 3:
        raise ValueError(f"L = {L}, q = {q}: L of at least 2 and q of at least 3 are needed")
    if q**L > 2_000_000:
        raise ValueError(f"L = {L}, q = {q}: {q**L} states in a row are too many; lower q or L")
    angle = 2 * np.pi * np.arange(q) / q
    bond = np.exp(beta * (np.cos(angle[:, None] - angle) - 1)) / q
    shape = (q,) * L
    index = np.indices(shape).reshape(L, -1)
    row = np.cos(angle[index] - angle[np.roll(index, -1, 0)] - twist).sum(0)
    half = np.exp(0.5 * beta * (row - L))  # D^(1/2): the matrix A = D^(1/2) K D^(1/2) is symmetric

    def apply(vectors):
        """A on vectors [b, q^L]."""
        v = vectors * half
        v = v.reshape(len(v), *shape)
        for axis in range(1, L + 1):
            v = np.moveaxis(np.tensordot(v, bond, axes=(axis, 0)), -1, axis)
        return v.reshape(len(v), -1) * half

    total = 0.0
    starts = np.arange(q ** (L - 1))  # theta_1 = 0 is the slowest index
    for begin in range(0, len(starts), batch):
        left = np.zeros((len(starts[begin : begin + batch]), q**L))
        left[np.arange(len(left)), starts[begin : begin + batch]] = 1.0
        right = left
        for _ in range(L // 2):
            left = apply(left)
        right = left if L % 2 == 0 else apply(left)
        total += (left * right).sum()
    return float(np.log(q * total) + 2 * beta * L * L)


def exact(L, T, *, q=12, step=0.02):
    """`Exact` averages of the L x L torus at temperature T, by fourth-order differences of ln Z with steps `step`."""
    beta, n_sites = 1 / T, L * L
    shifts = step * np.arange(-2, 3)
    log_z = np.array([log_partition_function(L, beta + shift, q=q) for shift in shifts])
    first = np.array([1, -8, 0, 8, -1]) @ log_z / (12 * step)
    second_weights = np.array([-1, 16, -30, 16, -1]) / (12 * step**2)
    second = second_weights @ log_z
    # even in the twist
    one, two = (log_partition_function(L, beta, q=q, twist=k * step) for k in (1, 2))
    curvature = second_weights @ np.array([two, one, log_z[2], one, two])
    return Exact(log_z[2] / n_sites, -first / n_sites, beta**2 * second / n_sites, -curvature / (n_sites * beta))
