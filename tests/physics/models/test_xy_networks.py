"""Networks and analyses of the XY model: O(2) exactly, densities of angles, learned Hamiltonians, vortices, BKT."""

import numpy as np
import pytest
import torch
from scipy import stats

from lib import checks, lattice
from lib.analysis import finite_size, reweighting, vortices
from lib.models.heads.angle import FourierDensity, VonMisesMixture
from lib.models.made import MADE
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.samplers import chains, mcmc
from lib.studies import recipes
from lib.studies import xy as study
from lib.studies.sources import Angles
from lib.studies.task import Task, learn
from lib.systems import xy, xy_exact

LEVEL = 1e-4  # of every test of a distribution


# ---------------------------------------------------------------- heads


@pytest.mark.parametrize("head", [VonMisesMixture(1), VonMisesMixture(3), FourierDensity(1), FourierDensity(3)],
                         ids=["von Mises", "mixture", "one harmonic", "three"])  # fmt: skip
def test_angles_are_drawn_from_their_density(head):
    """Kolmogorov-Smirnov for several parameter sets; and the test rejects samples of other parameters."""
    generator = torch.Generator().manual_seed(1)
    values, weights = head.site_rule(4000)
    for scale in (0.01, 1.0, 6.0):
        parameters = scale * torch.randn(head.n_parameters, generator=generator, dtype=torch.float64)
        drawn = head.sample(parameters.expand(20_000, -1), generator).numpy()
        cdf = np.concatenate([[0], np.cumsum((head.log_prob(parameters, values).exp() * weights).detach().numpy())])
        grid = np.concatenate([values.numpy() - weights[0].item() / 2, [values[-1].item() + weights[0].item() / 2]])

        def law(x, grid=grid, cdf=cdf):
            return np.interp(x, grid, cdf)

        assert stats.kstest(drawn, law).pvalue > LEVEL
    other = head.sample((1.1 * parameters).expand(20_000, -1), generator).numpy()
    assert stats.kstest((other + 0.05) % xy.TWO_PI, law).pvalue < LEVEL


def test_rejection_reaches_a_maximum_between_grid_angles():
    """Sharp maxima in the middle of a cell, where ln p exceeds the ends of the cell by 2.3: a smaller bound cuts them
    off."""
    head = FourierDensity(3, points=12)
    cell = np.pi / 12
    phase = 3 * cell / 2
    parameters = torch.tensor([0, 0, 30 * np.cos(phase), 0, 0, 30 * np.sin(phase)], dtype=torch.float64)
    drawn = head.sample(parameters.expand(20_000, -1), torch.Generator().manual_seed(4)).numpy()
    around = (drawn - cell / 2 + np.pi / 3) % (2 * np.pi / 3) - np.pi / 3  # three equal maxima
    grid = np.linspace(-np.pi / 3, np.pi / 3, 4001)
    density = np.exp(30 * (np.cos(3 * grid) - 1))
    cdf = np.cumsum(density) / density.sum()
    assert stats.kstest(around, lambda x: np.interp(x, grid, cdf)).pvalue > LEVEL
    flat = np.exp(np.minimum(30 * (np.cos(3 * grid) - 1), -0.5))  # cut off half a nat below the maximum
    wrong = np.cumsum(flat) / flat.sum()
    assert stats.kstest(around, lambda x: np.interp(x, grid, wrong)).pvalue < LEVEL


def test_von_mises_and_one_harmonic_are_the_same_density():
    field = torch.tensor([[1.3, -0.4], [0.0, 0.0], [-5.0, 2.0]], dtype=torch.float64)
    values = torch.linspace(0, 6.2, 3, dtype=torch.float64)
    von_mises = VonMisesMixture(1).log_prob(torch.cat([field, torch.zeros(3, 1)], 1), values)
    assert torch.allclose(FourierDensity(1).log_prob(field, values), von_mises, atol=1e-12)
    assert torch.allclose(von_mises[1], torch.tensor(-np.log(xy.TWO_PI)))


