r"""Is the file of one temperature? What the file holds against samples of the Hamiltonian that was read from it.

Configurations of several temperatures, shuffled or not, give couplings that look like those of one in between. But a
mixture is too wide. The Hamiltonian H = -sum_a J_a O_a that was read is sampled at T0 by Monte Carlo, and its
couplings are moved until the averages of all O_a are those of the file, as maximum likelihood would have it. Then
nothing is free:

    width   Var(H) of the file / Var(H) of these samples, 1 for one temperature. If it is T that varies, by sigma_T,
            then Var(H) - Var_0(H) = (sigma_T Var_0(H) / T0^2)^2
    order   the order parameter of the file less that of these samples
    axes    bonds along rows less bonds along columns, the same: of a rectangle they differ even where couplings do not
    halves  the first coupling, from the low-energy half of the file less from the high-energy half, less the same of
            these samples: choosing by energy changes couplings by itself, and by the same amount in both

To first order in what the couplings were moved by, the average of A - B . O, with B the regression of A on the
operators, does not notice that they were: the errors are those of plain averages.
"""

from typing import NamedTuple

import numpy as np

from lib.statistics import Estimate, integrated_time
from lib.studies.own.summary import over_file
from lib.studies.own.symmetries import allows, is_rectangle

PILOT, LONGEST = 20, 2**15  # tau_int of equilibration, and sweeps after which it is given up
STEPS = 4  # of moving the couplings
EFFECTIVE = 0.2  # of the samples, below which the couplings were moved too far


UNKNOWN = Estimate(float("nan"), float("nan"))


class OneTemperature(NamedTuple):
    """width, order, halves, axes: `Estimate` as above, nan where there is none; `halves` in units of the coupling.

    spread: sigma_T / T0 that would explain the width, nan where the width is 1 or less.
    reason: why there is no answer at all, empty if there is one.
    """

    width: Estimate
    order: Estimate
    halves: Estimate
    spread: float
    axes: Estimate = UNKNOWN
    reason: str = ""


def not_applicable(reason):
    """`OneTemperature` without an answer."""
    return OneTemperature(UNKNOWN, UNKNOWN, UNKNOWN, float("nan"), reason=reason)


def one_temperature(kind, c, T0, couplings, broken, n_samples, seed):
    """`OneTemperature` of configurations c [n, ...] of a `Kind`, in the order of the file.

    couplings: dict name -> value, the J that were read at T0. broken: names of symmetries that the file contradicts.
    """
    J = np.array(list(couplings.values()))
    if not np.isfinite(J).all():
        return not_applicable("the couplings are not known")
    if kind.has_phases and not allows(broken, "flip", "sign", "sign, cubic"):
        return not_applicable("the file has one sign only, or prefers it, which the couplings do not say why")
    rng = np.random.default_rng(seed)
    try:
        model, why = sampled(kind.chain(c.shape[1:], T0, couplings), n_samples, rng), ""
    except ValueError as error:
        model, why = None, f": {error}"
    if model is None:
        return not_applicable(f"the couplings that were read cannot be sampled{why}")
    sums, seen = (kind.operators(each)[:, : len(J)] for each in (model, c))
    weights = matched(sums, seen.mean(0))
    if weights is None:
        return not_applicable("no couplings of this family have the averages of the file")
    centre = seen.mean(0) @ J
    wide = compared((sums @ J - centre) ** 2, (seen @ J - centre) ** 2, sums, seen, weights)
    variance = weights @ (sums @ J - centre) ** 2
    order = compared(kind.order(model), kind.order(c), sums, seen, weights)
    width = Estimate(1 + wide.value / variance, wide.error / variance)
    spread = np.sqrt(wide.value) * T0 / variance if wide.value > 0 else float("nan")
    axes = UNKNOWN
    if not kind.is_action and is_rectangle(c):  # an action has a coupling along each
        across = kind.asymmetries["axes"]
        axes = compared(across(model), across(c), sums, seen, weights)
    return OneTemperature(width, order, _halves(kind, c, model, T0, couplings), float(spread), axes)


def sampled(chain, n, rng):
    """n configurations of a `chains.Chain`, or None where it does not come to equilibrium in LONGEST sweeps."""
    state, interval = chain.start(n, rng), 1
    while True:
        seen = []
        for _ in range(chain.measurements):
            chain.advance(state, interval, rng)
            seen.append(chain.observe(state))
        tau = max(interval * integrated_time(series) for series in chain.slow(seen).values())
        if chain.measurements * interval >= PILOT * tau:
            break
        interval *= 2
        if chain.measurements * interval > LONGEST:
            return None
    batches = [chain.configurations(state)]
    while sum(map(len, batches)) < n:
        chain.advance(state, int(np.ceil(3 * tau)), rng)
        batches.append(chain.configurations(state))
    return chain.symmetrise(np.concatenate(batches)[:n], rng)


def matched(sums, averages):
    """Weights [m] of samples with operator sums [m, a], of the exponential family, that have these averages [a].

    None where there are none within reach.
    """
    moved, weights = np.zeros(sums.shape[1]), np.full(len(sums), 1 / len(sums))
    centred = sums - sums.mean(0)
    for _ in range(STEPS):
        covariance = np.atleast_2d(np.cov(sums.T, aweights=weights))
        moved = moved + np.linalg.pinv(covariance, hermitian=True) @ (averages - weights @ sums)
        log_weights = centred @ moved
        weights = np.exp(log_weights - log_weights.max())
        weights /= weights.sum()
        if not np.isfinite(weights).all() or 1 / (weights @ weights) < EFFECTIVE * len(sums):
            return None
    return weights


def compared(ours, theirs, sums, seen, weights):
    """`Estimate` of the average of A in the file less that in the samples, each less its regression on the operators.

    ours [m], theirs [n]: A of weighted samples and of the file; sums [m, a], seen [n, a]: their operator sums.
    """
    centred = sums - weights @ sums
    covariance = (centred * weights[:, None]).T @ centred
    slope = np.linalg.pinv(covariance, hermitian=True) @ (centred.T @ (weights * ours))
    left, right = ours - sums @ slope, theirs - seen @ slope
    average, of_file = weights @ left, over_file(right)
    of_samples = np.sqrt(weights**2 @ (left - average) ** 2)
    return Estimate(float(of_file.value - average), float(np.hypot(of_file.error, of_samples)))


def _halves(kind, c, model, T0, couplings):
    """`Estimate` of the first coupling from the low-energy half less from the other, file less samples."""
    name = next(iter(couplings))
    names = tuple(couplings) if kind.is_action else (name,)
    median = np.median(kind.energy(c))
    differences = []
    for each in (c, model):
        low = kind.energy(each) <= median
        read = [kind.classical(half, names, T0) for half in (each[low], each[~low]) if len(half) > 100]
        if len(read) < 2 or None in read:
            return UNKNOWN
        differences.append(
            Estimate(read[0].values[0] - read[1].values[0], np.hypot(read[0].errors[0], read[1].errors[0]))
        )
    file, samples = differences
    return Estimate(float(file.value - samples.value), float(np.hypot(file.error, samples.error)))
