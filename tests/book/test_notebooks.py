"""What every committed chapter is held to (CONTRIBUTING.md), and that nbval compares what it should.

Each rule is a function that returns problems, so that it can be shown a notebook that breaks it.
"""

import ast
import copy
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from lib.book import freshness, notebooks
from lib.book.chapter import Chapter, chapters, find, in_toc
from lib.book.notebooks import tags
from lib.errors import BookError
from lib.page import claims
from lib.page.verdict import bar_text, judge
from lib.paths import BOOK, ROOT
from tests.conftest import (
    PICTURE,
    claim,
    code,
    declare,
    display,
    environment,
    error,
    markdown,
    notebook,
    refused,
    stream,
    write,
)

CHECKED = "nbval-check-output"
EVADING = {"nbval-skip", "nbval-ignore-output", "nbval-raises-exception", "raises-exception", "skip-execution"}
MEGABYTE = 1_000_000


# The rules -------------------------------------------------------------------------------------------------


def not_in_order(made) -> list[str]:
    """Code cells numbered 1..N."""
    counts = [cell.execution_count for cell in notebooks.code_cells(made)]
    if not counts:
        return ["no code cells"]
    return [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts {counts} are not 1, 2, 3, ..."]


def errors(made) -> list[str]:
    """No error output, no tag that hides one from the tests."""
    problems = []
    for number, cell in enumerate(made.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                problems.append(f"cell {number}: error output {output.ename}: {output.evalue}")
        if evading := EVADING & set(tags(cell)):
            problems.append(f"cell {number}: tagged {', '.join(sorted(evading))}")
        if "injected-parameters" in tags(cell):
            problems.append(f"cell {number}: injected parameters; execute the chapter at its defaults")
    return problems


def on_stderr(made) -> list[str]:
    return [
        f"cell {number}: on stderr: {output.text.strip()[:60]}"
        for number, cell in enumerate(made.cells)
        for output in cell.get("outputs", [])
        if output.output_type == "stream" and output.name == "stderr"
    ]


def not_compared(made) -> list[str]:
    """At least one tagged cell, and a claim or something printed in one of them: nothing is compared otherwise."""
    tagged = [cell for cell in notebooks.code_cells(made) if CHECKED in tags(cell)]
    if not tagged:
        return [f"no cell is tagged {CHECKED}"]
    printed = [o.text for cell in tagged for o in cell.outputs if o.output_type == "stream" and o.name == "stdout"]
    claimed = [o for cell in tagged for o in cell.outputs if claims.MIME in o.get("data", {})]
    return (
        []
        if claimed or any(text.strip() for text in printed)
        else [f"nothing to compare in the cells tagged {CHECKED}"]
    )


def too_large(path) -> list[str]:
    size = path.stat().st_size / MEGABYTE
    return [f"{size:.1f} MB, at most 1.5 MB"] if size >= 1.5 else []


def without_alt_text(made) -> list[str]:
    """Every picture has alt text in words, and every such cell shows one picture only."""
    problems = []
    for number, cell in enumerate(made.cells):
        shown = [o for o in cell.get("outputs", []) if any(mime.startswith("image/") for mime in o.get("data", {}))]
        if len(shown) > 1:
            problems.append(f"cell {number}: {len(shown)} pictures, but one alt text")
        if shown:
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
            problems += [f"cell {number}: {problem}" for problem in bad_alt(alt)]
            displayed = [o for o in cell.outputs if o.output_type in ("display_data", "execute_result")]
            if "figure" in cell.metadata.get("mystnb", {}) and len(displayed) > 1:  # each would get the figure's name
                problems.append(f"cell {number}: a named figure must be the only thing its cell displays")
        if cell.cell_type == "markdown":
            for alt in re.findall(r"!\[([^\]]*)\]\(", cell.source):
                problems += [f"cell {number}: {problem}" for problem in bad_alt(alt)]
            if re.search(r"^(```|:::)\{(image|figure)\}", cell.source, re.MULTILINE) and ":alt:" not in cell.source:
                problems.append(f"cell {number}: a figure without :alt:")
    return problems


def bad_alt(alt) -> list[str]:
    """Alt text is a sentence of at least three words, not a file name."""
    if not isinstance(alt, str) or not alt.strip():
        return ["a picture without alt text"]
    if len(alt.split()) < 3 or re.search(r"\.(png|svg|jpe?g)\b|[0-9a-f]{16}", alt):
        return [f"the alt text {alt!r} does not say what the picture shows"]
    return []


def claims_wrong(made, name: str, ledger: dict) -> list[str]:
    """Every claim of this chapter is reported once, within the bar of the ledger, and no other one is."""
    records = [
        o.data[claims.MIME] for cell in made.cells for o in cell.get("outputs", []) if claims.MIME in o.get("data", {})
    ]
    keys = [record["key"] for record in records]
    own = {key: entry for key, entry in ledger.items() if entry["chapter"] == name}
    problems = [f"{key}: not reported" for key in own if key not in keys]
    problems += [f"{key}: reported {keys.count(key)} times" for key in own if keys.count(key) > 1]
    problems += [f"{key}: not a claim of {name}" for key in keys if key not in own]
    for record in records:
        if entry := own.get(record["key"]):
            problems += [f"{record['key']}: {problem}" for problem in record_wrong(record, entry)]
    return problems


def record_wrong(record: dict, entry: dict) -> list[str]:
    """Judged anew: a committed chapter has the default parameters, so the ledger's reference and bar hold."""
    if record["value"] is None:
        return [record["verdict"]]
    reference = record["reference"] if entry["reference"] is None else entry["reference"]
    if record["reference"] != reference:
        return [f"measured against {record['reference']}, the ledger says {reference}"]
    verdict = judge(record["value"], record["error"], reference, entry["tolerance"])
    bar = bar_text(entry["tolerance"], reference)
    if verdict is False or record["passed"] is not verdict or record["bar"] != bar:
        return [f"{record['value']} (stored: {record['verdict']}) is not {bar}"]
    return []


def unchecked_parameters(made, name: str) -> list[str]:
    """The cell after the parameters calls `parameters.check("NAME", globals())`."""
    cells = notebooks.code_cells(made)
    after = next((i + 1 for i, cell in enumerate(cells) if "parameters" in tags(cell)), len(cells))
    call = f"parameters.check({name!r}, globals())"
    for node in ast.walk(ast.parse(cells[after].source)) if after < len(cells) else ():
        if isinstance(node, ast.Call) and ast.unparse(node) == call:
            return []
    return [f"the cell after the parameters must call {call}"]


def untidy(made) -> list[str]:
    """Committed as `python -m lib execute --write` writes it: nothing that changes from run to run."""
    tidied = notebooks.tidy(copy.deepcopy(made))
    return [] if tidied == made else ["not tidy; write it with: make refresh"]


# The committed chapters ------------------------------------------------------------------------------------

PAGES = in_toc()
CHAPTERS = [page for page in PAGES if (ROOT / f"{page}.ipynb").exists()]


@pytest.fixture(params=CHAPTERS)
def path(request):
    path = ROOT / f"{request.param}.ipynb"
    assert path.is_file(), f"{request.param}.ipynb is in _toc.yml, but there is no such file"
    return path


def test_there_are_chapters():
    assert len(CHAPTERS) >= 2
    assert [chapter.path for chapter in chapters()] == [ROOT / f"{page}.ipynb" for page in CHAPTERS]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_contents_exists(page):
    assert [p for p in (ROOT / f"{page}.ipynb", ROOT / f"{page}.md") if p.is_file()], f"no {page}.md or {page}.ipynb"


def test_every_page_is_in_the_contents():
    pages = {str(p.relative_to(ROOT).with_suffix("")) for p in BOOK.rglob("*") if p.suffix in (".ipynb", ".md")}
    assert {page for page in pages if ".ipynb_checkpoints" not in page} - set(PAGES) == set()


def test_chapter_in_order_without_errors(path):
    made = notebooks.read(path)
    assert not_in_order(made) + errors(made) + on_stderr(made) == []


def test_chapter_has_compared_cells(path):
    assert not_compared(notebooks.read(path)) == []


def test_chapter_is_small_and_tidy(path):
    assert too_large(path) + untidy(notebooks.read(path)) == []


def test_chapter_pictures_have_alt_text(path):
    assert without_alt_text(notebooks.read(path)) == []


def test_chapter_reports_its_claims(path):
    assert claims_wrong(notebooks.read(path), path.stem, claims.ledger()) == []


def test_chapter_checks_its_parameters(path):
    assert unchecked_parameters(notebooks.read(path), path.stem) == []


def test_chapter_is_fresh(path):
    changed = freshness.stale(Chapter(path))
    assert not changed, f"{path.stem} is stale ({', '.join(changed)}); run: make refresh CHAPTERS={path.stem}"


# Notebooks that must fail ----------------------------------------------------------------------------------

SHOWN = {"mystnb": {"image": {"alt": "Energy per site against temperature"}}}
LEDGER = {
    "tiny.one": {"chapter": "tiny", "reference": 1.0, "tolerance": {"kind": "absolute", "value": 0.5}},
    "other.two": {"chapter": "other", "reference": 2.0, "tolerance": {"kind": "equal"}},
}
CHECK = 'from lib.page import parameters\n\nparameters.check("tiny", globals())'


def good():
    """A chapter that keeps every rule: cell 1 parameters, 2 check, 4 picture, 5 claim."""
    return notebooks.tidy(
        notebook(
            markdown("# A chapter"),
            code("L: int = 4\nseed: int = 1", "parameters", count=1),
            code(CHECK, count=2),
            markdown("![Two lines that cross](lines.png)"),
            code("plt.show()", count=3, outputs=[display({"image/png": PICTURE})], metadata=SHOWN),
            code("report()", CHECKED, count=4, outputs=[stream("caught\n"), claim("tiny.one", 1.25)]),
            code("", count=None),
        )
    )


def all_problems(made, path) -> list[str]:
    return [
        *not_in_order(made),
        *errors(made),
        *on_stderr(made),
        *not_compared(made),
        *without_alt_text(made),
        *claims_wrong(made, "tiny", LEDGER),
        *unchecked_parameters(made, "tiny"),
        *untidy(made),
        *too_large(write(made, path)),
    ]


def test_a_good_chapter_has_no_problems(tmp_path):
    assert all_problems(good(), tmp_path / "tiny.ipynb") == []


def change(number: int, **fields):
    """function (notebook) that sets fields of its cell `number`."""
    return lambda made: made.cells[number].update(fields)


def record(**fields):
    """function (notebook) that sets fields of the stored claim."""
    return lambda made: made.cells[5].outputs[1].data[claims.MIME].update(fields)


BAD = {
    "not executed": (lambda made: [cell.update(execution_count=None) for cell in made.cells], "counts"),
    "out of order": (change(4, execution_count=7), "counts"),
    "a cell without number": (change(5, execution_count=None), "counts"),
    "error output": (change(2, outputs=[error("ValueError", "no")]), "ValueError"),
    "an evading tag": (change(2, metadata={"tags": ["raises-exception"]}), "raises-exception"),
    "injected": (change(2, metadata={"tags": ["injected-parameters"]}), "injected"),
    "stderr": (change(2, outputs=[stream("12%|##", "stderr")]), "12%|##"),
    "no compared cell": (change(5, metadata={}), CHECKED),
    "a compared cell without text": (change(5, outputs=[]), "nothing to compare"),
    "no alt text": (change(4, metadata={}), "without alt text"),
    "empty alt text": (change(4, metadata={"mystnb": {"image": {"alt": " "}}}), "without alt text"),
    "a file name": (change(4, metadata={"mystnb": {"image": {"alt": "see ising_4_0.png here"}}}), "does not say"),
    "a hash": (change(4, metadata={"mystnb": {"image": {"alt": "the picture 0ebf3a5512cdd901ab"}}}), "does not say"),
    "svg": (change(2, outputs=[display({"image/svg+xml": "<svg/>"})]), "without alt text"),
    "two pictures": (lambda made: made.cells[4].outputs.append(display({"image/png": PICTURE})), "2 pictures"),
    "a table beside a named figure": (
        lambda made: (
            made.cells[4].metadata.update({"mystnb": {**SHOWN["mystnb"], "figure": {"name": "fig-x"}}}),
            made.cells[4].outputs.append(display({"text/html": "<table></table>"})),
        ),
        "only thing",
    ),
    "markdown picture": (change(3, source="![](lines.png)"), "without alt text"),
    "markdown figure": (change(3, source="```{figure} lines.png\n:name: x\n```"), "without :alt:"),
    "claim missing": (lambda made: made.cells[5].outputs.pop(), "tiny.one: not reported"),
    "claim twice": (lambda made: made.cells[5].outputs.append(made.cells[5].outputs[1]), "reported 2 times"),
    "claim of another": (lambda made: made.cells[5].outputs.append(claim("other.two", 2)), "not a claim of tiny"),
    "claim out of bar": (record(value=1.6, passed=False), "is not within 0.5 of 1"),
    "claim that lies": (record(value=1.6), "is not within 0.5 of 1"),
    "claim at another bar": (record(bar="within 2 of 1"), "is not within 0.5 of 1"),
    "another reference": (record(reference=1.5), "the ledger says 1.0"),
    "claim not applicable": (record(value=None, passed=None, verdict="not applicable (L)"), "not applicable"),
    "claim not a number": (record(value=None, passed=False, verdict="FAILED (L)"), "FAILED"),
    "parameters not checked": (change(2, source="1"), "parameters.check"),
    "parameters of another": (change(2, source=CHECK.replace("tiny", "other")), "parameters.check"),
    "other parameters": (
        change(2, source=CHECK.replace("globals()", '{"L": 4}')),
        "parameters.check",
    ),
    "code that an editor does not fold": (lambda made: made.cells[4].metadata.update(tags=["hide-input"]), "not tidy"),
    "times of a run": (lambda made: made.metadata.update(papermill={"duration": 1.0}), "not tidy"),
    "large": (change(3, source="x" * 1_600_000), "1.6 MB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_chapter_has_this_problem(name, tmp_path):
    spoil, named = BAD[name]
    made = good()
    spoil(made)
    problems = all_problems(made, tmp_path / "tiny.ipynb")
    assert any(named in problem for problem in problems), problems


def test_a_stale_chapter_is_noticed(tmp_path, monkeypatch):
    path = write(good(), tmp_path / "tiny.ipynb")
    assert freshness.stale(Chapter(path)) == ["never stamped"]
    made = notebooks.read(path)
    freshness.stamp(made, freshness.inputs(Chapter(path)), {"seconds": 1})
    write(made, path)
    assert freshness.stale(Chapter(path)) == []
    declare(monkeypatch, tiny={"rules": {"L": {"type": "int"}}})
    assert freshness.stale(Chapter(path)) == ["parameter rules"]


# Reading and finding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "# Title", "[]", '{"a": 1}', '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}'])
def test_what_is_no_notebook_is_refused_with_one_line(text, tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with refused("x.ipynb"):
        notebooks.read(path)
    with pytest.raises(BookError, match="no notebook"):
        notebooks.read(tmp_path / "y.ipynb")


def test_find(tmp_path, monkeypatch):
    monkeypatch.setattr("lib.book.chapter.BOOK", tmp_path)
    one, two = (write(good(), tmp_path / name) for name in ("one.ipynb", "two.ipynb"))
    assert find("one").path == find(str(one)).path == one
    assert find("two").path == two
    for name in ("three", "02", "", "1", "tw"):
        with pytest.raises(BookError, match="there are: one, two"):
            find(name)
    with pytest.raises(BookError, match="no notebook nowhere.ipynb"):
        find("nowhere.ipynb")


def test_writing_replaces_the_whole_file_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "n.ipynb"
    notebooks.write(good(), path)
    text = path.read_text()
    with pytest.raises(Exception):  # noqa: B017 - whatever nbformat says
        notebooks.write("no notebook", path)
    assert path.read_text() == text and text.endswith("}\n") and not text.endswith("\n\n")
    assert [cell.source for cell in notebooks.read(path).cells] == [cell.source for cell in good().cells]

    def full(part, data):
        part.open("wb").write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError):
        notebooks.write(good(), path)
    assert path.read_text() == text and list(tmp_path.iterdir()) == [path]


def test_tidy_twice_is_tidy_once():
    raw = notebook(
        code("1", count=1, metadata={"papermill": {"duration": 1}}), papermill={"x": 1}, dan_book={"seconds": 3}
    )
    raw.cells[0].metadata["tags"] = []
    raw.nbformat_minor = 4
    once = notebooks.tidy(copy.deepcopy(raw))
    assert once == notebooks.tidy(copy.deepcopy(once))
    assert once.metadata.dan_book == {"seconds": 3} and "papermill" not in once.metadata
    assert once.cells[0].metadata == {} and once.nbformat_minor == 5


def test_cells_keep_their_ids_when_others_come_and_go():
    """Student versions know the cells of solutions by them."""
    made = notebooks.tidy(notebook(code("1"), code("2"), code("3")))
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:03d}"  # as they were once counted
    ids = [cell.id for cell in made.cells]
    made.cells.insert(1, copy.deepcopy(made.cells[0]))  # as an editor does: a copy, with the id of the first
    made.cells.insert(0, nbformat.from_dict({"cell_type": "markdown", "metadata": {}, "source": "new"}))  # without one
    del made.cells[3]
    after = [cell.id for cell in notebooks.tidy(made).cells]
    assert [after[1], after[3]] == [ids[0], ids[2]]
    assert len({*ids, after[0], after[2]}) == 5  # new ones, not that of the deleted cell either
    nbformat.validate(made)


# What nbval compares (tests/verdicts.py) -------------------------------------------------------------------

SHOW = "from IPython.display import display\n\ndisplay({%s}, raw=True)"
ENVIRONMENT = """import os
from pathlib import Path

import lib
import torch

print([os.environ[name] for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")], torch.get_num_threads())
print(Path(lib.__file__).parents[1] == Path(os.environ["ROOT_OF_THE_BOOK"]), Path.cwd() == Path("CWD"))"""
LINE = "ising.t_c: passed (within 0.5 % of 2.26919)\n"


def compared(source: str, *outputs, checked: bool = True):
    return code(source, *([CHECKED] if checked else []), count=1, outputs=outputs)


def passed(key: str) -> dict:
    """The record of a claim that a cell reports."""
    return claim(key, 1.0)["data"][claims.MIME]


GROWING = f"""from IPython.display import display

display({{{claims.MIME!r}: {passed("a")}}}, raw=True)
table = display({{"text/html": "one row"}}, raw=True, display_id=True)
table.update({{"text/html": "two rows"}}, raw=True)"""

CASES = [  # name, passes?, cell with its committed outputs
    ("same line", True, compared(f"print({LINE[:-1]!r})", stream(LINE))),
    ("changed line", False, compared("print('ising.t_c: FAILED (within 0.5 % of 2.26919)')", stream(LINE))),
    ("changed digit", False, compared("print('ising.t_c: passed (within 0.6 % of 2.26919)')", stream(LINE))),
    ("one line more", False, compared(f"print({LINE[:-1]!r})\nprint('b: passed')", stream(LINE))),
    ("one line less", False, compared("pass", stream(LINE))),
    ("changed line, not tagged", True, compared("print(1)", stream("2\n"), checked=False)),
    ("changed picture", True, compared(SHOW % f"'image/png': {PICTURE[::-1]!r}", display({"image/png": PICTURE}))),
    ("changed SVG", True, compared(SHOW % "'image/svg+xml': '<svg/>'", display({"image/svg+xml": "<svg></svg>"}))),
    ("changed HTML", True, compared(SHOW % "'text/html': '<p>1</p>'", display({"text/html": "<p>2</p>"}))),
    ("changed claim", True, compared(SHOW % f"{claims.MIME!r}: {passed('a')}", claim("a", 2.0))),
    ("changed verdict", False, compared(SHOW % f"{claims.MIME!r}: {passed('a')}", claim("a", 2.0, passed=False))),
    ("another claim", False, compared(SHOW % f"{claims.MIME!r}: {passed('a')}", claim("b", 1.0))),
    ("one claim less", False, compared("pass", claim("a", 1.0))),
    ("table that grows", True, compared(GROWING, claim("a", 2.0))),
    ("changed glue", True, compared(SHOW % "'application/papermill.record/text/plain': '1'", display({}))),
    ("changed result", True, compared("1", display({"text/plain": "2"}))),
    (
        "changed line beside a claim",
        False,
        compared(f"print('x')\n{SHOW}" % f"{claims.MIME!r}: {passed('a')}", stream(LINE), claim("a", 2)),
    ),
    (
        "unexpected stderr",
        False,
        compared(f"import sys\nprint({LINE[:-1]!r})\nprint('w', file=sys.stderr)", stream(LINE)),
    ),
    ("a warning", False, compared("import warnings\nwarnings.warn('overflow')")),
    ("failing cell", False, compared("raise ValueError('no')")),
    ("failing cell, not tagged", False, compared("1 / 0", checked=False)),
    ("environment", True, compared(ENVIRONMENT, stream("['1', '1'] 1\nTrue True\n"))),
]


def test_nbval_compares_lines_and_no_data(tmp_path):
    """One nbval run over one notebook with all the cases, started as the Makefile does."""
    for _, _, cell in CASES:
        cell.source = cell.source.replace("CWD", str(tmp_path))
    write(notebook(*[cell for _, _, cell in CASES]), tmp_path / "cases.ipynb")
    report = tmp_path / "report.xml"
    command = [sys.executable, "-m", "pytest", "-p", "tests.verdicts", "--nbval-lax", "-n", "1", "--dist", "loadfile"]
    result = subprocess.run(
        [*command, "-p", "no:cacheprovider", f"--junitxml={report}", str(tmp_path / "cases.ipynb")],
        cwd=ROOT,
        env=environment() | {"ROOT_OF_THE_BOOK": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 1, result.stdout + result.stderr
    found = {case.get("name"): not list(case) for case in ElementTree.parse(report).iter("testcase")}
    outcomes = {name: found[f"Cell {number}"] for number, (name, *_) in enumerate(CASES)}
    assert outcomes == {name: passes for name, passes, _ in CASES}
