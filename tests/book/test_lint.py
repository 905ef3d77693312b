"""How the files of the repository are written: nothing of a machine, UTF-8, data files by name, commands that exist."""

import ast
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lib import files
from lib.paths import BOOK, ROOT
from tests.book.test_hygiene import tracked

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


def without_make() -> dict[str, str]:
    """These tests may run under make themselves: its flags would be taken over, and its directory be told."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("target", ["book", "read", "plain", "pdf"])
def test_make_passes_on_whether_solutions_are_shown(target):
    told = {"cwd": ROOT, "env": without_make(), "capture_output": True, "text": True}
    command = ["make", "-n", target, "-o", ".venv/.installed", "-o", ".venv-plain/.installed"]
    verb = {"pdf": "single --pdf", "plain": "read"}.get(target, target)
    for value, ending in (("yes", ""), ("no", " --without-solutions")):
        done = subprocess.run([*command, f"SOLUTIONS={value}"], check=True, **told)
        assert done.stdout.splitlines()[-1].rstrip().endswith(f"-m lib {verb}{ending}")
    refused = subprocess.run(["make", "-n", target, "SOLUTIONS=No"], **told)
    assert refused.returncode == 2 and "SOLUTIONS is yes or no, not No" in refused.stderr


FAKE = """#!/bin/sh
case "$*" in
  *freeze*) echo "torch==9+cpu"; exit $CODE;;
  *nbval*) echo cells >> log;;
  *) echo code >> log; exit $CODE;;
esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("flags", [[], [".SHELLFLAGS=-c"]], ids=["make 4", "as make 3.81"])
def test_recipes_do_not_depend_on_flags_that_make_on_macos_ignores(flags, tmp_path):
    """With a Python that only notes what it is asked: cells are tried after failed tests, not after an interrupt."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    fake = tmp_path / ".venv" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text(FAKE)
    fake.chmod(0o755)
    (fake.parent / "ruff").symlink_to(shutil.which("true"))
    (tmp_path / ".venv" / ".installed").touch()
    before, log = (tmp_path / "constraints.txt").read_text(), tmp_path / "log"

    def make(target, code):
        log.write_text("")
        environment = without_make() | {"CODE": str(code)}
        return subprocess.run(["make", target, *flags], cwd=tmp_path, env=environment, capture_output=True).returncode

    assert make("test", 0) == 0 and log.read_text() == "code\ncells\n"
    assert make("test", 1) == 2 and log.read_text() == "code\ncells\n"
    assert make("test", 2) == 2 and log.read_text() == "code\n"
    assert make("constraints", 1) == 2 and (tmp_path / "constraints.txt").read_text() == before
    assert make("constraints", 0) == 0 and (tmp_path / "constraints.txt").read_text() == "torch==9\n"


def test_file_names_are_different_where_case_does_not_count():
    """As on macOS and Windows; nor has one a character that Windows has no place for."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    assert len({name.casefold() for name in names}) == len(names)
    assert [name for name in names if re.search(r'[<>:"|?*\\]|[ .]$', name)] == []


def test_the_commands_of_the_readme_are_there():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {*re.findall(r"(?:`|^ +)make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)} <= {*targets}
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()
