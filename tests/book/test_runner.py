"""The command line: `python -m lib run|results|execute|fresh`, in a small repository of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

import psutil
import pytest

from lib import __main__ as command_line
from lib import files, parallel
from lib.book import execute, freshness, notebooks, refresh, runs
from lib.book.chapter import Chapter, chapters
from lib.errors import BookError
from lib.page import claims, parameters
from lib.paths import ROOT
from tests.conftest import (
    claim,
    code,
    environment,
    make_repository,
    notebook,
    one_line,
    other,
    refusal,
    run_lib,
    start_lib,
    tiny,
    write,
)


@pytest.fixture
def root(tmp_path):
    return make_repository(tmp_path)


def load(path):
    return json.loads(path.read_text())


# Refused before anything runs ------------------------------------------------------------------------------

REFUSED = [  # arguments, what the line names
    (
        ["tiny", "-p", "device=cuda"],
        "unknown parameter 'device' of tiny; it has: low, high, T0, label; nothing here runs",
    ),
    (["tiny", "-p", "lowe=2"], "unknown parameter 'lowe' of tiny; it has: low, high, T0, label"),
    (["tiny", "-p", "low=3"], "low=3 is not possible; give an even integer from 0 to high"),
    (["tiny", "-p", "low=10"], "low=10 is not possible"),
    (["tiny", "-p", "low=2.0"], "low='2.0' is not possible; give an integer"),
    (["tiny", "-p", "low="], "low='' is not possible"),
    (["tiny", "-p", "T0=-1"], "T0=-1.0 is not possible; give a number from 0.5 to 5.0"),
    (["tiny", "-p", "T0=nan"], "T0='nan' is not possible"),
    (["tiny", "-p", "label=c"], "label='c' is not possible; give one of 'a', 'b'"),
    (["tiny", "-p", "low=8"], "low=8 is not possible; give an even integer from 0 to high; high is 4"),
    (["tiny", "-p", "low"], "write it as NAME=VALUE"),
    (["tiny", "-p", "low=2", "-p", "T0=9"], "T0=9.0"),
    (["tiny", "--smoke", "-p", "high=9"], "high=9"),
    (["other", "--smoke"], "other has no smoke preset"),
    (["03"], "no chapter '03'; there are: other, tiny"),
    (["no/such.ipynb"], "no notebook no/such.ipynb"),
]


@pytest.fixture
def here(root, monkeypatch):
    """The command line of this process, looking at the small repository."""
    monkeypatch.setattr(parameters, "FILE", root / "book" / "parameters.yml")
    monkeypatch.setattr("lib.book.chapter.BOOK", root / "book")
    monkeypatch.setattr(runs, "RUNS", root / "runs")
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("something ran"))
    return root


@pytest.mark.parametrize("arguments, named", REFUSED, ids=lambda x: " ".join(x) if isinstance(x, list) else "")
def test_run_refuses_with_one_line_and_leaves_no_folder(arguments, named, here, capsys):
    before = sorted(here.rglob("*"))
    line = refusal(["run", *arguments], capsys)
    assert line.startswith("lib run: ") and named in line
    refusal(["run", *arguments, "--out", str(here / "out")], capsys)
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "source, named",
    [("L = 16", "annotated literal"), ("L: int = = 1", "not Python"), (None, "exactly one cell tagged 'parameters'")],
)
def test_run_refuses_a_notebook_without_a_proper_parameters_cell(source, named, here, capsys):
    path = write(notebook(*([code(source, "parameters")] if source else [])), here / "own.ipynb")
    assert named in refusal(["run", str(path)], capsys)
    assert not (here / "runs").exists()


def test_run_refuses_what_is_no_notebook(here, capsys):
    (here / "own.ipynb").write_text("# Title")
    assert "not a readable notebook" in refusal(["run", str(here / "own.ipynb")], capsys)


def test_run_never_writes_over_an_existing_run(here, capsys):
    out = here / "out"
    out.mkdir()
    (out / "results.json").write_text("[1]")
    assert f"{out} exists already; name a new folder" in refusal(["run", "tiny", "--out", str(out)], capsys)
    assert (out / "results.json").read_text() == "[1]" and len(list(out.iterdir())) == 1
    below = out / "results.json" / "new"
    wanted = f"cannot make {below}: Not a directory; name another folder"
    assert wanted in refusal(["run", "tiny", "--out", str(below)], capsys)


@pytest.mark.parametrize("arguments", [[], ["run"], ["rum"], ["run", "tiny", "--fast"], ["results", "--xml"]])
def test_a_wrong_command_line_is_refused_with_one_line(arguments, here, capsys):
    assert "--help" in refusal(arguments, capsys)


def test_results_refuses_what_is_no_notebook(here, capsys):
    assert "no notebook nowhere.ipynb" in refusal(["results", "nowhere.ipynb"], capsys)
    assert "not a readable notebook" in refusal(["results", "--json", str(here / "_toc.yml")], capsys)


# A run -----------------------------------------------------------------------------------------------------


def test_a_run_leaves_notebook_results_and_parameters(root):
    before = (root / "book" / "tiny.ipynb").read_bytes()
    result = run_lib(root, "run", "tiny", "-p", "high=3", "-p", "T0=2", "--out", "out{high}/{x}")
    assert result.returncode == 0 and result.stderr == ""
    out = root / "out{high}" / "{x}"
    assert sorted(p.name for p in out.iterdir()) == ["params.json", "results.json", "tiny.ipynb"]
    assert "tiny: cell 5/5" in result.stdout  # progress; with the injected parameters there are five
    assert "tiny.one = 0.75(12): passed (within 0.5 of 1)" in result.stdout
    assert "tiny.two = 2: passed (at most 3)" in result.stdout

    results = load(out / "results.json")
    assert [(r["key"], r["value"], r["error"], r["reference"], r["published"], r["passed"]) for r in results] == [
        ("tiny.one", 0.75, 0.125, 1, None, True),
        ("tiny.two", 2, None, 2, 2.5, True),
    ]
    assert {r["chapter"] for r in results} == {"tiny"}

    record = load(out / "params.json")
    assert record["chapter"] == "tiny"
    assert record["parameters"] == {"low": 2, "high": 3, "T0": 2.0, "label": "a"}
    assert set(record["versions"]) == {"python", "torch", "numpy", "scipy", "numba", "matplotlib", "papermill"}
    assert record["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["lib_hash"] == freshness.lib_hash(root)
    assert record["seconds"] > 0 and record["error"] is None

    made = notebooks.read(out / "tiny.ipynb")
    glued = [o for c in made.cells for o in c.get("outputs", []) if o.get("metadata", {}).get("scrapbook")]
    assert [o.metadata.scrapbook.name for o in glued] == ["tiny.one", "tiny.two"]
    assert "0.75(12)" in str(glued[0].data)

    printed = run_lib(root, "results", "--json", out / "tiny.ipynb")
    assert json.loads(printed.stdout) == results and printed.stderr == ""
    assert run_lib(root, "results", out / "tiny.ipynb").stdout.splitlines()[1] == "tiny.two = 2: passed (at most 3)"
    heading, one, two = run_lib(root, "margins", out, out / "tiny.ipynb").stdout.splitlines()
    assert heading.split() == "claim value bar used errors inside least room in".split()
    assert one.split() == ["tiny.one", "0.75(12)", "within", "0.5", "of", "1", "50", "%", "2.0", str(out)]
    assert two.split() == ["tiny.two", "2", "at", "most", "3", "67", "%", str(out)]
    assert (root / "book" / "tiny.ipynb").read_bytes() == before  # the chapter itself is as it was


def test_a_failing_cell(root):
    """Exit 1, one line, the results up to there; a claim out of its bar is such a cell."""
    result = run_lib(root, "run", "tiny", "--smoke", "--out", "out")
    assert result.returncode == 1
    assert one_line(result.stderr) == (
        "lib run: tiny: cell 4: ClaimFailed: tiny.one = 0.25(12) is not within 0.5 of 1 (One is one)"
    )
    (record,) = load(root / "out" / "results.json")
    assert record["key"] == "tiny.one" and record["passed"] is False and record["verdict"].startswith("FAILED")
    assert "tiny.one = 0.25(12): FAILED (within 0.5 of 1)" in result.stdout
    assert load(root / "out" / "params.json")["error"].startswith("tiny: cell 4: ClaimFailed")
    assert not (root / "out" / "INCOMPLETE").exists()


def test_a_notebook_of_ones_own(root):
    """Any notebook with a parameters cell; no kernel name, no rules; what it prints on several lines is one line."""
    made = notebook(code("n: int = 1", "parameters"), code("raise ValueError(f'n is {n}\\nand that is that')"))
    made.metadata = {}
    write(made, root / "own.ipynb")
    result = run_lib(root, "run", "own.ipynb", "-p", "n=3")
    assert result.returncode == 1
    assert one_line(result.stderr) == "lib run: own: cell 3: ValueError: n is 3"
    (out,) = (root / "runs").iterdir()
    assert out.name.startswith("own-") and load(out / "results.json") == []
    assert load(out / "params.json")["parameters"] == {"n": 3}


PIECES = """import time
from IPython.display import display

