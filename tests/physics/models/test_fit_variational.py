"""Reverse KL: the gradient against enumeration, the bound F_q >= F, what a training reaches, refusals."""

import math

import numpy as np
import pytest
import torch

from lib import checks
from lib.models.fit_variational import annealed, fit_variational, surrogate
from lib.models.heads.discrete import Bernoulli
from lib.models.heads.real import BetaMixture
from lib.models.made import MADE
from lib.models.markov_lattice import MarkovLattice
from lib.models.masked_convolution import MaskedConvolution
from lib.systems import ising

BETA = 0.4


def beta_energy(s):
    return BETA * ising.energy(s)


def states(L):
    return torch.as_tensor(ising.enumerate_states(L)).double()


def exact_gradient(model, s):
    """Gradient of beta F_q = sum_s q (beta E + ln q) over all states, flattened."""
    log_q = model.log_prob(s)
    free_energy = (log_q.exp() * (beta_energy(s) + log_q)).sum()
    return torch.cat([g.flatten() for g in torch.autograd.grad(free_energy, list(model.parameters()))])


def estimate(model, s, **more):
    loss, *_ = surrogate(model, s, beta_energy(s), **more)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


def estimates(model, n_batches, batch, other=None):
    """Independent gradient estimates [n_batches, weights]; other: a model the configurations are drawn from instead."""
    rows = []
    for k in range(n_batches):
        s, log_drawn = (model if other is None else other).sample(batch, 100 + k)
        rows.append(estimate(model, s, **({} if other is None else {"log_drawn": log_drawn})))
    return torch.stack(rows)


@pytest.mark.parametrize("batch", [2, 16])
def test_the_gradient_is_unbiased(batch):
    """Mean of 1000 estimates, in batches as small as two, against enumeration."""
    model = checks.shaken(MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,), seed=1))
    exact = exact_gradient(model, states(2))
    found = estimates(model, 1000, batch)
    z = (found.mean(0) - exact) / (found.std(0) / math.sqrt(len(found)) + 1e-12)
    seen = found.std(0) > 1e-9  # masked weights have no gradient at all
    assert torch.allclose(found[:, ~seen].mean(0), exact[~seen], atol=1e-9)
    assert z[seen].abs().max() < 4.5  # 35 normal scores, level 2e-4
    assert (z[seen] ** 2).mean() < 2.5


def test_a_wrong_baseline_is_caught():
    """The mean with the configuration itself in it, without the n - 1: wrong by a factor 1 - 1/n, seen at n = 2."""
    model = checks.shaken(MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,), seed=1))
    exact = exact_gradient(model, states(2))
    found = 0.5 * estimates(model, 1000, 2)
    z = (found.mean(0) - exact) / (found.std(0) / math.sqrt(len(found)) + 1e-12)
    assert z.abs().max() > 4.5


def test_draws_of_an_older_network_give_the_gradient_of_the_present_one():
    """Self-normalised weights: consistent, with a bias of order 1 / n; against the estimate without weights."""
    old = checks.shaken(MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,), seed=1))
    model = checks.shaken(old, seed=5, scale=0.15)
    exact = exact_gradient(model, states(2))
    weighted = estimates(model, 200, 1000, other=old).mean(0) - exact
    length = exact.norm()
    assert weighted.norm() < 0.02 * length
    unweighted = torch.stack([estimate(model, old.sample(1000, 100 + k)[0]) for k in range(200)]).mean(0) - exact
    assert unweighted.norm() > 0.1 * length


def test_no_noise_at_the_exact_distribution():
    """Where q = p, beta E + ln q is constant and every estimate vanishes: here beta = 0 and independent spins."""
    model = MADE(site_shape=(3, 3), head=Bernoulli(), hidden=(), seed=1).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    s, _ = model.sample(4, 1)
    loss, mean, spread = surrogate(model, s, torch.zeros(4))
    assert spread < 1e-12 and mean == pytest.approx(-9 * math.log(2))
    assert all((g == 0).all() for g in torch.autograd.grad(loss, list(model.parameters())))


