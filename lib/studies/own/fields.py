r"""Files of real scalar fields, [n, rows, columns], with the weight exp(-S / T0).

The action that is read is that of `analysis/field_action.py`,

    S = sum  t/2 (phi_{t+1} - phi_t)^2  +  x/2 (phi_{x+1} - phi_x)^2  +  q/2 phi^2  +  f/4 phi^4,

t counting along the first axis of a field, x along the second: two couplings, since a field may be stretched. Fields
whose rows and columns are not alike are learned as such. The network is even under phi -> -phi by construction, and
sees fields in units of their root mean square.

Terms that are not in S, phi^6 and squared differences of other neighbours, are read as well, together with all others:
alarms.
"""

from dataclasses import replace

import numpy as np

from lib.analysis import field_action
from lib.analysis.couplings import Couplings
from lib.models.field_lattice import FieldLattice
from lib.models.learned import Units
from lib.samplers.scalar_field import Fields
from lib.statistics import block_sums, integrated_time, jackknife
from lib.studies import field_sources, scalar_field
from lib.studies.own import symmetries
from lib.studies.own.base import CouplingReading, Kind
from lib.studies.own.summary import BLOCKS

NAMES, ALARMS = field_action.NAMES, field_action.FORBIDDEN
EVERY = NAMES + ALARMS
FORCES = 1000  # fields on which the slope of S is taken
LARGE = 144  # sites, beyond which the smaller learning rate is taken


class ScaledFields(Fields):
    """The chain of a `phi_four.PhiFour` in units of a field of its own."""

    def __init__(self, field, unit):
        super().__init__(field)
        self.unit = unit

    def configurations(self, fields):
        return self.unit * fields


def _squares(phi):
    """Squared differences of neighbours along the first axis and along the second, [n, rows, columns] each."""
    return tuple((np.roll(phi, -1, axis) - phi) ** 2 for axis in (1, 2))


def _boundary(phi):
    """Squared differences across the boundary less the mean of all others: zero for periodic lattices."""
    along, across = _squares(phi)
    seam = (along[:, -1].mean(1) + across[:, :, -1].mean(1)) / 2
    inside = (along[:, :-1].mean((1, 2)) + across[:, :, :-1].mean((1, 2))) / 2
    return seam - inside


def _axes(phi):
    along, across = _squares(phi)
    return (along - across).mean((1, 2))


def _diagonals(phi):
    """phi phi' along one diagonal less that along the other: zero where reflections are a symmetry."""
    one, two = (np.roll(phi, (-1, step), (1, 2)) for step in (-1, 1))
    return (phi * (one - two)).mean((1, 2))


def read_values(phi, values, names, keep=field_action.KEEP, blocks=BLOCKS):
    """(g [a], errors [a], part of the variance explained) by least squares of an action [n] on the O_a of `names`.

    phi: fields [n, rows, columns], of which the typical ones count (`field_action.typical`).
    Errors: jackknife over blocks.
    """
    chosen = field_action.typical(phi, keep)
    sums, S = field_action.operators(phi[chosen], names), values[chosen]
    centre, scale = sums.mean(0), sums.std(0)
    columns = np.column_stack([(sums - centre) / scale, np.ones(len(S)), S - S.mean()])

    def solve(moments):
        return np.linalg.lstsq(moments[:-1, :-1], moments[:-1, -1], rcond=None)[0]

    g, errors = jackknife(solve, block_sums(columns[:, :, None] * columns[:, None, :], blocks))
    left = columns[:, -1] - columns[:, :-1] @ g
    return g[:-1] / scale, errors[:-1] / scale, float(1 - left.var() / S.var())


def read_action(phi, values, names):
    """`Couplings` of an action [n] on fields, and the part of the variance on typical ones that they explain.

    Networks of one kind share what is wrong with their tails: what changes from typical fields to all is an error, too.
    """
    g, errors, explained = read_values(phi, values, names)
    everywhere = read_values(phi, values, names, keep=1.0)[0]
    return Couplings(tuple(names), g, np.hypot(errors, g - everywhere), float("nan"), float("nan")), explained


def _of(read, names):
    """Those of `Couplings` that have these names."""
    kept = [read.names.index(name) for name in names]
    return read._replace(names=tuple(names), values=read.values[kept], errors=read.errors[kept])


