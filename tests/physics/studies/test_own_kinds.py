"""Files of scalar fields and of spins on a ring: couplings of known actions come back within their errors, and what a
network cannot express ends in a warning."""

import itertools

import numpy as np
import pytest
import torch

from lib import lattice
from lib.analysis import field_action
from lib.models.learned import LearnedHamiltonian, Units
from lib.studies import scalar_field
from lib.studies.own import fields, honesty, kinds, layouts, pictures, report, user_file
from lib.studies.own.findings import learn_file
from lib.studies.own.networks import train_network
from lib.studies.own.one_temperature import one_temperature
from lib.studies.own.second_file import _changes
from lib.studies.own.spin_chains import MEMORY, SpinRing
from lib.systems import spin_ring
from tests.conftest import refused

FIELD, CHAIN = kinds.BY_NAME["field"], kinds.BY_NAME["chain"]
RINGS = np.array(list(itertools.product([-1, 1], repeat=10)), np.int8)
G = np.array([1.0, 1.0, -1.0, 1.0])  # time, space, square, fourth


def phi4(g=G, n=2000, seed=3, side=4):
    n_t, n_x = lattice.sides(side)
    return scalar_field.draw(np.asarray(g), n_x, n_t, n, seed)


def ring(J, n, seed, n_sites=24):
    """Rings of couplings dict name -> J at T = 1."""
    K = np.array([J.get(name, 0.0) for name in spin_ring.OPERATORS])
    return spin_ring.draw(K, n_sites, n, np.random.default_rng(seed))


def all_rings(J, n, seed):
    """Rings of 10 spins by enumeration; J: dict distance -> coupling at T = 1."""
    weights = np.exp(sum(j * spin_ring.pair_sum(RINGS, distance) for distance, j in J.items()))
    return RINGS[np.random.default_rng(seed).choice(len(RINGS), n, p=weights / weights.sum())]


def learned(c, kind, T0=1.0, steps=200):
    f = learn_file(user_file.check(c, kind.name), kind, T0, 2, steps, 1)
    box = honesty.box(f)
    report.records(f, box)
    return f, {w.name: w for w in box}


def worst(found, truth):
    """Largest |difference| from dict name -> number, in errors; all names of `found` count."""
    return max(abs(found[name].value - truth.get(name, 0.0)) / found[name].error for name in found)


# Spins on a ring -------------------------------------------------------------------------------------------


def test_a_conditional_sees_the_last_and_the_first_spins_only():
    model = SpinRing(10, seed=1)
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.3 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(2))
    s = torch.as_tensor(RINGS[:64]).float()
    before = model.conditionals(s)
    for k in range(10):
        changed = s.clone()
        changed[:, k] *= -1
        seen = (model.conditionals(changed) != before).any(2).any(0)
        expected = [i > k and (i - k <= MEMORY or k < MEMORY) for i in range(10)]
        assert seen.tolist() == expected
    total = model.log_prob(RINGS).detach().double().exp().sum()
    assert float(total) == pytest.approx(1, abs=1e-5)
    fast, slow = (model.sample(100, 3, naive=naive) for naive in (False, True))
    assert torch.equal(fast[0], slow[0])


@pytest.mark.parametrize(
    "n_sites, broken, n", [(10, set(), 8), (9, set(), 4), (10, {"flip"}, 4), (10, {"boundary"}, 4)]
)
def test_the_group_of_a_ring_is_one(n_sites, broken, n):
    group, site = CHAIN.group((n_sites,), broken), np.arange(1, n_sites + 1)[None]
    images = {g(site).tobytes() for g in group}
    assert len(images) == len(group) == n
    assert {g(h(site)).tobytes() for g in group for h in group} == images
    if broken == {"boundary"}:
        assert all(abs(abs(g(site)[0, 0]) - abs(g(site)[0, -1])) == n_sites - 1 for g in group)  # it stays where it is


