r"""The renormalisation group from learned Hamiltonians: two-lattice matching, and Swendsen's Monte Carlo RG beside it.

Majority blocks of an L x L Ising lattice, repeated until the side is 8, have a distribution exp(-H') with unknown H'. A
network learns it, and its couplings K' (`couplings.py`) are functions of the temperature of the original lattice.
Near T_c, once irrelevant directions have decayed, the linearised renormalisation group says

    K'(L -> 8; T) = K* + c (K - K_c) (L / 8)^y_t,     K = 1 / T,   y_t = 1 / nu.

Two lattices, L and L / 2, brought to the *same* side differ by one step only: their curves cross at T_c, and the ratio
of their slopes there is 2^y_t. What is common to both, finite size and truncation, cancels. `match` does this for
K' = sum_a K'_a over a set of operators. The method is known as two-lattice matching.

`mcrg` is Swendsen's estimate of the linearised transformation, from correlations of the operators S before and S' after
one step on the same configurations:

    d<S'_a>/dK_b = <S'_a S_b> - <S'_a><S_b> = sum_c (d<S'_a>/dK'_c) T_cb,

whose leading eigenvalue is 2^y_t (even operators) or 2^y_h (odd).

Couplings of block spins depend on which operators are kept, however many there are (T. Kennedy, arXiv:0905.2601).
T_c and exponents do not, in the limit, so their scatter over the operator sets is part of the error given here.
"""

import copy
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import blocking, couplings
from lib.analysis.statistics import block_sums, jackknife, over_networks
from lib.models.fit import fit
from lib.models.frontier import FrontierNetwork
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli
from lib.samplers import swendsen_wang
from lib.systems import ising, lattice

SIDE = 8  # of the block lattices that are compared
EVEN = ("nn", "nnn", "third", "plaquette")

# Fixed beforehand, on other random numbers than those of the book (seeds 7, 11, 12 and 13; lattices of 16, 32 and 64)
TEMPERATURES = (2.23, 2.25, 2.27, 2.29, 2.31)
OPERATOR_SETS = (EVEN[:1], EVEN[:2], EVEN)
DEGREE = 2  # of the polynomial in K through the five couplings


# ---------------------------------------------------------------- configurations


