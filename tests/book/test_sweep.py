"""Sweeps: which runs, and what is there after workers, runs and the sweep itself have been killed.

The chapter swept here writes a line to executions.txt when it starts and one when it comes to its end. In between, runs
with low > 0 wait as long as there is a file `hold`: so the tests know what is going on when they kill something.
"""

import csv
import inspect
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest

from lib import parallel
from lib.book import notebooks
from lib.book.chapter import Chapter
from lib.book.sweep import cluster, overview, plan, table, worker
from lib.errors import BookError
from lib.page import parameters
from lib.paths import data_file
from tests.conftest import code, environment, make_repository, markdown, notebook, one_line, refused, start_lib, write

LIMIT = 120  # seconds, after which a hang is a failure

CHAPTER = """import time
from pathlib import Path

def note(what):
    with Path("executions.txt").open("a") as file:
        file.write(f"{what} {low} {T0}\\n")

note("start")
while low and Path("hold").exists():
    time.sleep(0.05)
if label == "b" and high > 6:
    raise ValueError("high is too high")
from IPython.display import display
record = {"key": "tiny.one", "value": low + T0, "error": 0.1 * T0, "reference": 1.0 * low}
record |= {"status": "passed", "bar": "a bar"}
none = {"key": "tiny.two", "value": None, "status": "not applicable", "reason": "here"}
display({"application/vnd.dan-book.claim+json": record, "text/plain": "claim"}, raw=True)
display({"application/vnd.dan-book.claim+json": none, "text/plain": "claim"}, raw=True)
note("end")"""
DEFAULTS = 'low: int = 2\nhigh: int = 4\nT0: float = 2.27\nlabel: str = "a"'


@pytest.fixture
def root(tmp_path):
    made = make_repository(tmp_path)
    write(notebook(markdown("# Slow"), code(DEFAULTS, "parameters"), code(CHAPTER)), made / "book" / "tiny.ipynb")
    return made


def start(root, *arguments) -> subprocess.Popen:
    return start_lib(root, "sweep", "tiny", *arguments, "--out", "out")


def finish(process, code=0) -> tuple[str, str]:
    """stdout and stderr of a sweep that ends with this code."""
    try:
        stdout, stderr = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
    assert process.returncode == code, stdout + stderr
    return stdout, stderr


def swept(root, *arguments, code=0) -> tuple[str, str]:
    return finish(start(root, *arguments), code)


def executions(root) -> Counter:
    """How many times each line was written."""
    file = root / "book" / "executions.txt"
    return Counter(file.read_text().splitlines()) if file.exists() else Counter()


def ended(root) -> dict[str, int]:
    return {line: n for line, n in executions(root).items() if line.startswith("end")}


def rows_of(root) -> list[dict]:
    with (root / "out" / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def attempts(root) -> list[psutil.Process]:
    """The processes that carry out runs of a sweep in this repository, oldest first."""
    found = []
    for process in psutil.process_iter(["cmdline", "create_time"]):
        line = process.info["cmdline"] or []
        if "lib.book.sweep.worker" in line and str(root) in line[-1]:
            found.append(process)
    return sorted(found, key=lambda process: process.info["create_time"])


def marked(root) -> list[psutil.Process]:
    """Every process that an attempt of a sweep in this repository has started, kernels included."""
    found = []
    for process in psutil.process_iter():
        try:
            if worker.TOKEN in (kept := process.environ()) and kept.get("PYTHONPATH", "").startswith(str(root)):
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_for(condition, process=None):
    """Its value, once it is true."""
    end = time.monotonic() + LIMIT
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)
    return value


def all_there(root, n) -> bool:
    """n finished runs in folders of their own, each brought to its end once."""
    assert [row["status"] for row in rows_of(root)] == ["finished"] * n
    folders = [p for p in (root / "out").iterdir() if (p / "params.json").exists()]
    assert sorted(p.name for p in folders) == sorted(row["run"] for row in rows_of(root))
    assert not [p for p in folders if (p / "INCOMPLETE").exists()]
    assert set(ended(root).values()) == {1} and len(ended(root)) == n, executions(root)
    wait_for(lambda: not marked(root))
    return True


