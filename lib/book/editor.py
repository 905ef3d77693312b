"""Chapters for a notebook editor, which knows Markdown and formulas but no MyST.

JupyterLab, VS Code and Colab show a role as code, and of a directive the text in grey. So the notebooks that are handed
out (the download buttons, `lib student`) say the same in plain Markdown: references and citations as text, figures with
their numbers and captions, drawings as data, exercises under headings. Solutions are below a folded heading,
and code that the pages fold is folded here. Code, outputs and ids of cells stay as they are.

Numbers of figures count within a notebook.
"""

import base64
import copy
import itertools
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat
from nbformat import v4

from lib import files
from lib.book import notebooks
from lib.book.chapter import Chapter

OPENING = re.compile(r"^(?P<fence>`{3,}|:{3,})\{(?P<name>[\w-]+)\}[ \t]*(?P<argument>.*?)[ \t]*$", re.MULTILINE)
DIRECTIVE = re.compile(OPENING.pattern + r"\n(?P<body>.*?)^[ \t]*(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(DIRECTIVE.pattern.replace("^", r"^[ \t]*", 1), DIRECTIVE.flags)  # in a list
CODE = r"^[ \t]*(?P<ticks>`{3,}|~{3,})(?!\{).*?^[ \t]*(?P=ticks)[ \t]*$"
BLOCK = re.compile(f"{INDENTED.pattern}|{CODE}", DIRECTIVE.flags)
OPTION = re.compile(r":(?P<name>[\w-]+):[ \t]*(?P<value>.*?)[ \t]*(\n|$)")
ROLE = re.compile(r"\{(?P<name>[\w:-]+)\}`(?P<content>[^`]+)`")
EQUATION = re.compile(r"\$\$(?P<tex>.*?)\$\$([ \t]*\((?P<label>[\w-]+)\))?", re.DOTALL)
TARGET = re.compile(r"^\((?P<label>[\w-]+)\)=[ \t]*\n+(?P<heading>#.*)?", re.MULTILINE)
GLUE = "application/papermill.record/text/plain"
START, END = "\0solution", "\0end"  # where a solution begins and ends
COLLAPSED = {"jp-MarkdownHeadingCollapsed": True}  # JupyterLab's word
NOTE = """**The chapter `{name}`, to work with.** Its pictures, references and exercises are plain Markdown here. It
needs the repository of the book: open it with the Python of the book's `.venv` as the kernel (`README.md` there, "In
JupyterLab"). Solutions are folded below each exercise. Numbers in the text are those of the book, whatever you run."""


# What is in a directive ------------------------------------------------------------------------------------


def options(body: str) -> tuple[dict[str, str], str]:
    """The options that open the body of a directive, and the body without them."""
    found = {}
    while option := OPTION.match(body):
        found[option["name"]] = option["value"]
        body = body[option.end() :]
    return found, body


def _indent(directive: re.Match) -> str:
    return re.match(r"[ \t]*", directive[0])[0]


def _dedented(directive: re.Match) -> str:
    """The body of a directive, which may stand in a list; empty for a block of code."""
    return "".join(line.removeprefix(_indent(directive)) for line in (directive["body"] or "").splitlines(True))


# What can be referred to -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A figure, exercise, equation or heading: the page it is on, and what a reference to it says there."""

    page: str
    text: str


@dataclass(frozen=True)
class Book:
    """What the chapters and pages of a folder refer to."""

    folder: Path

    @cached_property
    def chapters(self) -> dict[str, Chapter]:
        """Name -> chapter, of all notebooks in the folder."""
        return {path.stem: Chapter(path) for path in sorted(self.folder.glob("*.ipynb"))}

    @cached_property
    def pages(self) -> dict[str, str]:
        """Name -> text, of all pages in the folder that are no notebooks."""
        return {path.stem: files.read_text(path) for path in sorted(self.folder.glob("*.md"))}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """Label -> what it is."""
        found = {}
        for name, chapter in self.chapters.items():
            found |= {label: Target(name, text) for label, text in labelled(chapter.notebook).items()}
        for name, text in self.pages.items():
            found |= {match["label"]: Target(name, _heading(match)) for match in TARGET.finditer(text)}
        return found

    def title(self, page: str) -> str:
        """Of a page by its name; the name where there is no such page."""
        if page in self.chapters:
            return self.chapters[page].title
        first = re.search(r"^# (.*)$", self.pages.get(page, ""), re.MULTILINE)
        return first[1].strip() if first else page

    @cached_property
    def entries(self) -> dict:
        """Key -> entry of the bibliography."""
        file = self.folder / "references.bib"
        if not file.exists():
            return {}
        from pybtex.database import parse_file

        return dict(parse_file(str(file)).entries)


def labelled(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Label -> what a reference within this notebook says: `Fig. 2`, `(3)`, the title of an exercise, a heading."""
    found, figures, equations = {}, 0, 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            name = cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
            if name:
                figures += 1
                found[name] = f"Fig. {figures}"
        elif cell.cell_type == "markdown":
            for match in BLOCK.finditer(cell.source):
                given, _ = options(_dedented(match))
                if match["name"] == "figure" and "name" in given:
                    figures += 1
                    found[given["name"]] = f"Fig. {figures}"
                elif match["name"] in ("exercise", "exercise-start") and "label" in given:
                    found[given["label"]] = f'exercise "{match["argument"]}"'
            for match in EQUATION.finditer(cell.source):
                if match["label"]:
                    equations += 1
                    found[match["label"]] = f"({equations})"
            for match in TARGET.finditer(cell.source):
                found[match["label"]] = _heading(match)
    return found


def _heading(target: re.Match) -> str:
    return f'"{target["heading"].lstrip("# ").strip()}"' if target["heading"] else target["label"]


# A chapter -------------------------------------------------------------------------------------------------


def plain(chapter: nbformat.NotebookNode, name: str, book: Book, note: str = NOTE) -> nbformat.NotebookNode:
    """The notebook of a chapter in plain Markdown. Student versions are made before.

    name: of the chapter. book: where its references lead. note: the text of its first cell, none if empty.
    """
    made = copy.deepcopy(chapter)
    writer = _Writer(name, book, labelled(made), _glued(made))
    cells = [v4.new_markdown_cell(note.format(name=name), id="plain-note")] if note else []
    code, after_solution = notebooks.code_cells(made), False

    def add(text: str, identity: str, **metadata) -> None:
        taken = {cell.id for cell in cells} | {cell.id for cell in code}
        free = (f"{identity}-{n}" if n else identity for n in itertools.count())
        new = v4.new_markdown_cell(text, id=next(each for each in free if each not in taken), metadata=metadata)
        cells.append(new)

    for cell in made.cells:
        if cell.cell_type == "markdown":
            for text in _split(cell.source):
                if text == START:
                    add("#### Solution", cell.id, **COLLAPSED)
                elif text == END:
                    after_solution = True
                else:
                    text = writer.text(text)
                    text = "\n\n".join([text, *writer.new_drawings()])
                    if after_solution and not text.startswith("#"):
                        add("#### Then", cell.id)
                    after_solution = False
                    add(text, cell.id)
            continue
        if after_solution:  # else it would be folded with the solution
            after_solution = False
            add("#### Graded" if "grade" in notebooks.tags(cell) else "#### Then", cell.id)
        cells.append(_opened(cell))
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            add(writer.caption(figure), cell.id)
    made.cells = cells
    if references := writer.references():
        made.cells.append(v4.new_markdown_cell(references, id="plain-references"))
    return made


def _split(text: str) -> list[str]:
    """The parts of a text outside solutions and in them; START where one begins, END where it ends. None is empty."""
    parts, position = [], 0
    for match in DIRECTIVE.finditer(text):
        marks = {"solution-start": [START], "solution-end": [END]}.get(match["name"])
        if match["name"] == "solution":
            marks = [START, options(match["body"])[1], END]
        if marks:
            parts += [text[position : match.start()], *marks]
            position = match.end()
    return [part.strip() for part in [*parts, text[position:]] if part.strip()]


def _opened(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A code cell; that of a solution, below a folded heading, is not folded again."""
    if "solution" in notebooks.tags(cell):
        cell.metadata.pop("jupyter", None)
    return cell


def _glued(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Name -> text of every value that the code of this notebook hands to its prose."""
    found = {}
    for cell in notebooks.code_cells(notebook):
        for output in cell.outputs:
            if GLUE in output.get("data", {}):
                found[output.metadata["scrapbook"]["name"]] = "".join(output.data[GLUE]).strip("'\"")
    return found


@dataclass
class _Writer:
    """Turns the texts of one chapter into plain Markdown. cited: keys, in the order in which they were met."""

    name: str
    book: Book
    here: dict[str, str]
    glued: dict[str, str]
    drawings: dict = field(default_factory=dict)
    cited: dict = field(default_factory=dict)

    def text(self, text: str) -> str:
        """A text without solutions. Blocks of code stay what they are."""
        kept, position = [], 0
        for match in BLOCK.finditer(text):
            block = self._directive(match) if match["name"] else match[0]
            kept += [self._prose(text[position : match.start()]), block]
            position = match.end()
        return "".join([*kept, self._prose(text[position:])]).strip()

    def new_drawings(self) -> list[str]:
        """Where the drawings of the last texts are, once: it stands at the end of a cell, out of the way."""
        new, self.drawings = list(self.drawings.values()), {}
        return new

    def _prose(self, text: str) -> str:
        text = TARGET.sub(lambda match: match["heading"] or "", text)
        text = EQUATION.sub(self._equation, text)
        return ROLE.sub(lambda match: self._role(match["name"], " ".join(match["content"].split())), text)

    def caption(self, figure: dict) -> str:
        """The line below a figure of these options of the directive: `**Fig. 2.** What it shows`."""
        number = self.here.get(figure.get("name"))
        return " ".join([*([f"**{number}.**"] if number else []), self.text(figure.get("caption", ""))])

    def _directive(self, match: re.Match) -> str:
        given, body = options(_dedented(match))
        name, argument, indent, body = match["name"], match["argument"], _indent(match), self.text(body)
        if name == "figure":
            label = Path(argument).stem
            self.drawings[label] = f"[{label}]: {self._embed(argument)}"
            made = f"![{given.get('alt', '')}][{label}]\n\n{self.caption({**given, 'caption': body})}"
        elif name in ("exercise", "exercise-start"):
            made = f"### Exercise{': ' * bool(argument)}{argument}\n\n{body}"
        elif name == "exercise-end":
            made = ""
        elif name == "math":
            made = f"$$\n{body}\n$$"
        else:  # a box
            made = "\n".join(
                f"> {line}".rstrip() for line in [f"**{argument or name.capitalize()}**", "", *body.splitlines()]
            )
        return "\n".join(indent + line if line else line for line in made.splitlines())

    def _embed(self, file: str) -> str:
        """The address of a drawing that is in the text itself. JupyterLab shows no attachment that is an SVG."""
        kind = {".svg": "image/svg+xml", ".png": "image/png"}[Path(file).suffix]
        return f"data:{kind};base64,{base64.b64encode((self.book.folder / file).read_bytes()).decode()}"

    def _equation(self, match: re.Match) -> str:
        number = self.here.get(match["label"], "").strip("()")
        tag = f"\\tag{{{number}}}\n" if number else ""
        return f"$${match['tex']}{tag}$$"

    def _role(self, name: str, content: str) -> str:
        if name == "math":
            return f"${content}$"
        if name == "glue:text":
            return self.glued.get(content, f"`{content}`")
        if name.startswith("cite"):
            return self._citation(content.split(","), name.endswith(":t"))
        said, _, label = content.rpartition("<")
        label, said = label.strip(" >"), said.strip()
        if name == "doc":
            target = f"*{self.book.title(label)}*"
        elif label in self.here:
            target = self.here[label]
        elif label in self.book.targets:
            found = self.book.targets[label]
            target = f"{found.text} of *{self.book.title(found.page)}*"
        else:
            target = f"`{label}`"
        return f"{said} ({target})" if said and target.strip("*") != said else target

    def _citation(self, keys: list[str], as_text: bool) -> str:
        self.cited |= dict.fromkeys(key.strip() for key in keys)
        said = [self._author_year(key.strip(), as_text) for key in keys]
        return ", ".join(said) if as_text else f"({'; '.join(said)})"

    def _author_year(self, key: str, as_text: bool) -> str:
        if key not in self.book.entries:
            return key
        entry = self.book.entries[key]
        names = [_latex(" ".join(person.prelast_names + person.last_names)) for person in _people(entry)]
        who = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
        year = entry.fields.get("year", "")
        return f"{who} ({year})" if as_text else f"{who}, {year}"

    def references(self) -> str:
        """The papers that were cited, as a list below a heading; empty if there are none."""
        known = sorted(
            (key for key in self.cited if key in self.book.entries), key=lambda k: self._author_year(k, True)
        )
        lines = [self._reference(self.book.entries[key]) for key in known]
        return "\n".join(["## References", "", *lines]) if lines else ""

    def _reference(self, entry) -> str:
        names = [
            _latex(
                " ".join([*(f"{first[0]}." for first in person.first_names), *person.prelast_names, *person.last_names])
            )
            for person in _people(entry)
        ]
        fields = {name: _latex(value) for name, value in entry.fields.items() if name not in ("doi", "url")}
        where = " ".join(fields[name] for name in ("journal", "booktitle", "volume", "pages") if name in fields)
        address = entry.fields.get("url") or f"https://doi.org/{entry.fields.get('doi', '')}"
        address = None if address.endswith("/") else address
        parts = [
            ", ".join(names),
            f"*{fields.get('title', '')}*",
            where,
            fields.get("note"),
            fields.get("year"),
            address,
        ]
        return f"- {', '.join(filter(None, parts))}"


def _people(entry) -> list:
    return entry.persons.get("author") or entry.persons.get("editor") or []


def _latex(text: str) -> str:
    """A text of the bibliography without its TeX."""
    from pybtex.richtext import Text

    return str(Text.from_latex(text))  # render_as looks for its plugin every time