@pytest.mark.parametrize("head", [VonMisesMixture(2), FourierDensity(3)])
def test_densities_of_angles_have_correct_gradients(head):
    parameters = torch.randn(4, head.n_parameters, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values = torch.tensor([0.1, 2.0, 4.0, 6.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: head.log_prob(p, values), parameters.requires_grad_())
    at_zero = torch.zeros(1, head.n_parameters, dtype=torch.float64, requires_grad=True)
    head.log_prob(at_zero, values[:1]).sum().backward()
    assert torch.isfinite(at_zero.grad).all()


@pytest.mark.parametrize("head", [VonMisesMixture(2), FourierDensity(2)])
@pytest.mark.parametrize("value", [-0.1, 6.4, float("nan")])
def test_what_is_no_angle_is_refused(head, value):
    with pytest.raises(ValueError, match=r"\[0, 2 pi\)"):
        head.check(torch.tensor([1.0, value]))


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="n_components = 0"):
        VonMisesMixture(0)
    with pytest.raises(ValueError, match="harmonics = 0"):
        FourierDensity(0)
    with pytest.raises(ValueError, match="side=1"):
        O2MarkovLattice(1)


# ---------------------------------------------------------------- O(2)


@torch.no_grad()
def _turned(model):
    theta = torch.as_tensor(np.random.default_rng(0).uniform(0, xy.TWO_PI, (20, *model.site_shape)))
    before = model.log_prob(theta)
    rotated = model.log_prob((theta + 1.234) % xy.TWO_PI)
    reflected = model.log_prob((-theta) % xy.TWO_PI)
    return float((rotated - before).abs().max()), float((reflected - before).abs().max())


def test_the_equivariant_network_does_not_know_rotations_and_reflections():
    model = checks.shaken(O2MarkovLattice(4, hidden=6), scale=0.1)
    assert max(_turned(model)) < 1e-10
    other = checks.shaken(MADE(site_shape=(4, 4), head=VonMisesMixture(1), hidden=(16,)), scale=0.1)
    assert min(_turned(other)) > 1e-2


def test_the_equivariant_network_is_normalised():
    """Quadrature over all four angles of a 2 x 2 lattice."""
    checks.check_normalised(O2MarkovLattice(2, 3, hidden=5, seed=1), tolerance=1e-6, points=24)


# ---------------------------------------------------------------- learning


def test_augmentation_is_a_symmetry():
    theta = torch.as_tensor(np.random.default_rng(1).uniform(0, xy.TWO_PI, (64, 6, 6)))
    images = recipes.rotate_and_move(theta.clone(), torch.Generator().manual_seed(0))
    assert images.min() >= 0 and images.max() <= xy.TWO_PI
    energies, before = xy.energy(images.numpy()), xy.energy(theta.numpy())
    assert np.sort(energies) == pytest.approx(np.sort(before)) and not np.allclose(images, theta)


@pytest.mark.parametrize("network", recipes.ANGLES)
def test_every_recipe_learns_and_is_normalised_in_theta(network):
    """On a 4 x 4 lattice: KL finite, positive within error, smaller than that of independent angles; the exact ln Z."""
    task = Task(network, Angles(4, 1.0), 1500, 120, 3)
    learned = learn(task)
    theta = Angles(4, 1.0).configurations(1000, 3)
    log_z = 16 * 0.66546758
    distance = study.divergence_given_log_z(learned.hamiltonian, theta, (log_z, 0.0))
    independent = np.mean(xy.log_density(theta, 1.0, log_z)) + 16 * np.log(xy.TWO_PI)
    assert -4 * distance.error < distance.value < 0.9 * independent
    again = learn(task)
    assert np.array_equal(again.hamiltonian.log_prob(theta[:50]), learned.hamiltonian.log_prob(theta[:50]))
    drawn, log_prob = learned.hamiltonian.sample(20, 1)
    assert drawn.min() >= 0 and drawn.max() <= xy.TWO_PI and np.isfinite(log_prob).all()


def test_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="'mlp': choose from"):
        Task("mlp", Angles(4, 1.0), 100, 10, 0)


class Exact:
    """A learned Hamiltonian that has learned everything."""

    T0 = 1.0

    def log_prob(self, theta):
        return -xy.energy(theta) / self.T0

    def energy(self, theta):
        return xy.energy(theta)


def test_couplings_of_the_exact_hamiltonian():
    theta = mcmc.sample(chains.XY(6, 1.0), 60, np.random.default_rng(1)).configurations
    every, nearest = study.read(Exact(), theta)
    assert every.values == pytest.approx([1, 0, 0, 0, 0], abs=1e-8) and nearest.values == pytest.approx([1], abs=1e-8)


