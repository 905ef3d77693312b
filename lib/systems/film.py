r"""A simulated magnetic film: spins with a known Hamiltonian, of nearest neighbours or with dipoles.

Everything here is SIMULATED. The film of the talk has T_C = 427.4 K (its fit to M_s(T)) and was imaged at 296 K.

Ising film. The exact T_c = 2 J / ln(1 + sqrt 2) of the square lattice is declared to be 427.4 K; 296 K is then T =
1.5715 J, and a coupling K = J / T0 read at T0 = 296 K is worth T_C = 296 K * K * 2.2692. That 427.4 K comes back tests
the method: it was put in. It says nothing about the film.

Dipolar film. Perpendicular spins with exchange J and the stray field of their dipoles,

    H(s) = - J sum_nn s_i s_j + (g / 2) sum_(i != j) s_i s_j K(r_ij),      K(r) = sum_n 1 / |r + L n|^3,

each pair once, all periodic images n of the L x L torus included. g weakens the nearest-neighbour bond to J - g K(1),
and makes antiparallel stripes whose width grows with J / g. The sum over images is done by Ewald's method: with a = 2
/ L (any a > 0 gives the same),

    K(r) = sum_n [erfc(a d) + (2 a d / sqrt pi) exp(-a^2 d^2)] / d^3,   d = |r + L n|,
         + (2 sqrt pi / L^2) sum_k cos(k r) [2 a exp(-k^2 / 4 a^2) - k sqrt pi erfc(k / 2 a)],   k in (2 pi / L) Z^2.

Sources: P. P. Ewald, Ann. Phys. 369, 253 (1921); our own integrals of t^(1/2) exp(-r^2 t), split at t = a^2. Stripes
of the dipolar Ising film: A. Vindigni et al., arXiv:0707.1582.
"""

import numpy as np
from scipy.special import erfc

from lib.lattice import check_side, partner_sum, shell, star
from lib.systems import check_temperature, ising

T_CURIE = 427.4  # K, the talk's fit
T_IMAGES = 296.0  # K, where the images were taken


def reduced_temperature(T=T_IMAGES, t_c=T_CURIE):
    """Temperature in units of J of an Ising film with this T_C (both in K): 1.5715 for 296 K and 427.4 K."""
    check_temperature(T)
    check_temperature(t_c)
    return T / t_c * ising.critical_temperature()


def curie_temperature(coupling, error=0.0, T=T_IMAGES):
    """(T_C, error) in K of an Ising film whose nearest-neighbour coupling is J / T = `coupling` at T kelvin."""
    scale = T * ising.critical_temperature()
    return scale * coupling, scale * error


def _image_sum(rows, columns, L, a, reach):
    """The two Ewald sums at displacements rows, columns (arrays of one shape)."""
    n = np.arange(-reach, reach + 1)
    x = rows[..., None, None] + L * n[:, None]
    y = columns[..., None, None] + L * n
    d = np.hypot(x, y)
    d[d == 0] = 1e9  # the site itself is not its own partner; its images are
    near = ((erfc(a * d) + 2 * a * d / np.sqrt(np.pi) * np.exp(-((a * d) ** 2))) / d**3).sum((-2, -1))
    k = 2 * np.pi / L * np.hypot(n[:, None], n)
    weight = 2 * a * np.exp(-((k / (2 * a)) ** 2)) - k * np.sqrt(np.pi) * erfc(k / (2 * a))
    wave = 2 * np.pi / L * n
    phase = rows[..., None, None] * wave[:, None] + columns[..., None, None] * wave
    return near, 2 * np.sqrt(np.pi) / L**2 * (np.cos(phase) * weight).sum((-2, -1))


def dipolar_kernel(L, a=None, reach=8):
    """K(r) [L, L], float64, of the displacement (row, column) on the periodic lattice; K(0) is the sum over own images.

    a: Ewald's parameter, default 2 / L
    reach: images and waves up to this number per direction; the default is exact to rounding for every L
    """
    check_side(L)
    a = 2.0 / L if a is None else a
    rows, columns = np.meshgrid(np.arange(L), np.arange(L), indexing="ij")
    near, far = _image_sum(rows.astype(float), columns.astype(float), L, a, reach)
    kernel = near + far
    kernel[0, 0] -= 4 * a**3 / (3 * np.sqrt(np.pi))  # the part of the second sum that is the site itself
    return kernel


def pair_kernel(L, J=1.0, g=0.25):
    """W(r) [L, L] with H = - (1/2) sum_(i != j) s_i W(r_ij) s_j: J on the four neighbours, minus g K(r); W(0) = 0.

    Not for L < 3, where two neighbours are one site.
    """
    if int(L) != L or L < 3:
        raise ValueError(f"L = {L}: the dipolar film needs a lattice of side 3 or more")
    W = -g * dipolar_kernel(L)
    for step in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        W[step] += J
    W[0, 0] = 0.0
    return W


def local_fields(s, W):
    """h_i = sum_j W(r_ij) s_j, float64 [n, L, L], by convolution; s: configurations [n, L, L], W: kernel [L, L]."""
    s = np.asarray(s, dtype=float)
    return np.fft.irfft2(np.fft.rfft2(s) * np.fft.rfft2(W), s=s.shape[-2:])


def energy(s, W):
    """H(s) [n] of configurations s [n, L, L] with the pair kernel W [L, L] (`pair_kernel`)."""
    return -0.5 * (np.asarray(s, dtype=float) * local_fields(s, W)).sum((-2, -1))


SHELLS = ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2), (0, 3))


def shell_operators(steps=SHELLS):
    """dict "(a, b)" -> function s [n, L, L] -> [n], the sum of s_i s_j over all pairs of that shell.

    A pair Hamiltonian is - sum_shells J(r) O_r, with J(r) = W(r) (`shell_couplings`). L must exceed twice the largest
    step.
    """

    def operator(step):
        def total(s):
            s = np.asarray(s)
            return (s * partner_sum(s, shell(*step))).sum((-2, -1), dtype=np.int64).astype(float)

        return total

    return {str(step): operator(step) for step in steps}


def shell_couplings(W, steps=SHELLS):
    """The true couplings J(r) = W(r) [a] of a pair kernel W [L, L] on these shells."""
    return np.array([W[step] for step in steps])


def shell_local_sums(s, steps=SHELLS):
    """s_i times the sum of its partners in each shell, int8 [n, N, a]; flipping s_i changes O_r by -2 times this."""
    s = np.asarray(s, dtype=np.int8)
    return np.stack([(s * partner_sum(s, star(shell(*step)))).reshape(len(s), -1) for step in steps], axis=2)
