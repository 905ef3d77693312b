r"""The twin experiment: a SIMULATED film of known Curie temperature, imaged at one temperature, learned, and read.

    spins at T0 -> frames -> spins again -> network -> coupling K = J / T0 -> T_C = T0 K * 2.2692

Everything that a real experiment would know enters: frames and the temperature T0 in kelvin. What only the simulation
knows comes out beside it: the fraction of wrong spins, and T_C itself (427.4 K), which was put in. Beside the
network, the same spins are read by pseudolikelihood, the classical estimate of a coupling.

Well below T_c the flipped spins are few and mostly single; operators beyond nearest neighbours are then nearly
multiples of each other, and only the nearest-neighbour coupling is read. A network trained longer on 3000 images
follows their accidents: 1000 steps were enough in every case tried.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.analysis import couplings, kerr, learning
from lib.analysis.statistics import over_networks
from lib.models.fit import FitResult, fit
from lib.models.hamiltonian import LearnedHamiltonian
from lib.samplers import driver
from lib.systems import film, ising


@dataclass(frozen=True)
class Experiment:
    """Everything that determines an outcome. The camera, n_images and `seed` make the images, `network` the training.

    T and t_c in kelvin: temperature of the images, and the Curie temperature that the film was given.
    """

    camera: film.Camera = film.Camera()
    n_images: int = 3000
    L: int = 16
    T: float = film.T_IMAGES
    t_c: float = film.T_CURIE
    n_steps: int = 1000
    seed: int = 1
    network: int = 0

    def __post_init__(self):
        if self.n_images < 100:
            raise ValueError(f"n_images = {self.n_images}: at least 100 images are needed to learn anything")
        if not self.T < self.t_c:
            raise ValueError(f"T = {self.T} K: the film must be ordered, take a temperature below {self.t_c} K")


class Images(NamedTuple):
    """What the simulation knows and what a camera sees: true spins int8 [n, L, L], frames uint16 [n, h, w]."""

    spins: np.ndarray
    frames: np.ndarray


def images(experiment):
    """Simulated `Images` of an experiment. The same seed gives the same spins for every camera."""
    e = experiment
    T0 = film.reduced_temperature(e.T, e.t_c)
    spins = driver.sample(e.L, T0, e.n_images, np.random.default_rng([e.seed, 0])).configurations
    return Images(spins, film.render(spins, np.random.default_rng([e.seed, 1]), e.camera))


def recover(frames, pixels_per_spin, L):
    """Spins int8 [n, L, L] from frames [n, h, w] of one place, by `kerr.segment_stack` and `kerr.coarse_grain`."""
    stack = kerr.segment_stack(frames)
    return kerr.coarse_grain(stack.spins, pixels_per_spin, L, mask=stack.mask).spins


def learn(spins, T, n_steps, seed):
    """(`LearnedHamiltonian` at T, `FitResult`) of a frontier network trained on spins [n, L, L]; a tenth is held out.

    T: temperature of the spins, in whatever unit the Hamiltonian is wanted in. seed: of weights, batches and held-out
    part.
    """
    build, augment, learning_rate = learning.NETWORKS["frontier"]
    L = spins.shape[-1]
    data = spins[np.random.default_rng(seed).permutation(len(spins))]
    held_out = data[: max(1, len(data) // 10)]
    model = build(L, seed)
    result = fit(
        model,
        data[len(held_out) :],
        steps=n_steps,
        batch=max(1, learning.SITES_PER_BATCH // L**2),
        learning_rate=learning_rate,
        augment=augment,
        held_out=held_out,
        seed=seed,
        device="cpu",
    )
    return LearnedHamiltonian(model, T), result


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
    some = spins[:500]
    both = np.concatenate([some, -some])  # as many up as down
    read = couplings.read_network(hamiltonian, both, {"nn": ising.nearest}, ising.flip_one, moves=moves)
    return film.curie_temperature(read.values[0] / hamiltonian.T0, read.errors[0] / hamiltonian.T0, T)


def curie_classical(spins, T):
    """(T_C, error) in K from the spins themselves, by maximum pseudolikelihood; T in K."""
    read = couplings.pseudolikelihood(ising.local_sums(spins, ("nn",)), 1.0, ("nn",))
    return film.curie_temperature(read.values[0], read.errors[0], T)


def run(experiment):
    """Carry out an experiment -> `Outcome`. Deterministic; about 20 s on one core at the defaults."""
    e = experiment
    truth, frames = images(e)
    spins = recover(frames, e.camera.pixels_per_spin, e.L)
    # dead pixels can make a block unusable, and its patch is dropped; the camera here has none
    wrong = float((spins != truth).mean()) if spins.shape == truth.shape else float("nan")
    hamiltonian, result = learn(spins, film.reduced_temperature(e.T, e.t_c), e.n_steps, 100 * e.seed + e.network)
    return Outcome(e, wrong, curie_of(hamiltonian, spins, e.T), curie_classical(spins, e.T), hamiltonian, result)


def combine(outcomes):
    """(T_C, error) in K of several networks trained on the same images.

    The spread between networks knows nothing of the accident of these images, which all of them share: the error of the
    classical estimate, which does, is added in quadrature.
    """
    if len({o.experiment.seed for o in outcomes}) != 1:
        raise ValueError("outcomes: networks trained on the same images are wanted; one seed, different `network`")
    value, error = over_networks(*zip(*[o.network for o in outcomes], strict=True))
    return float(value), float(np.hypot(error, outcomes[0].classical[1]))
