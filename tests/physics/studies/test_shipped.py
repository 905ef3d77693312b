"""The networks that come with the book: small, readable without pickle, and good enough to be shown."""

import json
import re

import numpy as np
import pytest
import torch

from lib.errors import BookError
from lib.paths import data_file
from lib.studies import shipped
from lib.studies.sources import Spins
from lib.studies.task import learn, replicas

pytestmark = pytest.mark.xdist_group("shipped")


@pytest.fixture(scope="module")
def networks():
    return shipped.load()


def nearest(hamiltonians) -> tuple[float, float]:
    """How far the nearest-neighbour coupling of these networks is from 1, in its errors, and the error."""
    value, error = shipped.read_couplings(hamiltonians)["nn"]
    return abs(value - 1) / error, error


def test_the_file_is_small_and_says_how_it_was_made(networks):
    file = data_file("ising_networks.npz")
    assert file.stat().st_size < shipped.LIMIT
    how, hamiltonians = networks
    task = shipped.tasks()[0]
    assert (how["network"], Spins(**how["source"]), how["n_train"], how["n_steps"]) == (
        task.network,
        task.source,
        task.n_train,
        task.n_steps,
    )
    assert how["seeds"] == [task.seed for task in shipped.tasks()] and len(hamiltonians) == 3
    assert re.fullmatch("[0-9a-f]{16}", how["code"]) and {"numpy", "torch"} <= how["versions"].keys()


def test_their_divergence_is_the_one_they_were_kept_with(networks):
    """On other configurations than those of the file's own value, so within errors."""
    spins = Spins(**networks.how["source"])
    test = spins.configurations(2000, 77)
    for hamiltonian, (value, error) in zip(networks.hamiltonians, networks.how["kl"], strict=True):
        found = spins.divergence(hamiltonian, test)
        assert abs(found.value - value) < 5 * np.hypot(found.error, error) and found.value < 0.03


def test_they_give_the_coupling_within_its_error_and_perturbed_ones_do_not(networks):
    pull, error = nearest(networks.hamiltonians)
    assert pull < 3 and 0 < error < 0.003
    wrong = shipped.load()
    with torch.no_grad():
        for hamiltonian in wrong.hamiltonians:
            for weight in hamiltonian.model.parameters():
                weight.mul_(1.03)
    assert nearest(wrong.hamiltonians)[0] > 3


def test_energies_are_the_true_ones_up_to_a_few_thousandths(networks):
    for learned, true in shipped.energies(networks.hamiltonians[0], (1.8, 2.27, 3.0), n=50).values():
        assert np.abs(learned - true).max() < 0.02


def test_weights_survive_the_file(tmp_path):
    learned = [learn(task) for task in replicas("markov_lattice", Spins(4, 2.5), 500, 20, 2, 3)]
    file = shipped.keep(learned, tmp_path / "small.npz")
    how, hamiltonians = shipped.load(file)
    s = Spins(4, 2.5).configurations(20, 1)
    for before, after in zip(learned, hamiltonians, strict=True):
        assert (before.hamiltonian.log_prob(s) == after.log_prob(s)).all() and after.T0 == 2.5
    assert how["seeds"] == [300, 301] and how["source"] == {"L": 4, "T": 2.5}


def test_a_file_that_holds_something_else_is_refused_in_a_line(tmp_path, networks):
    with np.load(data_file("ising_networks.npz")) as file:
        arrays = dict(file)
    how = json.loads(str(arrays["how"]))
    other = np.array(json.dumps(how | {"source": {"L": 8, "T": 2.27}}))
    for name, content in {
        "empty": {},
        "other lattice": arrays | {"how": other},
        "a weight less": {name: array for name, array in arrays.items() if "amplitude_row" not in name},
        "objects": arrays | {"0/skip": np.array([None])},
    }.items():
        np.savez(tmp_path / f"{name}.npz", **content)
        with pytest.raises(BookError, match="holds no networks of this book.*lib demo --train"):
            shipped.load(tmp_path / f"{name}.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(BookError):
        shipped.load(tmp_path / "text.npz")