class FieldFile(Kind):
    """Real fields, float64 [n, rows, columns]."""

    name = "field"
    is_action = True
    operator_names = EVERY
    energy_name = "(phi' - phi)^2 of neighbours, per site"
    order_name = "|mean phi|"
    explained_part = "the variance of the learned action, on typical fields"
    classical_name = "score matching"
    most_likely_name = "pseudolikelihood"
    signed_names = ("mean phi",)
    convention = (
        "S = sum t/2 (phi' - phi)^2 along the first axis + x/2 (phi' - phi)^2 along the second + q/2 phi^2 + "
        "f/4 phi^4, t time, x space, q square, f fourth, each bond once"
    )
    factors = (
        "time = space = 2 usually means a program without the 1/2 of the kinetic term, and 2 q one without that of the "
        "mass; lambda phi^4 is read as f = 4 lambda, (lambda / 4!) phi^4 as f = lambda / 6; the hopping form "
        "-2 kappa sum phi phi' + phi^2 + lambda (phi^2 - 1)^2 as time = space = 2 kappa, q = 2 - 4 lambda - 8 kappa, "
        "f = 4 lambda; where t = x is not 1, the field is in other units: m^2 = q / t, lambda = f / t^2"
    )
    asymmetries = {
        "sign": lambda phi: phi.mean((1, 2)),
        "sign, cubic": lambda phi: (phi**3).mean((1, 2)),
        "boundary": _boundary,
        "axes": _axes,
        "diagonals": _diagonals,
    }

    def operators(self, phi):
        return field_action.operators(phi, EVERY)

    def coupling_names(self, broken):
        return NAMES

    def energy(self, phi):
        return sum(each.mean((1, 2)) for each in _squares(phi))

    def order(self, phi):
        return np.abs(phi.mean((1, 2)))

    def signed(self, phi):
        return phi.mean((1, 2))[:, None]

    def independent_sites(self, training, test):
        centre, variance = training.mean(), training.var()
        return -((test - centre) ** 2).sum((1, 2)) / (2 * variance) - test[0].size / 2 * np.log(2 * np.pi * variance)

    def network(self, training, broken, seed):
        units = Units(_unit(training))
        pace = "field_lattice_slow" if training[0].size > LARGE else "field_lattice"
        recipe = replace(
            field_sources.NETWORKS[pace], augment=symmetries.lattice_moves(training.shape[1:], broken), preprocess=units
        )
        return FieldLattice.from_fields(units(training), seed=seed), recipe

    def chain(self, shape, T0, couplings):
        time, space, square, fourth = g = np.array([couplings[name] for name in NAMES]) / T0
        if not (time > 0 and space > 0):
            raise ValueError("neighbours are not coupled to be alike")
        if fourth <= 0 and square <= 0:
            raise ValueError("the action has no lower bound, fourth is negative")
        g[3] = max(fourth, 0.0)  # of a free field it is read as about zero, of either sign; else the width will tell
        return ScaledFields(*scalar_field.as_field(g, *shape[::-1]))

    def group(self, shape, broken):
        return symmetries.lattice_group(shape, broken, most=4)

    def read(self, hamiltonian, test, few, broken, seed):
        S = hamiltonian.T0 * hamiltonian.action(test)
        read, explained = read_action(test, S, NAMES)
        alarms, _ = read_action(test, S, EVERY)
        some = test[:: max(1, len(test) // FORCES)]
        force = (some * hamiltonian.gradient(some)).mean((1, 2)) / hamiltonian.T0
        return CouplingReading(read, None, explained, force, _of(alarms, ALARMS))

    def operations(self, shape, seed):
        return {"sign": [lambda phi: -phi]} | symmetries.lattice_operations(shape)

    def classical(self, training, names, T0):
        return _in_units(lambda phi: field_action.score_matching(phi, names, BLOCKS), training, names, T0)

    def most_likely(self, training, T0, names=NAMES):
        """By pseudolikelihood, whose errors are made wider by the autocorrelation along the file."""
        try:
            read = _in_units(field_action.pseudolikelihood, training, NAMES, T0)
        except (ValueError, np.linalg.LinAlgError):
            return None
        if not np.isfinite([*read.values, *read.errors]).all():
            return None
        tau = max(integrated_time(column) for column in field_action.operators(training).T)
        return read._replace(errors=read.errors * np.sqrt(2 * tau))


def _unit(phi):
    return float(np.sqrt((phi**2).mean()))


def _in_units(method, phi, names, T0):
    """`Couplings` by a method that gives an `Estimate` of g, in units of the fields in which it is well conditioned."""
    unit = _unit(phi)
    powers = np.array([field_action.POWERS.get(name, 2) for name in names])
    value, error = method(phi / unit)
    return Couplings(tuple(names), T0 * value / unit**powers, T0 * error / unit**powers, float("nan"), float("nan"))
