"""What to distrust: the warnings of the honesty box, each with the condition under which it applies.

They are generators of `Warned` from the `Findings` f of `learn_file`: what no file can say, what is wrong with the
file, what is wrong with the learning.
"""

from typing import NamedTuple

import numpy as np

from lib.statistics import Estimate
from lib.studies.own.predictions import ESS_BAR
from lib.studies.own.summary import BROKEN

FEW = 1000  # effective configurations below which the data law of the Ising chapter is steep
CORRELATED = 1.0  # tau_int in configurations of the file; independent ones have 1/2
SHORT = 100  # autocorrelation times a file must be long for its own tau_int to be believed
RARE = 20  # changes of sign below which the weights of the two phases are not known
SATURATED = 0.9  # |m| per site
COPIES = 0.01  # part of the file
OVERFIT = 0.5  # nats between test and training NLL
SPREAD = 0.5  # nats between networks
FAR = 0.5  # nats between the networks and the file, by any diagnostic that needs no exact answer
IMPROVING = 0.1  # nats gained in the last tenth of the training
EXPLAINED = 0.95
FACTORS = (0.25, 0.5, 2.0)  # by which conventions of J differ
WIDE = 0.1  # by which Var(H) may differ from that of one temperature
NARROW = 0.05  # relative width of the window of temperatures on either side


class Warned(NamedTuple):
    """A warning that applies: its name, the number it rests on, and the sentence."""

    name: str
    value: float
    text: str


def _broken(f, *names):
    return [name for name in names if name in f.asymmetries and f.asymmetries[name].broken]


def _pull(a, b):
    error = np.hypot(a.error, b.error)
    return abs(a.value - b.value) / error if error > 0 and np.isfinite(a.value - b.value) else 0.0


def _is_near(number, factor):
    """Within two errors of the factor, and these within a twentieth of it: a wide error is near everything."""
    return abs(number.value - factor) < 2 * number.error < factor / 20


def _worst(pairs):
    """(name, pull) of the two numbers that differ most. pairs: name -> two `Estimate`."""
    pulls = {name: _pull(*pair) for name, pair in pairs.items()}
    worst = max(pulls, key=pulls.get, default=None)
    return worst, pulls.get(worst, 0.0)


def of_every_file(f):
    """What no such file can say."""
    # always: T0 and the couplings are in the data as a ratio only, and a factor of 2 between the conventions of two
    # programs looks like another coupling
    what = "the action / T0" if f.kind.is_action else "J / T0"
    name, number = next(iter(f.couplings.networks.items()))
    if f.couplings.nearest is not None:
        number = f.couplings.nearest
    ratio = number.value / f.T0
    known = f" ({name}: {ratio:.4g})" if np.isfinite([ratio, number.error]).all() else ""
    yield Warned(
        "scale",
        ratio,
        f"only {what} is in the file{known}; T0 = {f.T0:g} is your word, and every coupling and every "
        f"temperature on this page is proportional to it. Couplings are those of {f.kind.convention}; {f.kind.factors}",
    )
    # always: what is on this page for other temperatures assumes that H does not depend on T
    low, high = f.predictions.low, f.predictions.high
    yield Warned(
        "extrapolation",
        high - low,
        f"outside {low:.4g} < T < {high:.4g} nothing on this page should be believed, and inside it only if H itself "
        "does not change with temperature",
    )


