"""Reading an action: exact when the action is exact, wrong ones are noticed."""

import numpy as np
import pytest
import torch

from lib import checks, lattice
from lib.analysis import action
from lib.models.autoregressive import Autoregressive
from lib.models.heads.real import GaussianMixture
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_ring import MarkovRing
from lib.studies import estimation
from lib.systems import double_well as dw
from tests.physics.standins import SIGMAS

N, BETA = 12, 9.0
COUPLINGS = dw.couplings(BETA, N)
MATRIX = dw.TransferMatrix(COUPLINGS, N)
PATHS = MATRIX.sample(4000, np.random.default_rng(1))


class Exact(Autoregressive):
    """Not a network at all: ln p of the exact action, with an x^4 too many if `extra` is not zero."""

    def __init__(self, extra=0.0):
        super().__init__((N,), GaussianMixture(1))
        self.extra = torch.nn.Parameter(torch.tensor(float(extra), dtype=torch.float64))

    def conditionals(self, values):
        raise NotImplementedError

    def log_prob(self, x):
        x, (k, quadratic, quartic, constant) = torch.as_tensor(x), COUPLINGS
        s = k / 2 * (x.roll(-1, 1) - x).square() + quadratic / 2 * x**2 + quartic / 4 * x**4 + constant
        return -(s + self.extra * x**4 * torch.arange(N)).sum(1) - MATRIX.log_z


def test_an_exact_action_passes_every_test():
    learned = LearnedHamiltonian(Exact(), 1.0)
    found = action.against_exact(learned.action(PATHS), dw.action(PATHS, COUPLINGS))
    assert abs(found.slope - 1) < 1e-12 and found.residual < 1e-9 and abs(found.offset - MATRIX.log_z) < 1e-9
    gradient = learned.gradient(PATHS)
    assert np.allclose(gradient, dw.gradient(PATHS, COUPLINGS), atol=1e-9)
    for sextic in (False, True):
        readable = action.read(PATHS, gradient, sextic)
        assert np.allclose(readable.coefficients, [*COUPLINGS[:3], 0], atol=1e-8) and readable.explained > 1 - 1e-12
        assert readable.couplings()[:3] == pytest.approx(COUPLINGS[:3])
    assert np.allclose(action.physical(readable.coefficients, BETA / N), [dw.LAMBDA, dw.MU_SQUARED, 1])
    mean, error = action.schwinger_dyson(PATHS, gradient)
    assert np.all(np.abs(mean - 1) < SIGMAS * error)


def test_the_tails_can_be_left_out():
    force = dw.gradient(PATHS, COUPLINGS)
    limit = np.quantile(np.abs(PATHS), 0.99)
    spoilt = np.where(np.abs(PATHS) > limit, 0, force)
    assert action.read(PATHS, spoilt, keep=0.98).coefficients[:3] == pytest.approx(COUPLINGS[:3])
    assert action.read(PATHS, spoilt).coefficients[2] != pytest.approx(COUPLINGS.quartic, rel=1e-3)


def test_a_wrong_action_fails_them():
    gradient = LearnedHamiltonian(Exact(0.02), 1.0).gradient(PATHS)
    mean, error = action.schwinger_dyson(PATHS, gradient)
    assert np.abs((mean - 1) / error).max() > SIGMAS
    readable = action.read(PATHS, gradient)
    assert np.abs(readable.coefficients[2] - COUPLINGS.quartic) > SIGMAS * readable.errors[2]


def test_schwinger_dyson_check():
    """With x and with a hop; it names the first site whose force is off by too much."""
    force = dw.gradient(PATHS, COUPLINGS)
    for factor in (PATHS, PATHS - np.roll(PATHS, 1, 1)):
        checks.check_schwinger_dyson(factor, force, SIGMAS)
        wrong = force.copy()
        wrong[:, 5] *= 10
        with pytest.raises(checks.CheckFailed, match="at site 5 is"):
            checks.check_schwinger_dyson(factor, wrong)


def test_physical_couplings_of_exact_forces():
    force = dw.gradient(PATHS, COUPLINGS)
    found = estimation.read_couplings(PATHS, [force, force], BETA / N, sextic=True)
    values = [one.value for one in found[:4]]
    assert np.allclose(values, [dw.LAMBDA, dw.MU_SQUARED, 1, 0], atol=1e-8) and found.explained > 1 - 1e-12


def test_mean_kink_and_the_typical_path():
    """A step up and a step down, far apart, are one and the same kink; one with a neighbour too close is left out."""
    path = np.repeat([-1.0, 1.0, -2.0], [10, 10, 12])[None]
    profile = estimation.mean_kink(path, 4)
    assert np.array_equal(profile.value, [-1, -1, -1, -1, 1.5, 1.5, 1.5, 1.5])
    assert np.allclose(profile.error, [0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5])
    crowded = np.repeat(path, 2, axis=0)
    crowded[:, 12] = -1
    assert np.array_equal(estimation.mean_kink(crowded, 4).value, [-1, -1, -1, -1, 2, 2, 2, 2])
    assert estimation.typical(np.concatenate([np.abs(path), path, path]))[0] == -1


def test_averaging_over_images():
    group = lattice.ring_group(N, 3)
    assert len({g(PATHS[:1]).tobytes() for g in group}) == 12
    with pytest.raises(ValueError, match="shifts"):
        lattice.ring_group(N, 5)
    model = MarkovRing(N, GaussianMixture(3), seed=2).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    symmetric, plain = LearnedHamiltonian(model, 1.0, group), LearnedHamiltonian(model, 1.0)
    x = PATHS[:50]
    for image in (-x, np.roll(x[:, ::-1], 1, 1), np.roll(x, 4, 1)):
        assert np.allclose(symmetric.action(image), symmetric.action(x), atol=1e-9)
        assert not np.allclose(plain.action(image), plain.action(x), atol=1e-3)
    small, direction = 1e-5, np.random.default_rng(4).normal(size=N)
    for learned in (plain, symmetric):
        slope = (learned.action(x + small * direction) - learned.action(x - small * direction)) / (2 * small)
        assert np.allclose(slope, learned.gradient(x) @ direction, rtol=1e-5, atol=1e-5)
    # the average is never worse, and KL >= 0 within its error
    kl = [(MATRIX.log_prob(PATHS) + learned.action(PATHS)) for learned in (plain, symmetric)]
    assert kl[0].mean() > kl[1].mean() > -SIGMAS * kl[1].std() / np.sqrt(len(PATHS))
