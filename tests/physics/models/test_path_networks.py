"""Networks and heads for paths: the laws of every network, and what each may see."""

import math

import numba
import numpy as np
import pytest
import torch

from lib import checks
from lib.models.causal_convolution import CausalConvolution
from lib.models.heads.real import BetaOnInterval, GaussianMixture
from lib.models.kernels import simd
from lib.models.made import MADE
from lib.models.markov_ring import MarkovRing

MODELS = {
    "ring 2, gauss": lambda: MarkovRing(2, GaussianMixture(2), hidden=4, rank=1, seed=1),
    "ring 2, beta": lambda: MarkovRing(2, BetaOnInterval(2), hidden=5, seed=2),
    "ring 9, gauss": lambda: MarkovRing(9, GaussianMixture(3), hidden=7, seed=3),
    "convolution 2, gauss": lambda: CausalConvolution(2, GaussianMixture(2), channels=4, depth=2, seed=4),
    "convolution 11, gauss": lambda: CausalConvolution(11, GaussianMixture(2), channels=4, depth=2, seed=5),
    "made 2, gauss": lambda: MADE(site_shape=(2,), head=GaussianMixture(2), hidden=(6,), seed=6),
    "made 5, beta": lambda: MADE(site_shape=(5,), head=BetaOnInterval(2), hidden=(8,), order=[3, 1, 4, 0, 2], seed=7),
}
HEADS = [GaussianMixture(1), GaussianMixture(4, 0.3), BetaOnInterval(1), BetaOnInterval(3, 2.0)]


@pytest.mark.parametrize("name", MODELS)
def test_autoregressive(name):
    depends = checks.check_autoregressive(MODELS[name]())
    assert not depends[0].any()


@pytest.mark.parametrize("name", [name for name in MODELS if " 2," in name])
def test_normalised(name):
    checks.check_normalised(MODELS[name](), points=701, tolerance=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_sample_agrees_with_log_prob_and_with_the_naive_one(name):
    checks.check_sample_log_prob(MODELS[name]())


def test_a_ring_sees_its_neighbour_and_the_first_site_only():
    depends = checks.check_autoregressive(MODELS["ring 9, gauss"]())
    expected = np.zeros((9, 9), bool)
    expected[1:, 0] = True
    expected[np.arange(1, 9), np.arange(8)] = True
    assert np.array_equal(depends, expected)


def test_a_convolution_sees_its_field_and_the_first_site():
    model = checks.shaken(MODELS["convolution 11, gauss"]())
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None])[0], x)
    k, j = np.indices((11, 11))
    assert np.array_equal(jacobian.abs().amax(1).numpy() > 0, (j < k) & ((k - j <= 4) | (j == 0)))


@pytest.mark.parametrize("head", HEADS)
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


@pytest.mark.parametrize("head", HEADS)
def test_samples_follow_the_density(head):
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


def test_refuse():
    for make in (
        lambda: GaussianMixture(0),
        lambda: GaussianMixture(2, 0.0),
        lambda: BetaOnInterval(2, -1.0),
        lambda: MarkovRing(1, GaussianMixture()),
        lambda: CausalConvolution(8, GaussianMixture(), depth=0),
        lambda: MarkovRing(4, BetaOnInterval(2, 1.0)).log_prob(torch.full((1, 4), 1.5)),
        lambda: MarkovRing(4, GaussianMixture(2)).log_prob(torch.full((1, 4), math.nan)),
    ):
        with pytest.raises(ValueError) as error:
            make()
        assert len(str(error.value).splitlines()) == 1
