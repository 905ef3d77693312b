"""Predictions of an action from pairs of networks, many times over: writes action_pairs.csv.

    python data/action_pairs.py [PART ...]

A PART, `pulls` or `lattices`, is one table of experiments; without one, both. `pulls`: three (beta_1, beta_2, beta_3)
that no choice of the book was made with, ten seeds each, to test the errors; on 32 sites, for time. `lattices`: the
chapter's temperatures on finer and finer lattices, kinetic rings beside Markov rings of Beta densities with the same
paths and steps. About half an hour of two cores. One row for each experiment and quantity: network, sites, the three
beta, seed, pairs of networks, mean KL of its networks in nats, residual of S_3, quantity, and its value and error by
the readable action and under the networks' own S_3, and exact. Rows of parts that are not made again are kept.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from lib.statistics import over_networks
from lib.studies import prediction
from lib.studies.few_paths import DrawnPaths, FewPaths
from lib.studies.reading import read_action
from lib.studies.task import Task, learn_all
from lib.systems import double_well

N_TRAIN = 20_000
PULLS = [
    ("kinetic_ring", 32, betas, seed, 3)
    for betas in ((72.0, 18.0, 30.0), (100.0, 25.0, 60.0), (48.0, 12.0, 20.0))
    for seed in range(311, 321)
]
LATTICES = [
    (network, n_sites, (80.0, 20.0, 40.0), 401, 2)
    for n_sites in (32, 64, 128, 256)
    for network in ("kinetic_ring", "markov_ring_beta")
]
PARTS = {"pulls": (PULLS, 800), "lattices": (LATTICES, 1200)}  # experiments, steps of training
COLUMNS = ("part", "network", "n_sites", "beta_1", "beta_2", "beta_3", "seed", "pairs", "kl", "rmse", "quantity")
COLUMNS += ("readable", "readable_error", "networks", "networks_error", "exact")
FILE = Path(__file__).with_name("action_pairs.csv")


def rows(part, network, n_sites, betas, seed, m):
    """The rows of one experiment."""
    source = FewPaths if part == "pulls" else DrawnPaths  # Monte Carlo is slow on fine lattices
    how = N_TRAIN, PARTS[part][1]
    tasks = {b: [Task(network, source(b, n_sites), *how, 100 * seed + k) for k in range(m)] for b in betas[:2]}
    read = learn_all(tasks, then=read_action)
    pair, beta_3 = prediction.Pair(read[betas[0]], read[betas[1]]), betas[2]
    found = prediction.predicted_averages(pair, beta_3, 3000, seed)
    fresh = DrawnPaths(beta_3, n_sites).configurations(2000, seed)
    rmse = prediction.agreement(pair, beta_3, fresh).rmse[:, 0].mean()
    readable = over_networks(prediction.readable_averages(pair, beta_3))
    exact = prediction.solve(double_well.couplings(beta_3, n_sites), beta_3, n_sites)
    log_z = over_networks(prediction.readable_log_z(pair, beta_3)), found.mean_log_z()
    true_log_z = prediction.exact_log_z(*betas, n_sites)
    kl = np.mean([one.kl.value for group in (pair.first, pair.second) for one in group])
    start = [part, network, n_sites, *betas, seed, m, kl, rmse]
    for k, name in enumerate(prediction.OBSERVABLES):
        of_networks = found.mean()
        values = readable.value[k], readable.error[k], of_networks.value[k], of_networks.error[k], exact[k]
        yield [*start, name, *values]
    yield [*start, "ln Z", *log_z[0], *log_z[1], true_log_z]


def kept(parts):
    """The rows of the file that belong to none of `parts`."""
    if not FILE.exists():
        return []
    with open(FILE, newline="") as file:
        return [row for row in csv.reader(file) if row[0] not in (*parts, "part")]


def main():
    parts = sys.argv[1:] or list(PARTS)
    unknown = set(parts) - set(PARTS)
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: a part is one of {', '.join(PARTS)}")
    written = kept(parts)
    for part in parts:
        for experiment in PARTS[part][0]:
            for row in rows(part, *experiment):
                written.append([f"{x:.6g}" if isinstance(x, float) else x for x in row])
                print(*written[-1], flush=True)
            with open(FILE, "w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *written])


if __name__ == "__main__":
    main()
