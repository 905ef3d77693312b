"""The network of conserved currents: normalisation by enumeration, order, sampling, and symmetries of the weight."""

import itertools

import numpy as np
import pytest
import torch

from lib.models.conserved_currents import ConservedCurrents
from lib.studies.rotor_sources import move_currents
from lib.systems import rotor_field
from lib.systems.rotor_field import Field

STATES = np.array(list(itertools.product((-1, 0, 1), repeat=6))).reshape(-1, 3, 2)


def network(seed=1):
    """With weights of any size."""
    model = ConservedCurrents(3, 2, largest=1, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (model.skip, model.output, model.bias):
            weight += 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


def test_probabilities_of_all_states_add_up_to_one():
    assert network().log_prob(STATES).exp().sum().item() == pytest.approx(1)


def test_a_conditional_depends_on_earlier_sites_only():
    model = network()
    values = torch.as_tensor(STATES[:40].reshape(40, -1), dtype=torch.float64)
    before = model.conditionals(values)
    for site in range(6):
        changed = values.clone()
        changed[:, site:] = 1 - values[:, site:].abs()
        assert torch.equal(model.conditionals(changed)[:, : site + 1], before[:, : site + 1])
    first = values.clone()
    first[:, 0] = 1 - values[:, 0].abs()
    assert not torch.equal(model.conditionals(first)[:, -1], before[:, -1])


def test_drawing_site_by_site_is_the_same_distribution():
    model = network()
    fast, slow = model.sample(50, 3), model.sample(50, 3, naive=True)
    assert torch.equal(fast[0], slow[0]) and torch.allclose(fast[1], slow[1])
    assert torch.allclose(model.log_prob(fast[0]), fast[1])


def test_currents_beyond_the_largest_are_refused():
    with pytest.raises(ValueError, match="value 2"):
        ConservedCurrents.from_data(np.full((3, 3, 2), 2), largest=1)


def test_symmetries_keep_the_weight():
    field = Field(0.6, 0.9, 4, 5)
    free = torch.as_tensor(np.random.default_rng(1).integers(-1, 2, (9, 5, 4))).float()
    moved = move_currents(free.clone(), torch.Generator().manual_seed(1))
    before, after = (rotor_field.log_weight(each.numpy().astype(int), field) for each in (free, moved))
    np.testing.assert_allclose(before, after)
    assert not torch.equal(free, moved)
