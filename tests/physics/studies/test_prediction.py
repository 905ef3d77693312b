"""Prediction of an action at a third temperature: against exact actions, and the laws of the kinetic ring."""

import numpy as np
import pytest
import torch

from lib import checks
from lib.analysis.action import Readable
from lib.analysis.divergence import kl_divergence
from lib.analysis.reweighting import effective_sample_size
from lib.models.fit import fit
from lib.models.heads.real import LogPolynomial
from lib.models.kinetic_ring import KineticRing, independent, markov_chain
from lib.models.learned import LearnedHamiltonian
from lib.samplers import chains, mcmc
from lib.statistics import Estimate, over_networks
from lib.studies import prediction
from lib.studies.recipes import move_path
from lib.studies.sources import Paths
from lib.studies.task import Task
from lib.systems import double_well
from lib.systems.double_well import TransferMatrix

N = 8


class Exact:
    """The exact action at `beta`, in the place of a learned one; `wrong` multiplies its quartic coupling."""

    def __init__(self, beta, wrong=1.0):
        couplings = double_well.couplings(beta, N)
        self.couplings = couplings._replace(quartic=wrong * couplings.quartic)

    def action(self, paths):
        return double_well.action(np.asarray(paths, float), self.couplings)


def stand_in(beta, wrong=1.0):
    exact = Exact(beta, wrong)
    readable = Readable(np.array([*exact.couplings[:3], 0.0]), np.zeros(4), 1.0)
    return prediction.ReadAction(
        Task("kinetic_ring", Paths(beta, N), 0, 0, 0), exact, Estimate(0.0, 0.0), readable, readable, 0.0
    )


def pair_of(beta_1, beta_2, wrong=1.0):
    return prediction.Pair([stand_in(beta_1, wrong)] * 2, [stand_in(beta_2, wrong)] * 2)


@pytest.fixture(scope="module")
def paths():
    return mcmc.sample(
        chains.DoubleWell(double_well.couplings(4.0, N), N), 2000, np.random.default_rng(1)
    ).configurations


# ---------------------------------------------------------------- the law


def test_coefficients_of_the_paper():
    assert np.allclose(prediction.coefficients(80, 20, 40), (0.4, 0.4), atol=1e-15)
    assert np.allclose(prediction.coefficients(80, 40, 20), (-1, 2.5), atol=1e-15)
    assert np.allclose(prediction.coefficients(20, 40, 80), (-1, 2.5), atol=1e-15)
    assert prediction.error_factor(80, 20, 40) == pytest.approx(np.sqrt(0.32))
    assert prediction.error_factor(80, 40, 20) == pytest.approx(np.sqrt(7.25))


@pytest.mark.parametrize("beta_3", [3.0, 5.0, 1.5, 17.0])
def test_law_is_exact_for_exact_actions(paths, beta_3):
    pair = pair_of(8.0, 2.0)
    found = prediction.agreement(pair, beta_3, paths)
    difference = found.predicted - found.exact
    assert np.ptp(difference) < 1e-12 * np.abs(found.exact).max()
    assert np.allclose(found.slope, 1, atol=1e-12) and found.rmse.max() < 1e-11


def test_k_and_v_are_separated(paths):
    K, V = double_well.parts(paths)
    found = prediction.separate(K / 8 + 8 * V, K / 2 + 2 * V, 8.0, 2.0)
    assert np.allclose(found[0], K, atol=1e-11) and np.allclose(found[1], V, atol=1e-12)


def test_readable_couplings_obey_the_law():
    found = pair_of(8.0, 2.0).couplings(4.0)[0]
    assert np.allclose(found[:3], double_well.couplings(4.0, N)[:3], rtol=1e-12)


