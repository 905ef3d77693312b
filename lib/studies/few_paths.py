"""Paths of which a network sees few, for few steps: sources for the chapters that read an action.

The kinetic ring starts from a chain without end, which on a short circle couples neighbours too strongly, by ten
Cramer-Rao bounds. With the learning rate of `recipes.PATHS`, tuned for longer trainings, a thousand steps leave two of
them. Twice the rate leaves none that shows at spacings above 0.2; on finer lattices about one is left.
"""

from dataclasses import dataclass, replace

import numpy as np

from lib.studies import recipes
from lib.studies.sources import Paths, generator

KINETIC_RING = replace(recipes.PATHS["kinetic_ring"], learning_rate=3e-3)


@dataclass(frozen=True)
class FewPaths(Paths):
    """Paths as in `sources.Paths`, for short trainings."""

    networks = recipes.PATHS | {"kinetic_ring": KINETIC_RING}


@dataclass(frozen=True)
class DrawnPaths(FewPaths):
    """The same, drawn independently by transfer matrix for training, too.

    On a fine lattice Monte Carlo takes hundreds of sweeps for one of them: tau_int grows as 1 / a^2.
    """

    def configurations(self, n, seed, purpose="test"):
        return self.matrix().sample(n, generator(seed, purpose)).astype(np.float32)
