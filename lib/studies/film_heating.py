r"""A film that was learned at one temperature, heated: its order under exp(-H_theta / T), and what H_theta misjudges.

Three ways to another temperature (`three_ways`): (a) the nearest-neighbour film with the coupling that was read, (b)
H_theta by reweighting that film, (c) H_theta by a Markov chain with delayed acceptance. H_theta = J E + D with that
coupling J; the excess D would be zero everywhere if H_theta were that Hamiltonian.
"""

from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import reweighting
from lib.analysis.curve_features import first_passage
from lib.samplers import chains, delayed_acceptance, mcmc
from lib.statistics import or_nan
from lib.studies.synthetic_film import combine_outcomes
from lib.systems import film, ising


class Excess:
    """H_theta - J E, the part of a learned Hamiltonian that a nearest-neighbour coupling J does not express."""

    def __init__(self, hamiltonian, coupling):
        self.hamiltonian, self.coupling = hamiltonian, coupling

    def __call__(self, s):
        return self.hamiltonian.energy(s) + self.coupling * ising.nearest(s)


class Order(NamedTuple):
    """Order of a heated film at temperatures `kelvin` [t].

    abs_m, error [t]: |m| over the last fourth of the run. drift [4, t]: for each fourth.
    accepted [t]: fraction of proposals.
    excess [t]: D of the last fourth in units of J, relative to complete order.
    """

    kelvin: np.ndarray
    abs_m: np.ndarray
    error: np.ndarray
    drift: np.ndarray
    accepted: np.ndarray
    excess: np.ndarray


def _excess_of(outcome):
    """(`Excess`, coupling J that was read, D of complete order): energies in units of the true J."""
    coupling = outcome.network[0] / outcome.experiment.t_c
    excess = Excess(outcome.hamiltonian, coupling)
    return excess, coupling, float(excess(np.ones((1,) + (outcome.experiment.L,) * 2, np.int8))[0])


def raise_temperature(outcome, kelvin, steps, seed, replicas=16):
    """`Order` under exp(-H_theta / T) itself, on the L x L lattice, heated from complete order to each T [t] in K.

    By `delayed_acceptance.heat`, which proposes with the coupling that was read from the network. |m| is the mean
    over the last fourth of the steps; a drift over the fourths says that H_theta has not come to rest.
    """
    e = outcome.experiment
    excess, coupling, ordered = _excess_of(outcome)
    T = film.reduced_temperature(np.asarray(kelvin, dtype=float), e.t_c)
    rng = np.random.default_rng([seed, e.network])
    run = delayed_acceptance.heat(e.L, T, rng, excess, coupling, replicas=replicas, steps=steps)
    fourths = np.stack([np.abs(part).mean(axis=0) for part in np.array_split(run.m, 4)])  # [4, t, replicas]
    last = fourths[-1]
    D = np.array_split(run.excess, 4)[-1].mean((0, 2)) - ordered
    error = last.std(1, ddof=1) / np.sqrt(replicas)
    return Order(np.asarray(kelvin), last.mean(1), error, fourths.mean(2), run.accepted, D)


def misjudged(outcome, kelvin, n, seed):
    """Mean and standard deviation of the excess D, [t] each, on configurations of the true film at [t] in K.

    D, in units of J, is relative to complete order.
    """
    e = outcome.experiment
    excess, _, ordered = _excess_of(outcome)
    found = []
    for number, T in enumerate(film.reduced_temperature(np.asarray(kelvin, dtype=float), e.t_c)):
        rng = np.random.default_rng([seed, 4, number])
        found.append(excess(mcmc.sample(chains.Ising(e.L, T), n, rng).configurations))
    return np.mean(found, axis=1) - ordered, np.std(found, axis=1)


def falls_below(kelvin, abs_m, level):
    """Temperature in K at which |m| [t] first falls below a level, linear between points; nan if it never does."""
    return or_nan(first_passage, kelvin, -np.asarray(abs_m), -level).value


class ThreeWays(NamedTuple):
    """Networks of one film at other temperatures [t].

    true_film: `reweighting.Curves` of the film itself.
    of_coupling: (a) the same of the film with the coupling that all networks together were read to have.
    reweighted: (b) `Curves` of each network. heated: (c) `Order` of each network.
    misjudged [network, 2, t]: mean and standard deviation of the excess D on the true film.
    """

    true_film: reweighting.Curves
    of_coupling: reweighting.Curves
    reweighted: list
    heated: list
    misjudged: np.ndarray


def three_ways(outcomes, kelvin, steps, seed, n=1000):
    """`ThreeWays` of the networks of one film to temperatures [t] in K, which ascend.

    steps: of `raise_temperature`. n: configurations of the other ways, at each temperature.
    """
    e = outcomes[0].experiment
    T, coupling = film.reduced_temperature(kelvin, e.t_c), combine_outcomes(outcomes)[0] / e.t_c
    m = len(outcomes)
    calls = [(raise_temperature, o, kelvin, steps, seed) for o in outcomes]
    calls += [(reweighting.ising_by_surrogate, o.hamiltonian, e.L, T, n, seed) for o in outcomes]
    calls += [(misjudged, o, kelvin, n, seed) for o in outcomes]
    calls += [(reweighting.ising_direct, e.L, scaled, n, seed) for scaled in (T / coupling, T)]
    *each, of_coupling, true_film = parallel.run(calls)
    return ThreeWays(true_film, of_coupling, each[m : 2 * m], each[:m], np.array(each[2 * m :]))
