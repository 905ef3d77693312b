"""Rotors at finite density: exact numbers, against integrals over the angles, and the exact sampler."""

import itertools

import numpy as np
import pytest

from lib.systems import rotor_field, rotors
from lib.systems.rotor_field import Field
from tests.physics.standins import SIGMAS

KNOWN = [(16, 0.4, 0.001494, 0.551083), (16, 0.8, 0.473807, 0.126432), (32, 0.6, 0.001345, 0.058700)]


@pytest.mark.parametrize(("n_sites", "mu", "density", "phase"), KNOWN)
def test_density_and_phase(n_sites, mu, density, phase):
    assert rotors.density(1.0, n_sites, mu) == pytest.approx(density, abs=1e-6)
    assert rotors.average_phase(1.0, n_sites, mu) == pytest.approx(phase, abs=1e-6)


@pytest.mark.parametrize(("n_sites", "mu", "density"), [(16, 0.8, 0.4915), (64, 0.8, 0.4914), (16, 0.4, 0.195)])
def test_without_its_phase_the_weight_has_no_silver_blaze(n_sites, mu, density):
    assert rotors.quenched_density(1.0, n_sites, mu) == pytest.approx(density, abs=6e-4)


def test_onset():
    assert rotors.onset(1.0) == pytest.approx(0.8066, abs=1e-4)
    below, above = rotors.density(1.0, 400, np.array([0.78, 0.83]))
    assert below < 1e-3 and above > 1 - 1e-3  # a step of height one


def grid(n, points=24):
    """Angles [points^n, n] on which a mean is an integral."""
    return np.array(list(itertools.product(2 * np.pi * np.arange(points) / points, repeat=n)))


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_partition_function_is_the_integral(mu):
    """At a real mu of a complex weight, at an imaginary one of a positive one."""
    angles = grid(3)
    A, B = rotors.operators(angles)
    weight = np.exp(1.3 * (np.cosh(mu) * A + 1j * np.sinh(mu) * B))
    z = weight.mean()
    assert abs(z.imag) < 1e-12
    assert np.log(z.real) == pytest.approx(rotors.log_partition_function(1.3, 3, mu), abs=1e-10)
    slope = (1.3 * (np.sinh(mu) * A + 1j * np.cosh(mu) * B) * weight).mean() / z / 3
    assert slope.real == pytest.approx(rotors.density(1.3, 3, mu), abs=1e-10)
    assert z.real / np.abs(weight).mean() == pytest.approx(rotors.average_phase(1.3, 3, mu), abs=1e-10)
    p = np.exp(rotors.log_prob(angles, 1.3, mu)).mean() * (2 * np.pi) ** 3
    assert p == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("nu", [0.0, 0.9, np.pi / 2])
def test_what_is_drawn_has_the_exact_averages(nu):
    """Of A and B, from ln Z. The average at another beta is far away."""
    n = 40_000
    angles = rotors.sample(1.0, 6, nu, n, np.random.default_rng(1))
    action = rotors.action(angles, 1.0, nu)
    h = 1e-4

    def log_z(beta, at):
        return rotors.log_partition_function_at_imaginary(beta, 6, at)

    mean_action = -(log_z(1 + h, nu) - log_z(1 - h, nu)) / (2 * h)
    turning = -np.sin(rotors.steps(angles) + nu).sum(1)
    mean_turning = (log_z(1, nu + h) - log_z(1, nu - h)) / (2 * h)
    for found, exact in ((action, mean_action), (turning, mean_turning)):
        assert abs(found.mean() - exact) < SIGMAS * found.std() / np.sqrt(n)
    at_sites, n_terms = np.cos(rotors.steps(angles) + nu).mean(0), np.sqrt(n)
    assert np.abs(at_sites + mean_action / 6).max() < SIGMAS * np.cos(rotors.steps(angles) + nu).std() / n_terms
    wrong = -(log_z(1.1 + h, nu) - log_z(1.1 - h, nu)) / (2 * h)
    assert abs(action.mean() - wrong) > SIGMAS * action.std() / np.sqrt(n)


# ---------------------------------------------------------------- 1+1 dimensions


@pytest.mark.parametrize(("n_x", "density", "log_z"), [(2, 0.289577, 5.256507), (3, 0.302487, 6.727078)])
def test_transfer_matrix_of_currents(n_x, density, log_z):
    exact = rotor_field.exact(Field(0.6, 0.9, n_x, 8))
    assert exact.density == pytest.approx(density, abs=1e-6) and exact.log_z == pytest.approx(log_z, abs=1e-6)
    assert exact.probabilities.sum() == pytest.approx(1)


def test_currents_are_the_angles():
    """ln Z of a 2 x 2 lattice three ways: transfer matrix, sum over free currents, integral over angles."""
    field = Field(0.6, 0.9, 2, 2)
    a = grid(3)
    phi = np.concatenate([np.zeros((len(a), 1)), a], 1).reshape(-1, 2, 2)  # [n, t, x]
    space = np.cos(phi - np.roll(phi, 1, 2)).sum((1, 2))
    time = phi - np.roll(phi, 1, 1)
    time = (np.cosh(field.mu) * np.cos(time) + 1j * np.sinh(field.mu) * np.sin(time)).sum((1, 2))
    of_angles = np.log(np.exp(field.beta * (space + time)).mean().real)
    free = np.array(list(itertools.product(range(-5, 6), repeat=4))).reshape(-1, 2, 2)
    of_currents = np.logaddexp.reduce(rotor_field.log_weight(free, field))
    assert of_currents == pytest.approx(of_angles, abs=1e-6)
    assert rotor_field.exact(field, largest=5).log_z == pytest.approx(of_angles, abs=1e-6)


def test_every_row_has_the_charge():
    free = np.random.default_rng(1).integers(-2, 3, (50, 5, 4))
    assert (rotor_field.time_currents(free).sum(-1) == rotor_field.charge(free)[:, None]).all()


def test_rows_too_long_to_list_are_refused():
    with pytest.raises(ValueError, match="n_x = 8"):
        rotor_field.exact(Field(0.6, 0.9, 8, 8))
