"""What is remembered, under which key, and that no state of the folder is an error. Toys in a lib of their own."""

import enum
import functools
import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from lib import cache, paths
from lib.book.chapter import Parameter
from lib.models.heads.discrete import Bernoulli
from lib.models.learned import LearnedHamiltonian
from lib.models.markov_lattice import MarkovLattice
from lib.paths import ROOT
from lib.systems import ising
from tests.conftest import environment

TOY = '''
"""Toys."""

from dataclasses import dataclass

from lib import other


@dataclass(frozen=True)
class Task:
    n: int = 2


def square(task):
    """The square."""
    print("called")
    return other.times(task.n, task.n)


def apart():
    return 0


'''
OTHER = "def times(x, y):\n    return x * y\n"
ASK = "from lib import cache, toy\n\nprint(cache.remember(toy.square, toy.Task(3)))"


@pytest.fixture
def tree(tmp_path):
    """A tree whose lib has the cache and two modules of toys; returns its root."""
    (tmp_path / "lib").mkdir()
    for name in ("__init__", "cache", "reachable", "paths", "errors", "files", "parallel", "processes"):
        shutil.copy(ROOT / "lib" / f"{name}.py", tmp_path / "lib")
    (tmp_path / "lib" / "toy.py").write_text(TOY)
    (tmp_path / "lib" / "other.py").write_text(OTHER)
    return tmp_path


def variables_of(root):
    return {name: x for name, x in environment().items() if name != cache.SWITCH} | {"PYTHONPATH": str(root)}


