"""What the chapter on block spins measures of networks of block sums.

Networks of overlapping sums (stride 1) are functions of the spins like any other. Those of adjoining sums (stride 2)
are taken here as Hamiltonians of the blocks themselves, states 0 ... 4 [n, L, L] from spins of a 2 L x 2 L lattice.
"""

import numpy as np

from lib import parallel
from lib.analysis import blocking, reweighting
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, over_networks
from lib.studies import recipes
from lib.studies.sources import Spins


def hamiltonians(learned):
    """The Hamiltonians of the blocks, from the `Learned` of several networks of adjoining sums."""
    return [LearnedHamiltonian(r.model, r.task.source.T) for r in learned]


def states(L, T, n, seed):
    """n configurations of adjoining sums as states 0 ... 4, [n, L, L]."""
    return recipes.stride_2(Spins(2 * L, T).configurations(n, seed))


def deviations_at_T0(groups, L, n, seed):
    """`Estimate` [3] of network / blocks - 1 at T0, mean over networks: |m|, neighbours, specific heat.

    groups: dict T0 -> list of Hamiltonians. Returns a dict T0 -> `Estimate`.
    n: new blocks, and samples of each network. All networks of one T0 are compared with the same blocks, whose error
        they share.
    """
    calls = {}
    for T0, group in groups.items():
        new = states(L, T0, n, seed + 1)
        calls[T0] = [(blocking.at_T0, h, new, seed + k) for k, h in enumerate(group)]
    deviations = {}
    for T0, found in parallel.run_all(calls).items():
        values, errors, of_blocks = zip(*[at_T0.deviation() for at_T0 in found], strict=True)
        deviations[T0] = over_networks(values, errors, shared=of_blocks[0])
    return deviations


def scaled(groups, L, temperatures, seed, *, keep_multiplicity):
    """`Curves` of block sums with the temperature scaled, see `reweighting.blocks_by_surrogate`: dict T0 -> list.

    groups, temperatures: dicts T0 -> list of Hamiltonians, and T0 -> [t].
    """
    population = 1500 if keep_multiplicity else 2500  # effective samples are few where all of ln p is scaled
    calls = {}
    for T0, group in groups.items():
        starts = [states(L, T0, population, seed + 10 + k) for k in range(len(group))]
        calls[T0] = [
            (reweighting.blocks_by_surrogate, h, start, temperatures[T0], keep_multiplicity, seed + k)
            for k, (h, start) in enumerate(zip(group, starts, strict=True))
        ]
    return parallel.run_all(calls)


def binder_at(curves, T):
    """`Estimate` of U4 at the temperature nearest to T, mean over networks."""
    mean = reweighting.average(curves)
    at = np.argmin(np.abs(mean.T - T))
    return Estimate(mean.values["binder"][at], mean.errors["binder"][at])


def ratio(a, b):
    """`Estimate` of a / b, of two independent ones."""
    value = a.value / b.value
    return Estimate(value, value * np.hypot(a.error / a.value, b.error / b.value))
