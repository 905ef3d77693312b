"""One style for every figure: safe for colour-blind readers, legible in grey, honest at print size."""

import matplotlib as mpl

# Paul Tol's high-contrast scheme and one light tone, ordered so that their luminances stay apart in grey.
EXACT = "#000000"  # exact results: a black line
MODEL = "#004488"  # the learned model
BASELINE = "#BB5566"  # what it is compared with: MADE, plain reweighting
MONTE_CARLO = "#DDAA33"  # direct simulation
EXTRA = "#A9C8DC"  # one more
PALETTE = (MODEL, BASELINE, MONTE_CARLO, EXTRA)
MARKERS = ("o", "s", "^", "D")  # for points: give each series its own
LINES = ("-", "--", "-.", ":")
SEQUENTIAL = "cividis"  # maps of positive values
DIVERGING = "RdBu_r"  # maps of values around zero

STYLE = {
    "figure.figsize": (6.4, 4.0),
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.constrained_layout.use": True,
    "font.size": 11,
    "axes.prop_cycle": mpl.cycler(color=PALETTE, linestyle=LINES),
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


def luminance(colour: str) -> float:
    """Perceived lightness of a colour in grey, from 0 (black) to 1 (white)."""
    red, green, blue = mpl.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue
