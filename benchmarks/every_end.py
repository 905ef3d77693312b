"""Every parameter of every chapter at both ends of what it may be, with the smoke preset: does the chapter end?

    python benchmarks/every_end.py [CHAPTER ...] [--first N]

One run at a time, one worker. Prints a table, CPU seconds of each run included, and exits with 1 if one of them failed.
Where the end of a range would take minutes by its nature, `FEASIBLE` has a large value in its place.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile

from lib.page import parameters, tables
from lib.paths import ROOT

FEASIBLE = {
    "L": 16,
    "n_train": 20_000,
    "n_steps": 300,
    "steps": 300,
    "n_networks": 3,
    "n_blocks": 1000,
    "n_repetitions": 3,
    "n_images": 1000,
    "n_hidden": 8,
    "n_components": 8,
    "n_sites": 64,
    "n_samples": 1000,
}
# together with each other: nearly frozen on a small lattice, few of everything
PAIRS = {
    "ising": [{"T0": 1.0, "L": 8}, {"T0": 1.0, "n_train": 1000}, {"T0": 1.5}, {"T0": 5.0, "n_steps": 10}],
    "ising_contest": [{"L": 6, "n_steps": 100}, {"T0": 2.0, "n_few": 1000}],
    "ising_temperature": [{"L": 6, "n_steps": 10}],
    "ising_blocks": [{"T0": 1.0, "L": 6}, {"T0": 5.0, "n_steps": 30}],
    "xy": [{"T0": 0.3, "n_train": 500}, {"T0": 0.3, "L": 8}],
    "variational": [{"T_low": 0.5, "L": 4, "T": 1.0}, {"T_low": 0.5, "T_xy": 0.3}],
    "action_prediction": [{"beta_1": 200.0, "beta_2": 1.0}],
}
SKIPPED = ("finite_size",)  # a notebook of sweeps, no chapter


def ends(chapter):
    """Lists of {name: value}: the preset itself, each parameter at its ends, and `PAIRS`."""
    preset = parameters.declared()[chapter].smoke
    found = [{}]
    for rule in parameters.rules(chapter).values():
        if rule.kind is str and not rule.choices or rule.name == "kind":
            continue  # files, and what they hold
        largest = rule.maximum if rule.maximum is None else min(rule.maximum, FEASIBLE.get(rule.name, rule.maximum))
        values = rule.choices or (rule.minimum, largest)
        if rule.kind is bool:
            values = ()
        found += [{rule.name: rule.kind(v)} for v in values if v is not None and v != preset.get(rule.name)]
    return found + PAIRS.get(chapter, [])


def run(chapter, given, folder):
    """(exit status, CPU seconds, last line) of the chapter with the smoke preset and these values."""
    options = [text for name, value in given.items() for text in ("-p", f"{name}={value}")]
    command = [sys.executable, "-m", "lib", "run", chapter, "--smoke", *options, "--out", folder]
    environment = os.environ | {"DAN_BOOK_WORKERS": "1", "DAN_BOOK_CACHE": "off"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = (done.stdout + done.stderr).strip().splitlines()
    return done.returncode, seconds, lines[-1] if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="default: all")
    parser.add_argument("--first", type=int, help="only so many runs of each chapter")
    options = parser.parse_args()
    rows, failed = [["chapter", "given", "exit", "CPU s", "says"]], 0
    for chapter in options.chapters or [name for name in parameters.declared() if name not in SKIPPED]:
        for number, given in enumerate(ends(chapter)[: options.first]):
            with tempfile.TemporaryDirectory() as folder:
                status, seconds, line = run(chapter, given, f"{folder}/{number}")
            text = ", ".join(f"{name}={value}" for name, value in given.items()) or "the preset"
            rows.append([chapter, text, str(status), f"{seconds:.1f}", line[:100] if status else ""])
            print("  ".join(rows[-1]), flush=True)
            failed += status != 0
    print()
    print(tables.aligned(rows))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
