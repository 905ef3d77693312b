"""Laws that every autoregressive network obeys. To hold a new network to them, add it to MODELS."""

import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib import checks
from lib.models.autoregressive import Autoregressive
from lib.models.causal_convolution import CausalConvolution
from lib.models.fit import fit
from lib.models.heads.angle import FourierDensity, VonMisesMixture
from lib.models.heads.discrete import Bernoulli, Categorical, SymmetricCategorical
from lib.models.heads.real import BetaMixture, BetaOnInterval, GaussianMixture, LogPolynomial
from lib.models.kinetic_ring import KineticRing
from lib.models.linear_gaussian import LinearGaussian
from lib.models.made import MADE
from lib.models.markov_lattice import MarkovLattice, context_index
from lib.models.markov_ring import MarkovRing
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.models.staggered_sums import StaggeredSums
from lib.systems import ising
from tests.conftest import refused
from tests.physics.standins import number, p_value

PERMUTED = [4, 0, 5, 2, 1, 3]

# name -> function () -> model with few enough sites to sum over all configurations
MODELS = {
    "made 2x2": lambda: MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(7,), seed=1),
    "made 3x2, permuted": lambda: MADE(site_shape=(3, 2), head=Bernoulli(), hidden=(9,), order=PERMUTED),
    "made 3x3, odd": lambda: MADE(site_shape=(3, 3), head=Bernoulli(), hidden=(12, 9), odd=True, seed=3),
    "made 5, no skip": lambda: MADE(site_shape=(5,), head=Bernoulli(), hidden=(3, 20, 8), skip=False, seed=4),
    "made 4, linear": lambda: MADE(site_shape=(4,), head=Bernoulli(), hidden=(), seed=5),
    "made 1 site": lambda: MADE(site_shape=(1,), head=Bernoulli(), hidden=(4,), seed=6),
    "made 3x2, 5 states": lambda: MADE(site_shape=(3, 2), head=Categorical(5), hidden=(15,), order=PERMUTED, seed=7),
    "made 2, beta": lambda: MADE(site_shape=(2,), head=BetaMixture(2), hidden=(6,), order=[1, 0], seed=8),
    "lattice 2x2": lambda: MarkovLattice(2, Bernoulli(), hidden=6, seed=1),
    "lattice 3x3, odd": lambda: MarkovLattice(3, Bernoulli(), hidden=6, odd=True, seed=2),
    "lattice 2x2, 3 states": lambda: MarkovLattice(2, Categorical(3), hidden=6, seed=3),
    "lattice 4x4, short context": lambda: MarkovLattice(4, Bernoulli(), hidden=5, last_sites=2, first_rows=0),
    "lattice 3x2 rows of context": lambda: MarkovLattice(3, Bernoulli(), hidden=5, last_sites=6, first_rows=2, seed=4),
    "lattice 2x2, 5 states, odd": lambda: MarkovLattice(2, SymmetricCategorical(5), hidden=6, odd=True, seed=5),
    "lattice 2x2, staggered sums, odd": lambda: MarkovLattice(
        2, SymmetricCategorical(5), hidden=6, odd=True, memory=StaggeredSums(2), seed=6
    ),
    "lattice 2x2, remembering sums, odd": lambda: MarkovLattice(
        2,
        SymmetricCategorical(5),
        hidden=6,
        odd=True,
        last_sites=2,
        memory=StaggeredSums(2, True),
        first_rows=0,
        seed=7,
    ),
    "lattice 3x2": lambda: MarkovLattice((3, 2), Bernoulli(), hidden=6, seed=8),
    "lattice 2x5, odd": lambda: MarkovLattice((2, 5), Bernoulli(), hidden=6, odd=True, seed=9),
    "O(2) lattice 2x4": lambda: O2MarkovLattice((2, 4), 2, hidden=5, seed=4),
    "O(2) lattice 2x2": lambda: O2MarkovLattice(2, 2, hidden=5, seed=1),
    "O(2) lattice 3x3": lambda: O2MarkovLattice(3, 3, hidden=5, seed=2),
    "O(2) lattice 4x4, one harmonic": lambda: O2MarkovLattice(4, 1, hidden=4, seed=3),
    "made 2, von Mises": lambda: MADE(site_shape=(2,), head=VonMisesMixture(2), hidden=(6,), order=[1, 0], seed=9),
    "linear gaussian 2": lambda: LinearGaussian((2,)),
    "linear gaussian 3, permuted": lambda: LinearGaussian((3,), order=[2, 0, 1]),
    "ring 2, gauss": lambda: MarkovRing(2, GaussianMixture(2), hidden=4, rank=1, seed=1),
    "ring 2, beta": lambda: MarkovRing(2, BetaOnInterval(2), hidden=5, seed=2),
    "ring 9, gauss": lambda: MarkovRing(9, GaussianMixture(3), hidden=7, seed=3),
    "convolution 2, gauss": lambda: CausalConvolution(2, GaussianMixture(2), channels=4, depth=2, seed=4),
    "convolution 11, gauss": lambda: CausalConvolution(11, GaussianMixture(2), channels=4, depth=2, seed=5),
    "made 2, gauss": lambda: MADE(site_shape=(2,), head=GaussianMixture(2), hidden=(6,), seed=6),
    "made 5, beta": lambda: MADE(site_shape=(5,), head=BetaOnInterval(2), hidden=(8,), order=[3, 1, 4, 0, 2], seed=7),
    "kinetic ring 3": lambda: KineticRing(3, LogPolynomial(degree=4, scale=1.5, bound=2.0), hidden=3, rank=2),
    "kinetic ring 7": lambda: KineticRing(7, LogPolynomial(degree=4, scale=1.5, bound=2.0), hidden=3, rank=2),
}
# of the others there are too many configurations, or test_o2_markov_lattice.py looks at them
NORMALISABLE = [
    name
    for name in MODELS
    if "O(2)" not in name
    and not name.startswith(("linear gaussian 3", "ring 9", "kinetic ring 7", "convolution 11", "made 5, beta"))
]
HEADS = [
    Bernoulli(),
    Categorical(4),
    SymmetricCategorical(5),
    SymmetricCategorical(2),
    BetaMixture(1),
    BetaMixture(3),
    VonMisesMixture(2),
    FourierDensity(3),
]


