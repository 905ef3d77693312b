r"""All networks of a file together: `learn_file` gives `Findings`.

Errors have three parts, in quadrature: of the configurations or samples on which a network is evaluated; of the spread
between networks that differ in initial weights and batches; and of the file itself, which all networks share. The last
is the Cramer-Rao bound of the couplings for n_effective configurations, and linear response for predictions at other
temperatures (`predictions.py`).
"""

from dataclasses import dataclass, field, replace

import numpy as np

from lib import parallel
from lib.analysis import diagnostics
from lib.analysis.divergence import kl_divergence
from lib.statistics import Estimate, mean, over_networks
from lib.studies.own.kinds import Kind
from lib.studies.own.networks import examine, spread_out, train_network
from lib.studies.own.one_temperature import OneTemperature, one_temperature
from lib.studies.own.predictions import Predictions, predict
from lib.studies.own.summary import Split, Summary, over_file, split, summarise
from lib.studies.own.symmetries import asymmetries, worst_violation
from lib.studies.sources import Spins

TESTED = 2**22  # sites of the test set, at most


@dataclass(frozen=True)
class Training:
    """n_weights of each network; `steps` it took, of `most`; improving: largest fall of the validation NLL over the
    last check; histories: (step, validation NLL) of each."""

    n_weights: int
    steps: list
    most: int
    improving: float
    histories: tuple = ()


@dataclass(frozen=True)
class Likelihood:
    """Negative log-likelihoods (NLL) in nats per configuration.

    test, each: of the test set, all networks together and one by one.
    gap: test less training.
    independent_sites: of independent sites; gain: how much less that of the networks is.
    """

    test: Estimate
    each: list
    gap: Estimate
    independent_sites: float
    gain: Estimate


@dataclass(frozen=True)
class FileCouplings:
    """Couplings, each name -> `Estimate`, None where there is no such estimate for this kind.

    networks, nearest: of the networks, all together and nn alone.
    classical: by pseudolikelihood for spins, by score matching for paths and fields.
    most_likely: by maximum likelihood for paths and rings of spins, by pseudolikelihood for fields.
    bound: name -> Cramer-Rao bound of the error, for as many independent configurations as were trained on.
    explained, schwinger_dyson: as in `CouplingReading`.
    alarms: of terms that should not be there, for fields, their errors with the bound of all terms together.
    """

    networks: dict
    nearest: Estimate | None
    classical: dict | None
    most_likely: dict | None
    bound: dict
    explained: float
    schwinger_dyson: Estimate | None
    alarms: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Findings:
    """Everything `learn_file` found; see the fields' own classes.

    readings: `NetworkReading` of each network.
    violations: name of a symmetry -> (largest, rms) change of ln p, the worst of the networks.
    at_T0: quantity -> (`Estimate` of the networks' samples, `Estimate` of the file).
    blind: how far the networks are from the file's distribution, by what needs no exact answer.
    expected_duplicates: copies of earlier configurations that independent ones would have had.
    one_temperature: does the file look like one temperature?
    """

    kind: Kind
    T0: float
    summary: Summary
    asymmetries: dict
    split: Split
    training: Training
    readings: list
    likelihood: Likelihood
    couplings: FileCouplings
    violations: dict
    at_T0: dict
    blind: diagnostics.Blind
    predictions: Predictions
    expected_duplicates: float
    one_temperature: OneTemperature


