r"""Learned Hamiltonians of angles at other temperatures: configurations of a surrogate, weighted for several networks.

As in `reweighting.py`: a surrogate H_s, a sum of a few operators, is sampled at T, and w = exp[-(H_theta - H_s) / T].
One surrogate, adapted to the mean of the networks, serves all of them, and all their averages over images
(`image_average.py`): what is dear are the evaluations of the networks, made once. Energy, currents and vortices are
known far better from a long run of the surrogate, which is their control variate.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import image_average, spin_correlation, vortices
from lib.analysis.reweighting import Control, effective_sample_size, reweight
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_networks
from lib.systems import xy

PILOT = 200  # configurations on which the surrogate is adapted
CORRELATED = 1500  # configurations of the surrogate, at least, for its correlation function


def fit_operators(energy, theta):
    """Couplings (dict name -> J) of `xy.OPERATORS` that fit energies [n] of angles [n, L, L] best, by least squares."""
    columns = np.column_stack([np.ones(len(theta)), -xy.operators(theta)])
    solution = np.linalg.lstsq(columns, energy, rcond=None)[0]
    return dict(zip(xy.OPERATORS, solution[1:].tolist(), strict=True))


class Weighted(NamedTuple):
    """Configurations of a surrogate at T, and what networks say of them.

    log_weights: dict of `image_average.AVERAGES` -> ln w of each network, [m, n].
    theta: angles [n, L, L].
    averages, errors: of E, I_x^2 + I_y^2 and vortices per site under the surrogate, from a long run: [3] the first,
        of the quantities `reweighting.XY` the second.
    correlation, eta_error: G(r) of the surrogate, an `Estimate` [L // 2 + 1], and the error of its eta, from at least
        CORRELATED configurations.
    """

    T: float
    log_weights: dict
    theta: np.ndarray
    averages: np.ndarray
    errors: np.ndarray
    correlation: Estimate
    eta_error: float

    @property
    def observables(self):
        """E, I_x^2 + I_y^2 and vortices per site of every configuration, [n, 3]."""
        current2 = (xy.currents(self.theta) ** 2).sum(1)
        return np.stack([xy.energy(self.theta), current2, xy.vortex_density(self.theta)], axis=1)

    def ess(self, average="H"):
        """Effective sample size / n of each network, [m]."""
        return np.array([effective_sample_size(log_w) for log_w in self.log_weights[average]])


def weighted(hamiltonians, surrogate, L, T, n, n_sweeps, seed):
    """`Weighted` configurations at T.

    hamiltonians: m `LearnedHamiltonian`s, all of one T0.
    surrogate: dict name -> J to start from, read at T0; adapted at T on PILOT configurations.
    n: configurations that every network evaluates. n_sweeps: of the long run.
    """
    rng = np.random.default_rng(seed)
    networks = [image_average.every_image(h, image_average.square(L)) for h in hamiltonians]
    theta = mcmc.sample(chains.XY(L, T, couplings=surrogate), PILOT, rng).configurations
    surrogate = fit_operators(np.mean([h.energy(theta).mean(0) for h in networks], axis=0), theta)
    chain = chains.XY(L, T, couplings=surrogate)
    run = mcmc.measure(chain, n_sweeps, rng)
    every = mcmc.sample(chain, max(n, CORRELATED), rng).configurations
    theta = every[:n]
    own = -xy.operators(theta, tuple(surrogate)) @ np.array(list(surrogate.values()))
    of_each = [image_average.averages(h.energy(theta), h.T0) for h in networks]
    log_w = {name: np.array([-(each[name] - own) / T for each in of_each]) for name in image_average.AVERAGES}
    errors = np.array([run.energy()[1], run.helicity()[1], run.vortex_density()[1]])
    correlation, (_, eta_error) = _plain_correlations(every)
    return Weighted(T, log_w, theta, run.replica_means[:, [0, 2, 3]].mean(0), errors, correlation, eta_error)


class OfNetworks(NamedTuple):
    """A quantity of m networks: values and errors of each [m, ...], and the statistical error of their mean [...].

    The networks are evaluated on the same configurations, so their errors have these in common.
    """

    values: np.ndarray
    errors: np.ndarray
    mean_error: np.ndarray

    @property
    def mean(self):
        """`Estimate` over networks, [...]."""
        return over_networks(self.values, shared=self.mean_error)


def quantities(one, average="H"):
    """`OfNetworks` of `reweighting.XY` from `Weighted` configurations, [m, 3]."""
    n_sites = one.theta[0].size
    observables = one.observables
    control = Control(one.averages, observables, np.zeros(len(observables)))

    def per_site(means):
        return np.array([[E / n_sites, xy.helicity_modulus(E, I2, one.T, n_sites), v] for E, I2, v in means])

    found = _each_and_mean(observables, one.log_weights[average], per_site, control)
    return OfNetworks(found.values, *(np.hypot(error, one.errors) for error in found[1:]))


def correlations(one, average="H"):
    """`OfNetworks` of G(r) [m, L // 2 + 1] and of eta [m], from `Weighted` configurations."""
    G, log_w = spin_correlation.correlation(one.theta), one.log_weights[average]
    control = Control(one.correlation.value, G, np.zeros(len(G)))
    found = _each_and_mean(G, log_w, lambda means: means, control)
    found = OfNetworks(found.values, *(np.hypot(error, one.correlation.error) for error in found[1:]))
    eta = _each_and_mean(G, log_w, spin_correlation.decay_exponent, control)
    return found, OfNetworks(eta.values, *(np.hypot(error, one.eta_error) for error in eta[1:]))


def pairs(one, average="H"):
    """`OfNetworks` of the vortex pairs per site and the mean distance in a pair, [m, 2]."""
    L = one.theta.shape[-1]
    found = vortices.matched_pairs(one.theta)
    return _each_and_mean(found, one.log_weights[average], lambda means: _per_site(means, L))


def _per_site(means, L):
    """[m, 2] from the pairs of a configuration and the sum of their distances, [m, 2]."""
    number, distance = means.T
    return np.stack([number / L**2, np.divide(distance, number, out=np.full(len(means), np.nan), where=number > 0)], 1)


def _each_and_mean(observables, log_weights, function, control=None):
    def both(means):
        each = function(means)
        return np.append(each, each.mean(0, keepdims=True), axis=0)

    blocks = min(50, len(observables))
    found = reweight(observables, log_weights, both, control=control, blocks=blocks)
    return OfNetworks(found.value[:-1], found.error[:-1], found.error[-1])


def _plain_correlations(theta):
    """`Estimate`s of G(r) [L // 2 + 1] and of eta from angles [n, L, L] of equal weight."""
    G = spin_correlation.correlation(theta)
    equal = np.zeros(len(G))
    found, eta = reweight(G, equal), reweight(G, equal, spin_correlation.decay_exponent)
    return Estimate(found.value, found.error), Estimate(float(eta.value), float(eta.error))


class Structure(NamedTuple):
    """Under the true Hamiltonian: eta, the pairs per site and the mean distance in a pair [2], and that of as many
    charges put down at random; `Estimate`s."""

    eta: Estimate
    pairs: Estimate
    random: Estimate


def direct_structure(L, T, n, seed):
    """`Structure` from n configurations of the true Hamiltonian."""
    rng = np.random.default_rng([seed, 5])
    theta = mcmc.sample(chains.XY(L, T), n, rng).configurations
    found = vortices.matched_pairs(theta)
    equal = np.zeros(n)
    of_pairs = reweight(found, equal, lambda means: _per_site(means[None], L)[0])
    at_random = vortices.random_pairs(found[:, 0], L, rng)
    at_random = reweight(at_random, equal, lambda means: _per_site(means[None], L)[0, 1])
    return Structure(
        _plain_correlations(theta)[1],
        Estimate(of_pairs.value, of_pairs.error),
        Estimate(float(at_random.value), float(at_random.error)),
    )
