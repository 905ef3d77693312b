"""The rotor chain: rotations, sampling, and a short training against the exact distribution."""

import numpy as np
import pytest
import torch

from lib.analysis.divergence import kl_divergence
from lib.models.learned import LearnedHamiltonian
from lib.models.rotor_chain import RotorChain, turn
from lib.studies.rotor_sources import Rotors, move_chain
from lib.studies.task import Task, learn
from lib.systems import rotors


def network(nu=0.8, n_sites=5, seed=1):
    """With weights of any size."""
    model = RotorChain(n_sites, nu, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.output += 0.3 * torch.randn(model.output.shape, generator=generator, dtype=torch.float64)
    return model


def angles(n, n_sites, seed=2):
    return torch.as_tensor(np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, n_sites)))


def test_turning_a_series():
    values, by = angles(3, 4)[:, 0], 0.7
    head = RotorChain(3, 0.0).head
    f = torch.randn(3, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    turned = turn(f, torch.tensor(by, dtype=torch.float64))
    assert torch.allclose((f * head.waves(values - by)).sum(-1), (turned * head.waves(values)).sum(-1))


def test_rotations_change_nothing():
    model, phi = network(), angles(20, 5)
    assert torch.allclose(model.log_prob(phi), model.log_prob((phi + 1.1) % (2 * np.pi)))
    assert not torch.allclose(model.log_prob(phi), model.log_prob(-phi % (2 * np.pi)))


def test_drawing_site_by_site_is_the_same_distribution():
    model = network()
    fast, slow = model.sample(50, 3), model.sample(50, 3, naive=True)
    assert all(torch.allclose(a, b) for a, b in zip(fast, slow, strict=True))
    assert torch.allclose(model.log_prob(fast[0]), fast[1])


def test_a_conditional_depends_on_earlier_sites_only():
    model, phi = network(), angles(1, 5).requires_grad_()
    for site, parameters in enumerate(model.conditionals(phi)[0]):
        slope = torch.autograd.grad(parameters.sum() + 0 * phi.sum(), phi, retain_graph=True)[0]
        assert (slope[0, site:] == 0).all()


@pytest.mark.parametrize("nu", [0.0, np.pi / 2])
def test_short_training_comes_close(nu):
    found = learn(Task("rotor_chain", Rotors(1.0, 6, nu), 20_000, 300, 1))
    assert found.kl.value < 0.005
    test = found.task.source.configurations(5000, 1)
    wrong = kl_divergence(
        rotors.log_prob(np.asarray(test, float), 1.2, nu), LearnedHamiltonian(found.model, 1.0).log_prob(test)
    )
    assert abs(wrong.value) > 0.02  # another beta is noticed


def test_symmetries_keep_the_action():
    phi = angles(8, 6).float()
    moved = move_chain(phi.clone(), torch.Generator().manual_seed(1))
    before, after = (rotors.action(each.numpy(), 1.0, 0.6) for each in (phi, moved))
    np.testing.assert_allclose(before, after, atol=1e-5)


def test_short_chains_are_refused():
    with pytest.raises(ValueError, match="n_sites = 2"):
        RotorChain(2, 0.0)
