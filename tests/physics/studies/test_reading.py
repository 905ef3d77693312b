"""A network beside its floor."""

import numpy as np
import pytest

from lib.analysis import action, action_floor
from lib.analysis.action import Readable
from lib.statistics import Estimate
from lib.studies import reading
from lib.studies.sources import Paths
from lib.studies.task import Task
from lib.systems import double_well
from lib.systems.double_well import Couplings

BETA, N, M = 8.0, 16, 40
TRUE = np.array(double_well.couplings(BETA, N)[:3])


def read(rng, extra):
    """`ReadAction` as from paths at the bound, whose network adds `extra` bounds of its own."""
    inverse = np.linalg.inv(action_floor.information(double_well.couplings(BETA, N), N)) / 1000
    likely = rng.multivariate_normal(TRUE, inverse)
    network = likely + extra * np.sqrt(np.diag(inverse)) * rng.normal(size=3)
    readable = Readable(np.append(network, 0.0), np.zeros(4), 1.0)
    couplings = Couplings(*likely)
    task = Task("kinetic_ring", Paths(BETA, N), 1000, 0, 0)
    return reading.ReadAction(task, None, Estimate(0.0, 0.0), readable, readable, couplings, couplings, [], 0.0)


@pytest.mark.parametrize("extra", [0.5, 2.0])
def test_the_ratio_is_what_a_network_adds_to_the_bound(extra):
    rng = np.random.default_rng(1)
    found = reading.beside_floor([read(rng, extra) for _ in range(M)])
    expected = np.sqrt(1 + extra**2)
    assert (np.abs(found.ratio.value - expected) < 4 * found.ratio.error).all()
    assert (found.ratio.error < 0.25 * expected).all()
    true = action.physical(TRUE, BETA / N)
    assert np.allclose(true, [double_well.LAMBDA, double_well.MU_SQUARED, 1.0])
    assert (np.abs(found.networks.value - true) < 4 * found.networks.error).all()
    # the likely values scatter by the bound, in the units of lambda, mu^2 and the kinetic term
    scatter = found.likely.error * np.sqrt(M) / found.bound
    assert (np.abs(scatter - 1) < 4 / np.sqrt(2 * M)).all()
    # and the ratio is the scatter of the networks around the truth, within what M of them can tell
    assert (np.abs(found.networks.error * np.sqrt(M) / found.bound / expected - 1) < 4 / np.sqrt(2 * M)).all()
