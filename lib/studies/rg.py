r"""The renormalisation group from learned Hamiltonians: two-lattice matching, and Swendsen's Monte Carlo RG beside it.

Majority blocks of an L x L Ising lattice, repeated until the side is 8, have a distribution exp(-H') with unknown H'. A
network learns it, and its couplings K' (`couplings.py`) are functions of the temperature of the original lattice.
`renormalisation.match` finds T_c and y_t from K' = sum_a K'_a over a set of operators, for lattices L and L / 2.

Couplings of block spins depend on which operators are kept, however many there are (T. Kennedy, arXiv:0905.2601).
T_c and exponents do not, in the limit, so their scatter over the operator sets is part of the error given here.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.analysis import blocking, couplings
from lib.analysis.renormalisation import EVEN, correlations, even_operators, match, match_errors, mcrg
from lib.models.fit import fit
from lib.models.heads.discrete import Bernoulli
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_lattice import MarkovLattice
from lib.samplers import swendsen_wang
from lib.statistics import NoFeature, integrated_time, over_networks
from lib.studies import recipes
from lib.studies.sources import Source
from lib.studies.task import Task, learn_all
from lib.systems import ising

SIDE = 8  # of the block lattices that are compared

# Fixed beforehand, on other random numbers than those of the book (seeds 7, 11, 12 and 13; lattices of 16, 32 and 64)
TEMPERATURES = (2.23, 2.25, 2.27, 2.29, 2.31)
OPERATOR_SETS = (EVEN[:1], EVEN[:2], EVEN)


def chains_for(n):
    """How many lattices n block configurations come from: 32, and fewer for few, which a start each would only slow."""
    return min(32, max(2, n // 125))


def blocks(L, T, n, seed, gap=3):
    """n block configurations int8 [n, 8, 8] of the L x L Ising model at T, and after each step before the last one: a
    list, from the original lattice to the 8 x 8 blocks.

    Swendsen-Wang, `chains_for(n)` lattices, one configuration of each every `gap` cluster updates, hence correlated in
    time (tau_int is 3.7 updates at L = 64): they are worth `n_independent` ones. One chain comes after the other, so
    that the blocks of consecutive configurations that a jackknife takes are independent but for the few chains that are
    cut.
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


def n_independent(values):
    """How many independent configurations the values [n] of `blocks` are worth: n / (2 tau_int), at most n."""
    length = -(-len(values) // chains_for(len(values)))
    series = np.asarray(values)[: len(values) // length * length].reshape(-1, length)
    return len(values) / (2 * integrated_time(series.T))


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
        return blocks(self.L, self.T_spins, n, seed)[-1]


class Point(NamedTuple):
    """Couplings K' of one block lattice, dimensionless: ln p = sum_a K'_a O_a + ... .

    network, pseudolikelihood: a `Couplings` for each operator set; errors are over the configurations they are read on.
    bound: the smallest error that the configurations it was trained on allow for one coupling (Cramer-Rao).
    mcrg: see `renormalisation.correlations`, None for unblocked spins.
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
    tried = couplings.try_moves(
        learned.hamiltonian, s[:2500], even_operators, EVEN, ising.flip_one, moves=8, seed=task.seed
    )
    read = [couplings.read_moves(tried, 1.0, names) for names in OPERATOR_SETS]
    classical = [couplings.pseudolikelihood(ising.local_sums(s, names), 1.0, names) for names in OPERATOR_SETS]
    nearest = ising.nearest(s)
    (bound,) = couplings.cramer_rao(nearest[:, None], 1.0, n_independent(nearest))
    mcrg_sums = correlations(levels) if len(levels) > 1 else None
    return Point(source.L, source.T_spins, read, classical, bound, mcrg_sums)


def repetitions(places, n, n_steps, n_networks, seed):
    """All of a study: a list over repetitions of dicts (L, T) -> `Point`, side by side on the cores.

    places: list of (L, T). n: block configurations of each. Repetitions share nothing.

    Within one, the first network is trained with 3 n_steps on the largest lattice, at its middle temperature, and all
    the others start from it (n_steps each): their Hamiltonians are close to each other. Unblocked spins, L = 8, are the
    test with a known answer and get 16 n configurations and a network of their own, 5 n_steps.
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


def coupling(study, L, T, operators=0, k=0, method="network"):
    """`Estimate` of a coupling K' over the repetitions of a study: the k-th of a set of OPERATOR_SETS.

    study: from `repetitions`. method: "network" or "pseudolikelihood".
    """
    read = [getattr(repetition[L, T], method)[operators] for repetition in study]
    return over_networks([c.values[k] for c in read], [c.errors[k] for c in read])


def coupling_between(study, L, T, operators=0, k=0):
    """The same at any T near TEMPERATURES, by a parabola in 1 / T through all of them; without an error."""
    values = [coupling(study, L, t, operators, k).value for t in TEMPERATURES]
    return np.polyval(np.polyfit(1 / np.array(TEMPERATURES), values, 2), 1 / T)


def monte_carlo_rg(study, L, T):
    """Swendsen's (y_t, error), (y_h, error) after every step from L x L, all repetitions together."""
    runs = [repetition[L, T].mcrg for repetition in study]
    pooled = [[np.concatenate(sector) for sector in zip(*step, strict=True)] for step in zip(*runs, strict=True)]
    return mcrg(pooled)


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
    temperatures = sorted(T for L, T in study[0] if L == large)

    def found(points, k):
        curves, errors = zip(
            *[_sums([points[L, T] for T in temperatures], k, method) for L in (small, large)], strict=True
        )
        try:
            return [*match(temperatures, *curves), *match_errors(temperatures, *curves, *errors)]
        except NoFeature:
            return [np.nan] * 4

    rows = np.array([[found(points, k) for k in range(len(OPERATOR_SETS))] for points in study])
    t_c, y_t, t_c_error, y_t_error = rows.transpose(2, 0, 1)
    return Matches(t_c, t_c_error, y_t, y_t_error)


def _sums(points, k, method):
    """Sums of the couplings of operator set k at each `Point`; errors over configurations, for networks `bound`."""
    read = [getattr(point, method)[k] for point in points]
    errors = [point.bound for point in points] if method == "network" else [c.sum_error for c in read]
    return [c.values.sum() for c in read], errors


def combine_matches(values, errors):
    """`Estimate` over repetitions and operator sets of values [repetitions, sets].

    Error: of the mean over repetitions (their spread, at least what the errors [repetitions, sets] over configurations
    leave), and the scatter of the operator sets, in quadrature. Sets share their configurations.
    """
    of_sets = values.mean(axis=0).std(ddof=1)
    return over_networks(values.mean(axis=1), errors.mean(axis=1), shared=of_sets)
