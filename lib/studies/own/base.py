"""What a kind of configurations must bring, and how couplings are read where single sites can be changed."""

from typing import NamedTuple

import numpy as np

from lib.analysis import couplings


class CouplingReading(NamedTuple):
    """What couplings say of one network.

    couplings, nearest: `Couplings` of all operators, and of nn alone (None for paths).
    explained: part of the mean square of what they were read from that they explain.
    schwinger_dyson: mean over sites of x dS/dx / T0 of every test path or field [m]; None for spins and angles.
    alarms: `Couplings` of terms that should not be there, read together with all others; None where there are none.
    """

    couplings: couplings.Couplings
    nearest: couplings.Couplings | None
    explained: float
    schwinger_dyson: np.ndarray | None
    alarms: couplings.Couplings | None = None


class Kind:
    """A kind of configurations c [n, ...]. broken: set of names of the symmetries that the file contradicts.

    name, operator_names, energy_name, order_name, signed_names: what a table calls it and its quantities.
    convention: the H or S whose couplings are read; factors: what other factors in front of them usually mean.
    asymmetries: name of a symmetry -> function of c to [n] whose average it makes zero.
    operators(c), energy(c), order(c), signed(c): the quantities above, [n, a], [n], [n] and [n, k]; energy per site.
    independent_sites(training, test): ln p [m] of a test set by independent sites distributed as in the training set.
    network(training, broken, seed): an untrained network and the `Recipe` to train it by.
    chain(shape, T0, couplings): `chains.Chain` of configurations [n, *shape] with the Hamiltonian of these couplings,
        dict name -> J, at T0; ValueError where they cannot be sampled.
    group(shape, broken): the group that p is averaged over, None for p as it is.
    read(hamiltonian, test, few, broken, seed): `CouplingReading`; few: configurations to try local moves on.
    operations(shape, seed): of every kind of symmetry, contradicted or not: name -> list of functions of c.
    restored(values): configurations in the type of the file from those of a learned Hamiltonian, float64 [n, ...].
    """

    discrete = False  # can two independent configurations be equal?
    has_phases = True  # may the file be of one of two phases, which no coupling prefers?
    is_action = False  # is S = +sum_a c_a O_a read, not H = -sum_a J_a O_a?
    exact_for = "nearest neighbours"  # the context of the network
    explained_part = "what the networks say about local changes"  # what couplings are to explain
    classical_name = "without a network"  # of the method of `classical`
    most_likely_name = "maximum likelihood"  # of that of `most_likely`

    def coupling_names(self, broken):
        """Names of the couplings that are read."""
        return self.operator_names

    def restored(self, values):
        return values

    def classical(self, training, names, T0):
        """`Couplings` of the same configurations without a network, None where there is no such estimate."""
        return None

    def most_likely(self, training, T0, names=None):
        """`Couplings` of maximum likelihood, where ln Z is known for all of them, or of what comes close to it; None
        elsewhere. names: of the couplings that are read."""
        return None


class LatticeKind(Kind):
    """What spins and angles have in common; move: random local moves, (c, rng) -> changed copies."""

    def representative(self, few, broken):
        """Configurations to try local moves on."""
        return few

    def read(self, hamiltonian, test, few, broken, seed):
        names = self.coupling_names(broken)

        def operators(c):
            return self.operators(c)[:, : len(names)]

        few = self.representative(few, broken)
        tried = couplings.try_moves(hamiltonian, few, operators, names, self.move, seed=seed)
        read = couplings.read_moves(tried, hamiltonian.T0)
        nearest = couplings.read_moves(tried, hamiltonian.T0, ("nn",))
        return CouplingReading(read, nearest, _explained(tried, read, hamiltonian.T0), None)


def _explained(tried, read, T0):
    """Part of the weighted mean square of T0 (ln p(s') - ln p(s)) that couplings explain."""
    q = 1 / (1 + np.exp(-np.clip(tried.log_ratio, -50, 50)))
    weight = q * (1 - q)
    return float(1 - read.residual**2 * weight.sum() / (weight * (T0 * tried.log_ratio) ** 2).sum())