def blocks(L, T, n, seed, chains=32, gap=3):
    """n block configurations int8 [n, 8, 8] of the L x L Ising model at T, and after each step before the last one.

    Swendsen-Wang, `chains` lattices, one configuration of each every `gap` cluster updates, hence slightly correlated
    in time: consecutive configurations belong to different chains. Returns a list, from the original lattice (first)
    to the 8 x 8 blocks (last).
    """
    rng = np.random.default_rng([seed, L, round(1e6 * T)])
    s = np.ones((chains, L, L), np.int8)
    for _ in range(100 + L):
        swendsen_wang.sweep(s, 1 / T, rng)
    levels = []
    for _ in range(-(-n // chains)):
        for _ in range(gap):
            swendsen_wang.sweep(s, 1 / T, rng)
        levels.append([s.copy()])
        while levels[-1][-1].shape[-1] > SIDE:
            levels[-1].append(blocking.majority(levels[-1][-1], rng))
    return [np.concatenate(level)[:n] for level in zip(*levels, strict=True)]


# ---------------------------------------------------------------- networks and their couplings


def network(seed):
    """An untrained network of 8 x 8 blocks: two rows of context, since block couplings reach further than spins'."""
    return FrontierNetwork(SIDE, Bernoulli(), odd=True, reach=2 * SIDE, seed=seed)


def start(L, T, n, n_steps, seed):
    """A network trained from scratch on n majority blocks (L -> 8) at T. The others of a repetition start from it."""
    return _train(network(seed), blocks(L, T, n, seed)[-1], n_steps, 1e-2, seed)


def _train(model, data, n_steps, learning_rate, seed):
    fit(
        model,
        data,
        steps=n_steps,
        batch=512,
        learning_rate=learning_rate,
        augment=lattice.random_transform,
        seed=seed,
        device="cpu",
    )
    return model


def _even(s):
    return ising.operators(s, EVEN)


class Point(NamedTuple):
    """Couplings K' of one block lattice, by operator set [sets]: of a network, and by pseudolikelihood from its data.

    K' is dimensionless: ln p = sum_a K'_a O_a + ... . Errors of a `Couplings` here are over configurations only.
    """

    L: int
    T: float
    network: list
    pseudolikelihood: list
    mcrg: "np.ndarray | None"


def follow(model, L, T, n, n_steps, seed):
    """`Point` of majority blocks L -> 8 at T: n configurations, and a network that starts from the trained `model`.

    L = 8 are the spins themselves, whose couplings are known. Correlations for `mcrg` are kept as sums of blocks.
    """
    levels = blocks(L, T, n, seed)
    s = levels[-1]
    model = _train(copy.deepcopy(model), s, n_steps, 3e-3, seed)
    learned = LearnedHamiltonian(model, 1.0)  # T0 = 1: couplings in units of the temperature
    tried = couplings.try_moves(learned, s[:2500], _even, EVEN, ising.flip_one, moves=8, seed=seed)
    read = [couplings.read_moves(tried, 1.0, names) for names in OPERATOR_SETS]
    classical = [couplings.pseudolikelihood(ising.local_sums(s, names), 1.0, names) for names in OPERATOR_SETS]
    return Point(L, T, read, classical, correlations(levels) if len(levels) > 1 else None)


def repetitions(sizes, temperatures, n, n_steps, n_networks, seed):
    """All of a study: a list over `n_networks` repetitions of dicts (L, T) -> `Point`, side by side on the cores.

    Repetitions share nothing. Within one, the first network is trained with 4 n_steps on the largest lattice at the
    middle temperature, and all the others start from it (n_steps each): their Hamiltonians are close to each other.
    """
    seeds = [1000 * seed + k for k in range(n_networks)]
    middle = temperatures[len(temperatures) // 2]
    first = parallel.starmap(start, [(max(sizes), middle, n, 4 * n_steps, s + 500) for s in seeds])
    keys = [(L, T) for L in sorted(sizes, reverse=True) for T in temperatures]
    points = parallel.starmap(
        follow, [(model, L, T, n, n_steps, s) for L, T in keys for s, model in zip(seeds, first, strict=True)]
    )
    return [dict(zip(keys, points[k::n_networks], strict=True)) for k in range(n_networks)]


# ---------------------------------------------------------------- matching


class Match(NamedTuple):
    """Crossing temperature T_c and thermal exponent y_t of two block lattices."""

    t_c: float
    y_t: float


def match(temperatures, small, large):
    """`Match` of couplings small [t] and large [t], of lattices L and 2 L brought to the same side.

    Polynomials of degree `DEGREE` in K = 1 / T. ValueError if they do not cross within the temperatures.
    """
    K = 1 / np.asarray(temperatures, float)
    centre = K.mean()
    a, b = np.polyfit(K - centre, small, DEGREE), np.polyfit(K - centre, large, DEGREE)
    roots = np.roots(np.polysub(b, a))
    roots = roots[np.abs(roots.imag) < 1e-12].real
    inside = roots[(roots >= K.min() - centre) & (roots <= K.max() - centre)]
    if len(inside) != 1:
        raise ValueError(f"the couplings do not cross once between T = {min(temperatures):g} and {max(temperatures):g}")
    slopes = np.polyval(np.polyder(b), inside[0]) / np.polyval(np.polyder(a), inside[0])
    if not slopes > 0:
        raise ValueError("the slopes at the crossing differ in sign: more configurations or training are needed")
    return Match(float(1 / (inside[0] + centre)), float(np.log2(slopes)))


def matches(study, small, large, method="network"):
    """T_c and y_t for every repetition and operator set, two arrays [repetitions, sets].

    study: from `repetitions`. method: "network" or "pseudolikelihood".
    """
    temperatures = sorted({T for _, T in study[0]})
    found = [
        [
            match(
                temperatures,
                *[[getattr(p[L, T], method)[k].values.sum() for T in temperatures] for L in (small, large)],
            )
            for k in range(len(OPERATOR_SETS))
        ]
        for p in study
    ]
    values = np.array(found)
    return values[..., 0], values[..., 1]


def combine(values):
    """Mean over repetitions and operator sets of values [repetitions, sets], and its error.

    Error: of the mean over repetitions, and the scatter of the operator sets, in quadrature.
    """
    by_set, _ = over_networks(values, np.zeros_like(values))
    of_networks = over_networks(values.mean(axis=1), np.zeros(len(values)))[1]
    return float(by_set.mean()), float(np.hypot(of_networks, by_set.std(ddof=1)))


# ---------------------------------------------------------------- Swendsen's Monte Carlo renormalisation group


def odd_operators(s):
    """Magnetisation, and the three spins at the corners of all right angles of nearest neighbours: [n, 2]."""
    up, down, left, right = (np.roll(s, shift, axis) for shift, axis in ((1, 1), (-1, 1), (1, 2), (-1, 2)))
    corners = s * (up + down) * (left + right)
    return np.stack([ising.magnetization(s), corners.sum((1, 2), dtype=np.int32).astype(float)], axis=1)


def correlations(levels, groups=20):
    """Sums over groups of configurations [groups, ...] from which `mcrg` forms its covariances, for every level.

    levels: configurations after 0, 1, ... steps. Returns a list over levels of (even, odd), each [groups, 1 + 2 a +
    ...].
    """
    operators = [(_even(s), odd_operators(s)) for s in levels]
    sums = []
    for before, after in zip(operators[:-1], operators[1:], strict=True):
        pair = []
        for x, y in zip(before, after, strict=True):
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)  # any constant does; this one loses no digits
            products = [np.ones((len(x), 1)), x, y, np.einsum("na,nb->nab", y, x).reshape(len(x), -1)]
            products.append(np.einsum("na,nb->nab", y, y).reshape(len(x), -1))
            pair.append(block_sums(np.concatenate(products, axis=1), groups))
        sums.append(pair)
    return sums


def _leading(total, a):
    """Exponent log2 of the leading eigenvalue of T from summed correlations of a operators."""
    mean = total[1:] / total[0]
    x, y = mean[:a], mean[a : 2 * a]
    yx, yy = mean[2 * a : 2 * a + a * a].reshape(a, a), mean[2 * a + a * a :].reshape(a, a)
    T = np.linalg.solve(yy - np.outer(y, y), yx - np.outer(y, x))
    return np.log2(np.abs(np.linalg.eigvals(T)).max())


def mcrg(sums):
    """(y_t, error), (y_h, error) for every step, from `correlations` of one or several runs joined along groups."""
    return [
        [
            tuple(map(float, jackknife(lambda total, a=a: _leading(total, a), s)))
            for s, a in zip(pair, (len(EVEN), 2), strict=True)
        ]
        for pair in sums
    ]
