"""Reading the action of a scalar field: operators, score matching, the smallest error. Fixed seeds, SIGMAS."""

import numpy as np
import pytest
import torch

from lib.analysis import field_action
from lib.analysis.field_action import FORBIDDEN, NAMES
from lib.samplers import mcmc
from lib.samplers.scalar_field import Fields
from lib.studies.field_sources import move_field
from lib.systems import phi_four
from lib.systems.phi_four import PhiFour
from tests.physics.standins import SIGMAS

FIELD = PhiFour(4, 4, 0.8, -1.27, 1.0)
EVERY = NAMES + FORBIDDEN


@pytest.fixture(scope="module")
def phi():
    return mcmc.sample(Fields(FIELD), 20_000, np.random.default_rng(1)).configurations


def test_the_couplings_make_up_the_action(phi):
    few = phi[:50]
    found = field_action.operators(few) @ field_action.true_couplings(FIELD)
    np.testing.assert_allclose(found, phi_four.action(few, FIELD))


def test_an_exact_action_is_read_exactly(phi):
    S = phi_four.action(phi[:500], FIELD) + 7
    found = field_action.read(S, phi[:500], EVERY)
    np.testing.assert_allclose(found, field_action.true_couplings(FIELD, EVERY), atol=1e-9)


def test_a_term_that_is_not_there_is_seen(phi):
    S = phi_four.action(phi[:500], FIELD) + 0.05 * field_action.operators(phi[:500], ("diagonal",))[:, 0]
    found = field_action.read(S, phi[:500], EVERY)
    assert found[EVERY.index("diagonal")] == pytest.approx(0.05, abs=1e-9)


def test_gradients_are_the_derivatives():
    phi = np.random.default_rng(2).normal(size=(1, 4, 5))
    first, second = field_action.gradients(phi, EVERY)
    h = 1e-4

    def moved(t, x, step):
        other = phi.copy()
        other[0, t, x] += step
        return field_action.operators(other, EVERY)[0]

    bends = 0.0
    for t in range(4):
        for x in range(5):
            up, down = moved(t, x, h), moved(t, x, -h)
            np.testing.assert_allclose((up - down) / (2 * h), first[:, 0, t, x], atol=1e-6)
            bends = bends + (up + down - 2 * moved(t, x, 0)) / h**2
    np.testing.assert_allclose(bends, second[:, 0], rtol=1e-5)


def test_score_matching_finds_the_couplings(phi):
    """Within its own errors, which are near the smallest possible; another mass is noticed."""
    found = field_action.score_matching(phi, EVERY)
    pulls = (found.value - field_action.true_couplings(FIELD, EVERY)) / found.error
    assert np.abs(pulls).max() < SIGMAS
    found = field_action.score_matching(phi)
    wrong = field_action.true_couplings(FIELD._replace(mass2=-1.1))
    assert np.abs((found.value - wrong) / found.error).max() > SIGMAS
    ratio = found.error / field_action.smallest_error(phi, len(phi))
    assert (ratio > 0.5).all() and (ratio < 2.5).all()


def test_symmetries_keep_the_action(phi):
    few = torch.as_tensor(phi[:12].copy())
    moved = move_field(few.clone(), torch.Generator().manual_seed(1))
    before, after = (phi_four.action(each.numpy(), FIELD) for each in (few, moved))
    np.testing.assert_allclose(before, after)
    assert not torch.equal(few, moved)


def test_pseudolikelihood_finds_the_couplings(phi):
    found = field_action.pseudolikelihood(phi)
    pulls = (found.value - field_action.true_couplings(FIELD)) / found.error
    assert np.abs(pulls).max() < SIGMAS
    wrong = field_action.true_couplings(FIELD._replace(coupling=1.1))
    assert np.abs((found.value - wrong) / found.error).max() > SIGMAS
    again = field_action.pseudolikelihood(phi, steps=4)
    np.testing.assert_allclose(found.value, again.value, atol=1e-4)
    ratio = found.error / field_action.smallest_error(phi, len(phi))
    assert (ratio > 0.9).all() and (ratio < 1.6).all()


def test_errors_of_pseudolikelihood_are_those_of_new_data(phi):
    groups = [field_action.pseudolikelihood(each) for each in np.split(phi, 20)]
    scatter = np.std([each.value for each in groups], axis=0, ddof=1)
    error = np.mean([each.error for each in groups], axis=0)
    assert (scatter / error > 0.5).all() and (scatter / error < 1.6).all()


def test_typical_fields_are_those_without_a_large_value(phi):
    chosen = field_action.typical(phi, 0.8)
    largest = np.abs(phi).max((1, 2))
    assert chosen.mean() == pytest.approx(0.8, abs=0.01) and largest[chosen].max() < largest[~chosen].min()