def test_couplings_of_a_ring_come_back():
    """Nearest neighbours, and up to the third: the network's memory is exact for both."""
    for J in ({"nn": 0.6}, {"nn": 0.5, "nnn": 0.25, "third": -0.15}):
        f, box = learned(ring(J, 2500, 2), CHAIN)
        for found in (f.couplings.networks, f.couplings.classical, f.couplings.most_likely):
            assert list(found) == ["nn", "nnn", "third"] and worst(found, J) < 4
        assert f.couplings.networks["nn"].error < 0.05 and f.couplings.explained > 0.99
        assert abs(f.one_temperature.width.value - 1) < 4 * f.one_temperature.width.error
        assert set(box) - {*honesty.ALWAYS, "order_unknown"} == ({"beyond_neighbours"} if "nnn" in J else set())


def test_a_field_on_a_ring_is_read_and_said():
    f, box = learned(ring({"nn": 0.4, "field": 0.15}, 2500, 2), CHAIN)
    assert worst(f.couplings.networks, {"nn": 0.4, "field": 0.15}) < 4 and len(f.couplings.networks) == 4
    assert "field" in box and not {"not_tested", "several_temperatures"} & set(box)
    assert abs(f.one_temperature.width.value - 1) < 4 * f.one_temperature.width.error


def test_couplings_beyond_the_memory_are_not_silent():
    """Fifth neighbours: no coupling of the table is right, and the reader is told, by what the samples lack, too."""
    f, box = learned(all_rings({1: 0.6, 5: 0.15}, 4000, 4), CHAIN)
    assert {"samples_differ", "beyond_neighbours"} <= set(box)
    assert "distance 5" in box["samples_differ"].text and "up to the third" in box["beyond_neighbours"].text


def test_a_mixture_of_temperatures_on_a_ring_is_too_wide():
    c = np.concatenate([ring({"nn": 0.6 / T}, 500, k) for k, T in enumerate((0.7, 0.9, 1.1, 1.4))])
    c = c[np.random.default_rng(1).permutation(len(c))]
    for file, wrong in ((c, True), (ring({"nn": 0.6}, 2000, 9), False)):
        read = CHAIN.most_likely(file, 2.4, ("nn", "nnn", "third"))
        found = one_temperature(CHAIN, file, 2.4, dict(zip(read.names, read.values, strict=True)), set(), 4000, 1)
        assert (abs(found.width.value - 1) > 6 * found.width.error) == wrong


def test_couplings_without_a_network_are_proportional_to_T0():
    c = ring({"nn": 0.5, "nnn": 0.1}, 2000, 3)
    names = ("nn", "nnn", "third")
    for method in (CHAIN.classical, lambda c, names, T0: CHAIN.most_likely(c, T0, names)):
        one, three = (method(c, names, T0) for T0 in (1.0, 3.0))
        np.testing.assert_allclose(three.values, 3 * one.values, rtol=1e-6)
        np.testing.assert_allclose(three.errors, 3 * one.errors, rtol=1e-6)
        assert (np.abs(one.values - [0.5, 0.1, 0]) < 4 * one.errors).all()
    assert CHAIN.most_likely(np.ones((300, 12), np.int8), 1.0) is None


def test_errors_of_maximum_likelihood_cover():
    pulls = []
    for seed in range(40):
        read = CHAIN.most_likely(ring({"nn": 0.5}, 400, 100 + seed, 12), 1.0)
        pulls.append((read.values - [0.5, 0, 0, 0]) / read.errors)
    assert (np.abs(np.mean(pulls, 0)) < 4 / np.sqrt(40)).all()
    assert (np.std(pulls, 0) > 0.7).all() and (np.std(pulls, 0) < 1.4).all()


