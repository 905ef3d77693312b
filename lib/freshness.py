"""Is a committed chapter still what its sources would give?

When `make refresh` executes a chapter it stores, in the notebook's metadata, the hash of everything the outputs depend
on: the chapter's code, every lib module it imports (directly or not), every data file it or they open through
`data_file("...")`, its own entries of the claims ledger and its own parameter rules.
"""

import ast
import hashlib
import json
from pathlib import Path

from lib import claims, notebooks, parameters
from lib.errors import BookError
from lib.paths import ROOT

SEPARATE = {"lib.parameters"}  # holds every chapter's rules; a chapter counts its own only


def sha(data: bytes | str) -> str:
    if isinstance(data, str):
        data = data.encode()
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()[:16]


def inputs(path: Path, root: Path = ROOT) -> dict[str, str]:
    """Hash of each thing the outputs of this chapter depend on, by name."""
    notebook = notebooks.read(path)
    code = [cell.source for cell in notebooks.code_cells(notebook)]
    tree = _parse(_without_magics("\n".join(code)), path.name)
    modules = _closure(tree, root)
    trees = [tree] + [_parse(file.read_text(encoding="utf-8"), str(file)) for file in modules.values()]
    data = sorted({name for t in trees for name in _data_files(t)})
    hashes = {"code": sha("\0".join(code))}
    for _, file in sorted(modules.items()):
        hashes[str(file.relative_to(root))] = sha(file.read_bytes())
    for name in data:
        file = root / "data" / name
        hashes[f"data/{name}"] = sha(file.read_bytes()) if file.is_file() else "missing"
    own = [entry for entry in claims.ledger(root / "data" / "claims.yml").values() if entry["chapter"] == path.stem]
    hashes["claims"] = sha(json.dumps(own, sort_keys=True, default=str))
    hashes["parameter rules"] = sha(repr(parameters.RULES.get(path.stem)))
    return hashes


def stamp(notebook, hashes: dict[str, str], measured: dict) -> None:
    """Store in an executed notebook what it was made from (`inputs`) and what was measured meanwhile."""
    notebook.metadata["dan_book"] = measured | {"inputs": hashes}


def stale(path: Path, root: Path = ROOT) -> list[str]:
    """Names of what changed since the chapter was executed; empty if it is fresh."""
    stored = notebooks.read(path).metadata.get("dan_book", {}).get("inputs")
    if stored is None:
        return ["never stamped"]
    now = inputs(path, root)
    return sorted(name for name in {*now, *stored} if now.get(name) != stored.get(name))


def lib_hash(root: Path = ROOT) -> str:
    """One hash of the whole of lib."""
    files = sorted((root / "lib").rglob("*.py"))
    return sha("\n".join(f"{file.relative_to(root)} {sha(file.read_bytes())}" for file in files))


def _parse(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise BookError(f"{name}: not valid Python: {error.msg}, line {error.lineno}") from None


def _without_magics(source: str) -> str:
    lines = source.splitlines()
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _closure(tree: ast.Module, root: Path) -> dict[str, Path]:
    """Every module of lib that the code imports, directly or through others, with the packages above them."""
    found: dict[str, Path] = {}
    waiting = sorted(imports(tree))
    while waiting:
        name = waiting.pop()
        if name in found or name in SEPARATE:
            continue
        file = module_file(name, root)
        if file is None:  # not a module: a name defined in one
            continue
        found[name] = file
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting += imports(_parse(file.read_text(encoding="utf-8"), str(file)), package)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return found


def module_file(name: str, root: Path = ROOT) -> Path | None:
    base = root.joinpath(*name.split("."))
    for file in (base.with_suffix(".py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def imports(tree: ast.Module, package: str = "") -> set[str]:
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
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if name == "lib" or name.startswith("lib.")}


def _data_files(tree: ast.Module) -> set[str]:
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", None) == "data_file" or getattr(node.func, "attr", None) == "data_file")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
