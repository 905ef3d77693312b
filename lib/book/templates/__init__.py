"""The pages and tables that are made by machine, as Jinja templates in this folder."""

from pathlib import Path

import jinja2


def render(template: str, **values) -> str:
    """The template of this name, like `results.md`, with these values."""
    return _environment().get_template(f"{template}.jinja").render(**values)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=lambda name: name.endswith(".html.jinja"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = _cell
    return environment


def _cell(text) -> str:
    """In a table of Markdown: on one line, without a bar of its own."""
    return " ".join(str(text).split()).replace("|", "\\|")