# Which runs ------------------------------------------------------------------------------------------------


@pytest.fixture
def here(root, monkeypatch):
    """The rules of the small repository in this process; nothing may run."""
    monkeypatch.setattr(parameters, "FILE", root / "book" / "parameters.yml")
    monkeypatch.setattr(plan, "_carry_out", lambda *_: pytest.fail("something ran"))
    return root / "book" / "tiny.ipynb"


def test_every_combination_once_in_order(here):
    runs, names = plan.combinations(Chapter(here), ["low=0,2,0", "T0=2,2.0,3"])
    assert names == ["low", "T0"]
    assert [(r.values["low"], r.values["T0"]) for r in runs] == [(0, 2.0), (0, 3.0), (2, 2.0), (2, 3.0)]
    assert {(r.values["high"], r.values["label"]) for r in runs} == {(4, "a")}
    assert len({r.key for r in runs}) == len({r.name for r in runs}) == 4
    assert runs[0].name.startswith("low=0_T0=2.0-") and runs[0].pairs == ["low=0", "T0=2.0"]
    (alone,), _ = plan.combinations(Chapter(here), [], smoke=True)
    assert alone.values["high"] == 1 and alone.name.startswith("tiny-")


def test_a_run_is_known_by_its_parameters_and_its_code(here):
    def keys(*lists):
        return {run.key for run in plan.combinations(Chapter(here), list(lists))[0]}

    before = keys("low=2")
    assert keys("low=2", "T0=2.27") == before == keys("high=4")  # written out or not
    assert keys("low=0") != before
    write(notebook(code(DEFAULTS, "parameters"), code(CHAPTER + "\n1"), code("2")), here)
    assert keys("low=2") != before


