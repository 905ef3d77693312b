"""Learned Hamiltonians of angles at other temperatures, as the chapter reads them."""

import numpy as np
import pytest

from lib.analysis import reweighting, xy_reweighting
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies import xy_temperature as study
from lib.studies.sources import Angles, Paths, Spins
from lib.studies.task import learn, replicas
from lib.systems import xy, xy_exact
from tests.physics.standins import StandIn


def test_couplings_of_the_exact_hamiltonian():
    theta = mcmc.sample(chains.XY(6, 1.0), 60, np.random.default_rng(1)).configurations
    every, nearest = study.read(StandIn(xy.energy), theta)
    assert every.values == pytest.approx([1, 0, 0, 0, 0], abs=1e-8) and nearest.values == pytest.approx([1], abs=1e-8)


def test_largest_deviation_is_that_of_the_kept_temperatures():
    def curves(values, errors):
        return reweighting.Curves(
            np.arange(3.0), {"energy": np.array(values)}, {"energy": np.array(errors)}, None, None
        )

    found, truth = curves([1.0, 2.0, 9.0], [0.3, 0.6, 1.0]), curves([1.1, 2.5, 3.0], [0.4, 0.8, 1.0])
    keep = np.array([True, True, False])
    assert study.largest_deviation("energy", found, truth, keep) == (0.5, pytest.approx(1.0))
    assert np.isnan(study.largest_deviation("energy", found, truth, np.zeros(3, bool))).all()


def test_two_lattices_show_no_transition():
    assert np.isnan(study.transition({8: None, 16: None}, np.array([0.9])).T)


def test_agreement_is_uniform_where_there_is_agreement():
    rng, truth = np.random.default_rng(1), Estimate(np.zeros(6), np.full(6, 0.3))
    found = [study.agreement(Estimate(0.5 * rng.normal(size=6), np.full(6, 0.4)), truth).p for _ in range(500)]
    assert 0.45 < np.mean(found) < 0.55
    off = study.agreement(Estimate(np.full(6, 1.0), np.full(6, 0.4)), truth)
    assert off.dof == 6 and off.p < 0.01
    some = Estimate(np.array([np.nan, 0, 0, 9, 0, 0]), np.full(6, 0.4))
    assert study.agreement(some, truth, np.arange(6) != 3).dof == 4


@pytest.fixture(scope="module")
def point():
    """Two small networks of 4 x 4 angles at T0 = 1, weighted to T = 1.25."""
    tasks = replicas("equivariant", Angles(4, 1.0), 3000, 200, 2, 1)
    hamiltonians = [learn(task).hamiltonian for task in tasks]
    return xy_reweighting.weighted(hamiltonians, {"nn": 1.0}, 4, 1.25, 1000, 1000, 1)


def test_weights_lead_to_the_exact_answer_at_another_temperature(point):
    exact = xy_exact.exact(4, 1.25, q=10)
    energy, helicity, _ = np.transpose(xy_reweighting.quantities(point).mean)
    assert abs(energy[0] - exact.energy) < 0.03 and abs(helicity[0] - exact.helicity) < 0.03
    assert np.all(point.ess() > 0.5) and set(point.log_weights) == {"bare", "p", "H"}


def test_the_control_variate_changes_errors_and_not_values(point):
    quiet = point._replace(log_weights={name: 0 * each for name, each in point.log_weights.items()})
    found = xy_reweighting.quantities(quiet)  # the surrogate itself: what the long run says, whatever was drawn
    energy, current2, vortices = point.averages
    assert found.values[0] == pytest.approx(
        [energy / 16, xy.helicity_modulus(energy, current2, 1.25, 16), vortices], abs=1e-9
    )
    assert found.mean_error == pytest.approx(point.errors, abs=1e-9)


def test_pairs_and_correlations_have_the_shapes_of_the_networks():
    hamiltonians = [learn(task).hamiltonian for task in replicas("equivariant", Angles(8, 1.0), 600, 40, 2, 1)]
    point = xy_reweighting.weighted(hamiltonians, {"nn": 1.0}, 8, 1.0, 60, 100, 1)
    G, eta = xy_reweighting.correlations(point)
    assert G.values.shape == (2, 5) and np.all(G.values[:, 0] == pytest.approx(1)) and eta.values.shape == (2,)
    found = xy_reweighting.pairs(point)
    assert found.values.shape == (2, 2) and np.all(found.values[:, 1] >= 1)
    true = xy_reweighting.direct_structure(8, 1.0, 400, 1)
    assert true.eta.value > 0 and 1 <= true.pairs.value[1] < true.random.value


@pytest.mark.parametrize(
    ("network", "source"),
    [("equivariant", Angles(4, 1.0)), ("markov_lattice", Spins(4, 2.5)), ("markov_ring", Paths(8.0, 16))],
)
def test_averaging_p_moves_no_average_at_T0(network, source):
    tasks = replicas(network, source, 1000, 40, 2, 1)
    found = study.shifts([learn(task) for task in tasks], 800, 1)
    for bare, of_p, e1, e2 in zip(
        *(found[n].value for n in ("bare", "p")), *(found[n].error for n in ("bare", "p")), strict=True
    ):
        assert abs(bare - of_p) < 4 * np.hypot(e1, e2)


def test_one_temperature_leads_to_curves_of_the_true_model():
    """Two small networks of 8 x 8 angles at T0 = 1: curves, pairs and eta at another temperature."""
    learned = {"T0": [learn(task) for task in replicas("equivariant", Angles(8, 1.0), 2000, 150, 2, 1)]}
    temperatures = np.array([0.9, 1.0])
    found = study.extrapolate(learned, {"T0": temperatures}, {"T0": 100}, 100, 1)["T0"]
    truth = study.monte_carlo({8: temperatures}, 200, 1)[8]
    curves = found.curves()
    for name in ("energy", "helicity"):
        off = np.abs(curves.values[name] - truth.values[name])
        assert np.all(off < np.maximum(0.03, 4 * curves.errors[name]))
    assert abs(found.nearest.value - 1) < 0.1 and np.all(curves.ess > 0.3)
    assert found.pairs().value.shape == (2, 2) and np.all(found.eta().value > 0)
    structure = study.direct_structure(8, temperatures, 300, 1)
    assert structure.eta.value.shape == (2,) and structure.pairs.value.shape == (2, 2)
    assert study.agreement(found.eta(), structure.eta).p > 1e-3
