"""Heads: densities of one site against quadrature, other libraries and their own samples; gradients by hand."""

import math

import numba
import numpy as np
import pytest
import torch
from scipy import stats

from lib.models.heads import real
from lib.models.heads.angle import FourierDensity, VonMisesMixture
from lib.models.heads.discrete import SymmetricCategorical
from lib.models.heads.real import BetaMixture, BetaOnInterval, GaussianMixture, LogPolynomial
from lib.models.kernels import simd
from lib.systems import xy
from tests.physics.standins import ALPHA, p_value

# Discrete --------------------------------------------------------------------------------------------------


def test_a_symmetric_categorical_site_by_hand():
    head = SymmetricCategorical(5)
    parameters = torch.tensor([[0.3, -0.2, 0.1, 0.4, 0.7]])  # odd of |S| = 4, 2; even of 4, 2, 0
    logits = torch.tensor([0.1 - 0.3, 0.4 + 0.2, 0.7, 0.4 - 0.2, 0.1 + 0.3])
    states = torch.arange(5.0)
    expected = torch.log_softmax(logits, 0)
    assert torch.allclose(head.log_prob(parameters.expand(5, 5), states), expected)
    flipped = parameters * torch.tensor([-1, -1, 1, 1, 1])
    assert torch.allclose(head.log_prob(flipped.expand(5, 5), 4 - states), expected)
    assert torch.equal(head.encode(4 - states), -head.encode(states))
    assert head.encode(states).tolist() == [[-1, -1], [-1, 0], [0, 0], [1, 0], [1, 1]]
    assert SymmetricCategorical(4).encode(torch.arange(4.0)).tolist() == [[-1, -1], [-1, 0], [1, 0], [1, 1]]
    drawn = head.sample(parameters.expand(50_000, 5), torch.Generator().manual_seed(1)).long()
    assert p_value(torch.bincount(drawn, minlength=5).numpy(), expected.exp().numpy()) > ALPHA


# Angles ----------------------------------------------------------------------------------------------------


LEVEL = 1e-4  # of every test of a distribution


@pytest.mark.parametrize("head", [VonMisesMixture(1), VonMisesMixture(3), FourierDensity(1), FourierDensity(3)],
                         ids=["von Mises", "mixture", "one harmonic", "three"])  # fmt: skip
def test_angles_are_drawn_from_their_density(head):
    """Kolmogorov-Smirnov for several parameter sets; and the test rejects samples of other parameters."""
    generator = torch.Generator().manual_seed(1)
    values, weights = head.site_rule(4000)
    for scale in (0.01, 1.0, 6.0):
        parameters = scale * torch.randn(head.n_parameters, generator=generator, dtype=torch.float64)
        drawn = head.sample(parameters.expand(20_000, -1), generator).numpy()
        cdf = np.concatenate([[0], np.cumsum((head.log_prob(parameters, values).exp() * weights).detach().numpy())])
        grid = np.concatenate([values.numpy() - weights[0].item() / 2, [values[-1].item() + weights[0].item() / 2]])

        def law(x, grid=grid, cdf=cdf):
            return np.interp(x, grid, cdf)

        assert stats.kstest(drawn, law).pvalue > LEVEL
    other = head.sample((1.1 * parameters).expand(20_000, -1), generator).numpy()
    assert stats.kstest((other + 0.05) % xy.TWO_PI, law).pvalue < LEVEL


def test_rejection_reaches_a_maximum_between_grid_angles():
    """Sharp maxima in the middle of a cell, where ln p exceeds the ends of the cell by 2.3: a smaller bound cuts them
    off."""
    head = FourierDensity(3, points=12)
    cell = np.pi / 12
    phase = 3 * cell / 2
    parameters = torch.tensor([0, 0, 30 * np.cos(phase), 0, 0, 30 * np.sin(phase)], dtype=torch.float64)
    drawn = head.sample(parameters.expand(20_000, -1), torch.Generator().manual_seed(4)).numpy()
    around = (drawn - cell / 2 + np.pi / 3) % (2 * np.pi / 3) - np.pi / 3  # three equal maxima
    grid = np.linspace(-np.pi / 3, np.pi / 3, 4001)
    density = np.exp(30 * (np.cos(3 * grid) - 1))
    cdf = np.cumsum(density) / density.sum()
    assert stats.kstest(around, lambda x: np.interp(x, grid, cdf)).pvalue > LEVEL
    flat = np.exp(np.minimum(30 * (np.cos(3 * grid) - 1), -0.5))  # cut off half a nat below the maximum
    wrong = np.cumsum(flat) / flat.sum()
    assert stats.kstest(around, lambda x: np.interp(x, grid, wrong)).pvalue < LEVEL


