"""Notebooks as files: read, written, and in the form in which they are committed. What a chapter is: `chapter`."""

import uuid
from pathlib import Path

import nbformat

from lib import files
from lib.errors import BookError, first_line

FOLDED = {"hide-input", "solution"}  # tags of cells whose code is not for everybody


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
        raise BookError(f"{path} is not a readable notebook: {first_line(error)[:120]}") from None


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write it whole or not at all."""
    files.write_text(path, nbformat.writes(notebook) + "\n")


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The code cells that hold anything."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def stored(cell: nbformat.NotebookNode, kind: str) -> list:
    """What the outputs of this cell hold of this MIME type, in order."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return [each[kind] for each in data if kind in each]


def tidy(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without what changes from run to run or machine to machine: times, paths, versions.

    Code that the pages fold is folded in an editor, too. Cells keep their ids, since student versions know them by
    these; one without an id of its own gets a new one.
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
        if FOLDED & set(tags(cell)):
            cell.metadata["jupyter"] = nbformat.from_dict({"source_hidden": True})
    return notebook