def test_values_of_an_action_give_its_couplings(paths):
    couplings = double_well.couplings(4.0, N)
    found = prediction.read_values(paths, double_well.action(paths, couplings))
    assert np.allclose(found.coefficients[:3], couplings[:3], rtol=1e-8) and found.explained == pytest.approx(1)
    noisy = double_well.action(paths, couplings) + np.random.default_rng(1).normal(0, 0.5, len(paths))
    found = prediction.read_values(paths, noisy)
    assert np.all(np.abs(found.coefficients[:3] - couplings[:3]) < 4 * found.errors[:3])
    assert 0 < found.errors[0] < 0.2


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ((80, 80, 40), "two different temperatures"),
        ((80, 20, 80), "nothing to predict"),
        ((80, 20, 20), "nothing to predict"),
        ((80, -20, 40), "must be positive"),
        ((0, 20, 40), "must be positive"),
        ((80, 20, float("nan")), "must be positive"),
    ],
)
def test_impossible_temperatures_are_refused(betas, message):
    with pytest.raises(ValueError, match=message) as caught:
        prediction.coefficients(*betas)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- averages under the prediction


def test_gap_from_the_correlator_is_that_of_the_transfer_matrix():
    for beta in (20.0, 40.0, 80.0):
        matrix = TransferMatrix(double_well.couplings(beta, 64), 64)
        first, second = prediction.lags(beta, 64)
        C = matrix.correlator()
        found = prediction.gap_from_correlator(C[first] / C[second], beta, 64)
        assert found == pytest.approx(matrix.gap(beta / 64), rel=3e-3)
    assert np.isnan(prediction.gap_from_correlator(0.9, 40.0, 64))


def test_averages_of_exact_actions_are_exact():
    pair = pair_of(8.0, 2.0)
    found = prediction.predicted_averages(pair, 4.0, 2000, seed=1, with_distributions=True)
    values, errors = found.mean()
    expected = prediction.solve(double_well.couplings(4.0, N), 4.0, N)
    # the surrogate is the target: the control variate leaves no noise at all
    assert np.allclose(values[:4], expected, rtol=1e-10) and errors.max() < 1e-10
    assert np.allclose(found.ess, 1)
    probabilities = values[4 : 4 + len(prediction.KINKS)]
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    exact = TransferMatrix(double_well.couplings(4.0, N), N)
    assert np.allclose(found.log_z, exact.log_z, atol=1e-8)


def test_paths_of_the_networks_are_weighted_with_their_own_probability():
    """Exact paths of beta_1 and beta_2: the effective sample size of p_3 / p is that of the exact weights."""
    groups = []
    for beta in (4.0, 2.0):
        matrix = TransferMatrix(double_well.couplings(beta, N), N)

        class Drawing:
            def sample(self, n, seed, matrix=matrix):
                x = matrix.sample(n, np.random.default_rng(seed))
                return torch.as_tensor(x), torch.as_tensor(matrix.log_prob(x))

        one = stand_in(beta)
        one.action.model = Drawing()
        groups.append([one])
    found = prediction.direct_importance(prediction.Pair(*groups), 3.0, 4000, 1)
    at = TransferMatrix(double_well.couplings(3.0, N), N)
    for size, beta in zip(found, (4.0, 2.0), strict=True):
        matrix = TransferMatrix(double_well.couplings(beta, N), N)
        x = matrix.sample(4000, np.random.default_rng(2))
        exact = effective_sample_size(at.log_prob(x) - matrix.log_prob(x))
        assert 0.2 < exact < 0.99 and size == pytest.approx(exact, rel=0.15)


def test_averages_reach_a_target_that_is_not_the_surrogate():
    """Networks that differ from their readable action: the averages must be those of the networks."""
    wrong = pair_of(8.0, 2.0, wrong=1.04)
    right = pair_of(8.0, 2.0)
    mixed = prediction.Pair(
        [one._replace(readable=other.readable) for one, other in zip(wrong.first, right.first, strict=True)],
        [one._replace(readable=other.readable) for one, other in zip(wrong.second, right.second, strict=True)],
    )
    found = prediction.predicted_averages(mixed, 4.0, 20_000, seed=2)
    target = double_well.couplings(4.0, N)
    target = target._replace(quartic=1.04 * target.quartic)
    expected = prediction.solve(target, 4.0, N)
    surrogate = prediction.solve(double_well.couplings(4.0, N), 4.0, N)
    values, errors = found.mean()
    of_paths = found.errors.max(axis=0)
    assert np.all(np.abs(values - expected) < 4 * of_paths)
    assert np.abs(values[0] - surrogate[0]) > 10 * of_paths[0]  # and the surrogate's own are far off
    assert np.all(errors >= np.abs(values - surrogate))  # two readings that disagree: the error says so
    assert found.ess.min() < 0.999


