"""Execute chapters: papermill underneath, progress in the terminal, threads set once.

The kernel is always the interpreter that runs this module, with one thread for every numeric library, so that the
same seed on the same machine gives the same numbers and two chapters side by side use two cores.
"""

import contextlib
import logging
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import connection, get_context, resource_tracker
from pathlib import Path

from lib import cache, files, parallel, processes
from lib.book import freshness, notebooks, usage
from lib.errors import BookError
from lib.page import parameters
from lib.paths import ROOT

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
# glibc otherwise returns the arrays of every training step to the system and asks for them again: 15 % of the time
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
MARK = "INCOMPLETE"  # name of the file in the folder of a run that has not got to its end
INLINE = "module://matplotlib_inline.backend_inline"


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


def kernel_variables(folder: Path) -> dict[str, str]:
    """The environment every kernel of the book gets: one thread, this lib, pictures into the notebook.

    folder: one that lasts as long as the kernel, for the settings of IPython and matplotlib. Those of the user
    (startup files, matplotlibrc) would change what a chapter does.
    """
    paths = [str(ROOT)] + [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    environment = dict.fromkeys(THREADS, "1") | dict.fromkeys(MALLOC, str(2**30))
    environment |= {"PYTHONPATH": os.pathsep.join(paths), "MPLBACKEND": INLINE, "PYTHONSTARTUP": ""}
    return environment | {"IPYTHONDIR": str(folder / "ipython")} | _matplotlib(folder / "matplotlib")


def _matplotlib(folder: Path) -> dict[str, str]:
    """Variables with which matplotlib has its settings in this folder, made here, and its list of fonts already."""
    for name in ("matplotlib", "matplotlib.font_manager"):  # they say where they write, and that it takes a moment
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import matplotlib
    import matplotlib.font_manager  # makes the list if there is none, which takes seconds

    folder.mkdir(parents=True)
    for file in Path(matplotlib.get_cachedir()).glob("fontlist-*.json"):
        shutil.copy(file, folder)
    return {"MPLCONFIGDIR": str(folder), "MATPLOTLIBRC": str(folder)}


@contextlib.contextmanager
def kernel_environment():
    """Within it, the kernel `python3` is this interpreter, one thread, and this lib, wherever it is started.

    Yields a folder that lasts as long, for the kernel's sockets.
    """
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder) / "kernels" / "python3"
        spec.mkdir(parents=True)
        kernel = {
            "argv": _to_log([sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], Path(folder)),
            "display_name": "Python 3",
            "language": "python",
            "env": kernel_variables(Path(folder)),
        }
        files.write_json(spec / "kernel.json", kernel)
        before = os.environ.get("JUPYTER_PATH")
        os.environ["JUPYTER_PATH"] = folder if before is None else folder + os.pathsep + before
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["JUPYTER_PATH"]
            else:
                os.environ["JUPYTER_PATH"] = before


def execute(source: Path, output: Path, parameters: dict | None = None, cwd: Path | None = None) -> Outcome:
    """Execute the notebook `source` into `output`. Failures come back in the outcome, they do not raise."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    _register_engine()
    for name in ("papermill", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what they have to say comes back in the outcome
    start = time.monotonic()
    error, interrupted, stopped = None, False, False
    with kernel_environment() as folder, usage.PeakMemory() as peak:
        try:
            papermill.execute_notebook(
                _literal(source),
                _literal(output),
                parameters=parameters or None,
                engine_name="book",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                cwd=str(cwd or source.parent),
                start_timeout=300,
                label=source.stem,
                config=_connection(folder),
            )
        except PapermillExecutionError as failure:
            what = f"{failure.ename}: {failure.evalue}".splitlines()[0]
            error = f"{source.stem}: cell {failure.exec_count}: {what}"
        except DeadKernelError:
            stopped = True
            error = f"{source.stem}: the kernel died (out of memory, or stopped from outside)" + _last_words(folder)
        except KeyboardInterrupt:
            interrupted, stopped = True, True
            error = f"{source.stem}: interrupted"
        except Exception as failure:  # no kernel, full disk: whatever it is, the reader gets one line
            stopped = True
            error = f"{source.stem}: {_one_line(failure)}" + _last_words(folder)
    return Outcome(output, time.monotonic() - start, error, interrupted, stopped, peak.megabytes)


def execute_all(jobs: list[tuple[Path, Path]], workers: int = 2) -> list[Outcome]:
    """Execute (source, output) pairs, `workers` at a time where there are as many cores, each in a process of its own.

    Chapters side by side have one core each, so they start no workers of their own. However this function is left, and
    whatever becomes of this process, nothing of what it has started runs on. Processes and not threads: papermill
    changes the current directory of the whole process.
    """
    # the chapter that took longest comes first, so that the last to finish has started early
    waiting = sorted(jobs, key=lambda job: -(seconds(job[0]) or 0))
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


def measured(path: Path) -> dict:
    """What was measured when this committed chapter was executed: seconds, memory (MB), versions, machine."""
    return notebooks.read(path).metadata.get("dan_book", {})


def seconds(path: Path) -> int | None:
    """How long this committed chapter took when it was executed."""
    return measured(path).get("seconds")


def finish(outcome: Outcome, inputs: dict[str, str]) -> None:
    """Turn the notebook just executed into the form that is committed: tidy, and stamped with its inputs.

    `inputs` are those of `freshness.inputs` from before the execution. Taken afterwards, they would call a chapter
    fresh whose lib was edited while it ran.
    """
    notebook = notebooks.read(outcome.path)
    took = [cell.metadata.get("papermill", {}).get("duration") for cell in notebooks.code_cells(notebook)]
    cost = {"seconds": round(notebook.metadata.papermill.duration), "memory": outcome.memory}
    cost["cell_seconds"] = [round(t or 0, 1) for t in took]
    for cell in notebooks.code_cells(notebook):
        cell.outputs = _joined(cell.outputs)
    freshness.stamp(notebook, inputs, cost | {"versions": usage.versions(), "machine": usage.machine()})
    notebooks.write(notebooks.tidy(notebook), outcome.path)


def _joined(outputs: list) -> list:
    """Outputs in which text printed without anything between is one piece; the kernel sends it in pieces, by chance.

    nbclient's own `coalesce_streams` would move what is printed after a figure before it.
    """
    result = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            result.append(output)
    return result


def _one_line(error: Exception) -> str:
    """`ValueError: what it says`, without its further lines."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no reason given'])[0]}"


