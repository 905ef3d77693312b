"""Files of other people's programs as plain arrays: each format by the library that knows it.

    .npy .npz         numpy
    .txt .csv .dat    numpy, a row of numbers a line; .tsv too
    .mat              scipy, from MATLAB 7.3 on h5py
    .pt .pth          torch, weights only
    .h5 .hdf5         h5py, FILE.h5:/path; an optional library: `pip install '.[files]'`

What a pickle is told to do when it is loaded is anything at all, so nothing pickled is loaded. The numbers come as they
are stored; what they mean is said by flags (`layouts.py`). What is ambiguous is refused with the flag that decides.
"""

import contextlib
import re
import statistics
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.errors import BookError, first_line
from lib.paths import ROOT

LARGEST = 1_000_000_000  # bytes of a file that is read as a whole
MOST_NUMBERS = 200_000_000  # in one array of a file, before one temperature is selected
MOST_NAMED = 100  # files given by name
SUFFIXES = {
    **dict.fromkeys((".txt", ".csv", ".dat", ".tsv"), "text"),
    **dict.fromkeys((".h5", ".hdf5"), "hdf5"),
    **dict.fromkeys((".pt", ".pth"), "torch"),
    **dict.fromkeys((".pkl", ".pickle"), "pickle"),
    ".npy": "npy",
    ".npz": "npz",
    ".mat": "mat",
}
KNOWN = ".npy, .npz, .txt, .csv, .dat, .mat, .pt or .h5"
TEMPERATURES = ("T", "temp", "temps", "temperature", "temperatures", "beta", "betas")  # names of labels; t may be time
COMMENTS = ("#", "%", "!")
INSTALL = "pip install -c constraints.txt -e '.[files]'"


class FileRefused(BookError):
    """A file that cannot be learned from; the message names what is wrong and the remedy."""


class Contents(NamedTuple):
    """A file that holds named arrays: their shapes, and a function of the name that reads one."""

    shapes: dict[str, tuple]
    get: Callable[[str], np.ndarray]


def locate(file: str, base: Path = ROOT) -> Path:
    """The path meant by `file`; a relative one counts from `base`, by default the repository."""
    return base / Path(file).expanduser()


def split_path(file: str) -> tuple[str, str | None]:
    """A file and the data set within it, from FILE.h5:/path; None where no data set is named."""
    found = re.fullmatch(r"(.+\.(?:h5|hdf5)):(/.*)", file)
    return (found[1], found[2]) if found else (file, None)


def read(path: Path, flags, inner: str | None = None) -> np.ndarray:
    """The array of numbers in one file.

    flags: `layouts.Flags`; inner: the data set meant within an HDF5 file. FileRefused for what is not there, damaged,
    pickled, or needs a flag.
    """
    kind = _format(path)
    if kind != "npy" and path.stat().st_size > LARGEST:
        raise FileRefused(f"{path.name} has more than {LARGEST} bytes; save every k-th configuration, as .npy")
    if kind != "text":
        _not_for(path, "text files", {"--header": flags.header, "--skip-columns": flags.skip_columns})
    if kind in ("npy", "text"):
        _not_for(path, "files with named arrays", {"--array": flags.array})
    if kind == "npy":
        _not_for(
            path, "files with named arrays, and text files whose header names the columns", {"--select": flags.select}
        )
        return _npy(path)
    with _readable(path):
        return _text(path, flags) if kind == "text" else _named(path, NAMED[kind](path), flags, inner)


def read_all(files: list[tuple[Path, str | None]], flags, n_axes: int) -> np.ndarray:
    """One array from one file, from several, or from a folder of them, in the order of time.

    files: (path, data set within it). n_axes: of an array of configurations with these flags; a file with one axis less
    holds one configuration. Several files are taken in the order given, those of a folder in that of the numbers in
    their names.
    """
    if len(files) == 1 and not files[0][0].is_dir():
        return read(files[0][0], flags, files[0][1])
    if len(files) == 1:
        files = [(path, None) for path in _in_folder(files[0][0])]
    else:
        _in_time_order([path for path, _ in files])
    if flags.last:
        raise FileRefused(
            "--last is for one file; of several, each holds one configuration or has them on its first axis"
        )
    arrays = [_one_of_many(path, flags, inner, n_axes) for path, inner in files]
    for (path, _), array in zip(files, arrays, strict=True):
        one, other = (each.shape[each.ndim == n_axes :] for each in (arrays[0], array))
        if array.ndim != arrays[0].ndim or one != other:
            raise FileRefused(
                f"{path.name} has shape {array.shape}, {files[0][0].name} {arrays[0].shape}; give files alike"
            )
    return np.stack(arrays) if arrays[0].ndim == n_axes - 1 else np.concatenate(arrays)