class Tilted(Exact):
    """p (1 + a tanh(mean x)): normalised where p is, and the mean over a and -a is p itself."""

    def __init__(self, beta, a):
        super().__init__(beta)
        self.a = a

    def action(self, paths):
        return super().action(paths) - np.log1p(self.a * np.tanh(2 * np.asarray(paths, float).mean(1)))


def test_a_shift_that_all_networks_share_is_in_the_error():
    """Two networks that err in opposite directions: averages of even quantities agree, and are off by the same."""
    groups = [[stand_in(beta)._replace(action=Tilted(beta, a)) for a in (0.6, -0.6)] for beta in (8.0, 2.0)]
    found = prediction.predicted_averages(prediction.Pair(*groups), 4.0, 20_000, seed=3)
    exact = TransferMatrix(double_well.couplings(4.0, N), N).log_z
    off = found.log_z - exact
    scatter = over_networks(found.log_z, found.log_z_error, shared=True)
    assert np.ptp(off) < 0.02 and 4 * scatter.error < abs(off.mean())  # scatter and paths do not show it
    value, error = found.mean_log_z()
    assert abs(value - exact) < error and found.log_z_shared == pytest.approx(2 * abs(off.mean()), rel=0.05)
    values, errors = found.mean()
    assert (np.abs(values - prediction.solve(double_well.couplings(4.0, N), 4.0, N)) < 2 * errors).all()


# ---------------------------------------------------------------- the kinetic ring


def small_network(n_sites=3, seed=0):
    return KineticRing(n_sites, LogPolynomial(degree=4, scale=1.5, bound=2.0), hidden=3, rank=2, seed=seed)


def test_kinetic_ring_keeps_the_laws():
    checks.check_autoregressive(small_network(6))
    checks.check_normalised(small_network(3))
    checks.check_sample_log_prob(small_network(5))


def test_kinetic_ring_sees_the_previous_and_the_first_site_only():
    depends = checks.check_autoregressive(small_network(7))
    expected = np.zeros((7, 7), bool)
    expected[1:, 0] = True
    expected[np.arange(1, 7), np.arange(6)] = True
    assert np.array_equal(depends, expected)


def test_log_polynomial_is_normalised_and_draws_from_its_density():
    head = LogPolynomial(degree=4, scale=1.5, bound=2.0)
    generator = torch.Generator().manual_seed(3)
    parameters = torch.tensor([0.3, -0.8, 0.2, -0.3], dtype=torch.float64)
    x, weights = head.site_rule(200)
    p = head.log_prob(parameters.expand(len(x), -1), x).exp()
    assert float((p * weights).sum()) == pytest.approx(1, abs=1e-12)
    drawn = head.sample(parameters.expand(20_000, -1), generator)
    for power in (1, 2, 3, 4):
        exact, square = float((p * weights * x**power).sum()), float((p * weights * x ** (2 * power)).sum())
        error = np.sqrt((square - exact**2) / len(drawn))
        assert abs(float((drawn**power).mean()) - exact) < 4 * error
    with pytest.raises(ValueError, match="strictly inside"):
        head.check(torch.tensor([2.5]))
    with pytest.raises(ValueError, match="degree"):
        LogPolynomial(degree=1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_gradients_of_the_log_polynomial_are_those_of_torch(dtype, tolerance):
    n, head, generator = 200, LogPolynomial(), torch.Generator().manual_seed(1)
    c = torch.randn(n, head.degree, generator=generator, dtype=torch.float64).requires_grad_()
    x = (5 * torch.rand(n, generator=generator, dtype=torch.float64) - 2.5).requires_grad_()
    scale = torch.rand(n, generator=generator, dtype=torch.float64)
    value = scale * ((c * head.basis(x)).sum(-1) - torch.logsumexp(c @ head.table + head.log_weights, -1))
    expected = [value, *torch.autograd.grad(value.sum(), (c, x))]
    arguments = [t.detach().to(dtype).requires_grad_() for t in (c, x)]
    value = scale.to(dtype) * head.log_prob(*arguments)
    found = [value, *torch.autograd.grad(value.sum(), arguments)]
    for one, other in zip(found, expected, strict=True):
        assert ((one - other).abs() / (1 + other.abs())).max() < tolerance


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