@pytest.mark.parametrize("name", MODELS)
def test_autoregressive(name):
    depends = checks.check_autoregressive(MODELS[name]())
    assert not depends[0].any()


@pytest.mark.parametrize("name", NORMALISABLE)
def test_normalised(name):
    rough = name.endswith(("beta", "gauss", "kinetic ring 3"))  # densities that need a fine grid
    checks.check_normalised(
        MODELS[name](), points=701 if rough and " 2, " in name else 81, tolerance=1e-6 if rough else 1e-12
    )


@pytest.mark.parametrize("name", MODELS)
def test_sample_agrees_with_log_prob_and_with_the_naive_one(name):
    checks.check_sample_log_prob(MODELS[name]())


@pytest.mark.parametrize("name", ["lattice 2x2", "O(2) lattice 2x2"])
def test_a_gradient_that_is_not_written_is_refused(name):
    """By the configuration; it would come out as zero."""
    model = MODELS[name]()
    values = model.sample(3, 1)[0].requires_grad_()
    with pytest.raises(NotImplementedError, match="no gradient by the"):
        model.log_prob(values)


@pytest.mark.parametrize("shape", [(4, 4), (4, 3), (3, 5)])
def test_the_context_is_exact_for_nearest_neighbours(shape):
    """p(s_i | s_<i) of all states of an Ising torus depends on the context only; without the first row it does not."""
    n_sites = shape[0] * shape[1]
    s = (1 - 2 * (np.arange(2**n_sites)[:, None] >> np.arange(n_sites)[::-1] & 1)).astype(np.int8)
    weight = np.exp(-0.4 * ising.energy(s.reshape(-1, *shape)))

    def spread(first_rows):
        """Largest spread of p(s_i = 1 | s_<i) among pasts with the same context."""
        worst = 0.0
        for i, sites in enumerate(context_index(shape, shape[1], first_rows).numpy()):
            past, up, down = s[:: 2 ** (n_sites - i), :i], *weight.reshape(2**i, 2, -1).sum(2).T
            seen = past[:, sites[sites < i]].astype(np.int64)
            group = (seen > 0) @ (1 << np.arange(seen.shape[1]))
            lowest, highest = np.full(group.max() + 1, 2.0), np.full(group.max() + 1, -1.0)
            np.minimum.at(lowest, group, up / (up + down))
            np.maximum.at(highest, group, up / (up + down))
            worst = max(worst, (highest - lowest).max())
        return worst

    assert spread(1) < 1e-12 and spread(0) > 1e-3


