r"""Correlation function of angles on the torus, and the exponent of its algebraic decay.

    G(r) = < cos(theta_i - theta_{i + r}) >,     r along an axis, averaged over sites and both axes.

There is no long-range order at any T > 0 in two dimensions (Mermin and Wagner, Phys. Rev. Lett. 17, 1133 (1966)), so
G(r) -> 0 on an infinite lattice: exponentially above T_BKT, and algebraically below, G ~ r^-eta. Spin waves with a
stiffness Y give, on a finite torus too,

    G(r) = exp[-(T / Y) g(r)],    g(r) = (1/N) sum_{k != 0} (1 - cos k r) / (4 - 2 cos k_x - 2 cos k_y),

and 2 pi g(r) grows as ln r. So ln G is a straight line against 2 pi g, of slope -eta, and eta = T / (2 pi Y): 1/4 at
T_BKT, where Y = 2 T / pi (Kosterlitz and Thouless, J. Phys. C 6, 1181 (1973)).
"""

import numpy as np

NEAREST = 2  # distances below are left out of the fit: there the lattice and vortex pairs show


def correlation(theta):
    """G(r) of each configuration at r = 0 ... L / 2: angles [n, L, L] -> [n, L // 2 + 1]."""
    L = theta.shape[-1]
    plane = np.fft.ifft2(np.abs(np.fft.fft2(np.exp(1j * theta))) ** 2).real / L**2
    return (plane[:, 0, : L // 2 + 1] + plane[:, : L // 2 + 1, 0]) / 2


def logarithm(L):
    """2 pi g(r) at r = 0 ... L / 2 along an axis of the L x L torus, [L // 2 + 1]."""
    k = 2 * np.pi * np.fft.fftfreq(L)
    denominator = 4 - 2 * np.cos(k)[:, None] - 2 * np.cos(k)
    denominator[0, 0] = np.inf
    g = np.fft.ifft2(1 / denominator).real
    return 2 * np.pi * (g[0, 0] - g[0, : L // 2 + 1])


def decay_exponent(G):
    """eta from G(r) at r = 0 ... R, [..., R + 1]: a straight line through ln G from r = NEAREST on; L = 2 R. -> [...].

    nan where G is not positive, and on lattices below L = 8, which leave fewer than three distances.
    """
    G = np.asarray(G, float)
    if G.shape[-1] < NEAREST + 3:
        return np.full(G.shape[:-1], np.nan)
    x = logarithm(2 * (G.shape[-1] - 1))[NEAREST:]
    x = x - x.mean()
    used = G[..., NEAREST:]
    return -(np.log(np.where(used > 0, used, np.nan)) @ x) / (x @ x)
