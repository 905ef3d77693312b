"""Block spins: hand-made cases, exact entropies at L = 4, and what overlapping sums remember of the spins."""

import numpy as np
import pytest
import torch
from scipy import stats

from lib.analysis import blocking, renormalisation
from lib.models.fit import fit
from lib.models.heads.discrete import SymmetricCategorical
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_lattice import MarkovLattice
from lib.models.staggered_sums import StaggeredSums
from lib.samplers import chains, mcmc
from lib.studies import recipes, rg
from lib.systems import ising

T = 2.27


def exact_L4():
    s = ising.enumerate_states(4)
    w = np.exp(-(ising.energy(s) - 0) / T)
    return s, w / w.sum()


def test_sums_by_hand():
    s = np.ones((1, 4, 4), np.int8)
    s[0, 0, 0] = -1
    assert blocking.sums(s).tolist() == [[[2, 4], [4, 4]]]
    # the site belongs to the overlapping blocks that start at it, left of it, above it and both, across the boundary
    overlapping = np.full((4, 4), 4)
    overlapping[[0, 0, 3, 3], [0, 3, 0, 3]] = 2
    assert (blocking.sums(s, 2, 1)[0] == overlapping).all()
    assert blocking.sums(s, block=4).tolist() == [[[14]]]
    assert blocking.sums(s, block=3, stride=2)[0].tolist() == [[7, 7], [7, 7]]
    assert blocking.sums(s, block=3, stride=4)[0].tolist() == [[7]]
    assert (blocking.sums(s, block=1) == s).all()
    assert blocking.states(blocking.sums(s)).tolist() == [[[3, 4], [4, 4]]]
    assert blocking.multiplicity().tolist() == [1, 4, 6, 4, 1]


def test_every_block_lies_where_the_talk_puts_it():
    s = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (3, 6, 6))
    for d in (1, 2):
        S = blocking.sums(s, 2, d)
        for row in range(6 // d):
            for column in range(6 // d):
                i, j = d * row, d * column
                corners = s[:, [i, (i + 1) % 6]][:, :, [j, (j + 1) % 6]]
                assert (S[:, row, column] == corners.sum((1, 2))).all()


def test_majority_and_its_ties():
    rng = np.random.default_rng(2)
    s = np.ones((4000, 2, 2), np.int8)
    s[:, 0] = -1
    tied = blocking.majority(s, rng)
    # a fair coin: |mean| < 3.3 standard errors at level 0.001
    assert set(np.unique(tied)) == {-1, 1} and abs(tied.mean()) < 3.3 / np.sqrt(4000)
    s[:, 0, 0] = 1
    assert (blocking.majority(s, rng) == 1).all() and (blocking.majority(-s, rng) == -1).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda s: blocking.sums(s, 2, 0), "stride = 0"),
        (lambda s: blocking.sums(s, 0), "block = 0"),
        (lambda s: blocking.sums(s, 8), "larger than the lattice"),
        (lambda s: blocking.sums(s, 4), "does not divide the lattice side L = 6"),
        (lambda s: blocking.sums(s, 2, 1.5), "integer"),
        (lambda s: blocking.majority(s, np.random.default_rng(0), 5), "does not divide"),
    ],
)
def test_impossible_blocks_are_refused_with_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(np.ones((1, 6, 6), np.int8))
    assert "\n" not in str(error.value)


def test_exact_entropies_at_L4():
    s, p = exact_L4()
    assert stats.entropy(p) == pytest.approx(4.48722, abs=5e-6)
    assert stats.entropy(blocking.exact_sums(s, p, 2, 1)[1]) == pytest.approx(4.47137, abs=5e-6)
    assert stats.entropy(blocking.exact_sums(s, p, 2)[1]) == pytest.approx(3.38093, abs=5e-6)
    blocks, q = blocking.exact_majority(s, p)
    assert q.sum() == pytest.approx(1, abs=1e-12) and len(blocks) == 16
    assert stats.entropy(q) == pytest.approx(1.35480, abs=5e-6)


def test_exact_majority_is_what_majority_does():
    s, p = exact_L4()
    rng = np.random.default_rng(3)
    drawn = blocking.majority(s[rng.choice(len(s), 40_000, p=p)], rng)
    blocks, q = blocking.exact_majority(s, p)
    counts = np.bincount((drawn.reshape(-1, 4) < 0) @ (1 << np.arange(4)), minlength=16)
    chi2 = ((counts - 40_000 * q) ** 2 / (40_000 * q)).sum()
    assert chi2 < 37.7  # 99.9 % point, 15 degrees of freedom


def test_blocks_to_network_to_couplings_against_the_exact_ones():
    """The whole path at L = 4: pairs, diagonals and the product of all express any even ln p of four blocks."""
    s, p = exact_L4()
    blocks, q = blocking.exact_majority(s, p)
    exact = renormalisation.exact_couplings(blocks, q)
    assert exact == pytest.approx([0.6925, 0.3271, 0.0196], abs=5e-5)
    assert rg.exact_path(blocks, q, seed=1) == pytest.approx(exact, abs=5e-5)
    # blocks of another temperature do not pass
    hot = np.exp(-ising.energy(s) / 2.3)
    _, q = blocking.exact_majority(s, hot / hot.sum())
    assert rg.exact_path(blocks, q, seed=1) != pytest.approx(exact, abs=1e-3)
    with pytest.raises(ValueError, match="do not express"):
        renormalisation.exact_couplings(blocks, q, {"pairs": blocking.TORUS_2["pairs"]})


