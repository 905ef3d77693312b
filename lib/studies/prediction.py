r"""The action at a third temperature from networks trained at two, and averages under it.

The law is in `two_temperatures.py`. exp(-S_3) can be evaluated, not sampled site by site. Each network is read
(`action.read_values`) on paths of its own beta; the readable couplings obey the same law, and the readable action they
make is sampled by cluster Monte Carlo and solved exactly by transfer matrix. Its paths, reweighted, give averages under
the networks' own S_3 (`reweighting.py`), and its exact averages serve as a control variate.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from lib import parallel
from lib.analysis import action, two_temperatures
from lib.analysis.reweighting import Control, effective_sample_size, log_mean_weight, reweight
from lib.samplers import chains, mcmc
from lib.statistics import over_networks, student
from lib.systems import double_well
from lib.systems.double_well import Couplings, TransferMatrix

OBSERVABLES = ("<x^2>", "<S>", "kinks", "gap")


class Pair:
    """Networks of two beta, lists of `reading.ReadAction`: the k-th ones belong together, the rest is left out."""

    def __init__(self, first, second):
        self.first, self.second = zip(*zip(first, second, strict=False), strict=True)

    @property
    def betas(self):
        return self.first[0].task.source.beta, self.second[0].task.source.beta

    @property
    def n_sites(self):
        return self.first[0].task.source.n_sites

    def actions(self, paths):
        """S_1 and S_2 of paths [n, N] by every network: two arrays [m, n]."""
        return tuple(np.array([one.action.action(paths) for one in group]) for group in (self.first, self.second))

    def couplings(self, beta_3, which="readable"):
        """`Couplings` of the predicted action, one for each pair of networks. which: of `ReadAction.couplings`."""
        read = [[one.couplings(which) for one in group] for group in (self.first, self.second)]
        return [two_temperatures.combined(one, two, *self.betas, beta_3) for one, two in zip(*read, strict=True)]

    def surrogate(self, beta_3):
        """The readable action: the mean of `couplings`."""
        return Couplings(*(float(value) for value in np.mean(self.couplings(beta_3), axis=0)))


class Agreement(NamedTuple):
    """S_3, K / beta_3 and beta_3 V of m pairs of networks against the exact ones, on paths of beta_3.

    slope, slope_error, rmse [m, 3]: for these three, constants removed.
    single_rmse [m, 2]: of S_1 and S_2 themselves, on the same paths.
    predicted, exact [n]: the mean S_3, and S.
    """

    slope: np.ndarray
    slope_error: np.ndarray
    rmse: np.ndarray
    single_rmse: np.ndarray
    predicted: np.ndarray
    exact: np.ndarray

    def growth(self):
        """The residual of S_3 over the root mean square of those of S_1 and S_2, on the same paths: `Estimate`."""
        return over_networks(self.rmse[:, 0] / np.sqrt((self.single_rmse**2).mean(axis=1)))

    def difference(self):
        """The mean S_3 minus S, with median zero: the constant of a prediction is not known. [n]"""
        difference = self.predicted - self.exact
        return difference - np.median(difference)


def agreement(pair, beta_3, paths):
    """`Agreement` of the prediction of a `Pair` on paths [n, N] of beta_3."""
    c_1, c_2 = two_temperatures.coefficients(*pair.betas, beta_3)
    true_1, true_2, exact = (
        double_well.action(paths, double_well.couplings(beta, pair.n_sites)) for beta in (*pair.betas, beta_3)
    )
    K, V = double_well.parts(paths)
    S_1, S_2 = pair.actions(paths)
    S_3 = c_1 * S_1 + c_2 * S_2
    K_theta, V_theta = two_temperatures.separate(S_1, S_2, *pair.betas)
    quantities = (S_3, exact), (K_theta / beta_3, K / beta_3), (beta_3 * V_theta, beta_3 * V)
    lines = [[action.against_exact(each, true) for each in found] for found, true in quantities]
    return Agreement(
        slope=np.stack([[line.slope for line in group] for group in lines], axis=1),
        slope_error=np.stack([[line.slope_error for line in group] for group in lines], axis=1),
        rmse=np.stack([(found - true).std(axis=1) for found, true in quantities], axis=1),
        single_rmse=np.stack([(S - true).std(axis=1) for S, true in ((S_1, true_1), (S_2, true_2))], axis=1),
        predicted=S_3.mean(0),
        exact=exact,
    )


def lags(beta, n_sites):
    """Two separations, in sites, from whose correlators the gap is read: about 3 and 13 in imaginary time.

    At 3 all but the lowest state has decayed (the next one lies 2.5 higher). At most N / 2.
    """
    first = max(1, min(round(3 * n_sites / beta), n_sites // 4))
    return first, min(first + max(1, round(10 * n_sites / beta)), n_sites // 2)


def gap_from_correlator(ratio, beta, n_sites):
    """The gap m from C(t_0) / C(t_1) of a periodic correlator C ~ cosh[m (N/2 - t) a], t_0 and t_1 of `lags`.

    NaN where no m > 0 fits.
    """
    a = beta / n_sites
    far, near = ((n_sites / 2 - t) * a for t in lags(beta, n_sites))

    def excess(m):
        log_cosh = [m * tau + np.log1p(np.exp(-2 * m * tau)) for tau in (far, near)]
        return log_cosh[0] - log_cosh[1] - np.log(ratio)

    if not (ratio > 1 and excess(100 / a) > 0):
        return np.nan
    return float(brentq(excess, 1e-9, 100 / a, xtol=1e-12))


def solve(couplings, beta_3, n_sites, with_distributions=False):
    """<x^2>, <S>, kinks and gap under an action of this form, exact [4], or longer; S the true action at beta_3.

    Kinks: changes of sign. The gap comes from the correlator, like that of samples.
    """
    matrix = TransferMatrix(couplings, n_sites)
    averages = _summary(_exact_averages(matrix, beta_3, n_sites), beta_3, n_sites)
    return np.concatenate([averages, distributions(matrix)]) if with_distributions else averages


def _exact_averages(matrix, beta_3, n_sites):
    """<x^2>, <S>, kinks, C(t_0), C(t_1)."""
    K, V = matrix.mean_parts()
    correlator = matrix.correlator()[list(lags(beta_3, n_sites))]
    return np.array([matrix.x2, K / beta_3 + beta_3 * V, matrix.mean_kinks(), *correlator])


def _measured(paths, beta_3):
    """The same of every path, [n, 5]."""
    n_sites = paths.shape[1]
    S = double_well.action(paths, double_well.couplings(beta_3, n_sites))
    correlators = [(paths * np.roll(paths, t, 1)).mean(1) for t in lags(beta_3, n_sites)]
    return np.stack([(paths**2).mean(1), S, double_well.kinks(paths), *correlators], axis=1)


def _summary(averages, beta_3, n_sites):
    """The five averages, and whatever follows them, with the two correlators turned into the gap."""
    gap = gap_from_correlator(averages[3] / averages[4], beta_3, n_sites)
    return np.concatenate([averages[:3], [gap], averages[5:]])


KINKS = np.arange(0, 20, 2)
EDGES = np.linspace(-2.6, 2.6, 53)


def distributions(matrix):
    """Probabilities of the numbers KINKS of kinks, and of x between EDGES, under a solved action."""
    probability = action.density_in_bins(matrix, EDGES) * np.diff(EDGES)
    return np.concatenate([matrix.kink_distribution()[: len(KINKS)], probability])


def probability_of_kinks(averages):
    """The probabilities of KINKS among averages with distributions."""
    return averages[len(OBSERVABLES) : len(OBSERVABLES) + len(KINKS)]


def density(averages):
    """The density of x between EDGES among averages with distributions."""
    return averages[len(OBSERVABLES) + len(KINKS) :] / np.diff(EDGES)


def _distributions_measured(paths):
    """The same of every path, [n, kinks and intervals]."""
    number = double_well.kinks(paths)[:, None] == KINKS
    interval = np.digitize(paths, EDGES)
    counts = np.zeros((len(paths), len(EDGES) + 1))
    np.add.at(counts, (np.arange(len(paths))[:, None], interval), 1 / paths.shape[1])
    return np.concatenate([number, counts[:, 1:-1]], axis=1)


class PredictedAverages(NamedTuple):
    """Averages under the S_3 of m pairs of networks, over the same paths of the surrogate.

    values, errors [m, 4]: of OBSERVABLES, or longer (with distributions); errors are those of the paths.
    log_z, log_z_error [m]: ln of the integral of exp(-S_3), normalised actions S_1 and S_2: ln Z_3 - c_1 ln Z_1 - c_2
        ln Z_2.
    shared, log_z_shared: what networks that err independently share nevertheless, see `predicted_averages`.
    """

    values: np.ndarray
    errors: np.ndarray
    ess: np.ndarray
    log_z: np.ndarray
    log_z_error: np.ndarray
    shared: np.ndarray
    log_z_shared: float

    def mean(self):
        """Means over the networks with the errors of paths, networks, and what these share, as `Estimate` [4]."""
        return over_networks(self.values, shared=np.hypot(self.errors.mean(axis=0), self.shared))

    def mean_log_z(self):
        """The same for ln Z."""
        return over_networks(self.log_z, shared=np.hypot(self.log_z_error.mean(), self.log_z_shared))


class ReadableSurrogate:
    """n paths of the readable action of a pair, and averages under any action S [n] on them by reweighting."""

    def __init__(self, pair, beta_3, n, seed, with_distributions):
        self.beta_3, self.n_sites = beta_3, pair.n_sites
        couplings = pair.surrogate(beta_3)
        matrix = TransferMatrix(couplings, self.n_sites)
        self.log_z = matrix.log_z
        chain = chains.DoubleWell(couplings, self.n_sites)
        self.paths = mcmc.sample(chain, n, np.random.default_rng([seed, 3])).configurations
        self.action = double_well.action(self.paths, couplings)
        self.observables = _measured(self.paths, beta_3)
        self.exact = _exact_averages(matrix, beta_3, self.n_sites)
        if with_distributions:
            self.observables = np.concatenate([self.observables, _distributions_measured(self.paths)], axis=1)
            self.exact = np.concatenate([self.exact, distributions(matrix)])

    def summary(self, averages):
        """The averages with the two correlators turned into the gap."""
        return _summary(averages, self.beta_3, self.n_sites)

    def under(self, S):
        """ln of the weights [n], averages as `Reweighted`, and ln of the integral of exp(-S)."""
        log_w = self.action - S
        control = Control(self.exact, self.observables, np.zeros(len(S)))  # the surrogate itself, solved exactly
        estimate = reweight(self.observables, log_w, self.summary, control=control)
        return log_w, estimate, self.log_z + log_mean_weight(log_w)


def predicted_averages(pair, beta_3, n, seed, with_distributions=False):
    """`PredictedAverages` under the predicted S_3: n paths of the readable action, reweighted to the networks.

    Two things that independently trained networks share show in no spread and enter the error as `shared`. An average
    is no linear function of the actions, so errors of zero mean in p shift it in one direction, to second order: the
    density that is the mean over m networks has 1 / m of their variance, and m / (m - 1) times what it changes
    estimates the shift. And networks that were trained too briefly all err on the same side. The readable action hardly
    does (`action.read_values`): how far its average is from theirs is taken as an error.
    """
    surrogate = ReadableSurrogate(pair, beta_3, n, seed, with_distributions)
    c_1, c_2 = two_temperatures.unchecked(*pair.betas, beta_3)
    S_1, S_2 = pair.actions(surrogate.paths)
    m = len(S_1)
    log_w, found, log_z = zip(*[surrogate.under(S) for S in c_1 * S_1 + c_2 * S_2], strict=True)
    values, log_w, log_z = np.array([estimate.value for estimate in found]), np.array(log_w), np.array(log_z)
    mean_density = [np.log(m) - np.logaddexp.reduce(-S, axis=0) for S in (S_1, S_2)]
    _, of_mean, log_z_of_mean = surrogate.under(c_1 * mean_density[0] + c_2 * mean_density[1])
    shift = m / (m - 1) if m > 1 else 0.0
    of_readable = readable_log_z(pair, beta_3)
    off_readable = values.mean(axis=0) - surrogate.summary(surrogate.exact)
    relative = np.exp(log_w - log_w.max(1, keepdims=True))
    return PredictedAverages(
        values=values,
        errors=np.array([estimate.error for estimate in found]),
        ess=np.array([estimate.ess for estimate in found]),
        log_z=log_z,
        log_z_error=relative.std(axis=1) / relative.mean(axis=1) / np.sqrt(len(surrogate.paths)),
        shared=np.hypot(shift * (values.mean(axis=0) - of_mean.value), off_readable),
        log_z_shared=float(np.hypot(shift * (log_z.mean() - log_z_of_mean), log_z.mean() - of_readable.mean())),
    )


def averages_at(pair, betas, n, seed):
    return parallel.starmap(predicted_averages, [(pair, beta, n, seed) for beta in betas])


def readable_averages(pair, beta_3, which="readable"):
    """<x^2>, <S>, kinks and gap under the action read from every pair of networks, exact: values [m, 4].

    which: of `ReadAction.couplings`.
    """
    return np.array([solve(couplings, beta_3, pair.n_sites) for couplings in pair.couplings(beta_3, which)])


def averages_from_one(read, beta_3, which="readable"):
    """The same from every network of one temperature alone, `ReadAction` [m], its couplings rescaled to beta_3."""
    values = []
    for one in read:
        source = one.task.source
        couplings = two_temperatures.rescaled(one.couplings(which), source.beta, beta_3)
        values.append(solve(couplings, beta_3, source.n_sites))
    return np.array(values)


def exact_log_z(beta_1, beta_2, beta_3, n_sites):
    """ln Z_3 - c_1 ln Z_1 - c_2 ln Z_2 of the double well."""
    log_z = [TransferMatrix(double_well.couplings(b, n_sites), n_sites).log_z for b in (beta_3, beta_1, beta_2)]
    c = two_temperatures.coefficients(beta_1, beta_2, beta_3)
    return log_z[0] - c[0] * log_z[1] - c[1] * log_z[2]


def readable_log_z(pair, beta_3):
    """The same of the readable actions of every pair, [m]."""
    c = two_temperatures.unchecked(*pair.betas, beta_3)
    of_three = zip(pair.couplings(beta_3), pair.first, pair.second, strict=True)
    log_z = [[_log_z(three, pair), *(_log_z(one.couplings(), pair) for one in both)] for three, *both in of_three]
    return np.array(log_z) @ np.array([1.0, -c[0], -c[1]])


def _log_z(couplings, pair):
    return TransferMatrix(couplings, pair.n_sites).log_z


def direct_importance(pair, beta_3, n, seed):
    """Effective sample sizes / n of paths drawn from the first networks at beta_1, and at beta_2, reweighted to S_3."""
    c_1, c_2 = two_temperatures.coefficients(*pair.betas, beta_3)
    sizes = []
    both = pair.first[0].action, pair.second[0].action
    for learned in both:
        paths, log_prob = learned.sample(n, seed)
        S_1, S_2 = (S.action(paths) for S in both)
        sizes.append(effective_sample_size(-c_1 * S_1 - c_2 * S_2 - log_prob))
    return sizes


class Pulls(NamedTuple):
    """Predictions repeated n times over, against exact ones.

    readable [n]: (value - exact) / error of the readable action.
    p_value: two-sided, of their scatter, if the errors are right.
    covered, networks_covered: fraction within one error of the readable action, and of S_3.
    """

    readable: np.ndarray
    p_value: float
    covered: float
    networks_covered: float


def pulls(rows):
    """`Pulls` of one quantity; rows: of data/action_pairs.csv, as a structured array [n].

    With few pairs of networks the error is student(m) s / sqrt(m), so pull times student(m) has Student's t of m - 1
    degrees of freedom. Turned into normal variables, the sum of their squares has chi^2 of n.
    """
    m = int(rows["pairs"][0])
    readable, networks = ((rows[name] - rows["exact"]) / rows[f"{name}_error"] for name in ("readable", "networks"))
    normal = stats.norm.ppf(stats.t.cdf(readable * student(m), m - 1))
    below = stats.chi2.cdf((normal**2).sum(), len(rows))
    inside = [float((np.abs(each) < 1).mean()) for each in (readable, networks)]
    return Pulls(readable, float(2 * min(below, 1 - below)), *inside)
