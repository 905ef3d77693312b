"""Many runs of one chapter, side by side on a Dask cluster: `python -m lib sweep`.

Every combination of the given values is one run, each in a process of its own (`lib.book.sweep_run`). The folder of a
sweep:

    L=8_T0=2.2-1f0c.../     a finished run, as `python -m lib run` leaves it; also one whose chapter failed in a cell
    unfinished/             attempts that were cut off, each in a folder of its own; nothing reads them again
    results.csv             one row a run, written anew after every run
    overview.ipynb          table and figures, made from results.csv at the end

A run is known by its parameters and by the hash of everything its chapter depends on (`freshness.inputs`). One that is
there is not carried out again; so the same command with the same `--out` goes on where it was cut off, and other values
add to it. An attempt that was cut off is left where it is, and its run starts afresh.
"""

import contextlib
import csv
import io
import itertools
import json
import pickle
import shutil
import signal
import time
import uuid
import warnings
from collections import Counter
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

from lib import files, parallel, processes
from lib.book import execute, freshness, sweep_run
from lib.book.execute import say
from lib.errors import BookError
from lib.paths import ROOT, RUNS

MOST_RUNS = 10_000
ATTEMPTS = 3  # of a run whose process dies
ANSWER = 15  # seconds that a scheduler has to answer
PLAN = "sweep.json"
CSV, OVERVIEW = "results.csv", "overview.ipynb"
STATE = ("run", "status", "seconds", "failure")  # columns of results.csv between the parameters and the claims
CLAIM = ("", " error", " reference", " verdict")  # the columns of a claim KEY: KEY, `KEY error`, ...


class Broken(BookError):
    """A sweep that could not go on."""


@dataclass(frozen=True)
class Run:
    """One combination. given: what to inject; values: every parameter; name: of its folder; key: see `run_key`."""

    given: dict
    values: dict
    name: str
    key: str

    @property
    def pairs(self) -> list[str]:
        return [f"{name}={value}" for name, value in self.given.items()]


# Which runs ------------------------------------------------------------------------------------------------


def code_hash(source: Path) -> str:
    """One hash of everything that the outputs of this chapter depend on, apart from its parameters."""
    return freshness.sha(json.dumps(freshness.inputs(source), sort_keys=True))


def run_key(source: Path, values: dict, code: str) -> str:
    """What makes a run: chapter, every parameter, and the code."""
    return freshness.sha(json.dumps([source.stem, values, code], sort_keys=True))


def combinations(source: Path, lists: list[str], smoke: bool = False) -> tuple[list[Run], list[str]]:
    """The runs of `-p NAME=VALUE,VALUE,...` texts, in order, and the names that were given.

    BookError names every combination that the chapter's rules do not allow.
    """
    options: dict[str, list[str]] = {}
    for text in lists:
        name, equals, values = text.partition("=")
        if not equals:
            raise BookError(f"-p {text}: write it as NAME=VALUE or NAME=VALUE,VALUE,...")
        if name in options:
            raise BookError(f"{name} is given twice; write all its values at once: -p {name}=VALUE,VALUE,...")
        options[name] = list(dict.fromkeys(values.split(",")))
    total = 1
    for values in options.values():
        total *= len(values)
    if total > MOST_RUNS:
        raise BookError(f"{total} combinations are more than {MOST_RUNS}; give fewer values")
    code = code_hash(source)
    runs, wrong = {}, {}
    for values in itertools.product(*options.values()):
        pairs = [f"{name}={value}" for name, value in zip(options, values, strict=True)]
        try:
            given, every = execute.check_parameters(source, pairs, smoke)
        except BookError as error:
            wrong.setdefault(str(error), []).append(" ".join(pairs))
            continue
        key = run_key(source, every, code)
        label = "_".join(f"{name}={every[name]}" for name in options) or source.stem
        runs.setdefault(key, Run(given, every, f"{_plain(label)}-{key}", key))  # 2.2 and 2.20 are one
    if wrong:
        count = sum(map(len, wrong.values()))
        lines = [line if total == 1 else f"{line} ({'; '.join(which)})" for line, which in wrong.items()]
        if total == 1 or not options:
            raise BookError("; ".join(lines))
        raise BookError(f"{count} of {total} combinations cannot run: {'; '.join(lines)}")
    if taken := sorted({*STATE} & {*next(iter(runs.values())).values}):
        raise BookError(f"parameter {taken[0]!r} has the name of a column of {CSV}; rename it")
    return list(runs.values()), list(options)