# Several files ---------------------------------------------------------------------------------------------


def _one_of_many(path, flags, inner, n_axes):
    if path.is_dir():
        raise FileRefused(f"{path} is a folder among several files; give one folder, or files")
    array = np.asarray(read(path, flags, inner))
    if _format(path) == "text" and n_axes == 2 and 1 in array.shape and not flags.stacked:
        array = array.ravel()  # one row, or one column, of numbers
    if array.ndim not in (n_axes - 1, n_axes):
        raise FileRefused(f"{path.name} has shape {array.shape}: neither one configuration nor an array of them")
    return array


def _in_folder(folder: Path) -> list[Path]:
    paths = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=_natural)
    if not paths:
        raise FileRefused(f"{folder} is a folder without a file; give a file, or a folder of one configuration each")
    kinds = {_kind_of(path) for path in paths}
    if len(kinds) > 1 or None in kinds:
        odd = next(path for path in paths if _kind_of(path) in (None, *(kinds - {_kind_of(paths[0])})))
        raise FileRefused(f"{folder} is a folder of several kinds of file ({odd.name}); leave one kind in it")
    return paths


def _kind_of(path: Path) -> str | None:
    return None if path.is_dir() else SUFFIXES.get(path.suffix.lower())


def _natural(path: Path) -> list:
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", str(path)) if part]


def _in_time_order(paths: list[Path]) -> None:
    """Refuses too many, one given twice, and what a shell makes of *, where that is not the order of the numbers."""
    if len(paths) > MOST_NAMED:
        raise FileRefused(f"{len(paths)} files are too many to name; put them into a folder and give that")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise FileRefused(f"{twice.name} is given twice; give each file once")
    if paths == sorted(paths) != sorted(paths, key=_natural):
        raise FileRefused("the files are in the order of letters, not of the numbers in their names; give their folder")


# One file --------------------------------------------------------------------------------------------------


