"""The repository as a whole: who imports whom, what an import does, what is tracked, what is pinned."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from lib import reachable
from lib.paths import BOOK, ROOT
from tests.conftest import environment

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


# The arrows of the house -----------------------------------------------------------------------------------

PHYSICS = {
    "systems": set(),
    "samplers": {"systems"},
    "models": {"systems"},
    "analysis": {"systems", "samplers", "models"},
    "studies": {"systems", "samplers", "models", "analysis", "page"},
}
# which rooms each may import, beside itself and the hallway
MAY_IMPORT = PHYSICS | {"page": set(), "book": {"page", "studies"}, "": set()}
ENTRANCE = "lib.__main__"  # may import all of them


def room(module: str) -> str:
    """Which room a module like `lib.models.made` is in, empty for the hallway."""
    name = module.split(".")[1] if "." in module else ""
    return name if name in MAY_IMPORT else ""


def against_the_arrows(root: Path) -> list[str]:
    """Imports of a room that may not be imported from there."""
    problems = []
    for file in sorted((root / "lib").rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        package = ".".join(parts[:-1])
        here = room(module)
        for name in sorted(reachable.imports(ast.parse(file.read_text()), package)):
            if room(name) not in {here, "", *MAY_IMPORT[here]} and module != ENTRANCE:
                problems.append(f"{module} imports {name}")
    return problems


def rooms(root: Path) -> set[str]:
    return {p.name for p in (root / "lib").iterdir() if p.is_dir() and any(p.rglob("*.py"))}


def test_imports_follow_the_arrows():
    assert against_the_arrows(ROOT) == []
    assert rooms(ROOT) == set(MAY_IMPORT) - {""}


def test_only_two_chapters_open_the_press():
    opened = {path.stem for path in BOOK.glob("*.ipynb") if "lib.book" in path.read_text(encoding="utf-8")}
    assert opened == {"rerun", "sweeps"}


@pytest.mark.parametrize(
    "file, source, problem",
    [
        ("systems/a.py", "from lib.samplers import mcmc", "lib.systems.a imports lib.samplers.mcmc"),
        ("systems/__init__.py", "import lib.studies.rg as rg", "lib.systems imports lib.studies.rg"),
        ("samplers/a.py", "def f():\n    from ..models.made import MADE", "lib.samplers.a imports lib.models.made"),
        ("models/a.py", "from .. import analysis", "lib.models.a imports lib.analysis"),
        ("checks.py", "from lib.systems import ising", "lib.checks imports lib.systems.ising"),
        ("models/a.py", "from lib import checks\nfrom . import made\nfrom lib.systems.ising import energy", None),
        ("analysis/a.py", "from lib.samplers.mcmc import run\nimport lib.paths", None),
        ("samplers/a.py", "from lib.book import site", "lib.samplers.a imports lib.book"),
        ("page/a.py", "from lib.book import notebooks", "lib.page.a imports lib.book.notebooks"),
        ("__main__.py", "from lib.book import site\nfrom lib.studies import user_file", None),
    ],
)
def test_an_import_against_the_arrows_is_noticed(file, source, problem, tmp_path):
    path = tmp_path / "lib" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    problems = against_the_arrows(tmp_path)
    assert (problem in problems) if problem else (problems == [])


# An import does nothing ------------------------------------------------------------------------------------

IMPORTER = """
import importlib.util, os, pkgutil, random, signal, sys, warnings
import matplotlib, numba, numpy, torch