@pytest.mark.parametrize("name", [name for name in MODELS if "odd" in name])
def test_odd_networks_are_exactly_symmetric(name):
    model = checks.shaken(MODELS[name]())
    s = model.sample(200, 1)[0]
    assert (model.log_prob(s) - model.log_prob(model.head.flip(s))).abs().max() <= 1e-12
    other = checks.shaken(MADE(site_shape=model.site_shape, head=model.head, hidden=(12,)))
    assert (other.log_prob(s) - other.log_prob(model.head.flip(s))).abs().max() > 1e-3


def test_samples_follow_the_distribution():
    """Pearson chi-square of 20 000 samples over all 64 states; level 1e-4, fixed seed."""
    model = checks.shaken(MODELS["made 3x2, permuted"]())
    s = 1 - 2 * (np.arange(64)[:, None] >> np.arange(6) & 1).reshape(-1, 3, 2)
    drawn = number(model.sample(20_000, 3)[0].numpy())
    assert p_value(np.bincount(drawn, minlength=64), model.log_prob(s).exp().detach().numpy()) > 1e-4


def test_every_earlier_site_is_seen():
    """MADE with enough hidden units: the dependence is the full lower triangle, without the skip too."""
    model = MADE(site_shape=(3, 3), head=Bernoulli(), hidden=(16,), skip=False)
    assert np.array_equal(checks.check_autoregressive(model), np.tri(9, k=-1, dtype=bool))


def test_masked_weights_have_no_effect():
    model = MADE(site_shape=(2, 3), head=Bernoulli(), hidden=(10, 10), seed=1)
    s = model.sample(10, 0)[0]
    before = model.log_prob(s)
    with torch.no_grad():
        for weight, mask in zip(model.weights, model.masks(), strict=True):
            weight[~mask] += 100.0
    assert torch.equal(model.log_prob(s), before)


