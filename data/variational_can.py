"""The network of Chin. Phys. Lett. 39, 120502, trained on the energy alone: writes variational_can.csv.

    python data/variational_can.py

Three layers of masked 3 x 3 convolutions of width 32, three Beta densities of equal weight, XY model, L = 16, down a
ladder of temperatures (`lib/studies/xy_ladder.py`). About five minutes of one core. The paper took 10 000 steps of 1000
configurations, learning rate 1e-3, at every temperature; here the learning rate was tuned first, on a shorter training
at the highest temperature (rows `tuning`: the same, but only that temperature), because so few steps need a faster one.
Columns: kind, learning rate, seed, temperature, steps taken so far, configurations per step, seconds of the processor
so far, F_q / N, E / N and helicity modulus as the network draws them with their errors, the same two with weights p / q
with their errors, effective samples per draw, and the number of draws.
"""

import csv
from pathlib import Path

from lib.models.descent import Schedule
from lib.studies.variational import free_energy
from lib.studies.variational_xy import averages
from lib.studies.xy_ladder import Ladder, climb_down

L, SEEDS, N_DRAWS = 16, (201, 202, 203), 2000
TEMPERATURES = (1.6, 1.3, 1.1, 1.02, 0.98, 0.94, 0.90, 0.86, 0.82, 0.6, 0.4)
RATES, TUNING_STEPS, TUNING_SEED = (3e-3, 1e-2, 3e-2), 80, 200
FIRST, STEPS, BATCH = 400, 200, 64
QUANTITIES = ("energy", "helicity")
COLUMNS = ("kind", "rate", "seed", "T", "steps", "batch", "cpu_seconds", "free_energy", "free_energy_error")
COLUMNS += tuple(f"{kind}{name}{end}" for kind in ("", "weighted_") for name in QUANTITIES for end in ("", "_error"))
COLUMNS += ("ess", "n_draws")


def rows(kind, rate, seed, rungs):
    """A list of numbers, in the order of COLUMNS, for each `Rung`."""
    seconds = 0.0
    for rung in rungs:
        seconds += rung.cpu_seconds
        draws = rung.draws
        free = free_energy(draws)
        found = [averages(draws, weighted) for weighted in (False, True)]
        numbers = [number for each in found for k in range(2) for number in (each.value[k], each.error[k])]
        steps = rung.first_step + len(rung.beta)
        start = [kind, rate, seed, draws.T, steps, BATCH, seconds, free.value / L**2, free.error / L**2]
        yield [*start, *numbers, draws.ess, len(draws.energy)]


def main():
    with open(Path(__file__).with_name("variational_can.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def run(kind, rate, seed, temperatures, first):
            schedule = Schedule(first, STEPS, first_rate=rate, rate=rate / 2, batch=BATCH)
            rungs = climb_down(Ladder("can", L, temperatures, schedule, N_DRAWS, seed))
            found = list(rows(kind, rate, seed, rungs))
            for row in found:
                row = [f"{x:.6g}" if isinstance(x, float) else x for x in row]
                table.writerow(row)
                print(*row, flush=True)
            file.flush()
            return found

        trials = {rate: run("tuning", rate, TUNING_SEED, TEMPERATURES[:1], TUNING_STEPS) for rate in RATES}
        best = min(RATES, key=lambda rate: trials[rate][0][COLUMNS.index("free_energy")])
        for seed in SEEDS:
            run("ladder", best, seed, TEMPERATURES, FIRST)


if __name__ == "__main__":
    main()
