"""Grading, exercises and student versions: solutions out, solutions back in, a wrong solution called wrong."""

import copy
import re

import nbformat
import numpy as np
import pytest

from lib import checks
from lib.book import execute, notebooks, student
from lib.book.chapter import declared, in_toc
from lib.book.notebooks import tags
from lib.errors import BookError
from lib.models.heads.discrete import Bernoulli
from lib.models.made import MADE
from lib.page import grading, parameters
from lib.paths import BOOK, ROOT
from lib.systems import ising
from tests.conftest import code, markdown, notebook, one_line, run_lib, stream, write

CHAPTERS = [ROOT / f"{page}.ipynb" for page in in_toc() if (ROOT / f"{page}.ipynb").exists()]


# Grading ---------------------------------------------------------------------------------------------------


def undefined_inside():
    return not_defined_anywhere  # noqa: F821


def stub(*_):
    raise NotImplementedError


@pytest.mark.parametrize(
    "test, expected",
    [
        (lambda: None, "right"),
        (lambda: grading.close([1, 2], [1, 2.001], 0.01), "right"),
        (lambda: stub(1), "not solved yet"),
        (lambda: no_such_function(1), "not solved yet"),  # noqa: F821
        (undefined_inside, "not solved yet"),  # the test itself
        (lambda: undefined_inside(), "wrong: NameError: name 'not_defined_anywhere' is not defined"),
        (lambda: 1 / 0, "wrong: ZeroDivisionError: division by zero"),
        (lambda: grading.close([1, 2], [1, 3], 0.1, "x"), "wrong: x is off by up to 1, allowed 0.1"),
        (lambda: grading.close([1], [1, 3], 0.1, "x"), "wrong: x has the shape (1,), expected (2,)"),
        (lambda: grading.close(None, 1, 0.1), "wrong: the answer is off by up to nan, allowed 0.1"),
        (lambda: grading.close("a", 1, 0.1), "wrong: the answer is str, not numbers"),
        (lambda: grading.close([np.nan], [1], 0.1), "wrong: the answer is off by up to nan, allowed 0.1"),
        (lambda: grading.holds(False, "smaller"), "wrong: smaller: this does not hold"),
        (lambda: grading.holds(np.bool_(True), "smaller"), "right"),
    ],
)
def test_a_grade_is_one_line_and_never_an_error(test, expected, capsys):
    grading.grade("ex-a", test)
    assert capsys.readouterr().out == f"ex-a: {expected}\n"


def test_caught_says_what_the_check_said_and_objects_if_it_said_nothing(capsys):
    leaking = MADE(site_shape=(4,), head=Bernoulli(), hidden=(8,))
    grading.caught(checks.check_normalised, copy.deepcopy(leaking), tolerance=-1.0)
    assert re.match("caught: not normalised: .*\n$", capsys.readouterr().out)
    with pytest.raises(grading.NotCaught, match="check_normalised passed"):
        grading.caught(checks.check_normalised, leaking)
    with pytest.raises(ZeroDivisionError):  # a check that breaks has not caught anything
        grading.caught(lambda: 1 / 0)


def square_root(x):
    if x < 0:
        raise ValueError(f"x = {x}: it has no real root")
    return x**0.5


def test_refused_says_why_and_objects_to_an_answer(capsys):
    grading.refused(square_root, x=-4)
    assert capsys.readouterr().out == "refused: x = -4: it has no real root\n"
    with pytest.raises(grading.NotCaught, match="square_root passed"):
        grading.refused(square_root, 4)
    with pytest.raises(TypeError):  # a call that breaks was not refused
        grading.refused(square_root, "4")


# The laws that the chapters' own mistakes break ------------------------------------------------------------


def test_single_flips_are_a_transition_matrix_that_knows_right_from_wrong():
    T, states = 2.0, ising.enumerate_states(3)
    energies = ising.energy(states)
    log_weights = -energies / T

    def metropolis(change):
        return np.minimum(1, np.exp(-change / T))

    P = checks.single_flips(metropolis, energies)
    assert P.shape == (512, 512) and np.allclose(P.sum(1), 1) and ((P > 0).sum(1) <= 10).all()
    checks.check_detailed_balance(P, log_weights)
    checks.check_detailed_balance(checks.single_flips(lambda d: 1 / (1 + np.exp(d / T)), energies), log_weights)
    field = checks.single_flips(metropolis, energies - 0.3 * ising.magnetization(states))
    checks.check_detailed_balance(field, log_weights + 0.3 * ising.magnetization(states) / T)
    timid = checks.single_flips(lambda d: np.where(d > 0, 0.5, 1) * metropolis(d), energies)
    for matrix, weights in ((timid, log_weights), (P, 1.1 * log_weights), (field, log_weights)):
        with pytest.raises(checks.CheckFailed, match="no detailed balance"):
            checks.check_detailed_balance(matrix, weights)
    for bad in (lambda d: d, lambda d: 0.5, lambda d: np.full(len(d), np.nan)):
        with pytest.raises(ValueError, match="probability"):
            checks.single_flips(bad, energies)
    with pytest.raises(ValueError, match="500 energies"):
        checks.single_flips(metropolis, energies[:500])


