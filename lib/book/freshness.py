"""Is a committed chapter still what its sources would give?

`make refresh` stores in a notebook the hash of everything that its outputs depend on: its code and the modules of lib
that it imports (`lib.reachable`), the data files that these open through `data_file("...")`, its entries of the claims
ledger without their wording, its parameter rules, and the versions of the numeric packages. A notebook that it runs
counts with all that it depends on itself: one opened like a data file, or the default of its parameter `chapter`.

The stamp of a stale chapter may be renewed (`accept`) where `make test` has executed it at this very code and every
cell passed: then its verdicts are the committed ones.
"""

import ast
import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from lib import files
from lib.book import notebooks
from lib.book.chapter import Chapter, named
from lib.errors import BookError
from lib.page import parameters
from lib.page.ledger import ledger
from lib.paths import ROOT
from lib.reachable import NUMERIC, follow, parse, read, rest_of_line, sha, text, versions

WORDING = ("chapter", "statement", "source", "published", "reference_origin", "units", "history")  # of a claim


def inputs(chapter: Chapter, root: Path = ROOT, outer: tuple[Path, ...] = ()) -> dict[str, str]:
    """Hash of each thing the outputs of this chapter depend on, by name; versions of packages as they are.

    outer: the notebooks that run this one, each by the next.
    """
    tree, said = ast.Module([], []), []
    for cell in notebooks.code_cells(chapter.notebook):
        source = TransformerManager().transform_cell(cell.source)  # magics become calls
        body = parse(source, chapter.path.name).body
        tree.body += body
        said.append(_said(source, body))
    code = read(tree)
    modules = follow(code.modules, root).values()
    hashes = {"code": sha("\0".join(said))} | {each.file: each.hash for each in modules if each.hash}
    runs = [root / "book" / f"{name}.ipynb" for name in _named_chapters(tree)]
    for name in sorted(code.data.union(*(each.data for each in modules))):
        file = root / "data" / name
        if file.suffix == ".ipynb" and file.is_file():
            runs.append(file)
        else:
            hashes[f"data/{name}"] = sha(file.read_bytes()) if file.is_file() else "missing"
    for file in runs:
        if file.is_file() and file not in (chapter.path, *outer):
            hashes[file.relative_to(root).as_posix()] = digest(Chapter(file), root, (chapter.path, *outer))
    hashes["claims"] = sha(json.dumps(_bars(chapter.name, tree, root), sort_keys=True, default=str))
    hashes["parameter rules"] = sha(repr(parameters.rules(chapter.name)))
    return hashes if outer else hashes | versions()


def digest(chapter: Chapter, root: Path = ROOT, outer: tuple[Path, ...] = ()) -> str:
    """One hash of all `inputs` of a chapter."""
    return sha(json.dumps(inputs(chapter, root, outer), sort_keys=True))


def stamp(notebook, hashes: dict[str, str], measured: dict) -> None:
    """Store in an executed notebook what it was made from (`inputs`) and what was measured meanwhile."""
    notebook.metadata["dan_book"] = measured | {"inputs": hashes}


def stale(chapter: Chapter, root: Path = ROOT) -> list[str]:
    """Names of what changed since the chapter was executed; empty if it is fresh."""
    stored = chapter.stamp
    if stored is None:
        return ["never stamped"]
    now = inputs(chapter, root)
    changed = sorted(name for name in {*now, *stored} if now.get(name) != stored.get(name))
    return [f"{n} {stored[n]} -> {now[n]}" if n in NUMERIC and n in stored else n for n in changed]


def lib_hash(root: Path = ROOT) -> str:
    """One hash of the whole of lib: modules, templates."""
    there = sorted(path for path in (root / "lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sha("\n".join(f"{file.relative_to(root)} {sha(file.read_bytes())}" for file in there))


# Renewing a stamp ------------------------------------------------------------------------------------------


def verified(root: Path = ROOT) -> dict[str, str]:
    """Chapter -> digest of its inputs when `make test` last saw all its cells pass; empty where nothing is known."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return dict(files.read_json(_verified_file(root)))
    return {}


def record_verified(digests: dict[str, str], root: Path = ROOT, failed: Iterable[str] = ()) -> None:
    """Remember that every cell of these chapters passed, chapter -> digest of its inputs; forget those that failed."""
    file = _verified_file(root)
    file.parent.mkdir(parents=True, exist_ok=True)
    known = {chapter: found for chapter, found in verified(root).items() if chapter not in failed} | digests
    files.write_json(file, known)


def _verified_file(root: Path) -> Path:
    return root / "_build" / "verified.json"


def acceptable(chapter: Chapter, root: Path = ROOT) -> bool:
    """Did every cell of this chapter pass at exactly this code?"""
    return chapter.stamp is not None and verified(root).get(chapter.name) == digest(chapter, root)


def accept(chapter: Chapter, root: Path = ROOT) -> None:
    """Renew the stamp of an executed chapter, its outputs untouched. BookError unless it is `acceptable`."""
    if not acceptable(chapter, root):
        raise BookError(
            f"{chapter.name}: no pass of all its cells at this code is known; run: make test (or: make refresh "
            f"CHAPTERS={chapter.name})"
        )
    chapter.notebook.metadata["dan_book"]["inputs"] = inputs(chapter, root)
    notebooks.write(chapter.notebook, chapter.path)


# The commands ----------------------------------------------------------------------------------------------


def show(renew: list[str] | None) -> int:
    """`lib fresh`: name the stale chapters; with a list, renew the stamps of these (all where it is empty)."""
    told = {chapter: ", ".join(changed) for chapter in named(renew or []) if (changed := stale(chapter))}
    refused = []
    for chapter, changed in told.items():
        line = f"{chapter.name} is stale ({changed})"
        if renew is None:
            hint = f" or: python -m lib fresh --accept {chapter.name}" if acceptable(chapter) else ""
            print(f"{line}; run: make refresh CHAPTERS={chapter.name}{hint}")
            continue
        try:
            accept(chapter)
            print(f"{line}, and all its cells passed at this code: accepted")
        except BookError as error:
            refused.append(str(error))
    if refused:
        raise BookError("; ".join(refused))
    return 1 if told and renew is None else 0


# What a chapter says ---------------------------------------------------------------------------------------


def _said(source: str, body: list[ast.stmt]) -> str:
    """The code of a cell without comments: its statements, and whether a `;` hides the last value."""
    said = [text(statement) for statement in body]
    hidden = body and rest_of_line(source, body[-1]).lstrip().startswith(";")
    return "\n".join([*said, ";"] if hidden else said)


def _named_chapters(tree: ast.Module) -> list[str]:
    """The default of a parameter called `chapter`: `chapter: str = "ising"`."""
    declared = [node for node in tree.body if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Constant)]
    return [str(node.value.value) for node in declared if getattr(node.target, "id", None) == "chapter"]


def _bars(chapter: str, tree: ast.Module, root: Path) -> list[dict]:
    """The ledger's entries of this chapter, and those it names, without their wording."""
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    entries = ledger(root / "data" / "claims.yml").values()
    own = [entry for entry in entries if entry["chapter"] == chapter or entry["key"] in named]
    return [{name: value for name, value in entry.items() if name not in WORDING} for entry in own]
