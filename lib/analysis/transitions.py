r"""The phase structure under exp(-H_theta / T): energy, specific heat, magnetisation, susceptibility, Binder cumulant.

Two routes from a network learned at T0 to another temperature T:

* `by_surrogate`: sample the Ising model whose coupling was read from the network (`couplings.py`) at T, reweight to
  exp(-H_theta / T) (`importance.py`). Works as far as the surrogate stays close to H_theta.
* `by_reweighting`: sample the network itself at T0, weight with p_theta^(T0/T - 1). Works as long as T0 and T share
  typical configurations.

Per site, with E = -sum of the bonds (an observable like any other) and m the magnetisation per site:

    e = <E> / N,  C = Var(H_theta) / (N T^2) = (1/N) d<H_theta>/dT,  <|m|>,  chi = N (<m^2> - <|m|>^2) / T,
    U4 = 1 - <m^4> / 3 <m^2>^2,  and ln Z_theta(T), absolute because p_theta is normalised: ln Z_theta(T0) = 0.

The Binder cumulant does not depend on L at T_c, up to corrections that fall with L: K. Binder, Z. Phys. B 43, 119
(1981).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from lib.analysis.couplings import read_network
from lib.analysis.importance import Control, log_mean_weight, reweight
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, NoFeature, block_sums, jackknife, or_nan, over_networks
from lib.systems import ising

NAMES = ("energy", "specific_heat", "abs_m", "susceptibility", "binder")


class Curves(NamedTuple):
    """Averages at temperatures T [t]: `values` and `errors` map each of NAMES to an array [t].

    log_z: ln Z_theta(T) [t], nan where unknown. ess: effective sample size / samples, between 0 and 1, [t].
    samples: number of configurations the network has evaluated at each T.
    """

    T: np.ndarray
    values: dict
    errors: dict
    log_z: np.ndarray
    ess: np.ndarray
    samples: int


def _observables(E, H, m, E0, H0):
    """Columns [n, 6] whose averages give everything in NAMES; E and H are taken relative to E0 and H0."""
    H, m = H - H0, np.abs(m)
    return np.stack([E - E0, H, H**2, m, m**2, m**4], axis=1)


def _derived(means, T, E0, n_sites):
    """NAMES from the averages of `_observables`."""
    E, H, H2, m, m2, m4 = means
    C, chi = (H2 - H**2) / (n_sites * T**2), n_sites * (m2 - m**2) / T
    return np.array([(E + E0) / n_sites, C, m, chi, 1 - m4 / (3 * m2**2)])


class _Excess:
    """H_theta - J E as a polynomial in e = E / N and m^2: what can be known of it without the configuration."""

    def __init__(self, e, m, excess):
        self.coefficients = np.linalg.lstsq(self._terms(e, m), excess, rcond=None)[0]

    @staticmethod
    def _terms(e, m):
        m2 = m**2
        return np.stack([np.ones_like(e), e, e**2, e**3, m2, m2**2, e * m2], axis=-1)

    def __call__(self, e, m):
        return self._terms(e, m) @ self.coefficients


def by_surrogate(hamiltonian, L, temperatures, n, seed, length=40):
    """`Curves` under exp(-H_theta / T), from n configurations of the surrogate at each temperature.

    hamiltonian: a `LearnedHamiltonian` of the L x L lattice. temperatures: ascending [t]. length: of the long runs, in
    autocorrelation times. The surrogate is the nearest-neighbour model whose coupling J is read from the network at
    T0. ln Z needs T0 among the temperatures.

    Control variate: with J E the energy of the surrogate, the excess H_theta - J E is fitted by a polynomial in E and
    m^2 on all configurations. Under J E + polynomial the averages follow from long runs that keep E and m only, 10^5
    values at each T; the few configurations that the network has evaluated supply the rest. The fit need not be good
    for the result to be right. Errors: jackknife over configurations and over replicas of the long run, in
    quadrature; the spread between networks is not in them. They are right for n = 1000; with 200, few of them at the
    ends of the temperatures, they are too small by a tenth to a quarter, as rare configurations are missed.
    """
    temperatures, n_sites = np.asarray(temperatures, float), L * L
    at_T0 = mcmc.sample(chains.Ising(L, hamiltonian.T0), 100, np.random.default_rng([seed, 1])).configurations
    operators = {"nn": ising.nearest}
    (coupling,) = read_network(hamiltonian, at_T0, operators, ising.flip_one, moves=8, seed=seed).values
    coupling = coupling if np.isfinite(coupling) else 1.0  # nearly frozen spins show none; any will do, at some cost
    runs, sets = [], []
    for number, T in enumerate(temperatures):
        rng = np.random.default_rng([seed, 2, number])
        chain = chains.Ising(L, T, couplings={"nn": coupling})
        energy, magnetization = mcmc.record(chain, length, rng)
        runs.append((energy / coupling, magnetization / n_sites))
        s = mcmc.sample(chain, n, rng).configurations
        E = ising.energy(s)
        sets.append((E, ising.magnetization(s) / n_sites, hamiltonian.energy(s) - coupling * E))
    E, m, excess = (np.concatenate(parts) for parts in zip(*sets, strict=True))
    model = _Excess(E / n_sites, m, excess)
    rows, errors, ess, log_z = [], [], [], []
    for T, (E_run, m_run), (E, m, excess) in zip(temperatures, runs, sets, strict=True):
        E0 = E_run.mean()
        known_run, known = model(E_run / n_sites, m_run), model(E / n_sites, m)
        H0 = coupling * E0 + known_run.mean()

        def derived(means, T=T, E0=E0):
            return _derived(means, T, E0, n_sites)

        # the long run, reweighted from J E to J E + polynomial; replicas are its independent blocks
        w = np.exp(-(known_run - known_run.mean()) / T)[..., None]
        columns = _observables(E_run.ravel(), (coupling * E_run + known_run).ravel(), m_run.ravel(), E0, H0)
        columns = np.concatenate([w, w * columns.reshape(*E_run.shape, -1)], axis=2).sum(axis=0)
        sums = block_sums(columns, 64)
        averages = sums.sum(axis=0)[1:] / sums.sum(axis=0)[0]
        _, run_error = jackknife(lambda total, derived=derived: derived(total[1:] / total[0]), sums)
        control = Control(averages, _observables(E, coupling * E + known, m, E0, H0), -known / T)
        target = _observables(E, coupling * E + excess, m, E0, H0)
        estimate = reweight(target, -excess / T, derived, control=control)
        rows.append(estimate.value)
        errors.append(np.hypot(estimate.error, run_error))
        ess.append(estimate.ess)
        # ln Z_theta / Z_s in the same two steps
        ratio = log_mean_weight(-(excess - known) / T, weights=-known / T)
        log_z.append(ratio + np.log(w.mean()) - known_run.mean() / T)
    moments = np.array([(coupling * E.mean(), coupling**2 * E.var()) for E, _ in runs])
    log_z = np.array(log_z) + _integrate(temperatures, moments)
    # p_theta is normalised, so ln Z_theta(T0) = 0: that fixes the constant of the integration
    anchor = np.isclose(temperatures, hamiltonian.T0)
    log_z -= log_z[anchor][0] if anchor.any() else np.nan
    return _curves(temperatures, rows, errors, log_z, ess, n)


def _integrate(temperatures, moments):
    """ln Z of the surrogate up to a constant [t]: integral of -<E> over beta, Hermite's rule with slopes Var E."""
    beta, E, variance = 1 / temperatures, moments[:, 0], moments[:, 1]
    h = np.diff(beta)
    steps = -h * (E[1:] + E[:-1]) / 2 + h**2 * (variance[:-1] - variance[1:]) / 12
    return np.concatenate([[0.0], np.cumsum(steps)])


