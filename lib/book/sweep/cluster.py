"""The runs of a sweep on a Dask cluster, one that is there or one on this machine."""

import contextlib
import logging
import pickle
import signal
import time
import uuid
import warnings
from collections.abc import Iterator
from multiprocessing import resource_tracker
from pathlib import Path

from lib import parallel, processes
from lib.book.execute import say
from lib.book.sweep import worker
from lib.errors import BookError, first_line
from lib.paths import ROOT

ATTEMPTS = 3  # of a run whose process dies
ANSWER = 15  # seconds that a scheduler has to answer


class Gone(Exception):
    """The scheduler has disappeared."""


def carry_out(
    runs: list, source: Path, folder: Path, code: str, scheduler: str | None, workers: int | None
) -> Iterator:
    """Pairs (run, outcome) as the runs finish, outcome as `worker.task` returns it. Close it: then nothing is left.

    runs: `plan.Combination`s; source: the chapter; folder: of the sweep; code: hash of what the chapter depends on;
    scheduler: address of a cluster, None for a local one with so many `workers`. BookError where none answers there.
    """
    token = uuid.uuid4().hex
    job = {"root": str(ROOT), "out": str(folder.absolute()), "source": str(source), "token": token, "code_hash": code}
    with _client(scheduler, workers, token) as client:
        try:
            yield from _outcomes(client, runs, job)
        except OSError:
            raise Gone from None


def _outcomes(client, runs: list, job: dict):
    """Pairs (run, outcome) as they finish; `Gone` if the scheduler disappears.

    No more runs are handed out than there are threads. Dask would give all of them away at once, and one that a busy
    worker has got may then wait for hours beside an idle one.
    """
    from distributed import wait

    waiting, flying = list(runs), {}
    try:
        while waiting or flying:
            free = max(0, sum(client.nthreads().values()) - len(flying))
            for run in waiting[:free]:
                task = job | {"name": run.name, "key": run.key, "pairs": run.pairs}
                key = f"{run.name}-{job['token']}"
                flying[client.submit(_ByValue(), task, key=key, retries=ATTEMPTS - 1, pure=False)] = run
            del waiting[:free]
            with contextlib.suppress(TimeoutError):
                if flying:
                    wait(list(flying), timeout=1, return_when="FIRST_COMPLETED")
                else:
                    time.sleep(1)
            for future in [future for future in flying if future.done()]:
                if future.status == "cancelled" and client.status != "running":
                    raise Gone
                yield flying.pop(future), _outcome(future)
    finally:
        with contextlib.suppress(Exception):
            client.cancel(list(flying), force=True)


class _ByValue:
    """`worker.task`, which becomes itself where it is unpickled, even where this lib cannot be imported."""

    def __call__(self, job: dict) -> dict:
        return worker.task(job)

    def __reduce__(self):
        import cloudpickle

        cloudpickle.register_pickle_by_value(worker)
        return pickle.loads, (cloudpickle.dumps(worker.task),)


def _outcome(future) -> dict:
    """What became of a run: the answer of its task, or why there is none."""
    if future.status == "finished":
        return future.result()
    if future.status == "cancelled":
        return {"status": "died", "failure": "the scheduler dropped it"}
    error = future.exception()
    killed = type(error).__name__ == "KilledWorker"  # Dask counts them itself, and says much
    line = "the worker that carried it out died" if killed else first_line(error)
    return {"status": "died", "failure": f"{line}, {ATTEMPTS} times"}


@contextlib.contextmanager
def _client(scheduler: str | None, workers: int | None, token: str):
    """A client of the cluster at this address, or of a local one for the time being."""
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
                worker.end_processes(token)
            client.close(timeout=5)
            if cluster is not None:
                cluster.close(timeout=10)
                worker.end_processes(token)


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
