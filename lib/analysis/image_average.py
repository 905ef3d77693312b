r"""The symmetries of a lattice restored in a learned Hamiltonian: by averaging p over the images of s, or H.

A network gives every image g s under a group G an energy of its own. Three Hamiltonians follow:

    bare    -T0 ln p_theta(s),
    p       -T0 ln (1/|G|) sum_g p_theta(g s),
    H       -T0 (1/|G|) sum_g ln p_theta(g s).

Only the second is minus the logarithm of something normalised: KL and ln Z need it. At T0 it leaves the average of
every symmetric observable exactly where the bare network has it, since sum_s O(s) p_theta(g s) = sum_s O(s) p_theta(s).

Write ln p_theta(g s) = ln p(s) + e_g with an error e_g of the network. The mean of H is off by -<e_g>, that of p by
-ln <exp e_g> ~ -<e_g> - Var(e_g) / 2, in units of T0. So averaging p keeps half the variance of the errors, which
lowers H wherever the images disagree (Jensen: it is nowhere above the mean of H), and they disagree where the network
is poor: at rare configurations, full of defects. These are more likely under an average of p than under one of H.
"""

from typing import NamedTuple

import numpy as np

from lib import lattice
from lib.analysis.reweighting import effective_sample_size
from lib.models.learned import LearnedHamiltonian
from lib.statistics import block_sums, jackknife

AVERAGES = ("bare", "p", "H")


class EveryImage(LearnedHamiltonian):
    """H_theta of every image: [G, n] in the place of [n], in the order of the group."""

    def _average(self, each):
        return each - self.model.n_sites * np.log(self.scale)


class MeanOverImages(LearnedHamiltonian):
    """H_theta averaged over the images of a group: the third of the list above."""

    def _average(self, each):
        return np.mean(each - self.model.n_sites * np.log(self.scale), axis=0)


def square(side):
    """The 8 symmetries of the square lattice, D4, the identity first."""
    return lattice.subgroup(side)[:8]


def every_image(hamiltonian, group):
    """`EveryImage` of a `LearnedHamiltonian`; group: functions of configurations, the identity first."""
    return EveryImage(hamiltonian.model, hamiltonian.T0, group, hamiltonian.preprocess)


def mean_over_images(hamiltonian, group=None):
    """`MeanOverImages` of a `LearnedHamiltonian`; group: see `every_image`, None for `square`."""
    group = square(hamiltonian.model.site_shape[0]) if group is None else group
    return MeanOverImages(hamiltonian.model, hamiltonian.T0, group, hamiltonian.preprocess)


def averages(energies, T0):
    """Dict of AVERAGES -> H [n], from the energies of every image [G, n]."""
    of_p = -T0 * (np.logaddexp.reduce(-energies / T0, axis=0) - np.log(len(energies)))
    return {"bare": energies[0], "p": of_p, "H": energies.mean(axis=0)}


class Shift(NamedTuple):
    """What is wrong with averages under a learned Hamiltonian: value [k] minus true value, error, and ESS / n."""

    value: np.ndarray
    error: np.ndarray
    ess: float


def shift(learned, true, observables, T, function=None, blocks=50):
    """`Shift` of averages at T under learned energies [n], on configurations drawn from the true Hamiltonian.

    learned, true: energies [n]. observables: [n, k]; function: of their averages [k], default these.
    The difference is taken on the same configurations with weights exp[-(learned - true) / T], so that most of their
    scatter cancels.
    """
    log_w = -(learned - true) / T
    w = np.exp(log_w - log_w.max())[:, None]
    observables = np.asarray(observables, float)
    columns = np.concatenate([w, w * observables, np.ones_like(w), observables], axis=1)
    function = function or (lambda means: means)

    def difference(total):
        weighted, plain = np.split(total, 2)
        return np.atleast_1d(function(weighted[1:] / weighted[0]) - function(plain[1:] / plain[0]))

    return Shift(*jackknife(difference, block_sums(columns, blocks)), effective_sample_size(log_w))