@pytest.mark.parametrize("L", [2, 3])
def test_the_free_energy_is_never_below_the_exact_one(L):
    s = states(L)
    log_z = float(torch.logsumexp(-beta_energy(s), 0))
    assert log_z == pytest.approx(float(ising.log_partition_function(L, 1 / BETA)), abs=1e-10)
    for seed in range(5):
        model = checks.shaken(MarkovLattice(L, Bernoulli(), hidden=4), seed=seed)
        log_q = model.log_prob(s).detach()
        divergence = float((log_q.exp() * (beta_energy(s) + log_q)).sum()) + log_z
        assert divergence > 1e-3


def test_it_reaches_the_exact_free_energy():
    """3 x 3 by enumeration; the two halves of the training differ in beta, the last batches hardly fluctuate."""
    model = MarkovLattice(3, Bernoulli(), hidden=8, odd=True, seed=1)
    start = model.log_prob(states(3)).detach()
    result = fit_variational(model, ising.energy, BETA, steps=200, batch=64, seed=2)
    s = states(3)
    log_z = float(torch.logsumexp(-beta_energy(s), 0))

    def divergence(log_q):
        return float((log_q.exp() * (beta_energy(s) + log_q)).sum()) + log_z

    reached = divergence(model.log_prob(s).detach().double())
    assert reached < 2e-3 < 0.1 < divergence(start.double())
    assert result.steps == 200 and result.history[-1][0] == 200
    assert result.history[0][1] < result.history[-1][1] == BETA
    assert result.history[-1][3] < 0.1
    assert result.history[-1][2] == pytest.approx(-log_z, abs=0.05)


def test_the_same_seed_gives_the_same_network():
    def trained(seed):
        model = MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,), seed=1)
        fit_variational(model, ising.energy, BETA, steps=6, batch=16, seed=seed)
        return torch.cat([w.detach().flatten() for w in model.parameters()])

    assert torch.equal(trained(1), trained(1)) and not torch.equal(trained(1), trained(2))


def test_energies_may_come_from_numpy_and_values_may_be_continuous():
    """Beta heads on (0, 1), energy favouring 3/4: density ~ exp(-beta E), known by quadrature."""
    model = MaskedConvolution(2, BetaMixture(1), width=4, depth=2, uniform_first=False)

    def energy(x):
        return -np.log(x.numpy() ** 2 * (1 - x.numpy())).sum((1, 2))  # Beta(3, 2): B = 1/12

    fit_variational(model, energy, 1.0, steps=200, batch=64, annealing=0.0, seed=1)
    x, log_q = model.sample(2000, 5)
    divergence = (log_q.double().numpy() + energy(x)).mean() + 4 * math.log(1 / 12)
    assert -0.01 < divergence < 0.15 < 4 * (3 - math.log(12))  # what the uniform density has


def test_annealing_rises_to_one():
    parts = [annealed(step, 10, 0.5) for step in range(10)]
    assert parts == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1, 1])
    assert annealed(0, 10, 0.0) == 1


@pytest.mark.parametrize("bad, message", [
    ({"beta": 0.0}, "beta = 0.0"),
    ({"beta": math.nan}, "beta = nan"),
    ({"steps": 0}, "steps=0"),
    ({"batch": 2}, "batch=2"),
    ({"reuse": 0}, "reuse=0"),
    ({"annealing": 1.0}, "annealing = 1.0"),
    ({"window": 2.0}, "window = 2.0"),
    ({"energy": lambda s: ising.energy(s)[:3]}, "one each is needed"),
])  # fmt: skip
def test_bad_arguments_are_refused(bad, message):
    model = MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,))
    arguments = {"energy": ising.energy, "beta": BETA, "steps": 2} | bad
    with pytest.raises(ValueError, match=message):
        fit_variational(model, **arguments)


def test_the_weights_are_averaged_over_the_last_steps():
    """A window of the whole training is not the last step; a window of nothing is."""

    def trained(window):
        model = MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(4,), seed=1)
        fit_variational(model, ising.energy, BETA, steps=20, batch=16, window=window, annealing=0.0)
        return torch.cat([w.detach().flatten() for w in model.parameters()])

    assert torch.equal(trained(0.0), trained(0.05)) and not torch.allclose(trained(0.0), trained(1.0), atol=1e-3)
