"""What code depends on, in small trees: every edit either changes a hash or does not."""

import subprocess
import sys
import textwrap

import pytest

from lib import reachable
from lib.paths import ROOT
from lib.systems import ising
from tests.conftest import environment, refused

OTHER = "def f(x, n=1):\n    return x + n\n\n\ndef apart():\n    return 0\n"
CLASSES = """
class Base:
    def step(self):
        return 1


class Child(Base):
    def run(self):
        return self.step()
"""

# name: (files of lib, code that is asked about, file of the edit, before, after)
COUNTS = {
    "a function": ({"a": OTHER}, "from lib.a import f\nf(1)", "a", "x + n", "x - n"),
    "another function of the module": ({"a": OTHER}, "from lib.a import f\nf(1)", "a", "return 0", "return 1"),
    "a constant": ({"a": "N = 1"}, "from lib.a import N", "a", "N = 1", "N = 2"),
    "a new function": ({"a": OTHER}, "from lib.a import f", "a", "def apart", "def new():\n    pass\n\n\ndef apart"),
    "a statement": ({"a": "import numpy\n\nnumpy.seterr(all='raise')"}, "import lib.a", "a", "raise", "warn"),
    "import as": ({"a": OTHER}, "import lib.a as y\ny.f(1)", "a", "x + n", "x - n"),
    "a long dotted name": ({"r/__init__": "", "r/b": OTHER}, "import lib.r.b\nlib.r.b.f(1)", "r/b", "x + n", "x - n"),
    "from a package": ({"r/__init__": "", "r/b": OTHER}, "from lib.r import b", "r/b", "x + n", "x - n"),
    "the package above": ({"r/__init__": "N = 1", "r/b": OTHER}, "from lib.r.b import f", "r/__init__", "1", "2"),
    "relative imports": (
        {"r/__init__": "", "r/b": "from .c import f", "r/c": "from ..a import f", "a": OTHER},
        *("from lib.r.b import f", "a", "x + n", "x - n"),
    ),
    "import of everything": ({"a": "from lib.b import *", "b": OTHER}, "from lib.a import f", "b", "x + n", "x - n"),
    "an import within a function": (
        {"a": "def g(x):\n    if x:\n        from lib.b import f\n\n        return f(x)", "b": OTHER},
        *("from lib.a import g", "b", "x + n", "x - n"),
    ),
    "a module by its name": (
        {"a": "import importlib\n\ng = importlib.import_module('lib.b')", "b": OTHER},
        *("from lib.a import g", "b", "x + n", "x - n"),
    ),
    "a library in place of another": (
        {"a": "from math import sin as f\n\n\ndef g(x):\n    return f(x)"},
        *("from lib.a import g", "a", "sin", "cos"),
    ),
}
DOES_NOT = {
    "a comment": ({"a": OTHER}, "from lib.a import f", "a", "return x", "# why\n    return x"),
    "a docstring": ({"a": OTHER}, "from lib.a import f", "a", "return x", '"""What."""\n    return x'),
    "the docstring of a class": (
        {"a": CLASSES},
        *("from lib.a import Child", "a", "(Base):", '(Base):\n    """Text."""\n'),
    ),
    "the docstring of a module": ({"a": OTHER}, "from lib.a import f", "a", "def f", '"""Text."""\n\n\ndef f'),
    "a docstring in place of pass": (
        {"a": "class A:\n    pass"},
        *("from lib.a import A", "a", "pass", '"""Nothing."""'),
    ),
    "formatting": ({"a": OTHER}, "from lib.a import f", "a", "x + n", "(\n        x + n\n    )"),
    "quotes": ({"a": "N = 'x'"}, "from lib.a import N", "a", "'x'", '"x"'),
    "a module that is not imported": (
        {"a": OTHER, "b": "print(1)"},
        *("from lib.a import f", "b", "print(1)", "print(2)"),
    ),
    "the cache": (
        {"a": "from lib import cache\n\n\ndef f():\n    cache.remember(f)", "cache": OTHER},
        *("from lib.a import f", "cache", "return 0", "return 1"),
    ),
}


def plant(root, files):
    for name, source in {"__init__": "", **files}.items():
        path = root / "lib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source + "\n")


