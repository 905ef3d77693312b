"""The masked convolution: the laws of every network, and which sites it sees."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib import checks
from lib.models.fit import fit
from lib.models.heads.discrete import Bernoulli, Categorical
from lib.models.heads.real import BetaMixture
from lib.models.masked_convolution import MaskedConvolution

MODELS = {
    "spins 2x2": lambda **more: MaskedConvolution(2, Bernoulli(), width=5, seed=1, **more),
    "spins 3x3": lambda **more: MaskedConvolution(3, Bernoulli(), width=4, seed=2, **more),
    "three states 2x2": lambda **more: MaskedConvolution(2, Categorical(3), width=4, depth=2, seed=3, **more),
    "beta 4x4": lambda **more: MaskedConvolution(4, BetaMixture(2), width=4, seed=4, **more),
}
OPTIONS = {
    "as in the paper": {},
    "periodic columns": {"periodic_columns": True},
    "closure": {"closure": True, "uniform_first": False},
    "both": {"periodic_columns": True, "closure": True},
}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", MODELS)
def test_laws(name, option):
    model = MODELS[name](**OPTIONS[option])
    depends = checks.check_autoregressive(model)
    assert not depends[0].any()
    checks.check_sample_log_prob(model)
    if "beta" not in name:
        checks.check_normalised(model)


def seen(site, side, depth, periodic):
    """Sites in the receptive field, by walking back: a set of flat indices."""
    reached = {divmod(site, side)}
    for layer in range(depth):  # the last layer walked through is the first of the network: it does not see itself
        steps = set()
        for row, column in reached:
            for c in (column - 1, column, column + 1):
                if row and (periodic or 0 <= c < side):
                    steps.add((row - 1, c % side))
            if column:
                steps.add((row, column - 1))
        reached = steps if layer == depth - 1 else steps | reached
    return {row * side + column for row, column in reached}


@pytest.mark.parametrize("periodic", [False, True])
def test_sees_depth_rows_and_columns_and_nothing_else(periodic):
    side, depth = 7, 3
    model = MaskedConvolution(side, Bernoulli(), depth=depth, width=6, periodic_columns=periodic)
    depends = checks.check_autoregressive(model, n=32)
    expected = np.zeros_like(depends)
    for k in range(1, side**2):
        expected[k, list(seen(k, side, depth, periodic))] = True
    assert np.array_equal(depends, expected)
    # the torus: the last site touches the first row and the start of its row, which the paper's network cannot know
    last = depends[-1].reshape(side, side)
    assert not last[0].any() and not last[-1, 0]


def test_closure_shows_the_first_row_and_the_row_start():
    side = 7
    model = MaskedConvolution(side, Bernoulli(), width=6, periodic_columns=True, closure=True)
    last = checks.check_autoregressive(model, n=32)[-1].reshape(side, side)
    assert last[0, [0, side - 2, side - 1]].all() and last[-1, 0]


def test_first_site_is_uniform():
    model = checks.shaken(MaskedConvolution(3, BetaMixture(3), width=4))
    first = model.sample(2000, 1)[0][:, 0, 0].numpy()
    from scipy.stats import kstest

    assert kstest(first, "uniform").pvalue > 1e-4
    other = checks.shaken(MaskedConvolution(3, BetaMixture(3), width=4, uniform_first=False), scale=1.0)
    assert kstest(other.sample(2000, 1)[0][:, 0, 0].numpy(), "uniform").pvalue < 1e-4


def test_cached_sampling_costs_one_pass():
    model = MaskedConvolution(8, BetaMixture(3), width=16)

    def operations(function):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            function()
        return counter.get_total_flops()

    sample = operations(lambda: model.sample(4, 0))
    one_pass = operations(lambda: model.log_prob(torch.full((4, 8, 8), 0.5)))
    assert 0 < sample <= 1.01 * one_pass


def test_a_leak_is_caught():
    class Leaking(MaskedConvolution):
        def conditionals(self, values):
            return super().conditionals(values) + 0.1 * values.roll(-1, 1)[..., None]

    with pytest.raises(checks.CheckFailed, match="moves with site"):
        checks.check_autoregressive(Leaking(3, Bernoulli(), width=4))

    class WrongCache(MaskedConvolution):
        def _taps(self):
            return [[a, b, c, self.n_sites] for a, b, c, _ in super()._taps()]

    with pytest.raises(checks.CheckFailed, match="differ"):
        checks.check_sample_log_prob(WrongCache(3, Bernoulli(), width=4))


def test_it_learns_a_neighbour():
    """Angles that repeat their left neighbour: ln 2 and more is gained over independent sites."""
    rng = np.random.default_rng(1)
    data = np.repeat(rng.uniform(0.05, 0.95, (2000, 4, 1)), 4, axis=2) + rng.uniform(-0.04, 0.04, (2000, 4, 4))
    result = fit(MaskedConvolution(4, BetaMixture(1), width=8), data, steps=200, learning_rate=1e-2)
    assert result.nll_train / 16 < -0.69  # independent sites have a density near 1: 0


def test_bad_arguments_are_refused():
    for bad in ({"side": 1}, {"depth": 1}, {"width": 0}):
        with pytest.raises(ValueError, match="are needed"):
            MaskedConvolution(**({"side": 3, "head": Bernoulli()} | bad))
