"""Trained networks that come with the book: those of the main result of the Ising chapter, for a live demonstration.

`data/ising_networks.npz` holds their weights as plain arrays, `NUMBER/NAME`, and in `how`, a text in JSON, what they
were trained on and with which code. `keep` makes the file, behind `python -m lib demo --train`; no chapter reads it.
"""

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib import files, parallel
from lib.analysis import couplings, reweighting
from lib.errors import BookError
from lib.models.learned import LearnedHamiltonian
from lib.paths import DATA, data_file
from lib.reachable import code_key, versions
from lib.statistics import Estimate
from lib.studies import ising as study
from lib.studies.sources import Spins
from lib.studies.task import Task, learn, learn_all, replicas
from lib.systems import ising

FILE = "ising_networks.npz"
LIMIT = 10**6  # bytes


def tasks():
    """The Markov lattices of the Ising chapter at its default parameters, list of `Task`."""
    return replicas("markov_lattice", Spins(16, 2.27), 200_000, 8000, 3, 1)


def train():
    """Carry out `tasks` and write the file; its path."""
    learned = learn_all({"shipped": tasks()})["shipped"]
    return keep(learned, DATA / FILE)


def keep(learned, path: Path) -> Path:
    """Write the weights of several `Learned`, trained alike on Ising spins, and how they were trained."""
    arrays = {
        f"{number}/{name}": weight.detach().numpy()
        for number, each in enumerate(learned)
        for name, weight in each.model.named_parameters()
    }
    task = learned[0].task
    how = {
        "network": task.network,
        "source": asdict(task.source),
        "n_train": task.n_train,
        "n_steps": task.n_steps,
        "seeds": [each.task.seed for each in learned],
        "kl": [[round(float(x), 6) for x in each.kl] for each in learned],
        "code": code_key(learn),
        "versions": versions(),
    }
    file = io.BytesIO()
    np.savez_compressed(file, how=np.array(json.dumps(how)), **arrays)
    files.write_bytes(path, file.getvalue())
    return path


class Shipped(NamedTuple):
    """Trained networks from the file. how: what they were trained on. hamiltonians: one for each seed."""

    how: dict
    hamiltonians: list


def load(path: Path | None = None) -> Shipped:
    """The networks of a file, by default of the one that comes with the book. BookError where it is not such a file."""
    path = data_file("ising_networks.npz") if path is None else path
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        how = json.loads(str(arrays.pop("how")))
        found = [_hamiltonian(how, seed, arrays, f"{number}/") for number, seed in enumerate(how["seeds"])]
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise BookError(f"{path} holds no networks of this book ({error}): python -m lib demo --train") from None
    return Shipped(how, found)


def _hamiltonian(how, seed, arrays, prefix):
    """The network of this seed with its weights. ValueError where they are not those of such a network."""
    source = Spins(**how["source"])
    task = Task(how["network"], source, how["n_train"], how["n_steps"], seed)
    model = task.recipe.build(source, seed, None)
    weights = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    shapes = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    if shapes != {name: array.shape for name, array in weights.items()}:
        raise ValueError(f"other weights than a {how['network']} has")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.from_numpy(weights[name]))
    return LearnedHamiltonian(model, source.T, preprocess=task.recipe.preprocess)


# What a demonstration shows ---------------------------------------------------------------------------------


def read_couplings(hamiltonians, n=100, seed=1):
    """Name of an operator -> its coupling, an `Estimate` over networks, each made symmetric, from n configurations."""
    first = hamiltonians[0]
    both = couplings.both_signs(Spins(first.model.site_shape[0], first.T0).configurations(n, seed))
    calls = [
        (couplings.read_network, study.symmetrised(h), both, ising.OPERATORS, ising.flip_one) for h in hamiltonians
    ]
    values, errors = study.mean_couplings(parallel.run(calls), shared=True)
    return {name: Estimate(*each) for name, *each in zip(ising.OPERATORS, values, errors, strict=True)}


def energies(hamiltonian, temperatures, n=150, seed=1):
    """Energies per site of n new configurations at each temperature, learned and true: dict T -> two arrays [n].

    The learned ones are shifted by the exact T0 ln Z(T0), the constant that p_theta has in it.
    """
    (L, _) = hamiltonian.model.site_shape
    constant = hamiltonian.T0 * ising.log_partition_function(L, hamiltonian.T0)
    symmetric = study.symmetrised(hamiltonian, images=8)
    found = {}
    for T in temperatures:
        s = Spins(L, T).configurations(n, seed, "thermodynamics")
        found[T] = ((symmetric.energy(s) - constant) / L**2, ising.energy(s) / L**2)
    return found


def curves(hamiltonians, temperatures, n=250, seed=1):
    """`Curves`, mean over networks, under exp(-H_theta / T) at these temperatures, ascending."""
    (L, _) = hamiltonians[0].model.site_shape
    calls = [
        (reweighting.ising_by_surrogate, study.symmetrised(h, images=8), L, temperatures, n, seed + k)
        for k, h in enumerate(hamiltonians)
    ]
    return reweighting.average(parallel.run(calls))


def exact(how, temperatures):
    """`ising.Exact` per site [t] of the system behind the networks, by Kaufman's solution."""
    return ising.exact(how["source"]["L"], np.asarray(temperatures)).per_site