@pytest.mark.parametrize(
    "lists, named",
    [
        (
            ["low=2,3,8", "T0=2,9"],
            "5 of 6 combinations cannot run: "
            "T0=9.0 is not possible; give a number from 0.5 to 5.0 (low=2 T0=9; low=8 T0=9); "
            "low=3 is not possible; give an even integer from 0 to high (low=3 T0=2; low=3 T0=9); "
            "low=8 is not possible; give an even integer from 0 to high; high is 4 (low=8 T0=2)",
        ),
        (["low=3"], "low=3 is not possible; give an even integer from 0 to high"),
        (["low=2,x"], "1 of 2 combinations cannot run: low='x' is not possible; give an integer, like 16 (low=x)"),
        (["low=2,"], "low='' is not possible"),
        (["lowe=2,4"], "unknown parameter 'lowe' of tiny"),
        (["low=2", "low=4"], "low is given twice"),
        (["low"], "write it as NAME=VALUE"),
        ([f"{name}={','.join(map(str, range(101)))}" for name in ("low", "high")], "10201 combinations are more than"),
    ],
)
def test_what_is_refused_before_anything_runs(lists, named, here, tmp_path):
    with refused(named):
        plan.sweep(str(here), lists, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_refuses_with_exit_2(root):
    _, stderr = swept(root, "-p", "low=2,3", code=2)
    assert one_line(stderr).startswith("lib sweep: 1 of 2 combinations cannot run: low=3 is not possible")
    assert not (root / "out").exists()


@pytest.mark.parametrize("more", [{"workers": 0}, {"workers": 2, "scheduler": "tcp://x:1"}])
def test_workers_are_for_a_local_cluster(more, here, tmp_path):
    with pytest.raises(BookError, match="--workers"):
        plan.sweep(str(here), ["low=2"], out=tmp_path / "out", **more)


def test_a_folder_that_is_no_sweep_or_of_another_chapter_is_left_alone(here, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(BookError, match="is no sweep"):
        plan.sweep(str(here), ["low=2"], out=tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
    with plan._claimed(tmp_path / "out", Chapter(here)):
        with pytest.raises(BookError, match="another sweep is at work"):
            plan.sweep(str(here), ["low=2"], out=tmp_path / "out")
    with pytest.raises(BookError, match="is a sweep of tiny, not of other"):
        with plan._claimed(tmp_path / "out", Chapter(here.with_name("other.ipynb"))):
            pass


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x", "nowhere.invalid:8786"])
def test_a_wrong_address_is_one_clear_line(address, here, tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(cluster, "ANSWER", 1)
    with refused(f"no Dask scheduler answers at {address}; start one"):
        with cluster._client(address, None, "token"):
            pass


# A sweep ---------------------------------------------------------------------------------------------------


def test_a_sweep_gathers_its_runs_and_does_not_repeat_them(root):
    arguments = ["-p", "low=0,2", "-p", "high=4,8", "-p", "label=b"]
    stdout, stderr = swept(root, *arguments, code=1)
    assert one_line(stderr).startswith("lib sweep: 2 of 4 runs did not finish; see failure in ")
    lines = [line for line in stdout.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in lines] == [f"[{k}/4" for k in (1, 2, 3, 4)]
    rows = rows_of(root)
    assert list(rows[0])[:9] == ["low", "high", "label", "T0", "run", "status", "seconds", "failure", "tiny.one"]
    assert [(r["low"], r["high"], r["status"]) for r in rows] == [
        ("0", "4", "finished"),
        ("0", "8", "failed"),
        ("2", "4", "finished"),
        ("2", "8", "failed"),
    ]
    assert rows[1]["failure"] == "tiny: cell 3: ValueError: high is too high" and rows[0]["failure"] == ""
    claim = [rows[2][f"tiny.one{suffix}"] for suffix in ("", " error", " reference", " verdict")]
    assert [*map(float, claim[:3]), claim[3]] == [4.27, 0.1 * 2.27, 2.0, "passed (a bar)"]
    assert rows[0]["tiny.two"] == "" and rows[0]["tiny.two verdict"] == "not applicable (here)"
    assert executions(root) == {"start 0 2.27": 2, "end 0 2.27": 1, "start 2 2.27": 2, "end 2 2.27": 1}  # failed: once
    assert sorted(p.name for p in (root / "out" / rows[0]["run"]).iterdir()) == [
        "params.json",
        "results.json",
        "tiny.ipynb",
    ]
    assert list((root / "out" / "unfinished").iterdir()) == []

    made = notebooks.read(root / "out" / "overview.ipynb")
    shown = str([cell.get("outputs") for cell in made.cells])
    assert "high is too high" in shown and "4.27(23)" in shown and "image/png" in shown
    assert not [o for cell in made.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]
    assert "for want of values: tiny.two" in shown and made.cells[0].source.startswith("# A sweep of `tiny`")

    (root / "again").mkdir()
    shutil.copy(root / "out" / "results.csv", root / "again")
    overview.write(root / "again", "tiny")  # made from the csv and nothing else
    assert (root / "again" / "overview.ipynb").read_bytes() == (root / "out" / "overview.ipynb").read_bytes()

    before = executions(root)
    stdout, _ = swept(root, "-p", "low=0,2,4", "-p", "high=4", "-p", "label=b")  # other values add to it
    assert "3 runs of tiny, 2 there already" in stdout and "[3/3] low=4 high=4 label=b: finished in" in stdout
    assert [row["low"] for row in rows_of(root)] == ["0", "2", "4", "0", "2"]
    assert executions(root) == before + Counter(["start 4 2.27", "end 4 2.27"])


def test_failed_runs_are_repeated_on_demand_only(here, tmp_path):
    (run,), _ = plan.combinations(Chapter(here), ["low=2"])
    folder = tmp_path / "out" / run.name
    folder.mkdir(parents=True)
    (folder.parent / "unfinished").mkdir()
    for error, left in (("x: cell 1: no", []), (None, ["params.json", "results.json"])):
        folder.mkdir(exist_ok=True)
        (folder / "params.json").write_text(json.dumps({"error": error}))
        (folder / "results.json").write_text("[]")
        plan._set_aside_failed(folder.parent, [run])
        assert sorted(p.name for p in folder.glob("*")) == left
    assert len(list((folder.parent / "unfinished").iterdir())) == 1  # kept


def hold(root):
    (root / "book" / "hold").touch()


def release(root):
    (root / "book" / "hold").unlink()


def starts(root, low=2) -> int:
    return sum(n for line, n in executions(root).items() if line.startswith(f"start {low} "))


def finished(root) -> list[str]:
    return [path.parent.name for path in (root / "out").glob("*/params.json")]


def test_a_killed_worker_and_a_killed_run(root):
    hold(root)
    process = start(root, "-p", "low=2,4", "-p", "T0=1,2", "--workers", 2)
    wait_for(lambda: starts(root) == 2, process)
    first, second = attempts(root)
    worker = first.parent()
    assert "multiprocessing" in " ".join(worker.cmdline())
    worker.kill()  # psutil's kill is kill -9
    second.kill()
    wait_for(lambda: starts(root) + starts(root, 4) == 4, process)  # two more
    release(root)
    finish(process)
    assert all_there(root, 4)
    assert sum(executions(root).values()) == 4 + 6  # ends and starts: two of the runs had to start again
    assert len(list((root / "out" / "unfinished").glob("*/INCOMPLETE"))) == 2  # set aside, not written over


def test_a_run_uses_one_process():
    """Chapters train several networks side by side, two at a time; the runs of a sweep fill the cores themselves."""
    assert f'"{parallel.LIMIT}"' in inspect.getsource(worker.task)  # see test_fit for what it does


def test_a_run_whose_process_always_dies_is_recorded(root):
    die = CHAPTER.replace("while low", "import os\nos._exit(1) if low else None\nwhile low")
    write(notebook(code(DEFAULTS, "parameters"), code(die)), root / "book" / "tiny.ipynb")
    _, stderr = swept(root, "-p", "low=2", code=1)
    (died,) = rows_of(root)
    assert "1 of 1 runs did not finish" in one_line(stderr) and died["status"] == "died"
    assert "the kernel died" in died["failure"] and died["failure"].endswith(", 3 times")
    assert executions(root) == {"start 2 2.27": 3}


def test_a_killed_sweep_goes_on_where_it_was(root):
    arguments = ["-p", "low=0,2", "-p", "T0=1,2", "--workers", 2]
    hold(root)
    process = start(root, *arguments)
    wait_for(lambda: len(finished(root)) == 2 and starts(root) == 2, process)
    process.kill()
    process.communicate()
    again = start(root, *arguments)  # at once, while processes of the first may still be there
    wait_for(lambda: starts(root) == 4, again)
    assert len(attempts(root)) == 2  # those of the first are gone: they would hold the locks
    release(root)
    stdout, _ = finish(again)
    assert all_there(root, 4)
    assert "4 runs of tiny, 2 there already" in stdout
    assert starts(root, 0) == 2  # finished runs are not repeated


def test_ctrl_c_leaves_finished_runs_and_no_process(root):
    hold(root)
    process = start(root, "-p", "low=0,2", "--workers", 1)
    wait_for(lambda: len(finished(root)) == 1 and starts(root) == 1, process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process
    _, stderr = finish(process, 130)
    line = one_line(stderr)
    assert line.startswith("lib sweep: interrupted; 1 of 2 runs are there, repeat with --out ")
    assert not marked(root)
    assert [row["status"] for row in rows_of(root)] == ["finished", "missing"]


def test_a_cluster_by_its_address(root):
    """When the sweep is killed, the workers of the cluster live on, and the runs of the sweep end."""
    from distributed import LocalCluster

    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "memory_limit": 0, "silence_logs": 50}
    with LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster:
        arguments = ["-p", "low=2,4", "--scheduler", cluster.scheduler_address]
        hold(root)
        process = start(root, *arguments)
        wait_for(lambda: starts(root) + starts(root, 4) == 2, process)
        process.kill()
        process.communicate()
        wait_for(lambda: not marked(root))
        release(root)
        finish(start(root, *arguments))
        assert all_there(root, 2)
        assert len(cluster.scheduler.workers) == 1


def test_a_task_needs_no_lib_where_it_arrives(tmp_path):
    """Schedulers and workers on other machines may have another lib, or none to import."""
    (tmp_path / "task").write_bytes(pickle.dumps(cluster._ByValue()))
    program = """import pickle, sys
task = pickle.load(open("task", "rb"))
print(task({"root": "nowhere", "out": "nowhere", "token": "t"})["status"])
print([name for name in sys.modules if name.split(".")[0] == "lib"])"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=LIMIT)
    assert result.stdout.splitlines() == ["refused", "[]"], result.stderr


def test_an_edited_chapter_is_noticed_by_the_run(root):
    """The key is worked out anew where the run is carried out."""
    source = root / "book" / "tiny.ipynb"
    for folder in ("unfinished", ".locks"):
        (root / "out" / folder).mkdir(parents=True)
    job = {"root": str(root), "out": str(root / "out"), "source": str(source), "token": "t", "code_hash": "c"}
    job |= {"name": "n", "key": "of another code", "pairs": ["low=2"]}
    outcome = worker.task(job)
    assert outcome["status"] == "refused" and "edited after the sweep was started" in outcome["failure"]
    assert worker.task(job | {"out": str(root / "nowhere")})["status"] == "refused"
    assert not executions(root)


# The overview ----------------------------------------------------------------------------------------------

CLAIM = "{0},{0} error,{0} reference,{0} verdict"
TABLE = f"""L,T0,label,run,status,seconds,failure,{CLAIM.format("a.b")},{CLAIM.format("c.d")}
8,2,x,r1,finished,1.0,,0.5,0.1,1,FAILED (a bar),,,,not applicable (x)
4,2,x,r2,finished,1.0,,0.25,,2,passed (a bar),,,,not applicable (x)
4,3,x,r3,failed,1.0,cell 1: no,,,,,,,,
8,3,x,r4,finished,1.0,,0.75,0.1,1,passed (a bar),,,,not applicable (x)
"""


def test_the_table_is_read(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    read = table.read(tmp_path / "t.csv")
    assert (read.parameters, read.varied, read.claims) == (["L", "T0", "label"], ["L", "T0"], ["a.b", "c.d"])
    assert read.lines("a.b") == {(2.0,): [(4.0, 0.25, 0.0, 2.0), (8.0, 0.5, 0.1, 1.0)], (3.0,): [(8.0, 0.75, 0.1, 1.0)]}
    assert read.lines("c.d") == {}
    axis = overview.draw(read, "a.b").axes[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["reference", "T0 = 2", "T0 = 3"]
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BookError, match="no table of a sweep"):
        table.read(tmp_path / "t.csv")


def test_the_committed_sweep_has_the_parameters_of_its_notebook():
    """The chapter `sweeps` says: the defaults of the notebook, but for L and T0. Where these change, sweep again."""
    defaults = Chapter(data_file("finite_size.ipynb")).defaults
    made = table.read(data_file("finite_size.csv"))
    assert made.parameters == list(defaults) and set(made.varied) == {"L", "T0"}
    for row in made.rows:
        assert row["status"] == "finished"
        assert {name: row[name] for name in defaults if name not in made.varied} == {
            name: value for name, value in defaults.items() if name not in made.varied
        }