def _last_words(folder: str) -> str:
    """`; the last it said: ...`: the last line that the kernel wrote to stderr, empty if there is none."""
    log = Path(folder) / "kernel.log"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return f"; the last it said: {lines[-1].strip()}" if lines else ""


def say(line: str) -> None:
    print(line, flush=True)


def _connection(folder: str):
    """Files as the kernel's sockets: free port numbers are looked up first and bound later, and in between another
    process may take them (seen when two chapters started at the same time)."""
    from traitlets.config import Config

    if os.name != "posix":
        return Config()
    return Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})


def _to_log(command: list[str], folder: Path) -> list[str]:
    """The command with its stderr in `folder/kernel.log`: a kernel that is stopped half-way says there what it could
    not send any more. What a cell writes to stderr goes to the notebook and not this way."""
    if os.name != "posix":
        return command
    return ["/bin/sh", "-c", f'exec "$0" "$@" 2>>{shlex.quote(str(folder / "kernel.log"))}', *command]


def _literal(path: Path) -> str:
    """papermill formats paths with the parameters; doubled braces come out as they are."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _register_engine() -> None:
    """papermill's own engine, with one line of progress after each code cell."""
    from papermill.engines import NBClientEngine, papermill_engines

    class BookEngine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man, kernel_name, label="", **kwargs):
            total = sum(cell.cell_type == "code" for cell in nb_man.nb.cells)
            start, done = time.monotonic(), 0
            complete = nb_man.cell_complete

            def cell_complete(cell, **options):
                nonlocal done
                complete(cell, **options)
                if cell.cell_type == "code":
                    done += 1
                    say(f"{label}: cell {done}/{total}, {time.monotonic() - start:.1f} s")

            nb_man.cell_complete = cell_complete
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)

    papermill_engines.register("book", BookEngine)


def check_parameters(path: Path, pairs: list[str], smoke: bool = False) -> tuple[dict, dict]:
    """From `-p NAME=VALUE` texts: what to inject, and every parameter with its value. Refuses what is not allowed."""
    declared = notebooks.parameters(notebooks.read(path), path.stem)
    given = {}
    if smoke:
        chapter = parameters.declared().get(path.stem)
        if chapter is None or chapter.smoke is None:
            raise BookError(f"{path.stem} has no smoke preset in book/parameters.yml; leave --smoke out")
        given |= chapter.smoke
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise BookError(f"-p {pair}: write it as NAME=VALUE")
        if name not in declared:
            raise BookError(f"unknown parameter {name!r} of {path.stem}; it has: {', '.join(declared)}")
        if "," in text and declared[name].kind is not str:
            raise BookError(
                f"{name}={text!r} is not possible; give one value, "
                f"or run all of them: python -m lib sweep {path.stem} -p {name}={text}"
            )
        given[name] = parameters.parse(name, text, declared[name].kind)
    values = {name: parameter.default for name, parameter in declared.items()} | given
    if path.stem in parameters.declared():
        parameters.check(path.stem, values)
    return given, values


def check_change(chapter: str, change: str, **_) -> None:
    """The parameters of `rerun`: another chapter, and NAME=VALUE with one of its parameters."""
    there = [name for name in parameters.declared() if name != "rerun"]
    if chapter not in there:
        raise parameters.ParameterError(
            f"chapter={chapter!r}: no such chapter to rerun; give one of: {', '.join(there)}"
        )
    name, equals, value = change.partition("=")
    if not (equals and value) or " " in change or name not in parameters.rules(chapter):
        raise parameters.ParameterError(
            f"change={change!r} is not possible; give NAME=VALUE with a parameter of {chapter}"
        )