def of_the_file(f):
    """What is wrong with the file."""
    missing = [name for name, number in f.couplings.networks.items() if not np.isfinite(number.value)]
    if missing:
        yield Warned(
            "not_identified",
            len(missing),
            f"{', '.join(missing)} cannot be told apart: the configurations hardly vary, and what the couplings would "
            "have to explain does not occur in them; a higher temperature is needed",
        )
    independent = f.summary.n_effective
    if independent < FEW:
        yield Warned(
            "few_samples",
            independent,
            f"{f.summary.n} configurations count as {independent:.0f} independent ones, fewer than {FEW}: "
            "networks this small still learn accidents of the file",
        )
    tau = f.summary.tau_int
    if tau > CORRELATED:
        yield Warned(
            "correlated",
            tau,
            f"neighbours in the file are correlated, tau_int = {tau:.1f} configurations (1/2 + sum of rho): "
            f"{2 * tau:.1f} of them say as much as one that is independent of the rest",
        )
    length = f.summary.n / f.summary.tau_int
    if length < SHORT:
        yield Warned(
            "short_file",
            length,
            f"the file is only {length:.0f} autocorrelation times long: tau_int itself, and with it every error on "
            "this page, is too small by an unknown factor; run longer",
        )
    if tau < 0.55:
        yield Warned(
            "order_unknown",
            tau,
            "no correlation along the file: the configurations are independent, or they were shuffled; a shuffled file "
            "of correlated ones looks the same, and its errors would be too small",
        )
    if f.summary.drift > BROKEN:
        yield Warned(
            "drift",
            f.summary.drift,
            f"the two halves of the file differ by {f.summary.drift:.1f} errors in energy or order: not in "
            "equilibrium: leave out the beginning; or the temperature changed: one file for each",
        )
    n, copies, expected = f.summary.n, f.summary.duplicates, f.expected_duplicates
    if copies > 1.5 * expected + COPIES * n:
        yield Warned(
            "duplicates",
            copies / n,
            f"{100 * copies / n:.0f} % of the configurations are copies of an earlier one "
            f"({f.summary.repeats} of the one just before); about {100 * expected / n:.0f} % would be by chance: "
            "saved too often, or the file repeats itself, and test and training may share configurations",
        )


def of_one_temperature(f):
    """Whether the file can be of one temperature."""
    found, zero = f.one_temperature, Estimate(0.0, 0.0)
    wide = found.width.value - 1
    halves = _pull(found.halves, zero)
    if (abs(wide) > WIDE and _pull(found.width, Estimate(1.0, 0.0)) > BROKEN) or halves > BROKEN:
        times = f"{found.width.value:.2f} +- {found.width.error:.1g}"
        text = f"the variance of the energy is {times} times that of the couplings that were read, sampled at T0"
        if wide > 0:
            text += f", as if T0 varied by {100 * found.spread:.0f} % or more"
        if np.isfinite(halves):
            more = f"{found.halves.value:.2g} +- {found.halves.error:.1g}"
            text += f"; the low-energy half has {more} more of the first coupling than such samples have"
        yield Warned(
            "several_temperatures",
            found.width.value,
            f"this does not look like one temperature: {text}. Several temperatures in one file, shuffled or not, or "
            "forces that these couplings do not have: no coupling on this page is that of the system",
        )
    elif (pull := _pull(found.order, zero)) > BROKEN:
        yield Warned(
            "order_differs",
            found.order.value,
            f"{f.kind.order_name} differs by {found.order.value:.2g} ({pull:.1f} errors) from samples of the couplings "
            "with the same energies: the order is held fixed, or these couplings do not tell",
        )
    if found.reason:
        yield Warned(
            "not_tested",
            0.0,
            f"whether the file is of one temperature was not tested: {found.reason}",
        )