print("one", flush=True)
time.sleep(0.5)
print("two")
display("between")
print("three")"""


def test_what_is_printed_in_pieces_is_stored_as_one(tmp_path):
    """How the kernel cuts text up is chance; what is printed before and after a figure stays there."""
    outcome = execute.execute(write(notebook(code(PIECES)), tmp_path / "in.ipynb"), tmp_path / "out.ipynb")
    (cell,) = notebooks.read(outcome.path).cells
    assert [output.output_type for output in cell.outputs] == ["stream", "stream", "display_data", "stream"]
    refresh.finish(outcome, {})
    (cell,) = notebooks.read(outcome.path).cells
    assert [output.get("text") for output in cell.outputs] == ["one\ntwo\n", None, "three\n"]


SLEEP = "import pathlib\nimport time\n\npathlib.Path('asleep').touch()\ntime.sleep(60)"


def test_a_list_of_values_is_for_a_sweep(here, capsys):
    line = refusal(["run", "tiny", "-p", "low=0,2"], capsys)
    assert line == (
        "lib run: low='0,2' is not possible; give one value, or run all of them: python -m lib sweep tiny -p low=0,2"
    )
    assert "label='a,b' is not possible; give one of" in refusal(["run", "tiny", "-p", "label=a,b"], capsys)


def test_an_error_while_an_interrupt_is_dealt_with_is_an_interrupt(tmp_path, monkeypatch):
    """Under load asyncio fails in the clean-up that follows Ctrl-C: `Event loop stopped before Future completed`."""

    def execute_notebook(*_, **__):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("Event loop stopped before Future completed.")

    monkeypatch.setattr("papermill.execute_notebook", execute_notebook)
    outcome = execute.execute(write(tiny(), tmp_path / "tiny.ipynb"), tmp_path / "out.ipynb")
    assert outcome.interrupted and outcome.stopped and outcome.error == "tiny: interrupted"


def test_an_interrupted_run_is_marked(root):
    """Ctrl-C: exit 130, one line, the folder says INCOMPLETE and holds what was reported until then."""
    write(tiny(code(SLEEP)), root / "book" / "tiny.ipynb")
    process = start_lib(root, "run", "tiny", "--out", "out")
    try:
        while not (root / "book" / "asleep").exists() and process.poll() is None:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert one_line(stderr) == "lib run: tiny: interrupted; out is marked INCOMPLETE"
    assert (root / "out" / "INCOMPLETE").exists()
    assert [r["key"] for r in load(root / "out" / "results.json")] == ["tiny.one"]
    assert load(root / "out" / "params.json")["error"] == "tiny: interrupted"
    assert "tiny.one" in (root / "out" / "tiny.ipynb").read_text()


def test_a_kernel_that_does_not_start_says_why(root, tmp_path, monkeypatch):
    """The last line of its stderr is in the outcome."""
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / "ipykernel_launcher.py").write_text("raise ImportError('libzmq.so: no such file')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "early"))
    outcome = execute.execute(write(notebook(code("1")), tmp_path / "x.ipynb"), tmp_path / "out.ipynb")
    assert outcome.stopped
    line = one_line(outcome.error)
    assert line.startswith("x: RuntimeError: ")
    assert line.endswith("; the last it said: ImportError: libzmq.so: no such file")


def test_a_kernel_that_dies_says_why(tmp_path):
    die = "import os\n\nos.write(2, b'all is lost\\n')\nos._exit(1)"
    outcome = execute.execute(write(notebook(code(die)), tmp_path / "x.ipynb"), tmp_path / "out.ipynb")
    died = "x: the kernel died (out of memory, or stopped from outside)"
    assert outcome.error == f"{died}; the last it said: all is lost"


def test_a_dead_kernel_is_marked(root):
    write(tiny(code("import os\n\nos._exit(1)")), root / "book" / "tiny.ipynb")
    result = run_lib(root, "run", "tiny", "--out", "out")
    assert result.returncode == 1
    assert "tiny: the kernel died" in one_line(result.stderr) and "marked INCOMPLETE" in result.stderr
    assert (root / "out" / "INCOMPLETE").exists()
    assert [r["key"] for r in load(root / "out" / "results.json")] == ["tiny.one"]


def test_a_run_starts_out_marked(here, monkeypatch):
    """A run that is killed leaves the mark, since it is there from the start."""

    def killed(source, output, *_, **__):
        assert (output.parent / "INCOMPLETE").exists() and load(output.parent / "params.json")["seconds"] is None
        raise SystemExit(137)

    monkeypatch.setattr(execute, "execute", killed)
    with pytest.raises(SystemExit):
        command_line.main(["run", "tiny", "--out", str(here / "out")])
    assert (here / "out" / "INCOMPLETE").exists()


# The kernel ------------------------------------------------------------------------------------------------

KERNEL = """import json
import os
import sys
import time
from pathlib import Path

