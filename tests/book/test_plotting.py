"""The style of the figures: told apart in grey, set only where it is asked for."""

import contextlib
import itertools
import runpy
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.page import plotting
from lib.paths import BOOK

APART = 0.08  # of the way from black to white


def luminance(colour) -> float:
    """Lightness of a colour in grey, from 0 (black) to 1 (white)."""
    return float(np.dot(mpl.colors.to_rgb(colour), [0.299, 0.587, 0.114]))


def alike(colours) -> list[tuple]:
    """Pairs of colours that a grey print does not tell apart."""
    return [pair for pair in itertools.combinations(colours, 2) if abs(np.subtract(*map(luminance, pair))) < APART]


@pytest.mark.parametrize("roles", [plotting.SOURCES, plotting.TEMPERATURES, dict(enumerate(plotting.ordered(4)))])
def test_roles_are_told_apart(roles):
    """In grey, by marker and by line; a variant has the colour of its network, with open markers."""
    colours = [role.colour for role in roles.values() if not role.open]
    assert alike(colours) == []
    assert len({(role.marker, role.open) for role in roles.values()}) == len(roles)


def test_matplotlibs_own_colours_are_alike():
    assert alike(("#1f77b4", "#d62728", "#2ca02c", "#9467bd"))


def test_every_role_is_explained():
    assert [name for name in plotting.ROLES if name not in plotting.__doc__] == []
    assert all(getattr(plotting, name) is role for name, role in plotting.ROLES.items())


def test_a_role_as_points_line_and_both():
    role = plotting.Role("#004488", "o", "--", open=True)
    with drawn() as axis:
        (points,), (line,), (joined,) = (axis.plot([1, 2], **each) for each in (role.points, role.line, role.joined))
        axis.errorbar([1, 2], [1, 2], 0.1, **role.joined)
    assert (points.get_marker(), points.get_linestyle(), points.get_markerfacecolor()) == ("o", "None", "white")
    assert (line.get_marker(), line.get_linestyle()) == ("", "--")
    assert (joined.get_marker(), joined.get_linestyle(), joined.get_color()) == ("o", "--", "#004488")


@contextlib.contextmanager
def drawn():
    """An axis in the style of the book, of a figure that is drawn and closed in the end."""
    with plotting.style(), mpl.rc_context({"backend": "agg"}):
        figure, axis = plt.subplots()
        yield axis
        figure.canvas.draw()
        plt.close(figure)


def test_residuals_are_differences_in_three_units():
    estimate, exact, error = np.array([1.1, 3.8]), np.array([1.0, 4.0]), np.array([0.05, 0.1])
    for unit, wanted in (("", [0.1, -0.2]), ("%", [10, -5]), ("errors", [2, -2])):
        with drawn() as axis:
            found = plotting.residuals(axis, [1, 2], estimate, exact, error, unit=unit)
            assert found == pytest.approx(wanted) and unit in axis.get_ylabel()


def test_residuals_of_configurations_are_means_in_bins():
    true = np.arange(100.0)
    with drawn() as axis:
        plotting.residuals_by_bin(axis, true, true + np.where(true < 50, 1.0, -1.0), bins=4)
        x, y = axis.containers[0].lines[0].get_data()
        assert list(x) == [12, 37, 62, 87] and list(y) == [1, 1, -1, -1]


def test_a_learning_curve_ends_at_the_entropy():
    with drawn() as axis:
        plotting.learning_curve(axis, [(100, 12.0), (200, 10.5)], entropy=10.0)
        curve, entropy = axis.lines
        assert list(curve.get_xdata()) == [100, 200] and set(entropy.get_ydata()) == {10.0}


@pytest.mark.parametrize("kind", ["spins", "angles", "paths"])
def test_samples_stand_beside_data(kind):
    rng = np.random.default_rng(1)
    made = {
        "spins": rng.choice([-1, 1], (6, 4, 4)),
        "angles": rng.uniform(0, 6, (6, 4, 4)),
        "paths": rng.normal(size=(6, 8)),
    }
    with mpl.rc_context({"backend": "agg"}):
        figure = plotting.beside(made[kind], made[kind], columns=3)
    assert len(figure.axes) == 6 and [axis.get_ylabel() for axis in figure.axes[::3]] == ["data", "network"]
    assert all(axis.lines if kind == "paths" else axis.images for axis in figure.axes)
    plt.close(figure)


@pytest.mark.parametrize("name, rising", [(plotting.SEQUENTIAL, True), ("jet", False)])
def test_the_sequential_map_rises_in_grey(name, rising):
    greys = [luminance(colour) for colour in mpl.colormaps[name](np.linspace(0, 1, 64))]
    assert bool(np.all(np.diff(greys) > 0)) is rising


def half_ways(name) -> list[np.ndarray]:
    """The greys of a map from its middle to either end."""
    greys = np.array([luminance(colour) for colour in mpl.colormaps[name](np.linspace(0, 1, 65))])
    return [greys[32:], greys[32::-1]]


@pytest.mark.parametrize("name, good", [(plotting.DIVERGING, True), ("twilight", True), ("hsv", False), ("jet", False)])
def test_maps_with_a_middle_change_one_way_from_it_in_grey(name, good):
    """In grey the two ends look alike, as they must; sizes are still ordered, up to a step that no eye sees."""
    steps = [np.diff(half) * np.sign(half[-1] - half[0]) for half in half_ways(name)]
    assert bool(min(step.min() for step in steps) > -0.005) is good


def test_the_style_is_a_context_and_use_style_stays():
    with mpl.rc_context():
        before = dict(mpl.rcParams)
        with plotting.style():
            styled = dict(mpl.rcParams)
            assert styled["figure.dpi"] == plotting.STYLE["figure.dpi"] != before["figure.dpi"]
        assert dict(mpl.rcParams) == before
        plotting.use_style()
        assert dict(mpl.rcParams) == styled


def test_a_figure_in_the_style_draws(tmp_path):
    with plotting.style(), mpl.rc_context({"backend": "agg"}):
        figure, axes = plt.subplots()
        axes.errorbar([1, 2], [1, 4], yerr=0.1, **plotting.network.points, label="network")
        axes.legend()
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)
    assert (tmp_path / "figure.png").stat().st_size < 100_000


# The drawings of the networks ------------------------------------------------------------------------------


def test_the_drawings_are_those_of_their_generator(tmp_path):
    """Each is written by draw.py, is well-formed, says what it shows, and keeps within its card."""
    folder = BOOK / "_static" / "networks"
    drawings = [draw() for draw in runpy.run_path(str(folder / "draw.py"))["DRAWINGS"]]
    assert {f"{drawing.name}.svg" for drawing in drawings} == {path.name for path in folder.glob("*.svg")}
    for drawing in drawings:
        assert (folder / f"{drawing.name}.svg").read_text() == drawing.svg()
        root = ElementTree.fromstring(drawing.svg())
        assert root[0].text == drawing.alt and len(drawing.alt.split()) > 10
        for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
            x, y, r = (float(circle.get(name)) for name in ("cx", "cy", "r"))
            assert r <= x <= 480 - r and r <= y <= drawing.height - r, drawing.name