def _format(path: Path) -> str:
    """Which format: of the suffix, but .npy by its first bytes whatever its name."""
    if path.is_dir():
        raise FileRefused(f"{path} is a folder; give it alone")
    if not path.exists():
        raise FileRefused(f"no file {path}; give the path of a {KNOWN} file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FileRefused(f"cannot read {path}: {error.strerror}") from None
    kind = SUFFIXES.get(path.suffix.lower())
    if start[:6] == b"\x93NUMPY":
        return "npy"
    if kind == "pickle" or (kind in ("npy", "npz", None) and re.match(rb"\x80[\x02-\x05]", start)):
        raise _pickled(path, f"import pickle, numpy as np; a = pickle.load(open('{path.name}', 'rb'))")
    if kind is None:
        raise FileRefused(f"{path.name} is of no known format; give a {KNOWN} file, or np.save('file.npy', array)")
    if start[:4] == b"PK\x03\x04" and kind not in ("npz", "torch"):
        raise FileRefused(f"{path.name} is a .npz or zip archive; if np.savez wrote it, rename it to .npz")
    if kind == "npy":
        raise FileRefused(f"{path.name} is not a .npy file; text files are named .txt, .csv or .dat")
    if kind == "npz" and start[:2] != b"PK":
        raise FileRefused(f"{path.name} is not a .npz file; save it again with np.savez")
    return kind


def _pickled(path: Path, first: str) -> FileRefused:
    second = f"np.save('{path.stem}_plain.npy', np.array(list(a)), allow_pickle=False)"
    return FileRefused(
        f"{path.name} holds pickled Python objects: loading them runs whatever code is in them, so it is not done; "
        f"if you trust the file, convert it with two lines of Python: (1) {first} (2) {second}"
    )


def _not_for(path: Path, what: str, flags: dict) -> None:
    for name, value in flags.items():
        if value:
            raise FileRefused(f"{path.name}: {name} is for {what}; leave it out")


@contextlib.contextmanager
def _readable(path: Path):
    """Turns whatever a library says of a damaged file into one line."""
    try:
        yield
    except BookError:
        raise
    except Exception as error:  # libraries have no common error for a file that is cut or scrambled
        raise FileRefused(
            f"{path.name} is damaged ({first_line(error, type(error).__name__)}); save it again"
        ) from None


def _npy(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        if any(text in str(error) for text in ("allow_pickle", "Object arrays", "Python objects")):
            raise _pickled(path, f"import numpy as np; a = np.load('{path.name}', allow_pickle=True)") from None
        raise FileRefused(f"{path.name} is damaged ({first_line(error)}); save it again with np.save") from None


# Named arrays ----------------------------------------------------------------------------------------------


def _named(path: Path, contents: Contents, flags, inner: str | None) -> np.ndarray:
    """The array meant among those of a file, at one value of a label if --select asks for it."""
    name = _chosen(path, contents, inner or flags.array, inner is not None and flags.array is not None)
    labels = next((n for n in contents.shapes if _is_temperature(n.rpartition("/")[2]) and n != name), None)
    if flags.select is None:
        array = _whole(path, contents, name)
        if labels is not None and array.ndim and np.prod(contents.shapes[labels]) == len(array):
            _one_temperature(path, labels, contents.get(labels))
        return array
    label, value = selection(flags.select)
    beside = f"{name.rpartition('/')[0]}/{label}"  # in the same group of an HDF5 file
    there = next((each for each in (label, beside, f"/{label}") if each in contents.shapes), None)
    if there is None:
        raise FileRefused(f"{path.name} has no array {label!r} to select by; it has {_listed(contents)}")
    array = _whole(path, contents, name)
    array = np.moveaxis(array, -1, 0) if flags.last else array
    values = np.ravel(_whole(path, contents, there))
    if len(values) != len(array):
        raise FileRefused(
            f"{path.name}: {label} has {len(values)} values for {len(array)} entries on the "
            f"{'last' if flags.last else 'first'} axis of {name}; labels must be one for each"
        )
    array = array[matching(path, label, values, value)]
    return np.moveaxis(array, 0, -1) if flags.last else array


def _chosen(path, contents, name, twice):
    if twice:
        raise FileRefused(f"{path.name}: the data set is named twice; leave --array out")
    if not contents.shapes:
        raise FileRefused(f"{path.name} holds no array of numbers; save one")
    if name is None:
        if len(contents.shapes) == 1:
            return next(iter(contents.shapes))
        raise FileRefused(f"{path.name} holds several arrays; add --array NAME with one of {_listed(contents)}")
    for each in (name, f"/{name.lstrip('/')}"):
        if each in contents.shapes:
            return each
    raise FileRefused(f"{path.name} has no array {name!r}; add --array NAME with one of {_listed(contents)}")


def _listed(contents: Contents) -> str:
    names = [f"{name or 'one without a name'} {shape}" for name, shape in contents.shapes.items()]
    return ", ".join(names[:8]) + (f", and {len(names) - 8} more" if len(names) > 8 else "")


def _whole(path: Path, contents: Contents, name: str) -> np.ndarray:
    if np.prod(contents.shapes[name], dtype=float) > MOST_NUMBERS:
        raise FileRefused(f"{path.name}: {name} holds more than {MOST_NUMBERS} numbers; save every k-th configuration")
    return contents.get(name)


def selection(text: str) -> tuple[str, float]:
    """Name and value of --select NAME=VALUE. FileRefused for anything else."""
    name, equals, value = text.rpartition("=")
    with contextlib.suppress(ValueError):
        if equals and name:
            return name, float(value)
    raise FileRefused(f"--select {text} is not possible; give NAME=VALUE, like T=2.25")


def matching(path: Path, label: str, values: np.ndarray, value: float) -> np.ndarray:
    """Where the labels are this value, to a millionth of it; FileRefused if nowhere, with the values there are."""
    if values.dtype.kind not in "biuf":
        raise FileRefused(f"{path.name}: {label} holds no numbers to select by")
    there = np.abs(values - value) <= 1e-6 * max(1.0, abs(value))
    if not there.any():
        known = np.unique(values)
        some = ", ".join(f"{each:.7g}" for each in known[:8]) + (", ..." if len(known) > 8 else "")
        raise FileRefused(f"{path.name}: {label} is nowhere {value:g}; --select {label}=VALUE with one of {some}")
    return there


def _is_temperature(name: str) -> bool:
    return name in TEMPERATURES or (len(name) > 1 and name.lower() in TEMPERATURES)


def _one_temperature(path: Path, label: str, values: np.ndarray) -> None:
    known = np.unique(values)
    if len(known) > 1:
        raise FileRefused(
            f"{path.name}: {label} has {len(known)} values, from {known[0]} to {known[-1]}; only one temperature "
            f"can be learned from, add --select {label.rpartition('/')[2]}={known[0]}"
        )


def _npz(path: Path) -> Contents:
    with zipfile.ZipFile(path) as archive:
        headers = {name: _npy_header(archive, name) for name in archive.namelist() if name.endswith(".npy")}
    shapes = {name.removesuffix(".npy"): shape for name, (shape, _) in headers.items()}

    def get(name):
        if headers[f"{name}.npy"][1].hasobject:
            raise _pickled(path, f"import numpy as np; a = np.load('{path.name}', allow_pickle=True)['{name}']")
        with np.load(path, allow_pickle=False) as file:
            return file[name]

    return Contents(shapes, get)


def _npy_header(archive, name):
    with zipfile.Path(archive, name).open("rb") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        return shape, dtype


def _mat(path: Path) -> Contents:
    from scipy import io

    with path.open("rb") as file:
        if file.read(10) == b"MATLAB 7.3":
            newer = _hdf5(path)  # the axes are stored in reverse
            return Contents({name: shape[::-1] for name, shape in newer.shapes.items()}, lambda name: newer.get(name).T)
    numeric = ("double", "single", "logical", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    shapes = {name: shape for name, shape, type_ in io.whosmat(path) if type_ in numeric}
    return Contents(shapes, lambda name: io.loadmat(path, variable_names=[name])[name])


def _torch(path: Path) -> Contents:
    import pickle

    import torch

    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        load = f"import numpy as np, torch; a = torch.load('{path.name}', weights_only=False)"
        raise _pickled(path, load) from None
    every = loaded if isinstance(loaded, dict) else {"": loaded}
    tensors = {str(name): each for name, each in every.items() if isinstance(each, torch.Tensor)}

    def get(name):
        tensor = tensors[name].detach().to_dense()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).resolve_conj().resolve_neg().numpy()

    return Contents({name: tuple(each.shape) for name, each in tensors.items()}, get)


def _hdf5(path: Path) -> Contents:
    try:
        import h5py
    except ImportError:
        raise FileRefused(f"{path.name}: reading HDF5 needs h5py; {INSTALL}") from None
    shapes = {}

    def note(name, item):
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            shapes[f"/{name}"] = item.shape

    with h5py.File(path, "r") as file:
        file.visititems(note)

    def get(name):
        with h5py.File(path, "r") as file:
            array = file[name][()]
        pair = array.dtype.names  # MATLAB's complex numbers
        return array["real"] + 1j * array["imag"] if pair == ("real", "imag") else array

    return Contents(shapes, get)


NAMED = {"npz": _npz, "mat": _mat, "torch": _torch, "hdf5": _hdf5}


# Text ------------------------------------------------------------------------------------------------------


def _text(path: Path, flags) -> np.ndarray:
    """Rows of numbers [rows, columns]: lines of words above them are a header, lines that begin with # % ! comments."""
    data = path.read_bytes()
    if b"\0" in data:
        raise FileRefused(f"{path.name} is not text in UTF-8; for raw numbers np.save('file.npy', np.fromfile(...))")
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    rows = [k for k, line in enumerate(lines) if k >= flags.header and line.strip() and line.strip()[0] not in COMMENTS]
    first = next((i for i, k in enumerate(rows) if _numbers(lines[k]) is not None), None)
    if first is None:
        raise FileRefused(
            f"{path.name} has no line of numbers; a configuration is a row, or every L rows with --stacked"
        )
    header = [k for k in range(flags.header, rows[first]) if lines[k].strip()]
    rows = rows[first:]
    names = [word.strip("\"'") for word in _words(lines[header[-1]].lstrip("#%! "))] if header else []
    delimiter = _delimiter(lines[rows[0]])
    if delimiter == ";" and "," in lines[rows[0]]:
        raise FileRefused(f"{path.name} has decimal commas; write points, and commas between numbers")
    try:
        array = np.loadtxt([lines[k] for k in rows], delimiter=delimiter, comments="#", ndmin=2)
    except ValueError as error:
        raise _odd_line(path, lines, rows, error) from None
    if flags.stacked:
        _whole_blocks(path, rows, array.shape[1], flags.side)
    return _columns(path, array, names if len(names) == array.shape[1] else [], flags)


def _delimiter(line: str) -> str | None:
    return next((mark for mark in ";," if mark in line), None)


def _words(line: str) -> list[str]:
    return [word.strip() for word in line.partition("#")[0].strip().split(_delimiter(line))]


def _numbers(line: str) -> list[float] | None:
    """The numbers in a line of text, None if there is anything else."""
    try:
        return [float(word.replace(",", ".") if ";" in line else word) for word in _words(line)]
    except ValueError:
        return None


def _odd_line(path: Path, lines: list[str], rows: list[int], error: Exception) -> FileRefused:
    """What is said of a file in which a line is not as the others."""
    width = statistics.mode(len(_words(lines[k])) for k in rows)
    for k in rows:
        numbers = _numbers(lines[k])
        if numbers is None:
            return FileRefused(
                f"{path.name}, line {k + 1}: {lines[k].strip()[:30]!r} is no row of numbers; begin it with #"
            )
        if len(numbers) != width:
            remedy = f"--header {k + 1} leaves it out" if k == rows[0] else "write one configuration a row"
            return FileRefused(f"{path.name}, line {k + 1} has {len(numbers)} numbers, others {width}; {remedy}")
    return FileRefused(f"{path.name}: {first_line(error)}; write rows of numbers")


def _whole_blocks(path: Path, rows: list[int], width: int, side: tuple) -> None:
    """Where lines are left free between blocks, each must be whole. side: (rows, columns); a square without it."""
    ends = [0, *np.flatnonzero(np.diff(rows) > 1) + 1, len(rows)]
    heights = np.diff(ends)
    usual, height = statistics.mode(heights.tolist()), side[0] if side else width
    if len(heights) > 1 and not side and usual != height:
        flags = f"--side {usual}x{width} if each is a lattice, --side {width} if it is several"
        raise FileRefused(f"{path.name}: free lines part blocks of {usual} x {width} numbers; add {flags}")
    if len(heights) > 1 and (heights % height).any():
        line = rows[ends[np.flatnonzero(heights % height)[0]]] + 1
        raise FileRefused(f"{path.name}: the block at line {line} is not of {height} x {width} numbers; leave it out")


def _columns(path: Path, array: np.ndarray, names: list[str], flags) -> np.ndarray:
    """The columns that hold configurations, at one value of a column of labels if --select asks for it."""
    keep = np.arange(array.shape[1]) >= flags.skip_columns
    if flags.select is not None:
        label, value = selection(flags.select)
        if label not in names:
            there = f"they are {', '.join(names[:8])}" if names else "a header line must name the columns"
            raise FileRefused(f"{path.name} has no column {label!r} to select by; {there}")
        keep[names.index(label)] = False
        array = array[matching(path, label, array[:, names.index(label)], value)]
    elif labels := [name for name in names[flags.skip_columns :] if _is_temperature(name)]:
        value = array[0, names.index(labels[0])]
        raise FileRefused(
            f"{path.name}: column {labels[0]} is a temperature, not a site; add --select {labels[0]}={value:g}"
        )
    array = array[:, keep]
    steps = np.diff(array[:, 0]) if array.shape[1] > 1 and len(array) > 2 else np.zeros(1)
    if steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-6):
        count = flags.skip_columns + 1
        raise FileRefused(f"{path.name}: column {count} only counts the rows; add --skip-columns {count}")
    return array
