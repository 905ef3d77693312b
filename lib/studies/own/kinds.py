r"""The kinds of configurations a file may hold, and all that depends on the kind.

Everything else is said in these quantities of configurations c [n, ...]:

    operators   the sums O_a a readable Hamiltonian is made of, H = -sum_a J_a O_a (for paths S = +sum_a c_a O_a)
    energy      ising, xy: -O_nn / N, whatever the true energy is; path: mean (x_{i+1} - x_i)^2
    order       ising: |m|; xy: |mean of exp(i theta)|; path: mean x^2
    signed      what a symmetry of the system makes zero on average: m; the two components of the mean spin; mean x

Here are spins and angles on lattices, and paths; scalar fields are in `fields.py`, spins on a ring in `spin_chains.py`,
what all must bring in `base.py`.

The networks are the book's: the Markov lattice for spins, the one with O(2) for angles, the Markov ring with mixtures
of Gaussians for paths (in units of the root mean square of x). A symmetry is imposed, by construction or by
augmentation, only where the file does not contradict it (`symmetries.py`); O(2) is the exception, it cannot be
switched off.
"""

from dataclasses import replace
from math import prod

import numpy as np

from lib import lattice
from lib.analysis import action, action_floor, couplings
from lib.models.heads.discrete import Bernoulli
from lib.models.heads.real import GaussianMixture
from lib.models.learned import Units
from lib.models.markov_lattice import MarkovLattice
from lib.models.markov_ring import MarkovRing
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.samplers import chains
from lib.studies import recipes
from lib.studies.own import symmetries
from lib.studies.own.base import CouplingReading, Kind, LatticeKind
from lib.studies.own.fields import FieldFile
from lib.studies.own.spin_chains import ChainFile
from lib.studies.own.symmetries import allows
from lib.systems import double_well, ising, xy
from lib.systems.double_well import Couplings

# for the transfer matrix, whose grid is 8 wide in steps of 0.02: the largest |x|, and the kinetic coupling beyond which
# hops are no longer than three steps
REACH, FINEST = 3.4, 250.0
LARGE = 32 * 32  # sites beyond which p is averaged over fewer images


class SpinFile(LatticeKind):
    """Ising spins, int8 [n, rows, columns]; without a field where the file does not contradict the flip."""

    name = "ising"
    operator_names = ("nn", "nnn", "third", "plaquette", "field")
    energy_name = "-(sum of s s' over nearest neighbours) / N"
    order_name = "|m|"
    classical_name = "pseudolikelihood"
    signed_names = ("m",)
    convention = "H = -J sum s s', each bond once, s = +-1"
    factors = (
        "J = 2 usually means a program that counts each bond twice (a flip costs 4 J s sum s', here 2 J s sum s'), "
        "J = 1/2 one that gives half a bond to each end (a flip costs J s sum s'), J = 1/4 spins of +-1/2, or 0 and 1"
    )
    asymmetries = {"flip": lambda s: ising.magnetization(s) / s[0].size, **symmetries.SQUARE}
    discrete = True
    move = staticmethod(ising.flip_one)

    def operators(self, s):
        return ising.operators(s, self.operator_names)

    def energy(self, s):
        return ising.energy(s) / s[0].size

    def order(self, s):
        return np.abs(ising.magnetization(s)) / s[0].size

    def signed(self, s):
        return ising.magnetization(s)[:, None] / s[0].size

    def independent_sites(self, training, test):
        up = np.clip((1 + training.mean(dtype=float)) / 2, 1e-12, 1 - 1e-12)
        n_up = (test == 1).sum((1, 2))
        return n_up * np.log(up) + (test[0].size - n_up) * np.log1p(-up)

    def network(self, training, broken, seed):
        shape = training.shape[1:]
        model = MarkovLattice(shape, Bernoulli(), odd=allows(broken, "flip"), seed=seed)
        return model, replace(recipes.SPINS["markov_lattice"], augment=symmetries.lattice_moves(shape, broken))

    def chain(self, shape, T0, couplings):
        return chains.Ising(shape, T0, couplings=couplings)

    def group(self, shape, broken):
        return symmetries.lattice_group(shape, broken, most=16 if prod(shape) <= LARGE else 4)

    def coupling_names(self, broken):
        return self.operator_names[:-1] if allows(broken, "flip") else self.operator_names

    def representative(self, few, broken):
        return couplings.both_signs(few[::2]) if allows(broken, "flip") else few

    def operations(self, shape, seed):
        return {"flip": [lambda s: -s]} | symmetries.lattice_operations(shape)

    def restored(self, values):
        return values.astype(np.int8)

    def classical(self, training, names, T0):
        if min(training.shape[1:]) <= 4:  # both third neighbours along an axis are one site
            return None
        return couplings.pseudolikelihood(ising.local_sums(training, names), T0, names)


def _mean_spin(theta):
    return np.stack([np.cos(theta).mean((1, 2)), np.sin(theta).mean((1, 2))], axis=1)