import lib
import matplotlib
import numba
import torch

names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
print(json.dumps({
    "threads": [os.environ[name] for name in names],
    "torch": torch.get_num_threads(),
    "numba": numba.get_num_threads(),
    "lib": str(Path(lib.__file__).parents[1]),
    "python": sys.executable,
    "cwd": os.getcwd(),
    "backend": matplotlib.get_backend().rpartition(".")[2],
}))"""


def test_the_kernel_has_one_thread_and_this_lib_wherever_it_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # pictures would be lost
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "nothing"))
    before = dict(os.environ), os.getcwd()
    source = write(notebook(code(KERNEL), kernelspec={"name": "python3", "display_name": "x"}), tmp_path / "k.ipynb")
    outcome = execute.execute(source, tmp_path / "out.ipynb", cwd=tmp_path)
    assert outcome.error is None
    (cell,) = notebooks.read(tmp_path / "out.ipynb").cells
    (output,) = cell.outputs
    assert json.loads(output.text) == {
        "threads": ["1"] * 4,
        "torch": 1,
        "numba": 1,
        "lib": str(ROOT),
        "python": sys.executable,
        "cwd": str(tmp_path),
        "backend": "backend_inline",
    }
    assert (dict(os.environ), os.getcwd()) == before


SETTINGS = """import os
import sys
from pathlib import Path

