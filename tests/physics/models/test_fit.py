"""The trainer, side-by-side jobs and tables: what they promise, and what they refuse."""

import math

import numpy as np
import pytest
import torch

from lib.models.fit import fit, learning_rate_factor
from lib.models.heads.discrete import Bernoulli
from lib.models.made import MADE
from lib.models.markov_lattice import MarkovLattice

DATA = np.where(np.random.default_rng(1).random((400, 3)) < [0.9, 0.5, 0.2], 1, -1).astype(np.int8)


def made(seed=0):
    return MADE(site_shape=(3,), head=Bernoulli(), hidden=(), seed=seed)


def test_maximum_likelihood_of_independent_spins():
    """The fit reaches the entropy of the sample: the observed frequencies are the maximum-likelihood answer."""
    model = made()
    result = fit(model, DATA, steps=1500, batch=400, learning_rate=0.05)
    q = (DATA > 0).mean(0)
    entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q)).sum()
    nll = float(-model.log_prob(DATA).detach().mean())
    assert entropy - 0.02 < nll < entropy + 0.01 and not result.stopped_early and math.isnan(result.nll_held_out)
    steps, batches = zip(*result.batch_history, strict=True)
    assert steps[0] == 1 and steps[-1] == 1500
    assert batches[0] > entropy + 0.1 and batches[-1] == pytest.approx(nll, abs=0.05)


def test_same_seed_same_weights():
    a, b, c = made(), made(), made()
    for model, seed in ((a, 1), (b, 1), (c, 2)):
        fit(model, DATA, steps=30, batch=16, seed=seed)
    assert torch.equal(a.weights[0], b.weights[0]) and not torch.equal(a.weights[0], c.weights[0])


def test_early_stopping_restores_the_best_weights():
    random = np.where(np.random.default_rng(2).random((12, 4, 4)) < 0.5, 1, -1)
    held_out = np.where(np.random.default_rng(3).random((300, 4, 4)) < 0.5, 1, -1)
    model = MarkovLattice(4, Bernoulli(), seed=1)
    result = fit(model, random, steps=2000, batch=12, learning_rate=1e-2, held_out=held_out, checks=40)
    assert result.stopped_early and result.steps < 2000
    assert result.nll_held_out == min(nll for _, nll in result.history)
    assert float(-model.log_prob(held_out).detach().mean()) == pytest.approx(result.nll_held_out, abs=1e-4)
    assert result.history[-1][1] > result.nll_held_out


def test_augmentation_is_called():
    seen = []

    def augment(batch, generator):
        seen.append(len(batch))
        return batch

    fit(made(), DATA, steps=30, batch=8, augment=augment)
    assert seen == [8] * 30


def test_the_weights_that_come_back_are_an_average():
    """At a rate that keeps the weights shaking, the average is closer to the maximum than the last weights are."""
    q = (DATA > 0).mean(0)
    best = np.log(q / (1 - q)) / 2  # MADE without hidden units: p(s) = sigmoid(s h) of h alone, no other site matters

    def distance(window, seed):
        model = made()
        fit(model, DATA, steps=400, batch=4, learning_rate=0.2, window=window, seed=seed)
        return float(-model.log_prob(DATA).detach().mean())

    last, average = (np.mean([distance(window, seed) for seed in range(8)]) for window in (0.0, 0.3))
    entropy = -(q * np.log(q) + (1 - q) * np.log(1 - q)).sum()
    assert average - entropy < 0.7 * (last - entropy) and np.isfinite(best).all()


def test_average_of_a_known_path():
    """Weights 1, 2, 3, ... of a model that does not learn: the average starts at 30 % and has rate 1 / (window n)."""

    class Counting(MADE):
        """Every evaluation in training moves the weight by one; the optimiser, at rate 0, does not."""

        def log_prob(self, configurations, check=True):
            if torch.is_grad_enabled():
                with torch.no_grad():
                    self.biases[-1] += 1
            return super().log_prob(configurations)

    model = Counting(site_shape=(3,), head=Bernoulli(), hidden=())
    start = model.biases[-1].detach().clone()
    fit(model, DATA, steps=10, batch=4, learning_rate=0.0, window=0.5)
    expected = 4.0  # step 4 is the first beyond 30 %
    for step in range(5, 11):
        expected += (step - expected) / 5
    torch.testing.assert_close(model.biases[-1].detach() - start, torch.full_like(start, expected))


def test_schedules():
    factors = [learning_rate_factor(step, 1000) for step in range(1000)]
    assert max(factors) <= 1 and factors[0] < 0.05 and factors[-1] < 1e-4
    assert np.all(np.diff(factors[60:]) < 0)


def test_bad_input_is_refused_before_any_work():
    with pytest.raises(ValueError, match="steps=0"):
        fit(made(), DATA, steps=0)
    with pytest.raises(ValueError, match="no configurations"):
        fit(made(), DATA[:0], steps=5)
    with pytest.raises(ValueError, match="holds the value nan"):
        fit(made(), np.where(np.eye(3) > 0, np.nan, 1.0), steps=5)
    broken = made()
    broken.conditionals = lambda values: values[..., None] * broken.weights[0].sum() * math.inf
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        fit(broken, DATA, steps=5, batch=4)


def test_all_configurations_are_looked_at_and_what_augment_makes_of_the_first():
    last = np.repeat(DATA, 40, axis=0)
    last[-1, 0] = 0
    model = MADE(site_shape=(3,), head=Bernoulli(), hidden=())
    with pytest.raises(ValueError, match="holds the value 0"):
        fit(model, last, steps=1, batch=4)
    with pytest.raises(ValueError, match="holds the value -?2"):
        fit(model, DATA, steps=1, batch=4, augment=lambda batch, _: batch * 2)
