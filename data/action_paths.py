"""The error of a learned coupling over the Cramer-Rao bound, against the number of paths: writes action_paths.csv.

    python data/action_paths.py

Markov rings of Beta densities at beta = 20 on 64 sites, three networks for each number of paths and length of training.
About ten minutes of two cores. Columns: paths, steps, networks, KL in nats, the ratio for lambda and for mu^2
(`action_floor.ratio_to_bound`) with their errors.
"""

import csv
from pathlib import Path

import numpy as np

from lib.studies import reading
from lib.studies.sources import Paths
from lib.studies.task import Task, learn_all

BETA, N_SITES, NETWORKS, SEED = 20.0, 64, 3, 501
COLUMNS = ("n_train", "n_steps", "networks", "kl")
COLUMNS += ("ratio_lambda", "ratio_lambda_error", "ratio_mu_squared", "ratio_mu_squared_error")


def main():
    with open(Path(__file__).with_name("action_paths.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for steps in (1250, 5000):
            for n in (5000, 20_000, 100_000):
                source = Paths(BETA, N_SITES)
                tasks = [Task("markov_ring_beta", source, n, steps, 100 * SEED + k) for k in range(NETWORKS)]
                read = learn_all({"": tasks}, then=reading.read_action)[""]
                ratio = reading.beside_floor(read).ratio
                both = [x for k in (0, 1) for x in (ratio.value[k], ratio.error[k])]
                row = [n, steps, NETWORKS, *(f"{x:.4g}" for x in (np.mean([one.kl.value for one in read]), *both))]
                table.writerow(row)
                print(*row, flush=True)
                file.flush()


if __name__ == "__main__":
    main()
