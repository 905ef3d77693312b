"""The Ising model against enumeration, published values, limits, and its own symmetries."""

import mpmath
import numpy as np
import pytest
import torch

from lib import lattice
from lib.systems import ising

T_C = ising.critical_temperature()

# L, T, ln Z / N, F / N, E / N, C / N, S of the lattice: Kaufman's formula evaluated independently of lib
# (reference table of the project; at L = 4 it agrees with brute force to 15 digits).
TABLE = [
    (4, T_C, 0.970119716172, -2.20138141297, -1.565623788, 0.78326683, 4.4827198),
    (8, 2.27, 0.939479490177, -2.1326184427, -1.490655514, 1.1463497, 18.099395),
    (8, T_C, 0.939715324829, -2.13238821464, -1.491589107, 1.1455592, 18.073069),
    (8, 1 / 0.44, 0.938692305113, -2.13339160253, -1.487525543, 1.1489505, 18.187588),
    (16, 2.0, 1.02850082201, -2.05700164402, -1.745530669, 0.72550877, 39.868285),
    (16, 2.27, 0.931966596061, -2.11556417306, -1.451843178, 1.5004215, 74.851354),
    (16, T_C, 0.932196314981, -2.11532618792, -1.453064853, 1.498705, 74.713555),
    (16, 1 / 0.44, 0.931200184392, -2.11636405544, -1.447743465, 1.5059886, 75.313423),
    (16, 2.5, 0.87980018264, -2.1995004566, -1.131317984, 1.0649769, 109.38189),
    (16, 2.8, 0.836431757264, -2.34200892034, -0.910061012, 0.53138638, 130.92095),
    (32, T_C, 0.930320390184, -2.11106936692, -1.433658466, 1.8467676, 305.69066),
]


@pytest.mark.parametrize("L", [2, 3, 4])
@pytest.mark.parametrize("T", [0.2, 0.5, 1.0, 1.7, T_C, 2.27, 2.8, 5.0, 100.0])
def test_kaufman_against_enumeration(L, T):
    kaufman, counted = ising.exact(L, T), ising.enumerated(L, T)
    for name in ("log_z", "energy", "specific_heat", "entropy"):
        assert getattr(kaufman, name) == pytest.approx(getattr(counted, name), rel=1e-10, abs=1e-10), name
    assert ising.log_partition_function(L, T) == kaufman.log_z


@pytest.mark.parametrize("row", TABLE)
def test_table(row):
    L, T, log_z, free_energy, energy, specific_heat, entropy = row
    whole, site = ising.exact(L, T), ising.exact(L, T).per_site
    assert site.log_z == pytest.approx(log_z, abs=5e-12)
    assert site.free_energy == pytest.approx(free_energy, abs=1e-11)
    assert site.energy == pytest.approx(energy, abs=1e-9)
    assert site.specific_heat == pytest.approx(specific_heat, abs=1e-7)
    assert whole.entropy == pytest.approx(entropy, abs=1e-5)


def kaufman_mp(K, L):
    """ln Z straight from Kaufman's products, for mpmath."""
    a = mpmath.cosh(2 * K) * mpmath.coth(2 * K)
    g = [mpmath.acosh(a - mpmath.cos(mpmath.pi * k / L)) for k in range(2 * L)]
    g[0] = 2 * K + mpmath.log(mpmath.tanh(K))
    products = [mpmath.fprod(2 * f(L * x / 2) for x in g[odd::2]) for odd in (0, 1) for f in (mpmath.cosh, mpmath.sinh)]
    return mpmath.log(mpmath.fsum(products) / 2) + L * L * mpmath.log(2 * mpmath.sinh(2 * K)) / 2


@pytest.mark.parametrize("L", [16, 64])
@pytest.mark.parametrize("T", [1.0, T_C, T_C * (1 + 1e-9), 2.3, 4.0])
def test_derivatives_against_many_digits(L, T):
    with mpmath.workdps(60):
        K = 1 / mpmath.mpf(T)
        first, second = (float(mpmath.diff(lambda k: kaufman_mp(k, L), K, order)) for order in (1, 2))
        log_z = float(kaufman_mp(K, L))
    answer = ising.exact(L, T)
    assert answer.log_z == pytest.approx(log_z, rel=1e-12)
    assert answer.energy == pytest.approx(-first, rel=1e-11)
    assert answer.specific_heat == pytest.approx(second / T**2, rel=1e-10)


@pytest.mark.parametrize("L", [2, 16, 64, 128])
def test_limits_and_identities(L):
    N = L * L
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        T = np.array([0.001, 0.05, 0.2, 0.5, 1.0, 2.0, T_C, 3.0, 10.0, 100.0])
        x = ising.exact(L, T)
    assert np.allclose(x.free_energy, x.energy - T * x.entropy, rtol=1e-12)
    assert np.all(x.specific_heat >= 0) and np.all(np.diff(x.energy) >= 0) and np.all(np.diff(x.entropy) > -1e-8)
    # ground state: two configurations of energy -2N
    assert np.allclose(x.entropy[:3], np.log(2), atol=1e-8) and np.allclose(x.energy[:3], -2 * N, rtol=1e-14)
    # high temperature: independent spins; E -> -<H^2> / T, with <H^2> = 2 N bonds (4 double bonds for L = 2)
    hot = ising.exact(L, 1e5)
    assert hot.entropy == pytest.approx(N * np.log(2), rel=1e-9)
    assert hot.energy * 1e5 == pytest.approx(-(16 if L == 2 else 2 * N), rel=1e-4)


