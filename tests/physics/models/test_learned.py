"""The learned Hamiltonian: average over a group, units and their Jacobian, drawing."""

import numpy as np
import pytest
import torch

from lib import checks, lattice
from lib.models.heads.discrete import Bernoulli
from lib.models.heads.real import BetaMixture, GaussianMixture
from lib.models.learned import Fraction, LearnedHamiltonian, Units
from lib.models.made import MADE
from lib.models.markov_ring import MarkovRing
from lib.systems import ising
from tests.physics.standins import number, p_value

D4 = [lattice.Element(point, (0, 0)) for point in range(8)]
STATES = ising.enumerate_states(2)


def spins(group=None):
    model = checks.shaken(MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(7,), seed=1), scale=0.6)
    return LearnedHamiltonian(model, 2.0, group)


def test_the_average_over_a_group_is_symmetric_and_normalised():
    bare, symmetric = spins(), spins(D4)
    assert np.exp(symmetric.log_prob(STATES)).sum() == pytest.approx(1, abs=1e-12)
    for g in D4:
        assert symmetric.energy(g(STATES)) == pytest.approx(symmetric.energy(STATES), abs=1e-12)
    assert np.abs(bare.energy(D4[1](STATES)) - bare.energy(STATES)).max() > 0.1
    assert np.array_equal(symmetric.energy(STATES), 2.0 * symmetric.action(STATES))


def test_draws_follow_the_average():
    """Pearson chi-square of 20 000 draws over all 16 states, level 1e-4; and not that of the bare network."""
    drawn, log_prob = spins(D4).sample(20_000, 1)
    assert log_prob == pytest.approx(spins(D4).log_prob(drawn))
    counts = np.bincount(number(drawn), minlength=16)
    right, wrong = (p_value(counts, np.exp(h.log_prob(STATES))) for h in (spins(D4), spins()))
    assert right > 1e-4 > wrong


def test_ln_p_is_a_density_in_the_units_of_the_configurations():
    """Quadrature over an angle and over a field; drawing goes back to these units."""
    angle = checks.shaken(MADE(site_shape=(1,), head=BetaMixture(2), hidden=(3,), seed=1))
    field = checks.shaken(MADE(site_shape=(1,), head=GaussianMixture(2), hidden=(3,), seed=1))
    for model, units, low, high in (
        (angle, Fraction(dtype=np.float64), 1e-9, 2 * np.pi - 1e-9),
        (field, Units(3.0, 0.5, np.float64), -90, 90),
    ):
        hamiltonian = LearnedHamiltonian(model, 1.0, preprocess=units)
        x = np.linspace(low, high, 200_001)
        assert np.exp(hamiltonian.log_prob(x[:, None])).sum() * (x[1] - x[0]) == pytest.approx(1, abs=1e-3)
        drawn, log_prob = hamiltonian.sample(100, 1)
        seen = model.sample(100, 1)[0].numpy()
        assert drawn == pytest.approx(units.scale * seen + units.centre)
        assert log_prob == pytest.approx(hamiltonian.log_prob(drawn))


def test_double_precision_goes_all_the_way():
    model = checks.shaken(MarkovRing(6, GaussianMixture(2), seed=1)).float()
    single = LearnedHamiltonian(model, 1.0, preprocess=Units(3.0))
    double = single.in_double_precision()
    x = np.random.default_rng(1).normal(size=(5, 6))
    assert double.energy(x) == pytest.approx(single.energy(x), rel=1e-4)
    assert np.abs(double.energy(x + 1e-9) - double.energy(x)).min() > 1e-12
    assert model.dtype == torch.float32


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="T0 = 0"):
        LearnedHamiltonian(spins().model, 0)
    with pytest.raises(ValueError, match="cannot draw"):
        LearnedHamiltonian(spins().model, 1.0, preprocess=lambda s: s).sample(1, 1)
