"""The live demonstration: some lines and one figure, without training."""

import re

import numpy as np
import pytest
from PIL import Image

from lib.book import demo
from lib.errors import BookError
from tests.conftest import ROOT, one_line, run_lib

pytestmark = pytest.mark.xdist_group("shipped")


def test_it_says_what_the_networks_know_and_draws_it(tmp_path):
    out = tmp_path / "demo.png"
    result = run_lib(ROOT, "demo", "--out", out)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "3 trained networks: 2D Ising model, L = 16, 200000 configurations at T0 = 2.27"
    assert re.match(r"read off the networks: J = (1\.00|0\.99)\d\d \+- 0\.00\d\d \(true: 1\)", lines[1])
    rows = [line.split() for line in lines if re.match(r" [1-3]\.\d\d  ", line)]
    assert [float(row[0]) for row in rows] == list(demo.TEMPERATURES)
    assert max(abs(float(row[5])) for row in rows) < 1  # per cent
    assert sum("the only one they saw" in line for line in lines) == 1 and lines[-1].endswith("demo.png: the figure")
    pixels = np.asarray(Image.open(out).convert("L"))
    assert min(pixels.shape) > 400 and pixels.std() > 10


def test_a_place_that_takes_no_picture_is_refused_before_the_work(tmp_path):
    for name, said in (("demo.txt", ".png, .pdf or .svg"), ("none/demo.png", "no folder")):
        result = run_lib(ROOT, "demo", "--out", tmp_path / name)
        assert result.returncode == 2 and said in one_line(result.stderr)
    with pytest.raises(BookError):
        demo.show(tmp_path / "demo", train=False)
