r"""What a file of configurations says before any network has seen it: independence, duplicates, symmetries, a split.

One `Kind` for spins, angles and paths each names the quantities that everything else is said in:

    operators   the sums O_a a readable Hamiltonian is made of, H = -sum_a J_a O_a (for paths S = +sum_a c_a O_a)
    energy      ising, xy: -O_nn / N, whatever the true energy is; path: mean (x_{i+1} - x_i)^2
    order       ising: |m|; xy: |mean of exp(i theta)|; path: mean x^2
    signed      what a symmetry of the system makes zero on average: m; the two components of the mean spin; mean x

Autocorrelations are taken along the file, as if its order were the order in time: tau_int = 1/2 + sum rho, in
configurations of the file, so that n of them count as n / 2 tau_int independent ones. Errors of averages of the file
come from blocks of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lib.statistics import BLOCKS, block_sums, integrated_time, jackknife, owners
from lib.systems import ising, xy

TEST_BLOCKS, VALIDATION_BLOCKS = (3, 10, 17), (0, 7, 13)  # of BLOCKS, the others train
BROKEN = 4.0  # errors from zero at which a symmetry counts as broken in the data; of 20 blocks, 1 in 1000 by chance


class Kind(NamedTuple):
    """The quantities of one kind of configurations [n, ...], functions of these.

    operators: -> [n, a], called `names`.
    energy, order: -> [n].
    signed: -> [n, k].
    asymmetries: dict name -> function -> [n] that vanishes on average under a symmetry.
    """

    name: str
    names: tuple
    operators: Callable
    energy: Callable
    energy_name: str
    order: Callable
    order_name: str
    signed: Callable
    asymmetries: dict


def _sites(c):
    return c[0].size


# ---------------------------------------------------------------- spins and angles: bonds


def _bond(a, b):
    """s s', or cos of the difference of two angles."""
    return np.cos(a - b) if a.dtype.kind == "f" else a.astype(float) * b


def _bonds(c):
    """Local bond values along rows and along columns, [n, L, L] each."""
    return tuple(_bond(c, np.roll(c, -1, axis)) for axis in (2, 1))


def _axes(c):
    along, across = _bonds(c)
    return (along - across).mean((1, 2))


def _diagonals(c):
    """The two diagonal bonds of a square, less each other: zero where reflections are a symmetry."""
    one, two = (_bond(c, np.roll(c, (-1, step), (1, 2))) for step in (-1, 1))
    return (one - two).mean((1, 2))


def _boundary(c):
    """Mean bond across the boundary less the mean of all others: zero for periodic lattices."""
    along, across = _bonds(c)
    seam = (along[:, :, -1].mean(1) + across[:, -1, :].mean(1)) / 2
    inside = (along[:, :, :-1].mean((1, 2)) + across[:, :-1, :].mean((1, 2))) / 2
    return seam - inside


def _handed(theta):
    """Mean sin of the difference along rows and columns: changes sign under theta -> -theta."""
    return xy.currents(theta).sum(1) / theta[0].size


def _mean_spin(theta):
    return np.stack([np.cos(theta).mean((1, 2)), np.sin(theta).mean((1, 2))], axis=1)


ISING_NAMES = ("nn", "nnn", "third", "plaquette", "field")

ISING = Kind(
    name="ising",
    names=ISING_NAMES,
    operators=lambda s: ising.operators(s, ISING_NAMES),
    energy=lambda s: ising.energy(s) / _sites(s),
    energy_name="-(sum of s s' over nearest neighbours) / N",
    order=lambda s: np.abs(ising.magnetization(s)) / _sites(s),
    order_name="|m|",
    signed=lambda s: ising.magnetization(s)[:, None] / _sites(s),
    asymmetries={
        "flip": lambda s: ising.magnetization(s) / _sites(s),
        "boundary": _boundary,
        "axes": _axes,
        "diagonals": _diagonals,
    },
)

XY = Kind(
    name="xy",
    names=tuple(xy.OPERATORS),
    operators=xy.operators,
    energy=lambda t: xy.energy(t) / _sites(t),
    energy_name="-(sum of cos over nearest neighbours) / N",
    order=lambda t: np.hypot(*_mean_spin(t).T),
    order_name="|mean spin|",
    signed=_mean_spin,
    asymmetries={
        "rotation, cos": lambda t: _mean_spin(t)[:, 0],
        "rotation, sin": lambda t: _mean_spin(t)[:, 1],
        "reflection": _handed,
        "boundary": _boundary,
        "axes": _axes,
        "diagonals": _diagonals,
    },
)


# ---------------------------------------------------------------- paths


def _hops(x):
    return (np.roll(x, -1, 1) - x) ** 2


def _path_operators(x):
    """The sums with which S = kinetic O_1 + quadratic O_2 + quartic O_3, [n, 3]: `double_well.Couplings`."""
    return np.stack([_hops(x).sum(1) / 2, (x**2).sum(1) / 2, (x**4).sum(1) / 4], axis=1)


def _path_boundary(x):
    hops = _hops(x)
    return hops[:, -1] - hops[:, :-1].mean(1)