def test_flags_of_rings_and_fields(tmp_path):
    c, phi = ring({"nn": 0.3}, 240, 1), phi4(n=240, side=6)
    np.save(tmp_path / "a.npy", ((c + 1) // 2).T)
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/a.npy --last --zero-one", "chain"), c)
    np.save(tmp_path / "b.npy", phi.reshape(240, -1))
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/b.npy --side 6", "field"), phi)
    for flags, kind in (("--side 6", "chain"), ("--zero-one", "field"), ("--wrap", "field"), ("--stacked", "chain")):
        with refused(f"{flags.split()[0]} is for --kind"):
            user_file.load(f"{tmp_path}/a.npy {flags}", kind)
    assert user_file.OF_KIND["chain"][0] == spin_ring.FEWEST
    assert set(layouts.KINDS) == set(kinds.BY_NAME) == set(user_file.LAYOUT) == set(user_file.STEPS)


# Fields ----------------------------------------------------------------------------------------------------


def test_couplings_of_a_field_come_back():
    f, box = learned(phi4(), FIELD)
    truth = dict(zip(fields.NAMES, G, strict=True))
    for found in (f.couplings.networks, f.couplings.classical, f.couplings.most_likely):
        assert list(found) == list(fields.NAMES) and worst(found, truth) < 4
    assert f.couplings.networks["time"].error < 0.1 and f.couplings.explained > 0.98
    assert list(f.couplings.alarms) == list(fields.ALARMS) and worst(f.couplings.alarms, {}) < 4
    assert abs(f.couplings.schwinger_dyson.value - 1) < 4 * f.couplings.schwinger_dyson.error
    assert set(box) <= {*honesty.ALWAYS, "order_unknown"}


@pytest.mark.parametrize("side", [4, (6, 4)])
def test_a_stretched_field_in_other_units_and_at_another_T0(side):
    """Rows and columns differ: they are not exchanged. phi is 30 times as large, and the weight exp(-S / 2)."""
    g = np.array([1.5, 0.7, -0.8, 0.8])
    f, box = learned(30 * phi4(g, side=side), FIELD, 2.0)
    truth = dict(zip(fields.NAMES, 2 * g / 30.0 ** np.array([2, 2, 2, 4]), strict=True))
    assert (
        (f.asymmetries["axes"].broken if side == 4 else "axes" not in f.asymmetries)
        and not f.asymmetries["diagonals"].broken
        and "anisotropic" not in box
    )
    for found in (f.couplings.networks, f.couplings.classical, f.couplings.most_likely):
        assert worst(found, truth) < 4
    assert abs(f.couplings.schwinger_dyson.value - 1) < 4 * f.couplings.schwinger_dyson.error
    assert abs(f.one_temperature.width.value - 1) < 4 * f.one_temperature.width.error


def test_a_field_that_is_not_even_is_learned_with_a_warning():
    f, box = learned(phi4(n=1000) + 0.4, FIELD, steps=60)
    assert "odd" in box and "built in" in box["odd"].text and "field" not in box
    assert f.violations["sign"][0] < 1e-3


def sixth(n, strength, seed=5):
    """Fields with strength * phi^6 / 6 added to the action, by rejection."""
    phi = phi4(n=3 * n, seed=seed)
    kept = np.random.default_rng(seed).random(len(phi)) < np.exp(
        -strength * field_action.operators(phi, ("sixth",))[:, 0]
    )
    return phi[kept][:n]


def test_a_term_that_is_not_in_the_table_is_an_alarm():
    """Of an exact action, to rounding; and with the error that one network has, many errors from zero."""
    phi = sixth(2000, 0.3)
    S = field_action.operators(phi, (*fields.NAMES, "sixth")) @ [*G, 0.3]
    read, explained = fields.read_action(phi, S, fields.EVERY)
    np.testing.assert_allclose(read.values, [*G, 0.3, 0, 0, 0], atol=1e-8)
    read, explained = fields.read_action(phi, S, fields.NAMES)
    assert explained < 1 - 1e-6 and abs(read.values[3] - 1) > 0.3
    noisy, _ = fields.read_action(phi, S + np.random.default_rng(1).normal(0, 0.1, len(S)), fields.EVERY)
    assert (np.abs(noisy.values - [*G, 0.3, 0, 0, 0]) < 4 * noisy.errors).all() and (noisy.errors > 0).all()


def test_the_action_that_was_read_is_sampled():
    g = dict(zip(fields.NAMES, [1.5, 0.7, -0.8, 0.8], strict=True))
    chain = FIELD.chain(
        (6, 4), 2.0, {name: 2 * each / 30.0 ** (4 if name == "fourth" else 2) for name, each in g.items()}
    )
    state = chain.start(2000, np.random.default_rng(1))
    for _ in range(100):
        chain.advance(state, 1, np.random.default_rng(_))
    phi = 30 * scalar_field.draw(list(g.values()), 4, 6, 2000, 3)
    assert chain.configurations(state).shape[1:] == phi.shape[1:] == (6, 4)
    ours, theirs = (FIELD.operators(each)[:, :4] for each in (chain.configurations(state), phi))
    error = np.hypot(*(each.std(0) / np.sqrt(len(each)) for each in (ours, theirs)))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 4 * error).all()
    for wrong, text in (({"time": -1.0}, "not coupled to be alike"), ({"fourth": -1.0}, "no lower bound")):
        with pytest.raises(ValueError, match=text):
            FIELD.chain((4, 4), 1.0, g | wrong)
    assert (
        FIELD.chain((4, 4), 1.0, g | {"square": 0.5, "fourth": -0.01}).field.coupling == 0
    )  # a free one, within its error


def test_a_field_whose_action_cannot_be_sampled_says_why():
    wrong = dict(zip(fields.NAMES, [1.0, -0.5, 1.0, 1.0], strict=True))
    found = one_temperature(FIELD, phi4(n=400), 1.0, wrong, set(), 100, 1)
    assert found.reason == "the couplings that were read cannot be sampled: neighbours are not coupled to be alike"


def test_a_network_for_fields_has_the_slope_of_its_action():
    phi = 7 * phi4(n=300)
    trained = train_network(FIELD, phi[:200], phi[200:], 2.0, set(), 20, 1).symmetric
    exact = LearnedHamiltonian(trained.model.double(), 2.0, trained.group, Units(trained.scale, 0.0, np.float64))
    x, step = phi[:5], np.zeros((5, 4, 4))
    step[:, 1, 2] = 1e-3
    slope = (exact.energy(x + step) - exact.energy(x - step)) / 2e-3
    np.testing.assert_allclose(exact.gradient(x)[:, 1, 2], slope, rtol=1e-3, atol=1e-4)


def test_pseudolikelihood_of_a_correlated_file_has_wider_errors():
    phi = phi4(n=400)
    once, often = FIELD.most_likely(phi, 1.0), FIELD.most_likely(np.repeat(phi, 8, axis=0), 1.0)
    np.testing.assert_allclose(often.values, once.values, rtol=1e-6)
    assert (often.errors > 0.7 * once.errors).all()


def test_couplings_of_two_files_are_compared():
    for kind, files in (
        (FIELD, [phi4(), phi4(G / 1.5, seed=4)]),
        (CHAIN, [ring({"nn": 0.6}, 2000, 1), ring({"nn": 0.4}, 2000, 2)]),
    ):
        right, wrong = (_changes(kind, files, (1.0, T1), set()) for T1 in (1.5, 2.5))
        assert worst(right, {}) < 4 < worst(wrong, {})


@pytest.mark.parametrize("kind, c", [(FIELD, phi4(n=60)), (CHAIN, ring({"nn": 0.5}, 60, 1))])
def test_figures_of_the_new_kinds(kind, c):
    """As many panels as configurations, and one scale for all of them."""
    figure, other = pictures.beside(kind, c, c[:5]), pictures.configurations(kind, c)
    assert len(figure.axes) == 10 and len(other.axes) == 4
    images = [image for each in (figure, other) for axis in each.axes for image in axis.images]
    assert len(images) == 14
    for image in images:
        low, high = image.get_clim()
        assert low == -high and high >= np.abs(image.get_array()).max()
