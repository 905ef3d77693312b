"""What counts as code that can be reached, in small trees: every edit either changes the hash or does not."""

import json
import subprocess
import sys
import textwrap

import pytest

from lib import reachable
from lib.errors import BookError
from lib.paths import ROOT
from lib.systems import ising
from tests.conftest import environment, one_line

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
    "a default argument": ({"a": OTHER}, "from lib.a import f\nf(1)", "a", "n=1", "n=2"),
    "a constant": ({"a": "N = 1\n\n\ndef f():\n    return N"}, "from lib.a import f", "a", "N = 1", "N = 2"),
    "a constant of a constant": ({"a": "N = 1\nM = 2 * N"}, "from lib import a\na.M", "a", "N = 1", "N = 2"),
    "an annotated constant": ({"a": "N: int = 1"}, "from lib import a\na.N", "a", "= 1", "= 2"),
    "a name bound twice": ({"a": "N = 1\nN += 1"}, "from lib import a\na.N", "a", "+= 1", "+= 2"),
    "one of several names bound at once": ({"a": "K, (N, *M) = 1, (2, 3)"}, "from lib.a import M", "a", "3", "4"),
    "one of two definitions": (
        {"a": "try:\n    import numba\n\n    def f():\n        return 1\nexcept ImportError:\n    f = None"},
        "from lib.a import f",
        *("a", "return 1", "return 2"),
    ),
    "a method of a base class": ({"a": CLASSES}, "from lib.a import Child", "a", "return 1", "return 2"),
    "a base class elsewhere": (
        {"a": CLASSES, "b": "from lib import a\n\n\nclass C(a.Base):\n    x = 1"},
        *("from lib.b import C\nC()", "a", "return 1", "return 2"),
    ),
    "a function in a dict": (
        {"a": "def one():\n    return 1\n\n\nALL = {'one': one}", "b": "from lib.a import ALL\n\nx = ALL['one']"},
        *("import lib.b\nlib.b.x()", "a", "return 1", "return 2"),
    ),
    "an entry made later": (
        {"a": "ALL = {}\n\n\ndef one():\n    return 1\n\n\nALL['one'] = one"},
        *("from lib import a\na.ALL", "a", "return 1", "return 2"),
    ),
    "a function in a partial": (
        {"a": "import functools\nfrom lib.b import f\n\ng = functools.partial(f, n=3)", "b": OTHER},
        *("from lib import a\na.g(1)", "b", "x + n", "x - n"),
    ),
    "a decorator": (
        {"a": "from lib.b import twice\n\n\n@twice\ndef f():\n    return 1", "b": "def twice(f):\n    return f"},
        *("from lib.a import f", "b", "return f", "return 2 * f"),
    ),
    "what a decorator of lib keeps": (
        {
            "a": "from lib.b import keep\n\n\n@keep\ndef one():\n    return 1",
            "b": "ALL = []\n\n\ndef keep(f):\n    ALL.append(f)",
        },
        *("import lib.a\nfrom lib.b import ALL", "a", "return 1", "return 2"),
    ),
    "import as": ({"a": OTHER}, "import lib.a as y\ny.f(1)", "a", "x + n", "x - n"),
    "from import as": ({"a": OTHER}, "from lib.a import f as z\nz(1)", "a", "x + n", "x - n"),
    "a long dotted name": ({"r/__init__": "", "r/b": OTHER}, "import lib.r.b\nlib.r.b.f(1)", "r/b", "x + n", "x - n"),
    "a relative import": (
        {"r/__init__": "", "r/b": "from .c import f\nfrom .. import a", "r/c": OTHER, "a": ""},
        *("from lib.r.b import f", "r/c", "x + n", "x - n"),
    ),
    "a re-export": (
        {"r/__init__": "from lib.r.c import f", "r/c": OTHER},
        *("from lib import r\nr.f(1)", "r/c", "x + n", "x - n"),
    ),
    "import of everything": ({"a": "from lib.b import *", "b": OTHER}, "from lib.a import f", "b", "x + n", "x - n"),
    "an import inside a function": (
        {"a": "def g(x):\n    if x:\n        from lib.b import f\n\n        return f(x)", "b": OTHER},
        *("from lib.a import g", "b", "x + n", "x - n"),
    ),
    "a module imported inside a function": (
        {"a": "def g(x):\n    from lib import b\n\n    return b.f(x)", "b": OTHER},
        *("from lib.a import g", "b", "x + n", "x - n"),
    ),
    "an import inside a function with something in its place": (
        {
            "a": "def g(f=1):\n    try:\n        from lib.b import f\n    except ImportError:\n        f = 2\n    f()",
            "b": OTHER,
        },
        *("from lib.a import g", "b", "x + n", "x - n"),
    ),
    "a module that is handed around": ({"a": OTHER}, "from lib import a\nprint(a)", "a", "return 0", "return 1"),
    "getattr with a variable": ({"a": OTHER}, "from lib import a\ngetattr(a, name)", "a", "return 0", "return 1"),
    "modules in a dict": ({"a": OTHER}, "import lib.a as m\nALL = {'a': m}", "a", "return 0", "return 1"),
    "a package that is handed around": (
        {"r/__init__": "", "r/b": OTHER},
        *("from lib import r\nprint(r)", "r/b", "return 0", "return 1"),
    ),
    "a module by its name": ({"a": OTHER}, "run(['-m', 'lib.a'])", "a", "return 0", "return 1"),
    "the dict of a module": ({"a": OTHER}, "import lib.a as m\nm.__dict__['apart']()", "a", "return 0", "return 1"),
    "its own module by name": (
        {"a": OTHER + "\n\ndef g(x):\n    return getattr(sys.modules[__name__], x)"},
        *("from lib.a import g", "a", "return 0", "return 1"),
    ),
    "globals": ({"a": OTHER + "\n\ndef g(x):\n    return globals()[x]"}, "from lib.a import g", "a", "0", "1"),
    "a function used by a function given to map": (
        {"a": OTHER + "\n\ndef g(x):\n    return map(lambda y: f(y), x)"},
        *("from lib.a import g", "a", "x + n", "x - n"),
    ),
    "a default that calls": (
        {"a": OTHER + "\n\ndef g(f=f(1)):\n    return f"},
        *("from lib.a import g", "a", "x + n", "x - n"),
    ),
    "a name after a comprehension over it": (
        {"a": OTHER + "\n\ndef g(x):\n    return [f for f in x], f(1)"},
        *("from lib.a import g", "a", "x + n", "x - n"),
    ),
    "what a function sets for all": (
        {"a": "N = 1\n\n\ndef g():\n    global N\n    N = 2"},
        *("from lib.a import g", "a", "N = 1", "N = 3"),
    ),
    "a statement of a module": (
        {"a": OTHER + "\nprint(apart())"},
        *("from lib.a import f", "a", "return 0", "return 1"),
    ),
    "a statement of a module imported by another": (
        {"a": "import lib.b\n\n\ndef f():\n    return 1", "b": "import numpy\n\nnumpy.seterr(all='raise')"},
        *("from lib.a import f", "b", "raise", "warn"),
    ),
    "a statement of a package": (
        {"r/__init__": "import os\n\nos.environ['X'] = '1'", "r/b": OTHER},
        *("from lib.r.b import f", "r/__init__", "'1'", "'2'"),
    ),
    "where a function comes from": (
        {"a": "from math import sin as f\n\n\ndef g(x):\n    return f(x)"},
        *("from lib.a import g", "a", "sin", "cos"),
    ),
    "attributes made at need": (
        {"a": "def __getattr__(name):\n    return 1"},
        *("from lib import a\na.anything", "a", "return 1", "return 2"),
    ),
    "an assert": ({"a": "def f(x):\n    assert x"}, "from lib.a import f", "a", "assert x", "assert not x"),
}
DOES_NOT = {
    "another function": ({"a": OTHER}, "from lib.a import f\nf(1)", "a", "return 0", "return 1"),
    "another constant": ({"a": "N = 1\nM = 2"}, "from lib.a import N", "a", "M = 2", "M = 3"),
    "a new function": ({"a": OTHER}, "from lib.a import f", "a", "def apart", "def new():\n    pass\n\n\ndef apart"),
    "a comment": ({"a": OTHER}, "from lib.a import f", "a", "return x", "# why\n    return x"),
    "a docstring": ({"a": OTHER}, "from lib.a import f", "a", "return x", '"""What."""\n    return x'),
    "the docstring of a class": (
        {"a": CLASSES},
        "from lib.a import Child",
        "a",
        "(Base):",
        '(Base):\n    """Text."""\n',
    ),
    "the docstring of a module": ({"a": OTHER}, "from lib.a import f", "a", "def f", '"""Text."""\n\n\ndef f'),
    "a docstring in place of pass": (
        {"a": "class A:\n    pass"},
        *("from lib.a import A", "a", "pass", '"""Nothing."""'),
    ),
    "formatting": ({"a": OTHER}, "from lib.a import f", "a", "x + n", "(\n        x + n\n    )"),
    "quotes": ({"a": "N = 'x'"}, "from lib.a import N", "a", "'x'", '"x"'),
    "an import nobody uses": ({"a": OTHER, "b": ""}, "from lib.a import f", "a", "def f", "import lib.b\n\n\ndef f"),
    "a function with the name of a local": (
        {"a": "def e():\n    return 1\n\n\ndef g(x):\n    e = x\n    return e"},
        *("from lib.a import g", "a", "return 1", "return 2"),
    ),
    "a function with the name of an argument": (
        {"a": "def e():\n    return 1\n\n\ndef g(e, *f):\n    return lambda: e"},
        *("from lib.a import g", "a", "return 1", "return 2"),
    ),
    "a function with the name of an attribute": (
        {"a": "def e():\n    return 1\n\n\ndef g(x):\n    return x.e"},
        *("from lib.a import g", "a", "return 1", "return 2"),
    ),
    "what is done when it is the program": (
        {"a": OTHER + "\n\nif __name__ == '__main__':\n    print(1)"},
        *("from lib.a import f", "a", "print(1)", "print(2)"),
    ),
    "a statement of a module that is not imported": (
        {"a": OTHER, "b": "print(1)"},
        *("from lib.a import f", "b", "print(1)", "print(2)"),
    ),
    "the rules of all chapters": (
        {"a": "from lib.page import parameters\n\n\ndef f():\n    parameters.check()", "page/parameters": OTHER},
        *("from lib.a import f", "page/parameters", "return 0", "return 1"),
    ),
}


