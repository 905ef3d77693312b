"""Figures of a file of configurations and of what was learned from it."""

import numpy as np

from lib.page import plotting
from lib.statistics import autocorrelation
from lib.studies.own.predictions import ESS_BAR


def configurations(kind, c):
    """A figure of four configurations c [n, ...], spread over the file. Angles: colour around the circle."""
    import matplotlib.pyplot as plt

    chosen = c[np.linspace(0, len(c) - 1, 4).astype(int)]
    figure, axes = plt.subplots(1, 4, figsize=(8, 2.2), sharey=kind.name == "path")
    look = _look(kind, chosen)
    for axis, one in zip(axes, chosen, strict=True):
        if kind.name == "path":
            axis.plot(one, **plotting.data.joined, ms=2, lw=0.8)
            axis.set(xlabel="site")
        else:
            _image(axis, one, look)
    return figure


def _look(kind, c):
    """How `imshow` is to draw configurations c [k, ...]."""
    if kind.name == "xy":
        return {"cmap": "twilight", "vmin": 0, "vmax": 2 * np.pi}
    if kind.name == "field":
        limit = np.abs(c).max()
        return {"cmap": plotting.DIVERGING, "vmin": -limit, "vmax": limit}
    return {"cmap": "Greys", "vmin": -1.5, "vmax": 1.5}


def _image(axis, one, look):
    """A lattice, or a ring of spins as stripes, one a site."""
    axis.imshow(np.atleast_2d(one), aspect="auto" if one.ndim == 1 else "equal", interpolation="nearest", **look)
    axis.set(xticks=[], yticks=[])
    axis.grid(False)


def beside(kind, observed, drawn, columns=5):
    """A figure of configurations of the file, and below of samples of a network."""
    if kind.name not in ("field", "chain"):
        return plotting.beside(observed, drawn, columns)
    import matplotlib.pyplot as plt

    rows = observed[:columns], drawn[:columns]
    look = _look(kind, np.concatenate(rows))
    height = 3.0 if kind.name == "field" else 1.6
    figure, axes = plt.subplots(2, columns, figsize=(1.3 * columns + 0.3, height), squeeze=False)
    for line, configurations, name in zip(axes, rows, ("data", "network"), strict=True):
        line[0].set_ylabel(name)
        for axis, one in zip(line, configurations, strict=True):
            _image(axis, one, look)
    return figure


def autocorrelations(kind, c, tau_int):
    """A figure of rho(t) of energy, order and the first signed quantity along the file, out to where it matters."""
    import matplotlib.pyplot as plt

    lags = int(np.clip(12 * tau_int, 20, len(c) // 4))
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    series = {"energy": kind.energy(c), kind.order_name: kind.order(c), "with its sign": kind.signed(c)[:, 0]}
    for (name, values), role in zip(series.items(), plotting.ordered(3), strict=True):
        axis.plot(autocorrelation(values, lags), **role.joined, ms=3, lw=1, label=name)
    axis.axhline(0, **plotting.guide)
    axis.set(xlabel="distance in the file (configurations)", ylabel="autocorrelation")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend()
    return figure


def learning_curves(findings, entropy=None):
    """A figure of the validation NLL of every network against the step. entropy: of the system, if it is known."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    for history in findings.training.histories:
        plotting.learning_curve(axis, history)
    if entropy is not None:
        axis.axhline(entropy, **plotting.exact.line, zorder=0, label="exact entropy")
        axis.legend()
    return figure


def predictions(findings, exact=None):
    """A figure of energy and effective samples against T; points within reach are filled. exact: energy at T [t]."""
    import matplotlib.pyplot as plt

    p, kind = findings.predictions, findings.kind
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    for some, face in ((p.within, plotting.network.colour), (~p.within, "white")):
        points = plotting.network.points | {"markerfacecolor": face}
        axes[0].errorbar(p.T[some], p.energy[some], p.energy_error[some], **points)
        axes[1].plot(p.T[some], p.ess[some], **points)
    if exact is not None:
        fine = np.linspace(p.T[0], p.T[-1], 200)
        axes[0].plot(fine, exact(fine), **plotting.exact.line, label="exact")
        axes[0].legend()
    axes[1].axhline(ESS_BAR, **plotting.guide | {"linewidth": 1.6})
    axes[0].set(ylabel=f"energy: {kind.energy_name}" if kind.is_action else "energy per site")
    axes[1].set(ylabel="effective samples / samples", yscale="log")
    for axis in axes:
        axis.axvspan(p.low, p.high, color="0.93", lw=0)
        axis.axvline(findings.T0, **plotting.guide)
        axis.set(xlabel="temperature", xlim=(p.T[0] * 0.98, p.T[-1] * 1.02))
    return figure
