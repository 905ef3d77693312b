"""Execute notebooks: papermill underneath, progress in the terminal, several side by side."""

import itertools
import logging
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from pathlib import Path

from lib import cache, parallel, processes
from lib.book import kernel, notebooks, usage
from lib.book.chapter import Chapter
from lib.errors import first_line


@dataclass
class Outcome:
    """What became of one execution. `error` is None, or one line naming the cell and the reason.

    `stopped`: the notebook did not get to its end or to a failing cell, because of an interrupt (`interrupted`), or
    because the kernel died. `memory`: the most its processes used together, in MB.
    """

    path: Path
    seconds: float
    error: str | None = None
    interrupted: bool = False
    stopped: bool = False
    memory: int = 0


def execute(source: Path, output: Path, parameters: dict | None = None, cwd: Path | None = None) -> Outcome:
    """Execute the notebook `source` into `output`. Failures come back in the outcome, they do not raise."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    for name in ("papermill", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to say comes back in the outcome
    start = time.monotonic()
    error, interrupted, stopped = None, False, False
    with kernel.environment() as folder, usage.PeakMemory() as peak:
        try:
            papermill.execute_notebook(
                _literal(source),
                _literal(output),
                parameters=parameters or None,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=str(cwd or source.parent),
                start_timeout=300,
                on_cell_executed=_progress(source, parameters),
                config=Config({"KernelManager": kernel.connection(folder)}),
            )
        except PapermillExecutionError as failure:
            what = f"{failure.ename}: {failure.evalue}".splitlines()[0]
            error = f"{source.stem}: cell {failure.exec_count}: {what}"
        except DeadKernelError:
            stopped = True
            error = f"{source.stem}: the kernel died (out of memory, or stopped from outside)"
            error += kernel.last_words(folder)
        except KeyboardInterrupt:
            interrupted, stopped = True, True
            error = f"{source.stem}: interrupted"
        except Exception as failure:  # no kernel, full disk: whatever it is, the reader gets one line
            stopped, interrupted = True, _after_an_interrupt(failure)
            what = f"{type(failure).__name__}: {first_line(failure)}{kernel.last_words(folder)}"
            error = f"{source.stem}: {'interrupted' if interrupted else what}"
    return Outcome(output, time.monotonic() - start, error, interrupted, stopped, peak.megabytes)


def execute_all(jobs: list[tuple[Path, Path]], workers: int = 2) -> list[Outcome]:
    """Execute (source, output) pairs, `workers` at a time where there are as many cores, each in a process of its own.

    Chapters side by side have one core each, so they start no workers of their own. However this function is left, and
    whatever becomes of this process, nothing of what it has started runs on. Processes and not threads: papermill
    changes the current directory of the whole process.
    """
    # the chapter that took longest comes first, so that the last to finish has started early
    waiting = sorted(jobs, key=lambda job: -(Chapter(job[0]).measured.get("seconds") or 0))
    side_by_side = max(1, min(workers, parallel.cores(), len(waiting)))
    running, outcomes = {}, []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            while waiting or running:
                while waiting and len(running) < side_by_side:
                    source, output = waiting.pop(0)
                    answer, process = _start(source, output, folder, side_by_side)
                    running[answer] = process, source, output, time.monotonic()
                for answer in connection.wait(list(running)):
                    process, source, output, start = running[answer]
                    try:
                        outcome = answer.recv()
                    except EOFError:
                        error = f"{source.stem}: the process that executed it was killed (out of memory?)"
                        outcome = Outcome(output, time.monotonic() - start, error, stopped=True)
                    process.join()
                    del running[answer]
                    outcomes.append(outcome)
                    say(outcome.error or f"{outcome.path.stem}: done in {outcome.seconds:.0f} s")
        finally:
            for process, *_ in running.values():
                processes.end(process.pid)
    return sorted(outcomes, key=lambda outcome: outcome.path)


def _start(source: Path, output: Path, folder: str, side_by_side: int):
    """A process that executes a chapter, and the connection at which its outcome arrives."""
    context = get_context("spawn")
    answer, end = context.Pipe(duplex=False)
    process = context.Process(target=_chapter, args=(source, output, folder, side_by_side, end), daemon=True)
    # Ctrl-C reaches every process of the terminal, but it is for this one. The tracker would unblock it again.
    resource_tracker.ensure_running()
    with processes.delayed(signal.SIGINT):
        process.start()
    end.close()  # the process has it now; when that ends, the connection does
    return answer, process


def _chapter(source: Path, output: Path, folder: str, side_by_side: int, answer) -> None:
    """Execute one chapter and send its outcome. folder: for everything temporary, which goes when all chapters end.

    Networks that were trained before are not taken from the cache: what chapters share is trained in this execution.
    """
    processes.follow_parent()
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    os.environ[cache.SWITCH] = str(Path(folder) / "cache")
    if side_by_side > 1:
        os.environ[parallel.LIMIT] = "1"
    answer.send(execute(source, output))


def say(line: str) -> None:
    print(line, flush=True)


def _after_an_interrupt(error: BaseException | None) -> bool:
    """Did this come up while an interrupt was dealt with? What asyncio left behind can then fail on its own."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _after_an_interrupt(error.__context__))


def _literal(path: Path) -> str:
    """papermill formats paths with the parameters; doubled braces come out as they are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _progress(source: Path, parameters: dict | None):
    """What nbclient calls after each code cell: one line in the terminal."""
    total = len(notebooks.code_cells(notebooks.read(source))) + bool(parameters)  # papermill injects a cell
    start, done = time.monotonic(), itertools.count(1)

    def executed(**_):
        say(f"{source.stem}: cell {next(done)}/{total}, {time.monotonic() - start:.1f} s")

    return executed
