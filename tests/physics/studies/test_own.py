"""`python -m lib learn`: files that are refused, what a file says, the honesty box, and one run from end to end."""

import html
import importlib.util
import inspect
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch

from lib import lattice
from lib.analysis.diagnostics import Blind
from lib.book import execute, runs
from lib.book.chapter import Chapter
from lib.models.heads.real import GaussianMixture
from lib.models.learned import LearnedHamiltonian, Units
from lib.models.markov_ring import MarkovRing
from lib.page import records
from lib.paths import ROOT, data_file
from lib.statistics import Estimate, autocorrelation
from lib.studies.own import findings as learning
from lib.studies.own import honesty, kinds, predictions, report, summary, symmetries, user_file
from lib.studies.own.networks import NetworkSamples, examine, train_network
from lib.studies.own.one_temperature import OneTemperature, not_applicable
from lib.systems import double_well, ising
from lib.systems.double_well import Couplings
from tests.conftest import code, display, environment, notebook, one_line, refusal, refused, write

RNG = np.random.default_rng(3)
SPINS = RNG.choice(np.array([-1, 1], np.int8), (400, 6, 6))
ANGLES = RNG.uniform(0, 2 * np.pi, (400, 6, 6))
PATHS = RNG.normal(size=(400, 12))
FIELDS = RNG.normal(size=(400, 6, 6))
RINGS = RNG.choice(np.array([-1, 1], np.int8), (400, 12))
ISING = kinds.BY_NAME["ising"]


def changed(array, index, value):
    array = array.astype(float)
    array[index] = value
    return array


# Files -----------------------------------------------------------------------------------------------------

REFUSED = [  # kind, array, what the line says
    ("ising", changed(SPINS, (7, 2, 2), np.nan), "NaN or infinity in 1 of 400 configurations, the first is number 7"),
    ("path", changed(PATHS, (9, 0), np.inf), "the first is number 9"),
    ("ising", (SPINS + 1) // 2, "add --zero-one if 1 is up"),
    ("ising", SPINS > 0, "add --zero-one if 1 is up"),
    ("ising", changed(SPINS, (5, 0, 0), 0.5), "spins must be +-1; 0.5 in configuration 5"),
    ("ising", ANGLES, "spins must be +-1"),
    ("ising", SPINS[:, :, :3], "L = 3 is not possible, 4 to 64 can be learned; on a smaller one a site meets"),
    ("ising", np.tile(SPINS[:, :, :1], (1, 1, 65)), "L = 65 is not possible, 4 to 64 can be learned; a network draws"),
    ("ising", SPINS[:150], "150 configurations are too few, at least 200"),
    ("ising", SPINS.reshape(400, 36), "add --side 6 if each row is a lattice, or --kind chain if each row is a ring"),
    ("ising", RINGS, "shape (400, 12) is not [n, L, L] of +-1; add --kind chain if each row is a ring"),
    ("ising", RNG.integers(1, 4, (400, 6, 6)), "states 1 to 3 are those of a Potts model, which is not learned"),
    ("chain", RNG.integers(0, 3, (400, 12)), "states 0 to 2 are those of a Potts model"),
    ("field", RNG.integers(0, 4, (400, 6, 6)).astype(float), "states 0 to 3 are those of a Potts model"),
    ("chain", SPINS, "give --kind ising if these are lattices"),
    ("chain", RINGS > 0, "add --zero-one if 1 is up"),
    ("chain", PATHS, "spins must be +-1"),
    ("chain", RINGS[:, :6], "N = 6 is not possible, 7 to 512"),
    ("field", PATHS, "add --kind path if each row is a ring"),
    ("field", FIELDS.reshape(400, 36), "add --side 6 if each row is a lattice"),
    ("field", SPINS.astype(float), "the values are +-1, not fields; give --kind ising"),
    ("field", np.zeros_like(FIELDS), "nothing to learn"),
    ("field", np.rint(FIELDS), "different values: a field needs real numbers"),
    ("field", FIELDS[:, :3, :3], "L = 3 is not possible, 4 to 16"),
    ("field", changed(FIELDS, (3, 0, 0), np.nan), "the first is number 3"),
    ("path", FIELDS, "give --kind field if these are lattices"),
    ("ising", SPINS[0], "shape (6, 6) is not [n, L, L] of +-1"),
    ("ising", SPINS.ravel(), "one configuration alone is not enough"),
    ("ising", SPINS[:, :3, :3], "L = 3 is not possible, 4 to 64"),
    ("ising", np.moveaxis(SPINS, 0, 2)[:, :, :6], "6 configurations are too few"),
    ("ising", np.moveaxis(SPINS, 0, 2), "add --last if its last axis counts configurations"),
    ("ising", np.moveaxis(SPINS, 0, 2)[:, :4], "add --last if its last axis counts configurations"),
    ("ising", SPINS[:, :4].reshape(400, 24), "add --side ROWSxCOLUMNS if each row is a lattice"),
    ("xy", np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1)[:, :4].reshape(400, 24, 2), "--vectors --side ROWSxCOLUMNS"),
    ("ising", SPINS.astype(complex), "dtype complex128 is not numeric"),
    ("ising", SPINS.astype(str), "is not numeric"),
    ("xy", np.degrees(ANGLES), "look like degrees; add --degrees"),
    ("xy", ANGLES - np.pi, "add --wrap if they are radians"),
    ("xy", ANGLES + 1, "must lie in [0, 2 pi)"),
    ("xy", np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1), "add --vectors if the last axis is x, y"),
    ("xy", np.exp(1j * ANGLES), "are --kind xy --complex"),
    ("xy", SPINS, "give --kind ising"),
    ("xy", SPINS.astype(float), "give --kind ising"),
    ("xy", np.full_like(ANGLES, 1.0), "nothing to learn"),
    ("path", np.zeros_like(PATHS), "nothing to learn"),
    ("path", ANGLES, "is not [n, N] real values"),
    ("path", PATHS[:, :3], "N = 3 is not possible, 4 to 512"),
    ("path", np.sign(PATHS), "spins, not paths"),
    ("path", np.rint(PATHS), "different values: a path needs real numbers"),
    ("potts", SPINS, "give one of 'ising', 'xy', 'path'"),
]