def test_surrogate_and_weights_give_the_exact_lattice():
    """A wrong surrogate, reweighted to the exact Hamiltonian, at a temperature that is not T0; 4 sigma."""
    T = 1.25
    exact = xy_exact.exact(4, T, q=8)
    wrong = {"nn": 0.93, "nnn": 0.03}
    found = reweighting.xy_by_surrogate([Exact(), Exact()], wrong, 4, T, 4000, 4000, seed=2, pilot=0)
    assert 0.8 < found.ess < 1
    for k, value in enumerate((exact.energy, exact.helicity)):
        assert abs(found.value[k] - value) < 4 * found.error[k]
    adapted = reweighting.xy_by_surrogate([Exact()], wrong, 4, T, 400, 400, seed=2)
    assert adapted.ess == pytest.approx(1)  # the right couplings are found
    bare = reweighting.xy_direct(4, [T], 4000, 2, {"nn": 0.93, "nnn": 0.03})
    assert abs(bare.values["energy"][0] - exact.energy) > 4 * bare.errors["energy"][0]


def test_the_errors_cover_and_count_what_networks_share_once():
    """Pulls of 60 estimates from two equal networks and 200 configurations: unit variance, chi2 at level 1e-4.

    Two equal networks know no more than one: if their errors were taken for independent, the variance would be near 2.
    """
    T, exact = 1.25, xy_exact.exact(4, 1.25, q=8)
    found = [
        reweighting.xy_by_surrogate([Exact(), Exact()], {"nn": 0.7}, 4, T, 200, 1000, seed=k, pilot=0)
        for k in range(60)
    ]
    for k, value in enumerate((exact.energy, exact.helicity)):
        pulls = np.array([(f.value[k] - value) / f.error[k] for f in found])
        low, high = stats.chi2(60).ppf([LEVEL / 2, 1 - LEVEL / 2])
        assert low < (pulls**2).sum() < high


def test_the_mean_over_images_is_symmetric():
    learned = learn(Task("convolution", Angles(4, 1.0), 300, 20, 0)).hamiltonian
    theta, mean = Angles(4, 1.0).configurations(6, 0), study.MeanOverImages(learned)
    for image in lattice.subgroup(4)[:8]:
        assert mean.energy(image(theta)) == pytest.approx(mean.energy(theta), abs=1e-4)
    assert np.abs(learned.energy(lattice.subgroup(4)[5](theta)) - learned.energy(theta)).max() > 0.01
    with pytest.raises(ValueError, match="images = 5"):
        study.MeanOverImages(learned, 5)


# ---------------------------------------------------------------- vortices


def test_auc_by_hand():
    assert vortices.auc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert vortices.auc([1, 2, 3, 4], [True, False, True, False]) == 0.25
    assert vortices.auc([1, 1, 1, 1], [True, False, True, False]) == 0.5
    assert np.isnan(vortices.auc([1, 2], [True, True])) and np.isnan(vortices.auc([1, 2], [False, False]))


def test_auc_at_equal_energy_removes_what_energy_explains():
    rng = np.random.default_rng(0)
    energy = rng.normal(size=40_000)
    positive = rng.random(40_000) < 1 / (1 + np.exp(-3 * energy))
    noise = rng.normal(size=40_000)
    assert vortices.auc(energy, positive) > 0.8
    assert abs(vortices.auc_at_equal(energy + 0.1 * noise, positive, energy) - 0.5) < 0.03
    assert vortices.auc_at_equal(noise + positive, positive, energy) > 0.7


def test_surprise_adds_up_to_the_log_probability_and_turns_with_the_lattice():
    learned = learn(Task("equivariant", Angles(4, 1.0), 300, 20, 0)).hamiltonian
    theta = Angles(4, 1.0).configurations(6, 0)
    assert -vortices.surprise(learned, theta).sum((1, 2)) == pytest.approx(learned.log_prob(theta), rel=1e-5)
    assert vortices.surprise(learned, theta, excess=True).min() >= 0
    score = vortices.symmetrised_surprise(learned, theta)
    for image in lattice.subgroup(4)[::3]:
        assert vortices.symmetrised_surprise(learned, image(theta)) == pytest.approx(image(score), abs=1e-4)


def test_around_squares_uses_the_corners_of_vorticity():
    values = np.zeros((1, 5, 5))
    values[0, 2, 3] = 1.0
    assert {tuple(k) for k in np.argwhere(vortices.around_squares(values)[0])} == {(2, 3), (1, 3), (2, 2), (1, 2)}


