"""The periodic square lattice: its shells of neighbours, and its symmetries, translations and the point group D4.

Configurations are torch tensors or numpy arrays [n, L, L]; every function is a plain rearrangement of sites and never
changes a value. A rectangle [n, rows, columns] has the same, but for what exchanges rows and columns.

A shell holds the displacements (rows, columns) of equal length up to symmetry, one of each pair r, -r. A group element
is `(point, shift)`: `point` in 0 ... 7 counts D4 (bit 0: reflect rows, bit 1: reflect columns, bit 2:
transpose), `shift` is a translation `(rows, columns)`.
"""

from typing import NamedTuple

import numba
import numpy as np
import torch


def check_side(L, even=False):
    """ValueError unless L is an integer of at least 2 (and even, where a checkerboard needs it)."""
    if int(L) != L or L < 2:
        raise ValueError(f"L = {L}: the lattice side must be an integer of at least 2")
    if even and L % 2:
        raise ValueError(f"L = {L}: a checkerboard needs an even lattice side, for example L = {int(L) + 1}")


def sides(side):
    """(rows, columns) of a lattice whose `side` is L, or both of them."""
    return (side, side) if np.ndim(side) == 0 else tuple(side)


def neighbour(x, rows, columns):
    """The value `rows` down and `columns` to the right of each site; x: [..., L, L]."""
    roll = torch.roll if isinstance(x, torch.Tensor) else np.roll
    return roll(x, (-rows, -columns), (-2, -1))


def shell(a, b):
    """The displacements that symmetry makes of (a, b), one of each pair r, -r: two, or four of a general direction."""
    every = {(x, y) for u, v in ((a, b), (b, a)) for x in (u, -u) for y in (v, -v)}
    return sorted((r for r in every if r > (0, 0)), key=lambda r: (r[0], -r[1]))


NEIGHBOURS = {"nn": shell(0, 1), "nnn": shell(1, 1), "third": shell(0, 2)}


def star(steps):
    """The displacements of shells with their opposites: all partners of a site."""
    return [*steps, *((-a, -b) for a, b in steps)]


def partner_sum(x, steps):
    """The sum of the values that are one of the steps away, at each site; x: [..., L, L]."""
    return sum(neighbour(x, *step) for step in steps)


# ---------------------------------------------------------------- symmetries


def transform(configurations, point, shift):
    """The image of configurations [n, L, L] under one element of the lattice group."""
    if point & 1:
        configurations = configurations[:, list(range(configurations.shape[1]))[::-1]]
    if point & 2:
        configurations = configurations[:, :, list(range(configurations.shape[2]))[::-1]]
    if point & 4:
        configurations = configurations.swapaxes(1, 2)
    roll = torch.roll if isinstance(configurations, torch.Tensor) else np.roll
    return roll(configurations, tuple(shift), (1, 2))


class Element(NamedTuple):
    """One element of the lattice group as a function configurations [n, L, L] -> configurations."""

    point: int
    shift: tuple

    def __call__(self, configurations):
        return transform(configurations, self.point, self.shift)


def random_transform(configurations, generator, points=tuple(range(8)), translations=True):
    """Every configuration of a batch [n, L, L] under a random group element of its own; for training.

    generator: a torch.Generator on the CPU
    points: the elements of D4 to choose from, uniformly; none that exchanges the axes of a rectangle
    translations: whether to shift as well, uniformly over all shifts
    """
    configurations = torch.as_tensor(configurations)
    n, *shape = configurations.shape
    point = torch.tensor(points)[torch.randint(len(points), (n,), generator=generator)]
    shift = torch.stack([torch.randint(side if translations else 1, (n,), generator=generator) for side in shape])
    moved = torch.empty_like(configurations, memory_format=torch.contiguous_format)
    _move(configurations.numpy(), point.numpy(), shift.numpy(), moved.numpy())
    return moved


@numba.njit(cache=True)
def _move(configurations, points, shifts, moved):
    """Fill `moved` [n, L, L]: configuration k under the group element points[k], shifts[:, k]."""
    n, rows, columns = configurations.shape
    row, column = np.empty(rows, np.int64), np.empty(columns, np.int64)
    for k in range(n):
        point, old, new = points[k], configurations[k], moved[k]
        by_row, by_column = shifts[0, k], shifts[1, k]
        if point & 4:
            by_row, by_column = by_column, by_row
        for i in range(rows):  # where the image takes its rows and columns from
            row[i] = (i - by_row) % rows
            if point & 1:
                row[i] = rows - 1 - row[i]
        for j in range(columns):
            column[j] = (j - by_column) % columns
            if point & 2:
                column[j] = columns - 1 - column[j]
        for i in range(rows):
            for j in range(columns):
                new[i, j] = old[row[j], column[i]] if point & 4 else old[row[i], column[j]]


def subgroup(side):
    """16 elements that form a group, as `Element`: D4 times the shift by (L/2, L/2). Averages over it are invariant."""
    return [Element(point, shift) for shift in ((0, 0), (side // 2, side // 2)) for point in range(8)]


class RingElement(NamedTuple):
    """One symmetry of a ring of N sites as a function of paths [n, N]: y_i = sign x_(start + direction i)."""

    start: int
    direction: int
    sign: int

    def __call__(self, paths):
        n_sites = paths.shape[1]
        return self.sign * paths[:, (self.start + self.direction * np.arange(n_sites)) % n_sites]


def ring_group(n_sites, shifts):
    """4 x `shifts` elements that form a group, as `RingElement`.

    They are translations by multiples of N / shifts, reversal and change of sign. ValueError unless `shifts` divides N.
    """
    if shifts < 1 or n_sites % shifts:
        raise ValueError(f"shifts = {shifts}: it must divide the number of sites, {n_sites}")
    starts = range(0, n_sites, n_sites // shifts)
    return [RingElement(start, way, sign) for sign in (1, -1) for start in starts for way in (1, -1)]