def _plain(label: str) -> str:
    return "".join(c if c.isalnum() or c in "=.,+-_" else "_" for c in label)[:100].lstrip(".")


# The sweep -------------------------------------------------------------------------------------------------


def sweep(
    source: Path,
    lists: list[str],
    smoke: bool = False,
    out: Path | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    retry_failed: bool = False,
) -> int:
    """Carry out the runs that are not there yet, gather all of them. Returns the exit code: 1 if any did not finish.

    scheduler: address of a Dask cluster; default: a local one with `workers` processes. retry_failed: carry out runs
    again whose chapter failed in a cell. BookError, before anything runs: combinations that are not allowed, a folder
    that is no sweep of this chapter or is being worked on, a scheduler that does not answer.
    """
    if workers is not None and scheduler is not None:
        raise BookError("--workers is for a local cluster; the one at --scheduler has its own workers")
    if workers is not None and workers < 1:
        raise BookError(f"--workers {workers}: give at least 1")
    runs, names = combinations(source, lists, smoke)
    folder = out or RUNS / f"{source.stem}-sweep-{time.strftime('%Y%m%d-%H%M%S')}"
    with _claimed(folder, source):
        if retry_failed:
            _set_aside_failed(folder, runs)
        table = Table(folder, source, runs, names)
        waiting = [run for run in runs if run.name not in table.rows]
        there = len(runs) - len(waiting)
        say(f"{folder}: {len(runs)} runs of {source.stem}" + (f", {there} there already" if there else ""))
        try:
            changed = table.write()
            if waiting:
                _carry_out(waiting, source, folder, table, scheduler, workers)
            if waiting or changed or not (folder / OVERVIEW).exists():
                from lib.book import overview

                try:
                    overview.write(folder / CSV, folder / OVERVIEW, source.stem)
                except BookError as error:
                    raise Broken(str(error)) from None
        except KeyboardInterrupt:
            done = sum(run.name in table.rows for run in runs)
            _complain(f"interrupted; {done} of {len(runs)} runs are there, repeat with --out {folder} to go on")
            return 130
        except Broken as error:
            _complain(str(error))
            return 1
        count = table.count(runs)
        say(f"{folder}: {CSV}, {OVERVIEW}; " + ", ".join(f"{n} {status}" for status, n in count.items()))
        if set(count) == {"finished"}:
            return 0
        _complain(
            f"{len(runs) - count.get('finished', 0)} of {len(runs)} runs did not finish; see failure in {folder / CSV}"
        )
        return 1


