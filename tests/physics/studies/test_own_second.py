"""A second file at another temperature: one Hamiltonian behind both is accepted, a wrong temperature is not."""

import json

import numpy as np
import pytest

from lib.__main__ import main
from lib.book import execute, runs
from lib.samplers import chains, mcmc
from lib.statistics import Estimate
from lib.studies.own import second_file, user_file
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
    assert not second_file.warned(found) and len(second_file.rows(found)) == 2


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
    (warning,) = second_file.warned(found)
    assert "changes +30.0% of H (4.4 sigmas), and nn by 0.2 (20.0 errors)" in warning.text
    assert warning.name == "two_temperatures" and warning.value == 20


def test_a_frozen_file_is_not_applicable(files):
    found = second_file.second_file([files[0], np.ones((300, 4, 4), np.int8)], "ising", T0, 0.5, 2, 10, 1)
    (only,) = second_file.records(found)
    assert not second_file.warned(found) and "not applicable" in second_file.rows(found)[0][1]
    assert only.status == "not applicable" and "does not vary" in only.reason
    assert json.loads(json.dumps(only.to_json()))


def test_files_of_different_systems_are_refused(files, tmp_path):
    np.save(tmp_path / "a.npy", files[0])
    np.save(tmp_path / "b.npy", mcmc.sample(chains.Ising(6, T1), 300, np.random.default_rng(3)).configurations)
    with refused("configurations of shape (6, 6), those of the first are (4, 4)"):
        user_file.load_both(tmp_path / "a.npy", tmp_path / "b.npy", "ising")


def test_the_command_hands_the_second_file_to_the_chapter(files, tmp_path, capsys, monkeypatch):
    """The same flags hold for the second file, unless it comes with its own."""
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", (files[0] + 1) // 2)
    np.savez("b.npz", s=np.concatenate(files), T=np.repeat([T0, T1], len(files[0])))
    np.save("c.npy", (files[1] + 1) // 2)
    told = []

    def carry_out(chapter, given, out, keep_numbers):
        told.append(given)
        return runs.Run(str(out), chapter.name, chapter.defaults | given, {}, execute.Outcome(out, 1.0))

    monkeypatch.setattr(runs, "carry_out", carry_out)
    given = ["learn", "a.npy", "--zero-one", "--kind", "ising", "--T0", str(T0), "--T1", str(T1)]
    for second in ("c.npy", f"b.npz --array s --select T={T1}"):
        assert main([*given, "--second", second, "--out", str(tmp_path / "out")]) == 0
    assert [(each["second"], each["T1"]) for each in told] == [
        (f"{tmp_path}/c.npy --zero-one", T1),
        (f"{tmp_path}/b.npz --array s --select T={T1}", T1),
    ]
    capsys.readouterr()
    for arguments, text in (
        (given, "--second FILE and --T1 T belong together"),
        ([*given[:-2], "--second", "c.npy"], "--second FILE and --T1 T belong together"),
        ([*given[:-1], str(T0), "--second", "c.npy"], "T1=2.6 is that of the first file; the second needs another"),
        ([*given, "--second", "nowhere.npy"], "no file"),
        ([*given, "--second", "b.npz --array s"], "T has 2 values"),
    ):
        assert text in refusal(arguments, capsys)
