"""Tables: in notebooks numbers with errors, as HTML that the book's theme styles; in a terminal aligned columns."""

import html

from lib.page.claims import value_text


def show(header, rows):
    """Display a table in a notebook. header: column titles; rows: lists of texts, numbers or (value, error) pairs."""
    from IPython.display import HTML, display

    display(HTML(text(header, rows)))


def text(header, rows):
    """The HTML of a table."""
    head = "".join(f"<th>{html.escape(title)}</th>" for title in header)
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell):
    if isinstance(cell, str):
        return html.escape(cell)
    if isinstance(cell, tuple):
        return html.escape(value_text(float(cell[0]), float(cell[1])))
    return html.escape(value_text(cell if isinstance(cell, int) else float(cell)))


def aligned(rows: list[list[str]]) -> str:
    """Texts in columns, for a terminal. rows: lists of equally many texts."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
