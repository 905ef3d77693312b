"""One style for every figure, and one meaning for a colour and a marker in the whole book.

A role is a colour (Paul Tol's, safe for colour-blind readers), a marker and a line. A chapter draws with roles only:

    axis.plot(T, kaufman, **plotting.exact.line, label="exact")
    axis.errorbar(T, energy, error, **plotting.network.points, label="network")
    axis.plot(n, kl, **plotting.network.joined)            points on a line: where the line guides the eye
    axis.hist(m, bins, color=plotting.data.colour)

What a number comes from; the greys of these colours differ:

    exact         exact answers: Kaufman, transfer matrix, the Hamiltonian that made the data
    data          the configurations that were observed, and direct Monte Carlo
    network       the chapter's main network: one of them, or a few with the error over them
    variant       the same network with one thing changed: wider, trained on less, not annealed (open markers)
    symmetrised   networks put together: p averaged over the symmetry group, or over an ensemble
    baseline      another network to compare with: MADE, CAN, the Markov ring with mixtures of Gaussians
    classical     an estimate from the same data without a network: pseudolikelihood, plain reweighting, score matching

Which temperature it belongs to, in figures that compare temperatures. There networks are points and exact answers
lines, both in the colour of the temperature; do not mix these with the roles above, but for `exact` on its own:

    cold, warm, hot     from low to high T: beta = 80, 40, 20; T0 = 2.15, T_c, 2.5

`guide` marks a place, not a result: T_c, T0, zero, the wells. What has an order and no role (sizes, steps of a flow,
runs of a sweep) takes `ordered(n)`. Scatter plots on a diagonal give way to `residuals` or `residuals_by_bin`.
"""

from dataclasses import dataclass

import matplotlib as mpl
import numpy as np

# The roles -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Role:
    """colour, marker and line of what means one thing; open: markers are not filled."""

    colour: str
    marker: str
    dashes: str
    open: bool = False

    @property
    def line(self) -> dict:
        """Keywords of a line without markers."""
        return {"color": self.colour, "linestyle": self.dashes, "marker": ""}

    @property
    def points(self) -> dict:
        """Keywords of markers without a line."""
        return self.joined | {"linestyle": ""}

    @property
    def joined(self) -> dict:
        """Keywords of markers on a line."""
        face = "white" if self.open else self.colour
        return {"color": self.colour, "linestyle": self.dashes, "marker": self.marker, "markerfacecolor": face}


exact = Role("#000000", "_", "-")
data = Role("#DDAA33", "^", "-")
network = Role("#004488", "o", "-")
variant = Role("#004488", "o", "--", open=True)
symmetrised = Role("#6699CC", "D", "-")
baseline = Role("#BB5566", "s", "--")
classical = Role("#117733", "v", "-.")
cold = Role("#332288", "<", "-")
warm = Role("#AA4499", "P", "--")
hot = Role("#EE7733", ">", ":")

SOURCES = {
    "exact": exact,
    "data": data,
    "network": network,
    "variant": variant,
    "symmetrised": symmetrised,
    "baseline": baseline,
    "classical": classical,
}
TEMPERATURES = {"cold": cold, "warm": warm, "hot": hot}
ROLES = SOURCES | TEMPERATURES
guide = {"color": "grey", "linestyle": ":", "linewidth": 0.8, "zorder": 0}

MARKERS = ("o", "s", "^", "D")
LINES = ("-", "--", "-.", ":")
SEQUENTIAL = "cividis"  # maps of positive values
DIVERGING = "RdBu_r"  # maps of values around zero


def ordered(n: int) -> list[Role]:
    """n roles for what has an order, first to last: sizes, steps, runs. From dark to light."""
    colours = mpl.colormaps[SEQUENTIAL](np.linspace(0, 0.85, n))
    return [Role(mpl.colors.to_hex(colour), MARKERS[k % 4], LINES[k % 4]) for k, colour in enumerate(colours)]


# The style -------------------------------------------------------------------------------------------------

STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.prop_cycle": mpl.cycler(
        color=[role.colour for role in (network, baseline, data, symmetrised)], linestyle=LINES
    ),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "errorbar.capsize": 2.0,
    "legend.frameon": False,
    "image.cmap": SEQUENTIAL,
    "image.interpolation": "nearest",
    "svg.hashsalt": "dan-book",
}


def use_style() -> None:
    """Set the book's style for the figures of this notebook. Call it once, after the imports."""
    mpl.rcParams.update(STYLE)


def style():
    """The book's style as a context: `with plotting.style(): ...`."""
    return mpl.rc_context(STYLE)


# What many figures show ------------------------------------------------------------------------------------


def curve(axis, curves, name, *, role: Role = network, label=None, joined: bool = False):
    """The quantity `name` of `reweighting.Curves` against temperature, with errors; joined: on a thin line."""
    look = role.joined | {"linewidth": 0.8} if joined else role.points
    axis.errorbar(curves.T, curves.values[name], curves.errors[name], **look, label=label)


def residuals(axis, x, estimate, exact_values, error=None, *, unit: str = "", role: Role = network, label=None):
    """Points estimate - exact at x, around a line at zero. Returns them, [n].

    unit: "" for the difference itself, "%" of the exact value, "errors" for the difference over its own error.
    """
    scale = {"": 1.0, "%": np.abs(exact_values) / 100, "errors": error}[unit]
    off = (np.asarray(estimate) - exact_values) / scale
    bars = None if error is None or unit == "errors" else error / scale
    axis.axhline(0, color=exact.colour, linewidth=1, zorder=0)
    axis.errorbar(x, off, bars, **role.points, label=label)
    axis.set_ylabel(f"estimate - exact ({unit})" if unit else "estimate - exact")
    return off


def residuals_by_bin(axis, true, found, *, bins: int = 10, role: Role = network, label=None):
    """found - true of many configurations against true: every one a dot, and mean +- spread in bins of equal content.

    true, found: energies or actions [n].
    """
    true, off = np.asarray(true), np.asarray(found) - true
    groups = [group for group in np.array_split(np.argsort(true), bins) if len(group)]
    axis.axhline(0, color=exact.colour, linewidth=1, zorder=0)
    axis.plot(true, off, linestyle="", marker=".", markersize=2, alpha=0.25, color=role.colour, zorder=1)
    mean, spread = [off[group].mean() for group in groups], [off[group].std() for group in groups]
    axis.errorbar([true[group].mean() for group in groups], mean, spread, **role.points, label=label)
    axis.set(xlabel="exact", ylabel="learned - exact")


def learning_curve(axis, history, entropy: float | None = None, *, role: Role = network, label=None):
    """Held-out negative log likelihood against the step, and the exact entropy that it falls on to, where it is known.

    history: `FitResult.history`, or any list of (step, value, ...). entropy: in the units of the values, or None.
    """
    steps, values, *_ = zip(*history, strict=True)
    axis.plot(steps, values, **role.line, label=label)
    if entropy is not None:
        axis.axhline(entropy, **exact.line, zorder=0, label="exact entropy")
    axis.set(xlabel="step", ylabel="held-out $-\\langle \\ln p_\\theta \\rangle$ (nats)")


def beside(observed, drawn, columns: int = 5):
    """Figure: configurations of the data in the upper row, samples of the network in the lower one.

    observed, drawn: spins or block spins (integers) [n, L, L], angles [n, L, L], or paths [n, N].
    """
    import matplotlib.pyplot as plt

    size = (1.3 * columns + 0.3, 3.0)
    figure, axes = plt.subplots(2, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, configurations, role, name in zip(
        axes, (observed, drawn), (data, network), ("data", "network"), strict=True
    ):
        row[0].set_ylabel(name)
        for axis, configuration in zip(row, configurations, strict=False):
            if configuration.ndim == 1:
                axis.plot(configuration, **role.line)
                continue
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            if np.issubdtype(configuration.dtype, np.integer):
                limit = 1.5 * np.abs(observed).max()
                axis.imshow(configuration, cmap="Greys", vmin=-limit, vmax=limit)
            else:
                axis.imshow(configuration, cmap="twilight", vmin=0, vmax=2 * np.pi)
    return figure
