r"""The scalar field in 1+1 dimensions: what a learned action says at another temperature, on other lattices, at its
transition.

The talk's law holds as for one particle (`two_temperatures.py`): with N_t fixed and D = beta / N_t,

    S = K / D + D V,    K = sum (d_t phi)^2 / 2,    V = sum [ (d_x phi)^2 / 2 + m^2 phi^2 / 2 + lambda phi^4 / 4 ],

so two actions give a third, S_3 = c_1 S_1 + c_2 S_2. It is evaluated, not sampled: fields are drawn from the action
that is read from it (`field_action.py`), and reweighted.

A read action has the form of `phi_four.py` again, in a field of other units: with couplings g of NAMES and phi = u
phi', u^2 = 1 / sqrt(g_t g_x),

    D = sqrt(g_x / g_t),    m^2 = u^2 g_2 / D,    lambda = u^4 g_4 / D.

So what samples the true field samples the read one, on any lattice.

Averages: <phi^2>; the energy per site in space,

    E = 1 / 2 D  -  <(d_t phi)^2> / 2 D^2  +  <(d_x phi)^2 / 2 + m^2 phi^2 / 2 + lambda phi^4 / 4>,

which is -(1 / N_x N_t) d ln Z / d D with the measure d phi / sqrt(2 pi D) of a path integral; and the effective mass,
from the decay of the field summed over space between two separations in time: the gap only if beta is long.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import brentq

from lib import parallel
from lib.analysis import action as action_analysis
from lib.analysis import curve_features, field_action, two_temperatures
from lib.analysis.divergence import kl_divergence
from lib.analysis.reweighting import effective_sample_size, log_mean_weight, reweight
from lib.models.learned import LearnedHamiltonian
from lib.samplers import mcmc
from lib.samplers.scalar_field import Fields
from lib.statistics import Estimate, mean, or_nan, over_networks
from lib.studies.task import Learned
from lib.systems import phi_four
from lib.systems.phi_four import PhiFour

GAP_LAGS = (2, 6), (1, 3)  # separations in time, at rest and with momentum
EVERY = field_action.NAMES + field_action.FORBIDDEN


# ---------------------------------------------------------------- one network


class Judged(NamedTuple):
    """What one network says.

    log_z, ess: of its draws with weights exp(-S) / q; ln Z is that of the true action.
    excess, of_images: -S - ln q of fields of the true distribution, [n], and of n / 5 of them with q averaged over
        `images`.
    read, read_all [4]: couplings of NAMES by least squares of S_theta on the same fields, the typical ones, and on all.
    alarms, alarms_all [8]: the same of EVERY together.
    unexplained: part of the variance of S_theta on the typical ones that NAMES do not explain.
    bound [4], bound_every [8]: Cramer-Rao, of NAMES and of EVERY.
    schwinger_dyson: `Estimate` [N_t N_x + 1] of <phi_i dS_theta / dphi_i> at every site, the last one: their mean.
    identities: `Estimate` [3] of three averages that vanish for the true action: <phi_j dS_theta / dphi_i> with j the
        neighbour of i in time, and in space, and <phi_i^3 dS_theta / dphi_i - 3 phi_i^2>.
    scored, scored_every, pseudo: couplings by score matching, of NAMES [4] and of EVERY [8], and by pseudolikelihood of
        NAMES on its training data, `Estimate`; None where they were not asked for.
    """

    learned: Learned
    log_z: Estimate
    ess: float
    excess: np.ndarray
    of_images: np.ndarray
    read: np.ndarray
    read_all: np.ndarray
    alarms: np.ndarray
    alarms_all: np.ndarray
    unexplained: float
    bound: np.ndarray
    bound_every: np.ndarray
    schwinger_dyson: Estimate
    identities: Estimate
    scored: Estimate | None = None
    scored_every: Estimate | None = None
    pseudo: Estimate | None = None

    @property
    def field(self):
        return self.learned.task.source.field

    def kl(self, log_z):
        """KL(data || network) given ln Z, as `Estimate`."""
        return kl_divergence(self.excess - log_z, np.zeros(len(self.excess)))

    def kl_of_images(self, log_z):
        """The same of the mean over images."""
        return kl_divergence(self.of_images - log_z, np.zeros(len(self.of_images)))


def images(n_t, n_x):
    """Symmetries of the action, functions of fields [n, N_t, N_x]: half translations and reflections, a group of 16."""
    moves = [(t, x) for t in (0, n_t // 2) for x in (0, n_x // 2)]
    flips = ((), (1,), (2,), (1, 2))

    def image(move, flip):
        def apply(phi):
            return torch.as_tensor(phi).flip(flip).roll(move, (1, 2))

        return apply

    return [image(move, flip) for move in moves for flip in flips]


def judge(learned, n=5000):
    """`Judged` of a trained network, on n fields of the true distribution, not trained on, and n / 2 of its own."""
    task = learned.task
    field = task.source.field
    draws, log_q = learned.model.sample(n // 2, task.seed)
    draws = draws.double().numpy()
    log_w = -phi_four.action(draws, field) - log_q.double().numpy()
    ess = effective_sample_size(log_w)

    phi = task.source.configurations(n, task.data, "test")
    exact, few = phi.astype(float), phi[: n // 5]
    S, S_theta = phi_four.action(exact, field), learned.hamiltonian.action(phi)
    symmetric = LearnedHamiltonian(learned.model, 1.0, images(field.n_t, field.n_x))
    slope = learned.hamiltonian.gradient(phi)
    vanish = [(np.roll(exact, 1, axis) * slope).mean((1, 2)) for axis in (1, 2)]
    vanish.append((exact**3 * slope - 3 * exact**2).mean((1, 2)))
    read, chosen = field_action.read(S_theta, exact), field_action.typical(exact)
    left = (S_theta - field_action.operators(exact) @ read)[chosen]

    return Judged(
        learned=learned,
        log_z=Estimate(log_mean_weight(log_w), float(np.sqrt(max(1 / ess - 1, 0) / len(draws)))),
        ess=ess,
        excess=S_theta - S,
        of_images=symmetric.action(few) - S[: len(few)],
        read=read,
        read_all=field_action.read(S_theta, exact, keep=1.0),
        alarms=field_action.read(S_theta, exact, EVERY),
        alarms_all=field_action.read(S_theta, exact, EVERY, keep=1.0),
        unexplained=float(left.var() / S_theta[chosen].var()),
        bound=field_action.smallest_error(exact, task.n_train),
        bound_every=field_action.smallest_error(exact, task.n_train, EVERY),
        schwinger_dyson=action_analysis.schwinger_dyson(phi.reshape(n, -1), slope.reshape(n, -1)),
        identities=mean(np.stack(vanish, 1)),
    )


def judge_beside(learned):
    """The same with what is possible without a network, from the network's training data."""
    task = learned.task
    phi = task.source.configurations(task.n_train, task.data, "train").astype(float)
    return judge(learned)._replace(
        scored=field_action.score_matching(phi),
        scored_every=field_action.score_matching(phi, EVERY),
        pseudo=field_action.pseudolikelihood(phi),
    )