class AngleFile(LatticeKind):
    """Angles, float64 [n, rows, columns]. Reflection: the mean sine of differences changes sign."""

    name = "xy"
    operator_names = tuple(xy.OPERATORS)
    energy_name = "-(sum of cos over nearest neighbours) / N"
    order_name = "|mean spin|"
    signed_names = ("mean of cos", "mean of sin")
    convention = "H = -J sum cos(theta - theta'), each bond once"
    factors = (
        "J = 2 usually means a program that counts each bond twice, J = 1/2 one that gives half a bond to each end, "
        "or a Metropolis step with half the energy difference"
    )
    asymmetries = {
        "rotation, cos": lambda theta: _mean_spin(theta)[:, 0],
        "rotation, sin": lambda theta: _mean_spin(theta)[:, 1],
        "reflection": lambda theta: xy.currents(theta).sum(1) / theta[0].size,
        **symmetries.SQUARE,
    }
    move = staticmethod(xy.rotate_one)

    def operators(self, theta):
        return xy.operators(theta)

    def energy(self, theta):
        return xy.energy(theta) / theta[0].size

    def order(self, theta):
        return np.hypot(*_mean_spin(theta).T)

    def signed(self, theta):
        return _mean_spin(theta)

    def independent_sites(self, training, test):
        return np.full(len(test), -test[0].size * np.log(2 * np.pi))

    def network(self, training, broken, seed):
        shape = training.shape[1:]
        model = O2MarkovLattice(shape, seed=seed)
        return model, replace(recipes.ANGLES["equivariant"], augment=symmetries.lattice_moves(shape, broken))

    def chain(self, shape, T0, couplings):
        return chains.XY(shape, T0, couplings=couplings)

    def group(self, shape, broken):
        return symmetries.lattice_group(shape, broken, most=4)

    def operations(self, shape, seed):
        turns = np.random.default_rng(seed).uniform(0, 2 * np.pi, 3)
        o2 = [lambda t, a=a: (t + a) % (2 * np.pi) for a in turns] + [lambda t: -t % (2 * np.pi)]
        return {"O(2) of the spins": o2} | symmetries.lattice_operations(shape)

    def restored(self, values):
        return values % (2 * np.pi)


class PathFile(Kind):
    """Paths, float64 [n, N]."""

    name = "path"
    is_action = True
    operator_names = ("kinetic", "quadratic", "quartic")
    energy_name = "mean (x_{i+1} - x_i)^2"
    order_name = "mean x^2"
    explained_part = "the slopes of the learned action"
    classical_name = "score matching"
    signed_names = ("mean x",)
    convention = "S = sum k/2 (x' - x)^2 + q/2 x^2 + g/4 x^4, k kinetic, q quadratic, g quartic"
    factors = (
        "2 k and 2 q usually mean a program without the two 1/2; lambda x^4 is read as g = 4 lambda, "
        "(lambda / 4!) x^4 as g = lambda / 6"
    )
    asymmetries = symmetries.RING

    def operators(self, x):
        return double_well.operators(x)

    def energy(self, x):
        return ((np.roll(x, -1, 1) - x) ** 2).mean(1)

    def order(self, x):
        return (x**2).mean(1)

    def signed(self, x):
        return x.mean(1)[:, None]

    def independent_sites(self, training, test):
        centre, variance = training.mean(), training.var()
        n_sites = test.shape[1]
        return -((test - centre) ** 2).sum(1) / (2 * variance) - n_sites / 2 * np.log(2 * np.pi * variance)

    def network(self, training, broken, seed):
        centre = 0.0 if allows(broken, "sign", "sign, cubic") else float(training.mean())
        units = Units(float(np.sqrt(((training - centre) ** 2).mean())), centre)
        recipe = replace(recipes.PATHS["markov_ring"], augment=symmetries.path_moves(broken), preprocess=units)
        return MarkovRing(training.shape[1], GaussianMixture(), seed=seed), recipe

    def chain(self, shape, T0, couplings):
        return chains.DoubleWell(Couplings(*(each / T0 for each in couplings.values())), *shape)

    def group(self, shape, broken):
        (side,) = shape
        every = allows(broken, "sign", "sign, cubic", "boundary", "reversal")
        return lattice.ring_group(side, 2 if side % 2 == 0 else 1) if every else None

    def read(self, hamiltonian, test, few, broken, seed):
        gradient = hamiltonian.gradient(test)
        explained = action.read(test, gradient, keep=0.995, blocks=20).explained
        readable = action.read_values(test, hamiltonian.T0 * hamiltonian.action(test), blocks=20)
        values, errors = readable.coefficients[:3], readable.errors[:3]
        read = couplings.Couplings(self.operator_names, values, errors, float("nan"), float("nan"))
        return CouplingReading(read, None, explained, (test * gradient).mean(1) / hamiltonian.T0)

    def operations(self, shape, seed):
        return symmetries.path_operations(*shape)

    def classical(self, training, names, T0):
        values, errors = action_floor.score_matching(training, blocks=20)
        return couplings.Couplings(self.operator_names, T0 * values, T0 * errors, float("nan"), float("nan"))

    def most_likely(self, training, T0, names=None):
        unit = np.abs(training).max() / REACH
        y = training / unit
        start = Couplings(*action_floor.score_matching(y, blocks=20).value)
        if start.kinetic > FINEST:
            return None
        try:
            best = action_floor.maximum_likelihood(y, start, blocks=20)
        except ValueError:
            return None
        scale = T0 / unit ** np.array([2, 2, 4])
        values, errors = np.array(best.couplings[:3]) * scale, best.errors * scale
        return couplings.Couplings(self.operator_names, values, errors, float("nan"), float("nan"))


BY_NAME = {kind.name: kind for kind in (SpinFile(), AngleFile(), PathFile(), FieldFile(), ChainFile())}
