"""What the site adds to a chapter that the notebook itself does not hold, because it is measured or declared elsewhere.

After the first cell: what the chapter cost when it was executed, and its parameters with what they may be. Before every
cell that reports claims: the targets that the results page links to.
"""

import ast
import io
import tokenize
from pathlib import Path

from nbformat import v4

from lib.book import execute, notebooks
from lib.page import parameters
from lib.page.claims import MIME


def decorate(path: Path) -> None:
    """Add all this to an executed notebook of the stage, in place."""
    notebook = notebooks.read(path)
    cells = []
    for number, cell in enumerate(notebook.cells):
        if keys := reported(cell):
            cells.append(v4.new_markdown_cell("\n".join(f"({target(key)})=" for key in keys)))
        cells.append(cell)
        if number == 0 and parameters.rules(path.stem):
            cells.append(v4.new_markdown_cell(cost_and_parameters(path)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
    notebook.cells = cells
    notebooks.write(notebook, path)


def reported(cell) -> list[str]:
    """Keys of the claims that this cell reported."""
    records = (output.get("data", {}).get(MIME) for output in cell.get("outputs", []))
    return list(dict.fromkeys(record["key"] for record in records if record))


def target(key: str) -> str:
    """The name under which the cell of a claim can be linked."""
    return "claim-" + key.replace(".", "-").replace("_", "-")


def cost(path: Path) -> str:
    """`227 s and at most 0.9 GB of memory`, as measured when this chapter was executed."""
    measured = execute.measured(path)
    if measured.get("seconds") is None:
        return "an unknown time"
    text = f"{measured['seconds']} s"
    return text + (f" and at most {gigabytes(measured['memory'])} of memory" if measured.get("memory") else "")


def gigabytes(megabytes: int) -> str:
    return f"{megabytes / 1000:.1f} GB"


def cost_and_parameters(path: Path) -> str:
    """The box below the title of a chapter, in MyST."""
    rows = [[f"`{name}`", f"`{default!r}`", *rest] for name, default, *rest in parameter_rows(path)]
    table = [["parameter", "default", "may be", "meaning"], ["---"] * 4, *rows]
    more = ", see {doc}`rerun`" if path.with_name("rerun.ipynb").exists() else ""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join(
        [
            f":::{{admonition}} This chapter took {cost(path)}. Its parameters",
            ":class: tip dropdown",
            "",
            f"With your own: `python -m lib run {path.stem} -p NAME=VALUE`{more}.",
            "",
            *lines,
            ":::",
        ]
    )


def parameter_rows(path: Path) -> list[list]:
    """Name, default, what it may be and meaning of every parameter of a chapter, from its parameters cell."""
    notebook = notebooks.read(path)
    declared = notebooks.parameters(notebook, path.stem)
    source = next(cell.source for cell in notebook.cells if "parameters" in notebooks.tags(cell))
    rules = {name: rule.describe() for name, rule in parameters.rules(path.stem).items()}
    meanings = _comments(source)
    return [
        [name, parameter.default, rules.get(name, parameters.NOUNS[parameter.kind]), meanings.get(name, "")]
        for name, parameter in declared.items()
    ]


def _comments(source: str) -> dict[str, str]:
    """The comment behind each annotated assignment, by the name assigned to."""
    lines = {node.lineno: node.target.id for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    return {name: comments[line].lstrip("# ") for line, name in lines.items() if line in comments}
