"""Sums of four spins as five states: exact entropies, and what overlapping sums remember of the spins."""

import numpy as np
import pytest
import torch

from lib.analysis import blocking
from lib.models.fit import fit
from lib.models.heads.discrete import SymmetricCategorical
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_lattice import MarkovLattice
from lib.models.staggered_sums import StaggeredSums
from lib.samplers import chains, mcmc
from lib.studies import recipes
from lib.systems import ising
from tests.physics.standins import STATES, boltzmann

T = 2.27


def test_five_states_against_the_exact_distribution():
    s, p = STATES, boltzmann(ising.energy(STATES), 1 / T)
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