def test_weights_come_from_the_seed_alone():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    a, b, c = (MADE(site_shape=(4,), head=Bernoulli(), hidden=(8,), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a.weights[0], b.weights[0]) and not torch.equal(a.weights[0], c.weights[0])
    assert torch.equal(a.sample(5, 3)[0], b.sample(5, 3)[0])


def test_cached_sampling_does_a_tenth_of_the_work():
    """Floating-point operations, counted, not timed: seconds are in benchmarks/networks.py."""
    model = MADE(site_shape=(16, 16), head=Bernoulli(), hidden=(256,))

    def operations(naive):
        with FlopCounterMode(display=False) as counter:
            model.sample(4, 0, naive=naive)
        return counter.get_total_flops()

    assert operations(naive=True) > 10 * operations(naive=False) > 0


@pytest.mark.parametrize("make", [
    lambda: MarkovLattice(4, Bernoulli(), odd=True),
    lambda: MarkovLattice(4, Bernoulli(), last_sites=5),
    lambda: MarkovLattice(4, SymmetricCategorical(3), odd=True),
    lambda: O2MarkovLattice(4),
])  # fmt: skip
def test_networks_compiled_site_by_site_draw_the_same_as_the_whole_network(make):
    """To the bit, in single precision; and not if one site of the context is left out."""
    model = checks.shaken(make()).float()
    cached, naive = model.sample(37, 5), model.sample(37, 5, naive=True)
    assert torch.equal(cached[0], naive[0]) and torch.equal(cached[1], naive[1])
    assert torch.allclose(model.log_prob(cached[0]), cached[1], atol=1e-4)
    context = model.context.clone()
    model.context[:, 0] = model.n_sites
    other = model.sample(37, 5)
    model.context.copy_(context)
    assert not torch.equal(other[0], naive[0])


@pytest.mark.parametrize("head", HEADS, ids=lambda head: f"{type(head).__name__} {head.n_parameters}")
def test_heads_are_normalised(head):
    values, weights = head.site_rule(161)
    parameters = torch.randn(20, 1, head.n_parameters, generator=torch.Generator().manual_seed(1)).double().abs()
    total = (head.log_prob(parameters, values.expand(20, -1)).exp() * weights).sum(1)
    assert (total - 1).abs().max() < 1e-12


@pytest.mark.parametrize("name", ["made 2x2", "made 3x2, 5 states", "made 2, beta", "lattice 2x2"])
@pytest.mark.parametrize("bad", [math.nan, 7.0, -0.5])
def test_wrong_values_are_refused(name, bad):
    model = MODELS[name]()
    s = model.sample(2, 0)[0]
    s.view(-1)[0] = bad
    with pytest.raises(ValueError, match="holds the value"):
        model.log_prob(s)
    with pytest.raises(ValueError, match="holds the value"):
        fit(model, s, steps=1)


def test_wrong_shapes_and_arguments_are_refused():
    model = MODELS["made 2x2"]()
    with pytest.raises(ValueError, match="shape"):
        model.log_prob(torch.ones(3, 4))
    with pytest.raises(ValueError, match="permutation"):
        MADE(site_shape=(3,), head=Bernoulli(), order=[0, 1, 1])
    with pytest.raises(ValueError, match="Bernoulli"):
        MADE(site_shape=(3,), head=BetaMixture(), odd=True)
    with pytest.raises(ValueError, match="hidden"):
        MADE(site_shape=(3,), head=Bernoulli(), hidden=(0,))
    with pytest.raises(ValueError, match="nothing would connect"):
        MADE(site_shape=(3,), head=Bernoulli(), hidden=(), skip=False)


@pytest.mark.parametrize("name", ["ring 9, gauss", "kinetic ring 7"])
def test_a_ring_sees_its_neighbour_and_the_first_site_only(name):
    depends = checks.check_autoregressive(MODELS[name]())
    k, j = np.indices(depends.shape)
    assert np.array_equal(depends, (j < k) & ((k - j == 1) | (j == 0)))


def test_a_convolution_sees_its_field_and_the_first_site():
    model = checks.shaken(MODELS["convolution 11, gauss"]())
    x = torch.linspace(-1, 1, 11, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: model.conditionals(x[None])[0], x)
    k, j = np.indices((11, 11))
    assert np.array_equal(jacobian.abs().amax(1).numpy() > 0, (j < k) & ((k - j <= 4) | (j == 0)))


def test_impossible_paths_and_heads_are_refused():
    for make in (
        lambda: GaussianMixture(0),
        lambda: GaussianMixture(2, 0.0),
        lambda: BetaOnInterval(2, -1.0),
        lambda: MarkovRing(1, GaussianMixture()),
        lambda: CausalConvolution(8, GaussianMixture(), depth=0),
        lambda: MarkovRing(4, BetaOnInterval(2, 1.0)).log_prob(torch.full((1, 4), 1.5)),
        lambda: MarkovRing(4, GaussianMixture(2)).log_prob(torch.full((1, 4), math.nan)),
    ):
        with refused(kind=ValueError):
            make()


# The checks themselves: each is shown something that must fail it ------------------------------------------


def test_a_leaking_mask_is_caught():
    model = MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(8,), skip=False)
    model.mask_0[0, 3] = True
    with pytest.raises(checks.CheckFailed, match="conditional number 1 moves with site number 3"):
        checks.check_autoregressive(model)
    model = MADE(site_shape=(2, 2), head=Bernoulli(), hidden=(8,), order=[3, 2, 1, 0])
    model.mask_2[2, 2] = True
    with pytest.raises(checks.CheckFailed, match=r"number 2 moves with site itself \(flat index 1"):
        checks.check_autoregressive(model)


