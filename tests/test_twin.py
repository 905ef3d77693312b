"""The twin experiment, small: every step is repeatable, the Curie temperature that was put in comes back, blur moves
it.
"""

import numpy as np
import pytest

from lib.analysis import twin
from lib.analysis.couplings import cramer_rao
from lib.systems import film, ising

SMALL = {"L": 8, "n_images": 1000, "n_steps": 200}


class Exact:
    """The true Hamiltonian in the place of a learned one."""

    T0 = 2.0

    @staticmethod
    def log_prob(s):
        return -ising.energy(s) / Exact.T0


def test_a_known_hamiltonian_has_its_curie_temperature():
    s = (2 * np.random.default_rng(1).integers(2, size=(100, 8, 8)) - 1).astype(np.int8)
    t_c, error = twin.curie_of(Exact, s, 300.0)
    assert t_c == pytest.approx(300 / 2.0 * ising.critical_temperature(), rel=1e-6) and error < 1e-6


def test_images_depend_on_the_seed_and_the_camera_only():
    a = twin.images(twin.Experiment(**SMALL))
    b = twin.images(twin.Experiment(**SMALL, network=5))
    c = twin.images(twin.Experiment(**SMALL, camera=film.Camera(blur=2)))
    d = twin.images(twin.Experiment(**SMALL, seed=2))
    assert np.array_equal(a.spins, b.spins) and np.array_equal(a.frames, b.frames)
    assert np.array_equal(a.spins, c.spins) and not np.array_equal(a.frames, c.frames)
    assert not np.array_equal(a.spins, d.spins)


@pytest.fixture(scope="module")
def outcomes():
    return [twin.run(twin.Experiment(**SMALL, network=k)) for k in (0, 1)]


def test_the_curie_temperature_comes_back(outcomes):
    """427.4 K within 4 errors of the classical estimate; the network, hardly trained, within 5 % of it."""
    for o in outcomes:
        assert o.wrong == 0
        assert abs(o.classical[0] - 427.4) < 4 * o.classical[1] < 30
        assert abs(o.network[0] / o.classical[0] - 1) < 0.05
    assert outcomes[0].classical == outcomes[1].classical and outcomes[0].network != outcomes[1].network
    again = twin.run(outcomes[0].experiment)
    assert again.network == outcomes[0].network
    # the classical error is near the smallest possible
    s = twin.images(outcomes[0].experiment).spins
    bound = film.curie_temperature(0, cramer_rao(ising.operators(s, ("nn",)), 1.0, len(s))[0])[1]
    assert 0.6 * bound < outcomes[0].classical[1] < 3 * bound


def test_blur_makes_the_film_look_colder():
    blurred = twin.Experiment(**SMALL, camera=film.Camera(blur=2.0))
    truth, frames = twin.images(blurred)
    spins = twin.recover(frames, 4, 8)
    assert (spins != truth).mean() > 0.003
    assert twin.curie_classical(spins, 296.0)[0] > 1.2 * 427.4


def test_errors_of_several_networks(outcomes):
    value, error = twin.combine(outcomes)
    a, b = (o.network[0] for o in outcomes)
    assert value == pytest.approx((a + b) / 2)
    assert error >= outcomes[0].classical[1] and error >= abs(a - b) / 2
    other = outcomes[1]._replace(experiment=twin.Experiment(**SMALL, seed=2))
    with pytest.raises(ValueError, match="same images"):
        twin.combine([outcomes[0], other])


@pytest.mark.parametrize("change, message", [({"n_images": 10}, "n_images = 10"), ({"T": 500.0}, "T = 500.0 K")])
def test_experiments_that_cannot_be(change, message):
    with pytest.raises(ValueError, match=message):
        twin.Experiment(**change)
