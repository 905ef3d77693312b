"""One task: what it trains on, what it never sees in training, and in which order trainings are carried out."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from lib import cache, lattice
from lib.analysis import action
from lib.analysis.hamiltonian_error import symmetry_violation
from lib.models.fit import fit
from lib.studies import ising as study
from lib.studies import recipes, rg, synthetic_film, task
from lib.studies.imaged_film import FILM, Film, turn
from lib.studies.sources import Angles, Paths, Spins
from lib.studies.task import Task, WithoutData, learn, learn_all, replicas
from lib.systems import double_well, ising
from lib.systems.camera import Camera
from tests.physics.standins import SIGMAS, STATES, StandIn

SOURCES = (
    Spins(4, 2.6),
    rg.MajorityBlocks(16, 2.6),
    Film(Camera(), 8, 300.0, 427.4),
    Angles(4, 1.0),
    Paths(10.0, 16),
)
EVERY = [(source, name) for source in SOURCES for name in source.networks]


def rows(configurations):
    """A set of configurations, to look for copies."""
    return {np.asarray(c, np.float32).tobytes() for c in configurations}


def test_every_recipe_for_data_is_tried_here():
    tables = [recipes.SPINS, recipes.MAJORITY, FILM, recipes.ANGLES, recipes.PATHS]
    assert [source.networks for source in SOURCES] == tables


@pytest.mark.parametrize("source, name", EVERY, ids=[f"{type(s).__name__}-{name}" for s, name in EVERY])
def test_held_out_configurations_enter_no_batch(source, name, monkeypatch):
    """The trainer is given two parts of the data: together all of it, and disjoint as places of the data are."""
    given = {}

    def record(model, configurations, held_out=None, **arguments):
        given.update(train=np.asarray(configurations), held_out=held_out, batch=arguments["batch"])
        return fit(model, configurations, held_out=held_out, **arguments | {"steps": 1})

    monkeypatch.setattr(task, "fit", record)
    recipe = source.networks[name]
    learn(Task(name, source, 200, 1, 3))
    data = source.configurations(200, 3, "train")
    data = np.asarray(data if recipe.preprocess is None else recipe.preprocess(data))
    n = int(200 * recipe.held_out)
    assert np.array_equal(given["train"], data[n:]) and given["batch"] <= 200 - n
    assert given["held_out"] is None if n == 0 else np.array_equal(given["held_out"], data[:n])


@dataclass(frozen=True)
class Recording(Spins):
    """Spins that remember, outside themselves, which of them were handed out for what."""

    def configurations(self, n, seed, purpose="test"):
        found = super().configurations(n, seed, purpose)
        HANDED_OUT.append((purpose, found))
        return found


HANDED_OUT: list = []


def test_the_kl_is_taken_on_configurations_that_were_not_trained_on():
    HANDED_OUT.clear()
    learned = learn(Task("markov_lattice", Recording(8, 6.0), 500, 5, 3))
    (first, train), (second, test) = HANDED_OUT
    assert (first, second) == ("train", "test") and not rows(train) & rows(test)
    divergence = learned.task.source.divergence
    assert learned.kl == divergence(learned.hamiltonian, test)
    assert learned.kl.value != divergence(learned.hamiltonian, train).value


def test_networks_of_sums_are_judged_without_the_control_variate():
    """They give some probability to sums that no spins have: <exp(-d)> = 1 does not hold for them."""
    source = Spins(4, 2.6)
    learned = learn(Task("stride_1_remember", source, 500, 30, 1))
    test = source.configurations(10_000, 1, "test")
    d = source.log_prob(test) - learned.hamiltonian.log_prob(test)
    assert learned.kl.value == pytest.approx(d.mean()) and np.exp(-d).mean() < 0.9
    assert source.divergence(learned.hamiltonian, test).value < 0.9 * d.mean()


def test_learned_energies_are_compared_with_true_ones_in_this_order():
    steep = StandIn(lambda s: 1.1 * ising.energy(s), 2.27)
    assert study.compare_at(steep, 4, [2.27, 3.0], 50, 1)[1].slope == pytest.approx(1.1)


def _name(learned):
    return learned.task.source.T, learned.n_weights


def test_a_start_is_learned_once_and_first(monkeypatch):
    monkeypatch.setenv("DAN_BOOK_WORKERS", "1")  # in this process, where the calls can be counted
    order = []
    plain = task.learn

    def counted(one, start):
        order.append(one)
        return plain(one, start)

    monkeypatch.setattr(task, "learn", counted)
    (first,) = replicas("markov_lattice", Spins(4, 2.6), 300, 3, 1, 1)
    followers = [replace(first, source=Spins(4, T), start=first) for T in (2.4, 2.8)]
    learned = learn_all({"followers": followers, "again": followers[:1]}, then=_name)
    assert order[0] == first and len(order) == 3 and learned["again"] == learned["followers"][:1]


def test_a_network_starts_from_the_trained_one_and_leaves_it_alone():
    (first,) = replicas("markov_lattice", Spins(4, 2.6), 300, 30, 1, 1)
    second = replace(first, source=Spins(4, 2.4), start=first, n_steps=1)
    learned = learn_all({"both": [first, second]})["both"]
    alone = learn(first)
    s = ising.enumerate_states(4)[:200]
    assert np.array_equal(alone.hamiltonian.log_prob(s), learned[0].hamiltonian.log_prob(s))
    from_start = np.abs(learned[1].hamiltonian.log_prob(s) - learned[0].hamiltonian.log_prob(s)).max()
    from_nothing = np.abs(
        learn(replace(second, start=None)).hamiltonian.log_prob(s) - learned[0].hamiltonian.log_prob(s)
    ).max()
    assert 0 < from_start < 0.3 * from_nothing


def test_every_network_gets_the_same_time():
    source = Paths(10.0, 16)
    names = ("markov_ring", "kinetic_ring")
    (markov,), (kinetic,) = (replicas(name, source, 100, 1000, 1, 1) for name in names)
    assert markov.n_steps == 1000 and kinetic.n_steps == round(1000 * source.networks["kinetic_ring"].share)


def test_larger_lattices_have_smaller_batches():
    recipe = recipes.MARKOV_LATTICE
    expected = [4 * recipe.batch, recipe.batch, recipe.batch // 4, 1]
    assert [recipe.batch_for(n) for n in (64, 256, 1024, 2**20)] == expected


@pytest.mark.parametrize(
    "one",
    [
        *replicas("markov_lattice", Spins(4, 2.6), 10, 1, 1, 1),
        *replicas("can", Angles(4, 1.0), 10, 1, 1, 1, options=(("n_components", 2),)),
        *replicas("kinetic_ring", Paths(10.0, 16), 10, 1, 1, 1),
        *replicas("markov_lattice", Spins(4, 2.0), 0, 1, 1, 1, without_data=WithoutData(field=0.1)),
        synthetic_film.Experiment(start=synthetic_film.Experiment()).task,
        synthetic_film.Stripes().task,
        Task("majority", rg.MajorityBlocks(16, 2.27), 10, 1, 1),
    ],
    ids=lambda one: one.network,
)
def test_what_was_learned_can_be_kept(one):
    """Every kind of task has a value by which the cache knows it, another for another seed."""
    key = cache.key(learn, one)
    assert key is not None and key == cache.key(learn, replace(one)) != cache.key(learn, replace(one, seed=77))


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="network = 'mad': choose from made, "):
        Task("mad", Spins(4, 2.6), 10, 1, 1)
    with pytest.raises(ValueError, match="'transformer': choose from markov_lattice, markov_lattice_free, made"):
        replicas("transformer", Spins(4, 2.0), 0, 10, 1, 1, without_data=WithoutData())


def test_symmetries_that_are_shown_keep_the_energy():
    generator = torch.Generator().manual_seed(1)
    s = Spins(4, 2.6).configurations(32, 1, "train")
    assert np.array_equal(ising.energy(recipes.flip_and_move(s, generator).numpy()), ising.energy(s))
    turned = turn(torch.as_tensor(s), generator).numpy()
    assert np.array_equal(ising.energy(turned), ising.energy(s))
    corner = {(0, 0), (0, 3), (3, 0), (3, 3)}  # no translation: corners stay corners
    marked = np.zeros((64, 4, 4), np.int8)
    marked[:, 0, 0] = 1
    moved = turn(torch.as_tensor(marked), generator).numpy()
    assert {tuple(map(int, place[1:])) for place in np.argwhere(moved)} == corner
    x = torch.as_tensor(Paths(9.0, 12).configurations(50, 1, "train"))
    moved = recipes.move_path(x, generator)
    couplings = double_well.couplings(9.0, 12)
    assert np.allclose(
        double_well.action(moved.numpy(), couplings), double_well.action(x.numpy(), couplings), rtol=1e-5
    )
    assert not torch.equal(moved, x)


def test_a_task_determines_its_outcome():
    task = Task("markov_lattice", Spins(4, 2.27), 2000, 40, 5)
    a, b, c = (
        learn(task),
        learn(task),
        learn(Task("markov_lattice", Spins(4, 2.27), 2000, 40, 6)),
    )
    s = STATES[:50]
    assert np.array_equal(a.hamiltonian.energy(s), b.hamiltonian.energy(s)) and a.kl == b.kl
    assert not np.array_equal(a.hamiltonian.energy(s), c.hamiltonian.energy(s))


def test_side_by_side_equals_one_by_one():
    tasks = {
        "a": replicas("linear", Spins(4, 2.27), 1000, 20, 2, 1),
        "b": [Task("made", Spins(4, 3.0), 1000, 10, 9)],
    }
    together = learn_all(tasks)
    for name, group in tasks.items():
        for one, learned in zip(group, together[name], strict=True):
            assert learned.task == one and learned.kl == learn(one).kl


def test_a_trained_network_is_close_and_its_average_closer():
    """KL by enumeration, for the network and for p averaged over 16 symmetries; the latter is exactly symmetric."""
    task = Task("markov_lattice", Spins(4, 2.6), 20_000, 400, 1)
    learned = learn(task)
    average = study.symmetrised(learned.hamiltonian)
    exact = Spins(4, 2.6).log_prob(STATES)
    assert np.logaddexp.reduce(exact) == pytest.approx(0, abs=1e-10)

    def kl(h):
        log_q = h.log_prob(STATES)
        assert np.logaddexp.reduce(log_q) == pytest.approx(0, abs=1e-5)  # float32 weights
        return np.exp(exact) @ (exact - log_q)

    assert kl(average) < kl(learned.hamiltonian) < 0.03
    assert abs(learned.kl.value - kl(learned.hamiltonian)) < 4 * learned.kl.error
    images = [lattice.Element(point, (2, 2)) for point in range(8)] + [lambda s: -s]
    assert symmetry_violation(average, STATES[::301], images)[0] < 1e-4
    assert symmetry_violation(average, STATES[::301], [lattice.Element(0, (0, 1))])[0] > 1e-3


def test_an_action_is_learned():
    source = Paths(9.0, 12)
    couplings = double_well.couplings(9.0, 12)
    learned = learn(Task("markov_ring", source, 8000, 300, 5))
    assert -SIGMAS * learned.kl.error < learned.kl.value < 0.1
    x = source.configurations(2000, 6)
    found = action.against_exact(learned.hamiltonian.action(x), double_well.action(x, couplings))
    log_z = double_well.TransferMatrix(couplings, 12).log_z
    assert abs(found.slope - 1) < 0.03 and abs(found.offset - log_z) < 0.1
    readable = action.read(x, learned.hamiltonian.gradient(x))
    assert np.allclose(action.physical(readable.coefficients, 9.0 / 12), [4, 7.84, 1], rtol=0.05)
