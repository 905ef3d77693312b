"""Predictions for a scalar field from exact stand-ins of networks, against exact answers. Fixed seeds, SIGMAS."""

from types import SimpleNamespace

import numpy as np
import pytest

from lib.analysis import field_action
from lib.statistics import Estimate
from lib.studies import scalar_field as study
from lib.studies.field_sources import ScalarFields
from lib.studies.task import Task, learn
from lib.systems import phi_four
from lib.systems.phi_four import PhiFour
from tests.physics.standins import SIGMAS

FREE = PhiFour(4, 8, 1.0, 0.5, 0.0)
PAIR = PhiFour(2, 8, 1.0, -1.27, 1.0)


def network(field, wrong=0.0):
    """A stand-in whose action is the true one, up to a constant, or with m^2 too large by `wrong`."""
    other = field._replace(mass2=field.mass2 + wrong)

    def action(phi):
        return phi_four.action(phi, other) + 5

    return SimpleNamespace(
        field=field,
        read=field_action.true_couplings(other),
        learned=SimpleNamespace(hamiltonian=SimpleNamespace(action=action)),
    )


def off(estimate, exact):
    return abs(estimate.value - exact) / estimate.error


def test_a_read_action_is_a_field_in_other_units():
    couplings = np.array([0.9, 1.3, -1.1, 0.8])
    field, unit = study.as_field(couplings, 5, 3)
    phi = np.random.default_rng(1).normal(size=(6, 3, 5))
    np.testing.assert_allclose(phi_four.action(phi / unit, field), field_action.operators(phi) @ couplings)
    field, unit = study.as_field(field_action.true_couplings(PAIR), 2, 8)
    assert unit == pytest.approx(1) and np.allclose(field, PAIR)


def test_couplings_at_another_spacing():
    moved = study.at_spacing(field_action.true_couplings(PAIR), 1.0, 0.4)
    np.testing.assert_allclose(moved, field_action.true_couplings(PAIR._replace(spacing=0.4)))


def test_images_keep_the_action_and_are_a_group():
    phi = np.random.default_rng(2).normal(size=(3, 4, 6))
    images = [image(phi).numpy() for image in study.images(4, 6)]
    for each in images:
        np.testing.assert_allclose(phi_four.action(each, PAIR), phi_four.action(phi, PAIR))
    again = study.images(4, 6)[5](images[9]).numpy()
    assert len(images) == 16 and any(np.allclose(again, each) for each in images)


def test_log_z_by_thermodynamic_integration():
    exact = phi_four.two_columns(PAIR).log_z
    found = study.log_partition_function(PAIR, 1, n=1000)
    assert off(found, exact) < SIGMAS and found.error < 0.03


def test_averages_of_the_free_field():
    """With the exact energy; that of another spacing is noticed."""
    found, exact = study.direct(FREE, 8000, 1), phi_four.free(FREE)
    assert off(found.square, exact.square) < SIGMAS
    assert off(found.energy, phi_four.free_energy_per_site(FREE)) < SIGMAS
    assert off(found.energy, phi_four.free_energy_per_site(FREE._replace(spacing=0.9))) > SIGMAS
    K = phi_four.spectrum(FREE)[:, 0]  # of the mean over space
    correlator = np.fft.ifft(1 / K).real / FREE.n_x
    pulls = (found.correlator.value - correlator[:5]) / found.correlator.error
    assert np.abs(pulls).max() < SIGMAS


def test_the_energy_is_a_derivative_of_ln_z():
    h = 1e-5

    def log_z(D):
        field = FREE._replace(spacing=D)
        return phi_four.free(field).log_z - 16 * np.log(2 * np.pi * D)  # 32 sites, half of a logarithm each

    slope = (log_z(1 + h) - log_z(1 - h)) / (2 * h)
    assert phi_four.free_energy_per_site(FREE) == pytest.approx(-slope / 32, rel=1e-8)


def test_the_mass_of_a_single_exponential():
    t, m, D, n_t = np.array([2, 4]), 0.37, 0.5, 8
    C = np.cosh(m * D * (n_t / 2 - t))
    assert study.effective_mass(C[0] / C[1], t, D, n_t) == pytest.approx(m)
    assert np.isnan(study.effective_mass(0.9, t, D, n_t))


def test_read_actions_are_predicted_by_reweighting():
    """Two networks with masses too high and too low by as much: each is reweighted to its own answer."""
    read = [network(FREE, wrong).read for wrong in (-0.03, 0.03)]
    found = study.by_reading(read, FREE, 8000, 3)
    each = [phi_four.free(FREE._replace(mass2=0.5 + wrong)).square for wrong in (-0.03, 0.03)]
    assert off(found.averages.square, np.mean(each)) < SIGMAS and (found.ess > 0.98).all()
    with_one = study.by_reading(read[:1], FREE, 8000, 3).averages.square
    assert off(with_one, each[0]) < SIGMAS < off(with_one, each[1])


def test_ratios_to_the_true_action_have_less_noise():
    right = phi_four.free(FREE).square
    found = study.by_reading([network(FREE, 0.03).read], FREE, 8000, 3)
    exact = phi_four.free(FREE._replace(mass2=0.53)).square / right
    assert off(found.over_true.square, exact) < SIGMAS < off(found.over_true.square, 1)
    relative = found.averages.square.error / found.averages.square.value
    assert found.over_true.square.error < 0.3 * relative and found.ess_true > 0.95


