r"""Networks of angles side by side: the same configurations, the same computing time, tuned with the same effort.

Every trial has a seed for its configurations, weights and batches. An entrant trains for STEPS, as many as take the
same time; its learning rate, and whether it is shown symmetry images where that is a question, were chosen on held-out
configurations from one grid for all, with a third of the steps and on a seed that takes no part. All this takes too
long for a chapter: `data/xy_contest.py` writes the tables that it reads.

KL = <ln p - ln p_theta> needs ln Z. Thermodynamic integration knows it to some hundredths of a nat; draws of a good
network with weights p / p_theta to some thousandths: ln Z = ln <w>. So a row holds KL + ln Z, which no reference
enters, and ln Z as the network itself has it; the ln Z of all is the mean over the networks of REFERENCE.
"""

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lib.analysis import vortex_pairs
from lib.analysis.image_average import mean_over_images
from lib.analysis.reweighting import effective_sample_size, log_mean_weight
from lib.models.heads.equal_betas import EqualBetas
from lib.models.learned import Fraction, LearnedHamiltonian
from lib.models.masked_convolution import MaskedConvolution
from lib.statistics import Estimate, mean, over_networks
from lib.studies import recipes, task
from lib.systems import xy

# steps of a training that took 45 seconds of one otherwise idle core, measured once
STEPS = {"can": 1100, "made_beta": 870, "made_von_mises": 750, "convolution": 950, "equivariant": 1300}
TUNING = 3  # times fewer steps in a trial of the tuning
N_TRAIN, N_TEST, N_DRAWS, N_TURNED, N_PAIRS = 9000, 2000, 4000, 200, 160
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
TUNING_SEED, SEEDS = 900, (901, 902, 903, 904, 905)
TURNS = (0.0, 0.2, 0.4, 0.6, 0.8)


def paper_can(source, seed, _):
    """Three masked 3 x 3 convolutions of width 32 and three Beta densities of equal weight, as in the paper."""
    return MaskedConvolution(source.L, EqualBetas(3), depth=3, width=32, seed=seed)


BETAS = replace(recipes.OF_ANGLES, preprocess=Fraction(), augment=None)
ENTRANTS = {
    "can": replace(BETAS, build=paper_can),
    "made_beta": replace(BETAS, build=recipes.angle_made, batch=64),
    "made_von_mises": recipes.ANGLES["made_von_mises"],
    "convolution": recipes.ANGLES["convolution"],
    "equivariant": recipes.ANGLES["equivariant"],
}
REFERENCE = "equivariant"
SHOWN = {"can": (False, True), "made_beta": (False, True)}  # symmetry images, where that is a question; else as it is


def turn_fractions(s, generator):
    """`recipes.rotate_and_move` of s = theta / 2 pi."""
    tiny = 1e-6  # a Beta density has no value at its ends
    return (recipes.rotate_and_move(xy.TWO_PI * s, generator) / xy.TWO_PI).clamp(tiny, 1 - tiny)


class Trained(NamedTuple):
    """A network of the contest; nll_held_out: on the configurations its training held out, in nats."""

    hamiltonian: LearnedHamiltonian
    nll_held_out: float
    cpu_seconds: float
    n_weights: int


def train(network, source, n_train, n_steps, seed, rate, shown=False):
    """`Trained` entrant. shown: whether symmetry images are made of every batch, for the networks of SHOWN."""
    recipe = ENTRANTS[network]
    if network in SHOWN:
        recipe = replace(recipe, augment=turn_fractions if shown else None)
    data = recipe.preprocess(source.configurations(n_train, seed, "train"))
    model = recipe.build(source, seed, data)
    begin = time.process_time()
    fit = task.train(recipe, model, data, n_steps, seed, learning_rate=rate)
    seconds = time.process_time() - begin
    per_angle = model.n_sites * np.log(recipe.preprocess.scale)  # to densities with respect to d theta
    n_weights = sum(weight.numel() for weight in model.parameters())
    hamiltonian = LearnedHamiltonian(model, source.T, preprocess=recipe.preprocess)
    return Trained(hamiltonian, fit.nll_held_out + per_angle, seconds, n_weights)


