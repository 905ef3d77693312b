"""Which code of lib does a piece of code depend on? For the stamps of chapters and the keys of the cache.

On the modules that it imports, at the top or within a function, on all that these import, and on the packages above
them. A module counts as a whole, but for comments, docstrings and formatting. Nothing is run to find out. Not seen:
modules whose names are put together at run time.
"""

import ast
import functools
import hashlib
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lib.errors import BookError
from lib.paths import ROOT

SEPARATE = ("lib.cache",)  # not followed: it hands out what a function would return
NUMERIC = ("numpy", "torch", "numba", "scipy")  # the packages whose versions numbers depend on
LOADED = time.time()  # whatever uses this module loads the rest of lib at about the same time


def sha(data: bytes | str) -> str:
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()[:16]


def versions() -> dict[str, str]:
    """Installed versions of the numeric packages, without the build (`2.13.0`, not `2.13.0+cpu`)."""
    return {name: version(name).partition("+")[0] for name in NUMERIC}


# Modules ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Code:
    """A piece of code. hash: of what it says; modules: of lib, imported or started by their name; data: the names in
    `data_file("...")`; file: where it is from, relative to the repository, None for what is in no module."""

    hash: str
    modules: frozenset[str]
    data: frozenset[str]
    file: str | None = None


def read(tree: ast.Module, file: str | None = None, package: str = "") -> Code:
    """package: the one that relative imports count from."""
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    started = {each for each in strings if isinstance(each, str) and re.fullmatch(r"lib(\.\w+)+", each)}
    said = "\n".join(text(statement) for statement in tree.body if not is_text(statement))
    return Code(sha(said) if said else "", frozenset(imports(tree, package) | started), _data(tree), file)


def _data(tree: ast.Module) -> frozenset[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if "data_file" in (getattr(call.func, "id", ""), getattr(call.func, "attr", ""))]
    return frozenset(str(call.args[0].value) for call in named if isinstance(call.args[0], ast.Constant))


def follow(names: Iterable[str], root: Path = ROOT) -> dict[str, Code]:
    """The modules of lib that have one of these names, or that one of them depends on, by name."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        file = module_file(name, root) if _in_lib(name) and name not in (*found, *SEPARATE) else None
        if file is not None:
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            relative = file.relative_to(root).as_posix()
            found[name] = _read(file.read_text(encoding="utf-8"), relative, package)
            waiting += found[name].modules
        waiting += [name.rpartition(".")[0]] * ("." in name)  # an import runs the packages above
    return found


@functools.lru_cache(maxsize=512)
def _read(source: str, file: str, package: str) -> Code:
    return read(parse(source, file), file, package)


def module_file(name: str, root: Path = ROOT) -> Path | None:
    base = root.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def imports(tree: ast.AST, package: str = "") -> set[str]:
    """Dotted names under lib that the code imports; may hold names inside a module as well."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(above + ([node.module] if node.module else []))
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name for name in found if _in_lib(name)}


def _in_lib(name: str) -> bool:
    return name == "lib" or name.startswith("lib.")


# What is written -------------------------------------------------------------------------------------------


def parse(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BookError(f"{name}: not valid Python: {error.msg}, line {error.lineno}") from None


def rest_of_line(source: str, statement: ast.stmt) -> str:
    """What follows a statement on its last line."""
    return source.splitlines()[statement.end_lineno - 1].encode()[statement.end_col_offset :].decode()


def text(node: ast.AST) -> str:
    """What a piece of code says, the same for every version of Python and every way to write it down."""
    words = []
    _say(node, words.append)
    return " ".join(words)


def _say(node, word) -> None:
    if isinstance(node, list):
        word("[")
        for each in node:
            if not (isinstance(each, ast.Pass) or is_text(each)):  # a docstring, or a text that does nothing
                _say(each, word)
        word("]")
    elif isinstance(node, ast.AST):
        word(f"({type(node).__name__}")
        for field in node._fields:
            value = getattr(node, field, None)
            if value is not None and value != [] and field not in ("ctx", "kind", "type_comment"):
                word(field)
                _say(value, word)
        word(")")
    else:
        word(repr(node))


def is_text(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


# The key of a function ---------------------------------------------------------------------------------------


def code_key(*targets) -> str:
    """One hash of all code of lib that these functions or classes of lib depend on, the versions of the numeric
    packages, and the Python.

    Looked up once per process. ValueError for anything outside lib, and where a file was edited after this process had
    loaded it, so that nobody can say which code runs here.
    """
    return _code_key(tuple(sorted({_name_of(target) for target in targets})), ROOT)


def _name_of(target) -> str:
    module, name = getattr(target, "__module__", None), getattr(target, "__qualname__", "")
    if not (module and name) or "<locals>" in name or "<lambda>" in name:
        raise ValueError(f"{target!r} has no code in lib; give a function or class defined at the top of a module")
    return f"{module}:{name}"


@functools.cache
def _code_key(names: tuple[str, ...], root: Path) -> str:
    wanted = {name.partition(":")[0] for name in names}
    modules = follow(wanted, root)
    if missing := wanted - {*modules}:
        raise ValueError(f"{min(missing)} is no module of lib")
    for code in modules.values():
        if (root / code.file).stat().st_mtime > LOADED:
            raise ValueError(
                f"{code.file} was edited after this process, which uses lib, had started; start another one"
            )
    hashes = sorted((name, code.hash) for name, code in modules.items())
    return sha(repr([names, hashes, sorted(versions().items()), [sys.implementation.cache_tag]]))
