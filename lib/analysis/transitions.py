r"""The phase structure under exp(-H_theta / T): energy, specific heat, magnetisation, susceptibility, Binder cumulant.

Two routes from a network learned at T0 to another temperature T:

* `by_surrogate`: sample the Ising model whose coupling was read from the network (`couplings.py`) at T, reweight to
  exp(-H_theta / T) (`importance.py`). Works as far as the surrogate stays close to H_theta.
* `by_reweighting`: sample the network itself at T0, weight with p_theta^(T0/T - 1). Works as long as T0 and T share
  typical configurations.

Per site, with E = -sum of the bonds (an observable like any other) and m the magnetisation per site:

    e = <E> / N,  C = Var(H_theta) / (N T^2) = (1/N) d<H_theta>/dT,  <|m|>,  chi = N (<m^2> - <|m|>^2) / T,
    U4 = 1 - <m^4> / 3 <m^2>^2,  and ln Z_theta(T), absolute because p_theta is normalised: ln Z_theta(T0) = 0.

The Binder cumulant does not depend on L at T_c, up to corrections that fall with L: K. Binder, Z. Phys. B 43, 119 (1981).
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from lib.analysis.importance import log_mean_weight, reweight
from lib.samplers import driver
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


def _observables(s, excess, centre):
    """Columns whose averages give everything in NAMES: powers of E - centre and m, the excess energy, their products."""
    E, m = ising.energy(s) - centre, np.abs(ising.magnetization(s)) / s[0].size
    return np.stack([E, E**2, m, m**2, m**4, excess, E * excess, excess**2], axis=1)


def _derived(means, *, T, scale, centre, n_sites):
    """NAMES from the means of `_observables`, for H_theta = scale E + excess."""
    E, E2, m, m2, m4, d, Ed, d2 = means
    variance = scale**2 * (E2 - E**2) + 2 * scale * (Ed - E * d) + d2 - d**2
    return np.array([
        (E + centre) / n_sites, variance / (n_sites * T**2), m, n_sites * (m2 - m**2) / T, 1 - m4 / (3 * m2**2),
    ])  # fmt: skip


def by_surrogate(hamiltonian, coupling, L, temperatures, n, seed, n_sweeps=2000):
    """`Curves` under exp(-H_theta / T), from n configurations of the surrogate at each temperature.

    hamiltonian: a `LearnedHamiltonian`. coupling: J of the nearest-neighbour surrogate. temperatures: ascending [t].
    n_sweeps: sweeps of the long run that gives the surrogate's own averages. ln Z needs T0 among the temperatures.
    Errors: jackknife of the reweighting and
    statistical error of the long run, in quadrature; the spread between networks is not in them.
    """
    temperatures, n_sites = np.asarray(temperatures, float), L * L
    rows, errors, ess, log_ratio, long_runs = [], [], [], [], []
    for number, T in enumerate(temperatures):
        rng = np.random.default_rng([seed, 2, number])
        run = driver.measure(L, T, n_sweeps, rng, couplings={"nn": coupling})
        s = driver.sample(L, T, n, rng, couplings={"nn": coupling}).configurations
        excess = hamiltonian.energy(s) - coupling * ising.energy(s)
        offset = excess.mean()  # a constant of H_theta changes nothing but ln Z
        excess = excess - offset
        mean_E, centre = run.mean[0] / coupling, run.mean[0] / coupling
        known = [0.0, run.mean[1] / coupling**2 - mean_E**2, *run.mean[2:], np.nan, np.nan, np.nan]

        def derived(means, T=T, centre=centre):
            return _derived(means, T=T, scale=coupling, centre=centre, n_sites=n_sites)

        log_w = -excess / T
        estimate = reweight(_observables(s, excess, centre), log_w, derived, control=np.array(known))

        def plain(m, T=T):
            E, E2 = m[0] / coupling, m[1] / coupling**2
            return _derived([E, E2, *m[2:], 0, 0, 0], T=T, scale=coupling, centre=0.0, n_sites=n_sites)

        _, run_error = run.jackknife(plain)
        rows.append(estimate.value)
        errors.append(np.hypot(estimate.error, run_error))
        ess.append(estimate.ess)
        log_ratio.append(log_mean_weight(log_w)[0] - offset / T)
        long_runs.append((run.mean[0], run.mean[1] - run.mean[0] ** 2))
    log_z = _integrate(temperatures, np.array(long_runs)) + np.array(log_ratio)
    # p_theta is normalised, so ln Z_theta(T0) = 0: that fixes the constant of the integration
    anchor = np.isclose(temperatures, hamiltonian.T0)
    log_z -= log_z[anchor][0] if anchor.any() else np.nan
    return _curves(temperatures, rows, errors, log_z, ess, n)


def _integrate(temperatures, moments):
    """ln Z of the surrogate up to a constant [t]: d ln Z / d beta = -<E>, by the Hermite rule with d<E>/d beta = -Var E."""
    beta, E, variance = 1 / temperatures, moments[:, 0], moments[:, 1]
    h = np.diff(beta)
    steps = -h * (E[1:] + E[:-1]) / 2 + h**2 * (variance[:-1] - variance[1:]) / 12
    return np.concatenate([[0.0], np.cumsum(steps)])


def by_reweighting(hamiltonian, configurations, temperatures):
    """`Curves` from configurations [n, L, L] that follow exp(-H_theta / T0), by plain reweighting to other temperatures."""
    L = configurations.shape[-1]
    log_prob, E = hamiltonian.log_prob(configurations), ising.energy(configurations)
    centre = E.mean()
    excess = -hamiltonian.T0 * log_prob - E
    offset = excess.mean()
    observables = _observables(configurations, excess - offset, centre)
    rows, errors, ess, log_z = [], [], [], []
    for T in temperatures:
        log_w = (hamiltonian.T0 / T - 1) * log_prob

        def derived(means, T=T):
            return _derived(means, T=T, scale=1.0, centre=centre, n_sites=L * L)

        estimate = reweight(observables, log_w, derived)
        rows.append(estimate.value)
        errors.append(estimate.error)
        ess.append(estimate.ess)
        log_z.append(log_mean_weight(log_w)[0])
    return _curves(np.asarray(temperatures, float), rows, errors, np.array(log_z), ess, len(configurations))


def _curves(T, rows, errors, log_z, ess, n):
    rows, errors = np.array(rows), np.array(errors)
    values = {name: rows[:, k] for k, name in enumerate(NAMES)}
    return Curves(T, values, {name: errors[:, k] for k, name in enumerate(NAMES)}, log_z, np.array(ess), n)


def direct(L, temperatures, n_sweeps, seed):
    """The same `Curves` by direct Monte Carlo of the true Hamiltonian (ess 1, ln Z unknown)."""
    rows, errors, count = [], [], 0
    for number, T in enumerate(temperatures):
        run = driver.measure(L, T, n_sweeps, np.random.default_rng([seed, 3, number]))
        parts = [run.energy(), run.specific_heat(), (run.mean[2], run.error[2]), run.susceptibility(), run.binder()]
        rows.append([value for value, _ in parts])
        errors.append([error for _, error in parts])
        count = run.configurations
    T = np.asarray(temperatures, float)
    return _curves(T, rows, errors, np.full(len(T), np.nan), np.ones(len(T)), count)


def peak(T, values, errors, window):
    """Position of the maximum of a curve and its error, from a weighted cubic through the points within `window`.

    window: (low, high). The maximum must lie inside it: ValueError otherwise, never a clamped edge.
    """
    inside = (T >= window[0]) & (T <= window[1])
    x, y, w = T[inside] - np.mean(window), values[inside], 1 / errors[inside]
    if len(x) < 5:
        raise ValueError(f"window {window}: holds {len(x)} temperatures, at least 5 are needed")
    cubic, covariance = np.polyfit(x, y, 3, w=w, cov="unscaled")

    def top(coefficients):
        slope = np.polyder(coefficients)
        roots = np.roots(slope)
        roots = roots[(abs(roots.imag) < 1e-9) & (np.polyval(np.polyder(slope), roots.real) < 0)].real
        roots = roots[(roots > x.min()) & (roots < x.max())]
        return roots[0] + np.mean(window) if len(roots) else np.nan

    position = top(cubic)
    if not np.isfinite(position):
        raise ValueError(f"window {window}: no maximum inside; widen it or move it")
    draws = np.random.default_rng(0).multivariate_normal(cubic, covariance, 400)
    return float(position), float(np.nanstd([top(draw) for draw in draws]))


def crossing(T, small, large):
    """Temperature where two curves [t] on the same temperatures cross, from a cubic through their difference.

    ValueError when they do not cross inside the temperatures given.
    """
    centre = np.mean(T)
    cubic = np.polyfit(T - centre, np.asarray(large) - np.asarray(small), min(3, len(T) - 1))
    ends = np.polyval(cubic, [T[0] - centre, T[-1] - centre])
    if ends[0] * ends[1] > 0:
        raise ValueError(f"the curves do not cross between T = {T[0]:g} and {T[-1]:g}")
    return float(brentq(lambda t: np.polyval(cubic, t - centre), T[0], T[-1]))
