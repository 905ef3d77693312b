"""The kinetic ring: what it sees, its Newton start, and a short training."""

import numpy as np
import pytest
import torch

from lib.analysis.divergence import kl_divergence
from lib.models.fit import fit
from lib.models.heads.real import LogPolynomial
from lib.models.kinetic_ring import KineticRing, independent, markov_chain
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
from lib.studies.recipes import move_path
from lib.systems import double_well
from lib.systems.double_well import TransferMatrix

N = 8


def test_newton_finds_the_density_and_the_hop():
    """Values from a density of this family give its coefficients back, within the errors of maximum likelihood."""
    head = LogPolynomial(degree=4)
    true = np.array([0.2, -1.5, 0.1, -0.4])
    draw = head.sample(torch.as_tensor(true).expand(50_000, -1), torch.Generator().manual_seed(1)).numpy()
    assert np.allclose(independent(head, draw), true, atol=0.05)
    y = np.random.default_rng(2).uniform(-1.5, 1.5, 30_000)
    c = torch.as_tensor(true) + 1.7 * torch.as_tensor(y)[:, None] * head.linear().double()
    x = head.sample(c, torch.Generator().manual_seed(4)).numpy()
    kappa, site = markov_chain(head, y, x)
    assert kappa == pytest.approx(1.7, abs=0.05) and np.allclose(site, true, atol=0.08)


def test_short_training_comes_close_to_the_exact_distribution():
    couplings = double_well.couplings(4.0, N)
    rng = np.random.default_rng(5)
    data = mcmc.sample(chains.DoubleWell(couplings, N), 20_000, rng).configurations.astype(np.float32)
    test = mcmc.sample(chains.DoubleWell(couplings, N), 4000, rng).configurations
    exact = TransferMatrix(couplings, N).log_prob(test)
    model = KineticRing.from_paths(data, LogPolynomial(degree=8), seed=1, hidden=8, n_pairs=20_000)
    before = kl_divergence(exact, -LearnedHamiltonian(model, 1.0).action(test))
    fit(model, data, steps=200, batch=128, learning_rate=4e-3, augment=move_path, seed=1)
    after = kl_divergence(exact, -LearnedHamiltonian(model, 1.0).action(test))
    assert after.value > -3 * after.error
    assert after.value < 0.02 < 0.04 < before.value


def test_paths_outside_the_head_are_refused():
    with pytest.raises(ValueError, match="strictly inside"):
        KineticRing.from_paths(np.full((10, N), 5.0))
