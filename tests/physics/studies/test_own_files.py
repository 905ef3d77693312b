"""Files of other people's programs: twelve kinds of them, made here, each with the array that it must give; what is
refused, with the flag or the library that it needs; and nothing else is taken for granted."""

import pickle
import sys
import tomllib

import numpy as np
import pytest
import torch
from scipy import io

from lib.__main__ import main
from lib.book import execute, runs
from lib.errors import BookError
from lib.paths import ROOT
from lib.studies.own import layouts, readers, user_file
from tests.conftest import refusal, refused

RNG = np.random.default_rng(8)
N, L = 240, 6
SPINS = RNG.choice(np.array([-1, 1], np.int8), (N, L, L))
ANGLES = RNG.uniform(0, 2 * np.pi, (N, L, L))
PATHS = RNG.normal(size=(N, 12))
OTHER = RNG.choice(np.array([-1, 1], np.int8), (N, L, L))  # at another temperature
VECTORS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)
SIGNED = np.angle(np.exp(1j * ANGLES))  # in (-pi, pi]
BOTH, LABELS = np.concatenate([OTHER, SPINS]), np.repeat(np.float32([2.0, 2.25]), N)


def text_of(rows, delimiter=" ", form="%d", head=""):
    lines = [delimiter.join(form % value for value in row) for row in rows]
    return head + "\n".join(lines) + "\n"


def csv_with_index(path):
    """As pandas writes a table: a line of names, and a first column without one that counts the rows."""
    head = "," + ",".join(f"s{k}" for k in range(L * L)) + "\n"
    lines = [f"{k}," + ",".join(map(str, row)) for k, row in enumerate(SPINS.reshape(N, -1))]
    path.write_text(head + "\n".join(lines) + "\n")


def csv_with_temperatures(path):
    head = "T;" + ";".join(f"s{k}" for k in range(L * L)) + "\n"
    lines = [f"{T:.2f};" + ";".join(map(str, row)) for T, row in zip(LABELS, BOTH.reshape(2 * N, -1), strict=True)]
    path.write_text(head + "\n".join(lines) + "\n")


def text_of_lattices(path):
    parts = ["# sweep 4\n" + text_of(s) for s in SPINS]
    path.write_text("Ising, L = 6, by a program\nT 2.25\n" + "\n".join(parts))


def folder_of_lattices(path):
    path.mkdir()
    for k, s in enumerate(SPINS):
        np.save(path / f"conf_{k}.npy", s)
    (path / ".DS_Store").write_text("")


def folder_of_paths(path):
    """Two columns, the time and x, in a text file for each path."""
    path.mkdir()
    for k, x in enumerate(PATHS):
        rows = np.column_stack([0.1 * np.arange(12), x])
        (path / f"x{k}.dat").write_text(text_of(rows, "\t", "%.17g", "t\tx\n"))