def by_reweighting(hamiltonian, temperatures, n, seed):
    """`Curves` by plain reweighting of n configurations drawn from the network itself, hence at T0."""
    configurations = hamiltonian.model.sample(n, seed)[0].numpy().astype(np.int8)
    n_sites = configurations[0].size
    log_prob, E = hamiltonian.log_prob(configurations), ising.energy(configurations)
    H, m, E0 = -hamiltonian.T0 * log_prob, ising.magnetization(configurations) / n_sites, E.mean()
    observables = _observables(E, H, m, E0, H.mean())
    rows, errors, ess, log_z = [], [], [], []
    for T in temperatures:
        log_w = (hamiltonian.T0 / T - 1) * log_prob
        estimate = reweight(observables, log_w, lambda means, T=T: _derived(means, T, E0, n_sites))
        rows.append(estimate.value)
        errors.append(estimate.error)
        ess.append(estimate.ess)
        log_z.append(log_mean_weight(log_w))
    return _curves(np.asarray(temperatures, float), rows, errors, np.array(log_z), ess, len(configurations))


def _curves(T, rows, errors, log_z, ess, n):
    rows, errors = np.array(rows), np.array(errors)
    values = {name: rows[:, k] for k, name in enumerate(NAMES)}
    return Curves(T, values, {name: errors[:, k] for k, name in enumerate(NAMES)}, log_z, np.array(ess), n)


