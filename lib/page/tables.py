"""Tables: in notebooks numbers with errors, as HTML that the book's theme styles; in a terminal aligned columns."""

import html
import math


def value_text(value: float | None, error: float | None = None) -> str:
    """`2.2690(12)`: the value with its error in the last digits; six digits without an error; `-` for no number."""
    if value is None or not math.isfinite(value):
        return "-"
    if error and math.isfinite(error):
        from uncertainties import ufloat

        return f"{ufloat(value, error):{'f' if 1 <= error < 1e6 else ''}S}"  # 413(241), not 4.1(2.4)e+02
    return f"{value:d}" if isinstance(value, int) else f"{value:.6g}"


def show(header, rows):
    """Display a table in a notebook. Arguments as in `text`."""
    from IPython.display import HTML, display

    display(HTML(text(header, rows)))


def text(header, rows, name: str | None = None) -> str:
    """The HTML of a table.

    header: column titles. rows: lists of texts, numbers, (value, error) pairs, or lists of texts, the first of which is
    what counts and the others explain it. name: class of the table; one with a name becomes cards on a phone.
    """
    head = "".join(f"<th>{html.escape(title)}</th>" for title in header)
    body = "".join(f"<tr>{''.join(map(_cell, row, header if name else [None] * len(row)))}</tr>" for row in rows)
    kind = f' class="{name}"' if name else ""
    return f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell, title: str | None) -> str:
    label = f' data-label="{html.escape(title, quote=True)}"' if title else ""
    return f"<td{label}>{_content(cell)}</td>"


def _content(cell) -> str:
    if isinstance(cell, str):
        return html.escape(cell)
    if isinstance(cell, list):
        first, *others = map(html.escape, cell)
        return first + "".join(f"<br><small>{other}</small>" for other in others)
    if isinstance(cell, tuple):
        return html.escape(value_text(float(cell[0]), float(cell[1])))
    return html.escape(value_text(cell if isinstance(cell, int) else float(cell)))


def aligned(rows: list[list[str]]) -> str:
    """Texts in columns, for a terminal. rows: lists of equally many texts."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
