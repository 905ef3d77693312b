"""Tables, pictures, the honesty box and the machine-readable record of what `own_learning.learn` found in a file."""

import html

import numpy as np

from lib.analysis.own_data import KINDS
from lib.page import plotting
from lib.page.records import record
from lib.statistics import autocorrelation
from lib.studies.diagnostics import ALWAYS, verdict
from lib.studies.own_learning import ESS_BAR


def picture(kind, c):
    """A figure of four configurations c [n, ...], spread over the file. Angles: colour around the circle."""
    import matplotlib.pyplot as plt

    chosen = c[np.linspace(0, len(c) - 1, 4).astype(int)]
    figure, axes = plt.subplots(1, 4, figsize=(8, 2.2), sharey=kind.name == "path")
    look = {"cmap": "Greys", "vmin": -1.5, "vmax": 1.5}
    if kind.name == "xy":
        look = {"cmap": "twilight", "vmin": 0, "vmax": 2 * np.pi}
    for axis, one in zip(axes, chosen, strict=True):
        if kind.name == "path":
            axis.plot(one, color=plotting.MODEL, ls="-", marker="o", ms=2, lw=0.8)
            axis.set(xlabel="site")
        else:
            axis.imshow(one, **look)
            axis.set(xticks=[], yticks=[])
    return figure


