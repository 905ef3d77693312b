r"""What a file of configurations says before any network has seen it: averages, independence, duplicates, a split.

Autocorrelations are taken along the file, as if its order were the order in time: tau_int = 1/2 + sum rho, in
configurations of the file, so that n of them count as n / 2 tau_int independent ones. Errors of averages of the file
come from blocks of it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lib.statistics import block_sums, integrated_time, jackknife

BLOCKS = 20  # of the file: for errors, and for the split
TEST_BLOCKS, VALIDATION_BLOCKS = (3, 10, 17), (0, 7, 13)
BROKEN = 4.0  # errors from zero that do not occur by chance; of 20 blocks, 1 in 1000


class FileAverage(NamedTuple):
    """Mean over the file, its error from blocks of it, and tau_int (1/2 + sum rho) in configurations of the file."""

    value: float
    error: float
    tau_int: float


def over_file(series):
    """`FileAverage` of a series [n] along the file."""
    series = np.asarray(series, float)
    counts = block_sums(np.ones(len(series)), BLOCKS)
    sums = np.stack([block_sums(series, BLOCKS), counts], axis=1)
    value, error = jackknife(lambda total: total[0] / total[1], sums)
    return FileAverage(float(value), float(error), integrated_time(series))


@dataclass(frozen=True)
class Summary:
    """Of a file of n configurations.

    energy, order, signed: `FileAverage` of the quantities of the kind; `signed` has one for each component.
    tau_int: the larger of those of energy and order.
    duplicates, repeats: configurations equal to an earlier one, and to the one just before.
    changes: how often the first component of `signed` changes its sign along the file.
    drift: the larger of the differences of energy and order between the halves of the file, in errors.
    """

    n: int
    energy: FileAverage
    order: FileAverage
    signed: tuple
    tau_int: float
    duplicates: int
    repeats: int
    changes: int
    drift: float

    @property
    def n_effective(self):
        """How many independent configurations they are worth: n / 2 tau_int, at most n."""
        return self.n / (2 * self.tau_int)


def _drift(series):
    """Difference of the means of the two halves of a series, in errors from blocks of it."""
    means = block_sums(series, BLOCKS) / block_sums(np.ones(len(series)), BLOCKS)
    halves = np.split(means, 2)
    error = np.sqrt(sum(half.var(ddof=1) / len(half) for half in halves))
    return float(abs(halves[1].mean() - halves[0].mean()) / error) if error > 0 else 0.0


def summarise(kind, c):
    """`Summary` of configurations c [n, ...] of a `Kind`, in the order of the file."""
    energy, order, signed = kind.energy(c), kind.order(c), kind.signed(c)
    averages = over_file(energy), over_file(order)
    rows = np.ascontiguousarray(c).reshape(len(c), -1)
    distinct = len(np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1])))))
    sign = np.sign(signed[:, 0])
    sign = sign[sign != 0]
    return Summary(
        n=len(c),
        energy=averages[0],
        order=averages[1],
        signed=tuple(over_file(column) for column in signed.T),
        tau_int=max(average.tau_int for average in averages),
        duplicates=len(c) - distinct,
        repeats=int((rows[1:] == rows[:-1]).all(1).sum()),
        changes=int((sign[1:] != sign[:-1]).sum()),
        drift=max(_drift(energy), _drift(order)),
    )


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
    owner = np.arange(n) * BLOCKS // n
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
