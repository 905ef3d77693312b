r"""The twin experiment: a SIMULATED film of known Curie temperature, imaged at one temperature, learned, and read.

    spins at T0 -> frames -> spins again -> network -> coupling K = J / T0 -> T_C = T0 K * 2.2692

Everything that a real experiment would know enters: frames and the temperature T0 in kelvin. What only the simulation
knows comes out beside it: the fraction of wrong spins, and T_C itself (427.4 K), which was put in. Beside the
network, the same spins are read by pseudolikelihood, the classical estimate of a coupling. The film keeps the sign of
its magnetisation, and the frames are windows of it; both go the way of a reader's own images (`imaged_film`).

Well below T_c the flipped spins are few and mostly single; operators beyond nearest neighbours are then nearly
multiples of each other, and only the nearest-neighbour coupling is read. A network trained longer on 3000 images
follows their accidents: 1000 steps were enough in every case tried.

The same with stripes: a SIMULATED dipolar film, whose couplings J(r) are known at every distance (`Stripes`).
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import couplings
from lib.analysis.curve_features import first_passage
from lib.analysis.structure_factor import StructureFactor, structure_factor
from lib.models.fit import FitResult
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, or_nan, over_networks
from lib.studies.film_patches import flip_inside, inner
from lib.studies.imaged_film import Film, StripeFilm
from lib.studies.task import Task, learn_all
from lib.systems import film, ising
from lib.systems.camera import Camera


@dataclass(frozen=True)
class Experiment:
    """Everything that determines an outcome: the images, and the training, whose seed is `network`.

    T, t_c: temperature of the images, and the Curie temperature that the film was given, in kelvin.
    start: an experiment from whose network this one starts; a scan of a camera need not begin from nothing.
    whole, random_sign, pinned: of the film, see `imaged_film.Film`.
    reference: the light is taken from images of the saturated film.
    """

    camera: Camera = Camera()
    n_images: int = 3000
    L: int = 16
    T: float = film.T_IMAGES
    t_c: float = film.T_CURIE
    n_steps: int = 1000
    seed: int = 1
    network: int = 0
    start: "Experiment | None" = None
    whole: bool = False
    random_sign: bool = False
    pinned: float = 0.0
    reference: bool = False

    def __post_init__(self):
        if self.n_images < 100:
            raise ValueError(f"n_images = {self.n_images}: at least 100 images are needed to learn anything")
        if not self.T < self.t_c:
            raise ValueError(f"T = {self.T} K: the film must be ordered, take a temperature below {self.t_c} K")

    @property
    def task(self):
        """The training, as a `Task`."""
        source = Film(self.camera, self.L, self.T, self.t_c, self.whole, self.random_sign, self.pinned, self.reference)
        start = None if self.start is None else self.start.task
        seed = 100 * self.seed + self.network
        return Task(
            "whole" if self.whole else "film", source, self.n_images, self.n_steps, seed, start, data_seed=self.seed
        )


class FilmOutcome(NamedTuple):
    """What came of an `Experiment`.

    wrong: fraction of spins the images lost.
    network, classical: Curie temperature (value, error) in K, read from the network, and by pseudolikelihood from the
        same spins; the errors are those of the reading, and of a jackknife over images.
    hamiltonian: learned, in units of J, at the reduced temperature of the images.
    """

    experiment: Experiment
    wrong: float
    network: tuple
    classical: tuple
    hamiltonian: LearnedHamiltonian
    fit: FitResult


@dataclass(frozen=True)
class Stripes:
    """A SIMULATED dipolar film (`film.pair_kernel`: J = 1, dipoles g) at temperature T in units of J, and a training.

    wider: whether the network looks twice as far as a nearest-neighbour film needs.
    """

    n_images: int = 3000
    L: int = 16
    g: float = 0.25
    T: float = 1.2
    camera: Camera = Camera()
    n_steps: int = 1000
    seed: int = 1
    network: int = 0
    wider: bool = False

    @property
    def task(self):
        """The training, as a `Task`."""
        source = StripeFilm(self.camera, self.L, self.T, self.g)
        name, seed = "whole_wider" if self.wider else "whole", 1000 * self.seed + self.network
        return Task(name, source, self.n_images, self.n_steps, seed, data_seed=self.seed)


class StripesOutcome(NamedTuple):
    """What came of `Stripes`.

    network, classical: `Couplings` of film.SHELLS in units of J.
    spins, samples: five of the configurations that it has seen, and five of its own, [5, L, L].
    structure, data: structure factor of as many samples of the network, and of the spins it has seen.
    """

    experiment: Stripes
    wrong: float
    network: couplings.Couplings
    classical: couplings.Couplings
    spins: np.ndarray
    samples: np.ndarray
    structure: StructureFactor
    data: StructureFactor
    fit: FitResult


def curie_of(hamiltonian, spins, T, margin=0, moves=16):
    """(T_C, error) in K from the coupling of a learned Hamiltonian, read on up to 500 of the spins [n, L, L].

    T: its T0 in K. margin: sites nearer than this to an edge are not read, 0 on a torus.
    """
    both = couplings.both_signs(spins[:500])
    move = partial(flip_inside, margin=margin) if margin else ising.flip_one
    read = couplings.read_network(hamiltonian, both, {"nn": ising.nearest}, move, moves=moves)
    return film.curie_temperature(read.values[0] / hamiltonian.T0, read.errors[0] / hamiltonian.T0, T)


def curie_classical(spins, T, margin=0):
    """(T_C, error) in K from the spins [n, L, L] themselves, by maximum pseudolikelihood; T, margin: see `curie_of`."""
    sums = ising.local_sums(spins, ("nn",))
    read = couplings.pseudolikelihood(inner(sums, margin) if margin else sums, 1.0, ("nn",))
    return film.curie_temperature(read.values[0], read.errors[0], T)


def networks(experiment, n):
    """n experiments on the same images: networks from different seeds."""
    return [replace(experiment, network=k) for k in range(n)]


def scans(clean, *, blur, photons, images, drift=(), pinned=()):
    """Experiments in which one thing differs from a `clean` one: dict of lists.

    blur, photons, drift: of the camera. pinned: share of the sites, half of them down. Another camera, the same film: a
        quarter of the steps, from the clean network.
    images: their number.
    """
    tuned = replace(clean, n_steps=max(10, clean.n_steps // 4), start=clean)
    return {
        "blur": [replace(tuned, camera=replace(clean.camera, blur=x)) for x in blur],
        "photons": [replace(tuned, camera=replace(clean.camera, photons=x)) for x in photons],
        "drift": [replace(tuned, camera=replace(clean.camera, drift=x)) for x in drift],
        "pinned": [replace(tuned, pinned=x, reference=True) for x in pinned],
        "images": [replace(clean, n_images=n) for n in images if n != clean.n_images],
    }


def run_groups(groups):
    """`run_all` of a dict of lists of experiments -> the same dict with the outcome in the place of each."""
    found = iter(run_all([e for group in groups.values() for e in group]))
    return {name: [next(found) for _ in group] for name, group in groups.items()}


def run_all(experiments):
    """Carry out a list of `Experiment` and `Stripes`, side by side -> list of `FilmOutcome` and `StripesOutcome`.

    Deterministic; about 20 s on one core for each at the defaults.
    """
    learned = learn_all({k: [e.task] for k, e in enumerate(experiments)})
    return parallel.starmap(_outcome_of, [(e, learned[k][0]) for k, e in enumerate(experiments)])


def _outcome_of(e, learned):
    truth, spins = e.task.source.recovered(e.n_images, e.seed)
    # dead pixels can make a block unusable, and its patch is dropped; the camera here has none
    wrong = float((spins != truth).mean()) if spins.shape == truth.shape else float("nan")
    if isinstance(e, Stripes):
        return _read_stripes(e, wrong, spins, learned)
    margin = 0 if e.whole else 1
    network, classical = curie_of(learned.hamiltonian, spins, e.T, margin), curie_classical(spins, e.T, margin)
    return FilmOutcome(e, wrong, network, classical, learned.hamiltonian, learned.fit)


def _read_stripes(e, wrong, spins, learned):
    drawn = learned.model.sample(len(spins), seed=e.network)[0].numpy().astype(np.int8)
    operators = film.shell_operators()
    return StripesOutcome(
        experiment=e,
        wrong=wrong,
        network=couplings.read_network(learned.hamiltonian, spins[:500], operators, ising.flip_one, moves=16),
        classical=couplings.pseudolikelihood(film.shell_local_sums(spins), e.T, tuple(operators)),
        spins=spins[:5],
        samples=drawn[:5],
        structure=structure_factor(drawn),
        data=structure_factor(spins),
        fit=learned.fit,
    )


def combine_outcomes(outcomes):
    """`Estimate` of T_C in K from several networks trained on the same images.

    The spread between networks knows nothing of the accident of these images, which all of them share: the error of the
    classical estimate, which does, and that of reading them on the same images are added in quadrature.
    """
    if len({o.experiment.seed for o in outcomes}) != 1:
        raise ValueError("outcomes: networks trained on the same images are wanted; one seed, different `network`")
    values, errors = zip(*[o.network for o in outcomes], strict=True)
    return over_networks(values, shared=np.hypot(np.mean(errors), outcomes[0].classical[1]))


class StripesMean(NamedTuple):
    """Mean over several networks of `Stripes`; the errors hold the spread between them.

    couplings: [shell], in units of J.
    structure: S(k) of their samples, [k].
    at_zero: S(k = 0) of their samples over that of the data.
    """

    couplings: Estimate
    structure: Estimate
    at_zero: Estimate


def combine_stripes(outcomes):
    """`StripesMean` of networks trained on the same images."""

    def mean(of):
        return over_networks(*zip(*map(of, outcomes), strict=True))

    return StripesMean(
        couplings=mean(lambda o: (o.network.values, o.network.errors)),
        structure=mean(lambda o: (o.structure.mean, o.structure.error)),
        at_zero=mean(lambda o: (o.structure.mean[0] / o.data.mean[0], o.structure.error[0] / o.data.mean[0])),
    )


# ---------------------------------------------------------------- where a bias begins

VARIED = {
    "blur": lambda e: e.camera.blur / e.camera.pixels_per_spin,
    "photons": lambda e: e.camera.photons,
    "drift": lambda e: e.camera.drift / e.camera.pixels_per_spin,
    "pinned": lambda e: e.pinned,
    "images": lambda e: e.n_images,
}


class Scan(NamedTuple):
    """T_C in K along one of `scans`, the clean film included, x ascending; all [n].

    x: blur or drift in sides of a spin, photons a pixel, share of pinned sites, or number of images.
    network, error: from one network a point; the error holds the spread between networks and the accident of the
        images.
    classical, classical_error: by pseudolikelihood.
    wrong: fraction of spins the images lost.
    """

    x: np.ndarray
    network: np.ndarray
    error: np.ndarray
    classical: np.ndarray
    classical_error: np.ndarray
    wrong: np.ndarray


def scan(name, clean, outcomes):
    """`Scan` from the outcomes of `scans` called `name`, and those of several networks of the clean film."""
    x, spread = VARIED[name], np.std([o.network[0] for o in clean], ddof=1) if len(clean) > 1 else 0.0
    points = [(x(clean[0].experiment), *combine_outcomes(clean), *clean[0].classical, clean[0].wrong)]
    for o in outcomes:
        error = np.hypot(o.classical[1], spread)
        points.append((x(o.experiment), o.network[0], error, *o.classical, o.wrong))
    return Scan(*np.array(sorted(points)).T)


def fewest(scan, truth, allowed=0.02):
    """Smallest x from which on |T_C / truth - 1| is within `allowed` and its error within half of that; nan if none."""
    right = (np.abs(scan.network / truth - 1) <= allowed) & (scan.error / truth <= allowed / 2)
    return next((int(x) for k, x in enumerate(scan.x) if right[k:].all()), np.nan)


def limit(x, t_c, errors, truth, allowed=0.02, *, logarithmic=False):
    """`Estimate` of where |T_C / truth - 1| first passes `allowed`, from the clean end on, which is x[0].

    x: [n], what is varied, monotonic; t_c, errors: [n] in K. nan if no point passes, or the first one does.
    logarithmic: linear between two points in ln x, not in x.
    """
    bias, errors = np.asarray(t_c, dtype=float) / truth - 1, np.asarray(errors, dtype=float) / truth
    side = np.sign(bias[np.argmax(np.abs(bias) > allowed)])
    at, error = or_nan(first_passage, np.log(x) if logarithmic else x, side * bias, allowed, errors)
    return Estimate(float(np.exp(at)), float(np.exp(at) * error)) if logarithmic else Estimate(at, error)
