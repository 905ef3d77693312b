r"""The twin experiment: a SIMULATED film of known Curie temperature, imaged at one temperature, learned, and read.

    spins at T0 -> frames -> spins again -> network -> coupling K = J / T0 -> T_C = T0 K * 2.2692

Everything that a real experiment would know enters: frames and the temperature T0 in kelvin. What only the simulation
knows comes out beside it: the fraction of wrong spins, and T_C itself (427.4 K), which was put in. Beside the
network, the same spins are read by pseudolikelihood, the classical estimate of a coupling.

Well below T_c the flipped spins are few and mostly single; operators beyond nearest neighbours are then nearly
multiples of each other, and only the nearest-neighbour coupling is read. A network trained longer on 3000 images
follows their accidents: 1000 steps were enough in every case tried.

The same with stripes: a SIMULATED dipolar film, whose couplings J(r) are known at every distance (`Stripes`). And
with patches cut from images of a real film, where nothing is known (`read_patches`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings
from lib.analysis.curve_features import first_passage
from lib.models.fit import FitResult
from lib.models.hamiltonian import LearnedHamiltonian
from lib.samplers import delayed_acceptance, mcmc
from lib.statistics import Estimate, or_nan, over_networks
from lib.studies import task as task_
from lib.studies.recipes import RECIPES
from lib.studies.sources import Film, StripeFilm
from lib.systems import film, ising


@dataclass(frozen=True)
class Experiment:
    """Everything that determines an outcome. The camera, n_images and `seed` make the images, `network` the training.

    T and t_c in kelvin: temperature of the images, and the Curie temperature that the film was given. start: an
    experiment from whose network this one starts; a scan of a camera need not begin from nothing at every point.
    """

    camera: film.Camera = film.Camera()
    n_images: int = 3000
    L: int = 16
    T: float = film.T_IMAGES
    t_c: float = film.T_CURIE
    n_steps: int = 1000
    seed: int = 1
    network: int = 0
    start: "Experiment | None" = None

    def __post_init__(self):
        if self.n_images < 100:
            raise ValueError(f"n_images = {self.n_images}: at least 100 images are needed to learn anything")
        if not self.T < self.t_c:
            raise ValueError(f"T = {self.T} K: the film must be ordered, take a temperature below {self.t_c} K")

    @property
    def task(self):
        """The training, as a `Task`."""
        source = Film(self.camera, self.L, self.T, self.t_c)
        start = None if self.start is None else self.start.task
        seed = 100 * self.seed + self.network
        return task_.Task("film", source, self.n_images, self.n_steps, seed, start, data_seed=self.seed)


class Outcome(NamedTuple):
    """Curie temperatures in kelvin, (value, error), read from the network and by pseudolikelihood from the same spins.

    The error of `network` is that of reading it, that of `classical` a jackknife over images. `wrong`: fraction of
    spins the images lost. `hamiltonian`: learned, in units of J, at the reduced temperature of the images.
    """

    experiment: Experiment
    wrong: float
    network: tuple
    classical: tuple
    hamiltonian: LearnedHamiltonian
    fit: FitResult


def curie_of(hamiltonian, spins, T, moves=16):
    """(T_C, error) in K from the nearest-neighbour coupling of a learned Hamiltonian, read on up to 500 of the spins.

    T in K: what hamiltonian.T0 is in kelvin.
    """
    both = couplings.both_signs(spins[:500])
    read = couplings.read_network(hamiltonian, both, {"nn": ising.nearest}, ising.flip_one, moves=moves)
    return film.curie_temperature(read.values[0] / hamiltonian.T0, read.errors[0] / hamiltonian.T0, T)


def curie_classical(spins, T):
    """(T_C, error) in K from the spins themselves, by maximum pseudolikelihood; T in K."""
    read = couplings.pseudolikelihood(ising.local_sums(spins, ("nn",)), 1.0, ("nn",))
    return film.curie_temperature(read.values[0], read.errors[0], T)


def run_all(experiments):
    """Carry out experiments side by side -> list of `Outcome`. Deterministic; about 20 s on one core at the defaults.

    A list may hold `Stripes` as well, which become `StripesOutcome`.
    """
    learned = task_.learn_all({k: [e.task] for k, e in enumerate(experiments)})
    return parallel.starmap(_outcome, [(e, learned[k][0]) for k, e in enumerate(experiments)])


def _outcome(e, learned):
    """`Outcome` or `StripesOutcome` of a learned film."""
    source = e.task.source
    truth, _ = source.images(e.n_images, e.seed)
    spins = source.configurations(e.n_images, e.seed)
    # dead pixels can make a block unusable, and its patch is dropped; the camera here has none
    wrong = float((spins != truth).mean()) if spins.shape == truth.shape else float("nan")
    hamiltonian = learned.hamiltonian
    if isinstance(e, Experiment):
        network, classical = curie_of(hamiltonian, spins, e.T), curie_classical(spins, e.T)
        return Outcome(e, wrong, network, classical, hamiltonian, learned.fit)
    read = couplings.read_network(hamiltonian, spins[:500], film.shell_operators(), ising.flip_one, moves=16)
    drawn = hamiltonian.model.sample(len(spins), seed=e.network)[0].numpy().astype(np.int8)
    structure = film.structure_factor(drawn), film.structure_factor(spins)
    return StripesOutcome(e, wrong, read, shells_classical(spins, e.T), *structure, learned.fit)


def combine(outcomes):
    """(T_C, error) in K of several networks trained on the same images.

    The spread between networks knows nothing of the accident of these images, which all of them share: the error of the
    classical estimate, which does, and that of reading them on the same images are added in quadrature.
    """
    if len({o.experiment.seed for o in outcomes}) != 1:
        raise ValueError("outcomes: networks trained on the same images are wanted; one seed, different `network`")
    values, errors = zip(*[o.network for o in outcomes], strict=True)
    return over_networks(values, shared=np.hypot(np.mean(errors), outcomes[0].classical[1]))


# ---------------------------------------------------------------- where a bias begins


def limit(x, t_c, errors, truth, allowed=0.02, *, logarithmic=False):
    """`Estimate` of where |T_C / truth - 1| first passes `allowed`, from the clean end on, which is x[0].

    x: [n], what is varied, monotonic.
    t_c, errors: [n] in K.
    logarithmic: linear between two points in ln x, not in x.

    nan if no point passes, or the first one does.
    """
    bias, errors = np.asarray(t_c, dtype=float) / truth - 1, np.asarray(errors, dtype=float) / truth
    side = np.sign(bias[np.argmax(np.abs(bias) > allowed)])
    at, error = or_nan(first_passage, np.log(x) if logarithmic else x, side * bias, allowed, errors)
    return Estimate(float(np.exp(at)), float(np.exp(at) * error)) if logarithmic else Estimate(at, error)


# ---------------------------------------------------------------- raising T


class Excess:
    """H_theta - J E, the part of a learned Hamiltonian that a nearest-neighbour coupling J does not express."""

    def __init__(self, hamiltonian, coupling):
        self.hamiltonian, self.coupling = hamiltonian, coupling

    def __call__(self, s):
        return self.hamiltonian.energy(s) + self.coupling * ising.nearest(s)


class Order(NamedTuple):
    """|m| [t] and its error at temperatures [t] in K, for each fourth of the run `drift` [4, t], the fraction of
    accepted proposals [t], and the excess D [t] in units of J, relative to complete order, of the last fourth."""

    kelvin: np.ndarray
    abs_m: np.ndarray
    error: np.ndarray
    drift: np.ndarray
    accepted: np.ndarray
    excess: np.ndarray


def _excess_of(outcome):
    """(`Excess`, coupling J that was read, D of complete order): energies in units of the true J."""
    coupling = outcome.network[0] / outcome.experiment.t_c
    excess = Excess(outcome.hamiltonian, coupling)
    return excess, coupling, float(excess(np.ones((1,) + (outcome.experiment.L,) * 2, np.int8))[0])


def raise_temperature(outcome, kelvin, steps, seed, chains=16):
    """`Order` under exp(-H_theta / T) itself, on the L x L lattice, heated from complete order to each T [t] in K.

    By `delayed_acceptance.heat`, which proposes with the coupling that was read from the network. |m| is the mean
    over the last fourth of the steps; a drift over the fourths says that H_theta has not come to rest.
    """
    e = outcome.experiment
    excess, coupling, ordered = _excess_of(outcome)
    T = film.reduced_temperature(np.asarray(kelvin, dtype=float), e.t_c)
    rng = np.random.default_rng([seed, e.network])
    run = delayed_acceptance.heat(excess, coupling, e.L, T, rng, chains=chains, steps=steps, discard=0)
    fourths = np.stack([np.abs(part).mean(axis=0) for part in np.array_split(run.m, 4)])  # [4, t, chains]
    last = fourths[-1]
    D = np.array_split(run.excess, 4)[-1].mean((0, 2)) - ordered
    error = last.std(1, ddof=1) / np.sqrt(chains)
    return Order(np.asarray(kelvin), last.mean(1), error, fourths.mean(2), run.accepted, D)


def misjudged(outcome, kelvin, n, seed):
    """Mean and standard deviation of the excess D, [t] each, on configurations of the true film at [t] in K.

    D, in units of J, is relative to complete order. It would be zero everywhere if H_theta were the nearest-neighbour
    Hamiltonian that was read from it.
    """
    e = outcome.experiment
    excess, _, ordered = _excess_of(outcome)
    found = []
    for number, T in enumerate(film.reduced_temperature(np.asarray(kelvin, dtype=float), e.t_c)):
        found.append(excess(mcmc.sample(e.L, T, n, np.random.default_rng([seed, 4, number])).configurations))
    return np.mean(found, axis=1) - ordered, np.std(found, axis=1)


def falls_below(kelvin, abs_m, level):
    """Temperature in K at which |m| [t] first falls below a level, linear between points; nan if it never does."""
    return or_nan(first_passage, kelvin, -np.asarray(abs_m), -level).value


# ---------------------------------------------------------------- stripes


@dataclass(frozen=True)
class Stripes:
    """A SIMULATED dipolar film (`film.pair_kernel`: J = 1, dipoles g) at temperature T in units of J, and a training.

    wider: whether the network looks twice as far as a nearest-neighbour film needs.
    """

    n_images: int = 3000
    L: int = 16
    g: float = 0.25
    T: float = 1.2
    camera: film.Camera = film.Camera()
    n_steps: int = 1000
    seed: int = 1
    network: int = 0
    wider: bool = False

    @property
    def task(self):
        """The training, as a `Task`."""
        source = StripeFilm(self.camera, self.L, self.T, self.g)
        name, seed = "film_wider" if self.wider else "film", 1000 * self.seed + self.network
        return task_.Task(name, source, self.n_images, self.n_steps, seed, data_seed=self.seed)


class StripesOutcome(NamedTuple):
    """`wrong`: fraction of spins the images lost. `network`, `classical`: `Couplings` of film.SHELLS in units of J.
    `structure`, `data`: structure factor of as many samples of the network, and of the spins it has seen."""

    experiment: Stripes
    wrong: float
    network: couplings.Couplings
    classical: couplings.Couplings
    structure: film.StructureFactor
    data: film.StructureFactor
    fit: FitResult


def shells_classical(spins, T, steps=film.SHELLS):
    """`Couplings` of these shells by maximum pseudolikelihood, T in the units wanted."""
    return couplings.pseudolikelihood(film.shell_local_sums(spins, steps), T, tuple(map(str, steps)))


# ---------------------------------------------------------------- patches of real images

PATCH_SHELLS = ((0, 1), (1, 1), (0, 2))
MARGIN = 2  # blocks from the edge of a patch, where a neighbour is missing


def _flip_inside(s, rng):
    """Copies of s [n, L, L] with one random spin of each flipped that is MARGIN or more from the edge."""
    after, inside = s.copy(), s.shape[1] - 2 * MARGIN
    rows, columns = MARGIN + rng.integers(inside, size=(2, len(s)))
    after[np.arange(len(s)), rows, columns] *= -1
    return after


def patches_classical(patches, steps=PATCH_SHELLS):
    """`Couplings` K(r) = J(r) / T, and the field, of patches [n, L, L] of a larger film, by pseudolikelihood.

    Inner sites only: at the edges neighbours are missing.
    """
    n, L, _ = patches.shape
    sums = film.shell_local_sums(patches, steps).reshape(n, L, L, -1)
    sums = np.concatenate([sums, patches[..., None]], axis=3)
    inner = sums[:, MARGIN:-MARGIN, MARGIN:-MARGIN].reshape(n, -1, sums.shape[3])
    return couplings.pseudolikelihood(inner, 1.0, (*map(str, steps), "field"), blocks=min(20, n))


def read_patches(patches, n_steps, seed, steps=PATCH_SHELLS):
    """The same read from a network trained on the patches, which may have a net magnetisation."""
    recipe, L = RECIPES["patch"], patches.shape[-1]
    data = patches[np.random.default_rng(seed).permutation(len(patches))]
    model = recipe.build(Film(film.Camera(), L, film.T_IMAGES, film.T_CURIE), seed, data)
    task_.train(recipe, model, data, n_steps, seed)
    hamiltonian = LearnedHamiltonian(model, 1.0)
    operators = film.shell_operators(steps) | {"field": ising.magnetization}
    some = patches[:500]
    return couplings.read_network(hamiltonian, some, operators, _flip_inside, moves=32, blocks=min(20, len(some)))