def hashes(root, code):
    code = reachable.read(reachable.parse(code, "code"))
    return {each.file: each.hash for each in reachable.follow(code.modules, root).values() if each.hash}


def before_and_after(root, files, code, file, old, new):
    plant(root, files)
    before = hashes(root, code)
    path = root / "lib" / f"{file}.py"
    assert path.read_text().count(old) >= 1
    path.write_text(path.read_text().replace(old, new, 1))
    return before, hashes(root, code)


@pytest.mark.parametrize("name", COUNTS)
def test_this_counts_and_its_module_is_named(name, tmp_path):
    before, after = before_and_after(tmp_path, *COUNTS[name])
    changed = {file for file in {*before, *after} if before.get(file) != after.get(file)}
    assert changed == {f"lib/{COUNTS[name][2]}.py"}


@pytest.mark.parametrize("name", DOES_NOT)
def test_this_does_not_count(name, tmp_path):
    before, after = before_and_after(tmp_path, *DOES_NOT[name])
    assert before == after


def test_imports_in_a_circle(tmp_path):
    plant(tmp_path, {"a": "from lib import b\n\n\ndef f():\n    return b.g()", "b": "from lib.a import f\n\ng = f"})
    assert set(hashes(tmp_path, "from lib.a import f")) == {"lib/a.py", "lib/b.py"}


def test_another_python_says_the_same():
    """Fields that newer versions of Python give to every node, and empty ones that they leave out, do not count."""
    node = reachable.parse("def f(x):\n    return x", "code").body[0]
    before = reachable.text(node)
    node.type_params, node.body[0].kind = [], "u"
    del node.decorator_list, node.type_comment
    assert reachable.text(node) == before


def test_code_that_is_no_python_is_refused_with_one_line(tmp_path):
    plant(tmp_path, {"a": "def f(:"})
    with refused("lib/a.py: not valid Python"):
        hashes(tmp_path, "import lib.a")


def test_every_module_that_is_loaded_was_reached():
    """Of the rooms, in a new process, by the modules of the chapters that train."""
    names = ["lib.studies.task", "lib.studies.prediction", "lib.studies.variational", "lib.studies.rg"]
    code = f"""
        import sys
        import {", ".join(names)}
        print(*[name for name in sys.modules if name.startswith("lib.") and name.count(".") > 1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    loaded = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True).stdout.split()
    assert len(loaded) > 20 and {*loaded} <= {*reachable.follow(names)}


# One key for all of it -------------------------------------------------------------------------------------


def test_a_key_is_of_functions_and_classes_of_lib():
    key = reachable.code_key(ising.energy)
    assert key == reachable.code_key(ising.energy, ising.energy)
    assert len({key, reachable.code_key(ising.exact), reachable.code_key(ising.Exact)}) == 3
    assert reachable.code_key(ising.exact, ising.energy) == reachable.code_key(ising.energy, ising.exact)


@pytest.mark.parametrize("target", [sum, lambda: 0, 3], ids=["builtin", "lambda", "number"])
def test_a_key_of_something_else_is_refused(target):
    with refused("lib", kind=ValueError):
        reachable.code_key(target)


def test_the_versions_and_the_python_are_in_the_key(monkeypatch):
    def key():
        reachable._code_key.cache_clear()
        return reachable.code_key(ising.energy)

    before = key()
    assert key() == before
    with monkeypatch.context() as patch:
        patch.setattr(reachable, "versions", lambda: {"numpy": "1.0"})
        assert key() != before
    with monkeypatch.context() as patch:
        patch.setattr(sys.implementation, "cache_tag", "other-1")
        assert key() != before
    assert key() == before


def test_versions_are_those_of_releases(monkeypatch):
    monkeypatch.setattr(reachable, "version", lambda name: f"1.2+{name}")
    assert reachable.versions() == dict.fromkeys(("numpy", "torch", "numba", "scipy"), "1.2")


def test_a_key_costs_little():
    """CPU seconds in a new process, of all that trains."""
    code = """
        import time
        from lib import reachable
        start = time.process_time()
        reachable.follow(["lib.studies.task", "lib.studies.prediction", "lib.studies.variational", "lib.studies.rg"])
        print(time.process_time() - start)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    took = [float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout) for _ in range(3)]
    assert min(took) < 1.0  # about 0.3 on an idle machine