def test_five_states_against_the_exact_distribution():
    s, p = exact_L4()
    S, q = blocking.exact_sums(s, p)
    states = blocking.states(S)
    model = MarkovLattice(2, SymmetricCategorical(5), hidden=16, odd=True, seed=1)
    fit(model, states, weights=q, steps=1000, learning_rate=1e-2)
    log_q = LearnedHamiltonian(model, T).log_prob(states)
    assert 0 <= (q * (np.log(q) - log_q)).sum() < 1e-3
    assert LearnedHamiltonian(model, T, preprocess=recipes.stride_2).log_prob(s[:100]) == pytest.approx(
        LearnedHamiltonian(model, T).log_prob(recipes.stride_2(s[:100]))
    )


def spins_of(frame, L):
    return frame[..., : L + 1], frame[..., L + 1 : 2 * L + 1], frame[..., 2 * L + 1]


@pytest.mark.parametrize("L", [4, 8, 16])
def test_what_is_remembered_is_true_and_causal(L):
    s = mcmc.sample(chains.Ising(L, T), 200, np.random.default_rng(4)).configurations
    states = torch.as_tensor(recipes.stride_1(s)).float().reshape(len(s), -1)
    memory = StaggeredSums(L, remember=True)
    inputs = memory(states)
    near, first, own = spins_of(inputs.reshape(-1, L, L, memory.n_inputs).numpy(), L)
    below, known = np.roll(s, -1, 1), 0
    for row in range(L):
        for c in range(L):
            truth = [below[:, row, c - d] for d in range(c + 1)] + [s[:, row, (c - d) % L] for d in range(c + 1, L + 1)]
            for d, value in enumerate(truth):
                told = near[:, row, c, d]
                assert (told[told != 0] == value[told != 0]).all()
                known += (told != 0).mean()
            told = first[:, row, c]
            assert (told[told != 0] == np.roll(s[:, 0], -c, 1)[told != 0]).all()
    assert known > 0.7 * L * L * (L + 1)  # and most spins are known
    S = blocking.sums(s, 2, 1)
    assert (own[:, 2:, -1] == S[:, 2:, -1]).mean() > 0.99  # the last column follows from the others
    middle = L * L // 2 + 1
    later = states.clone()
    later[:, middle:] = states.flip(0)[:, middle:]
    for extra in (memory, StaggeredSums(L)):
        assert torch.equal(extra(later)[:, : middle + 1], extra(states)[:, : middle + 1])
        assert torch.equal(extra(4 - states), -extra(states))  # odd under a flip of all spins


def test_staggered_sums_vanish_around_the_torus():
    s = mcmc.sample(chains.Ising(8, T), 100, np.random.default_rng(5)).configurations
    states = torch.as_tensor(recipes.stride_1(s)).float().reshape(len(s), -1)
    memory = StaggeredSums(8)
    inputs = memory(states).reshape(-1, 8, 8, 9)
    S = torch.as_tensor(blocking.sums(s, 2, 1))
    # before the last row, the running sum of every column is already the sum that the last row must cancel
    assert torch.equal(4 * inputs[:, -1, 0, :8], S[:, -1].float())
    assert torch.equal(4 * inputs[:, :, -1, 8], S[:, :, -1].float())
    with pytest.raises(ValueError, match="even side"):
        StaggeredSums(5)


def test_a_symmetric_categorical_site_by_hand():
    head = SymmetricCategorical(5)
    parameters = torch.tensor([[0.3, -0.2, 0.1, 0.4, 0.7]])  # odd of |S| = 4, 2; even of 4, 2, 0
    logits = torch.tensor([0.1 - 0.3, 0.4 + 0.2, 0.7, 0.4 - 0.2, 0.1 + 0.3])
    states = torch.arange(5.0)
    expected = torch.log_softmax(logits, 0)
    assert torch.allclose(head.log_prob(parameters.expand(5, 5), states), expected)
    flipped = parameters * torch.tensor([-1, -1, 1, 1, 1])
    assert torch.allclose(head.log_prob(flipped.expand(5, 5), 4 - states), expected)
    assert torch.equal(head.encode(4 - states), -head.encode(states))
    assert head.encode(states).tolist() == [[-1, -1], [-1, 0], [0, 0], [1, 0], [1, 1]]
    assert SymmetricCategorical(4).encode(torch.arange(4.0)).tolist() == [[-1, -1], [-1, 0], [1, 0], [1, 1]]
    drawn = head.sample(parameters.expand(50_000, 5), torch.Generator().manual_seed(1)).long()
    counts = torch.bincount(drawn, minlength=5).double()
    chi2 = ((counts - 50_000 * expected.exp()) ** 2 / (50_000 * expected.exp())).sum()
    assert chi2 < 18.5  # 99.9 % point, 4 degrees of freedom