def autocorrelation_picture(kind, c, tau_int):
    """A figure of rho(t) of energy, order and the first signed quantity along the file, out to where it matters."""
    import matplotlib.pyplot as plt

    lags = int(np.clip(12 * tau_int, 20, len(c) // 4))
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    series = {"energy": kind.energy(c), kind.order_name: kind.order(c), "with its sign": kind.signed(c)[:, 0]}
    for (name, values), colour, marker in zip(series.items(), plotting.PALETTE, plotting.MARKERS, strict=False):
        axis.plot(autocorrelation(values, lags), color=colour, marker=marker, ls="-", ms=3, lw=1, label=name)
    axis.axhline(0, color="grey", lw=0.8)
    axis.set(xlabel="distance in the file (configurations)", ylabel="autocorrelation")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend()
    return figure


def reach_picture(findings, exact=None):
    """A figure of energy and effective samples against T; points within reach are filled. exact: function of T."""
    import matplotlib.pyplot as plt

    r, kind = findings.reach, KINDS[findings.kind]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    for inside, face in ((r.within, plotting.MODEL), (~r.within, "white")):
        axes[0].errorbar(
            r.T[inside], r.energy[inside], r.energy_error[inside], color=plotting.MODEL, mfc=face, marker="o", ls=""
        )
        axes[1].plot(r.T[inside], r.ess[inside], color=plotting.MODEL, mfc=face, marker="o", ls="")
    if exact is not None:
        fine = np.linspace(r.T[0], r.T[-1], 200)
        axes[0].plot(fine, exact(fine), color=plotting.EXACT, ls="-", lw=1, label="exact")
        axes[0].legend()
    axes[1].axhline(ESS_BAR, color=plotting.BASELINE, ls="--", lw=1)
    axes[0].set(ylabel=f"energy: {kind.energy_name}" if kind.name == "path" else "energy per site")
    axes[1].set(ylabel="effective samples / samples", yscale="log")
    for axis in axes:
        axis.axvspan(r.low, r.high, color="0.93", lw=0)
        axis.axvline(findings.T0, color="grey", lw=0.8)
        axis.set(xlabel="temperature", xlim=(r.T[0] * 0.98, r.T[-1] * 1.02))
    return figure


def file_rows(kind, summary):
    """Rows (what, mean +- error, tau_int) for a table of the file: a `Kind` and its `Summary`."""
    parts = [(kind.energy_name, summary.energy), (kind.order_name, summary.order)]
    signed = {"ising": ["m"], "xy": ["mean of cos", "mean of sin"], "path": ["mean x"]}[kind.name]
    parts += list(zip(signed, summary.signed, strict=True))
    return [[name, (mean.value, mean.error), f"{mean.tau_int:.2f}"] for name, mean in parts]


def symmetry_rows(asymmetries):
    """Rows (name, value, in errors, consequence) for a table of `own_data.asymmetries`."""
    return [
        [
            name,
            (each.value, each.error),
            f"{abs(each.value) / each.error:.1f}" if each.error > 0 else "-",
            "broken: not imposed" if each.broken else "imposed",
        ]
        for name, each in asymmetries.items()
    ]


def coupling_rows(findings, truth=None):
    """Rows (name, networks, pseudolikelihood where there is one, truth where it is known). truth: dict or None."""
    rows = []
    for name, number in findings.couplings.items():
        classical = tuple(findings.classical[name]) if findings.classical else ""
        rows.append([name, tuple(number), classical, f"{truth[name]:g}" if truth else "unknown"])
    if findings.nearest is not None:
        rows.append(["nn, read alone", tuple(findings.nearest), "", f"{truth['nn']:g}" if truth else "unknown"])
    return rows


def test_rows(findings):
    """Rows (what, value) of how well the networks do on configurations they have not seen."""
    rows = [
        ["NLL of the test set, nats per configuration", tuple(findings.nll)],
        ["the same less that of training configurations", tuple(findings.gap)],
        ["NLL of independent sites", findings.baseline],
        ["what the networks gain over them", tuple(findings.gain)],
        ["part of the local changes that the couplings explain", f"{findings.explained:.4f}"],
    ]
    if findings.schwinger_dyson is not None:
        rows.append(["<x dS/dx> / T0, 1 for the true action", tuple(findings.schwinger_dyson)])
    return rows


def sample_rows(findings):
    """Rows (what, samples of the networks, file, difference in errors) at T0 itself."""
    rows = []
    for name, (ours, theirs) in findings.at_T0.items():
        error = (ours.error**2 + theirs.error**2) ** 0.5
        pull = f"{abs(ours.value - theirs.value) / error:.1f}" if error > 0 else "-"
        rows.append([name, tuple(ours), tuple(theirs), pull])
    return rows


def violation_rows(findings):
    """Rows (symmetry, largest, rms change of ln p) of the networks before p is averaged over images."""
    return [[name, f"{largest:.2g}", f"{rms:.2g}"] for name, (largest, rms) in findings.violations.items()]


def prediction_rows(findings):
    """Rows (T, energy, order, effective samples / samples) of the temperatures within reach."""
    r = findings.reach
    return [
        [f"{r.T[k]:.4g}", (r.energy[k], r.energy_error[k]), (r.order[k], r.order_error[k]), f"{r.ess[k]:.2f}"]
        for k in range(len(r.T))
        if r.within[k]
    ]


def box_html(warned):
    """The honesty box as HTML: what applies to this file, and nothing else."""
    items = "".join(f"<li>{html.escape(w.text)}</li>" for w in warned)
    title = html.escape(f"When not to trust this: {verdict(warned)}")
    return f'<div class="admonition warning"><p class="admonition-title">{title}</p><ul>{items}</ul></div>'


def show_box(warned):
    """Display the honesty box in a notebook."""
    from IPython.display import HTML, display

    display(HTML(box_html(warned)))


def records(findings, warned):
    """Everything of `Findings` and the box as records for `lib.page.records.store`."""
    f, kind = findings, KINDS[findings.kind]
    n, nats = f.summary, "nats per configuration"
    made = [
        record("learned.n_configurations", n.n, None, "configurations in the file"),
        record("learned.n_effective", n.n_effective, None, "independent configurations, n / 2 tau_int"),
        record("learned.tau_int", n.tau_int, None, "1/2 + sum of rho, in configurations of the file"),
        record("learned.duplicates", n.duplicates, None, "configurations equal to an earlier one"),
        record("learned.nll", *f.nll, "test set", nats),
        record("learned.nll_gap", *f.gap, "test less training", nats),
        record("learned.nll_independent_sites", f.baseline, None, "for comparison", nats),
        record("learned.nll_gain", *f.gain, "of the networks over independent sites", nats),
        record("learned.explained", f.explained, None, "part of the local changes the couplings explain"),
    ]
    made += [record(f"learned.coupling.{name}", *j, f"at T0 = {f.T0:g}") for name, j in f.couplings.items()]
    if f.nearest is not None:
        made.append(record("learned.coupling.nn_alone", *f.nearest, "the only coupling that is read"))
    for name, j in (f.classical or {}).items():
        made.append(record(f"learned.pseudolikelihood.{name}", *j, "from the same configurations"))
    if f.schwinger_dyson is not None:
        made.append(record("learned.schwinger_dyson", *f.schwinger_dyson, "1 for the true action"))
    for name, (largest, rms) in f.violations.items():
        text = f"rms change of ln p, largest {largest:.2g}"
        made.append(record(f"learned.violation.{name.replace(' ', '_')}", rms, None, text, "nats"))
    for name, each in f.asymmetries.items():
        text = "of the file; " + ("broken" if each.broken else "not broken")
        made.append(record(f"learned.asymmetry.{name.replace(', ', '_').replace(' ', '_')}", *each[:2], text))
    r, bar = f.reach, f"effective samples fall below {100 * ESS_BAR:.0f} % (looked for from T0 / 2 to 2 T0)"
    made += [
        record("learned.T_low", r.low, None, f"below it {bar}"),
        record("learned.T_high", r.high, None, f"above it {bar}"),
    ]
    for k, T in enumerate(r.T):
        at = f"(T={T:.6g})"
        made.append(record(f"learned.ess{at}", r.ess[k], None, "effective samples / samples", form="series"))
        if r.within[k]:
            made.append(record(f"learned.energy{at}", r.energy[k], r.energy_error[k], kind.energy_name, form="series"))
            made.append(record(f"learned.order{at}", r.order[k], r.order_error[k], kind.order_name, form="series"))
    extra = sum(w.name not in ALWAYS for w in warned)
    made.append(record("learned.n_warnings", extra, None, "beyond those that hold for every file"))
    return made + [record(f"learned.warning.{w.name}", w.value, None, w.text, form="text") for w in warned]
