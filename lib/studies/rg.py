r"""The renormalisation group from learned Hamiltonians: two-lattice matching, and Swendsen's Monte Carlo RG beside it.

Majority blocks of an L x L Ising lattice, repeated until the side is 8, have a distribution exp(-H') with unknown H'. A
network learns it, and its couplings K' (`couplings.py`) are functions of the temperature of the original lattice.
`renormalisation.match` finds T_c and y_t from K' = sum_a K'_a over a set of operators, for lattices L and L / 2.

Couplings of block spins depend on which operators are kept, however many there are (T. Kennedy, arXiv:0905.2601).
T_c and exponents do not, in the limit, so their scatter over the operator sets is part of the error given here.

How K' answers to the temperature, dK'_a / dK with K = 1 / T, is known from one temperature alone: exactly

    d ln p(S) / dK = <B | S> - <B>,      B = sum of the bonds of the original spins,

and a linear regression of B on operators of the blocks stands for the conditional mean.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import blocking, clusters, couplings
from lib.analysis.renormalisation import (
    EVEN,
    correlations,
    even_operators,
    match,
    match_errors,
    mcrg,
    odd_operators,
    transformation,
)
from lib.models.fit import fit
from lib.models.heads.discrete import Bernoulli
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_lattice import MarkovLattice
from lib.samplers import swendsen_wang
from lib.statistics import NoFeature, over_networks
from lib.studies import recipes
from lib.studies.sources import Source
from lib.studies.task import Task, learn_all
from lib.systems import ising

SIDE = 8  # of the block lattices that are compared
CHAINS, GAP, EQUILIBRATION = 20, 2, 60  # lattices side by side; cluster updates between two configurations, and before
START = "start"
FIRST, UNBLOCKED = 5, 5  # times as many steps: of the network from which the others start, and of that of spins
READ = 2500  # block configurations whose spins are flipped to read couplings

# Fixed beforehand, on other random numbers than those of the book (seeds 7, 11 to 13, 201). The couplings of 32 change
# half as fast as those of 64: over twice the range they trace the same curve, so that what a parabola misses cancels.
MIDDLE = 2.27
WIDE, CLOSE = (2.15, 2.21, 2.27, 2.33, 2.39), (2.21, 2.24, 2.27, 2.3, 2.33)
TEMPERATURES = {16: (2.21, 2.27, 2.33), 32: WIDE, 64: CLOSE}
MORE = {8: 2, 32: 2}  # times as many configurations as of the others: they cost little
OPERATOR_SETS = (EVEN[:1], EVEN[:2], EVEN)


# ---------------------------------------------------------------- configurations


def updates(L, T, n, seed):
    """`CHAINS` lattices int8 [20, L, L] at T after every `GAP` Swendsen-Wang updates, n times; changed in place."""
    rng = np.random.default_rng([seed, L, round(1e6 * T)])
    s = np.ones((CHAINS, L, L), np.int8)
    for step in range(-EQUILIBRATION, n * GAP):
        swendsen_wang.sweep(s, 1 / T, rng)
        if step >= 0 and step % GAP == GAP - 1:
            yield s, rng


def on_four_grids(s, rng):
    """Majority blocks int8 [n, 4, L / 2, L / 2] of s [n, L, L] on the four grids of blocks that there are.

    One grid is as good as another, and sees other boundaries: together they tell about twice as much as one.
    """
    moved = np.stack([np.roll(s, move, (1, 2)) for move in ((0, 0), (1, 1), (1, 0), (0, 1))], axis=1)
    blocks = blocking.majority(moved.reshape(-1, *s.shape[1:]), rng)
    return blocks.reshape(*moved.shape[:2], *blocks.shape[1:])


def chain_by_chain(values):
    """A list over times of arrays [chains, ...] as one array, one chain after the other.

    Configurations of one chain are correlated (tau_int is 3.7 updates at L = 64), chains are independent: the blocks of
    a jackknife that takes `CHAINS` of them, or a divisor, are whole chains.
    """
    joined = np.stack(values, axis=1)
    return joined.reshape(-1, *joined.shape[2:])


class Sampled(NamedTuple):
    """Block configurations int8 [n, 8, 8], and the sum of the bonds of the spins behind each, [n]."""

    blocks: np.ndarray
    bonds: np.ndarray


@lru_cache(maxsize=1)  # a network is trained on what it is then read on
def sampled(L, T, n, seed):
    """`Sampled`: about n block configurations of the L x L Ising model at T, four of each lattice (L = 8: spins, one).

    The last step is taken `on_four_grids`; what comes before it is common to them.
    """
    grids = 4 if L > SIDE else 1
    kept, bonds = [], []
    for s, rng in updates(L, T, -(-n // (CHAINS * grids)), seed):
        blocks = s
        while blocks.shape[-1] > 2 * SIDE:
            blocks = blocking.majority(blocks, rng)
        kept.append(on_four_grids(blocks, rng) if L > SIDE else s[:, None].copy())
        bonds.append(np.repeat(ising.nearest(s)[:, None], grids, axis=1))
    every = [chain_by_chain(values) for values in (kept, bonds)]
    return Sampled(*[values.reshape(-1, *values.shape[2:]) for values in every])


@dataclass(frozen=True)
class MajorityBlocks(Source):
    """8 x 8 majority blocks of the L x L Ising model at T_spins, whose H' / T is learned; L = 8: plain spins."""

    L: int
    T_spins: float
    T = 1.0
    side = SIDE
    n_sites = SIDE**2
    networks = recipes.MAJORITY

    def configurations(self, n, seed, purpose="train"):
        return sampled(self.L, self.T_spins, n, seed).blocks