def direct(L, temperatures, n_sweeps, seed):
    """The same `Curves` by direct Monte Carlo of the true Hamiltonian (ess 1, ln Z unknown)."""
    rows, errors, count = [], [], 0
    for number, T in enumerate(temperatures):
        run = mcmc.measure(chains.Ising(L, T), n_sweeps, np.random.default_rng([seed, 3, number]))
        parts = [run.energy(), run.specific_heat(), run.moment("|m|"), run.susceptibility(), run.binder()]
        rows.append([value for value, _ in parts])
        errors.append([error for _, error in parts])
        count = run.configurations
    T = np.asarray(temperatures, float)
    return _curves(T, rows, errors, np.full(len(T), np.nan), np.ones(len(T)), count)


def average(curves):
    """Mean over the `Curves` of several networks; errors hold the spread between them (`statistics.over_networks`)."""
    values, errors = {}, {}
    for name in NAMES:
        values[name], errors[name] = over_networks([c.values[name] for c in curves], [c.errors[name] for c in curves])
    log_z, ess = np.mean([c.log_z for c in curves], axis=0), np.mean([c.ess for c in curves], axis=0)
    return Curves(curves[0].T, values, errors, log_z, ess, sum(c.samples for c in curves))


def peak(T, values, errors, window):
    """Position of the maximum of a curve, an `Estimate`, from a weighted quartic through the points within `window`.

    A cubic is no more precise and off by 0.005 for the specific heat of L = 16 on temperatures 0.05 apart; this one by
    0.0005. The error is that of the slope there, from the covariance of the fit, divided by the curvature. window:
    (low, high). The maximum must lie inside it: `NoFeature` otherwise, never a clamped edge.
    """
    inside = (T >= window[0]) & (T <= window[1])
    x, y, w = T[inside] - np.mean(window), values[inside], 1 / errors[inside]
    if len(x) < 6:
        raise ValueError(f"window {window}: holds {len(x)} temperatures, at least 6 are needed")
    quartic, covariance = np.polyfit(x, y, 4, w=w, cov="unscaled")
    slope = np.polyder(quartic)
    roots = np.roots(slope)
    roots = roots[abs(roots.imag) < 1e-9].real
    roots = roots[(roots > x.min()) & (roots < x.max()) & (np.polyval(np.polyder(slope), roots) < 0)]
    if not len(roots):
        raise NoFeature(f"window {window}: no maximum inside; widen it or move it")
    top = roots[np.argmax(np.polyval(quartic, roots))]
    powers = np.array([4 * top**3, 3 * top**2, 2 * top, 1, 0])  # d/dx of those of the quartic
    error = np.sqrt(powers @ covariance @ powers) / abs(np.polyval(np.polyder(slope), top))
    return Estimate(float(top + np.mean(window)), float(error))


def crossing(T, small, large, errors):
    """Temperature where two curves [t] on the same temperatures cross, an `Estimate`, from a weighted cubic through
    their difference, whose independent errors are errors [t].

    The error is that of the cubic there, from the covariance of the fit, divided by its slope. `NoFeature` when they do
    not cross inside the temperatures given.
    """
    x, degree = T - np.mean(T), min(3, len(T) - 1)
    cubic, covariance = np.polyfit(x, np.asarray(large) - np.asarray(small), degree, w=1 / errors, cov="unscaled")
    ends = np.polyval(cubic, [x[0], x[-1]])
    if ends[0] * ends[1] > 0:
        raise NoFeature(f"the curves do not cross between T = {T[0]:g} and {T[-1]:g}")
    at = brentq(lambda t: np.polyval(cubic, t), x[0], x[-1])
    powers = np.vander([at], degree + 1)[0]
    error = np.sqrt(powers @ covariance @ powers) / abs(np.polyval(np.polyder(cubic), at))
    return Estimate(float(at + np.mean(T)), float(error))


def peak_of(curves, window):
    """`Estimate` of the position of the specific-heat peak, mean over the `Curves` of several networks; nan if one of
    them has no peak within the window."""
    found = [or_nan(peak, c.T, c.values["specific_heat"], c.errors["specific_heat"], window) for c in curves]
    return over_networks(*np.transpose(found))


def crossings(small, large):
    """`crossing` of the Binder cumulants of two sizes, network by network, as an `Estimate` [m]; nan where they do not
    cross. small, large: lists of `Curves` on the same temperatures.
    """
    found = []
    for a, b in zip(small, large, strict=True):
        errors = np.hypot(a.errors["binder"], b.errors["binder"])
        found.append(or_nan(crossing, a.T, a.values["binder"], b.values["binder"], errors))
    return Estimate(*np.array(found).T)
