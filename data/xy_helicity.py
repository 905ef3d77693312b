"""Helicity modulus of the XY model near its transition, direct Monte Carlo: writes xy_helicity.csv.

    python data/xy_helicity.py

A quarter of an hour of one core: longer runs and larger lattices than a chapter has time for. Columns: side,
temperature, helicity modulus and its error.
"""

import csv
from pathlib import Path

from lib.studies import xy_temperature

SIZES = (6, 8, 12, 16, 24, 32, 48)
WINDOW = (0.82, 0.86, 0.90, 0.94, 0.98)
SWEEPS, SEED = 8000, 71


def main():
    with open(Path(__file__).with_name("xy_helicity.csv"), "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["L", "T", "helicity", "error"])
        for L in SIZES:
            curve = xy_temperature.monte_carlo({L: WINDOW}, SWEEPS, SEED)[L]
            for T, Y, error in zip(WINDOW, curve.values["helicity"], curve.errors["helicity"], strict=True):
                table.writerow([L, f"{T:g}", f"{Y:.6f}", f"{error:.6f}"])
            file.flush()
            print(L, "done", flush=True)


if __name__ == "__main__":
    main()