def test_a_wrong_site_order_is_caught():
    class WrongOrder(MADE):
        def unflatten(self, values):
            return values[:, self.order].reshape(-1, *self.site_shape)

    model = WrongOrder(site_shape=(3,), head=Bernoulli(), order=[1, 2, 0])
    with pytest.raises(checks.CheckFailed, match="ln p from sample and from log_prob differ"):
        checks.check_sample_log_prob(model)


def test_a_wrong_cache_is_caught():
    class WrongCache(MADE):
        def incremental(self, n):
            steps = super().incremental(n)
            parameters = next(steps)
            while True:
                values = yield 1.01 * parameters
                parameters = steps.send(values)

    with pytest.raises(checks.CheckFailed, match="differ"):
        checks.check_sample_log_prob(WrongCache(site_shape=(3,), head=Bernoulli()))


def test_an_epsilon_in_the_logarithm_is_caught():
    class Epsilon(Bernoulli):
        def log_prob(self, parameters, values):
            return torch.log(torch.sigmoid(values * parameters[..., 0]) + 1e-7)

    with pytest.raises(checks.CheckFailed, match="not normalised"):
        checks.check_normalised(MADE(site_shape=(3,), head=Epsilon()))


def test_a_model_without_normalisation_is_caught():
    class Unnormalised(Autoregressive):
        def __init__(self):
            super().__init__((2,), Bernoulli())
            self.field = torch.nn.Parameter(torch.zeros(2))

        def conditionals(self, values):
            return (self.field + values.roll(1, dims=1))[..., None]

    with pytest.raises(checks.CheckFailed, match="conditional number 0 moves with site number 1"):
        checks.check_autoregressive(Unnormalised())
    with pytest.raises(checks.CheckFailed, match="not normalised"):
        checks.check_normalised(Unnormalised())


def transition_matrix(energy, acceptance):
    """One spin picked at random of three, accepted with probability acceptance(change of energy)."""
    P = np.zeros((8, 8))
    for i in range(8):
        for bit in range(3):
            j = i ^ (1 << bit)
            P[i, j] = acceptance(energy[j] - energy[i]) / 3
        P[i, i] = 1 - P[i].sum()
    return P


def test_detailed_balance():
    energy = np.random.default_rng(1).normal(size=8)
    good = transition_matrix(energy, lambda d: min(1.0, math.exp(-d)))
    checks.check_detailed_balance(good, -energy)
    biased = transition_matrix(energy, lambda d: min(1.0, math.exp(-d) + 1e-6))
    with pytest.raises(checks.CheckFailed, match="no detailed balance"):
        checks.check_detailed_balance(biased, -energy)
    with pytest.raises(checks.CheckFailed, match="adds up"):
        checks.check_detailed_balance(0.5 * good, -energy)


def test_energy_differences():
    s = np.random.default_rng(2).choice(np.array([-1, 1], dtype=np.int8), size=(5, 6))

    def energy(s):
        return -(s * np.roll(s, 1, 1)).sum(1, dtype=float)

    def flip(s, site):
        return 2.0 * s[:, site] * (s[:, site - 1] + s[:, (site + 1) % 6])

    checks.check_energy_differences(energy, flip, s)
    with pytest.raises(checks.CheckFailed, match="flip of site 0 in configuration"):
        checks.check_energy_differences(energy, lambda s, site: flip(s, site) / 2, s)
