"""The sign-free side of finite density against the transfer matrix: a short training, and the worm."""

import numpy as np

from lib.studies import dual_currents
from lib.studies.rotor_sources import CurrentsAt
from lib.studies.task import Task, learn
from lib.systems import rotor_field
from lib.systems.rotor_field import Field

FIELD = Field(0.6, 0.9, 2, 4)
EXACT = rotor_field.exact(FIELD)
CHARGES = np.array([EXACT.probabilities[EXACT.charges == q][0] for q in dual_currents.CHARGES])


def off(found, exact):
    """Difference in units of its error."""
    return (found.value - exact) / found.error


def off_each(charges):
    """The same of the charges 0, 1 and 2, which occur often enough for a Gaussian."""
    return (charges.value[:3] - CHARGES[:3]) / charges.error[:3]


def test_weights_give_the_exact_partition_function_and_density():
    """From a short training; five errors. With the weights of another mu they are far away."""
    found = learn(Task("conserved_currents", CurrentsAt(FIELD), 5000, 150, 1))
    dual = dual_currents.evaluate(found, 4000)
    assert dual.ess > 0.7 and dual.log_z.error < 0.02 and dual.density.error < 0.01
    assert abs(off(dual.log_z, EXACT.log_z)) < 5 and abs(off(dual.density, EXACT.density)) < 5
    assert np.abs(off_each(dual.charges)).max() < 5
    other = rotor_field.exact(FIELD._replace(mu=1.0))
    assert abs(off(dual.log_z, other.log_z)) > 5 and abs(off(dual.density, other.density)) > 5


def test_worms_give_the_exact_density():
    worm = dual_currents.worm(FIELD, 4000, 1)
    assert abs(off(worm.density, EXACT.density)) < 5
    assert np.abs(off_each(worm.charges)).max() < 5
    assert abs(off(worm.density, rotor_field.exact(FIELD._replace(mu=1.0)).density)) > 5
