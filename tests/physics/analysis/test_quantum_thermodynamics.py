"""Thermodynamics of levels, against ln Z of the transfer matrix, the harmonic oscillator and two levels."""

import numpy as np
import pytest

from lib.analysis import quantum_thermodynamics
from lib.systems import double_well
from lib.systems.double_well import Couplings, TransferMatrix


def test_two_levels_are_the_anomaly_of_schottky():
    gap, betas = 0.3, np.geomspace(0.1, 100, 400)
    found = quantum_thermodynamics.of_levels(np.array([0.0, gap]), betas)
    y = betas * gap / 2
    assert np.allclose(found.energy, gap / (np.exp(2 * y) + 1), rtol=1e-12)
    assert np.allclose(found.specific_heat, y**2 / np.cosh(y) ** 2, rtol=1e-9, atol=1e-14)
    assert found.entropy[0] == pytest.approx(np.log(2), rel=1e-3) and found.entropy[-1] < 1e-10
    assert found.specific_heat.max() == pytest.approx(0.4392, abs=1e-4)
    assert betas[found.specific_heat.argmax()] * gap == pytest.approx(2.40, abs=0.05)


def test_the_oscillator():
    """V = 2 x^2, of frequency 2: levels k w with sinh(w a / 2) = a on a lattice of spacing a; S and C of a boson."""
    a = 0.25
    w = 2 / a * np.arcsinh(a)
    energies = quantum_thermodynamics.levels(Couplings(1 / a, 4 * a, 1e-14), a)
    assert np.allclose(energies[:6], w * np.arange(6), rtol=1e-8, atol=1e-12)
    betas = np.array([1.0, 3.0])
    found = quantum_thermodynamics.of_levels(energies, betas)
    boson = 1 / np.expm1(betas * w)
    assert np.allclose(found.energy, w * boson, rtol=1e-6)
    assert np.allclose(found.specific_heat, (betas * w) ** 2 * boson * (1 + boson), rtol=1e-6)
    assert np.allclose(found.entropy, (1 + boson) * np.log(1 + boson) - boson * np.log(boson), rtol=1e-6)


def test_derivatives_of_ln_z_at_fixed_spacing():
    """E, S and C from ln Z at N - 2, N, N + 2 sites: other numbers of sites are other temperatures."""
    a, n = 0.25, 40
    couplings = double_well.couplings(a * n, n)
    around = [TransferMatrix(couplings, m) for m in (n - 2, n, n + 2)]
    ground = -np.log(TransferMatrix(couplings, 2)._scale) - around[0]._shift + couplings.constant
    log_z = np.array([matrix.log_z + m * ground for matrix, m in zip(around, (n - 2, n, n + 2), strict=True)])
    beta, step = a * n, 2 * a
    found = quantum_thermodynamics.of_levels(quantum_thermodynamics.levels(couplings, a), [beta])
    energy = -(log_z[2] - log_z[0]) / (2 * step)
    assert found.energy[0] == pytest.approx(energy, rel=2e-3)
    assert found.entropy[0] == pytest.approx(log_z[1] + beta * energy, rel=2e-3)
    heat = beta**2 * (log_z[2] - 2 * log_z[1] + log_z[0]) / step**2
    assert found.specific_heat[0] == pytest.approx(heat, rel=5e-3)
