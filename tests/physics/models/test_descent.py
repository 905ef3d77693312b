"""Down a ladder of temperatures: the network is carried, every temperature has its own beta, and p is reached."""

import numpy as np
import pytest
import torch

from lib.models.autoregressive import log_prob_in_batches
from lib.models.descent import Schedule, descend
from lib.models.heads.discrete import Bernoulli
from lib.models.markov_lattice import MarkovLattice
from lib.systems import ising

STATES = ising.enumerate_states(3)


def network():
    return MarkovLattice(3, Bernoulli(), hidden=8, rank=1, odd=True, seed=1)


def test_every_network_is_that_of_its_temperature():
    """Exact D(q || p) on all 512 states, at each temperature and at the ones that were not trained at."""
    model, temperatures = network(), (4.0, 3.0, 2.4)
    log_q = []
    for T, result in descend(model, ising.energy, temperatures, Schedule(100, 40, 2e-2, 1e-2, batch=128), seed=1):
        steps, beta, *_ = np.array(result.history).T
        assert result.steps == len(steps) == (100 if T == 4.0 else 40)
        assert beta[-1] == pytest.approx(1 / T) and (T == 4.0 or np.allclose(beta, 1 / T))
        log_q.append(log_prob_in_batches(model, STATES, batch=512))
    log_p = [-ising.energy(STATES) / T - float(ising.log_partition_function(3, T)) for T in temperatures]
    divergence = np.array([[(np.exp(q) * (q - p)).sum() for p in log_p] for q in log_q])
    assert (np.diag(divergence) < 0.04).all()
    assert (divergence.argmin(axis=1) == [0, 1, 2]).all()


def test_a_training_starts_from_the_network_above():
    """With a learning rate of nearly nothing the network of the first temperature is still there."""
    model = network()
    rungs = descend(model, ising.energy, (4.0, 1.0), Schedule(30, 30, 2e-2, 1e-9), seed=1)
    next(rungs)
    first = log_prob_in_batches(model, STATES, batch=512)
    next(rungs)
    assert np.allclose(log_prob_in_batches(model, STATES, batch=512), first, atol=1e-5)
    assert not np.allclose(first, log_prob_in_batches(network(), STATES, batch=512), atol=0.1)


def test_the_same_seed_gives_the_same_networks_and_another_one_others():
    def trained(seed):
        model = network()
        list(descend(model, ising.energy, (4.0, 3.0), Schedule(10, 10), seed))
        return torch.cat([weight.detach().flatten() for weight in model.parameters()])

    assert torch.equal(trained(1), trained(1)) and not torch.allclose(trained(1), trained(2), atol=1e-4)


@pytest.mark.parametrize("temperatures", [(), (1.0, 1.0), (1.0, 1.5)])
def test_temperatures_that_do_not_fall_are_refused_at_once(temperatures):
    with pytest.raises(ValueError, match="each below the one before"):
        descend(network(), ising.energy, temperatures, Schedule(10, 10), seed=1)
