"""results.csv, the table of a sweep: a row a run, a column a parameter, four columns a claim.

The columns: parameters, those of the command line first; STATE; and for every claim KEY its value in `KEY`, then
`KEY error`, `KEY reference`, `KEY verdict`.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import files
from lib.book.sweep import worker
from lib.errors import BookError
from lib.statistics import over_networks

CSV = "results.csv"
STATE = ("run", "status", "seconds", "failure")
# end of the name of a column -> field of the record of a claim
CLAIM = {"": "value", " error": "error", " reference": "reference", " verdict": "verdict"}


class Table:
    """What is known of the runs of a folder; `write` puts it into results.csv.

    code: hash of the code of the runs; runs: `plan.Combination`s in the order of the command; names: the parameters
    given there; rows: run name -> dict. Runs of earlier commands in the same folder are taken in as well, if they are
    of the same code.
    """

    def __init__(self, folder: Path, code: str, runs: list, names: list[str]):
        self.folder, self.code, self.runs, self.names = folder, code, runs, names
        self.rows, self.values = {}, {run.name: run.values for run in runs}
        for path in sorted(folder.glob("*/params.json")):
            try:
                outcome = worker.read(path.parent)
            except (OSError, ValueError, KeyError):
                raise BookError(f"{path.parent} is no finished run; move it away") from None
            if outcome["record"].get("code_hash") == self.code:
                self.values.setdefault(path.parent.name, outcome["record"]["parameters"])
                self.add(path.parent.name, outcome)

    def add(self, name: str, outcome: dict) -> None:
        """Take in what became of the run of this name, see `worker.task`."""
        row = {"status": outcome["status"], "failure": outcome["failure"]}
        row["seconds"] = outcome.get("record", {}).get("seconds", "")
        for result in outcome.get("results", []):
            for suffix, field in CLAIM.items():
                row[result["key"] + suffix] = result[field]
        self.rows[name] = row

    def count(self) -> Counter:
        """How many runs of this command have which status."""
        return Counter(self.rows.get(run.name, {}).get("status", "missing") for run in self.runs)

    def write(self) -> bool:
        """results.csv, whole or not at all: the runs in the order of the command. Is it another one than before?"""
        first = next(iter(self.values.values()))
        parameters = [*self.names, *[name for name in first if name not in self.names]]
        own = {run.name: number for number, run in enumerate(self.runs)}
        order = sorted(self.values, key=lambda name: (own.get(name, len(own)), name))
        columns = dict.fromkeys(column for name in order for column in self.rows.get(name, ()))
        claims = [column for column in columns if column not in STATE]
        text = io.StringIO()
        writer = csv.DictWriter(text, [*parameters, *STATE, *claims], restval="", lineterminator="\n")
        writer.writeheader()
        for name in order:
            writer.writerow({"status": "missing", "run": name} | self.values[name] | self.rows.get(name, {}))
        path = self.folder / CSV
        if path.exists() and files.read_text(path) == text.getvalue():
            return False
        files.write_text(path, text.getvalue())
        return True


@dataclass(frozen=True)
class Sweep:
    """A results.csv. rows: one dict a run, parameters as numbers where they are numbers. parameters, varied, claims:
    column names; varied are the parameters with more than one value, in the order of the columns."""

    rows: list[dict]
    parameters: list[str]
    varied: list[str]
    claims: list[str]

    def lines(self, claim: str) -> dict[tuple, list[tuple]]:
        """{values of the other varied parameters: [(x, value, error or 0, reference or None)]}, x the first varied."""
        found: dict[tuple, list[tuple]] = {}
        for row in self.rows:
            if self.varied and isinstance(row[claim], float):
                rest = tuple(row[name] for name in self.varied[1:])
                error, reference = row[f"{claim} error"], row[f"{claim} reference"]
                point = (row[self.varied[0]], row[claim], error or 0.0, None if reference == "" else reference)
                found.setdefault(rest, []).append(point)
        return {rest: sorted(points, key=lambda p: (isinstance(p[0], str), p[0])) for rest, points in found.items()}

    def means(self, claim: str, parameter: str) -> np.ndarray:
        """[3, x]: values of a parameter, and mean and error of a claim over the runs that share each of them."""
        claimed = [row for row in self.rows if isinstance(row[claim], float)]
        x = sorted({row[parameter] for row in claimed})
        shared = [[row for row in claimed if row[parameter] == value] for value in x]
        means = [over_networks([r[claim] for r in runs], [r[f"{claim} error"] for r in runs]) for runs in shared]
        return np.array([x, *zip(*means, strict=True)])


def read(path: str | Path) -> Sweep:
    """The sweep in this results.csv; lines that start with # are comments. BookError if it is none."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(line for line in file if not line.startswith("#"))
        rows = [{name: _number(text) for name, text in row.items()} for row in reader]
    columns = reader.fieldnames or []
    if "run" not in columns or "status" not in columns:
        raise BookError(f"{path} is no table of a sweep: it has no columns run and status")
    parameters = columns[: columns.index("run")]
    claims = [name.removesuffix(" verdict") for name in columns if name.endswith(" verdict")]
    varied = [name for name in parameters if len({row[name] for row in rows}) > 1]
    return Sweep(rows, parameters, varied, claims)


def _number(text: str):
    try:
        return float(text)
    except ValueError:
        return text