def plant(root, files):
    for name, source in {"__init__": "", **files}.items():
        path = root / "lib" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source + "\n")


def hashes(root, code):
    reach = reachable.Reach(root)
    reach.code(reachable.parse(code, "code"))
    return reach.hashes()


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
    with pytest.raises(BookError) as caught:
        hashes(tmp_path, "import lib.a")
    assert "lib/a.py: not valid Python" in one_line(str(caught.value))


# Against what is really executed ---------------------------------------------------------------------------

PROFILED = """
import json, sys
executed = set()


def note(frame, event, argument):
    code = frame.f_code
    if event == "call" and "/lib/" in code.co_filename and code.co_flags & 1:  # a function, not the body of a class
        executed.add((code.co_filename, code.co_firstlineno))


sys.setprofile(note)
{code}
sys.setprofile(None)
print(json.dumps(sorted(executed)))
"""
CODE = """
import numpy as np
from lib.analysis import couplings, reweighting
from lib.models.markov_lattice import FrontierNetwork
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli
from lib.samplers import mcmc
from lib.systems import ising
learned = LearnedHamiltonian(FrontierNetwork(4, Bernoulli(), odd=True, seed=3), 2.27)
s = np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (500, 4, 4))
learned.energy(s)
couplings.pseudolikelihood(ising.local_sums(s, ("nn", "nnn")), 2.27, ("nn", "nnn"))
reweighting.ising_direct(4, np.array([2.2, 2.4]), 1000, 1)
ising.specific_heat_peak(4)
"""


