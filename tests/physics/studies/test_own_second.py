"""A second file at another temperature: one Hamiltonian behind both is accepted, a wrong temperature is not."""

import json

import numpy as np
import pytest

from lib.__main__ import main
from lib.book import execute, runs
from lib.page import records
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies.own import second_file
from lib.studies.own.second_file import SecondFile
from tests.conftest import refusal, refused

T0, T1 = 2.6, 3.2


def spins(T, seed, n=1500):
    return mcmc.sample(chains.Ising(4, T), n, np.random.default_rng(seed)).configurations


@pytest.fixture(scope="module")
def files():
    return [spins(T0, 1), spins(T1, 2)]


def test_one_hamiltonian_behind_two_files_is_accepted(files):
    found = second_file.second_file(files, "ising", T0, T1, 2, 150, 1)
    assert found.premise.sigmas < second_file.SIGMAS and abs(found.premise.slope.value) < 0.1
    made = {each.key: each for each in second_file.records(found)}
    assert made["learned.second.slope"].value == found.premise.slope.value
    assert "learned.warning.two_temperatures" not in made


def test_a_wrong_temperature_is_noticed(files):
    """4.2 is said for 3.2: H of the second file comes out 1.3 times as large."""
    found = second_file.second_file(files, "ising", T0, 4.2, 2, 150, 1)
    assert found.premise.slope.value == pytest.approx(np.log(4.2 / 3.2), abs=0.08)
    assert found.premise.slope.value > 5 * found.premise.slope.error or found.premise.sigmas > 2


def test_couplings_without_a_network_are_compared():
    files = [mcmc.sample(chains.Ising(6, T), 2000, np.random.default_rng(3)).configurations for T in (T0, T1)]
    known = second_file.BY_NAME["ising"]
    right = SecondFile(T1, None, second_file._changes(known, files, (T0, T1), set()))
    wrong = SecondFile(4.2, None, second_file._changes(known, files, (T0, 4.2), set()))
    assert list(right.changes) == ["nn", "nnn", "third", "plaquette"] and right.worst[1] < 4 < wrong.worst[1]
    assert wrong.worst[0] == "nn" and wrong.changes["nn"].value == pytest.approx(4.2 / 3.2 - 1, abs=0.1)
    assert second_file._changes(second_file.BY_NAME["xy"], files, (T0, T1), set()) == {}


def test_what_is_rejected_is_a_warning():
    premise = second_file.Premise(Estimate(0.3, 0.02), 1e-5, 4.4, 0.1)
    found = SecondFile(3.0, premise, {"nn": Estimate(0.2, 0.01), "nnn": Estimate(0.01, 0.01)})
    (warning,) = [each for each in second_file.records(found) if each.form == "text"]
    line = records.line(warning)
    assert "there changes +30.0% of H (4.4 sigmas), and nn by 0.2 (20.0 errors)" in line and len(line.splitlines()) == 1


def test_a_frozen_file_is_not_applicable(files):
    found = second_file.second_file([files[0], np.ones((300, 4, 4), np.int8)], "ising", T0, 0.5, 2, 10, 1)
    (only,) = second_file.records(found)
    assert only.status == "not applicable" and "does not vary" in only.reason
    assert json.loads(json.dumps(only.to_json()))


def test_files_of_different_systems_are_refused(files, tmp_path):
    np.save(tmp_path / "a.npy", files[0])
    np.save(tmp_path / "b.npy", mcmc.sample(chains.Ising(6, T1), 300, np.random.default_rng(3)).configurations)
    with refused("configurations of shape (6, 6), those of the first are (4, 4)"):
        second_file.load_both(tmp_path / "a.npy", tmp_path / "b.npy", "ising")


def test_the_command_adds_what_a_second_file_says(files, tmp_path, capsys, monkeypatch):
    """The same flags hold for the second file, unless it comes with its own."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", (files[0] + 1) // 2)
    np.savez("b.npz", s=np.concatenate(files), T=np.repeat([T0, T1], len(files[0])))
    np.save("c.npy", (files[1] + 1) // 2)
    told = []

    def carry_out(chapter, given, out, keep_numbers, **more):
        told.append(more)
        out.mkdir()
        outcome = execute.Outcome(out / "your_configurations.ipynb", 1.0)
        return runs.Run(str(out), chapter.name, chapter.defaults | given, {}, outcome)

    monkeypatch.setattr(runs, "carry_out", carry_out)
    monkeypatch.setattr(second_file, "second_file", lambda both, *_, **__: SecondFile(T1, None, {}))
    given = ["learn", "a.npy", "--zero-one", "--kind", "ising", "--T0", str(T0), "--T1", str(T1)]
    for k, second in enumerate(("c.npy", f"b.npz --array s --select T={T1}")):
        assert main([*given, "--second", second, "--out", str(tmp_path / f"out{k}")]) == 0
        (result,) = json.loads((tmp_path / f"out{k}" / "results.json").read_text())
        assert result["key"] == "learned.second.slope" and result["status"] == "not applicable"
    assert [each["second"] for each in told] == [
        f"{tmp_path}/c.npy --zero-one",
        f"{tmp_path}/b.npz --array s --select T={T1}",
    ]
    capsys.readouterr()
    for arguments, text in (
        (given, "--second FILE and --T1 T belong together"),
        ([*given[:-2], "--second", "c.npy"], "--second FILE and --T1 T belong together"),
        ([*given[:-1], str(T0), "--second", "c.npy"], "give a positive temperature other than T0=2.6"),
        ([*given, "--second", "nowhere.npy"], "no file"),
        ([*given, "--second", "b.npz --array s"], "T has 2 values"),
    ):
        assert text in refusal(arguments, capsys)
