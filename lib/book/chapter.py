"""A chapter: a notebook with a title, a parameters cell, the claims it reported, and what its execution cost.

Chapters of the book have a place in `_toc.yml` and an entry in `book/parameters.yml`; a reader's own notebook needs a
parameters cell only.
"""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import nbformat
import yaml

from lib import files
from lib.book import notebooks
from lib.errors import BookError
from lib.page import parameters, records, tables
from lib.page.claims import MIME
from lib.page.records import Record
from lib.paths import BOOK, ROOT
from lib.reachable import rest_of_line


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell, like `L: int = 16  # lattice side`."""

    name: str
    kind: type
    default: object
    meaning: str = ""


@dataclass(frozen=True)
class Chapter:
    """What the notebook at this path says. It is read once: make another `Chapter` where the file has changed."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @cached_property
    def notebook(self) -> nbformat.NotebookNode:
        return notebooks.read(self.path)

    @property
    def title(self) -> str:
        """The first heading of the first level; the name where there is none."""
        for cell in self.notebook.cells:
            if cell.cell_type == "markdown":
                for line in cell.source.splitlines():
                    if line.startswith("# "):
                        return line[2:].strip()
        return self.name

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        return declared(self.notebook, self.name)

    @property
    def defaults(self) -> dict:
        return {name: parameter.default for name, parameter in self.parameters.items()}

    @cached_property
    def claims(self) -> dict[str, Record]:
        """Key -> claim that it reported, in order; the last report of a key counts."""
        found = (entry for cell in self.notebook.cells for entry in notebooks.stored(cell, MIME))
        return {entry["key"]: Record.from_json(entry) for entry in found}

    @property
    def numbers(self) -> dict[str, Record]:
        """Key -> what it measured on a reader's own data."""
        found = (entries for cell in self.notebook.cells for entries in notebooks.stored(cell, records.MIME))
        return {entry["key"]: Record.from_json(entry) for entries in found for entry in entries}

    @property
    def measured(self) -> dict:
        """Of its execution: seconds, memory (MB), seconds of each code cell, versions, machine, `inputs`."""
        return self.notebook.metadata.get("dan_book", {})

    @property
    def stamp(self) -> dict[str, str] | None:
        """Hash of each thing that its outputs were made from, see `freshness`; None where it has no stamp."""
        return self.measured.get("inputs")

    def described(self) -> list[list[str]]:
        """Name, default, what it may be and meaning of every parameter, as texts."""
        rules = {name: rule.describe() for name, rule in parameters.rules(self.name).items()}
        return [
            [name, repr(each.default), rules.get(name, parameters.NOUNS[each.kind]), each.meaning]
            for name, each in self.parameters.items()
        ]


# Which there are -------------------------------------------------------------------------------------------


def in_toc(root: Path = ROOT) -> list[str]:
    """The pages of _toc.yml in reading order, like `book/ising`."""
    toc = yaml.safe_load(files.read_text(root / "_toc.yml"))
    entries = [*toc.get("chapters", []), *(entry for part in toc.get("parts", []) for entry in part["chapters"])]
    return [toc["root"], *(entry["file"] for entry in entries)]


def chapters(root: Path = ROOT) -> list[Chapter]:
    """The chapters, in the order of _toc.yml, that exist as notebooks."""
    paths = [root / f"{page}.ipynb" for page in in_toc(root)]
    return [Chapter(path) for path in paths if path.exists()]


def find(name: str, root: Path | None = None) -> Chapter:
    """The chapter meant by `ising` or by the path of a notebook."""
    if name.endswith(".ipynb"):
        path = Path(name)
        if not path.is_file():
            raise BookError(f"no notebook {name}")
        return Chapter(path.resolve())
    folder = root / "book" if root else BOOK
    there = {path.stem: path for path in sorted(folder.glob("*.ipynb"))}
    if name not in there:
        raise BookError(f"no chapter {name!r}; there are: {', '.join(there) or 'none yet'}")
    return Chapter(there[name])


def named(names: list[str], root: Path | None = None) -> list[Chapter]:
    """The chapters of these names; all of them where none is given."""
    return [find(name, root) for name in names] or chapters(root or ROOT)


# The parameters cell ---------------------------------------------------------------------------------------


def declared(notebook: nbformat.NotebookNode, name: str = "notebook") -> dict[str, Parameter]:
    """The parameters of a chapter, from its one cell tagged `parameters`, which holds annotated literals only.

    Raises BookError on a missing or second such cell, anything but annotated literals, a name given twice.
    """
    cells = [cell for cell in notebook.cells if "parameters" in notebooks.tags(cell)]
    if len(cells) != 1:
        raise BookError(f"{name}: needs exactly one cell tagged 'parameters', has {len(cells)}")
    source, found = cells[0].source, {}
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise BookError(f"{name}: the parameters cell is not Python: {error.msg}, line {error.lineno}") from None
    for statement in statements:
        parameter = _annotated_literal(statement, rest_of_line(source, statement).partition("#")[2].strip("# "))
        if parameter is None:
            line = ast.unparse(statement).splitlines()[0]
            raise BookError(
                f"{name}: parameters cell: {line!r} is not an annotated literal; write it like 'L: int = 16'"
            )
        if parameter.name in found:
            raise BookError(f"{name}: parameters cell: {parameter.name!r} is there twice")
        found[parameter.name] = parameter
    return found


def _annotated_literal(statement: ast.stmt, meaning: str) -> Parameter | None:
    """The parameter in `NAME: TYPE = LITERAL`, None if the statement is not of that form or the types differ."""
    if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
        return None
    kind = parameters.KINDS.get(getattr(statement.annotation, "id", None))
    try:
        default = ast.literal_eval(statement.value)
    except (ValueError, TypeError):
        return None
    return Parameter(statement.target.id, kind, default, meaning) if type(default) is kind else None


def show_parameters(chapter: str) -> None:
    """`lib parameters`: what the parameters of this chapter are and may be."""
    rows = find(chapter).described()
    print(tables.aligned([["parameter", "default", "may be", "meaning"], *rows]))