import matplotlib

print("mine" in globals(), "yours" in globals(), matplotlib.rcParams["figure.dpi"], sys.exec_prefix == PREFIX)
print(len(list(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))))"""


def test_the_settings_of_the_user_change_nothing(tmp_path, monkeypatch):
    """Startup files of IPython and Python, and a matplotlibrc, wherever they are named."""
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-mine.py").write_text("mine = 1")
    (tmp_path / "yours.py").write_text("yours = 1")
    (tmp_path / "matplotlibrc").write_text("figure.dpi: 33")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "yours.py"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path))
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    (tmp_path / "x").mkdir()
    made = notebook(code(SETTINGS.replace("PREFIX", repr(sys.exec_prefix))))
    outcome = execute.execute(write(made, tmp_path / "x" / "x.ipynb"), tmp_path / "x" / "out.ipynb")
    assert outcome.error is None
    (cell,) = notebooks.read(outcome.path).cells
    (output,) = cell.outputs
    assert output.name == "stdout" and output.text == "False False 100.0 True\n1\n"


def test_a_failure_of_any_kind_comes_back_in_one_line(tmp_path, monkeypatch):
    import papermill

    def full(*_, **__):
        raise OSError(28, "No space left on device\nreally")

    monkeypatch.setattr(papermill, "execute_notebook", full)
    outcome = execute.execute(write(notebook(), tmp_path / "x.ipynb"), tmp_path / "out.ipynb")
    assert outcome.stopped and one_line(outcome.error) == "x: OSError: [Errno 28] No space left on device"


# Executing and refreshing the committed chapters -----------------------------------------------------------


def test_execute_names_every_failure_and_writes_nothing(root):
    write(tiny(code("1 / 0")), root / "book" / "tiny.ipynb")
    write(other(code("claims.report('tiny.two', 5)")), root / "book" / "other.ipynb")
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    result = run_lib(root, "execute")
    assert result.returncode == 1
    line = one_line(result.stderr)
    assert line.startswith("lib execute: ")
    assert "tiny: cell 4: ZeroDivisionError: division by zero" in line
    assert "other: cell 3: ClaimFailed: tiny.two = 5 is not at most 3" in line
    after = {path: path.read_bytes() for path in root.rglob("*.*") if "_build" not in path.parts}
    assert after == before


def test_refresh_writes_what_succeeded_and_loses_nothing(root):
    """tiny is edited while it runs, other edits a module of lib while it runs; a third fails."""
    (root / "_toc.yml").write_text((root / "_toc.yml").read_text().replace("book/results", "book/bad"))
    source = root / "book" / "tiny.ipynb"
    touch = f"from pathlib import Path\n\npath = Path({str(source)!r})\npath.write_text(path.read_text() + '\\n')"
    write(tiny(code(touch)), source)
    touch = "from lib import extra\n\nfrom pathlib import Path\n\nPath(extra.__file__).write_text('VALUE = 2')"
    write(other(code(touch)), root / "book" / "other.ipynb")
    write(notebook(code("1 / 0")), root / "book" / "bad.ipynb")
    before = (root / "book" / "bad.ipynb").read_text()

    result = run_lib(root, "execute", "--write")
    assert result.returncode == 1
    line = one_line(result.stderr)
    assert "tiny: edited while it was executed" in line and "bad: cell 1: ZeroDivisionError" in line
    assert "other" not in line
    assert source.read_text().endswith("\n\n") and "outputs" in source.read_text()
    assert not Chapter(source).claims
    assert (root / "book" / "bad.ipynb").read_text() == before
    assert list(Chapter(root / "book" / "other.ipynb").claims) == ["other.three"]
    assert "Three is three" in (root / "book" / "results.md").read_text()

    fresh = run_lib(root, "fresh")  # lib changed after other was started, so its outputs are not those of this lib
    assert fresh.returncode == 1
    assert "other is stale (lib/extra.py); run: make refresh CHAPTERS=other" in fresh.stdout


def test_refresh_makes_a_chapter_fresh_and_tidy(root):
    result = run_lib(root, "execute", "--write", "tiny")
    assert result.returncode == 0 and result.stderr == ""
    made = notebooks.read(root / "book" / "tiny.ipynb")
    assert notebooks.tidy(made) == made and str(root) not in (root / "book" / "tiny.ipynb").read_text()
    assert [cell.execution_count for cell in notebooks.code_cells(made)] == [1, 2, 3, 4]
    assert "tiny" not in run_lib(root, "fresh").stdout


def test_two_refreshes_side_by_side_keep_each_others_outputs(tmp_path):
    mine, theirs = tmp_path / "build" / "tiny.ipynb", tmp_path / "build" / "other.ipynb"
    mine.parent.mkdir()
    mine.write_text("old")
    theirs.write_text("theirs")
    assert refresh.fresh_outputs([Chapter(tmp_path / "tiny.ipynb")] * 2, mine.parent) == [
        (tmp_path / "tiny.ipynb", mine)
    ]
    assert theirs.read_text() == "theirs" and not mine.exists()


def test_chapters_side_by_side_come_back_in_order_with_their_errors(tmp_path, capsys):
    jobs = []
    for name, source in [("b", "1 / 0"), ("a", "print(1)")]:
        jobs.append((write(notebook(code(source)), tmp_path / f"{name}.ipynb"), tmp_path / f"{name}-out.ipynb"))
    outcomes = execute.execute_all(jobs)
    assert [outcome.path.name for outcome in outcomes] == ["a-out.ipynb", "b-out.ipynb"]
    assert [outcome.error for outcome in outcomes] == [None, "b: cell 1: ZeroDivisionError: division by zero"]


WORKERS = 'import os\n\nprint(os.environ.get("DAN_BOOK_WORKERS"))'


@pytest.mark.parametrize("names, limit, expected", [("ab", None, "1"), ("a", None, "None"), ("a", "3", "3")])
def test_chapters_side_by_side_start_no_workers(names, limit, expected, tmp_path, monkeypatch):
    """Never more jobs than cores."""
    monkeypatch.setattr(parallel, "cores", lambda: 2)
    monkeypatch.delenv(parallel.LIMIT, raising=False)
    if limit:
        monkeypatch.setenv(parallel.LIMIT, limit)
    jobs = [(write(notebook(code(WORKERS)), tmp_path / f"{n}.ipynb"), tmp_path / f"{n}-out.ipynb") for n in names]
    for outcome in execute.execute_all(jobs):
        assert notebooks.read(outcome.path).cells[0].outputs[0].text == f"{expected}\n"


def test_one_core_executes_one_chapter_at_a_time(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    jobs = [(write(notebook(code("1"), code("2")), tmp_path / f"{n}.ipynb"), tmp_path / f"{n}-out.ipynb") for n in "ab"]
    execute.execute_all(jobs)
    assert [line[0] for line in capfd.readouterr().out.splitlines()] == list("aaabbb")


def test_a_chapter_whose_process_is_killed_is_named_and_the_others_go_on(tmp_path):
    kill = "import os, signal\n\nos.kill(os.getppid(), signal.SIGKILL)"
    sources = {"a": kill, "b": "print(1)", "c": "print(2)"}
    jobs = [(write(notebook(code(sources[n])), tmp_path / f"{n}.ipynb"), tmp_path / f"{n}-out.ipynb") for n in sources]
    first, *others = execute.execute_all(jobs)
    assert first.error == "a: the process that executed it was killed (out of memory?)" and first.stopped
    assert [outcome.error for outcome in others] == [None, None]


# Whatever ends a command ends what it has started -----------------------------------------------------------

WITH_WORKERS = """import time
from pathlib import Path