def temperatures_in_hdf5(path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["run/spins"] = BOTH
        file["run/T"] = LABELS
        file["energy"] = np.zeros(2 * N)


FILES = {  # name -> how it is made, kind, flags (and /path within), what is in it
    "flat.npy": (lambda p: np.save(p, SPINS.reshape(N, -1)), "ising", "--side 6", SPINS),
    "zero_one.npy": (lambda p: np.save(p, SPINS > 0), "ising", "--zero-one", SPINS),
    "many.npz": (
        lambda p: np.savez_compressed(p, spins=BOTH, T=LABELS, energy=np.zeros(2 * N)),
        "ising",
        "--array spins --select T=2.25",
        SPINS,
    ),
    "pandas.csv": (csv_with_index, "ising", "--side 6 --skip-columns 1", SPINS),
    "scan.csv": (csv_with_temperatures, "ising", "--side 6 --select T=2.25", SPINS),
    "lattices.txt": (text_of_lattices, "ising", "--stacked", SPINS),
    "rectangles.npy": (lambda p: np.save(p, SPINS[:, :4].reshape(N, -1)), "ising", "--side 4x6", SPINS[:, :4]),
    "rectangles.txt": (
        lambda p: p.write_text(text_of(SPINS[:, :4].reshape(-1, 6))),
        "ising",
        "--stacked --side 4x6",
        SPINS[:, :4],
    ),
    "confs": (folder_of_lattices, "ising", "", SPINS),
    "paths": (folder_of_paths, "path", "--skip-columns 1", PATHS),
    "signed.mat": (lambda p: io.savemat(p, {"theta": np.moveaxis(SIGNED, 0, 2)}), "xy", "--last --wrap", ANGLES),
    "degrees.txt": (
        lambda p: p.write_text(text_of(np.degrees(SIGNED).reshape(N, -1), form="%.9f")),
        "xy",
        "--side 6 --degrees --wrap",
        ANGLES,
    ),
    "vectors.pt": (
        lambda p: torch.save({"v": torch.tensor(VECTORS), "step": 3}, p),
        "xy",
        "--vectors",
        ANGLES,
    ),
    "complex.npz": (lambda p: np.savez(p, z=np.exp(1j * ANGLES)), "xy", "--complex", ANGLES),
    "scan.h5": (temperatures_in_hdf5, "ising", ":/run/spins --select T=2.25", SPINS),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("own files")  # with a space in its name


def made(folder, name):
    """(text for `load` without flags, kind, flags, right answer) of one of FILES, which is made if it is not there."""
    path = folder / name
    make, kind, flags, answer = FILES[name]
    if not path.exists():
        make(path)
    inner, _, flags = flags.partition(" ") if flags.startswith(":") else ("", "", flags)
    return f"{path}{inner}", kind, flags, answer


def given(file, flags):
    return f"'{file}' {flags}" if flags else file


@pytest.mark.parametrize("name", FILES)
def test_each_file_gives_its_array(name, folder):
    file, kind, flags, answer = made(folder, name)
    found = user_file.load(given(file, flags), kind)
    assert found.shape == answer.shape and found.dtype == answer.dtype and type(found) is np.ndarray
    if kind == "xy":
        assert 0 <= found.min() and found.max() < 2 * np.pi
        np.testing.assert_allclose(np.exp(1j * found), np.exp(1j * answer), atol=1e-9)
    else:
        np.testing.assert_array_equal(found, answer)


NEEDED = {  # name -> what is said without any flag
    "flat.npy": "add --side 6",
    "zero_one.npy": "add --zero-one",
    "many.npz": "add --array NAME with one of spins (480, 6, 6), T (480,), energy (480,)",
    "pandas.csv": "column 1 only counts the rows; add --skip-columns 1",
    "scan.csv": "column T is a temperature, not a site; add --select T=2",
    "lattices.txt": "--stacked if every 6 rows are one",
    "paths": "column 1 only counts the rows; add --skip-columns 1",
    "signed.mat": "add --last",
    "degrees.txt": "add --side 6",
    "vectors.pt": "add --vectors",
    "complex.npz": "--kind xy --complex",
    "scan.h5": "T has 2 values, from 2.0 to 2.25",
}


@pytest.mark.parametrize("name", NEEDED)
def test_without_its_flag_a_file_is_refused_with_the_flag(name, folder):
    file, kind, *_ = made(folder, name)
    with refused(NEEDED[name]):
        user_file.load(file, kind)


STEPS = [  # name, some of its flags, what is said then
    ("many.npz", "--array spins", "T has 2 values, from 2.0 to 2.25; only one temperature"),
    ("many.npz", "--array spins --select T=2.26", "T is nowhere 2.26; --select T=VALUE with one of 2, 2.25"),
    ("many.npz", "--array spins --select beta=1", "no array 'beta' to select by; it has spins"),
    ("many.npz", "--array spins --select 2.25", "give NAME=VALUE, like T=2.25"),
    ("many.npz", "--array s", "no array 's'; add --array NAME with one of spins"),
    ("many.npz", "--array spins --select T=2.25 --zero-one", "there are other values than 0 and 1; leave it out"),
    ("scan.csv", "--side 6 --select beta=1", "no column 'beta' to select by; they are T, s0"),
    ("scan.csv", "--select T=2.25", "add --side 6"),
    ("degrees.txt", "--side 6", "look like degrees; add --degrees"),
    ("degrees.txt", "--side 6 --degrees", "degrees are not in [0, 360); add --wrap"),
    ("degrees.txt", "--side 6 --wrap", "look like degrees; add --degrees"),
    ("degrees.txt", "--side 5 --degrees", "36 numbers a configuration are not 5 x 5; --side 6"),
    ("signed.mat", "--last", "add --wrap"),
    ("signed.mat", "--last --degrees", "look like radians; leave --degrees out"),
    ("signed.mat", "--side 6", "shape (6, 6, 240) has 3 axes, with --side there must be 2"),
    ("complex.npz", "--vectors", "has 3 axes, with --vectors there must be 4"),
    ("vectors.pt", "--complex", "the numbers are float64; leave it out"),
    ("vectors.pt", "--complex --vectors", "--vectors and --complex contradict each other"),
    ("flat.npy", "--side 6 --degrees", "--degrees is for --kind xy, not for ising"),
    ("flat.npy", "--array s", "--array is for files with named arrays; leave it out"),
    ("flat.npy", "--select T=1", "--select is for files with named arrays, and text files whose header names"),
    ("many.npz", "--header 1", "--header is for text files; leave it out"),
    ("rectangles.txt", "", "--stacked --side ROWSx6 if so many rows are one"),
    ("flat.npy", "--side 4x8", "36 numbers a configuration are not 4 x 8; --side 6"),
    ("flat.npy", "--side 4x", "argument --side: '4x' is not possible; give L, or ROWSxCOLUMNS"),
    ("rectangles.txt", "--stacked --side 4x5", "lines of 6 numbers are not rows of 4x5; --side 4x6?"),
    ("rectangles.txt", "--stacked --side 7x6", "960 rows of 6 numbers are not blocks of 7 x 6; leave --stacked out"),
    ("flat.npy", "--side six", "argument --side: 'six' is not possible"),
    ("flat.npy", "--sides 6", "flags of the file"),
    ("confs", "--last", "--last is for one file"),
    ("paths", "", "add --skip-columns 1"),
]


@pytest.mark.parametrize("name, flags, text", STEPS, ids=[f"{name} {flags}" for name, flags, _ in STEPS])
def test_flags_that_do_not_fit_are_refused(name, flags, text, folder):
    file, kind, *_ = made(folder, name)
    with refused(text):
        user_file.load(given(file, flags), kind)


def test_a_flag_for_paths_is_refused(tmp_path):
    np.save(tmp_path / "x.npy", PATHS)
    with refused("--side is for --kind ising or xy or field, not for path"):
        user_file.load(f"{tmp_path}/x.npy --side 3", "path")
    np.save(tmp_path / "y.npy", PATHS.T)
    with refused("12 configurations are too few", "add --last if the last axis counts them"):
        user_file.load(tmp_path / "y.npy", "path")
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/y.npy --last", "path"), PATHS)


# More of the same formats ----------------------------------------------------------------------------------


def test_blocks_of_one_temperature_each(tmp_path):
    np.savez(tmp_path / "a.npz", s=np.stack([OTHER, SPINS]), T=[2.0, 2.25])
    found = user_file.load(f"{tmp_path}/a.npz --array s --select T=2.25", "ising")
    np.testing.assert_array_equal(found, SPINS)
    with refused("T has 2 values"):
        user_file.load(f"{tmp_path}/a.npz --array s", "ising")
    np.save(tmp_path / "a.npy", np.stack([OTHER, SPINS]))
    with refused("shape (2, 240, 6, 6) is not [n, L, L] of +-1; add --select T=VALUE"):
        user_file.load(tmp_path / "a.npy", "ising")


def test_labels_that_are_all_the_same_need_no_selection(tmp_path):
    np.savez(tmp_path / "a.npz", s=SPINS, T=np.full(N, 2.25), t=np.arange(N))
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/a.npz --array s", "ising"), SPINS)
    np.savez(tmp_path / "b.npz", s=SPINS, T=np.full(N - 1, 2.25))
    with refused("T has 239 values for 240 entries on the first axis of s"):
        user_file.load(f"{tmp_path}/b.npz --array s --select T=2.25", "ising")


def test_a_column_of_labels_in_a_mat_file(tmp_path):
    io.savemat(tmp_path / "a.mat", {"s": np.moveaxis(BOTH, 0, 2), "T": LABELS, "note": "by hand"})
    found = user_file.load(f"{tmp_path}/a.mat --array s --last --select T=2.25", "ising")
    np.testing.assert_array_equal(found, SPINS)


def test_a_mat_file_of_newer_versions_has_its_axes_in_order(tmp_path):
    """HDF5 with 512 bytes in front; MATLAB stores [L, L, n] with the last axis first."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["s"] = np.moveaxis(SPINS, 0, 2).T.astype(float)
    with (tmp_path / "a.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/a.mat --last", "ising"), SPINS)


def test_several_files_are_taken_in_the_order_given(tmp_path):
    names = [tmp_path / f"chain {k}.npy" for k in range(3)]
    for k, name in enumerate(names):
        np.save(name, SPINS[80 * k : 80 * (k + 1)])
    text = layouts.written([str(names[k]) for k in (2, 0, 1)], layouts.Flags())
    np.testing.assert_array_equal(user_file.load(text, "ising"), np.roll(SPINS, 80, axis=0))


def test_files_that_do_not_go_together_are_refused(tmp_path):
    for k in range(12):
        np.save(tmp_path / f"c{k}.npy", SPINS[k])
    names = [str(tmp_path / f"c{k}.npy") for k in range(12)]
    plain = layouts.Flags()
    with refused("in the order of letters, not of the numbers in their names; give their folder"):
        user_file.load(layouts.written(sorted(names), plain), "ising")
    with refused("c1.npy is given twice"):
        user_file.load(layouts.written([*names, names[1]], plain), "ising")
    with refused("101 files are too many to name"):
        user_file.load(layouts.written([names[0]] * 101, plain), "ising")
    with refused("shape (12, 6, 6): 12 configurations are too few"):
        user_file.load(tmp_path, "ising")
    np.save(tmp_path / "c12.npy", SPINS[0, :5])
    with refused("c12.npy has shape (5, 6), c0.npy (6, 6); give files alike"):
        user_file.load(tmp_path, "ising")
    np.save(tmp_path / "c12.npy", SPINS[0, 0])
    with refused("c12.npy has shape (6,): neither one configuration nor an array of them"):
        user_file.load(tmp_path, "ising")
    (tmp_path / "README").write_text("mine")
    with refused("several kinds of file (README)"):
        user_file.load(tmp_path, "ising")
    with refused("no file", "nowhere.npy"):
        user_file.load(layouts.written([names[0], str(tmp_path / "nowhere.npy")], plain), "ising")


TEXTS = [  # text, what is said of it
    (text_of([[6, 6, 240], *SPINS.reshape(N, -1)]), "line 1 has 3 numbers, others 36; --header 1 leaves it out"),
    (text_of(SPINS.reshape(N, -1)) + "the end\n", "line 241: 'the end' is no row of numbers; begin it with #"),
    (text_of(SPINS.reshape(N, -1)) + "1 -1\n", "write one configuration a row"),
    ("0,5;1,5\n1,5;2,5\n", "decimal commas; write points"),
    ("no numbers\nhere\n", "no line of numbers"),
    ("", "no line of numbers"),
    ("1 2\0 3", "not text in UTF-8"),
]


@pytest.mark.parametrize("text, said", TEXTS, ids=[said for _, said in TEXTS])
def test_text_that_is_refused(text, said, tmp_path):
    (tmp_path / "a.dat").write_text(text)
    with refused("a.dat", said):
        user_file.load(f"{tmp_path}/a.dat --side 6", "ising")


def test_a_header_of_numbers_is_left_out_when_asked(tmp_path):
    (tmp_path / "a.dat").write_text(text_of([[6, 6, 240], *SPINS.reshape(N, -1)]))
    np.testing.assert_array_equal(user_file.load(f"{tmp_path}/a.dat --side 6 --header 1", "ising"), SPINS)


def test_a_lattice_with_a_row_missing_is_not_joined_to_the_next(tmp_path):
    parts = [text_of(s) for s in SPINS]
    parts[7] = text_of(SPINS[7][:4])
    parts[9] = text_of(SPINS[9][:2])  # the number of rows is right again
    (tmp_path / "a.txt").write_text("\n".join(parts))
    with refused("the block at line 50 is not of 6 x 6 numbers"):
        user_file.load(f"{tmp_path}/a.txt --stacked", "ising")


def test_free_lines_that_contradict_a_square_are_noticed(tmp_path):
    """Lattices of 12 x 6 would be cut into two squares each, those of 4 x 6 be joined."""
    for rows in (12, 4):
        lattices = RNG.choice([-1, 1], (240, rows, 6))
        text = "\n".join(text_of(each) for each in lattices)
        (tmp_path / "a.txt").write_text(text)
        with refused(f"free lines part blocks of {rows} x 6 numbers; add --side {rows}x6 if each is a lattice"):
            user_file.load(f"{tmp_path}/a.txt --stacked", "ising")
        found = user_file.load(f"{tmp_path}/a.txt --stacked --side {rows}x6", "ising")
        np.testing.assert_array_equal(found, lattices)
    (tmp_path / "a.txt").write_text(text.replace("\n\n", "\n", 1))
    user_file.load(f"{tmp_path}/a.txt --stacked --side 4x6", "ising")  # two lattices without a free line between them


def test_vectors_that_are_none_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", 2 * VECTORS)
    with refused("a vector of length 2, not 1"):
        user_file.load(f"{tmp_path}/a.npy --vectors", "xy")
    np.save(tmp_path / "a.npy", np.moveaxis(VECTORS, 3, 1))
    with refused("--vectors, but shape (240, 2, 6, 6)"):
        user_file.load(f"{tmp_path}/a.npy --vectors", "xy")


@pytest.mark.parametrize("flags", ["--wrap", "--degrees", "--complex"])
def test_nan_is_found_behind_every_flag(flags, tmp_path):
    array = {"--wrap": SIGNED, "--degrees": np.degrees(ANGLES), "--complex": np.exp(1j * ANGLES)}[flags].copy()
    array[5, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", array)
    with refused("NaN or infinity in 1 of 240 configurations, the first is number 5"):
        user_file.load(f"{tmp_path}/a.npy {flags}", "xy")


# What runs code is not loaded ------------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("the file was run",)


def pickled_files(folder):
    objects = np.array([Bomb(), 1], dtype=object)
    np.save(folder / "a.npy", objects, allow_pickle=True)
    np.savez(folder / "a.npz", s=objects, allow_pickle=True)
    (folder / "a.pkl").write_bytes(pickle.dumps(Bomb()))
    (folder / "b.npy").write_bytes(pickle.dumps(Bomb()))
    torch.save({"s": Bomb()}, folder / "a.pt")
    return {
        "a.npy": "a = np.load('a.npy', allow_pickle=True) (2) np.save('a_plain.npy'",
        "a.npz": "a = np.load('a.npz', allow_pickle=True)['s'] (2) np.save('a_plain.npy'",
        "a.pkl": "a = pickle.load(open('a.pkl', 'rb')) (2) np.save('a_plain.npy'",
        "b.npy": "a = pickle.load(open('b.npy', 'rb')) (2) np.save('b_plain.npy'",
        "a.pt": "a = torch.load('a.pt', weights_only=False) (2) np.save('a_plain.npy'",
    }


def test_pickled_files_are_refused_and_not_run(tmp_path):
    for name, text in pickled_files(tmp_path).items():
        flags = " --array s" if name == "a.npz" else ""
        with refused(name, "loading them runs whatever code is in them", text):
            user_file.load(f"{tmp_path / name}{flags}", "ising")


def test_the_two_lines_convert_a_pickle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    objects = np.empty(N, dtype=object)
    objects[:] = list(SPINS)
    np.save("a.npy", objects, allow_pickle=True)
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(list(SPINS)))
    for name in ("a.npy", "b.pkl"):
        with pytest.raises(readers.FileRefused) as caught:
            user_file.load(tmp_path / name, "ising")
        first, second = str(caught.value).partition("(1) ")[2].split(" (2) ")
        exec(f"{first}\n{second}", {})
        np.testing.assert_array_equal(user_file.load(tmp_path / f"{name[0]}_plain.npy", "ising"), SPINS)


# What is damaged, unknown, or needs a library --------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["npy", "npz", "mat", "pt", "h5"])
def test_damaged_files_are_refused_with_one_line(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    if suffix == "h5":
        pytest.importorskip("h5py").File(path, "w")["s"] = SPINS
    write = {
        "npy": lambda: np.save(path, SPINS),
        "npz": lambda: np.savez(path, s=SPINS),
        "mat": lambda: io.savemat(path, {"s": SPINS}),
        "pt": lambda: torch.save(torch.tensor(SPINS), path),
    }.get(suffix, lambda: None)
    write()
    whole = path.read_bytes()
    np.testing.assert_array_equal(user_file.load(path, "ising"), SPINS)
    for cut in (whole[: len(whole) // 2], whole[:40], whole[:200] + bytes(100) + whole[300:]):
        path.write_bytes(cut)
        try:
            user_file.load(path, "ising")
        except readers.FileRefused as error:
            assert path.name in str(error) and len(str(error).splitlines()) == 1
        else:
            assert len(cut) == len(whole)  # only data were changed


def test_formats_that_are_not_known_are_refused(tmp_path):
    (tmp_path / "a.xyz").write_text("1 2 3")
    with refused("a.xyz is of no known format; give a .npy, .npz"):
        user_file.load(tmp_path / "a.xyz", "ising")
    (tmp_path / "a.npz").write_text("1 2 3")
    with refused("a.npz is not a .npz file"):
        user_file.load(tmp_path / "a.npz", "ising")


def test_a_missing_library_is_refused_with_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with refused("a.h5: reading HDF5 needs h5py; pip install -c constraints.txt -e '.[files]'"):
        user_file.load(tmp_path / "a.h5", "ising")
    assert "h5py" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["files"]


# One text for files and flags ------------------------------------------------------------------------------


def test_files_and_flags_are_one_text_and_back():
    every = layouts.Flags("s", "T=2", 2, 1, (6, 6), True, True, True, True, True, True, True)
    for files, flags in (
        (["a b.npy"], layouts.Flags(side=(6, 6))),
        (["b.npy"], layouts.Flags(side=(4, 6))),
        (["/x/a'b.npz", "c.npz"], every),
        (["a.h5:/run/spins"], layouts.Flags(zero_one=True)),
    ):
        assert layouts.parse(layouts.written(files, flags)) == (files, flags)
    assert layouts.parse("no such.npy") == (["no such.npy"], layouts.Flags())
    assert layouts.written(["a b.npy"], layouts.Flags()) == "a b.npy"


def test_the_included_file_is_known_without_flags_only():
    assert user_file.true_couplings("data/ising_L8_T2.5.npy", "ising", 2.5)["nn"] == 1
    assert user_file.true_couplings("data/ising_L8_T2.5.npy --header 0 --side 8", "ising", 2.5) is None


def test_the_command_hands_files_and_flags_to_the_chapter(folder, tmp_path, monkeypatch):
    given_to = []

    def carry_out(chapter, values, out, **_):
        given_to.append((chapter.name, values["file"]))
        raise BookError("enough")

    monkeypatch.setattr(runs, "carry_out", carry_out)
    monkeypatch.chdir(folder)
    for name in ("many.npz", "confs", "signed.mat"):
        file, kind, flags, _ = made(folder, name)
        assert main(["learn", name, "--kind", kind, "--T0", "2.25", *flags.split()]) == 2
        assert given_to.pop() == ("your_configurations", given(file, flags))


def test_the_command_refuses_before_anything_runs(folder, capsys, monkeypatch):
    monkeypatch.setattr(execute, "execute", lambda *_, **__: pytest.fail("something ran"))
    monkeypatch.setattr(runs, "RUNS", folder / "runs")
    monkeypatch.chdir(folder)
    made(folder, "flat.npy")
    ising, kerr = ["--kind", "ising", "--T0", 2], ["--kind", "kerr", "--T0", 2, "--pixel-um", 1]
    for arguments, text in (
        (["flat.npy", *ising], "flat.npy: shape (240, 36) is not [n, L, L] of +-1; add --side 6"),
        (["flat.npy", *ising, "--side", "x"], "argument --side: 'x' is not possible; give L, or ROWSxCOLUMNS"),
        (["flat.npy", *ising, "--wrap"], "--wrap is for --kind xy, not for ising"),
        (["flat.npy", "nowhere.npy", *ising, "--side", 6], "nowhere.npy"),
        (
            ["flat.npy", *kerr, "--array", "s"],
            "--array is for --kind ising or xy or path or field or chain, not for kerr",
        ),
        (["flat.npy", "more.npy", *kerr], "--kind kerr takes one folder, not 2 names"),
    ):
        assert text in refusal(["learn", *arguments], capsys)
    assert not (folder / "runs").exists()
