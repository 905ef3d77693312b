"""Seconds of one core to a given KL(data || network), for each network: the book's recipe beside the one it replaced.

python benchmarks/training.py [NETWORK ...]

Every line is one training: the recipe with more and more steps, until the smallest KL asked for is reached or the time
runs out. `old`: the schedule of earlier editions, a batch that grows from a quarter of its size to all of it, AdamW,
and the last weights instead of an average.
"""

import sys
import time

import numpy as np
import torch

from lib.models.fit import learning_rate_factor
from lib.models.learned import LearnedHamiltonian
from lib.studies.sources import Paths, Spins
from lib.studies.task import Task, learn

WANTED = (0.06, 0.03, 0.02)
LONGEST = 120  # seconds of one training
SOURCES = {
    "markov_lattice": Spins(16, 2.27),
    "made_symmetric": Spins(16, 2.27),
    "kinetic_ring": Paths(40.0, 64),
    "markov_ring": Paths(40.0, 64),
    "markov_ring_beta": Paths(40.0, 64),
}
OLD = {"markov_lattice": (1e-2, 128), "made_symmetric": (3e-3, 128), "kinetic_ring": (3e-3, 256)}
OLD |= dict.fromkeys(("markov_ring", "markov_ring_beta"), (6e-3, 128))


def old(network, source, n_train, n_steps, seed):
    """KL and CPU seconds of a training by the old schedule."""
    recipe, (rate, batch) = source.networks[network], OLD[network]
    data = torch.as_tensor(source.configurations(n_train, seed, "train"))
    model = recipe.build(source, seed, data.numpy())
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True)
    begin = time.process_time()
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = rate * learning_rate_factor(step, n_steps)
        size = (batch // 4, batch // 2, batch)[3 * step // n_steps]
        chosen = recipe.augment(data[torch.randint(len(data), (size,), generator=generator)], generator)
        loss = -model.log_prob(chosen).mean() / model.n_sites
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.process_time() - begin
    test = source.configurations(5000, seed)
    hamiltonian = LearnedHamiltonian(model, source.T, preprocess=recipe.preprocess)
    return source.divergence(hamiltonian, test), seconds


def new(network, source, n_train, n_steps, seed):
    """KL and CPU seconds of a training by the book's recipe."""
    learned = learn(Task(network, source, n_train, n_steps, seed))
    return learned.kl, learned.cpu_seconds


def main():
    torch.set_num_threads(1)
    for network in sys.argv[1:] or SOURCES:
        for name, train in (("old", old), ("new", new)):
            n_steps, reached = 400, np.inf
            while reached > WANTED[-1]:
                kl, seconds = train(network, SOURCES[network], 50_000, n_steps, 1)
                reached = kl.value
                below = ", ".join(f"{bar:g}" for bar in WANTED if reached <= bar)
                print(
                    f"{network:16s} {name}  {n_steps:6d} steps {seconds:7.1f} s  KL {kl.value:.4f}"
                    f"  {'below ' + below if below else ''}",
                    flush=True,
                )
                if 2 * seconds > LONGEST:
                    break
                n_steps *= 2


if __name__ == "__main__":
    main()