@pytest.mark.parametrize("kind, array, text", REFUSED, ids=[text[:40] for *_, text in REFUSED])
def test_arrays_that_are_refused(kind, array, text):
    with refused(text):
        user_file.check(array, kind)


OF_KIND = {"ising": SPINS, "xy": ANGLES, "path": PATHS, "field": FIELDS, "chain": RINGS}
SPIN_KINDS = "ising", "chain"


@pytest.mark.parametrize("kind, array", OF_KIND.items())
def test_numeric_types_are_accepted(kind, array, tmp_path):
    for dtype in ("int8", "int64", "float32", "float64") if kind in SPIN_KINDS else ("float32", "float64"):
        np.save(tmp_path / "a.npy", array.astype(dtype))
        found = user_file.load(tmp_path / "a.npy", kind)
        assert found.dtype == (np.int8 if kind in SPIN_KINDS else np.float64) and type(found) is np.ndarray
        np.testing.assert_allclose(found, array, atol=1e-6)


def test_angles_of_two_pi_in_single_precision_are_zero():
    angles = ANGLES.astype(np.float32)
    angles[0, 0, 0] = np.float32(2 * np.pi)
    assert float(angles[0, 0, 0]) > 2 * np.pi
    assert user_file.check(angles, "xy").max() < 2 * np.pi


def bad_files(folder):
    """name -> what the line says; the files are made in the folder."""
    with (folder / "zip.npy").open("wb") as file:
        np.savez(file, SPINS)
    np.savetxt(folder / "text.npy", SPINS[0])
    np.save(folder / "object.npy", np.array([SPINS[0], "x"], dtype=object), allow_pickle=True)
    np.save(folder / "whole.npy", SPINS)
    (folder / "cut.npy").write_bytes((folder / "whole.npy").read_bytes()[:500])
    (folder / "empty.npy").write_bytes(b"")
    (folder / "folder.npy").mkdir()
    return {
        "zip.npy": "is a .npz or zip archive",
        "text.npy": "is not a .npy file; text files",
        "object.npy": "holds pickled Python objects",
        "cut.npy": "is damaged",
        "empty.npy": "is not a .npy file",
        "folder.npy": "is a folder",
        "missing.npy": "no file",
    }


def test_files_that_are_refused(tmp_path):
    for name, text in bad_files(tmp_path).items():
        with refused(text, name):
            user_file.load(tmp_path / name, "ising")


def test_a_relative_path_counts_from_the_repository():
    assert user_file.load("data/ising_L8_T2.5.npy", "ising").shape == (4000, 8, 8)