def _reversal(x):
    after = np.roll(x, -1, 1)
    return (x**3 * after - x * after**3).mean(1)


PATH = Kind(
    name="path",
    names=("kinetic", "quadratic", "quartic"),
    operators=_path_operators,
    energy=lambda x: _hops(x).mean(1),
    energy_name="mean (x_{i+1} - x_i)^2",
    order=lambda x: (x**2).mean(1),
    order_name="mean x^2",
    signed=lambda x: x.mean(1)[:, None],
    asymmetries={
        "sign": lambda x: x.mean(1),
        "sign, cubic": lambda x: (x**3).mean(1),
        "boundary": _path_boundary,
        "reversal": _reversal,
    },
)

KINDS = {kind.name: kind for kind in (ISING, XY, PATH)}


# ---------------------------------------------------------------- what the file says


class Average(NamedTuple):
    """Mean over the file, its error from blocks of it, and tau_int (1/2 + sum rho) in configurations of the file."""

    value: float
    error: float
    tau_int: float


def average(series):
    """`Average` of a series [n] along the file."""
    series = np.asarray(series, float)
    counts = block_sums(np.ones(len(series)), BLOCKS)
    sums = np.stack([block_sums(series, BLOCKS), counts], axis=1)
    value, error = jackknife(lambda total: total[0] / total[1], sums)
    return Average(float(value), float(error), integrated_time(series))


class Summary(NamedTuple):
    """Of a file of n configurations.

    energy, order: `Average`; signed: one of each component.
    tau_int: the larger of energy and order.
    n_effective: n / 2 tau_int, at most n.
    duplicates, repeats: configurations equal to an earlier one; to the one just before.
    changes: how often the first component of `signed` changes its sign along the file.
    drift: the larger of the differences of energy and order between the halves of the file, in errors.
    """

    n: int
    site_shape: tuple
    energy: Average
    order: Average
    signed: tuple
    tau_int: float
    n_effective: float
    duplicates: int
    repeats: int
    changes: int
    drift: float


def _drift(series):
    """Difference of the means of the two halves of a series, in errors from blocks of it."""
    halves = np.split(block_sums(series, BLOCKS) / block_sums(np.ones(len(series)), BLOCKS), 2)
    error = np.sqrt(sum(half.var(ddof=1) / len(half) for half in halves))
    return float(abs(halves[1].mean() - halves[0].mean()) / error) if error > 0 else 0.0


def summary(kind, c):
    """`Summary` of configurations c [n, ...] of a `Kind`, in the order of the file."""
    energy, order = average(kind.energy(c)), average(kind.order(c))
    signed = kind.signed(c)
    tau = max(energy.tau_int, order.tau_int)
    rows = np.ascontiguousarray(c).reshape(len(c), -1)
    distinct = len(np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))))
    sign = np.sign(signed[:, 0])
    sign = sign[sign != 0]
    return Summary(
        n=len(c),
        site_shape=c.shape[1:],
        energy=energy,
        order=order,
        signed=tuple(average(column) for column in signed.T),
        tau_int=tau,
        n_effective=len(c) / (2 * tau),
        duplicates=len(c) - distinct,
        repeats=int((rows[1:] == rows[:-1]).all(1).sum()),
        changes=int((sign[1:] != sign[:-1]).sum()),
        drift=max(_drift(kind.energy(c)), _drift(kind.order(c))),
    )


class Asymmetry(NamedTuple):
    """A quantity that a symmetry makes zero on average: what the file has for it, with the error from blocks."""

    value: float
    error: float
    broken: bool


def asymmetries(kind, c):
    """dict name -> `Asymmetry`: which symmetries the file itself contradicts, by more than `BROKEN` errors."""
    found = {}
    for name, function in kind.asymmetries.items():
        mean = average(function(c))
        found[name] = Asymmetry(mean.value, mean.error, bool(abs(mean.value) > BROKEN * mean.error))
    return found


class Split(NamedTuple):
    """Indices into the file: training, validation (early stopping) and test; no two of the sets are closer than `gap`
    configurations in the file."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    gap: int


def split(n, tau_int):
    """`Split` of a file of n configurations by blocks: 14 of 20 blocks train, 3 validate, 3 test, spread over the file.

    Single configurations drawn at random would have neighbours in time on the other side, and the test would be one of
    memory. Between blocks of different sets 3 tau_int configurations (at most a quarter of a block) are left out.
    """
    owner = owners(n)
    label = np.zeros(n, int)
    label[np.isin(owner, VALIDATION_BLOCKS)] = 1
    label[np.isin(owner, TEST_BLOCKS)] = 2
    gap = int(min(np.ceil(3 * tau_int), n // BLOCKS // 4)) if tau_int > 0.6 else 0
    keep = np.ones(n, bool)
    for edge in np.flatnonzero(label[1:] != label[:-1]) + 1:
        # the gap is taken from the larger set, the training
        side = slice(edge, edge + gap) if label[edge] == 0 else slice(edge - gap, edge)
        keep[side] = False
    return Split(*(np.flatnonzero(keep & (label == k)) for k in range(3)), gap)
