"""Is a file of one temperature? Mixtures are found, shuffled or not, and files of one temperature are not accused."""

import numpy as np
import pytest

from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies.own import kinds, summary
from lib.studies.own import one_temperature as module
from lib.studies.own.one_temperature import one_temperature
from lib.systems import double_well, ising, xy
from lib.systems.double_well import Couplings, TransferMatrix

N = 2000  # configurations
WIDE = {
    "ising": np.linspace(0.8, 1.25, 40),
    "xy": np.linspace(0.8, 1.25, 20),
    "path": np.linspace(0.7, 1.4, 20),
}  # T / T0
T0 = {"ising": 2.4, "xy": 0.95, "path": 1.0}
ACTION = np.array(double_well.couplings(8.0, 16))


def drawn(kind, T, n, rng):
    if kind == "path":
        return TransferMatrix(Couplings(*(ACTION / T)), 16).sample(n, rng)
    chain = chains.Ising(8, T) if kind == "ising" else chains.XY(6, T)
    return mcmc.sample(chain, n, rng).configurations


def file_of(kind, factors, seed):
    """N configurations, as many at each of these temperatures in units of T0, one after the other."""
    rng = np.random.default_rng(seed)
    return np.concatenate([drawn(kind, T0[kind] * each, N // len(factors), rng) for each in factors])


def asked(kind, c, seed=1, broken=()):
    known = kinds.BY_NAME[kind]
    if kind == "xy":
        J = {name: float(name == "nn") for name in xy.OPERATORS}
    else:
        read = known.classical(c, known.operator_names[:4], T0[kind])
        J = dict(zip(read.names, read.values.tolist(), strict=True))
    return one_temperature(known, c, T0[kind], J, set(broken), 4000, seed)


def pull(estimate, exact=0.0):
    return (estimate.value - exact) / estimate.error


@pytest.mark.parametrize("kind", T0)
def test_one_temperature_is_found_to_be_one(kind):
    found = asked(kind, file_of(kind, [1.0], 3))
    assert found.reason == "" and abs(pull(found.width, 1)) < 4 and found.width.error < 0.1
    assert abs(pull(found.order)) < 4 and not abs(pull(found.halves)) > 4
    assert np.isfinite(found.halves.value) == (kind != "xy")


@pytest.mark.parametrize("kind", T0)
def test_a_shuffled_mixture_is_too_wide(kind):
    c = file_of(kind, WIDE[kind], 4)
    found = asked(kind, c[np.random.default_rng(1).permutation(N)])
    assert pull(found.width, 1) > 6 and found.width.value > 1.2
    assert 0.04 < found.spread < 0.25  # it is 0.13 or 0.2, of which the couplings take some
    if kind == "ising":
        assert pull(found.halves) > 4


def test_a_mixture_that_is_not_shuffled_drifts():
    known, c = kinds.BY_NAME["ising"], file_of("ising", WIDE["ising"], 5)
    assert summary.summarise(known, c).drift > summary.BROKEN


def test_further_couplings_are_no_mixture():
    J = {"nn": 0.8, "nnn": 0.25, "plaquette": -0.15}
    c = mcmc.sample(chains.Ising(8, T0["ising"], couplings=J), N, np.random.default_rng(6)).configurations
    found = asked("ising", c)
    assert abs(pull(found.width, 1)) < 4 and abs(pull(found.halves)) < 4


@pytest.mark.parametrize("kind", ["ising", "xy"])
def test_rows_and_columns_of_a_rectangle_are_compared_with_samples(kind):
    """Alike they differ by the shape alone; with couplings of their own along each axis by more."""
    rng, known, shape = np.random.default_rng(8), kinds.BY_NAME[kind], (5, 15)
    chain = chains.Ising if kind == "ising" else chains.XY
    c = mcmc.sample(chain(shape, T0[kind]), 4000, rng).configurations
    assert abs(pull(asked(kind, c).axes)) < 4
    plain = known.asymmetries["axes"](c)
    assert abs(plain.mean()) > 4 * plain.std() / len(c) ** 0.5  # the shape alone
    bonds = [
        (np.cos(c - np.roll(c, 1, axis)) if kind == "xy" else c * np.roll(c, 1, axis)).sum((1, 2), dtype=float)
        for axis in (2, 1)
    ]
    tilted = c[rng.random(len(c)) < 1 / (1 + np.exp(-0.3 * (bonds[0] - bonds[1])))]
    assert abs(pull(asked(kind, tilted).axes)) > 6
    square = file_of(kind, [1.0], 3)
    assert np.isnan(asked(kind, square).axes.value)


def test_a_fixed_order_parameter_is_noticed():
    """Configurations of one magnetisation only, as exchange dynamics has them."""
    rng = np.random.default_rng(7)
    c = mcmc.sample(chains.Ising(8, 2.4), 40_000, rng).configurations
    c = c[np.abs(ising.magnetization(c)) <= 4][:N]
    assert abs(pull(asked("ising", c).order)) > 4


def test_errors_cover():
    """Pulls of width, order and halves over files of one temperature: none is biased, and their scatter is 1."""
    pulls = []
    for seed in range(25):
        found = asked("ising", file_of("ising", [1.0], 100 + seed), seed)
        pulls.append([pull(found.width, 1), pull(found.order), pull(found.halves)])
    mean, scatter = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    assert (np.abs(mean) < 4 / np.sqrt(25)).all() and (scatter > 0.6).all() and (scatter < 1.6).all(), (mean, scatter)


def test_what_cannot_be_asked_is_said():
    c = file_of("ising", [1.0], 3)
    known = kinds.BY_NAME["ising"]

    def reason(J, broken=(), file=c):
        return one_temperature(known, file, 2.4, J, set(broken), 1000, 1).reason

    assert reason({"nn": np.nan}) == "the couplings are not known"
    assert "one sign only" in reason({"nn": 1.0}, {"flip"})
    assert "no couplings of this family" in reason({"nn": 0.2})
    paths = file_of("path", [1.0], 3)
    without = {"kinetic": 2.0, "quadratic": 1.0, "quartic": -1.0}
    assert "cannot be sampled" in one_temperature(kinds.BY_NAME["path"], paths, 1.0, without, set(), 100, 1).reason


def test_weights_have_the_averages_that_were_asked_for():
    rng = np.random.default_rng(2)
    sums = rng.normal(size=(4000, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])
    weights = module.matched(sums, np.array([0.2, -0.3]))
    np.testing.assert_allclose(weights @ sums, [0.2, -0.3], atol=1e-6)
    assert module.matched(sums, np.array([50.0, 0.0])) is None
    values = sums @ [1.0, 2.0] + 3.0  # all of it is in the operators
    found = module.compared(values, values + 0.5, sums, sums, weights)
    assert isinstance(found, Estimate) and found.value == pytest.approx(0.5) and found.error < 1e-6