from lib import parallel

parallel.run([(time.sleep, 300)] * 2, workers=2)"""
WITH_A_COMMAND = """from pathlib import Path

from lib.book import terminal

terminal.show("python -m lib run own.ipynb --out own", Path.cwd().parent)"""
HANG = """import ctypes
from pathlib import Path

Path("hangs").touch()
ctypes.PyDLL(None).sleep(300)  # like a long compiled loop: no other thread of this process gets a turn"""
COUNT = {"ipykernel_launcher": 3, "from multiprocessing.spawn": 4, "lib run own.ipynb": 1}  # besides the trackers
ENDS = [
    ("book", signal.SIGINT),
    ("book", signal.SIGTERM),
    ("book", signal.SIGKILL),
]


@pytest.fixture
def busy(root, monkeypatch):
    """A repository: one chapter waits for its workers, one for a command that it has started, one is in the queue.

    The folder for everything temporary has a short name, since that of a socket has to be short.
    """
    write(tiny(code(WITH_WORKERS)), root / "book" / "tiny.ipynb")
    write(other(code(WITH_A_COMMAND)), root / "book" / "other.ipynb")
    write(notebook(code("1"), code("n: int = 1", "parameters"), code(HANG)), root / "own.ipynb")
    write(notebook(code("from pathlib import Path\n\nPath('queued').touch()")), root / "book" / "queued.ipynb")
    (root / "_toc.yml").write_text((root / "_toc.yml").read_text().replace("book/results", "book/queued"))
    with tempfile.TemporaryDirectory() as short:
        monkeypatch.setenv("TMPDIR", short)
        yield root


