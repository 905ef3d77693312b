"""Speed of the networks: training step, evaluation, cached and naive sampling; medians of repeated runs, one core.

python benchmarks/networks.py
"""

import numpy as np
import torch
from timing import median_seconds

from lib import lattice
from lib.models.autoregressive import log_prob_in_batches
from lib.models.fit import fit
from lib.models.heads.discrete import Bernoulli
from lib.models.made import MADE
from lib.models.markov_lattice import MarkovLattice


def main():
    torch.set_num_threads(1)
    print("per network: training step, log_prob of one configuration, cached sample, naive / cached time")
    for L in (8, 16, 32):
        s = np.where(np.random.default_rng(1).random((2000, L, L)) < 0.5, 1, -1).astype(np.int8)
        networks = {
            "markov_lattice": MarkovLattice(L, Bernoulli(), odd=True),
            "MADE": MADE(site_shape=(L, L), head=Bernoulli(), hidden=(512,)),
        }
        for name, model in networks.items():
            batch = 32768 // L**2
            step = median_seconds(
                lambda m=model, b=batch, s=s: fit(m, s, steps=30, batch=b, augment=lattice.random_transform), 3
            )
            evaluate = median_seconds(lambda m=model, s=s: log_prob_in_batches(m, s))
            cached = median_seconds(lambda m=model: m.sample(128, 0))
            naive = median_seconds(lambda m=model: m.sample(128, 0, naive=True), 1) if L <= 16 else float("nan")
            print(
                f"  {name:9s} L = {L:2d}  {1e3 * step / 30:6.2f} ms  {1e6 * evaluate / len(s):7.1f} us  "
                f"{1e6 * cached / 128:8.1f} us  {naive / cached:6.1f}"
            )


if __name__ == "__main__":
    main()
