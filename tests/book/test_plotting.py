"""The style of the figures: told apart in grey, set only where it is asked for."""

import itertools
import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib.book import notebooks
from lib.book.chapter import chapters
from lib.page import plotting
from lib.page.plotting import luminance
from lib.paths import ROOT

APART = 0.08  # of the way from black to white


def alike(colours) -> list[tuple]:
    """Pairs of colours that a grey print does not tell apart."""
    return [pair for pair in itertools.combinations(colours, 2) if abs(np.subtract(*map(luminance, pair))) < APART]


def test_colours_differ_in_grey():
    assert alike((plotting.EXACT, *plotting.PALETTE)) == []
    assert alike(("#1f77b4", "#d62728", "#2ca02c", "#9467bd"))  # matplotlib's own, which do not


def test_every_series_has_its_own_marker_and_line():
    for series in (plotting.PALETTE, plotting.MARKERS, plotting.LINES):
        assert len(set(series)) == len(series) == len(plotting.PALETTE)


@pytest.mark.parametrize("colour, grey", [("#000000", 0.0), ("#FFFFFF", 1.0), ("#FF0000", 0.299), ("0.5", 0.5)])
def test_luminance(colour, grey):
    assert luminance(colour) == pytest.approx(grey)


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


def maps_used(text: str) -> set[str]:
    return set(re.findall(r"cmap=\\?[\"']([^\"'\\]+)", text))


def test_the_chapters_use_maps_that_are_legible_in_grey():
    legible = {"Greys", "gray", "Reds", "twilight", plotting.SEQUENTIAL, plotting.DIVERGING}
    for path in [*(chapter.path for chapter in chapters()), *(ROOT / "lib").rglob("*.py")]:
        text = path.read_text() if path.suffix == ".py" else "\n".join(c.source for c in notebooks.read(path).cells)
        assert maps_used(text) <= legible, path.name
    assert maps_used('imshow(x, cmap="jet")') == {"jet"} and maps_used("imshow(x, cmap='hsv')") == {"hsv"}


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
        axes.errorbar([1, 2], [1, 4], yerr=0.1, marker=plotting.MARKERS[0], color=plotting.MODEL, label="model")
        axes.legend()
        figure.savefig(tmp_path / "figure.png")
        plt.close(figure)
    assert (tmp_path / "figure.png").stat().st_size < 100_000
