"""Tables and the slider: what a page gets as HTML is escaped, described and the same on every run."""

import re

import matplotlib
import numpy as np
import pytest

from lib.page import slider, tables

matplotlib.use("Agg")


def _frames():
    import matplotlib.pyplot as plt

    frames = []
    for k in range(3):
        figure, axis = plt.subplots(figsize=(1, 1))
        axis.plot([0, k])
        frames.append(slider.frame(figure))
    return frames


def test_frames_are_embedded_and_described():
    page = slider.text(_frames(), ["T = 1", "T = 2", "T = 3"], 'A line called "x" at', "lines")
    assert page.count("<img") == 3 and page.count("display:none") == 2
    assert re.findall(r'alt="([^"]*)"', page)[2] == "A line called &quot;x&quot; at T = 3"
    assert 'max="2"' in page and "http" not in page


def test_frames_are_deterministic_and_differ():
    first, second = _frames(), _frames()
    assert first == second and len(set(first)) == 3


def test_a_label_for_each_frame():
    with pytest.raises(ValueError, match="one label"):
        slider.text([b"x"], ["a", "b"], "alt", "name")
    with pytest.raises(ValueError, match="at least one"):
        slider.text([], [], "alt", "name")


def test_tables():
    html = tables.text(["a < b", "value"], [["x & y", (1.23456, 0.012)], [3, 0.5], ["n", np.float64(1 / 3)]])
    assert "<th>a &lt; b</th>" in html and "<td>x &amp; y</td><td>1.235(12)</td>" in html
    assert "<td>3</td><td>0.5</td>" in html and "<td>0.333333</td>" in html
