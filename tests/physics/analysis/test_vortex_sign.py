"""The test charge tells a vortex from an antivortex, by the true energy."""

import numpy as np
import pytest

from lib.analysis import vortex_sign, vortices
from lib.analysis.vortex_pairs import pair_field
from lib.studies.sources import Angles
from lib.systems import xy


def test_the_sign_of_a_lone_pair():
    phi = pair_field(12, 0, 5)[0]
    theta = np.repeat(phi[None], 3, axis=0) % xy.TWO_PI
    score = vortex_sign.signed_score(xy.energy, theta, np.array([[0, 0], [0, 5], [6, 3]]))
    assert score[0] > 5 and score[1] < -5 and abs(score[2]) < score[0] / 2
    mirrored = vortex_sign.signed_score(xy.energy, -theta % xy.TWO_PI, np.array([[0, 0], [0, 5], [6, 3]]))
    assert mirrored == pytest.approx(-score, abs=1e-6)


def test_squares_are_drawn_with_their_windings():
    theta = Angles(8, 1.2).configurations(200, 1)
    which, squares, winding = vortex_sign.some_squares(theta, 50, np.random.default_rng(1))
    assert np.array_equal(xy.vorticity(theta)[which, squares[:, 0], squares[:, 1]], winding)
    assert [int((winding == sign).sum()) for sign in (1, -1, 0)] == [50, 50, 50]
    score = vortex_sign.signed_score(xy.energy, theta[which], squares)
    charged = winding != 0
    assert vortices.auc(score[charged], winding[charged] > 0) > 0.7
    with pytest.raises(ValueError, match="only 0 squares"):
        vortex_sign.some_squares(np.zeros((2, 8, 8)), 1, np.random.default_rng(1))