def test_every_function_that_is_executed_was_reached():
    reach = reachable.Reach()
    reach.code(reachable.parse(CODE, "code"))
    reached = set()
    for name, file in reach._files.items():
        for node in (reach._modules[name].parts[number] for number in reach._parts.get(name, ())):
            first = min(each.lineno for each in (node, *getattr(node, "decorator_list", ())))
            reached |= {(str(file), line) for line in range(first, node.end_lineno + 1)}
    result = subprocess.run(
        [sys.executable, "-c", PROFILED.format(code=CODE)],
        cwd=ROOT,
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    executed = {(file, line) for file, line in json.loads(result.stdout.splitlines()[-1])}
    executed = {(file, line) for file, line in executed if file.startswith(str(ROOT / "lib"))}
    assert len(executed) > 30
    assert executed - reached == set()


# One key for all of it -------------------------------------------------------------------------------------


def test_a_key_by_object_and_by_name():
    key = reachable.code_key(ising.energy)
    assert key == reachable.code_key("lib.systems.ising:energy")
    assert key != reachable.code_key(ising.exact)
    assert reachable.code_key(ising.exact, ising.energy) == reachable.code_key(ising.energy, ising.exact)
    assert reachable.code_key("lib.systems.ising") not in (key, reachable.code_key(ising.exact))
    assert reachable.code_key(ising.Exact) != key


@pytest.mark.parametrize(
    "target",
    ["lib.systems.ising:nothing", "lib.nothing", "numpy:sin", sum, lambda: 0, 3],
    ids=lambda target: getattr(target, "__name__", str(target)),
)
def test_a_key_of_something_else_is_refused(target):
    with pytest.raises(ValueError) as caught:
        reachable.code_key(target)
    assert "lib" in one_line(str(caught.value))


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
    """CPU seconds in a new process, of all of the rooms at once."""
    code = """
        import time
        from pathlib import Path
        from lib import reachable
        start = time.process_time()
        reachable.code_key(*(f"lib.{file.parent.stem}.{file.stem}" for file in Path("lib").glob("*/[a-z]*.py")))
        print(time.process_time() - start)
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    took = [float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout) for _ in range(3)]
    assert min(took) < 0.6  # about 0.15 on an idle machine
