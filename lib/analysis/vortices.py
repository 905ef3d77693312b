r"""What a network of one temperature knows about vortices: a score for every square, judged against the winding number.

The talk's delta q adds up "conditional-probability differences in the same given direction" around a square. Mere
differences of a single-valued function of the sites add up to zero around any loop. Our definition: draw the
lattice in a given direction g; at every site the network has a conditional density, and sees an angle. The surprise of
that angle, in nats,

    u_i = - ln q_g(theta_i | before i),

is large where the neighbours did not announce it. delta q of a square is the sum of u over its four corners. One
direction sees a vortex best at its last corner; the symmetrised score averages over 16 directions, the lattice
symmetries of `lattice.subgroup`.

A score is judged by the area under its ROC curve (AUC): the probability that a square with a vortex gets more than one
without. Since a vortex costs energy, any measure of energy has a high AUC. The AUC at equal energy compares squares of
the same energy only. delta q sums over four corners and sees twelve bonds, four of the square and eight around it; so
what a score of energy alone could know is `neighbourhood_energy`, and that is what has to be held fixed.
"""

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import mannwhitneyu

from lib import lattice
from lib.systems import xy


@torch.no_grad()
def surprise(hamiltonian, theta, batch=64):
    """u_i [n, L, L] of angles [n, L, L] in the network's own drawing direction."""
    model, maps = hamiltonian.model, []
    for start in range(0, len(theta), batch):
        values = model.flatten(hamiltonian.preprocess(theta[start : start + batch]))
        parameters = model.conditionals(values)
        maps.append(model.unflatten(-model.head.log_prob(parameters, values)))
    return torch.cat(maps).double().numpy()


def symmetrised_surprise(hamiltonian, theta):
    """u_i averaged over 16 drawing directions, [n, L, L]."""
    L = theta.shape[-1]
    images = lattice.subgroup(L)
    sites, total = np.arange(L * L).reshape(1, L, L), np.zeros((len(theta), L * L))
    for image in images:
        u = surprise(hamiltonian, image(theta))
        total[:, image(sites).reshape(-1)] += u.reshape(len(theta), -1)
    return (total / len(images)).reshape(theta.shape)


def around_squares(values):
    """Sum over the four corners of every square, [n, L, L]; square (i, j) has its upper left corner there."""
    rows = values + np.roll(values, -1, 1)
    return rows + np.roll(rows, -1, 2)


def auc(score, positive):
    """Area under the ROC curve; ties count one half. nan unless some squares have a vortex and some have none.

    score, positive: of each square, [m], and whether it has a vortex.
    """
    score, positive = np.asarray(score), np.asarray(positive, bool)
    if positive.all() or not positive.any():
        return float("nan")
    u = mannwhitneyu(score[positive], score[~positive], method="asymptotic").statistic
    return float(u / (positive.sum() * (~positive).sum()))


def auc_at_equal(score, positive, energy, bins=30):
    """AUC among squares of equal energy; nan where no bin has squares with a vortex and some without.

    score, positive: [m], as in `auc`.
    energy: of each square, [m], cut into bins with equal numbers of vortices; the mean over bins is weighted by these.
    """
    if not np.any(positive):
        return float("nan")
    edges = np.quantile(energy[positive], np.linspace(0, 1, bins + 1))
    total, weight = 0.0, 0
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (energy >= low) & (energy < high)
        count = positive[inside].sum()
        if 0 < count < inside.sum():
            total += count * auc(score[inside], positive[inside])
            weight += count
    return total / weight if weight else float("nan")


def neighbourhood_energy(theta):
    """Sum over the four corners of every square of the energies of these sites, -sum cos over their four bonds each.

    What a sum over four corners can know without any network: twelve bonds, those of the square twice. [n, L, L].
    """
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return around_squares(-sum(np.cos(theta - lattice.neighbour(theta, *step)) for step in steps))


# ---------------------------------------------------------------- pairs


def _distance(a, b, L):
    """Distances [len(a), len(b)] of squares on the torus."""
    d = np.abs(a[:, None] - b[None])
    return np.hypot(*np.moveaxis(np.minimum(d, L - d), -1, 0))


def _matched(plus, minus, L):
    """Sum of the distances of vortices [k, 2] from antivortices [k, 2], matched so that it is least (scipy)."""
    d = _distance(plus, minus, L)
    return d[linear_sum_assignment(d)].sum()


def matched_pairs(theta):
    """Pairs of each configuration [n, L, L], and the sum of the distances of vortices from their antivortices: [n, 2].

    They are matched so that the total distance is least, an assignment problem that is solved exactly.
    """
    found = np.zeros((len(theta), 2))
    for k, v in enumerate(xy.vorticity(theta)):
        plus, minus = np.argwhere(v > 0), np.argwhere(v < 0)
        if len(plus):
            found[k] = len(plus), _matched(plus, minus, theta.shape[-1])
    return found


def random_pairs(numbers, L, rng):
    """The same for as many charges put down at random; numbers: of pairs in each configuration, [n]."""
    found = np.zeros((len(numbers), 2))
    for k, number in enumerate(np.asarray(numbers, int)):
        if number:
            places = np.stack(divmod(rng.permutation(L * L)[: 2 * number], L), axis=1)
            found[k] = number, _matched(places[::2], places[1::2], L)
    return found