def test_von_mises_and_one_harmonic_are_the_same_density():
    field = torch.tensor([[1.3, -0.4], [0.0, 0.0], [-5.0, 2.0]], dtype=torch.float64)
    values = torch.linspace(0, 6.2, 3, dtype=torch.float64)
    von_mises = VonMisesMixture(1).log_prob(torch.cat([field, torch.zeros(3, 1)], 1), values)
    assert torch.allclose(FourierDensity(1).log_prob(field, values), von_mises, atol=1e-12)
    assert torch.allclose(von_mises[1], torch.tensor(-np.log(xy.TWO_PI)))


@pytest.mark.parametrize("head", [VonMisesMixture(2), FourierDensity(3)])
def test_densities_of_angles_have_correct_gradients(head):
    parameters = torch.randn(4, head.n_parameters, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values = torch.tensor([0.1, 2.0, 4.0, 6.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: head.log_prob(p, values), parameters.requires_grad_())
    at_zero = torch.zeros(1, head.n_parameters, dtype=torch.float64, requires_grad=True)
    head.log_prob(at_zero, values[:1]).sum().backward()
    assert torch.isfinite(at_zero.grad).all()


@pytest.mark.parametrize("head", [VonMisesMixture(2), FourierDensity(2)])
@pytest.mark.parametrize("value", [-0.1, 6.4, float("nan")])
def test_what_is_no_angle_is_refused(head, value):
    with pytest.raises(ValueError, match=r"\[0, 2 pi\)"):
        head.check(torch.tensor([1.0, value]))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_components = 0"):
        VonMisesMixture(0)
    with pytest.raises(ValueError, match="harmonics = 0"):
        FourierDensity(0)


# Real values -----------------------------------------------------------------------------------------------


def test_the_mixture_of_betas_and_its_gradient_by_hand():
    """Values against scipy; gradients against torch's own of the formula, also far from the uniform density."""
    generator = torch.Generator().manual_seed(1)
    parameters = (6 * torch.randn(50, 9, generator=generator, dtype=torch.float64)).requires_grad_()
    values = torch.rand(50, generator=generator, dtype=torch.float64)
    weight, a, b = BetaMixture(3)._components(parameters)
    densities = stats.beta.pdf(values[:, None].numpy(), a.detach().numpy(), b.detach().numpy())
    mine = BetaMixture(3).log_prob(parameters, values)
    expected = np.log((torch.softmax(weight, -1).detach().numpy() * densities).sum(-1))
    assert np.allclose(mine.detach().numpy(), expected, atol=1e-9)
    terms = torch.distributions.Beta(a, b).log_prob(values[:, None]) + torch.log_softmax(weight, -1)
    right = torch.autograd.grad(torch.logsumexp(terms, -1).sum(), parameters, retain_graph=True)[0]
    by_hand = torch.autograd.grad(mine.sum(), parameters)[0]
    assert float((by_hand - right).abs().max() / right.abs().max()) < 1e-8
    x = torch.logspace(-3, 4, 200, dtype=torch.float64)
    assert torch.allclose(real._digamma(x), torch.digamma(x), rtol=1e-8, atol=1e-8)


REAL = [GaussianMixture(1), GaussianMixture(4, 0.3), BetaOnInterval(1), BetaOnInterval(3, 2.0)]


@pytest.mark.parametrize("head", REAL)
def test_head_is_normalised_and_its_gradient_is_right(head):
    values, weights = head.site_rule(801)
    generator = torch.Generator().manual_seed(1)
    parameters = 0.7 * torch.randn(6, head.n_parameters, generator=generator, dtype=torch.float64)
    parameters.requires_grad_()
    total = (head.log_prob(parameters[:, None], values[None]).exp() * weights).sum(1)
    assert (total - 1).abs().max() < 1e-6
    x = torch.linspace(-1.5, 1.5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(head.log_prob, (parameters, x), atol=2e-6)


def test_heads_against_torch_distributions():
    generator = torch.Generator().manual_seed(2)
    x = 3 * torch.rand(50, generator=generator, dtype=torch.float64) - 1.5
    mixture = torch.distributions.MixtureSameFamily
    for head in (GaussianMixture(3), BetaOnInterval(3)):
        parameters = torch.randn(50, 9, generator=generator, dtype=torch.float64)
        log_weight, first, second = head._components(parameters)
        weights = torch.distributions.Categorical(logits=log_weight)
        if isinstance(head, GaussianMixture):
            expected = mixture(weights, torch.distributions.Normal(first, second.exp())).log_prob(x)
        else:
            unit = (x + head.bound) / (2 * head.bound)
            expected = mixture(weights, torch.distributions.Beta(first, second)).log_prob(unit) - math.log(
                2 * head.bound
            )
        assert (head.log_prob(parameters, x) - expected).abs().max() < 1e-6


@pytest.mark.parametrize("head", REAL)
def test_real_values_are_drawn_from_their_density(head):
    """Kolmogorov distance of 20 000 samples to the integrated density; the 1e-4 point is 2.2 / sqrt(n)."""
    n, generator = 20_000, torch.Generator().manual_seed(3)
    parameters = 0.5 * torch.randn(head.n_parameters, generator=generator, dtype=torch.float64)
    drawn = head.sample(parameters.expand(n, -1).contiguous(), generator).sort().values
    limit = getattr(head, "bound", 12.0)
    x = torch.linspace(-limit, limit, 40_001, dtype=torch.float64)[1:-1]
    cumulative = head.log_prob(parameters.expand(len(x), -1), x).exp().cumsum(0) * (x[1] - x[0])
    at = cumulative[torch.searchsorted(x, drawn).clamp(max=len(x) - 1)]
    step = torch.arange(1, n + 1) / n
    assert (at - step).abs().max() < 2.2 / math.sqrt(n)
    assert (at - step.roll(600)).abs()[600:].max() > 2.2 / math.sqrt(n)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-7), (torch.float32, 2e-4)])