def test_check_commutes():
    s = ising.enumerate_states(2)
    checks.check_commutes(lambda s: s[:, :1], s, np.negative)
    checks.check_commutes(lambda s: s.sum(2), s, lambda s: s[:, ::-1])
    checks.check_commutes(lambda s: s.sum((1, 2)), s, lambda s: s[:, ::-1], lambda total: total)
    with pytest.raises(checks.CheckFailed, match="100 % of the entries of configuration 3 differ, in 6 of 16"):
        checks.check_commutes(lambda s: np.where(s.sum((1, 2)) >= 0, 1, -1)[:, None], s, np.negative)
    with pytest.raises(checks.CheckFailed, match="shape"):
        checks.check_commutes(lambda s: s, s, lambda s: s[:, :1], lambda s: s)
    x = np.linspace(0, 1, 11)[None]
    checks.check_commutes(lambda x: np.where(x > 0.41, 1, -1), x, lambda x: 1 - x, np.negative, tolerance=0.2)
    with pytest.raises(checks.CheckFailed):
        checks.check_commutes(lambda x: np.where(x > 0.41, 1, -1), x, lambda x: 1 - x, np.negative, tolerance=0.05)


# The exercises of the chapters -----------------------------------------------------------------------------


def wrong_exercises(made) -> list[str]:
    """What is not as CONTRIBUTING.md says in the exercises of a chapter."""
    text = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    problems = []
    if not re.search(r"^## Exercises$.*^## Summary", text, re.MULTILINE | re.DOTALL):
        problems.append("no section Exercises before the summary")
    found = student.exercises(made)
    solved = re.findall(r"^(?:`{3,}|:{3,})\{solution(?:-start)?\}\s*(\S+)", text, re.MULTILINE)
    for exercise in found:
        if not exercise.label.startswith("ex-"):
            problems.append(f"{exercise.title!r}: label {exercise.label!r}, not ex-...")
        if not exercise.title or exercise.level not in (1, 2, 3):
            problems.append(f"{exercise.label}: needs a title that ends with its level, like (level 2)")
        if solved.count(exercise.label) != 1:
            problems.append(f"{exercise.label}: {solved.count(exercise.label)} solutions")
    if missing := {1, 2, 3} - {exercise.level for exercise in found}:
        problems.append(f"no exercise of level {sorted(missing)}")
    inside = False
    for number, cell in enumerate(made.cells):
        if cell.cell_type == "markdown":
            inside = "{solution-start}" in cell.source or (inside and "{solution-end}" not in cell.source)
        elif inside != ("solution" in tags(cell)):
            problems.append(f"cell {number}: {'in' if inside else 'out'}side a solution, tagged {tags(cell)}")
        elif inside and "grade" in tags(cell):
            problems.append(f"cell {number}: a grade within a solution; it has to stay when the solution goes")
    return problems


