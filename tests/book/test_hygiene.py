"""The repository as a whole: who imports whom, what an import does, what is tracked, what is pinned."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from lib import files, reachable
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
import importlib, os, pkgutil, random, signal, sys, warnings
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


TOP = {  # DESIGN, "Top level", and what is there with a reason
    *("book", "lib", "data", "tests", "_config.yml", "_toc.yml", "environment.yml", "pyproject.toml", "Makefile"),
    *("README.md", "LICENSE", "CITATION.cff", ".ci"),
    *("constraints.txt", "CONTRIBUTING.md", ".gitignore"),  # exact versions; how to write a chapter; git's own
    "benchmarks",  # speeds, which no test may assert
}


def top_level_problems(names: list[str]) -> list[str]:
    top = {name.split("/")[0] for name in names}
    return [f"{name}: not in the design" for name in sorted(top - TOP)] + [
        f"{name}: missing" for name in sorted(TOP - top - {"benchmarks"})
    ]


def test_nothing_unknown_at_top_level():
    assert top_level_problems(tracked()) == []
    assert ".ci/run" in tracked()


def test_an_unknown_top_level_is_noticed():
    good = [f"{name}/x" for name in TOP]
    assert top_level_problems(good) == []
    noticed = ["notes.txt: not in the design", "scripts: not in the design"]
    assert top_level_problems([*good, "notes.txt", "scripts/a.py"]) == noticed
    assert top_level_problems([name for name in good if not name.startswith("data/")]) == ["data: missing"]


# Patterns are put together here, so that this file does not hold what it looks for.
PRIVATE = {
    "a machine path": r"/(home|Users|root|work|mnt|tmp|private|opt)" + r"/[\w.-]+",
    "a Windows path": r"\b[A-Z]:\\\\?(Users|Temp)" + r"\\",
    "a registry host": r"(pypi|pythonhosted|anaconda|pytorch|conda)" + r"\.(org|com|io)\b",
    "an index option": r"--(extra-)?index" + r"-url|--find" + r"-links|--trusted" + r"-host",
    "a download address": r"https?:" + r"//\S+\.(whl|tar\.gz|zip|pt|npz)\b",
    "an address by number": r"https?:" + r"//\d+\.\d+\.\d+\.\d+",
    "a password in an address": r"https?:" + r"//[^/\s]+:[^/\s]+@",
}


def private(text: str) -> list[str]:
    return [f"{what}: {hit[0]}" for what, pattern in PRIVATE.items() if (hit := re.search(pattern, text))]


def readable(path: Path) -> str:
    """The text of a file; of a notebook without its pictures, which are noise; empty for binary files."""
    try:
        text = path.read_text()
    except UnicodeDecodeError:
        return ""
    return re.sub(r'"image/\w+": "[^"]*"', "", text) if path.suffix == ".ipynb" else text


def test_no_machine_path_and_no_registry_is_tracked():
    problems = [f"{name}: {problem}" for name in tracked() for problem in private(readable(ROOT / name))]
    assert problems == []


@pytest.mark.parametrize(
    "text",
    [
        "/".join(["", "home", "me", "book"]),
        'File "' + "/".join(["", "tmp", "ipykernel_12", "3.py"]) + '", line 1',
        "/".join(["", "work", "main"]),
        "C:" + "\\Users" + "\\me",
        "https://" + "pypi" + ".org/simple",
        "-" + "-index-url x",
        "https:" + "//example.org/torch.whl",
        "http:" + "//10.0.0.1/x",
        "https:" + "//me:secret@example.org",
    ],
)
def test_a_private_text_is_noticed(text):
    assert len(private(f"see {text} there")) >= 1


def test_an_ordinary_text_is_not_private(tmp_path):
    assert private("#!/usr/bin/env bash\nhttps://arxiv.org/abs/2007.01037 book/home lib/work.py conda-forge") == []
    made = tmp_path / "n.ipynb"
    made.write_text(json.dumps({"image/png": "ab" + "/".join(["", "home", "x"]), "text/plain": "1"}))
    assert private(readable(made)) == []


# What is installed -----------------------------------------------------------------------------------------


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str) -> str:
    return normal(re.match(r"[\w.-]+", text)[0])


def pins(text: str) -> tuple[dict[str, str], list[str]]:
    """{name: version} of a constraints file, and its lines that are no `name==version`."""
    pinned, other = {}, []
    for line in text.splitlines():
        match = re.fullmatch(r"([A-Za-z0-9][\w.-]*)==(\d[\w.]*)", line)
        if match and normal(match[1]) not in pinned:
            pinned[normal(match[1])] = match[2]
        else:
            other.append(line)
    return pinned, other


PINNED, OTHER = pins((ROOT / "constraints.txt").read_text())
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
DIRECT = {requirement(r) for r in [*PYPROJECT["project"]["dependencies"], *sum(EXTRAS.values(), [])]}


def test_every_direct_dependency_is_pinned_exactly():
    assert OTHER == []
    assert DIRECT - set(PINNED) == set()
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().splitlines()  # no +cpu: no index has it under that


@pytest.mark.parametrize(
    "line", ["numpy>=2", "numpy", "torch==2.13.0+cpu", "-e .", "a @ file:x", "", "# text", "numpy==2.4.*"]
)
def test_a_line_that_is_no_pin_is_noticed(line):
    assert pins(f"scipy==1.17.1\n{line}\n") == ({"scipy": "1.17.1"}, [line])
    assert pins("a==1\nA==2\n")[1] == ["A==2"]


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


def conda_problems(conda: dict, project: dict) -> list[str]:
    """What is out of step between environment.yml and pyproject.toml."""
    problems = []
    plain = [d for d in conda["dependencies"] if isinstance(d, str)]
    (pip,) = [d["pip"] for d in conda["dependencies"] if isinstance(d, dict)]
    if f"python{project['project']['requires-python']}" not in plain:
        problems.append(f"python is not python{project['project']['requires-python']}")
    if conda["channels"] != ["conda-forge"]:
        problems.append(f"channels {conda['channels']}")
    if "pip" not in plain or "-c constraints.txt" not in pip:
        problems.append("pip does not use constraints.txt")
    installs = [re.fullmatch(r"-e \.\[([\w,-]+)\]", line) for line in pip]
    extras = {extra for match in installs if match for extra in match[1].split(",")}
    if extras != set(project["project"]["optional-dependencies"]):
        problems.append(f"extras {sorted(extras)}")
    problems += [f"{d}: belongs into pyproject.toml" for d in plain if d != "pip" and not d.startswith("python")]
    return problems


CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())


def test_conda_installs_the_same():
    assert conda_problems(CONDA, PYPROJECT) == []
    makefile = (ROOT / "Makefile").read_text()
    (line,) = [d["pip"] for d in CONDA["dependencies"] if isinstance(d, dict)]
    extras = line[1].removeprefix("-e ")
    assert f"-c constraints.txt -e '{extras}'" in makefile


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("python>=3.11", "python>=3.12", "python is not python>=3.11"),
        ("conda-forge", "defaults", "channels ['defaults']"),
        ("-c constraints.txt", "numpy", "pip does not use constraints.txt"),
        (".[book,test]", ".[book]", "extras ['book']"),
        (".[book,test]", ".[book,tests]", "extras ['book', 'tests']"),
        ("- pip\n", "- pip\n  - numpy\n", "numpy: belongs into pyproject.toml"),
    ],
)
def test_an_environment_out_of_step_is_noticed(old, new, problem):
    text = (ROOT / "environment.yml").read_text().split("\n", 1)[1]  # without the comment
    assert old in text
    assert conda_problems(yaml.safe_load(text.replace(old, new)), PYPROJECT) == [problem]


# Front matter ----------------------------------------------------------------------------------------------


def test_the_citation_names_the_talk_and_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "references"} <= set(citation)
    talks = [r for r in citation["references"] if "Building Interactions with Deep Autoregressive" in r["title"]]
    assert [talk["type"] for talk in talks] == ["presentation"]
    urls = " ".join(r.get("url", "") for r in citation["references"])
    for number in ("2007.01037", "2005.04857", "2405.10493"):
        assert f"arxiv.org/abs/{number}" in urls, number
    assert all(r["title"] and r["authors"] and r["year"] for r in citation["references"])


def test_the_readme_opens_with_the_two_commands():
    opening = (ROOT / "README.md").read_text().splitlines()[:10]
    for command in ("make book", "make test"):
        assert any(line.strip().startswith(command) for line in opening), command
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in re.findall(r"`make (\w+)`|^ +make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert "".join(command) in targets


def test_ci_runs_the_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert "make test" in script.splitlines() and "set -euo pipefail" in script
    recipe = (ROOT / "Makefile").read_text().split("\ntest:")[-1].split("\n\n")[0]
    assert (
        "\ntest: export DAN_BOOK_WORKERS := 1\n" in (ROOT / "Makefile").read_text()
    )  # two tests at a time on two cores
    assert [part for part in ("ruff check .", "pytest tests", "--nbval-lax") if part not in recipe] == []


def careless(source: str) -> list[str]:
    """Text read or written without saying how it is encoded, or in place: what `lib.files` is for."""
    problems = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        words = {word.arg for word in node.keywords}
        modes = [a.value for a in node.args if isinstance(a, ast.Constant) and re.fullmatch("[rwab+]+", str(a.value))]
        whose = ast.unparse(node.func).rpartition(".")[0]
        if name in ("open", "read_text") and whose not in ("files", "os", "Image") and "encoding" not in words:
            problems += [ast.unparse(node)] * (not any("b" in mode for mode in modes))
        if name in ("write_text", "write_bytes") and whose != "files":
            problems.append(ast.unparse(node))
    return problems


def test_text_is_utf_8_and_files_are_written_whole():
    sources = {str(p.relative_to(ROOT)): files.read_text(p) for p in (ROOT / "lib").rglob("*.py")}
    del sources["lib/files.py"]
    assert [f"{name}: {problem}" for name, source in sources.items() for problem in careless(source)] == []
    assert len(careless("open(x)\nx.open('w')\nx.read_text()\nx.write_text(y)\nx.write_bytes(y)")) == 5
    for good in ("open(x, 'rb')", "x.open(encoding='utf-8')", "files.read_text(x)", "files.write_text(x, y)"):
        assert careless(good) == []


def test_what_macos_does_not_have_is_asked_for_in_one_place():
    users = [p.name for p in (ROOT / "lib").rglob("*.py") if "sched_getaffinity" in files.read_text(p)]
    assert users == ["parallel.py"]
    imported = {name for p in (ROOT / "lib").rglob("*.py") for name in re.findall(r"import (\w+)", files.read_text(p))}
    assert "os" in imported and not imported & {"fcntl", "msvcrt", "pwd", "resource"}


def test_data_files_are_opened_by_a_literal_name():
    """The freshness stamp finds a data file by the literal in `data_file("...")`; another spelling would escape it."""
    sources = {str(p.relative_to(ROOT)): p.read_text() for p in (ROOT / "lib").rglob("*.py") if p.name != "paths.py"}
    for path in BOOK.glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
        sources[path.name] = re.sub(r"^\s*[%!].*$", "", code, flags=re.MULTILINE)
    assert [f"{name}: {problem}" for name, source in sources.items() for problem in unseen(source)] == []


def unseen(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    named = [c for c in calls if "data_file" in (getattr(c.func, "id", None), getattr(c.func, "attr", None))]
    return [
        ast.unparse(c)
        for c in named
        if not (c.args and isinstance(c.args[0], ast.Constant) and isinstance(c.args[0].value, str))
    ]


def test_a_data_file_by_another_name_is_noticed():
    assert unseen("data_file('a.csv')\npaths.data_file('b.csv')") == []
    assert unseen("data_file(name)\npaths.data_file(f'{x}.csv')\ndata_file()") == [
        "data_file(name)",
        "paths.data_file(f'{x}.csv')",
        "data_file()",
    ]
