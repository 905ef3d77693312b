"""The XY chain against the 4 x 4 transfer matrix, an independent run and reweighting.

Statistical checks use fixed seeds and a level of SIGMA standard errors; each is shown to notice something wrong.
"""

import numpy as np
import pytest

from lib import lattice
from lib.samplers import chains, mcmc, xy_local
from lib.systems import coupling_vector, xy, xy_exact

SIGMA = 4.0


@pytest.mark.parametrize("method", chains.XY.METHODS)
def test_samplers_against_the_exact_lattice(method):
    exact = xy_exact.exact(4, 0.8929, q=8)  # 8 states: 2e-4 off, a fifth of the errors below
    run = mcmc.measure(chains.XY(4, 0.8929, method=method, replicas=64), 8_000, np.random.default_rng(3))
    for name in ("energy", "specific_heat", "helicity"):
        value, error = getattr(run, name)()
        assert abs(value - getattr(exact, name)) < SIGMA * error
    wrong = xy_exact.exact(4, 0.8929 * 1.03, q=8)
    value, error = run.energy()
    assert abs(value - wrong.energy) > 2 * SIGMA * error


def test_energy_and_helicity_at_16():
    """An independent run: reference/feasibility.md, E = -1.4443(7), Y = 0.641(1) at T = 0.9."""
    run = mcmc.measure(chains.XY(16, 0.9), 1000, np.random.default_rng(1))
    for (value, error), (other, other_error) in zip(
        (run.energy(), run.helicity()), ((-1.4443, 0.0007), (0.641, 0.001)), strict=True
    ):
        assert abs(value - other) < SIGMA * np.hypot(error, other_error)


@pytest.mark.parametrize("side", [4, (4, 5), (5, 4)])
def test_further_couplings_against_reweighting(side):
    """Averages with five couplings, sampled and reweighted from the plain model, on 4 x 4 sites or a rectangle."""
    J = {"nn": 0.9, "nn_double": 0.05, "nnn": 0.04, "third": -0.03, "plaquette": 0.03}
    T, rng = 1.0, np.random.default_rng(5)
    plain = mcmc.sample(chains.XY(side, T, replicas=200), 40_000, rng).configurations
    operators, n_sites = xy.operators(plain), plain[0].size
    log_w = (operators @ np.array(list(J.values())) - operators[:, 0]) / T
    w = np.exp(log_w - log_w.max())
    blocks = np.array_split(np.arange(len(w)), 50)
    each = np.array([(w[b] @ xy.energy(plain[b])) / w[b].sum() for b in blocks]) / n_sites
    expected, expected_error = (w @ xy.energy(plain)) / w.sum() / n_sites, each.std() / np.sqrt(50)
    for method in ("local", "metropolis"):
        chain = chains.XY(side, T, couplings=J, method=method, replicas=64)
        value, error = mcmc.measure(chain, 5000, rng).energy()
        assert abs(value - expected) < SIGMA * np.hypot(error, expected_error)
        plain_value = mcmc.measure(chains.XY(side, T), 500, rng).energy()[0]
        assert abs(value - plain_value) > 2 * SIGMA * error  # the couplings matter


def test_over_relaxation_keeps_the_energy():
    theta = np.random.default_rng(0).uniform(0, xy.TWO_PI, (4, 6, 6))
    spins = np.cos(theta), np.sin(theta)
    xy_local.overrelax(spins, 1.0, np.random.default_rng(0), coupling_vector(None, xy.OPERATORS))
    after = np.arctan2(spins[1], spins[0])
    assert xy.energy(after) == pytest.approx(xy.energy(theta)) and np.abs(after % xy.TWO_PI - theta).min() > 0


def test_samples_are_uniform_in_direction_and_repeatable():
    a = mcmc.sample(chains.XY(6, 0.5), 400, np.random.default_rng(2))
    b = mcmc.sample(chains.XY(6, 0.5), 400, np.random.default_rng(2))
    assert np.array_equal(a.configurations, b.configurations)
    theta = a.configurations
    assert theta.min() >= 0 and theta.max() < xy.TWO_PI and theta.shape == (400, 6, 6)
    m = np.exp(1j * theta).mean((1, 2))
    assert abs((m / abs(m)).mean()) < SIGMA / np.sqrt(400)
    assert abs(np.mean(xy.energy(theta)) - xy.energy(lattice.transform(theta, 5, (1, 2))).mean()) < 1e-9


@pytest.mark.parametrize("arguments, text", [
    ({"L": 1}, "side"), ({"T": 0.0}, "temperature"), ({"T": -1.0}, "temperature"),
    ({"couplings": {"field": 1.0}}, "'field'"), ({"method": "wolff"}, "'wolff'"),
    ({"couplings": {"nn": 1.0, "nnn": 0.1}, "method": "cluster"}, "method='local'"),
])  # fmt: skip
def test_what_has_no_chain_is_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        chains.XY(**{"L": 8, "T": 1.0} | arguments)