def with_solutions(made: nbformat.NotebookNode, chapter: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A student version with the chapter's own solutions in the cells that are for them.

    Cells are known by their ids, which they keep when others are inserted or deleted (`notebooks.tidy`). BookError if a
    cell of a solution is no longer in the chapter.
    """
    sources = {cell.id: cell.source for cell in chapter.cells}
    solved = copy.deepcopy(made)
    for cell in solved.cells:
        replaced = cell.metadata.get("dan_book", {}).get("stub_of", [])
        if missing := [name for name in replaced if name not in sources]:
            raise BookError(f"the chapter has no cell {missing[0]} any more: make the student version anew")
        if replaced:
            cell.source = "\n\n".join(sources[name] for name in replaced)
    return solved


@pytest.fixture(params=CHAPTERS, ids=lambda path: path.stem)
def chapter(request):
    return notebooks.read(request.param)


def test_chapter_has_exercises_of_three_levels(chapter):
    assert wrong_exercises(chapter) == []


def test_chapter_solutions_are_right(chapter):
    for cell in chapter.cells:
        if "grade" in tags(cell):
            assert "nbval-check-output" in tags(cell)
            printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
            assert all(line.endswith(": right") for line in printed.splitlines()), printed
            assert printed or cell.execution_count is None


@pytest.mark.parametrize("path", CHAPTERS[:4], ids=lambda path: path.stem)
def test_chapter_breaks_something(path):
    assert any("grading.caught(" in cell.source for cell in notebooks.code_cells(notebooks.read(path)))


EXERCISE = "```{exercise} One (level 1)\n:label: ex-one\n\nWhat is $1 + 1$?\n```"
START = "```{solution-start} ex-one\n:class: dropdown\n```"
END = "```{solution-end}\n```"
GRADE = 'from lib.page import grading\n\ngrading.grade("ex-one", lambda: grading.close(f(1), 2, 0))'


def small(start=START, end=END):
    made = notebook(
        markdown("# A chapter"),
        code("L: int = 4  # side", "parameters", count=1),
        code("print('kept')", count=2, outputs=[stream("kept\n")]),
        markdown("## Exercises\n\n" + EXERCISE),
        markdown(start),
        markdown("Secret: add them."),
        code("secret = 1", "solution", count=3, outputs=[stream("secret\n")]),
        code("secret += 1", "solution", count=4),
        code(
            "def f(x):\n    return x + secret - 1",
            "solution",
            count=5,
            metadata={"dan_book": {"stub": "def f(x):\n    raise NotImplementedError"}},
        ),
        code("print('secret')", "solution", count=6, metadata={"dan_book": {"stub": ""}}),
        markdown(end),
        code(GRADE, "grade", "nbval-check-output", count=7, outputs=[stream("ex-one: right\n")]),
        markdown(
            "```{exercise} Two (level 2)\n:label: ex-two\n\nWhy?\n```\n\n"
            "```{solution} ex-two\n:class: dropdown\n\nSecret.\n```\n\n"
            "````{exercise} Three (level 3)\n:label: ex-three\n```\nprint(1)\n```\n````\n\n"
            ":::{solution} ex-three\nSecret.\n:::\n\n## Summary\n\n```{note}\nIt works.\n```"
        ),
    )
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number:03d}"
    return made


def test_wrong_exercises_are_noticed():
    assert wrong_exercises(small()) == []
    for old, new, problem in (
        ("## Summary", "## Sum", "no section Exercises before the summary"),
        ("(level 3)", "(level 2)", "no exercise of level [3]"),
        ("One (level 1)", "One", "ex-one: needs a title that ends with its level, like (level 2)"),
        (":label: ex-two", ":label: two", "'Two': label 'two', not ex-..."),
        ("{solution} ex-two", "{note} ex-two", "ex-two: 0 solutions"),
    ):
        made = small()
        for cell in made.cells:
            cell.source = cell.source.replace(old, new)
        assert problem in wrong_exercises(made)
    made = small()
    made.cells[6].metadata["tags"], made.cells[2].metadata["tags"] = [], ["solution"]
    assert len(wrong_exercises(made)) == 2


# Student versions ------------------------------------------------------------------------------------------


def test_a_student_version_keeps_everything_but_the_solutions():
    made = student.student(small(), "small")
    nbformat.validate(made)
    assert "ecret" not in str([(cell.source, cell.get("outputs")) for cell in made.cells])
    sources = [cell.source for cell in made.cells]
    assert "Student version" in sources[0] and sources[1] == "# A chapter"
    assert sources[5:8] == ["# your code here", "def f(x):\n    raise NotImplementedError", GRADE]
    assert sources[4] == "## Exercises\n\n**Exercise: One (level 1)** (`ex-one`)\n\nWhat is $1 + 1$?"
    assert "**Exercise: Three (level 3)** (`ex-three`)\n\n```\nprint(1)\n```" in sources[8]
    assert sources[8].endswith("## Summary\n\n```{note}\nIt works.\n```")
    assert made.cells[3].outputs == [stream("kept\n")] and made.cells[7].outputs == []
    assert tags(made.cells[2]) == ["parameters"]


def test_solutions_put_back_are_those_of_the_chapter():
    chapter = small()
    solved = with_solutions(student.student(chapter, "small"), chapter)
    code_of = [[cell.source for cell in notebooks.code_cells(n)] for n in (solved, chapter)]
    assert "\n\n".join(code_of[0]) == "\n\n".join(code_of[1])
    other = small()
    other.cells.insert(1, code("inserted = 1"))  # the chapter goes on; its student version stays
    solved = with_solutions(student.student(chapter, "small"), notebooks.tidy(other))
    assert "\n\n".join(cell.source for cell in notebooks.code_cells(solved)) == "\n\n".join(code_of[0])
    other.cells[7]["id"] = "another"
    with pytest.raises(BookError, match="cell-006"):
        with_solutions(student.student(chapter, "small"), other)


@pytest.mark.parametrize(
    "start, end, problem",
    [
        (START, "no end", "small: the solution of 'ex-one' has no solution-end"),
        ("no start", END, "small: a solution-end without a solution-start"),
        (START + "\n" + START, END, "small: solution 'ex-one' starts within that of 'ex-one'"),
        ("```{solution-start} ex-one", END, "small: '```{solution-start} ex-one' is not closed"),
    ],
)
def test_a_solution_that_is_not_closed_is_refused(start, end, problem):
    with pytest.raises(BookError) as caught:
        student.student(small(start, end), "small")
    assert str(caught.value) == problem


def test_a_page_without_solutions_keeps_exercises_and_shows_only_written_stubs():
    made = small()
    made.metadata["dan_book"] = {"seconds": 9, "cell_seconds": [0.1, 0.2, 3.0, 4.0, 5.0, 6.0, 0.7]}
    page = student.for_a_page(made, "small")
    nbformat.validate(page)
    assert "ecret" not in str(page)
    assert [cell.source for cell in page.cells[:3]] == [cell.source for cell in made.cells[:3]]
    assert [cell.source for cell in page.cells[4:6]] == ["def f(x):\n    raise NotImplementedError", GRADE]
    assert page.cells[3].source == "## Exercises\n\n" + EXERCISE and page.cells[5].outputs == []
    assert student.exercises(page) == student.exercises(made)
    assert page.metadata["dan_book"] == {"seconds": 9, "cell_seconds": [0.1, 0.2, 0.0, 0.7]}


def solution_lines(chapter) -> set[str]:
    """Lines of the solutions of a chapter, text, code and outputs, that stand nowhere else in it."""
    inside, within, outside = False, [], []
    block = re.compile(r"^(`{3,}|:{3,})\{(solution[\w-]*)\}(.*?)^\1$", re.MULTILINE | re.DOTALL)
    for cell in chapter.cells:
        if cell.cell_type == "markdown":
            texts = iter(block.split(cell.source))  # what is between, and of every block its fence, name and body
            (within if inside else outside).append(next(texts))
            for _, name, body, after in zip(texts, texts, texts, texts, strict=True):
                if name == "solution":
                    within.append(body.partition("\n\n")[2])
                else:
                    inside = name == "solution-start"
                (within if inside else outside).append(after)
        else:
            here = within if "solution" in tags(cell) else outside
            here += [cell.source, *(o.text for o in cell.outputs if o.output_type == "stream")]
            outside.append(cell.metadata.get("dan_book", {}).get("stub", ""))
    elsewhere = "\n".join(outside)
    lines = {line.strip() for text in within for line in text.splitlines()}
    return {line for line in lines if len(line) > 12 and line not in elsewhere}


def test_chapter_on_a_page_without_solutions(chapter):
    """Of every chapter: no line of a solution in what Sphinx gets or a reader downloads, exercises and grades there."""
    page = student.for_a_page(chapter, "a_chapter")
    nbformat.validate(page)
    lines, exercises = solution_lines(chapter), student.exercises(chapter)
    assert lines and student.exercises(page) == exercises
    for made in (page, student.student(chapter, "a_chapter", student.NOT_ON_THE_PAGES)):
        printed = [o.text for cell in made.cells for o in cell.get("outputs", []) if o.output_type == "stream"]
        text = "\n".join([cell.source for cell in made.cells] + printed)
        assert [line for line in sorted(lines) if line in text] == [] and "{solution" not in text
        assert all(exercise.label in text for exercise in exercises)
        graded = [cell.source for cell in chapter.cells if "grade" in tags(cell)]
        assert [cell.source for cell in made.cells if "grade" in tags(cell)] == graded
    took = page.metadata.get("dan_book", {}).get("cell_seconds")
    assert took is None or len(took) == len(notebooks.code_cells(page))


def test_chapter_as_a_student_version(chapter):
    """Of every chapter: no solution left, every other cell as it was, and the chapter again with them put back."""
    made = student.student(chapter, "a_chapter")
    nbformat.validate(made)
    text = "\n".join(cell.source for cell in made.cells)
    assert "{solution" not in text and "{exercise" not in text
    solutions = [cell for cell in notebooks.code_cells(chapter) if "solution" in tags(cell)]
    assert not [cell.id for cell in solutions if cell.source in text]
    kept = [cell for cell in notebooks.code_cells(made) if "stub_of" not in cell.metadata.get("dan_book", {})]
    others = [cell for cell in notebooks.code_cells(chapter) if "solution" not in tags(cell)]
    assert [cell.source for cell in kept] == [cell.source for cell in others]
    assert all(a.outputs == b.outputs for a, b in zip(kept, others, strict=True) if "grade" not in tags(a))
    assert not any(cell.outputs for cell in made.cells if cell.cell_type == "code" and "grade" in tags(cell))
    assert declared(made) == declared(chapter)
    solved = with_solutions(made, chapter)
    code_of = ["\n\n".join(cell.source for cell in notebooks.code_cells(n)) for n in (solved, chapter)]
    assert code_of[0] == code_of[1]


def grades(path) -> list[str]:
    """What the grading cells of an executed notebook printed."""
    cells = [cell for cell in notebooks.read(path).cells if "grade" in tags(cell)]
    return [o.text.strip() for cell in cells for o in cell.outputs if o.output_type == "stream"]


def test_chapter_01_runs_with_stubs_then_solutions_then_a_wrong_one(tmp_path):
    """One run: the student version to its end, below it the solutions and the grades again, and a wrong solution."""
    path = BOOK / "autoregressive_networks.ipynb"
    chapter = notebooks.read(path)
    made = student.student(chapter, path.stem)
    solved = with_solutions(made, chapter)
    answers = [cell for cell in solved.cells if "stub_of" in cell.metadata.get("dan_book", {})]
    (grade,) = [cell for cell in solved.cells if "grade" in tags(cell)]
    leak = "def leak(self, values):\n    return (self.weight * values)[..., None]\n\n\nOpenChain.conditionals = leak"
    made.cells += [copy.deepcopy(cell) for cell in (*answers, grade, code(leak), grade)]
    for number, cell in enumerate(made.cells):
        cell["id"] = f"cell-{number}"
    source, output = write(made, tmp_path / path.name), tmp_path / "out.ipynb"
    assert execute.execute(source, output, parameters.declared()[path.stem].smoke, cwd=BOOK).error is None
    stubs, right, wrong = grades(output)
    assert stubs == "ex-own-network: not solved yet"
    assert right == "ex-own-network: right"
    assert wrong.startswith("ex-own-network: wrong: not autoregressive: conditional number 0 moves with site itself")


def test_the_command_writes_once_and_overwrites_nothing(tmp_path):
    folder = tmp_path / "class"
    result = run_lib(ROOT, "student", "autoregressive_networks", "ising", "--out", folder)
    assert result.returncode == 0 and result.stderr == ""
    assert sorted(p.name for p in folder.iterdir()) == ["autoregressive_networks.ipynb", "ising.ipynb"]
    result = run_lib(ROOT, "student", "ising", "--solutions", "--out", tmp_path / "mine")
    kept, left_out = (notebooks.read(each / "ising.ipynb") for each in (tmp_path / "mine", folder))
    assert result.returncode == 0 and len(notebooks.code_cells(kept)) >= len(notebooks.code_cells(left_out))
    folded = [cell for cell in kept.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert len(folded) == len(student.exercises(notebooks.read(BOOK / "ising.ipynb")))
    (folder / "ising.ipynb").write_text("work of a student")
    result = run_lib(ROOT, "student", "ising", "ising_blocks", "--out", folder)
    assert result.returncode == 2 and "ising.ipynb exists already" in one_line(result.stderr)
    assert (folder / "ising.ipynb").read_text() == "work of a student"
    assert not (folder / "ising_blocks.ipynb").exists()
    result = run_lib(ROOT, "student", "77", "--out", folder)
    assert result.returncode == 2 and "no chapter '77'" in one_line(result.stderr)
    (tmp_path / "file").touch()
    result = run_lib(ROOT, "student", "ising", "--out", tmp_path / "file")
    assert result.returncode == 1 and f"File exists: {tmp_path / 'file'}" in one_line(result.stderr)
