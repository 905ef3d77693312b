"""One run of a sweep: `task` on a Dask worker starts it, `main` is the process that it is.

The end of that process, of whatever kind, leaves the worker alive. Dask sends `task` to the workers by value: it needs
the standard library and psutil only, and finds everything else in the repository that the sweep was started from.

No run is carried out twice, whoever is killed when. A finished run is a folder that gets its name in one step; until
then it is an attempt, `unfinished/NAME.XXXX`, which nobody else writes into. It holds the lock of its run, which the
system takes back, and it ends with the worker that started it, which holds the other end of its standard input.
"""

import json
import os
import sys
from pathlib import Path

PARTS = "unfinished"  # attempts, and what they printed
LOCKS = ".locks"
TOKEN = "DAN_SWEEP_RUN"  # environment variable that marks every process of an attempt
NOT_POSSIBLE = 3  # exit code: another attempt would end in the same way


def task(job: dict) -> dict:
    """Carry out one run, on a Dask worker. Returns its status, its parameters record and its results.

    job: name, key, root, out, source (paths as text), pairs (`NAME=VALUE`), token. RuntimeError if the run's process
    died: then it is tried again.
    """
    import subprocess
    import uuid

    root, out = Path(job["root"]), Path(job["out"])
    for folder in (root, out):
        if not folder.is_dir():
            unseen = f"{os.uname().nodename} does not see {folder}; workers must share it"
            return {"status": "refused", "failure": unseen}
    token = f"{job['token']}.{uuid.uuid4().hex[:8]}"
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "DAN_BOOK_WORKERS")
    environment = os.environ | dict.fromkeys(names, "1") | {"PYTHONPATH": str(root), TOKEN: token}
    log = out / PARTS / f"{job['name']}.{token.rpartition('.')[2]}.log"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "lib.book.sweep.worker", json.dumps(job)],
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt from the terminal is for the sweep
        )
    cancelled = False
    while process.poll() is None:
        try:
            process.wait(0.2)
        except subprocess.TimeoutExpired:
            if not cancelled and _is_cancelled():
                cancelled = True
                process.stdin.close()  # the run takes this for the end of its worker
    end_processes(token)  # of a run that was killed itself
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    folder = out / job["name"]
    if folder.is_dir():
        log.unlink()
        return read(folder)
    if process.returncode == NOT_POSSIBLE:
        log.unlink()
        return {"status": "refused", "failure": lines[-1] if lines else "no reason given"}
    if process.returncode < 0:
        raise RuntimeError(f"the process of the run was killed (signal {-process.returncode})")
    raise RuntimeError(lines[-1] if lines else f"the process of the run ended with exit code {process.returncode}")


def read(folder: Path) -> dict:
    """Status, parameters record and results of the finished run in this folder."""
    record = json.loads((folder / "params.json").read_text(encoding="utf-8"))
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    status = "failed" if record["error"] else "finished"
    return {"status": status, "failure": record["error"], "record": record, "results": results}


def end_processes(token: str) -> None:
    """Kill every process of this machine that carries a token starting with this one."""
    import psutil

    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(TOKEN, "").startswith(token):
                process.kill()
        except (psutil.Error, OSError):  # gone, or somebody else's
            continue


def _is_cancelled() -> bool:
    """Has the scheduler taken the task back, because the sweep was stopped or has disappeared?

    Dask does not stop a running task by itself.
    """
    from distributed import get_worker
    from distributed.worker import thread_state

    try:
        state = get_worker().state.tasks.get(thread_state.key)
    except ValueError:  # not on a worker
        return False
    return state is None or state.state == "cancelled"


# The process of the run ------------------------------------------------------------------------------------


def main() -> int:
    """`python -m lib.book.sweep.worker JOB`, with a standard input that ends when the run shall."""
    import signal

    from lib import processes
    from lib.errors import BookError

    processes.end_when(sys.stdin.buffer.raw.read)  # the worker holds the other end
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the workers block it, see `cluster`

    try:
        return _attempt(json.loads(sys.argv[1]))
    except BookError as error:
        print(error)
        return NOT_POSSIBLE


def _attempt(job: dict) -> int:
    from lib import files, processes
    from lib.book import freshness, runs
    from lib.book.chapter import Chapter
    from lib.book.sweep import plan
    from lib.errors import BookError

    out, chapter = Path(job["out"]), Chapter(Path(job["source"]))
    folder = out / job["name"]
    # held by an attempt whose sweep or worker has been killed: it ends soon
    with files.lock(out / LOCKS / job["name"]), processes.terminated_like_interrupted():
        if folder.exists():
            return 0
        given = runs.check_parameters(chapter, job["pairs"])
        if plan.run_key(chapter, chapter.defaults | given, freshness.digest(chapter)) != job["key"]:
            raise BookError(f"{chapter.name} or its code was edited after the sweep was started")
        attempt = out / PARTS / f"{job['name']}.{os.environ[TOKEN].rpartition('.')[2]}"
        outcome = runs.carry_out(chapter, given, attempt, code_hash=job["code_hash"]).outcome
        if outcome.stopped:
            print(outcome.error)
            return 1
        attempt.rename(folder)
        return 0


if __name__ == "__main__":
    sys.exit(main())
