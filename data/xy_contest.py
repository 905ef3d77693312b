"""The contest of networks of angles (`lib/studies/xy_contest.py`): writes xy_contest_tuning.csv and xy_contest.csv.

    python data/xy_contest.py

On one core of an otherwise idle machine it takes most of an hour; it goes on where it was interrupted. Seconds are
those of the processor, which come out longer where another process shares the core. Columns of the tuning:
nll_held_out in nats, after a third of the steps. Columns of the contest: `Judged`, and how the network was trained.
"""

import csv
import math
from pathlib import Path

from lib.studies import xy_contest
from lib.studies.sources import Angles

HERE = Path(__file__).parent
SOURCE = Angles(16, 0.9)
TUNED = ("network", "steps", "rate", "shown", "nll_held_out", "cpu_seconds")
TRIAL = ("network", "seed", "steps", "rate", "shown", "n_weights", "cpu_seconds", *xy_contest.Judged._fields)


def rows_of(file):
    """The rows of a table that may not be there yet, a list of dicts of text."""
    if not file.is_file():
        return []
    with open(file, newline="") as stream:
        return list(csv.DictReader(stream))


def add(file, names, row):
    """Append a row at once, so that nothing is lost."""
    new = not file.is_file()
    with open(file, "a", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        if new:
            table.writerow(names)
        table.writerow([f"{x:.6g}" if isinstance(x, float) else x for x in row])
    print(*row, flush=True)


def tune(network, file):
    """The rows of one entrant in the table of the tuning, those that are missing made first."""
    done = [row for row in rows_of(file) if row["network"] == network]
    known = {(float(row["rate"]), row["shown"]) for row in done}
    steps = xy_contest.STEPS[network] // xy_contest.TUNING
    for shown in xy_contest.SHOWN.get(network, (False,)):
        for rate in xy_contest.RATES:
            if (rate, str(shown)) not in known:
                seed = xy_contest.TUNING_SEED
                try:
                    trial = xy_contest.train(network, SOURCE, xy_contest.N_TRAIN, steps, seed, rate, shown)
                    found = float(trial.nll_held_out), trial.cpu_seconds
                except FloatingPointError:  # too fast
                    found = math.inf, math.nan
                add(file, TUNED, (network, steps, rate, shown, *found))
    return [row for row in rows_of(file) if row["network"] == network]


def main():
    tuning, contest = HERE / "xy_contest_tuning.csv", HERE / "xy_contest.csv"
    chosen = {}
    for network in xy_contest.ENTRANTS:
        chosen[network] = min(tune(network, tuning), key=lambda row: float(row["nll_held_out"]))
    done = {(row["network"], row["seed"]) for row in rows_of(contest)}
    pairs = xy_contest.pair_backgrounds(SOURCE)
    for seed in xy_contest.SEEDS:
        for network, best in chosen.items():
            if (network, str(seed)) in done:
                continue
            rate, shown = float(best["rate"]), best["shown"] == "True"
            steps = xy_contest.STEPS[network]
            trial = xy_contest.train(network, SOURCE, xy_contest.N_TRAIN, steps, seed, rate, shown)
            judged = xy_contest.judge(trial.hamiltonian, SOURCE, seed, pairs)
            add(contest, TRIAL, (network, seed, steps, rate, shown, trial.n_weights, trial.cpu_seconds, *judged))


if __name__ == "__main__":
    main()
