"""The scalar field in 1+1 dimensions: free, on two columns, and the sampler against both. Fixed seeds, SIGMAS."""

import numpy as np
import pytest

from lib.samplers import mcmc
from lib.samplers.scalar_field import Fields
from lib.systems import phi_four
from lib.systems.phi_four import PhiFour
from tests.physics.standins import SIGMAS

INTERACTING = PhiFour(2, 8, 1.0, -1.27, 1.0)


@pytest.mark.parametrize(
    ("field", "exact"),
    [
        (PhiFour(8, 8, 1.0, 0.5, 0.0), (15.07210887, 0.31759268, 0.10729177, 0.10729177)),
        (PhiFour(8, 8, 0.5, 0.5, 0.0), (13.34409198, 0.37461721, 0.21248370, 0.11680553)),
    ],
)
def test_free_field(field, exact):
    np.testing.assert_allclose(phi_four.free(field), exact, atol=1e-8)


def test_free_field_is_a_gaussian_integral():
    """ln Z and correlations from the matrix of the quadratic form itself."""
    field = PhiFour(3, 4, 0.7, 0.4, 0.0)
    unit = np.eye(12).reshape(12, 4, 3)
    pairs = (unit[:, None] + unit[None]).reshape(-1, 4, 3)
    each = phi_four.action(unit, field)
    K = phi_four.action(pairs, field).reshape(12, 12) - each[:, None] - each
    inverse = np.linalg.inv(K)
    log_z = 0.5 * (12 * np.log(2 * np.pi) - np.linalg.slogdet(K)[1])
    expected = log_z, inverse[0, 0], inverse[0, 3], inverse[0, 1]
    np.testing.assert_allclose(phi_four.free(field), expected, rtol=1e-10)


def test_two_columns_without_interaction_are_free():
    field = PhiFour(2, 6, 0.8, 0.6, 0.0)
    exact, found = phi_four.free(field), phi_four.two_columns(field, points=56, limit=7.0)
    np.testing.assert_allclose((found.log_z, found.square, found.in_space), (exact[0], exact[1], exact[3]), rtol=1e-9)


def test_two_columns_with_interaction():
    found = phi_four.two_columns(INTERACTING)
    np.testing.assert_allclose(found, (9.43939054, 0.76313139, 0.60347469, 1.15552261, 0.33729718), atol=1e-8)
    finer = phi_four.two_columns(INTERACTING, points=48, limit=4.0)
    np.testing.assert_allclose(found, finer, atol=1e-9)


def test_what_is_drawn_has_the_exact_averages():
    """Those of another mass are noticed."""
    phi = mcmc.sample(Fields(INTERACTING), 20_000, np.random.default_rng(1)).configurations
    observables = [(phi**2).mean((1, 2)), (phi * np.roll(phi, 1, 2)).mean((1, 2)), (phi**4).mean((1, 2))]

    def worst(exact):
        errors = [each.std() / np.sqrt(len(each)) for each in observables]
        return max(abs(o.mean() - x) / e for o, x, e in zip(observables, exact[1:4], errors, strict=True))

    assert worst(phi_four.two_columns(INTERACTING)) < SIGMAS
    assert worst(phi_four.two_columns(INTERACTING._replace(mass2=-1.2))) > SIGMAS


def test_clusters_make_the_mean_field_move():
    field = PhiFour(8, 8, 1.0, -1.6, 1.0)
    tau = []
    for clusters in (True, False):
        rng = np.random.default_rng(2)
        chain = Fields(field, clusters=clusters, replicas=16)
        state = chain.start(1, rng)
        chain.advance(state, 50, rng)
        signs = np.sign(state.mean((1, 2)))
        chain.advance(state, 20, rng)
        tau.append((signs != np.sign(state.mean((1, 2)))).mean())
    assert tau[0] > 0.2 > tau[1]


def test_impossible_questions_are_refused():
    with pytest.raises(ValueError, match="mass2 = -1.27"):
        phi_four.free(INTERACTING)
    with pytest.raises(ValueError, match="n_x = 8"):
        phi_four.two_columns(INTERACTING._replace(n_x=8))


@pytest.mark.parametrize(("mass2", "coupling"), [(-1.6, 0.3), (0.5, 0.3), (-1.6, 3.0)])
def test_two_columns_far_from_the_default(mass2, coupling):
    """The grid reaches where the field is: a wider and finer one changes nothing."""
    field = INTERACTING._replace(mass2=mass2, coupling=coupling)
    found, finer = phi_four.two_columns(field), phi_four.two_columns(field, points=60, limit=6.5)
    np.testing.assert_allclose(found, finer, rtol=1e-4)
