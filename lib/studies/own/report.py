"""Tables, the honesty box and the machine-readable record of what `learn_file` found in a file."""

import html
from dataclasses import replace

import numpy as np

from lib.page.records import record
from lib.studies.own.honesty import ALWAYS, headline
from lib.studies.own.predictions import ESS_BAR


def file_rows(kind, summary):
    """Rows (what, mean +- error, tau_int) for a table of the file: a `Kind` and its `Summary`."""
    parts = [(kind.energy_name, summary.energy), (kind.order_name, summary.order)]
    parts += list(zip(kind.signed_names, summary.signed, strict=True))
    return [[name, (mean.value, mean.error), f"{mean.tau_int:.2f}"] for name, mean in parts]


def symmetry_rows(asymmetries):
    """Rows (name, value, in errors, consequence) for a table of `asymmetries`."""
    rows = []
    for name, each in asymmetries.items():
        pull = f"{abs(each.value) / each.error:.1f}" if each.error > 0 else "-"
        rows.append([name, (each.value, each.error), pull, "broken: not imposed" if each.broken else "imposed"])
    return rows


def coupling_header(findings):
    """Names of the columns of `coupling_rows`."""
    further = [findings.kind.most_likely_name] if findings.couplings.most_likely else []
    return ["coupling", "networks", findings.kind.classical_name, *further, "smallest possible error", "true"]


def coupling_rows(findings, truth=None):
    """Rows for a table of couplings, columns as in `coupling_header`. truth: dict, or None where it is not known."""
    found = findings.couplings
    beside = [found.classical or {}, *([found.most_likely] if found.most_likely else [])]

    def known(name):
        return f"{truth[name]:g}" if truth else "unknown"

    rows = []
    for name, number in found.networks.items():
        others = [tuple(each[name]) if name in each else "" for each in beside]
        rows.append([name, tuple(number), *others, f"{found.bound[name]:.1g}", known(name)])
    if found.nearest is not None:
        rows.append(["nn, read alone", tuple(found.nearest), *[""] * len(beside), "", known("nn")])
    for name, number in found.alarms.items():
        rows.append([f"{name} (alarm)", tuple(number), *[""] * len(beside), "", ""])
    return rows


def test_rows(findings):
    """Rows (what, value) of how well the networks do on configurations they have not seen."""
    nll, couplings = findings.likelihood, findings.couplings
    rows = [
        ["NLL of the test set, nats per configuration", tuple(nll.test)],
        ["the same less that of training configurations", tuple(nll.gap)],
        ["NLL of independent sites", nll.independent_sites],
        ["what the networks gain over them", tuple(nll.gain)],
        [f"part that the couplings explain of {findings.kind.explained_part}", f"{couplings.explained:.4f}"],
    ]
    if couplings.schwinger_dyson is not None:
        rows.append(["<x dS/dx> / T0, 1 for the true action", tuple(couplings.schwinger_dyson)])
    return rows


def sample_rows(findings):
    """Rows (what, samples of the networks, file, difference in errors) at T0 itself."""
    rows = []
    for name, (ours, theirs) in findings.at_T0.items():
        error = (ours.error**2 + theirs.error**2) ** 0.5
        pull = f"{abs(ours.value - theirs.value) / error:.1f}" if error > 0 else "-"
        rows.append([name, tuple(ours), tuple(theirs), pull])
    return rows


DISTANCES = {
    "samples": "samples of the networks against the file: energy, its variance, order",
    "seeds": "two networks against each other on the test set",
    "symmetry": "one network against its images, p not averaged; the worst symmetry",
    "surrogate": "networks against the couplings on the test set",
}


def distance_rows(findings):
    """Rows (what, nats) of the diagnostics that need no exact answer (`lib.analysis.diagnostics`)."""
    return [[text, tuple(getattr(findings.blind, name))] for name, text in DISTANCES.items()]


def violation_rows(findings):
    """Rows (symmetry, largest, rms change of ln p) of the networks before p is averaged over images."""
    return [[name, f"{largest:.2g}", f"{rms:.2g}"] for name, (largest, rms) in findings.violations.items()]


def prediction_rows(findings):
    """Rows (T, energy, order, effective samples / samples) of the temperatures within reach."""
    p = findings.predictions
    return [
        [f"{p.T[k]:.4g}", (p.energy[k], p.energy_error[k]), (p.order[k], p.order_error[k]), f"{p.ess[k]:.2f}"]
        for k in range(len(p.T))
        if p.within[k]
    ]


def box_html(warned):
    """The honesty box as HTML: what applies to this file, and nothing else."""
    items = "".join(f"<li>{html.escape(w.text)}</li>" for w in warned)
    title = html.escape(f"When not to trust this: {headline(warned)}")
    return f'<div class="admonition warning"><p class="admonition-title">{title}</p><ul>{items}</ul></div>'


def show_box(warned):
    from IPython.display import HTML, display

    display(HTML(box_html(warned)))


