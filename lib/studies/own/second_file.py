r"""A second file, of the same system at another temperature: is one Hamiltonian behind both?

If H does not depend on T, and the configurations are of what is microscopic, T0 ln p_0(s) - T1 ln p_1(s) is the same
number for every s (`lib.analysis.premise`). Networks are trained on both files, each on a part of its own, so that
their scatter holds what the file does not tell, and compared on the configurations that none has seen. The couplings
that are read without a network from each file, J = T K, are to be equal as well.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis.premise import Premise, temperatures_agree
from lib.page.records import record
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies.own.honesty import Warned
from lib.studies.own.kinds import BY_NAME
from lib.studies.own.networks import spread_out, train_network
from lib.studies.own.summary import BROKEN, split, summarise
from lib.studies.own.symmetries import asymmetries

TESTED = 1000  # configurations of each file, at most
SIGMAS = 2.5  # of a normal variable, beyond which the premise is rejected: two networks each cannot reach many
SMALL = 0.03  # of H; short trainings are wrong by a percent or two, and not by the same at both temperatures


class SecondFile(NamedTuple):
    """premise: `Premise` of the networks, None where a file does not vary. changes: coupling -> `Estimate` of J(T1) -
    J(T0), read without a network; empty where there is no such reading."""

    T1: float
    premise: Premise | None
    changes: dict

    @property
    def worst(self):
        """(name, pull) of the coupling that changes most, in errors; (None, 0.0) without couplings."""
        pulls = {name: abs(each.value / each.error) for name, each in self.changes.items()}
        name = max(pulls, key=pulls.get, default=None)
        return name, pulls.get(name, 0.0)


def simulated(c, T1, seed):
    """As many SIMULATED configurations of the Ising model with J = 1 at T1 as there are in c [n, L, L]."""
    return mcmc.sample(chains.Ising(c.shape[1], T1), len(c), np.random.default_rng([seed, 6])).configurations


def second_file(files, kind, T0, T1, n_networks, steps, seed):
    """`SecondFile` of two arrays of configurations [n, ...], at T0 and at T1.

    kind: name of a `Kind`. steps: of each training, at most.
    """
    known = BY_NAME[kind]
    if any(known.energy(c).std() == 0 for c in files):
        return SecondFile(float(T1), None, {})
    broken = {name for c in files for name, each in asymmetries(known, c).items() if each.broken}
    jobs, unseen = [], []
    for k, (c, T) in enumerate(zip(files, (T0, T1), strict=True)):
        tau = summarise(known, c).tau_int
        parts = split(len(c), tau)
        for each, own in enumerate(np.array_split(parts.train, n_networks)):
            jobs.append((known, c[own], c[parts.validation][:2000], T, broken, steps, 100 * (seed + k) + each))
        unseen.append(spread_out(c[parts.test], min(TESTED, int(len(parts.test) / (2 * tau)) + 20)))
    learned = [each.symmetric for each in parallel.starmap(train_network, jobs)]
    premise = temperatures_agree(learned[:n_networks], learned[n_networks:], unseen)
    return SecondFile(float(T1), premise, _changes(known, files, (T0, T1), broken))


def _changes(known, files, temperatures, broken):
    names = known.coupling_names(broken)
    read = [known.classical(c, names, T) for c, T in zip(files, temperatures, strict=True)]
    if None in read or not all(np.isfinite([*each.values, *each.errors]).all() for each in read):
        return {}
    differences, errors = read[1].values - read[0].values, np.hypot(read[0].errors, read[1].errors)
    found = {name: Estimate(float(x), float(e)) for name, x, e in zip(names, differences, errors, strict=True)}
    return {name: each for name, each in found.items() if each.error > 0}


def rows(found):
    """Rows (what changes from T0 to T1, change, in errors) of a `SecondFile`."""
    made = []
    if found.premise is not None:
        made.append(["H, as a part of itself", tuple(found.premise.slope), f"{found.premise.sigmas:.1f}"])
        made.append(["what is not proportional to H, over the spread of H", f"{found.premise.remainder:.2f}", ""])
    made += [[name, tuple(each), f"{abs(each.value / each.error):.1f}"] for name, each in found.changes.items()]
    return made or [["H", "not applicable: in a file the energy does not vary", ""]]


def records(found):
    """Records of a `SecondFile`."""
    at = f"T1 = {found.T1:g}"
    if found.premise is None:
        reason = "a file in which the energy does not vary says nothing of H"
        return [_not_applicable(f"part of H that changes from T0 to {at}", reason)]
    premise = found.premise
    zero = "0 if T0 ln p_0 - T1 ln p_1 is constant"
    made = [
        record("learned.second.slope", *premise.slope, f"part of H that changes from T0 to {at}; {zero}"),
        record("learned.second.sigmas", premise.sigmas, None, f"of its deviation from 0; p = {premise.p_value:.2g}"),
        record(
            "learned.second.remainder", premise.remainder, None, "what is not proportional to H, over the spread of H"
        ),
    ]
    for name, each in found.changes.items():
        made.append(
            record(f"learned.second.change.{name}", *each, f"of the coupling from T0 to {at}, without a network")
        )
    return made


def warned(found):
    """The warning of a `SecondFile` whose premise is rejected, as a list of `Warned`."""
    if found.premise is None:
        return []
    premise, (name, pull) = found.premise, found.worst
    changed = premise.sigmas > SIGMAS and abs(premise.slope.value) > SMALL
    if not changed and pull <= BROKEN:
        return []
    why = [f"{premise.slope.value:+.1%} of H ({premise.sigmas:.1f} sigmas)"] * changed
    why += [f"{name} by {found.changes[name].value:.3g} ({pull:.1f} errors)"] * (pull > BROKEN)
    text = (
        f"from T0 to T1 = {found.T1:g} changes {', and '.join(why)}: a temperature is wrong, the couplings depend "
        "on it, or the variables are not the microscopic ones. Do not use predictions at other temperatures"
    )
    return [Warned("two_temperatures", max(premise.sigmas, pull), text)]


def _not_applicable(statement, reason):
    return replace(record("learned.second.slope", None, None, statement), status="not applicable", reason=reason)