def started(process, count, root, seconds=90) -> list[psutil.Process]:
    """Every process that this one has started, as soon as there are as many of each kind and the command hangs."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        found = psutil.Process(process.pid).children(recursive=True)
        lines = []
        for each in found:
            with contextlib.suppress(psutil.Error):
                lines.append(" ".join(each.cmdline()))
        there = all(sum(name in line for line in lines) == number for name, number in count.items())
        if there and (not {"lib run own.ipynb", "jupyter_book"} & {*count} or (root / "hangs").exists()):
            return found
        time.sleep(0.1)
    pytest.fail(f"not all of it was started: {lines}; {process.communicate() if process.poll() is not None else ''}")


@pytest.mark.parametrize("command, number", ENDS, ids=lambda x: getattr(x, "name", x))
def test_what_ends_the_book_ends_everything_it_has_started(command, number, busy):
    process = start_lib(busy, *command.split())
    try:
        every = started(process, COUNT, busy)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does, to every process
        else:
            process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
        _, alive = psutil.wait_procs(every, timeout=10)
        assert [each.cmdline() for each in alive] == []
    finally:
        process.kill()
    assert not (busy / "book" / "queued").exists()  # what was queued was not begun
    if number != signal.SIGKILL:
        assert process.returncode == 130
        assert one_line(stderr) == f"lib {command.split()[0]}: interrupted"
        assert os.listdir(os.environ["TMPDIR"]) == []
    with files.lock(busy / "_build" / ".lock", "busy"):  # free for the next call
        pass


def test_an_interrupt_leaves_no_kernel_even_if_this_process_goes_on(tmp_path, monkeypatch):
    def interrupted(_):
        while not (tmp_path / "hangs").exists():
            time.sleep(0.1)
        found = set(psutil.Process().children(recursive=True)) - before
        every.extend(each for each in found if "resource_tracker" not in " ".join(each.cmdline()))
        raise KeyboardInterrupt

    every, before = [], set(psutil.Process().children(recursive=True))
    monkeypatch.setattr(execute, "connection", SimpleNamespace(wait=interrupted))
    with pytest.raises(KeyboardInterrupt):
        execute.execute_all([(write(notebook(code(HANG)), tmp_path / "a.ipynb"), tmp_path / "out.ipynb")])
    assert len(every) == 2  # the chapter's process and its kernel
    _, alive = psutil.wait_procs(every, timeout=5)
    assert [each.cmdline() for each in alive] == []


@pytest.mark.parametrize(
    "chapter, number, count",
    [
        ("tiny", signal.SIGTERM, {"ipykernel_launcher": 1, "from multiprocessing.spawn": 2}),
        ("tiny", signal.SIGKILL, {"ipykernel_launcher": 1, "from multiprocessing.spawn": 2}),
        ("other", signal.SIGKILL, {"ipykernel_launcher": 2, "lib run own.ipynb": 1}),
    ],
)
def test_what_ends_a_run_ends_all_that_its_kernel_has_started(chapter, number, count, busy):
    process = start_lib(busy, "run", chapter, "--out", "out")
    try:
        every = started(process, count, busy)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
        _, alive = psutil.wait_procs(every, timeout=10)
        assert [each.cmdline() for each in alive] == []
    finally:
        process.kill()
    assert (busy / "out" / "INCOMPLETE").exists()
    if number == signal.SIGTERM:
        assert one_line(stderr) == "lib run: tiny: interrupted; out is marked INCOMPLETE"


def test_sphinx_ends_with_a_command_that_is_killed(root):
    (root / "lib" / "book" / "extension.py").write_text(HANG.replace("PyDLL", "CDLL"))  # an extension of it
    process = start_lib(root, "read")
    try:
        every = started(process, {"jupyter_book": 1}, root)
        process.kill()
        process.communicate(timeout=20)
        assert psutil.wait_procs(every, timeout=5)[1] == []
    finally:
        process.kill()


@pytest.mark.parametrize("command", [["book"], ["read"], ["single"], ["execute"], ["execute", "--write"]])
def test_one_command_at_a_time_in_build(command, here, monkeypatch, capsys):
    monkeypatch.setattr(refresh, "BUILD", here / "_build")
    monkeypatch.setattr(execute, "execute_all", lambda *_: pytest.fail("something ran"))
    (here / "_build").mkdir()
    with files.lock(here / "_build" / ".lock", "busy"):
        line = refusal(command, capsys)
    assert f"another command is at work in {here / '_build'}; wait for it to end" in line


def test_what_the_system_refuses_is_one_line(root):
    """A disk that is full, a checkout that is read-only: here a file where a folder is needed."""
    (root / "_build").write_text("")
    for command in (["read"], ["execute"]):
        result = run_lib(root, *command)
        assert result.returncode == 1
        assert one_line(result.stderr) == f"lib {command[0]}: File exists: {root / '_build'}"


def test_a_full_disk_is_one_line(here, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(execute, "execute", full)
    assert command_line.main(["run", "tiny", "--out", str(here / "out")]) == 1
    assert one_line(capsys.readouterr().err) == "lib run: No space left on device"
    assert (here / "out" / "INCOMPLETE").exists()


# Every committed chapter at its smoke preset ---------------------------------------------------------------


@pytest.mark.parametrize("path", [chapter.path for chapter in chapters()], ids=lambda path: path.stem)
def test_smoke(path, tmp_path, capsys):
    """It runs, and no claim reads passed against a bar of the default parameters unless it says so itself."""
    assert command_line.main(["run", path.stem, "--smoke", "--out", str(tmp_path / "out")]) == 0, (
        capsys.readouterr().err
    )
    results = load(tmp_path / "out" / "results.json")
    own = [key for key, entry in claims.ledger().items() if entry["chapter"] == path.stem]
    assert sorted(record["key"] for record in results) == sorted(own)
    values = load(tmp_path / "out" / "params.json")["parameters"]
    for record in results:
        at_bar = claims.ledger()[record["key"]]["parameters"].items() <= values.items()
        assert record["status"] in (("passed", "missed", "reported") if at_bar else ("reported", "not applicable"))
    for cell in notebooks.read(tmp_path / "out" / path.name).cells:
        assert not [o for o in cell.get("outputs", []) if o.output_type == "stream" and o.name == "stderr"]


# Errors ----------------------------------------------------------------------------------------------------


def test_an_error_meant_for_readers_shows_as_its_line():
    assert BookError("say what")._render_traceback_() == ["BookError: say what"]
    assert claims.ClaimFailed("a.b = 1")._render_traceback_() == ["ClaimFailed: a.b = 1"]


def test_output_cut_off_by_head_is_no_error(root):
    write(notebook(code("1", outputs=[claim("tiny.one", 1.0)])), root / "book" / "tiny.ipynb")
    process = subprocess.Popen(
        [sys.executable, "-m", "lib", "results"],
        cwd=root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()  # nobody reads, as after `| head`
    assert process.stderr.read() == "" and process.wait(timeout=30) == 0
