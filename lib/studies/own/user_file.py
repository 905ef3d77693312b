"""A file of configurations that somebody else's simulation wrote: read, and refused with one line where it is no use.

    ising  [n, L, L] of +-1, any numeric type
    xy     [n, L, L] angles in radians, in [0, 2 pi)
    path   [n, N] real values, one path of N sites a row

n counts configurations in the order in which they were saved. Lattices and paths are periodic. What is refused is
refused by name, with what to do about it; nothing is guessed, since a wrong guess would look like physics.
"""

from pathlib import Path

import numpy as np

from lib.errors import BookError
from lib.paths import ROOT, data_file

KINDS = ("ising", "xy", "path")
LAYOUT = {"ising": "[n, L, L] of +-1", "xy": "[n, L, L] angles in [0, 2 pi)", "path": "[n, N] real values"}
FEWEST = 200  # configurations: below, 20 blocks of the file are too short for any error
STEPS = {"ising": 400, "xy": 400, "path": 1500}  # of training, unless asked for others
DISTINCT = 50  # values in the first paths: the likelihood of a density has no maximum on a few
SIDES = (4, 32)
SITES = (4, 512)
LARGEST = 20_000_000  # numbers in the file; the analysis takes about 100 bytes for each
TWO_PI = 2 * np.pi
SLACK = 1e-5  # angles of exactly 2 pi, and those that single precision rounds beyond it
UNKNOWN = "the exact answer is known for the included file only"


class FileRefused(BookError):
    """A file that cannot be learned from; the message names what is wrong and the remedy."""


def locate(file: str, base: Path = ROOT) -> Path:
    """The path meant by `file`; a relative one counts from `base`, by default the repository."""
    return base / Path(file).expanduser()


def load(file: str | Path, kind: str) -> np.ndarray:
    """The checked configurations of a .npy file: int8 [n, L, L], float64 [n, L, L] or float64 [n, N] for the `kind`.

    file: a path; a relative one counts from the repository. FileRefused for whatever cannot be learned from.
    """
    path = locate(str(file))
    array = _read(path)
    try:
        return check(array, kind)
    except FileRefused as error:
        raise FileRefused(f"{path.name}: {error}") from None


def true_couplings(file: str, kind: str, T0: float) -> dict[str, float] | None:
    """The couplings that made the file included in the book, by name; None for any other, whose truth is not known."""
    if locate(file).resolve() != data_file("ising_L8_T2.5.npy").resolve() or (kind, T0) != ("ising", 2.5):
        return None
    return {"nn": 1.0, "nnn": 0.0, "third": 0.0, "plaquette": 0.0, "field": 0.0}


def check_parameters(file: str, kind: str, **_) -> None:
    """The parameters of the chapter `your_configurations`: the file is read and checked as a whole."""
    load(file, kind)


def check(array: np.ndarray, kind: str) -> np.ndarray:
    """The configurations in the type of their kind, or FileRefused. array: as read, any numeric type."""
    if kind not in KINDS:
        raise FileRefused(f"kind={kind!r} is not possible; give one of {', '.join(map(repr, KINDS))}")
    if array.dtype.hasobject or array.dtype.kind not in "biuf":
        remedy = {"c": "; for complex spins save np.angle(z) % (2 * np.pi)", "O": "; save one plain numeric array"}
        raise FileRefused(f"dtype {array.dtype} is not numeric{remedy.get(array.dtype.kind, '')}")
    _check_shape(array.shape, kind)
    _check_finite(array)
    return {"ising": _spins, "xy": _angles, "path": _paths}[kind](array)


def _read(path: Path) -> np.ndarray:
    if path.is_dir():
        raise FileRefused(f"{path} is a folder; give one .npy file")
    if not path.exists():
        raise FileRefused(f"no file {path}; give the path of a .npy file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise FileRefused(f"cannot read {path}: {error.strerror}") from None
    if start[:4] == b"PK\x03\x04":
        raise FileRefused(f"{path.name} is a .npz or zip archive; save the one array with np.save('file.npy', array)")
    if start[:6] != b"\x93NUMPY":
        raise FileRefused(f"{path.name} is not a .npy file; text files: np.save('file.npy', np.loadtxt(...)), reshaped")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error) or "Python objects" in str(error):
            raise FileRefused(f"{path.name} holds Python objects; save one plain numeric array") from None
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise FileRefused(f"{path.name} is damaged ({reason}); save it again with np.save") from None
    if array.size > LARGEST:
        raise FileRefused(f"{path.name} holds {array.size} numbers, more than {LARGEST}; save every k-th configuration")
    return array


def _check_shape(shape: tuple, kind: str) -> None:
    wanted = LAYOUT[kind]
    if kind != "path" and len(shape) == 4 and shape[3] == 2:
        raise FileRefused(f"shape {shape}: unit vectors? save angles, np.arctan2(v[..., 1], v[..., 0]) % (2 * np.pi)")
    if len(shape) != (2 if kind == "path" else 3):
        hint = "; one configuration alone is not enough" if len(shape) < 2 else ""
        if kind != "path" and len(shape) == 2 and shape[0] >= FEWEST and int(shape[1] ** 0.5) ** 2 == shape[1]:
            side = int(shape[1] ** 0.5)
            hint = f"; flattened lattices: save s.reshape(-1, {side}, {side})"
        raise FileRefused(f"shape {shape} is not {wanted}{hint}")
    if kind != "path" and shape[1] != shape[2]:
        raise FileRefused(f"shape {shape}: the lattice is not square; only {wanted} can be learned")
    low, high = SITES if kind == "path" else SIDES
    name = "N" if kind == "path" else "L"
    if not low <= shape[1] <= high:
        hint = "; is the first axis the configurations?" if low <= shape[0] <= high else ""
        raise FileRefused(f"shape {shape}: {name} = {shape[1]} is not possible, {low} to {high} can be learned{hint}")
    if shape[0] < FEWEST:
        raise FileRefused(f"shape {shape}: {shape[0]} configurations are too few, at least {FEWEST} are needed")


def _rows(wrong: np.ndarray) -> np.ndarray:
    """Indices of the configurations with anything wrong. wrong: bool [n, ...]."""
    return np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))


def _check_finite(array: np.ndarray) -> None:
    if array.dtype.kind != "f":
        return
    bad = _rows(~np.isfinite(array))
    if len(bad):
        raise FileRefused(
            f"NaN or infinity in {len(bad)} of {len(array)} configurations, the first is number {bad[0]} (from 0); "
            "leave them out"
        )


def _spins(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "b" or (((array == 0) | (array == 1)).all() and (array == 0).any()):
        raise FileRefused("spins are 0 and 1; save 2 * s - 1, as int8")
    wrong = (array != 1) & (array != -1)
    bad = _rows(wrong)
    if len(bad):
        value = np.asarray(array[bad[0]])[wrong[bad[0]]].flat[0]
        raise FileRefused(
            f"spins must be +-1; {value!s} in configuration {bad[0]} (from 0), and {len(bad)} configurations in all; "
            "map two values to +-1, angles are --kind xy"
        )
    spins = np.ascontiguousarray(array, dtype=np.int8)
    if (spins == spins[0]).all():
        raise FileRefused("all configurations are the same; there is nothing to learn")
    return spins


def _angles(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f" and np.isin(array, (-1, 1)).all():
        raise FileRefused("the values are +-1, not angles; give --kind ising")
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise FileRefused("all angles are the same; there is nothing to learn")
    if set(np.unique(array[:20])) <= {-1.0, 1.0}:
        raise FileRefused("the values are +-1, not angles; give --kind ising")
    if max(-low, high) > 2 * TWO_PI and max(-low, high) <= 360 + 1e-6:
        raise FileRefused(
            f"angles from {low:.4g} to {high:.4g} look like degrees; save np.radians(theta) % (2 * np.pi)"
        )
    if low < 0 or high > TWO_PI + SLACK:
        bad = _rows((array < 0) | (array > TWO_PI + SLACK))
        raise FileRefused(
            f"angles from {low:.4g} to {high:.4g}, first in configuration {bad[0]} (from 0); they must lie in "
            "[0, 2 pi): save theta % (2 * np.pi)"
        )
    return np.asarray(array, dtype=float) % TWO_PI


def _paths(array: np.ndarray) -> np.ndarray:
    paths = np.array(array, dtype=float)
    if not paths.std() > 0 or (paths == paths[0]).all():
        raise FileRefused("all paths are the same; there is nothing to learn")
    if np.isin(paths[:20], (-1.0, 1.0)).all():
        raise FileRefused("the values are +-1: spins, not paths; square lattices of them are --kind ising")
    distinct = len(np.unique(paths[:FEWEST]))
    if distinct < DISTINCT:
        raise FileRefused(f"only {distinct} different values: a path needs real numbers, not whole or rounded ones")
    return paths