def of_symmetries(f):
    """Symmetries of the file."""
    even = f.kind.name == "field"  # by construction: a network for fields learns both signs alike
    # every configuration on one side of a symmetry that the system may have
    if f.kind.name != "xy" and not even and f.summary.changes == 0 and _broken(f, "flip", "sign"):
        mean = f.summary.signed[0].value
        yield Warned(
            "one_phase",
            mean,
            f"one phase only: {f.kind.signed_names[0]} = {mean:.3g} and its sign never changes. The "
            "networks learned this phase, not the symmetric distribution: a field and a choice of phase cannot be told "
            "apart, ln Z is off by ln 2 or more, and averages that need both phases are wrong",
        )
    changes = f.summary.changes
    if f.kind.name != "xy" and 0 < changes < RARE:
        yield Warned(
            "rare_flips",
            changes,
            f"the sign of {f.kind.signed_names[0]} changes {changes} times along the file: the "
            "weights of the two phases are not known from it",
        )
    names = _broken(f, "flip", "sign", "sign, cubic")
    if even and names:
        each = f.asymmetries[names[0]]
        yield Warned(
            "odd",
            abs(each.value) / each.error,
            f"phi and -phi are not equally likely ({names[0]}: {each.value:.3g} +- {each.error:.1g}): the network for "
            "fields cannot express that, p(-phi) = p(phi) is built in. One phase of an even action is learned as if "
            "both were there; if the action has odd terms, do not trust this page",
        )
    if f.summary.changes > 0 and names and not even:
        each = f.asymmetries[names[0]]
        yield Warned(
            "field",
            abs(each.value) / each.error,
            f"the two signs are not equally likely ({each.value:.3g} +- {each.error:.1g}): a field, or too short a "
            "run; the flip was not imposed on the networks"
            + ("; the terms read for the action are even ones only" if f.kind.name == "path" else ""),
        )
    names = _broken(f, "rotation, cos", "rotation, sin", "reflection")
    if names:
        yield Warned(
            "direction",
            len(names),
            f"the file singles out a direction or a handedness ({', '.join(names)}): the network for angles cannot "
            "express that, its O(2) is built in. Do not trust this page",
        )
    if _broken(f, "boundary"):
        each = f.asymmetries["boundary"]
        yield Warned(
            "not_periodic",
            each.value,
            f"what lies across the boundary differs from the inside by {each.value:.3g} +- {each.error:.1g}: open "
            "boundaries, or a window of a larger system? Translations were not imposed, but the couplings are read "
            "as if every site were alike",
        )
    # the two couplings of a field are those of its axes
    names = _broken(f, *(("diagonals",) if f.kind.name == "field" else ("axes", "diagonals")))
    if _pull(f.one_temperature.axes, Estimate(0.0, 0.0)) > BROKEN:
        names = ["axes", *names]
    if names:
        yield Warned(
            "anisotropic",
            len(names),
            f"rows and columns, or the two diagonals, are not alike ({', '.join(names)}): each coupling on this page "
            "is an average over directions",
        )
    if _broken(f, "reversal"):
        each = f.asymmetries["reversal"]
        yield Warned(
            "irreversible",
            each.value,
            "configurations and reversed ones are not equally likely: "
            + ("no real nearest-neighbour action" if f.kind.is_action else "no coupling of pairs")
            + " does that",
        )
    order = f.summary.order.value
    if f.kind.name in ("ising", "chain") and order > SATURATED:
        yield Warned(
            "saturated",
            order,
            f"|m| = {order:.3f}: nearly every spin points the same way, only {50 * (1 - order):.1f} % are reversed, "
            "mostly alone. How reversed spins interact, and with it the energy of large reversed regions, is hardly "
            "in the file",
        )


def of_the_training(f):
    """What is wrong with the training."""
    gain = f.likelihood.gain
    if gain.value < 3 * gain.error:
        yield Warned(
            "nothing_learned",
            gain.value,
            f"it is not certain that the networks predict better than independent sites ({gain.value:.2g} +- "
            f"{gain.error:.1g} nats gained): so hot, or so cold, that nothing is to be seen, not trained, or few "
            "independent configurations",
        )
    gap = f.likelihood.gap
    if gap.value > max(OVERFIT, 3 * gap.error):
        yield Warned(
            "overfitted",
            gap.value,
            f"test configurations are {gap.value:.2g} nats less likely than training ones: the networks have learned "
            "the file by heart to that extent; more configurations, or fewer steps",
        )
    values = [each.value for each in f.likelihood.each]
    spread = max(values) - min(values)
    if spread > SPREAD:
        yield Warned(
            "networks_differ",
            spread,
            f"the networks differ by {spread:.2g} nats on the same test set: a training has not converged; more steps",
        )
    gained, most = f.training.improving, f.training.most
    if gained > IMPROVING:
        yield Warned(
            "still_improving",
            gained,
            f"the last tenth of a training still gained {gained:.2g} nats: more steps, --steps {2 * most}",
        )


def of_the_distribution(f):
    """What is wrong with the distribution learned, seen without an exact answer."""
    worst, pull = _worst({name: pair for name, pair in f.at_T0.items() if name != "field"})
    if pull > BROKEN:
        yield Warned(
            "samples_differ",
            pull,
            f"samples of the networks differ from the file at T0 itself, by {pull:.1f} errors in {worst}: "
            "what the networks cannot express, long-range couplings for example, or have not learned yet, has gone "
            "into the couplings they have",
        )
    name, far = f.blind.largest
    if far.value > max(FAR, 3 * far.error):
        yield Warned(
            "far_off",
            far.value,
            f"the networks are some {far.value:.2g} nats from the distribution of the file, by the diagnostic of "
            f"{name}: no exact answer is needed to see that; more steps, or another network",
        )


