"""Couplings of the double well without a network: estimators at their bound, on paths drawn exactly."""

import numpy as np
import pytest

from lib.analysis import action_floor
from lib.systems import double_well
from lib.systems.double_well import Couplings, TransferMatrix

TRUE = double_well.couplings(8.0, 16)
N, SETS = 400, 60


@pytest.fixture(scope="module")
def sets():
    """[SETS, N, 16] paths, independent."""
    paths = TransferMatrix(TRUE, 16).sample(SETS * N, np.random.default_rng(1))
    return paths.reshape(SETS, N, 16)


@pytest.fixture(scope="module")
def found(sets):
    """Maximum likelihood and score matching of every set, two arrays [SETS, 3]."""
    both = []
    for paths in sets:
        scored = action_floor.score_matching(paths, blocks=20)
        best = action_floor.maximum_likelihood(paths, Couplings(*scored.value), blocks=20)
        both.append((best.couplings[:3], scored.value))
    return np.moveaxis(np.array(both), 1, 0)


def test_the_information_is_the_covariance_of_the_operators(sets):
    """Entries of a covariance from n paths scatter by about sqrt(2 / n): five errors."""
    exact = action_floor.information(TRUE, 16)
    operators = double_well.operators(sets.reshape(-1, 16))
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    assert np.abs((np.cov(operators.T) - exact) / scale).max() < 5 * np.sqrt(3 / len(operators))


def test_maximum_likelihood_scatters_by_the_bound_and_score_matching_by_more(found):
    """Standard deviations of SETS values have an error of 1 / sqrt(2 SETS) = 9 %: four of them."""
    bound = action_floor.cramer_rao(TRUE, 16, N)
    likelihood, scored = (np.std(each, axis=0, ddof=1) / bound for each in found)
    assert (np.abs(likelihood - 1) < 0.36).all()
    assert (scored[1:] > 1.2 * likelihood[1:]).all()
    for each in found:
        off = (each.mean(axis=0) - np.array(TRUE[:3])) / (each.std(axis=0, ddof=1) / np.sqrt(SETS))
        assert np.abs(off).max() < 4.5  # a bias of order 1 / n is a small part of that


def test_the_errors_over_blocks_are_the_scatter(sets, found):
    for k, of_set in enumerate(("likelihood", "score")):
        errors = []
        for paths in sets[:20]:
            scored = action_floor.score_matching(paths, blocks=20)
            if of_set == "likelihood":
                errors.append(action_floor.maximum_likelihood(paths, Couplings(*scored.value), blocks=20).errors)
            else:
                errors.append(scored.error)
        ratio = np.sqrt(np.mean(np.square(errors), axis=0)) / found[k].std(axis=0, ddof=1)
        assert (np.abs(ratio - 1) < 0.45).all()


def test_at_the_maximum_the_averages_are_those_of_the_paths(sets):
    paths = sets[0]
    best = action_floor.maximum_likelihood(paths, TRUE)
    assert np.allclose(action_floor.mean_operators(best.couplings, 16), double_well.operators(paths).mean(0), rtol=1e-8)


def test_a_harmonic_oscillator_needs_no_quartic_term():
    """Score matching is exact in n for a Gaussian: the quartic coupling is zero within its error."""
    spacing = 0.25
    matrix = TransferMatrix(Couplings(1 / spacing, spacing, 1e-14), 16, points=801, limit=8.0)
    scored = action_floor.score_matching(matrix.sample(8000, np.random.default_rng(2)))
    off = (scored.value - [1 / spacing, spacing, 0.0]) / scored.error
    assert np.abs(off).max() < 4


def test_paths_that_no_action_with_a_partition_function_has_are_refused():
    flat = np.random.default_rng(3).uniform(-1, 1, size=(50, 8))  # no quartic term holds these: it would be negative
    with pytest.raises(ValueError):
        action_floor.maximum_likelihood(0.01 * flat, Couplings(1.0, 1.0, 1e-9))
