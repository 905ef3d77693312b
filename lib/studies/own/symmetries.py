"""Which symmetries a file contradicts, and imposing the others on a network.

Each symmetry of the system makes some quantity zero on average; a file in which it is not, by more than BROKEN errors,
contradicts the symmetry. `broken` is the set of the names of those. The others are imposed on a network: by showing it
every batch under random symmetries, and by averaging p over a group.
"""

import functools
from typing import NamedTuple

import numpy as np
import torch

from lib import lattice
from lib.analysis.hamiltonian_error import symmetry_changes
from lib.studies.own.summary import BROKEN, over_file


class Asymmetry(NamedTuple):
    """A quantity that a symmetry makes zero on average: what the file has for it, with the error from blocks."""

    value: float
    error: float
    broken: bool


def is_rectangle(c):
    """Are configurations [n, rows, columns] not square? No for rings."""
    return c.ndim == 3 and c.shape[1] != c.shape[2]


def asymmetries(kind, c):
    """dict name -> `Asymmetry` of configurations c [n, ...] of a `Kind`, in the order of the file."""
    found = {}
    for name, function in kind.asymmetries.items():
        if name == "axes" and is_rectangle(c):
            continue  # the shape alone makes them differ; `one_temperature` compares them with samples
        mean = over_file(function(c))
        found[name] = Asymmetry(mean.value, mean.error, bool(abs(mean.value) > BROKEN * mean.error))
    return found


def allows(broken, *names):
    """Is none of these symmetries contradicted by the file? broken: set of names."""
    return not broken & set(names)


def _alike(c, neighbour):
    """Bond values [n, L, L]: s s', or cos of the difference of two angles."""
    return np.cos(c - neighbour) if c.dtype.kind == "f" else c.astype(float) * neighbour


def _bonds(c):
    """Bond values along rows and along columns, [n, L, L] each."""
    return tuple(_alike(c, np.roll(c, -1, axis)) for axis in (2, 1))


def _axes(c):
    """Bonds along rows less those along columns: zero where they can be exchanged."""
    along, across = _bonds(c)
    return (along - across).mean((1, 2))


def _diagonals(c):
    """The two diagonal bonds of a square, less each other: zero where reflections are a symmetry."""
    one, two = (_alike(c, np.roll(c, (-1, step), (1, 2))) for step in (-1, 1))
    return (one - two).mean((1, 2))


def _boundary(c):
    """Mean bond across the boundary less the mean of all others: zero for periodic lattices."""
    along, across = _bonds(c)
    seam = (along[:, :, -1].mean(1) + across[:, -1, :].mean(1)) / 2
    inside = (along[:, :, :-1].mean((1, 2)) + across[:, :-1, :].mean((1, 2))) / 2
    return seam - inside


SQUARE = {"boundary": _boundary, "axes": _axes, "diagonals": _diagonals}


def point_group(shape, broken):
    """Elements of D4 (`lattice.transform`) that a lattice (rows, columns) has and the file does not contradict; they
    form a group."""
    exchange = shape[0] == shape[1] and allows(broken, "axes")
    return [p for p in range(8) if (exchange or not p & 4) and (allows(broken, "diagonals") or (p & 1) == (p & 2) // 2)]


def lattice_group(shape, broken, most=16):
    """`lattice.Element` of a group of at most `most` elements, to average p over. shape: (rows, columns)."""
    rows, columns = shape
    allowed, halves = point_group(shape, broken), rows % 2 == columns % 2 == 0 and allows(broken, "boundary")
    shifts = [(0, 0)] + ([(rows // 2, columns // 2)] if halves else [])
    images = [lattice.Element(p, shift) for shift in shifts for p in allowed]
    return images if len(images) <= most else [lattice.Element(p, (0, 0)) for p in allowed if p < 4]


def lattice_moves(shape, broken):
    """Function (batch [n, L, L], generator) -> every configuration under a random symmetry of its own."""
    return functools.partial(
        lattice.random_transform, points=tuple(point_group(shape, broken)), translations=allows(broken, "boundary")
    )


def lattice_operations(shape):
    """Operations of each kind of symmetry of a lattice (rows, columns): name -> list of functions of configurations."""
    shifts = (1, 0), (0, 1), (shape[0] // 2, shape[1] // 2)
    return {
        "translations": [lattice.Element(0, shift) for shift in shifts],
        "rotations and reflections": [lattice.Element(p, (0, 0)) for p in point_group(shape, set())[1:]],
    }


def _path_boundary(x):
    """Square of the hop across the boundary less the mean of all others: zero for periodic paths."""
    hops = (np.roll(x, -1, 1) - x) ** 2
    return hops[:, -1] - hops[:, :-1].mean(1)


def _reversal(x):
    after = np.roll(x, -1, 1)
    return (x**3 * after - x * after**3).mean(1)


RING = {
    "sign": lambda x: x.mean(1),
    "sign, cubic": lambda x: (x**3).mean(1),
    "boundary": _path_boundary,
    "reversal": _reversal,
}


def path_moves(broken):
    """Function (batch [n, N], generator) -> every path under a random translation, reversal and sign of its own."""

    def move(batch, generator):
        n, n_sites = batch.shape
        start, direction, sign = torch.zeros(n, 1, dtype=torch.long), 1, 1.0
        if allows(broken, "boundary"):
            start = torch.randint(n_sites, (n, 1), generator=generator)
        if allows(broken, "reversal"):
            direction = 2 * torch.randint(2, (n, 1), generator=generator) - 1
            start = torch.where(direction < 0, start + n_sites - 1, start)
        if allows(broken, "sign", "sign, cubic"):
            sign = 2.0 * torch.randint(2, (n, 1), generator=generator) - 1
        return batch.gather(1, (start + direction * torch.arange(n_sites)) % n_sites) * sign

    return move


def path_operations(n_sites):
    """Operations of each kind of symmetry of paths: name -> list of functions of paths."""
    shifts = sorted({1, n_sites // 4, n_sites // 2})
    return {
        "sign": [lambda x: -x],
        "translations": [lambda x, k=k: np.roll(x, k, 1) for k in shifts],
        "reversal": [lambda x: x[:, ::-1]],
    }


NEEDS = {  # what a file must not contradict for a symmetry to be one of the system
    "flip": ("flip",),
    "sign": ("sign", "sign, cubic"),
    "translations": ("boundary",),
    "rotations and reflections": ("axes", "diagonals"),
    "reversal": ("reversal",),
}


def changes(hamiltonian, c, operations):
    """dict name -> ln p(g c) - ln p(c), [g, n], under the operations g of each kind of symmetry."""
    return {name: -symmetry_changes(hamiltonian, c, each) / hamiltonian.T0 for name, each in operations.items()}


def violations(changed):
    """dict name -> (largest, rms) change of ln p, from `changes`."""
    return {name: (float(np.abs(each).max()), float(np.sqrt((each**2).mean()))) for name, each in changed.items()}


def worst_violation(changed, broken):
    """The `changes` of m networks, a list, under the kind of symmetry that they violate most, of those that the file
    does not contradict: m arrays [g, n], or None if it contradicts all."""
    names = [name for name in changed[0] if allows(broken, *NEEDS.get(name, ()))]
    if not names:
        return None
    worst = max(names, key=lambda name: np.mean([(each[name] ** 2).mean() for each in changed]))
    return [each[worst] for each in changed]