def learn_file(c, kind, T0, n_networks, steps, seed):
    """`Findings` from checked configurations c [n, ...] (`user_file.load`), in the order of the file.

    T0: in the weight exp(-H / T0) of the file. steps: of each training, at most.
    """
    summary, found = summarise(kind, c), asymmetries(kind, c)
    broken = {name for name, each in found.items() if each.broken}
    parts = split(len(c), summary.tau_int)
    n_test = min(4000, TESTED // c[0].size)
    training, validation, test = c[parts.train], c[parts.validation][:2000], c[parts.test][:n_test]
    seeds = [100 * seed + k for k in range(n_networks)]
    trained = parallel.starmap(train_network, [(kind, training, validation, T0, broken, steps, s) for s in seeds])
    some, n_samples = spread_out(training, len(test)), int(np.clip(640_000 // c[0].size, 500, 10_000))
    jobs = [(kind, t, test, some, broken, n_samples, s) for t, s in zip(trained, seeds, strict=True)]
    readings = parallel.starmap(examine, jobs)

    n_train = summary.n_effective * len(training) / len(c)
    sums = kind.operators(training)[:, : len(readings[0].couplings.couplings.names)]
    plain = kind.independent_sites(training, test)
    read = _couplings(kind, training, readings, T0, _bounds(sums, T0, n_train), summary.tau_int)
    if readings[0].couplings.alarms is not None:
        of_every = _bounds(kind.operators(training), T0, n_train)[0]
        read = replace(read, alarms=_alarms([r.couplings.alarms for r in readings], of_every))
    return Findings(
        kind=kind,
        T0=float(T0),
        summary=summary,
        asymmetries=found,
        split=parts,
        training=_training(trained, steps),
        readings=readings,
        likelihood=_likelihood(readings, plain, summary.tau_int),
        couplings=read,
        violations={k: tuple(np.max([r.violations[k] for r in readings], axis=0)) for k in readings[0].violations},
        at_T0=_at_T0(kind, c, [r.samples for r in readings]),
        blind=_blind(kind, c, test, readings, read, T0, broken, summary.tau_int),
        predictions=predict(T0, [r.samples for r in readings], sums, n_train),
        expected_duplicates=expected_duplicates(kind, len(c), readings),
        one_temperature=one_temperature(kind, c, T0, best_couplings(read), broken, n_samples, seed),
    )


def _training(trained, most):
    gained = [t.history[-2][1] - t.history[-1][1] if len(t.history) > 1 else 0.0 for t in trained]
    histories = tuple(t.history for t in trained)
    return Training(trained[0].n_weights, [t.steps for t in trained], most, max(gained), histories)


def _likelihood(readings, plain, tau_int):
    """`Likelihood`; plain: ln p of the test set by independent sites. The file's tau_int holds for stretches of it."""
    tests = [mean(-r.log_prob, tau_int) for r in readings]
    trainings = [mean(-r.log_prob_train, tau_int) for r in readings]
    both = zip(tests, trainings, strict=True)
    gaps = [Estimate(test.value - train.value, np.hypot(test.error, train.error)) for test, train in both]
    return Likelihood(
        test=_shared(tests),
        each=tests,
        gap=_shared(gaps),
        independent_sites=float(-plain.mean()),
        gain=_shared([mean(r.log_prob - plain, tau_int) for r in readings]),
    )


def _couplings(kind, training, readings, T0, bounds, tau_int):
    """`FileCouplings`; bounds: errors [a] of all and (1) of nn alone that the file allows."""
    of_all, of_nn = bounds
    read = [r.couplings for r in readings]
    names, nearest, tested = read[0].couplings.names, None, None
    together = _with_bound([each.couplings for each in read], of_all)
    if read[0].nearest is not None:
        (nearest,) = _with_bound([each.nearest for each in read], of_nn)
    classical, most_likely = (
        None if each is None else _named(names, _estimates(each.values, each.errors))
        for each in (kind.classical(training, names, T0), kind.most_likely(training, T0, names))
    )
    if read[0].schwinger_dyson is not None:
        tested = _shared([mean(each.schwinger_dyson, tau_int) for each in read])
    return FileCouplings(
        networks=_named(names, together),
        nearest=nearest,
        classical=classical,
        most_likely=most_likely,
        bound=_named(names, of_all.tolist()),
        explained=float(np.mean([each.explained for each in read])),
        schwinger_dyson=tested,
    )


def _alarms(read, bound):
    """name -> `Estimate` of the terms that should not be there; bound: errors of all operators, theirs the last."""
    names = read[0].names
    return _named(names, _with_bound(read, bound[-len(names) :]))


def _bounds(sums, T0, n):
    """The Cramer-Rao bound of all couplings together and of the first alone; operators that never vary have none."""
    found = []
    for kept in (sums, sums[:, :1]):
        if (kept.std(axis=0) > 0).all():
            found.append(T0 * np.sqrt(np.diag(np.linalg.pinv(np.atleast_2d(np.cov(kept.T)) * n))))
        else:
            found.append(np.full(kept.shape[1], np.inf))
    return found


def _with_bound(read, bound):
    """`Estimate` of each coupling from the `Couplings` of all networks, and the errors [a] the file allows."""
    values, errors = over_networks([each.values for each in read], [each.errors for each in read], shared=True)
    return _estimates(values, np.hypot(errors, bound))


def _estimates(values, errors):
    return [Estimate(float(value), float(error)) for value, error in zip(values, errors, strict=True)]


def _named(names, estimates):
    return dict(zip(names, estimates, strict=True))


def _shared(estimates):
    """Mean over networks that were all evaluated on the same configurations."""
    return over_networks([e.value for e in estimates], [e.error for e in estimates], shared=True)


def best_couplings(read):
    """The couplings to sample with, dict name -> value: those without a network, where there are any and known."""
    best = read.most_likely or read.classical or read.networks
    best = best if np.isfinite([each.value for each in best.values()]).all() else read.networks
    return {name: each.value for name, each in best.items()}


def _at_T0(kind, c, samples):
    """Quantity -> (networks' own samples, file), per site: energy, order, and the operators."""
    quantities = {"energy": (kind.energy(c), [s.energy for s in samples])}
    quantities["order"] = kind.order(c), [s.order for s in samples]
    sums, n_sites = kind.operators(c), c[0].size
    for a, name in enumerate(kind.operator_names):
        quantities[name] = sums[:, a] / n_sites, [s.operators[:, a] / n_sites for s in samples]
    result = {}
    for name, (series, drawn) in quantities.items():
        errors = [values.std(ddof=1) / np.sqrt(len(values)) for values in drawn]
        of_file = over_file(series)
        result[name] = over_networks([values.mean() for values in drawn], errors), Estimate(*of_file[:2])
    return result


def _blind(kind, c, test, readings, read, T0, broken, tau_int):
    """`diagnostics.Blind`; surrogate: the couplings by pseudolikelihood, where there are none those of the networks."""
    couplings = read.networks if read.classical is None else read.classical
    values = np.array([each.value for each in couplings.values()])
    sign = -1 if kind.is_action else 1
    energy = kind.energy(c).mean()

    def quantities(E, order):
        return np.column_stack([E, order, (E - energy) ** 2])

    return diagnostics.blind(
        [r.log_prob for r in readings],
        [quantities(r.samples.energy, r.samples.order) for r in readings],
        quantities(kind.energy(c), kind.order(c)),
        worst_violation([r.changes for r in readings], broken),
        sign * kind.operators(test)[:, : len(values)] @ values / T0,
        tau_int,
    )


def expected_duplicates(kind, n, readings):
    """How many of n independent configurations would equal an earlier one: n less the expected number of states."""
    if not kind.discrete:
        return 0.0
    log_np = np.log(n) + np.concatenate([x for r in readings for x in (r.log_prob, r.log_prob_train)])
    often = np.exp(np.clip(log_np, -30, 30))
    return float(n * (1 + (np.expm1(-often) / often).mean()))


def divergence_from_exact(findings, test):
    """KL(data || networks) of spins whose Hamiltonian is known to be H, an `Estimate`, in nats.

    test: `c[findings.split.test]`.
    """
    test = test[: len(findings.readings[0].log_prob)]
    exact = Spins(test.shape[1], findings.T0).log_prob(test)
    each = [kl_divergence(exact, r.log_prob) for r in findings.readings]
    inflation = np.sqrt(2 * findings.summary.tau_int)
    return _shared([Estimate(d.value, d.error * inflation) for d in each])
