"""Patches -> couplings in units of T0: by pseudolikelihood, and from networks.

Inner sites only: at the edges of a patch neighbours are missing, which a network on a torus does not know.
MARGIN blocks from the edge for all shells, one for nearest neighbours alone.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit

from lib import parallel
from lib.analysis import couplings, premise
from lib.models.learned import LearnedHamiltonian
from lib.statistics import BLOCKS, Estimate, jackknife, over_networks
from lib.studies.film_patches import flip_inside, inner
from lib.studies.imaged_film import FILM
from lib.studies.task import train
from lib.systems import film, ising

SHELLS = {"nn": (0, 1), "nnn": (1, 1), "third": (0, 2)}
MARGIN = 2
FIELD = 4.0  # errors from zero beyond which there is a field
READ = 500  # patches on which a network is read
OPERATORS = dict(zip(SHELLS, film.shell_operators(tuple(SHELLS.values())).values(), strict=True))


class Site(NamedTuple):
    """What the recipe of a film has to know of its source."""

    L: int


@dataclass(frozen=True)
class Readings:
    """Couplings J / T0 of patches: name -> `Estimate`. `alone` is that of nearest neighbours, read without the others.

    recipe: of the networks, `film`, or `film_field` where there is a field.
    field: by pseudolikelihood, beside the three shells.
    networks, classical: by the networks and by pseudolikelihood; the field among them where there is one.
    each: J / T0 of nearest neighbours alone, of every network.
    hamiltonians: in units of T0 = 1; steps, n_weights: of the networks.
    """

    recipe: str
    field: Estimate
    networks: dict
    classical: dict
    alone: Estimate
    classical_alone: Estimate
    each: list
    hamiltonians: list
    steps: list
    n_weights: int


def pseudolikelihood(patches, frame, names, margin, inflation=1.0):
    """name -> `Estimate` of J / T0 of patches [n, L, L] by maximum pseudolikelihood on inner sites.

    frame: [n], which frame a patch is of; the jackknife leaves out consecutive frames, patches where there is one only.
    names: of SHELLS, and `field`. inflation: sqrt(2 tau_int), of the jackknife's error.

    An error is at least that of as many independent sites as there are after inflation, also for frames that are all
    the same, which scatter in no jackknife. nan where the patches do not tell.
    """
    shells = [name for name in names if name != "field"]
    n = len(patches)
    sums = film.shell_local_sums(patches, tuple(SHELLS[name] for name in shells))
    if "field" in names:
        sums = np.concatenate([sums, patches.reshape(n, -1, 1)], axis=2)
    sums = inner(sums, margin)
    low, span = sums.min(axis=(0, 1)).astype(int), np.ptp(sums, axis=(0, 1)).astype(int) + 1
    code = np.ravel_multi_index(tuple(np.moveaxis(sums.astype(int) - low, 2, 0)), span)  # a row as one number
    seen, index = np.unique(code, return_inverse=True)
    rows, index = np.stack(np.unravel_index(seen, span), axis=1) + low, index.reshape(n, -1)
    group = frame if len(np.unique(frame)) > 1 else np.arange(n)
    _, place = np.unique(group, return_inverse=True)
    blocks = min(BLOCKS, place.max() + 1)
    owner = place * blocks // (place.max() + 1)
    counts = np.stack([np.bincount(index[owner == b].ravel(), minlength=len(rows)) for b in range(blocks)])
    differences = -2.0 * rows

    def solve(total):
        return couplings.project(differences, np.zeros(len(rows)), total.astype(float))

    values, errors = couplings.all_or_none(*jackknife(solve, counts))
    weight = expit(differences @ values) * expit(-differences @ values) * counts.sum(0)
    fisher = (differences * weight[:, None]).T @ differences
    known = np.isfinite(fisher).all() and np.linalg.cond(fisher) < 1e12
    least = np.sqrt(np.diag(np.linalg.inv(fisher))) if known else np.full(len(values), np.nan)
    errors = inflation * np.maximum(errors, least)
    return {name: Estimate(float(v), float(e)) for name, v, e in zip(names, values, errors, strict=True)}


def flip_beside(s, rng):
    """The same one block from the edge, for nearest neighbours."""
    return flip_inside(s, rng, margin=1)


def learn_patches(patches, recipe, n_steps, seed):
    """(`LearnedHamiltonian` with T0 = 1, steps) of a network trained on patches [n, L, L] in the order of the frames.

    Each seed keeps another stretch of them for early stopping: neighbours in time on both sides would test memory.
    """
    recipe = FILM[recipe]
    data = np.roll(patches, -(seed % 10) * len(patches) // 10, axis=0)
    model = recipe.build(Site(patches.shape[-1]), seed, data)
    result = train(recipe, model, data, n_steps, seed)
    return LearnedHamiltonian(model, 1.0), result.steps


def read_network(hamiltonian, patches, field):
    """(`Couplings` of all, of nearest neighbours alone) of a network, read on up to READ of the patches."""
    some = patches[np.linspace(0, len(patches) - 1, min(READ, len(patches))).astype(int)]
    more, blocks = {"field": ising.magnetization} if field else {}, min(BLOCKS, len(some))
    read = [(OPERATORS, flip_inside), ({"nn": OPERATORS["nn"]}, flip_beside)]
    return [
        couplings.read_network(hamiltonian, some, operators | more, move, moves=32, blocks=blocks)
        for operators, move in read
    ]


def _one(patches, recipe, n_steps, seed):
    hamiltonian, steps = learn_patches(patches, recipe, n_steps, seed)
    return hamiltonian, steps, read_network(hamiltonian, patches, recipe == "film_field")


def read_patches(patches, frame, n_networks, n_steps, seed, tau_int=0.5):
    """`Readings` of patches [n, L, L]. frame: [n], of each; tau_int: in frames (1/2 + sum of rho).

    The error of the pseudolikelihood is what these patches allow, whatever the network: it is in both.
    """
    inflation = float(np.sqrt(2 * tau_int))
    every = pseudolikelihood(patches, frame, (*SHELLS, "field"), MARGIN, inflation)
    known = every["field"].error > 0
    field = known and abs(every["field"].value) > FIELD * every["field"].error
    recipe, more = ("film_field", ("field",)) if field else ("film", ())
    classical = every if field else pseudolikelihood(patches, frame, tuple(SHELLS), MARGIN, inflation)
    alone = pseudolikelihood(patches, frame, ("nn", *more), 1, inflation)["nn"]
    made = parallel.starmap(_one, [(patches, recipe, n_steps, 100 * seed + k) for k in range(n_networks)])
    found = {name: _mean([read[0] for *_, read in made], k, classical[name]) for k, name in enumerate(classical)}
    return Readings(
        recipe=recipe,
        field=every["field"],
        networks=found,
        classical=classical,
        alone=_mean([read[1] for *_, read in made], 0, alone),
        classical_alone=alone,
        each=[float(read[1].values[0]) for *_, read in made],
        hamiltonians=[hamiltonian for hamiltonian, *_ in made],
        steps=[steps for _, steps, _ in made],
        n_weights=sum(weight.numel() for weight in made[0][0].model.parameters()),
    )


def _mean(read, k, classical):
    """`Estimate` of coupling k from `Couplings` of several networks, as in `synthetic_film.combine_outcomes`."""
    shared = np.hypot(np.mean([r.errors[k] for r in read]), classical.error)
    return over_networks([r.values[k] for r in read], shared=shared)


# ---------------------------------------------------------------- two temperatures


class Flips:
    """Energy of single flips of a learned Hamiltonian, H(s') - H(s), in the units of T0.

    ln p of a patch knows of what is around it, and that depends on T; of an inner flip it does not.
    """

    def __init__(self, hamiltonian, T0):
        self.hamiltonian, self.T0 = hamiltonian, float(T0)

    def energy(self, pairs):
        """float64 [n] of pairs (s, s') [n, 2, L, L]."""
        H = self.hamiltonian.energy(pairs.reshape(-1, *pairs.shape[2:])).reshape(-1, 2)
        return self.T0 * (H[:, 1] - H[:, 0])


def temperatures_agree(first, second, T0, T1, patches, moves=8):
    """`premise.Premise`: is one Hamiltonian behind the networks of both temperatures, in K?

    first, second: lists of `LearnedHamiltonian` with T0 = 1. patches: two arrays [n, L, L] that no network was trained
    on, of which `moves` inner flips each are compared.
    """
    pairs = []
    for k, some in enumerate(patches):
        s = np.repeat(some, moves, axis=0)
        pairs.append(np.stack([s, flip_inside(s, np.random.default_rng(k))], axis=1))
    groups = min(BLOCKS, *map(len, patches))
    of = [[Flips(h, T) for h in some] for some, T in ((first, T0), (second, T1))]
    return premise.temperatures_agree(*of, pairs, groups=groups)
