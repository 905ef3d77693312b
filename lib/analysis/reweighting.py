r"""Other temperatures from one network: sample a surrogate, reweight to exp(-H_theta / T).

The network gives ln p_theta for any configuration but only samples at its own T0, and raising p to the power T0 / T
soon leaves their support. A surrogate H_s built from the readable couplings (`couplings.py`) can be sampled at any T.
With weights w = exp[-(H_theta - H_s) / T] its samples give averages under exp(-H_theta / T) exactly, in the limit of
many samples, whatever the surrogate; a poor one shows in the effective sample size ESS = (sum w)^2 / sum w^2.

(1) ln Z_theta(T) - ln Z_s(T) = ln <w>_s. (2) Something close to the target, whose averages are known far better,
serves as a control variate: only its difference from the target is taken from the few evaluations of a network.

What comes out are `Curves` against T. Of spins, with E = -sum of the bonds (an observable like any
other) and m the magnetisation per site (`ISING`):

    e = <E> / N,  C = Var(H_theta) / (N T^2) = (1/N) d<H_theta>/dT,  <|m|>,  chi = N (<m^2> - <|m|>^2) / T,
    U4 = 1 - <m^4> / 3 <m^2>^2,  and ln Z_theta(T), absolute because p_theta is normalised: ln Z_theta(T0) = 0;

of angles (`XY`): energy, helicity modulus and vortices per site. The same curves come from direct Monte Carlo.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import couplings
from lib.samplers import chains, delayed_acceptance, mcmc
from lib.statistics import block_sums, jackknife, over_networks
from lib.systems import ising, xy

ISING = ("energy", "specific_heat", "abs_m", "susceptibility", "binder")
XY = ("energy", "helicity", "vortices")


def effective_sample_size(log_weights):
    """(sum w)^2 / (n sum w^2), between 1/n and 1, from log weights [n]."""
    w = np.exp(log_weights - np.max(log_weights))
    return float(w.sum() ** 2 / (len(w) * (w**2).sum()))


def log_mean_weight(log_weights, weights=None):
    """ln <w> from log weights [n]: ln Z_theta - ln Z_s. weights: log weights [n] of the average, default equal."""
    weights = np.zeros(len(log_weights)) if weights is None else weights
    return float(np.logaddexp.reduce(log_weights + weights) - np.logaddexp.reduce(weights))


class Reweighted(NamedTuple):
    """Value(s) with jackknife error(s), and the effective sample size as a fraction of the samples."""

    value: np.ndarray
    error: np.ndarray
    ess: float


class Control(NamedTuple):
    """A distribution close to the target: averages [k], exact or precise; observables [n, k] and log weights [n] on the
    configurations of the target."""

    averages: np.ndarray
    observables: np.ndarray
    log_weights: np.ndarray


def _weighted(observables, log_weights):
    """Columns [n, m, 1 + k] for log weights [m, n]: w, scaled to a largest one of 1, and w times the observables."""
    w = np.exp(log_weights - log_weights.max(axis=1, keepdims=True)).T[:, :, None]
    return np.concatenate([w, w * observables[:, None]], axis=2)


def reweight(observables, log_weights, function=None, *, control=None, blocks=50):
    """Averages under the reweighted distribution, or `function` of them, as `Reweighted`.

    observables: [n, k].
    log_weights: [n], or [m, n] of m distributions on the same configurations.
    function: maps the averages, [k] or [m, k], to an array (default: the averages).
    control: a `Control`, or None. The averages are then control.averages + (target - control, both on these n
        configurations); the error does not contain that of control.averages.
    blocks: of consecutive configurations, for the jackknife.

    ValueError for weights of another length, or a log weight that is not finite.
    """
    observables, log_weights = np.asarray(observables, float), np.asarray(log_weights, float)
    if len(observables) != log_weights.shape[-1]:
        raise ValueError(f"{len(observables)} observables but {log_weights.shape[-1]} weights")
    if not np.all(np.isfinite(log_weights)):
        raise ValueError("a log weight is not finite: a configuration outside the support of one of the two energies")
    columns = _weighted(observables, np.atleast_2d(log_weights))
    if control is not None:
        columns = np.append(columns, _weighted(control.observables, np.atleast_2d(control.log_weights)), axis=1)

    def estimator(total):
        means = total[:, 1:] / total[:, :1]
        if control is not None:
            means = means[:-1] - means[-1] + control.averages
        means = means if log_weights.ndim == 2 else means[0]
        return means if function is None else function(means)

    value, error = jackknife(estimator, block_sums(columns, blocks))
    sizes = [effective_sample_size(each) for each in np.atleast_2d(log_weights)]
    return Reweighted(value, error, np.array(sizes) if log_weights.ndim == 2 else sizes[0])


# ---------------------------------------------------------------- curves


class Curves(NamedTuple):
    """Averages at temperatures T [t]: dicts name (of ISING or XY) -> [t], effective sample size / samples [t], and ln
    Z_theta(T) [t], nan where unknown."""

    T: np.ndarray
    values: dict
    errors: dict
    ess: np.ndarray
    log_z: np.ndarray

    @classmethod
    def of(cls, names, temperatures, estimates, log_z=np.nan):
        """From a `Reweighted` at each temperature [t], with values of the quantities called `names`."""
        T = np.asarray(temperatures, float)
        values = {name: np.array([e.value[k] for e in estimates]) for k, name in enumerate(names)}
        errors = {name: np.array([e.error[k] for e in estimates]) for k, name in enumerate(names)}
        return cls(T, values, errors, np.array([e.ess for e in estimates]), np.broadcast_to(log_z, T.shape))


def average(curves):
    """Mean over the `Curves` of several networks; errors hold the spread between them (`statistics.over_networks`)."""
    found = {
        name: over_networks([c.values[name] for c in curves], [c.errors[name] for c in curves])
        for name in curves[0].values
    }
    values, errors = ({name: each[k] for name, each in found.items()} for k in range(2))
    ess, log_z = (np.mean([getattr(c, field) for c in curves], axis=0) for field in ("ess", "log_z"))
    return Curves(curves[0].T, values, errors, ess, log_z)


# ---------------------------------------------------------------- spins


def _moments(H, m):
    """Columns [..., 5] of H, H^2, |m|, m^2, m^4."""
    m = np.abs(m)
    return np.stack([H, H**2, m, m**2, m**4], axis=-1)


def _phases(energy, moments, T, n_sites):
    """ISING from the energy per site and the averages of `_moments`."""
    H, H2, m, m2, m4 = moments
    C, chi = (H2 - H**2) / (n_sites * T**2), n_sites * (m2 - m**2) / T
    return np.array([energy, C, m, chi, 1 - m4 / (3 * m2**2)])


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


def _better(one, other):
    """Of two `Reweighted` of the same averages, each with the smaller error."""
    values = np.where(one.error < other.error, one.value, other.value)
    return Reweighted(values, np.minimum(one.error, other.error), one.ess)


def _seen(s, beyond):
    """E [n], m per site [n] and the excess `beyond`(s) [n] of configurations [n, L, L]."""
    return ising.energy(s), ising.magnetization(s) / s[0].size, beyond(s)


def ising_by_surrogate(hamiltonian, L, temperatures, n, seed, length=40, anneal=0):
    """`Curves` under exp(-H_theta / T), from the nearest-neighbour model whose coupling J is read at T0.

    temperatures: ascending [t]; ln Z needs T0 among them.
    n: configurations of the surrogate that the network evaluates at each temperature.
    length: of the long runs, in autocorrelation times.
    anneal: most steps in which the excess is switched on (`delayed_acceptance.anneal`), for networks too far from any
        surrogate to be reweighted to at once; as many as its variance asks for, none where that is below 0.4.

    Control variate: the excess H_theta - J E is fitted by a polynomial in E and m^2 on all configurations. Under J E +
    polynomial the averages follow from long runs that keep E and m only, 10^5 values at each T; the few configurations
    that the network has evaluated supply the rest, however good the fit. Errors: jackknife over configurations and over
    replicas of the long run, in quadrature, without the spread between networks. They are right for n = 1000; with 200
    they are too small by a tenth to a quarter at the ends of the temperatures, as rare configurations are missed.
    """
    temperatures, n_sites = np.asarray(temperatures, float), L * L
    at_T0 = mcmc.sample(chains.Ising(L, hamiltonian.T0), 100, np.random.default_rng([seed, 1])).configurations
    operators = {"nn": ising.nearest}
    (coupling,) = couplings.read_network(hamiltonian, at_T0, operators, ising.flip_one, moves=8, seed=seed).values
    coupling = coupling if np.isfinite(coupling) else 1.0  # nearly frozen spins show none; any will do, at some cost

    def beyond(s):
        return hamiltonian.energy(s) - coupling * ising.energy(s)

    runs, sets, targets = [], [], []
    for number, T in enumerate(temperatures):
        rng = np.random.default_rng([seed, 2, number])
        chain = chains.Ising(L, T, couplings={"nn": coupling})
        energy, magnetization = mcmc.record(chain, length, rng)
        runs.append((energy / coupling, magnetization / n_sites))
        s = mcmc.sample(chain, n, rng).configurations
        E, m, excess = _seen(s, beyond)
        steps = min(anneal, round(4 * np.var(excess / T)))
        reached, log_w = (E, m, excess), -excess / T
        if steps > 1:
            _, log_w = delayed_acceptance.anneal(s, T, rng, beyond, coupling, steps)
            reached = _seen(s, beyond)
        sets.append((E, m, excess))
        targets.append((*reached, log_w, steps > 1))
    E, m, excess = (np.concatenate(parts) for parts in zip(*sets, strict=True))
    model = _Excess(E / n_sites, m, excess)
    estimates, log_z = [], []
    for T, (E_run, m_run), (E, m, _), target in zip(temperatures, runs, sets, targets, strict=True):
        known_run, known = model(E_run / n_sites, m_run), model(E / n_sites, m)
        E0 = E_run.mean()  # E and H are taken relative to these: no digits are lost
        H0 = coupling * E0 + known_run.mean()

        def observables(E, beyond, m, E0=E0, H0=H0):
            return np.concatenate([(E - E0)[..., None], _moments(coupling * E + beyond - H0, m)], axis=-1)

        def phases(means, T=T, E0=E0):
            return _phases((means[0] + E0) / n_sites, means[1:], T, n_sites)

        # the long run, reweighted from J E to J E + polynomial; replicas are its independent blocks
        w = np.exp(-(known_run - known_run.mean()) / T)[..., None]
        columns = np.concatenate([w, w * observables(E_run, known_run, m_run)], axis=2).sum(axis=0)
        sums = block_sums(columns, 64)
        averages = sums.sum(axis=0)[1:] / sums.sum(axis=0)[0]
        _, run_error = jackknife(lambda total, phases=phases: phases(total[1:] / total[0]), sums)
        control = Control(averages, observables(E, known, m), -known / T)
        E, m, excess, log_w, annealed = target
        found = reweight(observables(E, excess, m), log_w, phases, control=control)
        if annealed:  # they may have moved far from the configurations of the control
            found = _better(found, reweight(observables(E, excess, m), log_w, phases))
        estimates.append(found._replace(error=np.hypot(found.error, run_error)))
        # ln Z_theta / Z_s in the same two steps
        ratio = log_mean_weight(log_w + known / T, weights=-known / T)
        log_z.append(ratio + np.log(w.mean()) - known_run.mean() / T)
    moments = np.array([(coupling * E.mean(), coupling**2 * E.var()) for E, _ in runs])
    log_z = np.array(log_z) + _integrate(temperatures, moments)
    # p_theta is normalised, so ln Z_theta(T0) = 0: that fixes the constant of the integration
    anchor = np.isclose(temperatures, hamiltonian.T0)
    log_z -= log_z[anchor][0] if anchor.any() else np.nan
    return Curves.of(ISING, temperatures, estimates, log_z)


def _integrate(temperatures, moments):
    """ln Z of the surrogate up to a constant [t]: integral of -<E> over beta, Hermite's rule with slopes Var E."""
    beta, E, variance = 1 / temperatures, moments[:, 0], moments[:, 1]
    h = np.diff(beta)
    steps = -h * (E[1:] + E[:-1]) / 2 + h**2 * (variance[:-1] - variance[1:]) / 12
    return np.concatenate([[0.0], np.cumsum(steps)])


