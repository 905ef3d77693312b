"""What the chapter on angles measures: distance from the truth, vortices, and their interaction.

The trainings are tasks (`task.py`) with `sources.Angles`.
"""

from typing import NamedTuple

import numpy as np

from lib import parallel
from lib.analysis import image_average, vortex_pairs, vortex_sign, vortices
from lib.analysis.divergence import kl_divergence
from lib.analysis.reweighting import effective_sample_size, log_mean_weight
from lib.statistics import Estimate, mean, over_blocks, over_networks, owners
from lib.studies.sources import Angles
from lib.systems import xy

# ---------------------------------------------------------------- distance from the truth


def divergence_given_log_z(hamiltonian, theta, log_z):
    """`Estimate` of the KL of the exact distribution from a network's, on angles [n, L, L] drawn at its T0.

    log_z: (value, error). Its error is a common shift and is added in quadrature.
    """
    value, error = log_z
    distance = kl_divergence(xy.log_density(theta, hamiltonian.T0, value), hamiltonian.log_prob(theta))
    return Estimate(distance.value, float(np.hypot(distance.error, error)))


class Assessed(NamedTuple):
    """Networks of one T0 together, `Estimate`s: KL of the exact distribution from theirs; of their own draws with
    weights p / p_theta the effective sample size per draw, and ln Z, which KL is taken with."""

    kl: Estimate
    ess: Estimate
    log_z: Estimate


def _own_log_z(hamiltonian, n, seed):
    """(effective sample size / n, ln Z, its error) from n draws of a network with weights p / p_theta."""
    drawn, log_q = hamiltonian.sample(n, seed)
    log_w = xy.log_density(drawn, hamiltonian.T0, 0.0) - log_q
    ess = effective_sample_size(log_w)
    return ess, log_mean_weight(log_w), float(np.sqrt((1 / ess - 1) / n))


def _divergence(hamiltonian, log_z, n, seed):
    """KL, an `Estimate`, on n new configurations at T0, given ln Z."""
    theta = Angles(hamiltonian.model.site_shape[0], hamiltonian.T0).configurations(n, seed)
    return divergence_given_log_z(hamiltonian, theta, (log_z, 0.0))


def assess(hamiltonians, seed, n=2000, n_draws=2000):
    """`Assessed` networks, side by side; ln Z is the mean of what they say themselves.

    n: new configurations for each. n_draws: of each network. seed: of the first.
    """
    draws = parallel.run((_own_log_z, h, n_draws, seed + k) for k, h in enumerate(hamiltonians))
    ess, values, errors = zip(*draws, strict=True)
    log_z = over_networks(values, errors)
    each = parallel.run((_divergence, h, log_z.value, n, seed + k) for k, h in enumerate(hamiltonians))
    kl = over_networks(*zip(*each, strict=True), shared=log_z.error)
    return Assessed(kl, over_networks(ess, np.zeros(len(ess))), log_z)


def energy_turned(hamiltonian, theta, turns):
    """H / N of angles [n, L, L], all spins turned by the same parts of a full turn [k]: [k, n]."""
    each = [hamiltonian.energy(xy.rotate(theta, xy.TWO_PI * turn)) for turn in turns]
    return np.stack(each) / theta[0].size


# ---------------------------------------------------------------- vortices


def vortex_scores(hamiltonians, theta):
    """What networks say about the squares of angles [n, L, L]: scores delta q, each [n, L, L].

    Returns those of every network, a list; and of the first one the surprise in one direction.
    """
    jobs = [(vortices.symmetrised_surprise, hamiltonian, theta) for hamiltonian in hamiltonians]
    jobs.append((vortices.surprise, hamiltonians[0], theta))
    *each, single = [vortices.around_squares(u) for u in parallel.run(jobs)]
    return each, single


class Areas(NamedTuple):
    """AUC of a score for vortices: among all squares, among squares of the same energy, and among squares whose
    neighbourhood (`vortices.neighbourhood_energy`) has the same energy."""

    all: Estimate
    equal_square: Estimate
    equal_neighbourhood: Estimate


def vortex_areas(score, theta):
    """`Areas` of a score [n, L, L] for the vortices of theta, errors over configurations."""
    return Areas(*(over_blocks(_area(score, theta, fixed), owners(len(theta))) for fixed in FIXED))


def area_difference(score, other, theta):
    """`Estimate` of the AUC at equal energy of the square of one score minus that of another, both [n, L, L]."""
    one, two = (_area(each, theta, xy.plaquette_energy) for each in (score, other))
    return over_blocks(lambda keep: one(keep) - two(keep), owners(len(theta)))


FIXED = (None, xy.plaquette_energy, vortices.neighbourhood_energy)


def _area(score, theta, fixed):
    """The AUC as a function of which configurations are kept."""
    vortex = xy.vorticity(theta) != 0
    energy = None if fixed is None else fixed(theta)

    def area(keep):
        columns = score[keep].ravel(), vortex[keep].ravel()
        return vortices.auc(*columns) if energy is None else vortices.auc_at_equal(*columns, energy[keep].ravel())

    return area


class Signs(NamedTuple):
    """A signed score: AUC of vortices against antivortices, and the share of squares with a vortex of either kind in
    which its sign is that of the winding; `Estimate`s."""

    auc: Estimate
    right: Estimate


def vortex_signs(energy, theta, n, seed):
    """`Signs` of the test charge under a Hamiltonian, energy(theta) -> [n], on n vortices and n antivortices."""
    which, squares, winding = vortex_sign.some_squares(theta, n, np.random.default_rng([seed, 6]))
    charged = winding != 0
    score = vortex_sign.signed_score(energy, theta[which][charged], squares[charged])
    sign, owner = winding[charged], owners(len(theta))[which[charged]]
    return Signs(
        over_blocks(lambda keep: vortices.auc(score[keep], sign[keep] > 0), owner),
        over_blocks(lambda keep: np.mean(np.sign(score[keep]) == sign[keep]), owner),
    )


# ---------------------------------------------------------------- the interaction of vortices


def interactions(hamiltonians, L, T, n, seed):
    """Dict of `image_average.AVERAGES` -> `vortex_pairs.Interaction`, on the same n backgrounds at every distance."""
    jobs = [(_pair_energies, hamiltonians, L, T, r, n, seed) for r in range(1 + L // 2)]
    exact, excess = zip(*parallel.run(jobs), strict=True)
    U = vortex_pairs.potential(L)
    exact = Estimate(*np.transpose(exact))
    found = {}
    for name in image_average.AVERAGES:
        each = np.array([[one[name] for one in row] for row in excess])  # [1 + R, m, 2]
        found[name] = vortex_pairs.Interaction(U, exact, Estimate(*each.transpose(2, 1, 0)))
    return found


def _pair_energies(hamiltonians, L, T, r, n, seed):
    """At distance r: the exact energy, an `Estimate`; of every network a dict of averages -> <H_theta - H>."""
    theta, energy = vortex_pairs.backgrounds(L, T, r, n, np.random.default_rng([seed, 9, r]))
    true, group = xy.energy(theta), image_average.square(L)
    excess = []
    for hamiltonian in hamiltonians:
        energies = image_average.every_image(hamiltonian, group).energy(theta)
        excess.append({k: mean(H - true) for k, H in image_average.averages(energies, hamiltonian.T0).items()})
    return mean(energy), excess