# ---------------------------------------------------------------- networks and their couplings


class Point(NamedTuple):
    """Couplings K' of one block lattice, dimensionless: ln p = sum_a K'_a O_a + ... .

    network, pseudolikelihood: a `Couplings` for each operator set, from the same configurations; the errors of the
        latter are over these, by whole chains.
    response: for each operator set dK'_a / dK [a], from the configurations at this temperature alone.
    learning: what `plotting.learning_curve` draws.
    observed, drawn: five block configurations, and five that the network draws.
    """

    L: int
    T: float
    network: list
    pseudolikelihood: list
    response: list
    learning: list
    observed: np.ndarray
    drawn: np.ndarray


def _point(learned):
    """`Point` of a network that has learned `MajorityBlocks`."""
    task, source = learned.task, learned.task.source
    s, bonds = sampled(source.L, source.T_spins, task.n_train, task.seed)
    tried = couplings.try_moves(
        learned.hamiltonian,
        s[:: -(-len(s) // READ)],
        even_operators,
        EVEN,
        ising.flip_one,
        moves=8,
        seed=task.seed,
    )
    read = [couplings.read_moves(tried, 1.0, names) for names in OPERATOR_SETS]
    local = ising.local_sums(s, EVEN)
    classical = [
        couplings.pseudolikelihood(local[:, :, : len(names)], 1.0, names, blocks=CHAINS) for names in OPERATOR_SETS
    ]
    drawn = learned.model.sample(5, task.seed)[0].numpy().astype(np.int8)
    pictures = s[:: len(s) // 5][:5], drawn
    learning = learned.fit.batch_history
    return Point(source.L, source.T_spins, read, classical, responses(s, bonds), learning, *pictures)


def responses(blocks, bonds):
    """dK'_a / dK [a] for each operator set, from blocks [n, 8, 8] and the bonds [n] of the spins behind them.

    A column of Swendsen's matrix, from the spins to the blocks in one step.
    """
    sums = [correlations(bonds[:, None], ising.operators(blocks, names), CHAINS) for names in OPERATOR_SETS]
    return [transformation(x.sum(axis=0), 1, len(names))[:, 0] for x, names in zip(sums, OPERATOR_SETS, strict=True)]


def repetitions(n, n_steps, n_networks, seed, temperatures=None):
    """All of a study: a list over repetitions of dicts (L, T) -> `Point`, side by side on the cores.

    n: block configurations of each place (L, T), times `MORE`. Repetitions share nothing.
    temperatures: dict L -> those of its spins (default: TEMPERATURES).

    Within one, a first network, at (START, MIDDLE), is trained with `FIRST` n_steps on the largest lattice, and all
    others start from it (n_steps each), since their Hamiltonians are close to each other. So do unblocked spins, L = 8,
    the test with a known answer (`UNBLOCKED` n_steps).
    """
    temperatures = TEMPERATURES if temperatures is None else temperatures
    places = [(L, T) for L in sorted(temperatures, reverse=True) for T in temperatures[L]]
    middle = MajorityBlocks(max(temperatures), MIDDLE)
    tasks = {place: [] for place in [(START, MIDDLE), *places, (SIDE, MIDDLE)]}
    for k in range(n_networks):
        own = 1000 * seed + k
        first = Task("majority", middle, n, FIRST * n_steps, own)
        tasks[START, MIDDLE].append(first)
        for L, T in [*places, (SIDE, MIDDLE)]:
            steps = n_steps if L > SIDE else UNBLOCKED * n_steps
            tasks[L, T].append(Task("majority", MajorityBlocks(L, T), MORE.get(L, 1) * n, steps, own, start=first))
    points = learn_all(tasks, then=_point)
    return [{place: points[place][k] for place in tasks} for k in range(n_networks)]


def coupling(study, L, T, operators=0, k=0, method="network"):
    """`Estimate` of a coupling K' over the repetitions of a study: the k-th of a set of OPERATOR_SETS.

    study: from `repetitions`. method: "network" or "pseudolikelihood". Each repetition has the error that
    pseudolikelihood finds on its configurations, with their autocorrelation: no network knows much more, however well a
    few of them happen to agree.
    """
    values = [getattr(repetition[L, T], method)[operators].values[k] for repetition in study]
    return over_networks(values, [repetition[L, T].pseudolikelihood[operators].errors[k] for repetition in study])


def _parabola(study, L, operators, k):
    values = [coupling(study, L, T, operators, k).value for T in TEMPERATURES[L]]
    return np.polyfit(1 / np.array(TEMPERATURES[L]), values, 2)


def coupling_between(study, L, T, operators=0, k=0):
    """The same at any T near those of L, by a parabola in 1 / T through all of them; without an error."""
    return np.polyval(_parabola(study, L, operators, k), 1 / T)


def response(study, L, T, operators=1):
    """`Estimate` [a] of dK'_a / dK for an operator set, from the configurations at T alone."""
    return over_networks([repetition[L, T].response[operators] for repetition in study])


def slope(study, L, T, operators=1):
    """`Estimate` [a] of the same from the couplings of networks at all temperatures of L, by parabolas."""
    K, names = 1 / np.array(TEMPERATURES[L]), range(len(OPERATOR_SETS[operators]))

    def of(repetition):
        values = [repetition[L, t].network[operators].values for t in TEMPERATURES[L]]
        return [np.polyval(np.polyder(np.polyfit(K, np.array(values)[:, k], 2)), 1 / T) for k in names]

    return over_networks([of(repetition) for repetition in study])


def spurious(study, method="network"):
    """`Estimate` [4] of all couplings read from unblocked spins that these do not have.

    nnn read with two operators; nnn, third and plaquette with four.
    """

    def every(method, what):
        points = [getattr(repetition[SIDE, MIDDLE], method) for repetition in study]
        return [np.concatenate([getattr(read, what)[1:] for read in sets]) for sets in points]

    return over_networks(every(method, "values"), every("pseudolikelihood", "errors"))


# ---------------------------------------------------------------- Swendsen


class Step(NamedTuple):
    """`Estimate`s after a step: y_t from 4 and from 13 even operators, y_h from two odd ones."""

    y_t: tuple
    y_t_13: tuple
    y_h: tuple


def monte_carlo_rg(sides, n, seed):
    """Swendsen's exponents: dict L -> list of `Step`, from n configurations of L x L spins at T_c, of each side."""
    T_c = ising.critical_temperature()
    return dict(zip(sides, parallel.starmap(_steps, [(L, T_c, n, seed) for L in sides]), strict=True))


def _steps(L, T, n, seed):
    levels = []
    for s, rng in updates(L, T, -(-n // CHAINS), seed):
        each = [s]
        while each[-1].shape[-1] > SIDE:
            each.append(blocking.majority(each[-1], rng))
        levels.append([np.hstack([clusters.cluster_sums(x), odd_operators(x)]) for x in each])
    levels = [chain_by_chain(level) for level in zip(*levels, strict=True)]
    n_even, kept = len(clusters.CLUSTERS), len(EVEN)
    sectors = slice(kept), slice(n_even), slice(n_even, None)

    def exponent(before, after, which):
        sums = correlations(before[:, which], after[:, which], CHAINS)
        return mcrg(sums, after[:, which].shape[1])

    return [Step(*[exponent(*pair, which) for which in sectors]) for pair in zip(levels[:-1], levels[1:], strict=True)]


# ---------------------------------------------------------------- a known answer


def exact_path(blocks, p, seed):
    """The same couplings read by flips from a network that is fitted to p itself, without any sampling."""
    model = MarkovLattice(2, Bernoulli(), hidden=8, odd=True, seed=seed)
    fit(model, blocks, weights=p, steps=1000, learning_rate=1e-2)
    learned = LearnedHamiltonian(model, 1.0)
    return couplings.read_network(learned, blocks, blocking.TORUS_2, ising.flip_one, moves=32, seed=seed).values


class Matches(NamedTuple):
    """T_c and y_t with their errors over configurations, [repetitions, sets] each."""

    t_c: np.ndarray
    t_c_error: np.ndarray
    y_t: np.ndarray
    y_t_error: np.ndarray


def matches(study, small, large, method="network"):
    """`Matches` of every repetition and operator set; nan where `match` finds `NoFeature`.

    study: from `repetitions`. small, large: sides L and 2 L. method: or "pseudolikelihood".
    """
    temperatures = [sorted(T for L, T in study[0] if L == side) for side in (small, large)]

    def found(points, k):
        sums = [
            _sums([points[L, T] for T in of_L], k, method) for L, of_L in zip((small, large), temperatures, strict=True)
        ]
        curves, errors = zip(*sums, strict=True)
        try:
            return [*match(temperatures, *curves), *match_errors(temperatures, *curves, *errors)]
        except NoFeature:
            return [np.nan] * 4

    rows = np.array([[found(points, k) for k in range(len(OPERATOR_SETS))] for points in study])
    t_c, y_t, t_c_error, y_t_error = rows.transpose(2, 0, 1)
    return Matches(t_c, t_c_error, y_t, y_t_error)


def _sums(points, k, method):
    """Sums of the couplings of operator set k at each `Point`, and the errors of pseudolikelihood for them."""
    values = [getattr(point, method)[k].values.sum() for point in points]
    return values, [point.pseudolikelihood[k].sum_error for point in points]


def combine_matches(values, errors):
    """`Estimate` over repetitions and operator sets of values [repetitions, sets].

    Error: of the mean over repetitions (their spread, at least what the errors [repetitions, sets] over configurations
    leave), and the scatter of the operator sets, in quadrature. Sets share their configurations.
    """
    of_sets = values.mean(axis=0).std(ddof=1)
    return over_networks(values.mean(axis=1), errors.mean(axis=1), shared=of_sets)
