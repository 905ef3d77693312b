"""Two routes to another temperature, the continuum, and the action of a kink, from exact actions."""

import numpy as np
import pytest

from lib.studies import thermodynamics
from lib.systems import double_well
from lib.systems.double_well import TransferMatrix


def test_both_routes_meet_where_their_lattices_are_the_same():
    beta, n = 8.0, 32
    couplings = double_well.couplings(beta, n)
    spacing = thermodynamics.at_fixed_spacing(couplings, beta / n, [beta])
    sites = thermodynamics.at_fixed_sites(double_well.couplings(3.0, n), 3.0, n, [beta])
    assert np.allclose(np.array(spacing), np.array(sites), rtol=1e-10)
    other = thermodynamics.at_fixed_sites(couplings, beta, n, [40.0])
    assert (
        abs(other.specific_heat[0] - thermodynamics.at_fixed_spacing(couplings, beta / n, [40.0]).specific_heat[0])
        > 0.01
    )


def test_the_continuum_of_exact_gaps():
    spacings = np.array([0.3125, 0.15625, 0.078125])
    gaps = [TransferMatrix(double_well.couplings(64 * a, 64), 64).gap(a) for a in spacings]
    assert thermodynamics.to_the_continuum(spacings, gaps) == pytest.approx(double_well.continuum_gap(), rel=1e-3)
    two = np.stack([gaps, gaps])
    assert thermodynamics.to_the_continuum(spacings, two).shape == (2,)


def test_the_action_of_a_kink():
    """On a fine lattice it is that of the continuum; a pair that has annihilated costs nothing."""
    beta, n = 10.0, 640
    couplings = double_well.couplings(beta, n)

    def action(paths):
        return double_well.action(paths, couplings)

    found = thermodynamics.instanton_action(action, beta, n)
    assert found == pytest.approx(thermodynamics.CONTINUUM_INSTANTON, rel=1e-3) and found == pytest.approx(
        5.174, abs=0.005
    )
    near, far = thermodynamics.pair_action(action, beta, n, [0.0, 5.0])
    assert abs(near) < 1e-9 and far == pytest.approx(2 * found, rel=1e-9)