def ask(root, source=ASK, **variables):
    """What a new process prints."""
    command = [sys.executable, "-c", textwrap.dedent(source)]
    result = subprocess.run(
        command, cwd=root, env=variables_of(root) | variables, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def edit(root, name, old, new):
    path = root / "lib" / f"{name}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


CALLED, FOUND = ["called", "9"], ["9"]


def test_a_result_is_found_by_another_process(tree):
    assert ask(tree) == CALLED
    assert ask(tree) == FOUND
    assert ask(tree, ASK.replace("3", "4")) == ["called", "16"]
    assert len(list((tree / "_build" / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    "edited, answer",
    [
        (("other", "x * y", "x * y * 2"), ["called", "18"]),
        (("toy", "task.n, task.n", "task.n, 2"), ["called", "6"]),
        (("toy", "n: int = 2", "n: int = 3"), CALLED),
        (("toy", "return 0", "return 1"), CALLED),
        (("toy", "The square.", "Another text."), FOUND),
        (("toy", "    print", "    # a comment\n    print"), FOUND),
        (("other", "    return", '    """Product."""\n    return'), FOUND),
        (("cache", "LIMIT = 10**9", "LIMIT = 10**8"), FOUND),
    ],
)
def test_an_edit_of_what_is_reached_and_no_other_changes_the_key(edited, answer, tree):
    assert ask(tree) == CALLED
    edit(tree, *edited)
    assert ask(tree) == answer


def test_code_that_is_edited_while_it_is_loaded_is_just_called(tree):
    """The process goes on with the old code, whose result must not be found by those that have the new."""
    source = """
        from pathlib import Path
        from lib import cache, toy

        path = Path("lib/other.py")
        path.write_text(path.read_text().replace("x * y", "x + y"))
        print(cache.remember(toy.square, toy.Task(3)))
    """
    assert ask(tree, source) == CALLED
    assert ask(tree) == ["called", "6"]


def test_the_environment_names_the_folder_or_turns_it_off(tree):
    assert ask(tree) == CALLED
    for _ in range(2):
        assert ask(tree, DAN_BOOK_CACHE="off") == CALLED
    named = tree / "elsewhere" / "deep"
    assert ask(tree, DAN_BOOK_CACHE=str(named)) == CALLED
    assert ask(tree, DAN_BOOK_CACHE=str(named)) == FOUND
    assert len(list(named.iterdir())) == 1
    assert ask(tree, DAN_BOOK_CACHE="") == FOUND


@pytest.mark.parametrize("name, value", [("ATEN_CPU_CAPABILITY", "avx2"), ("OMP_NUM_THREADS", "1")])
def test_other_instructions_are_another_machine(name, value, tree):
    assert ask(tree) == CALLED
    assert ask(tree, **{name: value}) == CALLED
    assert ask(tree, **{name: value}) == FOUND


DAMAGE = {
    "empty": lambda data: b"",
    "cut off": lambda data: data[:-3],
    "a flipped bit": lambda data: data[:-2] + bytes([data[-2] ^ 1]) + data[-1:],  # in the 9 itself
    "other bytes": lambda data: b"nonsense" * 20,
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_entry_is_computed_again_and_mended(name, tree):
    assert ask(tree) == CALLED
    (entry,) = (tree / "_build" / "cache").iterdir()
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGE[name](whole))
    assert ask(tree) == CALLED
    assert entry.read_bytes() == whole
    assert ask(tree) == FOUND


def test_a_folder_that_cannot_be_written_is_no_error(tree):
    (tree / "_build").write_text("a file where the folder should be")
    for _ in range(2):
        assert ask(tree) == CALLED
    entry = tree / "folder" / "x.pkl"
    entry.mkdir(parents=True)
    with pytest.raises(OSError):
        cache._write(entry, b"")
    assert [path.name for path in entry.parent.iterdir()] == ["x.pkl"]  # nothing half-written is left


def test_workers_share_it(tree):
    """Two processes of `lib.parallel`, started by spawn, and several writers of one entry."""
    source = """
        from lib import cache, parallel, toy

        if __name__ == "__main__":
            tasks = [toy.Task(n % 3) for n in range(12)]
            print(parallel.starmap(cache.remember, [(toy.square, task) for task in tasks], workers=2))
    """
    (tree / "ask.py").write_text(textwrap.dedent(source))
    command = [sys.executable, "ask.py"]
    variables = variables_of(tree)
    outputs = []
    for _ in range(2):
        result = subprocess.run(command, cwd=tree, env=variables, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        outputs.append(result.stdout)
    assert all(str([0, 1, 4] * 4) in output for output in outputs)
    assert 3 <= outputs[0].count("called") <= 6 and "called" not in outputs[1]
    assert sorted(path.suffix for path in (tree / "_build" / "cache").iterdir()) == [".pkl"] * 3


def test_many_writers_of_one_entry(tmp_path):
    """While some write it over and over, a reader finds it whole or not at all."""
    source = f"""
        import sys
        from pathlib import Path
        from lib import cache
        for _ in range(100):
            cache._write(Path({str(tmp_path)!r}) / "x.pkl", __import__("pickle").dumps([sys.argv[1]] * 50_000))
    """
    command = [sys.executable, "-c", textwrap.dedent(source)]
    writers = [subprocess.Popen([*command, name], cwd=ROOT) for name in ("a", "b")]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        try:
            found = cache._read(tmp_path / "x.pkl")
        except FileNotFoundError:
            continue
        seen += 1
        assert len(found) == 50_000 and len(set(found)) == 1
    assert [writer.wait() for writer in writers] == [0, 0] and seen > 10
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def test_what_was_used_longest_ago_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 3500)
    for number, name in enumerate("abc"):
        cache._write(tmp_path / f"{name}.pkl", cache.pickle.dumps(bytes(900)))
        os.utime(tmp_path / f"{name}.pkl", (0, 1000 + number))
    (tmp_path / "old.part").write_bytes(b"x")
    os.utime(tmp_path / "old.part", (0, 0))
    (tmp_path / "new.part").write_bytes(b"x")
    (tmp_path / "notes.txt").write_bytes(bytes(5000))
    assert cache._read(tmp_path / "a.pkl") == bytes(900)  # used just now
    cache._write(tmp_path / "d.pkl", cache.pickle.dumps(bytes(900)))
    assert {path.name for path in tmp_path.iterdir()} == {"a.pkl", "c.pkl", "d.pkl", "new.part", "notes.txt"}
    assert time.time() - (tmp_path / "a.pkl").stat().st_mtime < 60


# Keys ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outside:
    n: int = 1


def key(*arguments):
    return cache.key(ising.critical_temperature, *arguments)


def test_equal_tasks_have_equal_keys_and_others_do_not():
    task = Parameter("L", int, (16, 2.27))
    others = [("T", int, (16, 2.27)), ("L", float, (16, 2.27)), ("L", int, (16, 2.2700001)), ("L", int, (16.0, 2.27))]
    assert key(task) == key(Parameter("L", int, (16, 2.27))) is not None
    assert len({key(task), *(key(Parameter(*other)) for other in others)}) == 5
    assert cache.key(ising.specific_heat_peak, task) != key(task)


class Pair(NamedTuple):
    a: int
    b: int


DIFFERENT = [
    *(None, True, 1, 1.0, "1", b"1", (1,), [1], {"a": 1}, {"a": 2}, ((1,), 2), ((1, 2),), -0.0, 0.0),
    *(np.float64(1), np.float32(1), np.arange(3), np.arange(3.0), np.arange(6).reshape(2, 3), np.arange(6)),
    *(np.zeros(5000), np.r_[np.zeros(2500), 1, np.zeros(2499)], torch.zeros(2), torch.ones(2), Path("a"), Path("b")),
    *(int, np.float32, ising.energy, ising.exact, functools.partial(ising.exact, L=1), functools.partial(ising.exact)),
    *(["a, b"], ["a", "b"], "a', 'b"),
]


def test_different_values_have_different_keys():
    keys = [key(value) for value in DIFFERENT]
    assert None not in keys
    assert len(set(keys)) == len(keys)
    assert key(1, 2) != key((1, 2)) != key([1, 2])


@pytest.mark.parametrize(
    "value",
    [
        *(np.random.default_rng(1), object(), lambda: 0, Outside(), Outside, Pair(1, 2), [Outside()], {1: object()}),
        *(torch.nn.Linear(1, 1), np.array([object()]), enum.Enum("E", "a").a, {1, 2}, functools.partial(Outside)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_comparable_value_is_never_remembered(value, tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SWITCH, str(tmp_path))
    assert key(value) is None
    assert cache.remember(ising_of, value)[0] is value
    assert list(tmp_path.iterdir()) == []


def ising_of(x):
    return [x]


ising_of.__module__, ising_of.__qualname__ = "lib.systems.ising", "energy"  # as if it were one of lib


def test_a_function_outside_lib_is_just_called(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.SWITCH, str(tmp_path))
    assert cache.key(one_more, 1) is None
    assert cache.remember(one_more, 1) == 2
    assert list(tmp_path.iterdir()) == []


def one_more(x):
    return x + 1


def test_the_folder_is_in_build(monkeypatch):
    monkeypatch.delenv(cache.SWITCH, raising=False)
    assert cache._folder() == paths.BUILD / "cache"


def test_a_network_comes_back_as_it_was(tmp_path):
    network = MarkovLattice(4, Bernoulli(), odd=True, seed=3)
    learned = LearnedHamiltonian(network, 2.27)
    cache._write(tmp_path / "x.pkl", cache.pickle.dumps(learned))
    s = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (50, 4, 4))
    assert np.array_equal(cache._read(tmp_path / "x.pkl").energy(s), learned.energy(s))