def state():
    return {
        "numpy random": str(numpy.random.get_state()),
        "python random": random.getstate(),
        "torch random": torch.random.get_rng_state().tolist(),
        "torch dtype": torch.get_default_dtype(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch gradients": torch.is_grad_enabled(),
        "torch determinism": torch.are_deterministic_algorithms_enabled(),
        "numba threads": numba.get_num_threads(),
        "argv": list(sys.argv),
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "numpy print options": str(numpy.get_printoptions()),
        "numpy errors": numpy.geterr(),
        "warnings": list(warnings.filters),
        "matplotlib": dict(matplotlib.rcParams),
        "signals": signal.getsignal(signal.SIGINT),
    }

sys.path.insert(0, sys.argv.pop())
for name in sys.argv.pop().split(","):
    if importlib.util.find_spec(name.partition(".")[0]):  # of an extra that was not asked for there is none
        importlib.import_module(name)  # what the packages that lib uses change themselves is not ours
before = state()
import lib
names = [m.name for m in pkgutil.walk_packages(lib.__path__, "lib.")]
for name in names:
    importlib.import_module(name)
after = state()
print(lib.__path__[0], len(names))
print(*[name for name in before if before[name] != after[name]], sep=", ")
"""


def changed_by_importing(root: Path) -> tuple[int, str]:
    """How many modules lib has under root, and the names of what importing all of them changes."""
    result = subprocess.run(
        [sys.executable, "-c", IMPORTER, "some", "arguments", ",".join(sorted(third_party(root))), str(root)],
        cwd=root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0 and result.stderr == "", result.stderr
    first, names = result.stdout.splitlines()[:2]
    path, _, count = first.rpartition(" ")
    assert Path(path) == root / "lib" and len(result.stdout.splitlines()) == 2, result.stdout  # nothing is printed
    return int(count), names


def test_importing_lib_changes_nothing():
    count, names = changed_by_importing(ROOT)
    assert names == ""
    assert count == len([p for p in (ROOT / "lib").rglob("*.py") if p != ROOT / "lib" / "__init__.py"])


def test_an_import_with_side_effects_is_noticed(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("")
    (tmp_path / "lib" / "bad.py").write_text(
        "import sys\n\nimport numpy\nimport torch\n\nnumpy.random.seed(1)\ntorch.manual_seed(7)\n"
        "torch.set_default_dtype(torch.float64)\ntorch.set_num_threads(1 + torch.get_num_threads())\nsys.argv = []\n"
    )
    _, names = changed_by_importing(tmp_path)
    assert names == "numpy random, torch random, torch dtype, torch threads, argv"


# What git has ----------------------------------------------------------------------------------------------


def git(*arguments: str) -> list[str]:
    """Lines of `git ...` in the repository; skips the test where there is no git or no checkout."""
    try:
        result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    if result.returncode:
        pytest.skip(f"not a git checkout: {result.stderr.strip().splitlines()[-1]}")
    return result.stdout.splitlines()


def tracked() -> list[str]:
    """Tracked files that are there."""
    return [name for name in git("ls-files") if (ROOT / name).is_file()]


def test_every_file_of_lib_is_tracked():
    """An ignore pattern that hits lib/ (the stock Python ones do) would lose it from the next commit on."""
    files = [p for p in (ROOT / "lib").rglob("*") if p.is_file() and not {"__pycache__"} & {*p.parts}]
    there = {str(p.relative_to(ROOT)) for p in files}
    missing = sorted(there - set(git("ls-files", "lib")))
    assert not missing, f"not tracked: {', '.join(missing)}; git add them, or see why .gitignore hits them"


def test_nothing_unknown_at_top_level():
    """The folders and files of DESIGN, and what is there with a reason."""
    folders = "book lib data tests benchmarks .ci"
    settings = "_config.yml _toc.yml conf.py environment.yml pyproject.toml Makefile .gitignore"
    versions = "constraints.txt requirements-plain.txt"
    texts = "README.md CONTRIBUTING.md LICENSE CITATION.cff"
    assert {name.split("/")[0] for name in tracked()} == {*f"{folders} {settings} {versions} {texts}".split()}


# What is installed -----------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> str:
    return normal(re.match(r"[\w.-]+", text)[0])


EXTRAS = PYPROJECT["project"]["optional-dependencies"]
CHOSEN = ("files",)  # extras that nobody has without asking; what needs them says so
DIRECT = {requirement(r) for r in [*PYPROJECT["project"]["dependencies"], *sum(EXTRAS.values(), [])]}


def test_every_direct_dependency_is_pinned_exactly():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][\w.-]*==\d[\w.]*", line)] == []  # no +cpu either
    assert DIRECT <= {requirement(line) for line in lines}


def test_conda_installs_the_same():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())
    python = f"python{PYPROJECT['project']['requires-python']}"
    extras = ",".join(name for name in EXTRAS if name not in CHOSEN)
    pip = ["-c constraints.txt", f"-e .[{extras}]"]
    assert conda["channels"] == ["conda-forge"] and conda["dependencies"] == [python, "pip", {"pip": pip}]
    assert f"-c constraints.txt -e '.[{extras}]'" in (ROOT / "Makefile").read_text()


def third_party(root: Path) -> set[str]:
    """Modules outside Python and lib that lib imports, at the top of a module or within a function."""
    found = set()
    for file in (root / "lib").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
    return {name for name in found if name.split(".")[0] not in sys.stdlib_module_names | {"lib"}}


def distributions(modules: set[str]) -> set[str]:
    known = packages_distributions()
    return {normal(known.get(name, [name])[0]) for name in {module.split(".")[0] for module in modules}}


def test_what_lib_imports_is_declared(tmp_path):
    """In pyproject.toml; a package that only happens to be installed is missing on the next machine."""
    come_with = {"ipython", "nbclient"}  # the kernel is ipykernel, and IPython; papermill executes with nbclient
    assert distributions(third_party(ROOT)) - DIRECT - come_with == set()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.py").write_text("import os\n\n\ndef f():\n    import yaml, no.x\n    from lib import b\n")
    assert third_party(tmp_path) == {"yaml", "no.x"} and distributions({"yaml", "no.x"}) == {"pyyaml", "no"}
