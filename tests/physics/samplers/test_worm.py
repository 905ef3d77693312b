"""The worm: exact probabilities of the charge, and conservation at every site. Fixed seed, significance ALPHA."""

import numpy as np
import pytest
from scipy import stats

from lib.samplers import mcmc
from lib.samplers.worm import Worms
from lib.systems import rotor_field
from lib.systems.rotor_field import Field
from tests.physics.standins import ALPHA


def p_value(charges, exact):
    """Of the counts of charges 0, 1, 2 and all others against exact probabilities."""
    p = [exact.probabilities[exact.charges == q].sum() for q in (0, 1, 2)]
    counts = [(charges == q).sum() for q in (0, 1, 2)]
    counts, p = [*counts, len(charges) - sum(counts)], np.array([*p, 1 - sum(p)])
    return stats.chisquare(counts, p * len(charges)).pvalue


@pytest.mark.parametrize("n_x", [2, 3])
def test_charges_have_their_exact_probabilities(n_x):
    field = Field(0.6, 0.9, n_x, 8)
    free = mcmc.sample(Worms(field), 8000, np.random.default_rng(1)).configurations
    charges = rotor_field.charge(free)
    assert p_value(charges, rotor_field.exact(field)) > ALPHA
    assert p_value(charges, rotor_field.exact(field._replace(mu=0.8))) < ALPHA


def test_currents_are_conserved_at_every_site():
    chain = Worms(Field(0.6, 0.9, 4, 5), replicas=8)
    rng = np.random.default_rng(2)
    k, j = state = chain.start(1, rng)
    chain.advance(state, 200, rng)
    assert np.abs(j).max() > 0
    comes = np.roll(k, 1, 1) + np.roll(j, 1, 2)
    assert (comes == k + j).all()
    assert (rotor_field.time_currents(chain.configurations(state).astype(int)) == k).all()