def test_the_law_with_exact_actions():
    """S_3 from two exact actions; from two whose masses are both wrong it is that of the wrong mass."""
    right = phi_four.free(FREE).square
    for wrong in (0.0, 0.1):
        pairs = [tuple(network(FREE._replace(spacing=D), wrong) for D in (0.8, 1.25)) for _ in range(2)]
        found = study.by_law(pairs, FREE, 6000, 4)
        exact = phi_four.free(FREE._replace(mass2=0.5 + wrong)).square
        assert off(found.averages.square, exact) < SIGMAS
        assert (off(found.averages.square, right) > SIGMAS) == (wrong > 0)
        assert found.over_true.square.value == pytest.approx(exact / right, abs=0.005)


def test_errors_of_the_law():
    """Equal errors in both: c_1 S_1 + c_2 S_2 has c_1 D_1 + c_2 D_2 times that of m^2."""
    pairs = [tuple(network(FREE._replace(spacing=D), 0.1) for D in (0.8, 1.25))]
    law, single = study.law_errors(pairs, FREE, 500, 5)[0]
    assert law / single == pytest.approx(1 / np.sqrt((0.8**2 + 1.25**2) / 2))


def test_the_scan_reweights_to_each_action_and_each_mass():
    """Of a free field: <M^2> = 1 / (N K_0) at every m^2, for an action whose mass is off, too."""
    field = FREE._replace(n_x=8)
    read = [network(field).read, network(field, 0.02).read]
    scan = study.scan(read, field, [0.45, 0.5], {4: 3000}, 6)
    for at, mass2 in zip(scan.found[4], (0.45, 0.5), strict=True):
        for k, wrong in enumerate((0.0, 0.02)):
            exact = 1 / (mass2 + wrong)
            assert off(Estimate(at.value[k, 3], at.error[k, 3]), exact) < SIGMAS
            assert abs(at.value[k, 0]) < SIGMAS * at.error[k, 0]  # U4 of a Gaussian
    assert np.shape(scan.curve(4, "xi / L in space").value) == (2,)
    first = scan.of(slice(1)).curve(4, "chi").value
    np.testing.assert_allclose(first, [at.value[0, 3] for at in scan.found[4]])


def test_binder_cumulants_cross():
    masses = [-1.4, -1.25, -1.1, -0.95]
    field = PhiFour(8, 8, 1.0, -1.27, 1.0)
    scan = study.scan(field_action.true_couplings(field), field, masses, {4: 2000, 8: 1000}, 7)
    at = scan.crossing(4, 8)
    assert -1.3 < at.value < -1.0 and at.error < 0.05
    away = study.scan(field_action.true_couplings(field), field, [-0.6, -0.5, -0.4, -0.3], {4: 200, 8: 200}, 7)
    assert np.isnan(away.crossing(4, 8).value)


def test_the_gaps_of_two_columns():
    field = PAIR._replace(n_t=24)
    found = study.gaps(field_action.true_couplings(field), field, 4000, 8)
    assert off(found.at_rest, phi_four.two_columns(field).gap) < SIGMAS and found.at_rest.error < 0.02


def test_the_gaps_of_a_free_field():
    """cosh(D E) = 1 + D^2 (4 sin^2(k / 2) + m^2) / 2; two gaps that changed places are noticed."""
    field = FREE._replace(n_t=24, mass2=0.1)
    found = study.gaps(field_action.true_couplings(field), field, 4000, 9)
    exact = [np.arccosh(1 + (square + 0.1) / 2) for square in (0.0, 4 * np.sin(np.pi / 4) ** 2)]
    assert off(found.at_rest, exact[0]) < SIGMAS and off(found.moving, exact[1]) < SIGMAS
    assert off(found.ratio, exact[1] / exact[0]) < SIGMAS < off(found.ratio, exact[0] / exact[1])


def test_few_networks_that_agree_by_chance_keep_an_error():
    one = SimpleNamespace(read=np.ones(4), read_all=np.array([1, 1, 1, 1.1]), bound=np.full(4, 0.03))
    found = study.couplings([one, one, one])
    np.testing.assert_allclose(found.error, [0.03 / np.sqrt(3)] * 3 + [np.hypot(0.03 / np.sqrt(3), 0.1)])


class Exact:
    """The action of a field in the place of a learned one; draws come from the network of that one."""

    def __init__(self, model, field):
        self.model, self.field = model, field

    def action(self, phi):
        return phi_four.action(phi.astype(float), self.field)

    def gradient(self, phi):
        slopes, _ = field_action.gradients(phi.astype(float))
        return np.einsum("antx,a->ntx", slopes, field_action.true_couplings(self.field))


def test_what_a_network_says():
    """ln Z of 4 x 4 sites and KL; and averages that vanish for the exact action in its place, not for a wrong mass."""
    field = PhiFour(4, 4, 1.0, -1.27, 1.0)
    learned = learn(Task("field_lattice", ScalarFields(field), 6000, 300, 3))
    judged = study.judge(learned, n=4000)
    log_z = 8.683405  # computed independently
    assert off(judged.log_z, log_z) < SIGMAS and judged.ess > 0.9
    kl, of_images = judged.kl(log_z), judged.kl_of_images(log_z)
    assert 0 < of_images.value < kl.value < 0.05
    assert 0 < judged.unexplained < 0.01
    for mass2, passes in ((-1.27, True), (-1.0, False)):
        exact = Exact(learned.model, field._replace(mass2=mass2))
        found = study.judge(learned._replace(hamiltonian=exact), n=4000)
        pulls = np.abs(found.identities.value) / found.identities.error
        assert (pulls.max() < SIGMAS) == passes
        np.testing.assert_allclose(found.read, field_action.true_couplings(exact.field), atol=1e-9)
        at_sites = np.abs(found.schwinger_dyson.value - 1) / found.schwinger_dyson.error
        assert (at_sites.max() < SIGMAS) == passes
