"""Symmetries of a periodic square lattice: translations and the point group D4 (rotations and reflections).

Configurations are torch tensors or numpy arrays [n, L, L]; every function is a plain rearrangement of sites and never
changes a value. A group element is `(point, shift)`: `point` in 0 ... 7 counts D4 (bit 0: reflect rows, bit 1: reflect
columns, bit 2: transpose), `shift` is a translation `(rows, columns)`.
"""

from typing import NamedTuple

import numpy as np
import torch


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


class Image(NamedTuple):
    """One element of the lattice group as a function configurations [n, L, L] -> configurations."""

    point: int
    shift: tuple

    def __call__(self, configurations):
        return transform(configurations, self.point, self.shift)


def random_transform(configurations, generator, chunks=16):
    """Each of `chunks` parts of a batch [n, L, L] under its own random group element; for training.

    generator: a torch.Generator on the CPU. The augmentation is uniform over the 8 L^2 elements.
    """
    side = configurations.shape[1]
    images = []
    for part in torch.as_tensor(configurations).chunk(chunks):
        point = int(torch.randint(8, (1,), generator=generator))
        shift = torch.randint(side, (2,), generator=generator).tolist()
        images.append(transform(part, point, shift))
    return torch.cat(images)


def subgroup(side):
    """16 elements that form a group, as `Image`: D4 times the shift by (L/2, L/2). Averages over it are invariant."""
    return [Image(point, shift) for shift in ((0, 0), (side // 2, side // 2)) for point in range(8)]
