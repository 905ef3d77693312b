"""The RBM of spins against all states of 3 x 3 spins, visible and hidden, and its training."""

import itertools

import numpy as np
import pytest
import torch

from lib.models.spin_rbm import SpinRBM, fit_persistent
from lib.systems import ising
from tests.physics.standins import ALPHA, boltzmann, number, p_value

NINE = ising.enumerate_states(3)


def machine(n_hidden=4, scale=0.3):
    model = SpinRBM((3, 3), n_hidden, seed=1).double()
    with torch.no_grad():
        model.weight.copy_(scale * torch.randn(9, n_hidden, generator=torch.Generator().manual_seed(2)))
    return model


def test_log_weight_is_the_sum_over_all_hidden_states():
    model = machine()
    W, s = model.weight.detach().numpy(), NINE.reshape(-1, 9).astype(float)
    hidden = np.array(list(itertools.product([-1, 1], repeat=4)))
    summed = np.logaddexp.reduce(s @ W @ hidden.T, axis=1)
    np.testing.assert_allclose(model.log_weight(NINE).detach().numpy(), summed, atol=1e-12)
    assert np.isnan(model.log_prob(NINE).detach().numpy()).all()  # ln Z is not known yet
    model.log_z = float(np.logaddexp.reduce(summed))
    assert np.exp(model.log_prob(NINE).detach().numpy()).sum() == pytest.approx(1, abs=1e-12)
    flipped = model.log_weight(-NINE).detach().numpy()
    np.testing.assert_allclose(flipped, summed, atol=1e-12)


def test_gibbs_draws_from_it():
    """Chi-square of 40 000 chains against all states; the same chains refuse a slightly different machine."""
    model, generator = machine(), torch.Generator().manual_seed(3)
    start = torch.ones(40_000, 3, 3, dtype=torch.float64)
    s = model.gibbs(start, 60, generator).numpy().astype(np.int8)
    counts = np.bincount(number(s), minlength=512)
    assert p_value(counts, boltzmann(-model.log_weight(NINE).detach().numpy(), 1)) > ALPHA
    assert p_value(counts, boltzmann(-machine(scale=0.27).log_weight(NINE).detach().numpy(), 1)) < ALPHA


def test_training_comes_close_to_the_data():
    """KL by enumeration, from configurations of the Ising model at T = 3; without training it is 20 times larger."""
    p = boltzmann(ising.energy(NINE), 1 / 3.0)
    data = NINE[np.random.default_rng(4).choice(512, 20_000, p=p)]

    def divergence(model):
        f = model.log_weight(NINE).detach().numpy().astype(float)
        return p @ (np.log(p) - f) + np.logaddexp.reduce(f)

    model = SpinRBM((3, 3), 16, seed=1)
    before = divergence(model)
    fit_persistent(model, data, steps=1500, learning_rate=1e-2, seed=2)
    assert 0 <= divergence(model) < min(0.02, before / 20)


def test_no_hidden_spins_are_refused():
    with pytest.raises(ValueError, match="hidden"):
        SpinRBM((3, 3), 0)
