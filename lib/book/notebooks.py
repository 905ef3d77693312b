"""Chapters as files: which there are, their parameters cell, and the form in which they are committed."""

import ast
import uuid
from dataclasses import dataclass
from pathlib import Path

import nbformat
import yaml

from lib import files
from lib.errors import BookError
from lib.paths import BOOK, ROOT

TYPES = {"int": int, "float": float, "str": str, "bool": bool}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell, like `L: int = 16  # lattice side`."""

    name: str
    kind: type
    default: object


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook at path; one clear line if it is none."""
    try:
        notebook = nbformat.read(str(path), as_version=4)
        if "cells" not in notebook:
            raise ValueError("no cells")
        return notebook
    except FileNotFoundError:
        raise BookError(f"no notebook {path}") from None
    except Exception as error:  # nbformat raises many kinds
        reason = (str(error).strip().splitlines() or ["unknown reason"])[0][:120]
        raise BookError(f"{path} is not a readable notebook: {reason}") from None


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write it whole or not at all."""
    files.write_text(path, nbformat.writes(notebook) + "\n")


def in_toc(root: Path = ROOT) -> list[str]:
    """The pages of _toc.yml in reading order, like `book/ising`."""
    toc = yaml.safe_load(files.read_text(root / "_toc.yml"))
    pages = [toc["root"]]
    stack = list(toc.get("chapters", [])) + [c for part in toc.get("parts", []) for c in part["chapters"]]
    for entry in stack:
        pages.append(entry["file"])
    return pages


def chapters(root: Path = ROOT) -> list[Path]:
    """The chapters, in the order of _toc.yml, that exist as notebooks."""
    files = [root / f"{page}.ipynb" for page in in_toc(root)]
    return [file for file in files if file.exists()]


def find(name: str) -> Path:
    """The notebook meant by `ising` or by a path."""
    if name.endswith(".ipynb"):
        path = Path(name)
        if not path.is_file():
            raise BookError(f"no notebook {name}")
        return path.resolve()
    there = {path.stem: path for path in sorted(BOOK.glob("*.ipynb"))}
    if name not in there:
        raise BookError(f"no chapter {name!r}; there are: {', '.join(there) or 'none yet'}")
    return there[name]


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells that hold anything."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def parameters(notebook: nbformat.NotebookNode, name: str = "notebook") -> dict[str, Parameter]:
    """The parameters of a chapter, from its one cell tagged `parameters`, which holds annotated literals only.

    Raises BookError on a missing or second such cell, anything but annotated literals, a name given twice.
    """
    cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    if len(cells) != 1:
        raise BookError(f"{name}: needs exactly one cell tagged 'parameters', has {len(cells)}")
    found = {}
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise BookError(f"{name}: the parameters cell is not Python: {error.msg}, line {error.lineno}") from None
    for statement in statements:
        parameter = _annotated_literal(statement)
        if parameter is None:
            line = ast.unparse(statement).splitlines()[0]
            raise BookError(
                f"{name}: parameters cell: {line!r} is not an annotated literal; write it like 'L: int = 16'"
            )
        if parameter.name in found:
            raise BookError(f"{name}: parameters cell: {parameter.name!r} is there twice")
        found[parameter.name] = parameter
    return found


def _annotated_literal(statement: ast.stmt) -> Parameter | None:
    """The parameter in `NAME: TYPE = LITERAL`, None if the statement is not of that form or the types differ."""
    if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
        return None
    kind = TYPES.get(getattr(statement.annotation, "id", None))
    try:
        default = ast.literal_eval(statement.value)
    except (ValueError, TypeError):
        return None
    return Parameter(statement.target.id, kind, default) if type(default) is kind else None


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what changes from run to run or machine to machine: times, paths, versions.

    Cells keep their ids, since student versions know them by these; one without an id of its own gets a new one.
    """
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python", "file_extension": ".py", "pygments_lexer": "ipython3"},
            **({"dan_book": notebook.metadata.dan_book} if "dan_book" in notebook.metadata else {}),
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # the first with cell ids
    there = set()
    for cell in notebook.cells:
        if not cell.get("id") or cell.id in there:  # a copied cell has that of the first
            cell["id"] = uuid.uuid4().hex[:8]  # by chance, and not counted: never that of a cell which was deleted
        there.add(cell.id)
        for key in ("papermill", "execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        if "tags" in cell.metadata and not cell.metadata.tags:
            del cell.metadata["tags"]
    return notebook