def test_pairs_of_a_bound_pair():
    i, j = np.indices((16, 16)) - 7.5
    theta = (np.arctan2(i, j + 0.5 - 0.5) - np.arctan2(i, j - 2)) % xy.TWO_PI
    found = vortices.pairs(theta[None], np.random.default_rng(0))
    assert found.configurations == 1 and 1 <= found.distance <= 3
    assert vortices.pairs(np.zeros((2, 4, 4)), np.random.default_rng(0)).configurations == 0


# ---------------------------------------------------------------- the transition


def _curves(C=0.6, T_c=0.89, sizes=(8, 16, 32), noise=0.0):
    T = np.linspace(0.82, 0.98, 6)
    rng = np.random.default_rng(1)
    curves = {
        L: finite_size.weber_minnhagen(T_c, C, L) - (0.7 + 0.1 * np.log(L)) * (T - T_c) + noise * rng.normal(size=6)
        for L in sizes
    }
    return T, curves, {L: np.full(6, max(noise, 1e-4)) for L in sizes}


def test_weber_minnhagen_has_the_universal_jump_and_logarithm():
    """Y_L / T = 0.63651 + 0.31890 / ln L + ..., numbers of the Gaussian model on a square torus (M. Hasenbusch, J.
    Phys. A 38, 5869 (2005)). They hold the windings of the torus, which the formula leaves out: 2e-4 and 2e-3."""
    assert finite_size.weber_minnhagen(1.0, 0.0, np.exp(500.0)) == pytest.approx(
        0.63650817819 + 0.318899454 / 500, rel=3e-4
    )
    slope = 500 * (finite_size.weber_minnhagen(0.9, 0.7, np.exp(499.3)) - 2 * 0.9 / np.pi) / 0.9
    assert slope == pytest.approx(0.318899454, rel=3e-3)
    # and so a fit to such data does not depend on the formula under test
    T = np.linspace(0.82, 0.98, 6)
    outside = {L: 0.8935 * (0.63650817819 + 0.318899454 / (np.log(L) + 1.1)) - 0.9 * (T - 0.8935) for L in (8, 16, 64)}
    found = finite_size.kosterlitz_thouless(T, outside, dict.fromkeys(outside, np.full(6, 1e-3)))
    assert found.T == pytest.approx(0.8935, rel=1e-3) and found.C == pytest.approx(1.1, abs=0.05)


def test_weber_minnhagen_fit_finds_the_temperature_it_was_made_with():
    found = finite_size.kosterlitz_thouless(*_curves())
    assert found.T == pytest.approx(0.89, abs=1e-6) and found.C == pytest.approx(0.6, abs=1e-4) and found.dof == 1
    noisy = finite_size.kosterlitz_thouless(*_curves(noise=1e-3))
    assert abs(noisy.T - 0.89) < 4 * noisy.T_error and 0 < noisy.T_error < 0.02


def test_two_sizes_are_refused():
    with pytest.raises(ValueError, match="three"):
        finite_size.kosterlitz_thouless(*_curves(sizes=(8, 16)))


def test_minimum_outside_the_window_is_refused():
    with pytest.raises(ValueError, match="widen"):
        finite_size.kosterlitz_thouless(*_curves(T_c=1.3))


def test_largest_deviation_is_that_of_the_kept_temperatures():
    def curves(values, errors):
        return reweighting.Curves(
            np.arange(3.0), {"energy": np.array(values)}, {"energy": np.array(errors)}, None, None
        )

    found, truth = curves([1.0, 2.0, 9.0], [0.3, 0.6, 1.0]), curves([1.1, 2.5, 3.0], [0.4, 0.8, 1.0])
    keep = np.array([True, True, False])
    assert study.largest_deviation("energy", found, truth, keep) == (0.5, pytest.approx(1.0))
    assert np.isnan(study.largest_deviation("energy", found, truth, np.zeros(3, bool))).all()


def test_a_score_is_judged_by_the_vortices():
    theta = Angles(4, 1.2).configurations(200, 3)
    vortex = xy.vorticity(theta) != 0
    score = vortex + 0.1 * np.random.default_rng(1).random(vortex.shape)  # tells every vortex from every other square
    area, at_equal_energy = study.vortex_areas(score, theta)
    assert area.value == at_equal_energy.value == 1
    assert study.alarms(score, vortex) == (0, 1)
    assert np.isnan(study.alarms(score, np.zeros_like(vortex))).all()  # no vortex


def test_two_lattices_show_no_transition():
    assert np.isnan(study.transition({8: None, 16: None}, np.array([0.9])).T)
