r"""What the chapter on block spins measures.

Networks of overlapping sums (stride 1) are functions of the spins like any other. Those of adjoining sums (stride 2)
are taken as Hamiltonians of the blocks themselves, states 0 ... 4 [n, L, L] from spins of a 2 L x 2 L lattice.

Majority blocks M = +-1, 2x2, ties by a coin, have the same two values as spins: they are what the temperature is scaled
of. Their ln p at K0 + d, d = 1/T - 1/T0, is taken from a network at T0 and

    "naive"    (T0 / T) ln p                         all of ln p scaled, as for spins
    "first"    ln p + d R                            the rule, see `lib.analysis.response`
    "second"   ln p + d R + d^2 V / 2
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from lib import parallel
from lib.analysis import blocking, clusters, couplings, premise, response
from lib.analysis.reweighting import reweight
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_networks
from lib.studies import recipes
from lib.studies.sources import Source, Spins, generator
from lib.systems import ising

QUANTITIES = ("abs_m", "binder", "neighbours")
WAYS = ("naive", "first", "second")
FACTORS = np.array([0.9, 0.95, 1.05, 1.1])  # T / T0, where the rule is held against exact answers
SIDES = (16, 32)  # of the spins behind majority blocks
SURROGATE = ("nn", "nnn", "third", "plaquette")  # operators of the model that is sampled


# ---------------------------------------------------------------- adjoining sums at T0


def hamiltonians(learned):
    """The Hamiltonians of the blocks, from the `Learned` of several networks of adjoining sums."""
    return [LearnedHamiltonian(r.model, r.task.source.T) for r in learned]


def states(L, T, n, seed):
    """n configurations of adjoining sums as states 0 ... 4, [n, L, L]."""
    return recipes.stride_2(Spins(2 * L, T).configurations(n, seed))


def deviations_at_T0(group, L, T0, n, seed):
    """`Estimate` [3] of network / blocks - 1 at T0, mean over networks: |m|, neighbours, specific heat.

    group: Hamiltonians of adjoining sums. n: new blocks, and samples of each network. All are compared with the same
        blocks, whose error they share.
    """
    new = states(L, T0, n, seed + 1)
    found = parallel.run([(blocking.at_T0, h, new, seed + k) for k, h in enumerate(group)])
    values, errors, of_blocks = zip(*[at_T0.deviation() for at_T0 in found], strict=True)
    return over_networks(values, errors, shared=of_blocks[0])


def ratio(a, b):
    """`Estimate` of a / b, of two independent ones."""
    value = a.value / b.value
    return Estimate(value, value * np.hypot(a.error / a.value, b.error / b.value))


# ---------------------------------------------------------------- majority blocks: configurations


@lru_cache(maxsize=2)
def sampled(L, T, n, seed, purpose="test"):
    """n majority blocks int8 [n, L/2, L/2] of independent L x L spins at T, and the bonds [n] of these spins."""
    rng = generator(seed, purpose)
    s = mcmc.sample(chains.Ising(L, T), n, rng).configurations
    return blocking.majority(s, rng), ising.nearest(s).astype(float)


@dataclass(frozen=True)
class Majority(Source):
    """2x2 majority blocks int8 [n, L/2, L/2] of L x L spins at T; block=1: the spins themselves, [n, L, L]."""

    L: int
    T: float
    block: int = 2
    networks = recipes.MAJORITY

    @property
    def side(self):
        return self.L // self.block

    @property
    def n_sites(self):
        return self.side**2

    def configurations(self, n, seed, purpose="test"):
        if self.block == 1:
            return Spins(self.L, self.T).configurations(n, seed, purpose)
        return sampled(self.L, self.T, n, seed, purpose)[0]


def operators(M):
    """The 13 even operators of `lib.analysis.clusters` of blocks [n, l, l], float64 [n, 13]."""
    return clusters.cluster_sums(M)


def _observables(M):
    """|m|, m^2, m^4 and the nearest neighbours per bond [n, 4]."""
    m = np.abs(M.mean((1, 2), dtype=float))
    return np.stack([m, m**2, m**4, ising.nearest(M) / (2 * M[0].size)], axis=1)


def _quantities(averages):
    """QUANTITIES from averages of `_observables`."""
    m, m2, m4, bonds = averages
    return np.array([m, 1 - m4 / (3 * m2**2), bonds])


def direct(L, temperatures, n, seed):
    """QUANTITIES of majority blocks by direct Monte Carlo of the L x L spins: `Estimate` [t, 3]."""
    found = parallel.starmap(_direct, [(L, T, n, seed + 500 + k) for k, T in enumerate(temperatures)])
    return Estimate(*np.array(found).transpose(1, 0, 2))


def _direct(L, T, n, seed):
    observables = _observables(sampled.__wrapped__(L, T, n, seed)[0])
    return reweight(observables, np.zeros(n), _quantities)[:2]


# ---------------------------------------------------------------- the rule, on the configurations themselves


class Answer(NamedTuple):
    """How blocks answer to the temperature, from n configurations at T0.

    response: `response.Response` on `operators`.
    predicted, missed: of QUANTITIES at other T, see `response.Extrapolated`: `Estimate` [way, t, 3] and [order, t, 3].
    overlap: effective samples / samples [t] of reweighting by the bonds.
    """

    response: response.Response
    predicted: Estimate
    missed: Estimate
    overlap: np.ndarray


def answer(L, T0, temperatures, n, seed):
    """`Answer` of the majority blocks of L x L spins."""
    M, bonds = sampled(L, T0, n, seed)
    of_blocks, changes = operators(M), 1 / np.asarray(temperatures) - 1 / T0
    found = response.extrapolate(of_blocks, bonds, _observables(M), changes, _quantities)
    return Answer(response.fit(of_blocks, bonds), *found, response.overlap(bonds, changes))


# ---------------------------------------------------------------- the rule, with a network for ln p at T0


def scaled(group, answered, T0, temperatures, n, seed):
    """QUANTITIES of blocks under ln p of the WAYS, mean over networks: `Estimate` [way, t, 3], and the effective sample
    size [way, t] as a fraction.

    group: Hamiltonians of majority blocks at T0. answered: their `response.Response`. n: samples of each.
    """
    calls = [(_scaled, h, answered, T0, temperatures, n, seed + k) for k, h in enumerate(group)]
    values, errors, sizes = zip(*parallel.run(calls), strict=True)
    return over_networks(values, errors), np.mean(sizes, axis=0)


def _scaled(hamiltonian, answered, T0, temperatures, n, seed):
    side, found = hamiltonian.model.site_shape[0], []
    for k, T in enumerate(temperatures):
        rng = np.random.default_rng([seed, k])

        def naive(M, T=T):
            return T0 / T * hamiltonian.log_prob(M)[None]

        def rule(M, T=T):
            of_blocks, d = operators(M), 1 / T - 1 / T0
            return hamiltonian.log_prob(M) + np.array([answered.log_weight(of_blocks, d, order) for order in (1, 2)])

        found.append([*_by_surrogate(naive, side, n, rng), *_by_surrogate(rule, side, n, rng)])
    values, errors, sizes = zip(*[zip(*each, strict=True) for each in found], strict=True)
    return *(np.swapaxes(x, 0, 1) for x in (values, errors)), np.transpose(sizes)


def _by_surrogate(log_w, side, n, rng, rounds=3, pilot=300):
    """`Reweighted` QUANTITIES under each of the weights log_w(M) [ways, n], a list, from one Ising model with SURROGATE
    couplings; it is adapted to the last of the weights first, on single flips, again and again, on configurations of
    the couplings found last."""
    J = np.array([0.4, 0.02, 0.0, 0.0])
    for _ in range(rounds):
        M = _surrogate(side, J, pilot, rng)
        flipped = ising.flip_one(np.repeat(M, 4, axis=0), rng)
        change = log_w(flipped)[-1] - np.repeat(log_w(M)[-1], 4)
        differences = ising.operators(flipped, SURROGATE) - np.repeat(ising.operators(M, SURROGATE), 4, axis=0)
        adapted = couplings.project(differences, expit(change))
        J = np.where(np.isfinite(adapted), adapted, J)  # where nothing is known, any will do, at some cost
    M = _surrogate(side, J, n, rng)
    own, observables = ising.operators(M, SURROGATE) @ J, _observables(M)
    return [reweight(observables, each - own, _quantities) for each in log_w(M)]


def _surrogate(side, J, n, rng):
    chain = chains.Ising(side, 1.0, couplings=dict(zip(SURROGATE, J.tolist(), strict=True)))
    return mcmc.sample(chain, n, rng).configurations


# ---------------------------------------------------------------- the premise


class Premises(NamedTuple):
    """One kind of configurations at two temperatures T0, T1.

    found: `premise.Premise`. energy: mean of the learned Hamiltonians per site [n]. difference: of their means at T1
        and at T0, per site and without its average [n]. by_rule: the slope that `response.Response` expects, or nan.
    """

    found: premise.Premise
    energy: np.ndarray
    difference: np.ndarray
    by_rule: float


def premises(first, second, n, seed, answered=None):
    """`Premises` from two lists of `Learned`, on n new configurations at each temperature.

    answered: the `response.Response` of blocks at T0, for `by_rule`.
    """
    T0, T1 = (group[0].task.source.T for group in (first, second))
    groups = [[LearnedHamiltonian(r.model, r.task.source.T) for r in group] for group in (first, second)]
    new = [group[0].task.source.configurations(n, seed + 900 + k) for k, group in enumerate((first, second))]
    found, s = premise.temperatures_agree(*groups, new), np.concatenate(new)
    H0, H1 = (np.mean([h.energy(s) for h in group], axis=0) for group in groups)
    by_rule = np.nan
    if answered is not None:
        ruled = T1 * (H0 / T0 - answered.log_weight(operators(s), 1 / T1 - 1 / T0))
        by_rule = premise.difference(H0, ruled)[0]
    difference, n_sites = H1 - H0, s[0].size
    return Premises(found, (H0 + H1) / 2 / n_sites, (difference - difference.mean()) / n_sites, by_rule)


# ---------------------------------------------------------------- 4 x 4 spins: everything is known


class Enumerated(NamedTuple):
    """Four majority blocks of 4 x 4 spins at T, [16] each: blocks, p, and the averages of B and B^2 given them."""

    blocks: np.ndarray
    p: np.ndarray
    bonds: np.ndarray
    squares: np.ndarray

    @property
    def operators(self):
        return np.stack([operator(self.blocks) for operator in blocking.TORUS_2.values()], axis=1)


def enumerated(T):
    """`Enumerated` at T."""
    s = ising.enumerate_states(4)
    bonds = ising.nearest(s).astype(float)
    weight = np.exp((bonds - bonds.max()) / T)
    weight /= weight.sum()
    blocks, p = blocking.exact_majority(s, weight)
    return Enumerated(blocks, p, *[blocking.exact_majority(s, weight * bonds**k)[1] / p for k in (1, 2)])


def chain_slopes(temperatures):
    """dK' / dK [t] of every second spin of an Ising ring of eight, by the regression, from all its configurations."""
    s = 1 - 2 * (np.arange(2**8)[:, None] >> np.arange(8) & 1)
    bonds, kept = (s * np.roll(s, 1, axis=1)).sum(1).astype(float), s[:, ::2]
    operator = (kept * np.roll(kept, 1, axis=1)).sum(1)[:, None]
    return np.array([response.fit(operator, bonds, weights=np.exp(bonds / T)).mean[0] for T in temperatures])