def test_energies_of_known_configurations():
    L = 6
    up = np.ones((1, L, L), np.int8)
    checkerboard = (1 - 2 * (np.indices((L, L)).sum(0) % 2)).astype(np.int8)[None]
    one_flip = up.copy()
    one_flip[0, 2, 3] = -1
    s = np.concatenate([up, checkerboard, one_flip])
    assert ising.energy(s).tolist() == [-72, 72, -64] and ising.energy(s).dtype == np.float64
    assert ising.magnetization(s).tolist() == [36, 0, 34]
    assert ising.operators(up).tolist() == [[72, 72, 72, 36, 36]]
    assert ising.operators(checkerboard).tolist() == [[-72, 72, 72, 36, 0]]
    assert ising.operators(one_flip).tolist() == [[64, 64, 64, 28, 34]]
    # L = 2: both bonds between two neighbours count
    assert ising.energy(np.ones((1, 2, 2), np.int8)) == -8
    assert torch.equal(ising.operators(torch.as_tensor(s)), torch.as_tensor(ising.operators(s)))


def test_local_sums_are_single_flip_differences():
    rng = np.random.default_rng(1)
    for L in (3, 4, 6):
        s = (2 * rng.integers(2, size=(3, L, L)) - 1).astype(np.int8)
        local = ising.local_sums(s)
        for site in range(L * L):
            flipped = s.copy()
            flipped.reshape(3, -1)[:, site] *= -1
            assert np.array_equal(ising.operators(flipped) - ising.operators(s), -2.0 * local[:, site])
    after = ising.flip_one(s, rng)
    assert np.array_equal((after != s).sum((1, 2)), [1, 1, 1])


def test_symmetries_leave_the_energy_alone():
    rng = np.random.default_rng(2)
    L = 4
    s = (2 * rng.integers(2, size=(1, L, L)) - 1).astype(np.int8)
    shifts = [(a, b) for a in range(L) for b in range(L)]
    images = np.concatenate([lattice.transform(s, point, shift) for point in range(8) for shift in shifts])
    assert np.ptp(ising.energy(images)) == 0
    assert np.ptp(ising.operators(images, ["nnn", "third", "plaquette"]), axis=0).max() == 0
    # augmentation: the random images are elements of the group, all of them, equally often
    n = 128 * 200
    drawn = lattice.random_transform(torch.as_tensor(s).expand(n, L, L), torch.Generator().manual_seed(3))
    known, copies = np.unique(images.reshape(-1, 16), axis=0, return_counts=True)
    seen, counts = np.unique(drawn.numpy().reshape(-1, 16), axis=0, return_counts=True)
    assert np.array_equal(known, seen)
    expected = n * copies / copies.sum()
    assert ((counts - expected) ** 2 / expected).sum() < len(known) + 5 * np.sqrt(2 * len(known))


def test_the_symmetries_of_a_rectangle():
    """Reflections and translations, each equally often, and the energy of none of them changes."""
    rng, shape = np.random.default_rng(2), (3, 5)
    s = (2 * rng.integers(2, size=(1, *shape)) - 1).astype(np.int8)
    every = [(point, (a, b)) for point in range(4) for a in range(3) for b in range(5)]
    images = np.concatenate([lattice.transform(s, *element) for element in every])
    assert np.ptp(ising.operators(images), axis=0).max() == 0
    n = 60 * 200
    generator = torch.Generator().manual_seed(3)
    drawn = lattice.random_transform(torch.as_tensor(s).expand(n, *shape), generator, points=range(4)).numpy()
    known, copies = np.unique(images.reshape(-1, 15), axis=0, return_counts=True)
    seen, counts = np.unique(drawn.reshape(-1, 15), axis=0, return_counts=True)
    expected = n * copies / copies.sum()
    assert np.array_equal(known, seen)
    assert ((counts - expected) ** 2 / expected).sum() < len(known) + 5 * np.sqrt(2 * len(known))


def test_specific_heat_peak():
    T, height = ising.specific_heat_peak(16)
    assert T == pytest.approx(2.3174, abs=1.5e-4) and height == pytest.approx(1.552, abs=5e-4)
    around = ising.exact(16, np.array([T - 1e-3, T, T + 1e-3])).per_site.specific_heat
    assert around[1] > around[0] and around[1] > around[2]


def test_reweighting_share_is_that_of_all_states():
    s = ising.enumerate_states(3)
    E, K0 = ising.energy(s), 1 / 2.27
    p = np.exp(-K0 * E) / np.exp(-K0 * E).sum()
    for T in (1.9, 2.27, 3.0):
        w = np.exp(-(1 / T - K0) * E)
        assert ising.reweighting_share(3, 2.27, T) == pytest.approx((p @ w) ** 2 / (p @ w**2), rel=1e-9)
    with pytest.raises(ValueError, match="below 2 T0"):
        ising.reweighting_share(3, 2.27, 4.6)


def test_infinite_lattice():
    assert T_C == pytest.approx(2.269185314213022, abs=1e-14)
    assert np.allclose(ising.yang_magnetization([0.001, 1.0, T_C * 1.0001, 3.0]), [1, 0.99927575, 0, 0], atol=1e-8)


@pytest.mark.parametrize("call", [
    lambda: ising.exact(8, 0.0), lambda: ising.exact(8, [1.0, -1.0]), lambda: ising.exact(8, np.nan),
    lambda: ising.exact(1, 1.0), lambda: ising.exact(2.5, 1.0), lambda: ising.yang_magnetization(-1.0),
    lambda: ising.enumerate_states(5), lambda: ising.local_sums(np.ones((1, 2, 2), np.int8)),
])  # fmt: skip
def test_bad_input_is_named_in_one_line(call):
    with pytest.raises(ValueError) as error:
        call()
    assert "\n" not in str(error.value) and str(error.value)[:2] in ("T ", "L ")