def pair_backgrounds(source):
    """Angles [1 + L / 2][N_PAIRS, L, L] with a vortex pair at r = 0 ... L / 2 (0: none), the same for all entrants."""
    rng = np.random.default_rng([TUNING_SEED, 9])
    every = range(1 + source.L // 2)
    return [vortex_pairs.backgrounds(source.L, source.T, r, N_PAIRS, rng).theta for r in every]


class Judged(NamedTuple):
    """A trained network on new configurations, with errors where they are estimates.

    surplus: KL + ln Z in nats. ess: of its own draws with weights p / p_theta, effective samples / draws; log_z: from
    these. spread: largest minus smallest H / N when all spins turn, mean over configurations, in J.
    spread_of_mean: the same of the mean H / N of all configurations, in which most of it hides. pair_slope: of
    <H_theta - H> with a vortex pair on its potential, H_theta averaged over the images of the square; pair_far: the
    same difference at r = L / 2 minus that without a pair, in J.
    """

    surplus: float
    surplus_error: float
    ess: float
    log_z: float
    log_z_error: float
    spread: float
    spread_error: float
    spread_of_mean: float
    pair_slope: float
    pair_slope_error: float
    pair_far: float


def judge(hamiltonian, source, seed, pairs, n_test=N_TEST, n_draws=N_DRAWS):
    """`Judged` on n_test new configurations and n_draws of the network's own; pairs: of `pair_backgrounds`."""
    theta = source.configurations(n_test, seed, "test")
    surplus = mean(xy.log_density(theta, source.T, 0.0) - hamiltonian.log_prob(theta))
    drawn, log_drawn = hamiltonian.sample(n_draws, seed)
    log_w = xy.log_density(drawn, source.T, 0.0) - log_drawn
    ess = effective_sample_size(log_w)
    some = theta[:N_TURNED]
    turned = np.stack([hamiltonian.energy(xy.rotate(some, xy.TWO_PI * turn)) for turn in TURNS]) / some[0].size
    spread, of_mean = mean(np.ptp(turned, axis=0)), float(np.ptp(turned.mean(axis=1)))
    averaged = mean_over_images(hamiltonian)
    value, error = np.transpose([mean(averaged.energy(theta) - xy.energy(theta)) for theta in pairs])
    slope = vortex_pairs.line((value, error), vortex_pairs.potential(source.L)).slope
    log_z = log_mean_weight(log_w), float(np.sqrt((1 / ess - 1) / n_draws))
    return Judged(*surplus, ess, *log_z, *spread, of_mean, *slope, float(value[-1] - value[0]))


# ---------------------------------------------------------------- the tables


def read(file):
    """The table that `data/xy_contest.py` wrote, a structured array."""
    return np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf-8")


class Standing(NamedTuple):
    """An entrant over its seeds: `Estimate`s, and the number of its weights and of the steps of a training."""

    kl: Estimate
    ess: Estimate
    spread: Estimate
    spread_of_mean: Estimate
    pair_slope: Estimate
    seconds: float
    n_weights: int
    steps: int


def reference_log_z(table):
    """`Estimate` of ln Z from the draws of the networks of REFERENCE."""
    rows = table[table["network"] == REFERENCE]
    return over_networks(rows["log_z"], rows["log_z_error"])


def standing(table, network):
    """`Standing` of one entrant; every KL has the error of ln Z in common."""
    rows, log_z = table[table["network"] == network], reference_log_z(table)

    def over(name, errors=None, shared=0.0, less=0.0):
        errors = np.zeros(len(rows)) if errors is None else rows[errors]
        return over_networks(rows[name] - less, errors, shared=shared)

    return Standing(
        over("surplus", "surplus_error", log_z.error, log_z.value),
        over("ess"),
        over("spread", "spread_error"),
        over("spread_of_mean"),
        over("pair_slope", shared=float(rows["pair_slope_error"].mean())),
        float(np.median(rows["cpu_seconds"])),
        int(rows["n_weights"][0]),
        int(rows["steps"][0]),
    )
