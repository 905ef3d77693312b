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

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.analysis import blocking, couplings
from lib.analysis.curve_features import real_roots
from lib.models.fit import fit
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli
from lib.models.markov_lattice import FrontierNetwork
from lib.samplers import swendsen_wang
from lib.statistics import NoFeature, block_sums, integrated_time, jackknife, over_networks
from lib.studies.task import Task, learn_all
from lib.systems import ising

SIDE = 8  # of the block lattices that are compared
EVEN = ("nn", "nnn", "third", "plaquette")

# Fixed beforehand, on other random numbers than those of the book (seeds 7, 11, 12 and 13; lattices of 16, 32 and 64)
TEMPERATURES = (2.23, 2.25, 2.27, 2.29, 2.31)
OPERATOR_SETS = (EVEN[:1], EVEN[:2], EVEN)
DEGREE = 2  # of the polynomial in K through the five couplings


# ---------------------------------------------------------------- configurations


def chains_for(n):
    """How many lattices n block configurations come from: 32, and fewer for few, which a start each would only slow."""
    return min(32, max(2, n // 125))


def blocks(L, T, n, seed, gap=3):
    """n block configurations int8 [n, 8, 8] of the L x L Ising model at T, and after each step before the last one.

    Swendsen-Wang, `chains_for(n)` lattices, one configuration of each every `gap` cluster updates, hence correlated in
    time: tau_int is 3.7 updates at L = 64. One chain comes after the other, so that blocks of consecutive
    configurations, of which every jackknife here takes 20, are independent but for the few chains that are cut. What
    counts configurations has to count `independent` ones. Returns a list, from the original lattice (first) to the
    8 x 8 blocks (last).
    """
    rng, chains = np.random.default_rng([seed, L, round(1e6 * T)]), chains_for(n)
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
    return [np.stack(level, axis=1).reshape(-1, *level[0].shape[1:])[:n] for level in zip(*levels, strict=True)]


def independent(values):
    """How many independent configurations the values [n] of `blocks` are worth: n / (2 tau_int), at most n."""
    length = -(-len(values) // chains_for(len(values)))
    series = np.asarray(values)[: len(values) // length * length].reshape(-1, length)
    return len(values) / (2 * integrated_time(series.T))


# ---------------------------------------------------------------- networks and their couplings


@dataclass(frozen=True)
class MajorityBlocks:
    """Source of 8 x 8 majority blocks of the L x L Ising model at T_spins; L = 8: the spins themselves.

    T = 1: what is learned is H' / T, in units of the temperature.
    """

    L: int
    T_spins: float
    T = 1.0
    side = SIDE
    n_sites = SIDE**2
    log_prob = None

    def configurations(self, n, seed, purpose="train"):
        return blocks(self.L, self.T_spins, n, seed)[-1]


def _even(s):
    return ising.operators(s, EVEN)


class Point(NamedTuple):
    """Couplings K' of one block lattice, by operator set [sets]: of a network, and by pseudolikelihood from its data.

    K' is dimensionless: ln p = sum_a K'_a O_a + ... . Errors of a `Couplings` here are over configurations only, and
    for a network over those on which it is read; `bound`: the smallest error that the configurations it was trained on
    allow for one coupling (Cramer-Rao). mcrg: see `correlations`, None for unblocked spins.
    """

    L: int
    T: float
    network: list
    pseudolikelihood: list
    bound: float
    mcrg: list | None


def _point(learned):
    """`Point` of a network that has learned `MajorityBlocks`."""
    task, source = learned.task, learned.task.source
    levels = blocks(source.L, source.T_spins, task.n_train, task.seed)
    s = levels[-1]
    tried = couplings.try_moves(learned.hamiltonian, s[:2500], _even, EVEN, ising.flip_one, moves=8, seed=task.seed)
    read = [couplings.read_moves(tried, 1.0, names) for names in OPERATOR_SETS]
    classical = [couplings.pseudolikelihood(ising.local_sums(s, names), 1.0, names) for names in OPERATOR_SETS]
    nearest = ising.nearest(s)
    (bound,) = couplings.cramer_rao(nearest[:, None], 1.0, independent(nearest))
    mcrg_sums = correlations(levels) if len(levels) > 1 else None
    return Point(source.L, source.T_spins, read, classical, bound, mcrg_sums)


def repetitions(places, n, n_steps, n_networks, seed):
    """All of a study: a list over `n_networks` repetitions of dicts (L, T) -> `Point`, side by side on the cores.

    places: list of (L, T). Repetitions share nothing. Within one, the first network is trained with 3 n_steps on the
    largest lattice, at its middle temperature, and all the others start from it (n_steps each): their Hamiltonians are
    close to each other. Unblocked spins, L = 8, are the test with a known answer and get 16 n configurations and a
    network of their own, 5 n_steps.
    """
    places = sorted(places, reverse=True)
    largest = max(L for L, _ in places)
    temperatures = sorted(T for L, T in places if L == largest)
    middle = MajorityBlocks(largest, temperatures[len(temperatures) // 2])
    tasks = {(L, T): [] for L, T in places}
    for k in range(n_networks):
        first = Task("majority", middle, n, 3 * n_steps, 1000 * seed + k + 500)
        for L, T in places:
            source, own = MajorityBlocks(L, T), 1000 * seed + k
            if L > SIDE:
                tasks[L, T].append(Task("majority", source, n, n_steps, own, start=first))
            else:
                tasks[L, T].append(Task("majority", source, 16 * n, 5 * n_steps, own))
    points = learn_all(tasks, then=_point)
    return [{place: points[place][k] for place in places} for k in range(n_networks)]


# ---------------------------------------------------------------- a known answer


def exact_couplings(blocks, p, operators=blocking.TORUS_2):
    """Couplings [a] of the exact distribution p [k] of all `blocks` [k, 2, 2], on operators that express its ln p."""
    columns = np.column_stack([np.ones(len(blocks)), *[operator(blocks) for operator in operators.values()]])
    solution, *_ = np.linalg.lstsq(columns, np.log(p), rcond=None)
    if np.abs(columns @ solution - np.log(p)).max() > 1e-9:
        raise ValueError("these operators do not express ln p: there is more in it")
    return solution[1:]


def exact_path(blocks, p, seed):
    """The same couplings read by flips from a network that is fitted to p itself, without any sampling."""
    model = FrontierNetwork(2, Bernoulli(), hidden=8, odd=True, seed=seed)
    fit(model, blocks, weights=p, steps=1000, learning_rate=1e-2)
    learned = LearnedHamiltonian(model, 1.0)
    return couplings.read_network(learned, blocks, blocking.TORUS_2, ising.flip_one, moves=32, seed=seed).values


# ---------------------------------------------------------------- matching


class Match(NamedTuple):
    """Crossing temperature T_c and thermal exponent y_t of two block lattices."""

    t_c: float
    y_t: float


def match(temperatures, small, large):
    """`Match` of couplings small [t] and large [t], of lattices L and 2 L brought to the same side.

    Polynomials of degree `DEGREE` in K = 1 / T. `NoFeature` unless they cross once within the temperatures, with slopes
    of one sign.
    """
    K = 1 / np.asarray(temperatures, float)
    centre = K.mean()
    a, b = np.polyfit(K - centre, small, DEGREE), np.polyfit(K - centre, large, DEGREE)
    inside = real_roots(np.polysub(b, a), K.min() - centre, K.max() - centre)
    if len(inside) != 1:
        raise NoFeature(f"the couplings do not cross once between T = {min(temperatures):g} and {max(temperatures):g}")
    slopes = np.polyval(np.polyder(b), inside[0]) / np.polyval(np.polyder(a), inside[0])
    if not slopes > 0:
        raise NoFeature("the slopes at the crossing differ in sign: more configurations or training are needed")
    return Match(float(1 / (inside[0] + centre)), float(np.log2(slopes)))


def match_errors(temperatures, small, large, small_errors, large_errors):
    """Standard errors of T_c and y_t as `Match`, propagated from independent errors [t] of the couplings."""
    centre = np.array(match(temperatures, small, large))
    couplings_, errors = np.array([small, large], float), np.array([small_errors, large_errors], float)
    variance = np.zeros(2)
    for place in np.ndindex(couplings_.shape):
        shifted = couplings_.copy()
        shifted[place] += errors[place] / 4  # a small step: the shifted curves must cross as well
        variance += (4 * (match(temperatures, *shifted) - centre)) ** 2
    return Match(*np.sqrt(variance))


class Matches(NamedTuple):
    """T_c and y_t with their errors over configurations, [repetitions, sets] each."""

    t_c: np.ndarray
    t_c_error: np.ndarray
    y_t: np.ndarray
    y_t_error: np.ndarray


def matches(study, small, large, method="network"):
    """`Matches` of every repetition and operator set; nan where `match` finds `NoFeature`.

    study: from `repetitions`. method: "network" or "pseudolikelihood". The errors over configurations are those of the
    pseudolikelihood couplings, or, for networks, the smallest possible ones (`Point.bound`).
    """
    temperatures = sorted(T for L, T in study[0] if L == large)
    rows = []
    for points in study:
        for k in range(len(OPERATOR_SETS)):
            curves, errors = [], []
            for L in (small, large):
                read = [getattr(points[L, T], method)[k] for T in temperatures]
                curves.append([c.values.sum() for c in read])
                if method == "network":
                    errors.append([points[L, T].bound for T in temperatures])
                else:
                    errors.append([c.sum_error for c in read])
            try:
                rows.append([*match(temperatures, *curves), *match_errors(temperatures, *curves, *errors)])
            except NoFeature:
                rows.append([np.nan] * 4)
    t_c, y_t, t_c_error, y_t_error = np.array(rows).reshape(len(study), len(OPERATOR_SETS), 4).transpose(2, 0, 1)
    return Matches(t_c, t_c_error, y_t, y_t_error)


def combine(values, errors):
    """Mean over repetitions and operator sets of values [repetitions, sets], and its error.

    Error: of the mean over repetitions (their spread, at least what the errors [repetitions, sets] over configurations
    leave), and the scatter of the operator sets, in quadrature. Sets share their configurations.
    """
    of_sets = values.mean(axis=0).std(ddof=1)
    return over_networks(values.mean(axis=1), errors.mean(axis=1), shared=of_sets)


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