def ising_from_T0(hamiltonian, temperatures, n, seed):
    """`Curves` by plain reweighting of n configurations drawn from the network itself, with weights p^(T0/T - 1)."""
    configurations = hamiltonian.model.sample(n, seed)[0].numpy().astype(np.int8)
    n_sites = configurations[0].size
    log_prob, E = hamiltonian.log_prob(configurations), ising.energy(configurations)
    H, m, E0 = -hamiltonian.T0 * log_prob, ising.magnetization(configurations) / n_sites, E.mean()
    observables = np.column_stack([E - E0, _moments(H - H.mean(), m)])
    estimates, log_z = [], []
    for T in temperatures:
        log_w = (hamiltonian.T0 / T - 1) * log_prob

        def phases(means, T=T):
            return _phases((means[0] + E0) / n_sites, means[1:], T, n_sites)

        estimates.append(reweight(observables, log_w, phases))
        log_z.append(log_mean_weight(log_w))
    return Curves.of(ISING, temperatures, estimates, log_z)


def ising_direct(L, temperatures, n_sweeps, seed):
    """The same `Curves` by direct Monte Carlo of the true Hamiltonian (ess 1, ln Z unknown)."""
    estimates = []
    for number, T in enumerate(temperatures):
        run = mcmc.measure(chains.Ising(L, T), n_sweeps, np.random.default_rng([seed, 3, number]))
        found = run.energy(), run.specific_heat(), run.moment("|m|"), run.susceptibility(), run.binder()
        estimates.append(Reweighted(*np.transpose(found), 1.0))
    return Curves.of(ISING, temperatures, estimates)


