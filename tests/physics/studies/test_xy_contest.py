"""The contest of networks of angles, on a small lattice; and that the committed table is that of the code as it is."""

import csv
import math

import numpy as np
import pytest

from lib import checks, paths
from lib.models.heads.equal_betas import EqualBetas
from lib.models.made import MADE
from lib.studies import xy_contest
from lib.studies.sources import Angles
from lib.systems import xy

SMALL = Angles(8, 1.0)


def committed():
    return xy_contest.read(paths.ROOT / "data" / "xy_contest.csv")


def test_equal_betas_are_a_density_and_are_drawn_from_it():
    head = EqualBetas(3)
    assert head.n_parameters == 6
    checks.check_normalised(MADE(site_shape=(1, 2), head=head, hidden=(8,)))
    checks.check_sample_log_prob(MADE(site_shape=(2, 2), head=head, hidden=(8,)))


def test_their_weights_are_equal():
    import torch

    a, b = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([1.5, 0.2, 0.7])
    x = torch.tensor([0.1, 0.4, 0.9])
    shift = math.log(math.e - 1)
    each = [
        torch.distributions.Beta(*(torch.nn.functional.softplus(p + shift) for p in pair))
        for pair in zip(a, b, strict=True)
    ]
    exact = torch.stack([one.log_prob(x) for one in each]).exp().mean(0).log()
    assert torch.allclose(EqualBetas(3).log_prob(torch.cat([a, b])[None], x), exact, atol=1e-5)


@pytest.mark.parametrize("network", ["can", "equivariant"])
def test_a_trial_from_end_to_end(network):
    pairs = [SMALL.configurations(3, r) for r in range(5)]
    trial = xy_contest.train(network, SMALL, 300, 30, 1, 3e-3, shown=network == "can")
    judged = xy_contest.judge(trial.hamiltonian, SMALL, 1, pairs, n_test=50, n_draws=50)
    assert np.isfinite(judged).all() and 0 < judged.ess <= 1
    assert trial.nll_held_out < 64 * np.log(xy.TWO_PI)  # better than independent angles
    if network == "equivariant":
        assert judged.spread < 1e-5
    else:
        assert judged.spread > 3 * judged.spread_of_mean > 0


def test_kl_is_measured_with_the_mean_of_the_networks_own_ln_z():
    names = ["network", "surplus", "surplus_error", "ess", "log_z", "log_z_error", "spread", "spread_error"]
    names += ["spread_of_mean", "pair_slope", "pair_slope_error", "cpu_seconds", "n_weights", "steps"]
    rows = [("equivariant", 10.2, 0.05, 0.8, 10.0 + d, 0.01, 0, 0, 0, 0, 0.01, 40, 9, 7) for d in (-0.02, 0, 0.02)]
    rows += [("can", 12.0 + d, 0.05, 0.01, 3.0, 1.0, 0.1, 0.01, 0, 0.1, 0.01, 41, 5, 6) for d in (-0.1, 0.0, 0.1)]
    table = np.array(rows, dtype=[(n, "U12" if n == "network" else float) for n in names])
    assert xy_contest.standing(table, "can").kl.value == pytest.approx(2.0)
    equivariant = xy_contest.standing(table, "equivariant")
    assert equivariant.kl.value == pytest.approx(0.2) and equivariant.kl.error > 0.05 / 3**0.5
    assert (equivariant.n_weights, equivariant.steps, equivariant.seconds) == (9, 7, 40)


def test_the_table_is_whole_and_that_of_this_code():
    table = committed()
    for network, recipe in xy_contest.ENTRANTS.items():
        rows = table[table["network"] == network]
        assert sorted(rows["seed"]) == sorted(xy_contest.SEEDS)
        assert set(rows["steps"]) == {xy_contest.STEPS[network]}
        model = recipe.build(Angles(16, 0.9), 1, None)
        assert set(rows["n_weights"]) == {sum(weight.numel() for weight in model.parameters())}


def test_every_entrant_was_tuned_on_the_same_grid_and_trained_with_the_best():
    with open(paths.ROOT / "data" / "xy_contest_tuning.csv") as file:
        rows = list(csv.DictReader(file))
    for network in xy_contest.ENTRANTS:
        tried = [row for row in rows if row["network"] == network]
        for shown in xy_contest.SHOWN.get(network, (False,)):
            assert sorted(float(r["rate"]) for r in tried if r["shown"] == str(shown)) == list(xy_contest.RATES)
        best = min(tried, key=lambda row: float(row["nll_held_out"]))
        used = committed()[committed()["network"] == network]
        assert set(used["rate"]) == {float(best["rate"])} and {str(x) for x in used["shown"]} == {best["shown"]}