def _complain(line: str) -> None:
    import sys

    print(f"lib sweep: {line}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _claimed(folder: Path, source: Path):
    """The folder of the sweep, made or taken up again, and nobody else's for the time being."""
    plan, lock = folder / PLAN, contextlib.ExitStack()
    if folder.exists() and not plan.is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise BookError(f"{folder} exists already and is no sweep; name a new folder with --out")
    try:
        for part in (folder, folder / sweep_run.PARTS, folder / sweep_run.LOCKS):
            part.mkdir(parents=True, exist_ok=True)
        lock.enter_context(
            files.lock(
                folder / sweep_run.LOCKS / PLAN,
                f"another sweep is at work in {folder}; wait for it or name another folder",
            )
        )
    except OSError as error:
        raise BookError(f"cannot use {folder}: {error.strerror}; name another folder with --out") from None
    with lock:
        if plan.is_file():
            chapter = files.read_json(plan)["chapter"]
            if chapter != source.stem:
                raise BookError(
                    f"{folder} is a sweep of {chapter}, not of {source.stem}; name another folder with --out"
                )
        else:
            files.write_text(plan, json.dumps({"chapter": source.stem}) + "\n")
        yield


def _carry_out(runs: list[Run], source: Path, folder: Path, table: "Table", scheduler, workers) -> None:
    """Hand the runs to the cluster and take them in as they finish. Nothing of them is left running at the end."""
    token = uuid.uuid4().hex
    out = str(folder.absolute())
    job = {"root": str(ROOT), "out": out, "source": str(source), "token": token, "code_hash": table.code}
    before, total = len(table.runs) - len(runs), len(table.runs)
    with _client(scheduler, workers, token) as client:
        try:
            for number, (run, outcome) in enumerate(_outcomes(client, runs, job), before + 1):
                table.add(run, outcome)
                table.write()
                say(f"[{number}/{total}] {_told(run, table.names)}: {_ending(outcome)}")
        except OSError:
            done = sum(run.name in table.rows for run in table.runs)
            raise Broken(
                f"the scheduler has gone; {done} of {total} runs are there, repeat with --out {folder} to go on"
            ) from None


def _outcomes(client, runs: list[Run], job: dict):
    """Pairs (run, outcome) as they finish; OSError if the scheduler disappears.

    Runs are handed out one for each free thread, and to a worker by name. Dask on its own hands out all at once, and a
    run that has been given to a busy worker may then wait for hours beside an idle one.
    """
    from distributed import wait

    waiting, flying, attempts = list(runs), {}, Counter()
    try:
        while waiting or flying:
            threads = client.nthreads()
            busy = Counter(address for _, address in flying.values())
            free = sorted((slot, address) for address, n in threads.items() for slot in range(busy[address], n))
            for (_, address), run in zip(free, waiting.copy(), strict=False):
                waiting.remove(run)
                attempts[run.name] += 1
                future = client.submit(
                    _ByValue(),
                    job | {"name": run.name, "key": run.key, "pairs": run.pairs},
                    key=f"{run.name}-{job['token']}-{attempts[run.name]}",
                    workers=[address],
                    pure=False,
                )
                flying[future] = run, address
            with contextlib.suppress(TimeoutError):
                if flying:
                    wait(list(flying), timeout=1, return_when="FIRST_COMPLETED")
                else:
                    time.sleep(1)
            for future, (run, address) in list(flying.items()):
                if future.done():
                    outcome = _outcome(future)
                    if future.status == "cancelled" and client.status != "running":
                        raise ConnectionError
                elif address not in threads:
                    client.cancel([future], force=True)
                    outcome = {"status": "died", "failure": "the worker that carried it out died"}
                else:
                    continue
                del flying[future]
                if outcome["status"] == "died":
                    if attempts[run.name] < ATTEMPTS:
                        waiting.insert(0, run)
                        continue
                    outcome["failure"] += f", {ATTEMPTS} times"
                yield run, outcome
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(flying), force=True)


class _ByValue:
    """`sweep_run.task`, which becomes itself where it is unpickled, even where this lib cannot be imported."""

    def __call__(self, job: dict) -> dict:
        return sweep_run.task(job)

    def __reduce__(self):
        import cloudpickle

        cloudpickle.register_pickle_by_value(sweep_run)
        return pickle.loads, (cloudpickle.dumps(sweep_run.task),)


def _outcome(future) -> dict:
    """What became of an attempt: the answer of its task, or why there is none."""
    if future.status == "finished":
        return future.result()
    if future.status == "cancelled":
        return {"status": "died", "failure": "the scheduler dropped it"}
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        return {"status": "died", "failure": "the worker that carried it out died"}
    return {"status": "died", "failure": (str(error).strip().splitlines() or [type(error).__name__])[0]}


def _told(run: Run, names: list[str]) -> str:
    return " ".join(f"{name}={run.values[name]}" for name in names) or run.name


def _ending(outcome: dict) -> str:
    if outcome["status"] == "finished":
        return f"finished in {outcome['record']['seconds']:.0f} s"
    return f"{outcome['status']}: {outcome['failure']}"