def records(findings, warned):
    """Everything of `Findings` and the box as records for `lib.page.records.store`."""
    extra = sum(w.name not in ALWAYS for w in warned)
    return [
        *_of_file(findings),
        *_of_couplings(findings),
        *_of_symmetries(findings),
        *_of_one_temperature(findings.one_temperature),
        *_of_distances(findings),
        *_of_predictions(findings),
        record("learned.convention", None, None, findings.kind.convention, form="text"),
        record("learned.n_warnings", extra, None, "beyond those that hold for every file"),
        *[record(f"learned.warning.{w.name}", w.value, None, w.text, form="text") for w in warned],
    ]


def _of_file(findings):
    known, nll, nats = findings.summary, findings.likelihood, "nats per configuration"
    explained = findings.couplings.explained
    return [
        record("learned.n_configurations", known.n, None, "configurations in the file"),
        record("learned.n_effective", known.n_effective, None, "independent configurations, n / 2 tau_int"),
        record("learned.tau_int", known.tau_int, None, "1/2 + sum of rho, in configurations of the file"),
        record("learned.duplicates", known.duplicates, None, "configurations equal to an earlier one"),
        record("learned.nll", *nll.test, "test set", nats),
        record("learned.nll_gap", *nll.gap, "test less training", nats),
        record("learned.nll_independent_sites", nll.independent_sites, None, "for comparison", nats),
        record("learned.nll_gain", *nll.gain, "of the networks over independent sites", nats),
        record("learned.explained", explained, None, f"part the couplings explain of {findings.kind.explained_part}"),
    ]


FROZEN = "the configurations hardly vary: they do not tell the operators apart"


def _coupling(name, number, statement):
    """The record of a coupling; one that the file says nothing about is not applicable."""
    if np.isfinite(number).all():
        return record(f"learned.{name}", *number, statement)
    return replace(record(f"learned.{name}", None, None, statement), status="not applicable", reason=FROZEN)


def _of_couplings(findings):
    found, at = findings.couplings, f"at T0 = {findings.T0:g}"
    made = [_coupling(f"coupling.{name}", j, at) for name, j in found.networks.items()]
    if found.nearest is not None:
        made.append(_coupling("coupling.nn_alone", found.nearest, "the only coupling that is read"))
    for name, j in found.alarms.items():
        made.append(_coupling(f"alarm.{name.replace(' ', '_')}", j, "a term that should not be there, read with all"))
    classical, best = (
        name.replace(" ", "_") for name in (findings.kind.classical_name, findings.kind.most_likely_name)
    )
    for method, each in ((classical, found.classical), (best, found.most_likely)):
        for name, j in (each or {}).items():
            made.append(_coupling(f"{method}.{name}", j, "from the same configurations"))
    for name, error in found.bound.items():
        made.append(record(f"learned.bound.{name}", error, None, "Cramer-Rao bound of the error of this coupling"))
    if found.schwinger_dyson is not None:
        made.append(record("learned.schwinger_dyson", *found.schwinger_dyson, "1 for the true action"))
    return made


def _of_symmetries(findings):
    made = []
    for name, (largest, rms) in findings.violations.items():
        text = f"rms change of ln p, largest {largest:.2g}"
        made.append(record(f"learned.violation.{name.replace(' ', '_')}", rms, None, text, "nats"))
    for name, each in findings.asymmetries.items():
        text = "of the file; " + ("broken" if each.broken else "not broken")
        key = f"learned.asymmetry.{name.replace(', ', '_').replace(' ', '_')}"
        made.append(record(key, each.value, each.error, text))
    return made


def _of_one_temperature(found):
    """The test whether the file is of one temperature; without an answer it is not applicable."""
    texts = {
        "width": "variance of the energy over that of the couplings sampled at T0, 1 for one temperature",
        "order": "order of the file less that of the couplings sampled at T0",
        "halves": "first coupling, low-energy half less the other, less the same of the samples",
    }
    made = [record(f"learned.one_temperature.{name}", *getattr(found, name), text) for name, text in texts.items()]
    if not found.reason:
        return made
    return [replace(each, status="not applicable", reason=found.reason) for each in made]


def _of_distances(findings):
    made = [
        record(f"learned.distance.{name}", *getattr(findings.blind, name), text, "nats per configuration")
        for name, text in DISTANCES.items()
    ]
    text = "effective samples / samples of the weights between networks and couplings, on the test set"
    return [
        *made,
        record("learned.distance.pull", findings.blind.pull, None, "largest difference of averages, in errors"),
        record("learned.distance.ess", findings.blind.ess, None, text),
    ]


def _of_predictions(findings):
    p, kind = findings.predictions, findings.kind
    bar = f"effective samples fall below {100 * ESS_BAR:.0f} % (looked for from T0 / 2 to 2 T0)"
    made = [
        record("learned.T_low", p.low, None, f"below it {bar}"),
        record("learned.T_high", p.high, None, f"above it {bar}"),
    ]
    for k, T in enumerate(p.T):
        at = f"(T={T:.6g})"
        made.append(record(f"learned.ess{at}", p.ess[k], None, "effective samples / samples", form="series"))
        if p.within[k]:
            made.append(record(f"learned.energy{at}", p.energy[k], p.energy_error[k], kind.energy_name, form="series"))
            made.append(record(f"learned.order{at}", p.order[k], p.order_error[k], kind.order_name, form="series"))
    return made