def couplings(group, every=False):
    """Those of NAMES over several `Judged`, an `Estimate` [4]; every: of EVERY, read together, [8].

    Networks may agree by chance: no error is smaller than Cramer-Rao allows. Networks of one kind share what is wrong
    with their tails: the change from typical fields to all of them is an error in common.
    """
    names = ("alarms", "alarms_all", "bound_every") if every else ("read", "read_all", "bound")
    values, everywhere, bounds = (np.array([getattr(one, name) for one in group]) for name in names)
    return over_networks(values, bounds, shared=np.abs(values.mean(0) - everywhere.mean(0)))


# ---------------------------------------------------------------- ln Z without a network


def log_partition_function(field, seed, nodes=12, n=4000, mass2=0.5):
    """ln Z, an `Estimate`, by thermodynamic integration from the free field with m^2 = mass2.

    Along s = 0 ... 1 both m^2 and lambda are interpolated linearly, and d ln Z / ds = -<dS / ds>; Gauss-Legendre nodes,
    n independent fields at each.
    """
    start = field._replace(mass2=mass2, coupling=0.0)
    s, weights = np.polynomial.legendre.leggauss(nodes)
    s, weights = (s + 1) / 2, weights / 2
    found = parallel.starmap(_slope, [(start, field, at, n, [seed, k]) for k, at in enumerate(s)])
    values, errors = np.transpose(found)
    return Estimate(
        phi_four.free(start).log_z - float(weights @ values), float(np.sqrt((weights**2 * errors**2).sum()))
    )