@contextlib.contextmanager
def _client(scheduler: str | None, workers: int | None, token: str):
    """A client of the cluster at this address, or of a local one for the time being."""
    import logging

    from distributed import Client, LocalCluster

    for name in [name for name in logging.root.manager.loggerDict if name.startswith(("distributed", "tornado"))]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what becomes of every run is told by the sweep itself
    cluster = None
    try:
        # The threads started here inherit that interrupts are blocked, and so do the worker processes that they start:
        # Ctrl-C reaches every process of the terminal, but it is for this one. The tracker would unblock them again.
        resource_tracker.ensure_running()
        with processes.delayed(signal.SIGINT):
            if scheduler is None:
                cluster = LocalCluster(
                    n_workers=workers or parallel.default_workers(),
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",  # any free port, for None would be 8787
                    memory_limit=0,  # it would count the worker alone, and the run is a process of its own
                    silence_logs=logging.CRITICAL,
                )
                client = Client(cluster)
            else:
                client = _connected(scheduler)
        if not client.nthreads():
            say("the cluster has no workers yet; waiting for them")
        yield client
    finally:
        with processes.delayed(signal.SIGINT, signal.SIGTERM), contextlib.suppress(Exception):
            if cluster is not None:
                sweep_run.end_processes(token)
            client.close(timeout=5)
            if cluster is not None:
                cluster.close(timeout=10)
                sweep_run.end_processes(token)


def _connected(address: str):
    from distributed import Client

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions over there: the runs have their own
            return Client(address, timeout=ANSWER)
    except (OSError, ValueError, TypeError, ImportError):
        raise BookError(
            f"no Dask scheduler answers at {address}; start one with `dask scheduler` and give the address it prints"
        ) from None


def _set_aside_failed(folder: Path, runs: list[Run]) -> None:
    """Move the runs that failed in a cell to the unfinished ones, so that they are carried out again."""
    for run in runs:
        if (folder / run.name).is_dir() and sweep_run.read(folder / run.name)["status"] == "failed":
            shutil.move(folder / run.name, folder / sweep_run.PARTS / f"{run.name}.failed-{uuid.uuid4().hex[:8]}")


# The table -------------------------------------------------------------------------------------------------


class Table:
    """What is known of the runs of a folder; `write` puts it into results.csv.

    names: the parameters given on the command line; rows: run name -> dict, see `CSV`. Runs of earlier commands in the
    same folder are taken in as well, if they are of the same code.
    """

    def __init__(self, folder: Path, source: Path, runs: list[Run], names: list[str]):
        self.folder, self.names, self.code = folder, names, code_hash(source)
        self.runs, self.rows, self.values = runs, {}, {run.name: run.values for run in runs}
        for path in sorted(folder.glob("*/params.json")):
            try:
                outcome = sweep_run.read(path.parent)
            except (OSError, ValueError, KeyError):
                raise BookError(f"{path.parent} is no finished run; move it away") from None
            if outcome["record"].get("code_hash") == self.code:
                self.values.setdefault(path.parent.name, outcome["record"]["parameters"])
                self._take(path.parent.name, outcome)

    def add(self, run: Run, outcome: dict) -> None:
        self._take(run.name, outcome)

    def _take(self, name: str, outcome: dict) -> None:
        row = {"status": outcome["status"], "failure": outcome["failure"] or ""}
        row["seconds"] = outcome.get("record", {}).get("seconds", "")
        for result in outcome.get("results", []):
            for suffix, field in zip(CLAIM, ("value", "error", "reference", "verdict"), strict=True):
                row[result["key"] + suffix] = "" if result[field] is None else result[field]
        self.rows[name] = row

    def count(self, runs: list[Run]) -> dict[str, int]:
        """How many of these runs have which status."""
        statuses = [self.rows.get(run.name, {}).get("status", "missing") for run in runs]
        return {status: statuses.count(status) for status in dict.fromkeys(sorted(statuses, key=len, reverse=True))}

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