def test_gradients_of_the_beta_mixture_are_those_of_torch(dtype, tolerance):
    """More values than one block holds, and not a multiple of it. Single precision: 6e-8 times a + b, up to 2000."""
    n, head, generator = 150, BetaOnInterval(4), torch.Generator().manual_seed(5)
    parameters = torch.randn(n, 12, generator=generator, dtype=torch.float64)
    x = 5 * torch.rand(n, generator=generator, dtype=torch.float64) - 2.5
    scale = torch.rand(n, generator=generator, dtype=torch.float64)

    def by_torch(parameters, x):
        log_weight, a, b = head._components(parameters)
        s = ((x + head.bound) / (2 * head.bound))[:, None]
        log_norm = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
        joint = torch.log_softmax(log_weight, -1) + log_norm + (a - 1) * s.log() + (b - 1) * torch.log1p(-s)
        return torch.logsumexp(joint, -1) - math.log(2 * head.bound)

    expected = torch.autograd.functional.jacobian(lambda *a: scale * by_torch(*a), (parameters, x))
    expected = [scale * by_torch(parameters, x)] + [
        e.diagonal(dim1=0, dim2=1).T if e.ndim > 2 else e.diagonal() for e in expected
    ]
    arguments = [t.to(dtype).requires_grad_() for t in (parameters, x)]
    value = scale.to(dtype) * head.log_prob(*arguments)
    found = [value, *torch.autograd.grad(value.sum(), arguments)]
    for one, other in zip(found, expected, strict=True):
        assert ((one - other).abs() / (1 + other.abs())).max() < tolerance


def test_narrow_beta_densities_are_right_in_single_precision():
    """Or training finds the parameters where rounding makes data likely; values one width around the mean."""
    head, generator = BetaOnInterval(1), torch.Generator().manual_seed(6)
    for log_total in (2.0, 5.0, 8.0, 12.0):
        mean = 0.2 + 0.6 * torch.rand(2000, generator=generator)
        width = 0.5 / math.sqrt(60 * math.exp(min(log_total, 5.0)))
        x = head.bound * (2 * (mean + width * torch.randn(2000, generator=generator)) - 1)
        parameters = torch.stack([0 * x, torch.logit(mean) - head.offset, torch.full_like(x, log_total)], 1)
        exact = head.log_prob(parameters.double(), x.double())
        assert (head.log_prob(parameters, x) - exact).abs().max() < 0.02  # 6e-8 times a + b, and some roundings of it


def test_vectorised_exp_and_log():
    x = np.linspace(-20, 20, 4001)
    for dtype, tolerance in ((np.float32, 4e-7), (np.float64, 1e-14)):
        argument, found = x.astype(dtype), np.empty(len(x), dtype)
        _exp_of(argument, found)
        assert np.abs(found / np.exp(argument.astype(float)) - 1).max() < tolerance
        argument = np.exp(x).astype(dtype)
        _log_of(argument, found)
        assert (np.abs(found - np.log(argument.astype(float))) / (1 + np.abs(x))).max() < tolerance


@numba.njit
def _exp_of(x, out):
    for i in range(len(x)):
        out[i] = simd.exp(x[i])


@numba.njit
def _log_of(x, out):
    for i in range(len(x)):
        out[i] = simd.log(x[i])


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