def _slope(start, end, s, n, seed):
    """<dS / ds> at s."""
    between = start._replace(mass2=(1 - s) * start.mass2 + s * end.mass2, coupling=s * end.coupling)
    phi = mcmc.sample(Fields(between), n, np.random.default_rng(seed)).configurations
    return mean(phi_four.action(phi, end) - phi_four.action(phi, start))


# ---------------------------------------------------------------- averages


class Averages(NamedTuple):
    """<phi^2>, E per site in space, the effective mass, and C(t) at t = 0 ... N_t / 2."""

    square: float
    energy: float
    mass: float
    correlator: np.ndarray

    @classmethod
    def of(cls, values, errors):
        """Of `Estimate`s, from what `summary` makes of averages, and its errors."""
        each = [Estimate(float(values[k]), float(errors[k])) for k in range(3)]
        return cls(*each, Estimate(values[3:], errors[3:]))


def observe(phi, field):
    """phi^2, E and C(t) of every field [n, N_t, N_x]: [n, 3 + N_t // 2]. field: whose energy is meant."""
    D, n_t = field.spacing, phi.shape[1]
    in_time, in_space = (((np.roll(phi, 1, axis) - phi) ** 2).mean((1, 2)) / 2 for axis in (1, 2))
    square, fourth = (phi**2).mean((1, 2)), (phi**4).mean((1, 2))
    energy = 1 / (2 * D) - in_time / D**2 + in_space + field.mass2 * square / 2 + field.coupling * fourth / 4
    return np.stack([square, energy, *correlator(phi.mean(2), range(n_t // 2 + 1))], 1)


def lags(field):
    """Two separations in time, in sites, from whose correlators the effective mass is read: N_t / 4 and N_t / 2, at
    most 4 and 8 in imaginary time."""
    return tuple(min(field.n_t // part, round(most / field.spacing)) for part, most in ((4, 4), (2, 8)))


def correlator(series, separations):
    """Mean over t of a(t) a(t + s) of periodic series [n, N_t], for every s: [s, n]."""
    return np.array([(series * np.roll(series, s, 1)).mean(1) for s in separations])


def effective_mass(ratio, separations, spacing, n_t):
    """m from C(t_0) / C(t_1) of a periodic correlator C ~ cosh[m D (N_t / 2 - t)]; nan where no m > 0 fits."""
    far, near = ((n_t / 2 - t) * spacing for t in separations)

    def excess(m):
        return np.logaddexp(m * far, -m * far) - np.logaddexp(m * near, -m * near) - np.log(ratio)

    if not (ratio > 1 and excess(100 / spacing) > 0):
        return np.nan
    return float(brentq(excess, 1e-9, 100 / spacing, xtol=1e-12))


def summary(field):
    """The function from averages of `observe` to an array: <phi^2>, E, the effective mass, C(t)."""
    separations = lags(field)

    def of(means):
        near, far = (means[2 + t] for t in separations)
        return np.array([*means[:2], effective_mass(near / far, separations, field.spacing, field.n_t), *means[2:]])

    return of


# ---------------------------------------------------------------- fields of a read action


def as_field(couplings, n_x, n_t):
    """The `PhiFour` of couplings [4] of NAMES, and the unit u in which its field is measured."""
    time, space, square, fourth = couplings
    D, unit2 = np.sqrt(space / time), 1 / np.sqrt(time * space)
    return PhiFour(n_x, n_t, float(D), float(unit2 * square / D), float(unit2**2 * fourth / D)), float(np.sqrt(unit2))


def draw(couplings, n_x, n_t, n, seed):
    """n independent fields [n, N_t, N_x] of the action with couplings [4] of NAMES."""
    field, unit = as_field(couplings, n_x, n_t)
    return unit * mcmc.sample(Fields(field), n, np.random.default_rng(seed)).configurations


def around_mean(couplings, n_x, n_t, n, seed):
    """n fields of the mean of couplings [m, 4], and ln w [m, n] to each of the m actions."""
    centre = couplings.mean(0)
    phi = draw(centre, n_x, n_t, n, seed)
    return phi, -(couplings - centre) @ field_action.operators(phi).T


def direct(field, n, seed):
    """`Averages` of `Estimate`s from n independent fields of the true action."""
    phi = draw(field_action.true_couplings(field), field.n_x, field.n_t, n, seed)
    found = reweight(observe(phi, field), np.zeros(n), summary(field))
    return Averages.of(found.value, found.error)


def at_spacing(couplings, spacing_1, spacing_3):
    """Couplings [m, 4] at D_3 from those read at D_1: the one of K by D_1 / D_3, the others by D_3 / D_1."""
    ratio = spacing_3 / spacing_1
    return np.asarray(couplings) * np.array([1 / ratio, ratio, ratio, ratio])


class Predicted(NamedTuple):
    """Averages over m networks.

    averages: `Averages` of `Estimate`s. over_true: the same divided by those of the true action on the same fields, so
    that what both share of the noise cancels. ess: effective sample sizes / n of the weights of the networks [m], and
    of the true action.
    """

    averages: Averages
    over_true: Averages
    ess: np.ndarray
    ess_true: float


def _reweighted(phi, field, log_w, log_w_true):
    """`Predicted` from fields phi: log_w [m, n] to the actions of the networks, log_w_true [n] to the true one."""
    of, m = summary(field), len(log_w)

    def each_and_ratios(means):
        values = np.array([of(row) for row in means])
        return np.concatenate([values[:m], values[:m] / values[m]])

    found = reweight(observe(phi, field), np.vstack([log_w, log_w_true]), each_and_ratios)
    both = [over_networks(found.value[k], found.error[k], shared=True) for k in (slice(m), slice(m, None))]
    return Predicted(*(Averages.of(*each) for each in both), found.ess[:m], float(found.ess[m]))


def by_reading(couplings, field, n, seed):
    """`Predicted` of the actions with couplings [m, 4] of NAMES, on the lattice of `field`, the true action.

    n fields of their mean, reweighted to each.
    """
    couplings = np.atleast_2d(couplings)
    phi, log_w = around_mean(couplings, field.n_x, field.n_t, n, seed)
    log_w_true = (couplings.mean(0) - field_action.true_couplings(field)) @ field_action.operators(phi).T
    return _reweighted(phi, field, log_w, log_w_true)


def by_law(pairs, field, n, seed):
    """`Predicted` of S_3 = c_1 S_1 + c_2 S_2 at the spacing of `field`, the true action. pairs: two `Judged` each.

    n fields of the action that is read from S_3, reweighted to it.
    """
    c = two_temperatures.unchecked(*(one.field.spacing for one in pairs[0]), field.spacing)
    read = np.mean([c[0] * one.read + c[1] * two.read for one, two in pairs], axis=0)
    phi = draw(read, field.n_x, field.n_t, n, seed)
    drawn_from = field_action.operators(phi) @ read
    log_w = np.array([drawn_from - S for S in _laws(pairs, c, phi)])
    return _reweighted(phi, field, log_w, drawn_from - phi_four.action(phi, field))


def _laws(pairs, c, phi):
    """S_3 [n] of every pair."""
    return [sum(k * one.learned.hamiltonian.action(phi) for k, one in zip(c, pair, strict=True)) for pair in pairs]


def law_errors(pairs, field, n, seed):
    """Of every pair, on n fields of the true action at the spacing of `field`: the rms error of S_3 and that of S_1 and
    S_2, [m, 2]."""
    phi = draw(field_action.true_couplings(field), field.n_x, field.n_t, n, seed)
    found = []
    for pair in pairs:
        c = two_temperatures.unchecked(*(one.field.spacing for one in pair), field.spacing)
        errors = [one.learned.hamiltonian.action(phi) - phi_four.action(phi, one.field) for one in pair]
        of_law = c[0] * errors[0] + c[1] * errors[1]
        found.append([of_law.std(), np.sqrt(np.mean([each.var() for each in errors]))])
    return np.array(found)


# ---------------------------------------------------------------- the transition


QUANTITIES = ("U4", "xi / L in time", "xi / L in space", "chi")


class Sampled(NamedTuple):
    """Fields of an action on an L x L lattice, as what is needed of them.

    operators [n, 4]: of NAMES. moments [n, 4]: M^2, M^4 of M = mean of phi, and |phi(k)|^2 at the smallest momentum in
    time and in space.
    """

    side: int
    operators: np.ndarray
    moments: np.ndarray


def sampled(couplings, side, n, seed):
    """`Sampled` of n independent fields of the action with couplings [4]."""
    phi = draw(couplings, side, side, n, seed)
    M = phi.mean((1, 2))
    waves = [np.abs(np.fft.fft(phi.mean(other), axis=1)[:, 1] / side) ** 2 for other in (2, 1)]
    return Sampled(side, field_action.operators(phi), np.stack([M**2, M**4, *waves], 1))


def finite_size(means, side):
    """QUANTITIES from averages of `Sampled.moments`; xi is the second-moment correlation length."""
    M2, M4, *waves = means
    xi = [np.sqrt(max(M2 / wave - 1, 0)) / (2 * np.sin(np.pi / side)) / side for wave in waves]
    return np.array([1 - M4 / (3 * M2**2), *xi, side**2 * M2])


class Scan(NamedTuple):
    """QUANTITIES at values of m^2 on lattices of several sizes.

    masses [t]. found: dict side -> list of `Reweighted` [t] of values [m, 4], for m actions on the same fields.
    """

    masses: np.ndarray
    found: dict

    def of(self, actions):
        """The `Scan` of some of the actions, a slice."""

        def part(at):
            return at._replace(value=at.value[actions], error=at.error[actions])

        return Scan(self.masses, {side: [part(at) for at in every] for side, every in self.found.items()})

    def curve(self, side, which):
        """`Estimate` [t] of one of QUANTITIES, over the m actions."""
        k = QUANTITIES.index(which)
        each = [over_networks(at.value[:, k], at.error[:, k], shared=True) for at in self.found[side]]
        return Estimate(*np.transpose(each))

    def crossing(self, small, large):
        """m^2 where the Binder cumulants of two sizes cross, over the m actions; nan where they do not."""
        errors = np.hypot(*([at.error[0, 0] for at in self.found[side]] for side in (small, large)))
        each = []
        for action in range(len(self.found[small][0].value)):
            U = [[at.value[action, 0] for at in self.found[side]] for side in (small, large)]
            each.append(or_nan(curve_features.crossing, self.masses, *U, errors))
        return over_networks(*np.transpose(each), shared=True)


def scan(couplings, field, masses, sizes, seed):
    """`Scan` of actions with couplings [m, 4] that were read at `field`, with another m^2 = masses [t].

    m^2 is the coefficient of D sum phi^2 / 2 and shifts that coupling. sizes: dict side -> independent fields at each
    m^2, of the mean couplings, reweighted to each.
    """
    couplings = np.atleast_2d(couplings)
    centre = couplings.mean(0)
    shifts = (np.asarray(masses) - field.mass2)[:, None] * field.spacing * np.array([0, 0, 1, 0])
    jobs = [(centre + shift, side, n, [seed, side, k]) for side, n in sizes.items() for k, shift in enumerate(shifts)]
    jobs.sort(key=lambda job: -job[1])
    every = parallel.starmap(sampled, jobs)
    found = {side: [] for side in sizes}
    for at in every:
        log_w = -at.operators @ (couplings - centre).T

        def each(means, side=at.side):
            return np.array([finite_size(of_action, side) for of_action in means])

        found[at.side].append(reweight(at.moments, log_w.T, each))
    return Scan(np.asarray(masses), found)


class Gaps(NamedTuple):
    """The lowest levels that are odd under phi -> -phi, above the ground state: at rest, with the smallest momentum
    2 pi / N_x, and the ratio of the two."""

    at_rest: float
    moving: float
    ratio: float


def gaps(couplings, field, n, seed):
    """`Gaps` of `Estimate`s from actions with couplings [m, 4], on the lattice of `field`; as `by_reading`.

    From the decay of the Fourier modes of phi between GAP_LAGS: on a lattice long in time.
    """
    couplings = np.atleast_2d(couplings)
    phi, log_w = around_mean(couplings, field.n_x, field.n_t, n, seed)
    wave = np.fft.fft(phi, axis=2)[:, :, 1]
    at_rest = correlator(phi.mean(2), GAP_LAGS[0])
    moving = correlator(wave.real, GAP_LAGS[1]) + correlator(wave.imag, GAP_LAGS[1])

    def of(means):
        ratios = means[0] / means[1], means[2] / means[3]
        both = [effective_mass(r, t, field.spacing, field.n_t) for r, t in zip(ratios, GAP_LAGS, strict=True)]
        return np.array([*both, both[1] / both[0]])

    found = [reweight(np.stack([*at_rest, *moving], 1), each, of) for each in log_w]
    value, error = over_networks([each.value for each in found], [each.error for each in found], shared=True)
    return Gaps(*(Estimate(*each) for each in zip(value.tolist(), error.tolist(), strict=True)))