def of_the_couplings(f):
    """What is wrong with the couplings that were read."""
    found, classical, zero = f.couplings.networks, f.couplings.classical or {}, Estimate(0.0, 0.0)
    further = [name for name in found if name not in ("nn", "field") and not f.kind.is_action]
    worst, pull = _worst({name: (found[name], zero) for name in further})
    if pull > BROKEN:
        yield Warned(
            "beyond_neighbours",
            pull,
            f"there is more than nearest neighbours ({worst} = {found[worst].value:.3g}, {pull:.1f} "
            f"errors from zero): the context the network is given is exact for {f.kind.exact_for} only, and what "
            "reaches farther than it sees cannot be told apart from what it sees",
        )
    alarms = f.couplings.alarms
    worst, pull = _worst({name: (number, zero) for name, number in alarms.items()})
    if pull > BROKEN:
        yield Warned(
            "other_terms",
            pull,
            f"a term that is not among the couplings is at work ({worst} = {alarms[worst].value:.3g}, {pull:.1f} "
            "errors from zero, read together with all others): the couplings are those of the nearest action of this "
            "family",
        )
    explained = f.couplings.explained
    if explained < EXPLAINED:
        yield Warned(
            "unexplained",
            explained,
            f"the couplings explain {100 * explained:.0f} % of {f.kind.explained_part}: other "
            "terms are at work, and the couplings are those of the nearest model in this family",
        )
    nearest = f.couplings.nearest
    factor = next((x for x in FACTORS if nearest is not None and _is_near(nearest, x)), None)
    if factor is not None:
        yield Warned(
            "factor",
            factor,
            f"J is {factor:g} within its error: is it, or is it 1 in the convention of the program that made the file? "
            "1/4, 1/2 and 2 are what conventions differ by",
        )
    worst, pull = _worst({name: (found[name], classical[name]) for name in classical})
    if pull > BROKEN:
        yield Warned(
            "classical_differs",
            pull,
            f"{f.kind.classical_name}, from the same configurations, has another {worst}: "
            f"{classical[worst].value:.3g}, not {found[worst].value:.3g} ({pull:.1f} errors); "
            "it is the safer of the two",
        )
    tested = f.couplings.schwinger_dyson
    if tested is not None and (pull := abs(tested.value - 1) / tested.error) > BROKEN:
        yield Warned(
            "schwinger_dyson",
            tested.value,
            f"<x dS/dx> / T0 is {tested.value:.4g}, {pull:.1f} errors from 1: the force of the learned "
            "action is wrong on the observed configurations",
        )


def of_the_predictions(f):
    """What is wrong with other temperatures."""
    low, high = f.predictions.low, f.predictions.high
    width = min(1 - low / f.T0, high / f.T0 - 1)
    if width < NARROW:
        yield Warned(
            "narrow_window",
            width,
            f"other temperatures are within reach from {low:.4g} to {high:.4g} only, where effective "
            f"samples are {100 * ESS_BAR:.0f} % of all: the system is too large for plain reweighting to go farther",
        )


ALWAYS = ("scale", "extrapolation")
PARTS = (
    of_every_file,
    of_one_temperature,
    of_the_file,
    of_symmetries,
    of_the_training,
    of_the_distribution,
    of_the_couplings,
    of_the_predictions,
)


def box(f):
    """list of `Warned`: the warnings that apply to these `Findings`."""
    return [warned._replace(value=float(warned.value)) for part in PARTS for warned in part(f)]


def headline(warned):
    """One line: how many warnings beyond those that hold for every file."""
    n = sum(w.name not in ALWAYS for w in warned)
    if n == 0:
        return f"no warning beyond the {len(ALWAYS)} that hold for every file"
    return f"{n} warning{'s' if n > 1 else ''} beyond the {len(ALWAYS)} that hold for every file"