def test_the_included_file_is_what_its_generator_makes():
    spec = importlib.util.spec_from_file_location("generator", ROOT / "data" / "ising_metropolis.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    stored = np.load(data_file("ising_L8_T2.5.npy"))
    np.testing.assert_array_equal(generator.metropolis(L=8, T=2.5, n=20, every=4, seed=1), stored[:20])
    assert stored.dtype == np.int8 and abs(ising.energy(stored).mean() / 64 - ising.exact(8, 2.5).energy / 64) < 0.015


# What a file says ------------------------------------------------------------------------------------------


def test_repeated_configurations_are_not_independent():
    once, thrice = summary.summarise(ISING, SPINS), summary.summarise(ISING, np.repeat(SPINS, 3, axis=0))
    assert 0.5 <= once.tau_int < 0.8 and once.duplicates == once.repeats == 0
    assert 1.3 < thrice.tau_int < 2.6 and 0.6 < thrice.n_effective / once.n_effective < 1.3
    assert thrice.duplicates == thrice.repeats == 800
    assert thrice.energy.error == pytest.approx(once.energy.error, rel=1e-6)


def test_a_drift_is_noticed():
    hot = np.where(RNG.random((400, 6, 6)) < np.linspace(0, 0.5, 400)[:, None, None], SPINS, 1).astype(np.int8)
    assert summary.summarise(ISING, hot).drift > 5 > summary.summarise(ISING, SPINS).drift


def test_autocorrelation_of_a_constant_and_of_noise():
    assert autocorrelation(np.ones(50), 4).tolist() == [1, 0, 0, 0]
    rho = autocorrelation(RNG.normal(size=4000), 5)
    assert rho[0] == pytest.approx(1) and np.abs(rho[1:]).max() < 0.08


def stripes(s, axis):
    """Every second line of spins along `axis` a copy of the one before: correlations in one direction only."""
    s = s.copy()
    if axis == "row":
        s[:, 1::2] = s[:, ::2]
    return s


def diagonal(s):
    s = s.copy()
    s[:, 1::2] = np.roll(s[:, ::2], 1, 2)
    return s


def glued(s):
    """The first row a copy of the last."""
    s = s.copy()
    s[:, 0] = s[:, -1]
    return s


def lagged(x):
    """Skew noise through a filter that looks back: not the same read backwards."""
    x = x**2 - 1
    return x + np.roll(x, 1, 1) * (x > 0)


def skewed(s):
    """s_0 s_1 s_2 s_4 = 1 more often than not, wherever the fourth of them is drawn: not its own mirror image."""
    s = s.copy()
    for k in range(4, s.shape[1]):
        copied = RNG.random(len(s)) < 0.5
        s[copied, k] = (s[:, k - 4] * s[:, k - 3] * s[:, k - 2])[copied]
    return s


ASYMMETRIC = [  # kind, configurations, which symmetry is broken
    ("ising", np.where(RNG.random(SPINS.shape) < 0.2, 1, SPINS).astype(np.int8), "flip"),
    ("ising", stripes(SPINS, "row"), "axes"),
    ("ising", diagonal(SPINS), "diagonals"),
    ("ising", glued(SPINS), "boundary"),
    ("xy", np.abs(ANGLES - np.pi), "rotation, sin"),
    ("xy", np.abs(ANGLES - np.pi) + np.pi / 2, "rotation, cos"),
    ("xy", (ANGLES.cumsum(2) / 20) % 6, "reflection"),
    ("xy", glued(ANGLES), "boundary"),
    ("path", PATHS + 0.3, "sign"),
    ("path", np.where(PATHS > 1.2, 2 * PATHS, PATHS), "sign, cubic"),
    ("path", np.cumsum(PATHS, 1), "boundary"),
    ("path", lagged(PATHS), "reversal"),
    ("field", FIELDS + 0.3, "sign"),
    ("field", np.where(FIELDS > 1.2, 2 * FIELDS, FIELDS), "sign, cubic"),
    ("field", glued(FIELDS), "boundary"),
    ("field", stripes(FIELDS, "row"), "axes"),
    ("field", diagonal(FIELDS), "diagonals"),
    ("chain", np.where(RNG.random(RINGS.shape) < 0.2, 1, RINGS).astype(np.int8), "flip"),
    ("chain", glued(RINGS.T[None])[0].T, "boundary"),
    ("chain", skewed(RINGS), "reversal"),
]


@pytest.mark.parametrize("kind, c, name", ASYMMETRIC, ids=[f"{kind}-{name}" for kind, _, name in ASYMMETRIC])
def test_a_broken_symmetry_is_noticed(kind, c, name):
    assert symmetries.asymmetries(kinds.BY_NAME[kind], c)[name].broken


@pytest.mark.parametrize("kind, c", [*OF_KIND.items(), ("ising", SPINS[:, :4])])
def test_no_symmetry_of_noise_is_broken(kind, c):
    assert not any(each.broken for each in symmetries.asymmetries(kinds.BY_NAME[kind], c).values())


def test_the_axes_of_a_rectangle_are_not_compared():
    """Its bonds along rows and along columns differ by the shape alone."""
    assert "axes" not in symmetries.asymmetries(ISING, SPINS[:, :4]) and "axes" in symmetries.asymmetries(ISING, SPINS)
    operations = ISING.operations((4, 6), 1)["rotations and reflections"]
    assert len(operations) == 3 and all(g(SPINS[:, :4]).shape == (400, 4, 6) for g in operations)


@pytest.mark.parametrize("n, tau", [(200, 0.5), (400, 1.4), (4000, 5.0), (1003, 100.0)])
def test_the_parts_of_a_split_stay_apart(n, tau):
    parts = summary.split(n, tau)
    owner = np.full(n, -1)
    for k, each in enumerate(parts[:3]):
        assert (owner[each] == -1).all()
        owner[each] = k
    assert len(parts.train) >= n / 2 and min(len(parts.validation), len(parts.test)) >= 0.12 * n
    used = np.flatnonzero(owner >= 0)
    meets = owner[used][1:] != owner[used][:-1]
    assert (np.diff(used)[meets] == parts.gap + 1).all() and meets.sum() == 11
    assert parts.gap == (0 if tau == 0.5 else min(np.ceil(3 * tau), n // 80))


def test_only_allowed_symmetries_are_shown():
    for broken in itertools.chain.from_iterable(itertools.combinations(("axes", "diagonals"), r) for r in range(3)):
        allowed = symmetries.point_group((4, 4), set(broken))
        s = np.arange(16).reshape(1, 4, 4)
        images = {lattice.transform(s, p, (0, 0)).tobytes() for p in allowed}
        products = {
            lattice.transform(lattice.transform(s, p, (0, 0)), q, (0, 0)).tobytes() for p in allowed for q in allowed
        }
        assert products == images and len(images) == len(allowed)
    some = set(), {"axes"}, {"diagonals"}, {"axes", "diagonals"}
    assert [len(symmetries.point_group((4, 4), broken)) for broken in some] == [8, 4, 4, 2]
    assert [len(symmetries.point_group((4, 6), broken)) for broken in some] == [4, 4, 2, 2]
    sizes = {(6, 6): 16, (5, 5): 8, (6, 4): 8, (6, 5): 4}
    assert {shape: len(symmetries.lattice_group(shape, set())) for shape in sizes} == sizes
    assert len(symmetries.lattice_group((6, 6), {"boundary"})) == 8
    assert len(symmetries.lattice_group((6, 6), set(), 4)) == 4
    generator, x = torch.Generator().manual_seed(1), torch.as_tensor(PATHS)
    every = {"sign", "boundary", "reversal"}
    assert torch.equal(symmetries.path_moves(every)(x, generator), x)
    moved = symmetries.path_moves(every - {"reversal"})(x, generator)
    back = (moved == x.flip(1)).all(1)
    assert ((moved == x).all(1) | back).all() and 0.3 < back.double().mean() < 0.7
    s = torch.as_tensor(SPINS)
    kept = symmetries.lattice_moves((6, 6), {"boundary", "axes", "diagonals"})(s, generator)
    assert ((kept == s).all((1, 2)) | (kept == s.flip(1, 2)).all((1, 2))).all()


# Learned ---------------------------------------------------------------------------------------------------


def test_the_action_of_paths_in_other_units():
    model = MarkovRing(6, GaussianMixture(), seed=1).double()
    one = LearnedHamiltonian(model, 1.0)
    other = LearnedHamiltonian(model, 2.0, preprocess=Units(3.0, 0.5, np.float64))
    x = RNG.normal(size=(5, 6))
    np.testing.assert_allclose(other.log_prob(3 * x + 0.5), one.log_prob(x) - 6 * np.log(3), atol=1e-6)
    step = np.zeros_like(x)
    step[:, 2] = 1e-4
    slope = (other.energy(x + step) - other.energy(x - step)) / 2e-4
    np.testing.assert_allclose(other.gradient(x)[:, 2], slope, atol=1e-4)


def exact_samples(T, n, seed):
    """Independent 4 x 4 configurations at T, and `NetworkSamples` of them, as if a perfect network had drawn them."""
    s = ising.enumerate_states(4)
    log_p = -ising.energy(s) / T
    log_p -= np.logaddexp.reduce(log_p)
    chosen = s[np.random.default_rng(seed).choice(len(s), n, p=np.exp(log_p))]
    exact = -ising.energy(chosen) / T - ising.enumerated(4, T).log_z
    return chosen, NetworkSamples(ISING.energy(chosen), ISING.order(chosen), ISING.operators(chosen), exact)


def test_other_temperatures_of_a_perfect_network_are_exact():
    each = [exact_samples(2.5, 20_000, seed)[1] for seed in (1, 2)]
    found = predictions.predict(2.5, each, each[0].operators[:, :1], 1e12)
    for k in np.flatnonzero(found.within):
        exact = ising.enumerated(4, found.T[k])
        assert abs(found.energy[k] - exact.energy / 16) < 4 * found.energy_error[k]
        assert abs(found.order[k] - exact.abs_m) < 4 * found.order_error[k]
    assert found.ess[np.isclose(found.T, 2.5)] == pytest.approx(1)
    assert found.low < 2.5 < found.high and (found.ess[found.within] > 0.09).all()


def test_errors_of_predictions_hold_what_the_file_does_not_tell():
    """d<E>/dK by linear response against the exact derivative, -T^2 C: only nn, n = 100 configurations."""
    _, each = exact_samples(2.5, 40_000, 1)
    sums = each.operators[:, :1]
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(sums.T)) * 100)
    error = predictions.response(each.energy[:, None], sums, np.zeros(len(sums)), inverse)[0]
    variance = ising.enumerated(4, 2.5).specific_heat * 2.5**2
    assert error == pytest.approx(np.sqrt(variance / 100) / 16, rel=0.02)
    found = predictions.predict(2.5, [each], sums, 100)
    assert found.energy_error[np.isclose(found.T, 2.5)] >= 0.99 * error


@pytest.mark.parametrize("kind, c", OF_KIND.items())
def test_independent_sites_are_normalised_and_best_for_noise(kind, c):
    """On noise their NLL is the entropy: ln 2, ln 2 pi, and that of a unit Gaussian, a site."""
    entropy = {"ising": np.log(2), "xy": np.log(2 * np.pi), "path": 0.5 * np.log(2 * np.pi * np.e)}
    entropy = (entropy | {"field": entropy["path"], "chain": entropy["ising"]})[kind]
    found = kinds.BY_NAME[kind].independent_sites(c[:300], c[300:])
    assert found.shape == (100,) and -found.mean() / c[0].size == pytest.approx(entropy, rel=0.05)


def test_expected_duplicates():
    s, each = exact_samples(2.0, 3000, 1)
    reading = SimpleNamespace(log_prob=each.log_prob, log_prob_train=each.log_prob)
    found = learning.expected_duplicates(ISING, 3000, [reading])
    assert found == pytest.approx(summary.summarise(ISING, s).duplicates, rel=0.05)
    assert learning.expected_duplicates(kinds.BY_NAME["xy"], 3000, []) == 0


@pytest.mark.parametrize("kind, c", [("xy", ANGLES[:200, :4, :4]), ("xy", ANGLES[:200, :4]), ("path", PATHS[:200])])
def test_angles_and_paths_are_learned(kind, c):
    kind = kinds.BY_NAME[kind]
    trained = train_network(kind, c[:150], c[150:], 1.0, set(), 10, 1)
    found = examine(kind, trained, c[150:], c[:50], set(), 60, 1)
    assert np.isfinite(found.log_prob).all() and len(found.samples.log_prob) == 60
    read = found.couplings.couplings
    assert np.isfinite(read.values).all() and read.names == kind.operator_names
    if kind.name == "xy":
        assert found.violations["O(2) of the spins"][0] < 1e-3 < found.violations["translations"][0]
    else:
        assert found.couplings.schwinger_dyson.shape == (50,)


@pytest.mark.parametrize("changed", [0, 1, 200])
def test_a_frozen_file_ends_in_what_is_not_applicable(changed):
    """All spins up, one reversed somewhere, or half of the file reversed: a result, and no number made up."""
    s = np.ones((400, 6, 6), np.int8)
    s[:changed] *= -1 if changed > 1 else np.where(np.arange(36).reshape(6, 6) == 8, -1, 1).astype(np.int8)
    f = learning.learn_file(user_file.check(s, "ising"), ISING, 1.0, 2, 10, 1)
    box = {w.name for w in honesty.box(f)}
    assert {"not_identified", "not_tested"} <= box
    made = {each.key: each for each in report.records(f, honesty.box(f))}
    for key in ("coupling.nn", "coupling.nn_alone", "one_temperature.width"):
        assert made[f"learned.{key}"].status == "not applicable" and made[f"learned.{key}"].reason
    assert json.loads(json.dumps([each.to_json() for each in made.values()]))
    assert "nn:" not in made["learned.warning.scale"].statement


def test_a_file_that_hardly_varies_has_no_couplings():
    cold = np.ones((200, 6, 6), np.int8)
    cold[np.arange(0, 200, 40), 1, 1] = -1
    trained = train_network(ISING, cold[:150], cold[150:], 1.0, {"flip"}, 10, 1)
    values = examine(ISING, trained, cold[150:], cold[:50], {"flip"}, 500, 1).couplings.couplings.values
    assert np.isnan(values).all() and len(values) == 5


# Without an exact answer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, c", OF_KIND.items())
def test_networks_that_are_the_couplings_are_no_distance_away(kind, c):
    kind = kinds.BY_NAME[kind]
    names = kind.operator_names[:3]
    J, T0, sign = np.array([0.7, 0.2, -0.1]), 2.0, -1 if kind.is_action else 1
    couplings = SimpleNamespace(
        networks={name: Estimate(j, 0.01) for name, j in zip(names, J, strict=True)}, classical=None
    )
    changed = {name: np.zeros((2, 50)) for name in kind.operations(c.shape[1:], 1)}

    def distance(log_prob, drawn):
        samples = NetworkSamples(kind.energy(drawn), kind.order(drawn), kind.operators(drawn), None)
        readings = [SimpleNamespace(log_prob=log_prob, samples=samples, changes=changed)] * 2
        return learning._blind(kind, c, c, readings, couplings, T0, set(), 0.5)

    right = sign * kind.operators(c)[:, :3] @ J / T0
    found = distance(right, c)
    assert max(abs(found.surrogate.value), found.seeds.value, found.symmetry.value) < 1e-20
    assert found.ess == pytest.approx(1) and found.pull < 1e-6
    found = distance(-right, c)
    assert found.surrogate.value > 5 * found.surrogate.error


def test_only_symmetries_that_the_file_does_not_contradict_count():
    changed = [
        {
            "translations": np.full((3, 10), 2.0),
            "rotations and reflections": np.ones((7, 10)),
            "flip": 0 * np.ones((1, 10)),
        }
    ]
    (worst,) = symmetries.worst_violation(changed, set())
    assert worst.max() == 2
    (worst,) = symmetries.worst_violation(changed, {"boundary"})
    assert worst.shape == (7, 10)
    assert symmetries.worst_violation(changed, {"boundary", "axes", "flip"}) is None
    assert symmetries.violations(changed[0])["translations"] == (2.0, 2.0)


@pytest.mark.parametrize("kind", kinds.BY_NAME.values(), ids=lambda kind: kind.name)
def test_what_a_symmetry_needs_is_asked_of_the_file(kind):
    shape = (6,) if kind.name == "path" else (6, 6)
    for name in kind.operations(shape, 1):
        needed = symmetries.NEEDS.get(name, ())
        assert needed or name == "O(2) of the spins"
        assert set(needed) <= set(kind.asymmetries)


# The honesty box -------------------------------------------------------------------------------------------


def findings(kind="ising", broken=(), **changes):
    """`Findings` of a faultless file, with changes: name of a field, of it or of one of its parts -> value."""
    kind = kinds.BY_NAME[kind]
    average = summary.FileAverage(0.0, 0.02, 1.5)
    asymmetries = {name: symmetries.Asymmetry(0.0, 0.01, False) for name in kind.asymmetries}
    asymmetries |= {name: symmetries.Asymmetry(0.5, 0.01, True) for name in broken}
    T = predictions.temperatures(2.5)
    faultless = learning.Findings(
        kind=kind,
        T0=2.5,
        summary=summary.Summary(
            n=4000,
            energy=average,
            order=summary.FileAverage(0.6, 0.01, 0.7),
            signed=(average,),
            tau_int=0.7,
            duplicates=60,
            repeats=0,
            changes=500,
            drift=1.0,
        ),
        asymmetries=asymmetries,
        split=None,
        training=learning.Training(n_weights=100, steps=[400, 400], most=400, improving=0.01),
        readings=[],
        likelihood=learning.Likelihood(
            test=Estimate(25.0, 0.4),
            each=[Estimate(25.0, 0.4), Estimate(25.1, 0.4)],
            gap=Estimate(0.1, 0.5),
            independent_sites=44.0,
            gain=Estimate(19.0, 0.3),
        ),
        couplings=learning.FileCouplings(
            networks={name: Estimate(float(k == 0), 0.01) for k, name in enumerate(kind.operator_names[:4])},
            nearest=None if kind.is_action else Estimate(1.0, 0.003),
            classical={"nn": Estimate(1.01, 0.01)} if kind.name == "ising" else None,
            most_likely=None,
            bound=dict.fromkeys(kind.operator_names[:4], 0.003),
            explained=0.999,
            schwinger_dyson=Estimate(1.01, 0.02) if kind.is_action else None,
        ),
        violations={"translations": (1.0, 0.2)},
        at_T0={
            "energy": (Estimate(-1.2, 0.01), Estimate(-1.21, 0.01)),
            "field": (Estimate(0.0, 0.01), Estimate(1.0, 0.01)),
        },
        blind=Blind(*[Estimate(0.1, 0.05)] * 4, pull=1.5, ess=0.9),
        predictions=predictions.Predictions(T, T, T, T, T, ess=np.ones(len(T)), low=2.0, high=3.2),
        expected_duplicates=70.0,
        one_temperature=OneTemperature(Estimate(1.02, 0.03), Estimate(0.0, 0.01), Estimate(0.001, 0.01), 0.05),
    )
    for name, value in changes.items():
        if name in Blind._fields:
            name, value = "blind", faultless.blind._replace(**{name: value})
        if name in OneTemperature._fields and name != "order":
            name, value = "one_temperature", faultless.one_temperature._replace(**{name: value})
        parts = ("summary", "training", "likelihood", "couplings", "predictions")
        for part in (each for each in parts if name in vars(getattr(faultless, each))):
            value = replace(getattr(faultless, part), **{name: value})
            name = part
        faultless = replace(faultless, **{name: value})
    return faultless


@pytest.mark.parametrize("kind", user_file.KINDS)
def test_a_faultless_file_has_the_warnings_of_every_file(kind):
    box = honesty.box(findings(kind))
    assert tuple(w.name for w in box) == honesty.ALWAYS
    assert "no warning beyond" in honesty.headline(box)


WRONG_ORDER = OneTemperature(Estimate(1.02, 0.03), Estimate(0.1, 0.01), Estimate(0.001, 0.01), 0.05)
FAULTS = [  # the warning, the kind, what is changed
    ("several_temperatures", "ising", {"width": Estimate(1.6, 0.03), "spread": 0.1}),
    ("several_temperatures", "xy", {"width": Estimate(0.7, 0.03), "halves": Estimate(np.nan, np.nan)}),
    ("several_temperatures", "path", {"halves": Estimate(0.1, 0.01)}),
    ("order_differs", "ising", {"one_temperature": WRONG_ORDER}),
    ("not_tested", "ising", {"one_temperature": not_applicable("the couplings are not known")}),
    ("not_identified", "ising", {"networks": {"nn": Estimate(np.nan, np.nan), "nnn": Estimate(np.nan, np.nan)}}),
    ("few_samples", "ising", {"n": 1260, "duplicates": 10}),
    ("correlated", "ising", {"tau_int": 1.2}),
    ("short_file", "ising", {"tau_int": 50.0}),
    ("order_unknown", "ising", {"tau_int": 0.5}),
    ("drift", "xy", {"drift": 4.5}),
    ("duplicates", "ising", {"duplicates": 200}),
    ("one_phase", "ising", {"changes": 0, "broken": ("flip",)}),
    ("one_phase", "path", {"changes": 0, "broken": ("sign",)}),
    ("rare_flips", "path", {"changes": 5}),
    ("field", "ising", {"broken": ("flip",)}),
    ("field", "path", {"broken": ("sign, cubic",)}),
    ("field", "chain", {"broken": ("flip",)}),
    ("one_phase", "chain", {"changes": 0, "broken": ("flip",)}),
    ("odd", "field", {"broken": ("sign", "sign, cubic")}),
    ("odd", "field", {"changes": 0, "broken": ("sign",)}),
    ("direction", "xy", {"broken": ("rotation, sin",)}),
    ("not_periodic", "path", {"broken": ("boundary",)}),
    ("anisotropic", "xy", {"broken": ("diagonals",)}),
    ("anisotropic", "field", {"broken": ("axes", "diagonals")}),
    ("irreversible", "path", {"broken": ("reversal",)}),
    ("irreversible", "chain", {"broken": ("reversal",)}),
    ("saturated", "chain", {"order": summary.FileAverage(0.95, 0.01, 0.7)}),
    ("saturated", "ising", {"order": summary.FileAverage(0.95, 0.01, 0.7)}),
    ("nothing_learned", "ising", {"gain": Estimate(0.5, 0.3)}),
    ("overfitted", "ising", {"gap": Estimate(2.0, 0.5)}),
    ("networks_differ", "xy", {"each": [Estimate(25.0, 0.4), Estimate(26.0, 0.4)]}),
    ("still_improving", "ising", {"improving": 0.2}),
    ("samples_differ", "ising", {"at_T0": {"nnn": (Estimate(1.0, 0.01), Estimate(1.1, 0.01))}}),
    ("far_off", "ising", {"seeds": Estimate(2.0, 0.1)}),
    ("far_off", "path", {"samples": Estimate(2.0, 0.1), "symmetry": Estimate(np.nan, np.nan)}),
    (
        "beyond_neighbours",
        "ising",
        {"networks": {"nn": Estimate(1.0, 0.01), "nnn": Estimate(0.1, 0.02)}, "classical": None},
    ),
    ("beyond_neighbours", "chain", {"networks": {"nn": Estimate(1.0, 0.01), "third": Estimate(0.1, 0.02)}}),
    ("other_terms", "field", {"alarms": {"sixth": Estimate(0.1, 0.02), "diagonal": Estimate(0.0, 0.1)}}),
    ("unexplained", "path", {"explained": 0.9}),
    ("classical_differs", "ising", {"classical": {"nn": Estimate(0.9, 0.01)}}),
    ("schwinger_dyson", "path", {"schwinger_dyson": Estimate(1.2, 0.02)}),
    ("factor", "ising", {"nearest": Estimate(2.01, 0.01)}),
    ("factor", "xy", {"nearest": Estimate(0.501, 0.003)}),
    ("narrow_window", "ising", {"low": 2.45}),
]


@pytest.mark.parametrize("name, kind, changes", FAULTS, ids=[f"{name}-{kind}" for name, kind, _ in FAULTS])
def test_each_fault_is_warned_of_and_no_other(name, kind, changes):
    box = honesty.box(findings(kind, **changes))
    consequences = {"correlated", "few_samples"} if name == "short_file" else set()
    assert {w.name for w in box} == {name, *honesty.ALWAYS} | consequences
    warned = next(w for w in box if w.name == name)
    assert np.isfinite(warned.value) and len(one_line(warned.text)) > 20
    assert f"beyond the {len(honesty.ALWAYS)} that" in honesty.headline(box) and html.escape(
        warned.text
    ) in report.box_html(box)


@pytest.mark.parametrize("kind", kinds.BY_NAME.values(), ids=lambda kind: kind.name)
def test_the_convention_is_the_one_of_the_operators(kind):
    """What is said of J: -H or S of one changed site is that of the operators that are read."""
    box = {w.name: w for w in honesty.box(findings(kind.name))}
    assert kind.convention in box["scale"].text and kind.factors in box["scale"].text
    c = OF_KIND[kind.name][:5]
    if kind.name == "field":
        time, space = ((np.roll(c, -1, axis) - c) ** 2 / 2 for axis in (1, 2))
        found = np.stack([time, space, c**2 / 2, c**4 / 4]).sum((2, 3)).T
        np.testing.assert_allclose(kind.operators(c)[:, :4], found)
        assert kind.coupling_names(set()) == kind.operator_names[:4]
        return
    if kind.name == "chain":
        np.testing.assert_array_equal(kind.operators(c)[:, 0], (c.astype(int) * np.roll(c, -1, 1)).sum(1))
        return
    if kind.name == "path":
        hops = (np.roll(c, -1, 1) - c) ** 2 / 2
        np.testing.assert_allclose(kind.operators(c), np.stack([hops, c**2 / 2, c**4 / 4]).sum(2).T)
        return
    along, across = symmetries._bonds(c)
    np.testing.assert_allclose(kind.operators(c)[:, 0], (along + across).sum((1, 2)))
    if kind.name == "ising":
        flipped = c.copy()
        flipped[:, 0, 0] *= -1
        field = c[:, 0, 1] + c[:, 1, 0] + c[:, 0, -1] + c[:, -1, 0]
        np.testing.assert_array_equal((kind.operators(c) - kind.operators(flipped))[:, 0], 2 * c[:, 0, 0] * field)


def test_a_wide_error_is_near_no_factor():
    assert not [w for w in honesty.box(findings(nearest=Estimate(1.9, 0.2))) if w.name == "factor"]


def test_every_warning_has_a_fault():
    warnings = set(re.findall(r'yield Warned\(\s*"(\w+)"', inspect.getsource(honesty)))
    assert warnings == {name for name, *_ in FAULTS} | set(honesty.ALWAYS)


# Records ---------------------------------------------------------------------------------------------------


def test_measured_numbers_have_the_fields_of_a_claim(tmp_path):
    made = records.record("learned.nll", np.float64(25.0), float("nan"), "test set", "nats")
    stored = made.to_json()
    assert stored["value"] == 25.0 and stored["error"] is None and stored["passed"] is None
    assert {"key", "value", "error", "reference", "published", "passed", "chapter"} <= set(stored)
    assert records.Record.from_json(stored) == made and stored["status"] == stored["verdict"] == "measured"
    path = write(
        notebook(code("x", outputs=[display({records.MIME: [stored, stored | {"value": 1.0}]})])), tmp_path / "a.ipynb"
    )
    assert Chapter(path).numbers == {made.key: replace(made, value=1.0)}
    assert records.line(made) == "learned.nll = 25  (test set)"


@pytest.mark.parametrize("kind", user_file.KINDS)
def test_everything_found_is_recorded(kind):
    f = findings(kind)
    made = {each.key: each.to_json() for each in report.records(f, honesty.box(f))}
    assert json.loads(json.dumps(list(made.values()))) == list(made.values())
    first = kinds.BY_NAME[kind].operator_names[0]
    for key in (
        f"coupling.{first}",
        "nll",
        "violation.translations",
        "distance.seeds",
        "distance.ess",
        "T_low",
        "ess(T=2.5)",
        "warning.scale",
        "convention",
        "n_effective",
    ):
        assert f"learned.{key}" in made


# The command -----------------------------------------------------------------------------------------------


def test_the_command_refuses_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("something ran"))
    monkeypatch.setattr(runs, "RUNS", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    files = bad_files(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for name, text in files.items():
        assert text in refusal(["learn", name, "--kind", "ising", "--T0", 2.5], capsys)
    good = ["whole.npy", "--kind", "ising", "--T0", 2.5]
    for arguments, text in (
        (["whole.npy", "--kind", "path", "--T0", 1], "whole.npy: shape (400, 6, 6) is not [n, N]"),
        (["whole.npy", "--kind", "ising", "--T0", -1], "T0=-1.0 is not possible"),
        (["whole.npy", "--kind", "ising", "--T0", "hot"], "T0='hot' is not possible"),
        (["whole.npy", "--kind", "potts", "--T0", 1], "--kind"),
        (["whole.npy", "--kind", "ising"], "--T0"),
        ([*good, "--n-networks", 1], "n_networks=1 is not possible"),
        ([*good, "--steps", 2], "steps=2 is not possible"),
        ([*good, "--out", tmp_path], "exists already"),
    ):
        assert text in refusal(["learn", *arguments], capsys)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_of_ones_own_from_end_to_end(tmp_path):
    np.save(tmp_path / "mine.npy", SPINS[:240, :4, :4].astype(float))
    arguments = ["learn", "mine.npy", "--kind", "ising", "--T0", "3", "--steps", "10", "--out", "out"]
    result = subprocess.run(
        [sys.executable, "-m", "lib", *arguments],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0 and result.stderr == "", result.stdout + result.stderr
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["params.json", "results.json", "your_configurations.ipynb"]
    found = {each["key"]: each for each in json.loads((out / "results.json").read_text())}
    assert found["own.kl"]["verdict"].startswith("not applicable") and found["own.kl"]["passed"] is None
    assert found["learned.n_configurations"]["value"] == 240
    assert abs(found["learned.coupling.nn"]["value"]) < 1 and found["learned.coupling.nn"]["error"] > 0
    assert {"learned.nll", "learned.ess(T=3)", "learned.warning.few_samples"} <= set(found)
    assert "learned.warning.few_samples: 240 configurations count as" in result.stdout
    made = nbformat.read(out / "your_configurations.ipynb", 4)
    assert not [o for cell in made.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert json.loads((out / "params.json").read_text())["parameters"]["file"] == str(tmp_path / "mine.npy")


# Couplings of paths without a network ----------------------------------------------------------------------


def test_paths_are_read_without_a_network_too_in_any_unit():
    """Score matching and maximum likelihood: four errors; in units three times as long the couplings scale."""
    true = np.array(double_well.couplings(8.0, 16)[:3])
    paths = double_well.TransferMatrix(Couplings(*true), 16).sample(4000, np.random.default_rng(4))
    kind, names = kinds.BY_NAME["path"], ("kinetic", "quadratic", "quartic")
    for unit in (1.0, 3.0):
        x, of_unit = unit * paths, true / unit ** np.array([2, 2, 4])
        for read in (kind.classical(x, names, 2.0), kind.most_likely(x, 2.0)):
            assert read.names == names
            assert np.abs((read.values - 2.0 * of_unit) / read.errors).max() < 4
    best, scored = kind.most_likely(paths, 1.0), kind.classical(paths, names, 1.0)
    assert (best.errors[1:] < scored.errors[1:]).all()


def test_no_maximum_likelihood_where_the_transfer_matrix_cannot_solve_the_action():
    smooth = np.cumsum(RNG.normal(size=(200, 64)), axis=1)
    smooth = 0.02 * (smooth - np.linspace(0, 1, 64) * smooth[:, -1:]) + RNG.normal(size=(200, 1))
    assert kinds.BY_NAME["path"].most_likely(smooth, 1.0) is None  # hops too short for its grid
    assert kinds.BY_NAME["path"].most_likely(RNG.uniform(-1, 1, (200, 8)), 1.0) is None  # held by walls, not by x^4


def test_the_table_of_couplings_has_a_column_for_every_way_to_read_them():
    f = findings("path")
    assert report.coupling_header(f) == ["coupling", "networks", "score matching", "smallest possible error", "true"]
    each = {name: Estimate(1.0, 0.1) for name in f.couplings.networks}
    f = replace(f, couplings=replace(f.couplings, classical=each, most_likely=each))
    header, rows = report.coupling_header(f), report.coupling_rows(f)
    assert header[2:4] == ["score matching", "maximum likelihood"]
    assert all(len(row) == len(header) and row[2] == row[3] == (1.0, 0.1) and row[-1] == "unknown" for row in rows)
    keys = {each.key for each in report.records(f, [])}
    assert {"learned.score_matching.quartic", "learned.maximum_likelihood.quartic", "learned.bound.quartic"} <= keys
    for_spins = report.coupling_rows(findings("ising"), dict.fromkeys(kinds.BY_NAME["ising"].operator_names, 1.0))
    assert {len(row) for row in for_spins} == {5} and for_spins[-1][0] == "nn, read alone"