# ---------------------------------------------------------------- angles


def _adapted(energy, theta):
    """Couplings (dict name -> J) that fit energies [n] of angles [n, L, L] best, by least squares."""
    operators = xy.operators(theta)
    columns = np.concatenate([np.ones((len(theta), 1)), -operators], axis=1)
    solution = np.linalg.lstsq(columns, energy, rcond=None)[0]
    return dict(zip(xy.OPERATORS, solution[1:].tolist(), strict=True))


def xy_by_surrogate(hamiltonians, surrogate, L, T, n, n_sweeps, seed, pilot=200, blocks=50):
    """Mean over networks of each of XY under exp(-H_theta / T), as `Reweighted` with the mean effective sample size.

    surrogate: dict name -> J, read at T0. The couplings of several networks nearly coincide: one serves all.
    n: configurations that every network evaluates.
    n_sweeps: of the long run of the surrogate, the control variate.
    pilot: configurations at T on which the surrogate is adapted to the networks' mean energy first (0: it is not).

    Errors: jackknife of the mean, since the configurations are shared; the long run; the spread between networks.
    """
    rng = np.random.default_rng(seed)
    if pilot:
        theta = mcmc.sample(chains.XY(L, T, couplings=surrogate), pilot, rng).configurations
        surrogate = _adapted(np.mean([h.energy(theta) for h in hamiltonians], axis=0), theta)
    chain = chains.XY(L, T, couplings=surrogate)
    run = mcmc.measure(chain, n_sweeps, rng)
    theta = mcmc.sample(chain, n, rng).configurations
    observables = np.stack([xy.energy(theta), (xy.currents(theta) ** 2).sum(1), xy.vortex_density(theta)], axis=1)
    own = -xy.operators(theta, tuple(surrogate)) @ np.array(list(surrogate.values()))
    log_w = np.array([-(h.energy(theta) - own) / T for h in hamiltonians])
    control = Control(run.replica_means[:, [0, 2, 3]].mean(0), observables, np.zeros(n))

    def each_and_mean(means):
        each = np.array([[E / L**2, xy.helicity_modulus(E, I2, T, L * L), v] for E, I2, v in means])
        return np.append(each, [each.mean(0)], axis=0)

    found = reweight(observables, log_w, each_and_mean, control=control, blocks=min(blocks, n))
    long_run = np.array([run.energy()[1], run.helicity()[1], run.vortex_density()[1]])
    mean = over_networks(found.value[:-1], shared=np.hypot(found.error[-1], long_run))
    return Reweighted(*mean, float(np.mean(found.ess)))


def xy_direct(L, temperatures, n_sweeps, seed, surrogate=None):
    """`Curves` by direct Monte Carlo of the true Hamiltonian, or of a surrogate (dict name -> J)."""
    estimates = []
    for number, T in enumerate(temperatures):
        run = mcmc.measure(chains.XY(L, T, couplings=surrogate), n_sweeps, np.random.default_rng([seed, 3, number]))
        found = run.energy(), run.helicity(), run.vortex_density()
        estimates.append(Reweighted(*np.transpose(found), 1.0))
    return Curves.of(XY, temperatures, estimates)
