"""Commands as a chapter shows them."""

import pytest

from lib.book import terminal
from lib.errors import BookError
from lib.paths import ROOT
from tests.conftest import code, notebook, write


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cells = [code(f"print({k})") for k in range(5)]
    write(notebook(code("n: int = 1  # how many", "parameters"), *cells), tmp_path / "short.ipynb")
    write(notebook(code("n: int = 1", "parameters"), code("import time; time.sleep(60)")), tmp_path / "slow.ipynb")
    return tmp_path


def test_what_a_command_prints_without_its_times(here, capsys):
    terminal.show("python -m lib run short.ipynb --out one", here)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "$ python -m lib run short.ipynb --out one"
    assert lines[1:3] == ["short: cell 1/6, ... s", "short: cell 2/6, ... s"]
    assert lines[3:] == ["[...]", "short: cell 6/6, ... s", "one: short.ipynb, results.json, params.json; ... s"]
    terminal.show("python -m lib run short.ipynb --out one", here, exit_code=2)
    assert "one exists already" in (out := capsys.readouterr().out) and out.endswith("[exit code 2]\n")
    terminal.show("python -m lib parameters short.ipynb", here, only="many")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_an_unexpected_end_is_an_error(here, capsys):
    with pytest.raises(BookError, match="ended with exit code 2, not 0: lib run: unknown parameter 'm'"):
        terminal.show("python -m lib run short.ipynb -p m=2", here)
    for command in ("ls", "python other.py"):
        with pytest.raises(ValueError, match="starts with `python -m lib`"):
            terminal.show(command, here)


def test_an_interrupt(here, capsys):
    terminal.interrupt("python -m lib run slow.ipynb --out slow", here, after="cell 1/")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "slow: cell 1/2, ... s",
        "^C",
        "lib run: slow: interrupted; slow is marked INCOMPLETE",
        "[exit code 130]",
    ]
