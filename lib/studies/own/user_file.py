"""A file of configurations that somebody else's simulation wrote: read, and refused with one line where it is no use.

    ising  [n, L, L] of +-1, any numeric type; a rectangle [n, rows, columns] as well
    xy     [n, L, L] angles in radians, in [0, 2 pi); a rectangle as well
    path   [n, N] real values, one path of N sites a row
    field  [n, L, L] real values, a scalar field; a rectangle as well
    chain  [n, N] of +-1, one ring of N spins a row

n counts configurations in the order in which they were saved. Lattices and paths are periodic. Other layouts are said
by flags (`layouts.py`), formats are read by `readers.py`. What is refused is refused by name, with what to do about it;
nothing is guessed, since a wrong guess would look like physics.
"""

from pathlib import Path

import numpy as np

from lib.paths import data_file
from lib.studies.own import layouts, readers
from lib.studies.own.readers import FileRefused, locate

KINDS = layouts.KINDS
LAYOUT = {"ising": "[n, L, L] of +-1", "xy": "[n, L, L] angles in [0, 2 pi)", "path": "[n, N] real values"}
LAYOUT |= {"field": "[n, L, L] real values", "chain": "[n, N] of +-1"}
RINGS = layouts.RINGS
RING_OF = {"ising": "chain", "field": "path"}  # the kind of the same values on a ring
LATTICE_OF = {ring: lattice for lattice, ring in RING_OF.items()}
FORMATS = readers.KNOWN
FEWEST = 200  # configurations: below, 20 blocks of the file are too short for any error
STEPS = {"ising": 400, "xy": 400, "path": 1500, "field": 600, "chain": 600}  # of training, unless asked for others
DISTINCT = 50  # values in the first paths: the likelihood of a density has no maximum on a few
SIDES = (4, 64)
SITES = (4, 512)
OF_KIND = {"path": SITES, "field": (4, 16), "chain": (7, 512)}  # those of other kinds are SIDES
STATES = 20  # of a Potts model, at most; more values are something else
LARGEST = 20_000_000  # numbers in the file; the analysis takes about 100 bytes for each
TWO_PI = 2 * np.pi
SLACK = 1e-5  # angles of exactly 2 pi, and those that single precision rounds beyond it
UNKNOWN = "the exact answer is known for the included file only"


def load(file: str | Path, kind: str) -> np.ndarray:
    """The checked configurations of a file: int8 or float64, [n, rows, columns] or [n, N], for the `kind`.

    file: a path, or files and flags in one text as on the command line (`layouts.parse`); a relative path counts from
    the repository. FileRefused for whatever cannot be learned from.
    """
    _known(kind)
    named, flags = layouts.parse(str(file))
    layouts.check(flags, kind)
    inside = [readers.split_path(each) for each in named]
    files = [(locate(path), inner) for path, inner in inside]
    array = readers.read_all(files, flags, layouts.n_axes(flags, kind))
    try:
        array = layouts.arrange(array, flags, kind)
        if array.size > LARGEST:
            raise FileRefused(f"{array.size} numbers are more than {LARGEST}; save every k-th configuration")
        return check(array, kind)
    except FileRefused as error:
        raise FileRefused(f"{files[0][0].name}: {error}") from None


def true_couplings(file: str, kind: str, T0: float) -> dict[str, float] | None:
    """The couplings that made the file included in the book, by name; None for any other, whose truth is not known."""
    if (
        layouts.parse(file)[1] != layouts.Flags()
        or locate(file).resolve() != data_file("ising_L8_T2.5.npy").resolve()
        or (kind, T0) != ("ising", 2.5)
    ):
        return None
    return {"nn": 1.0, "nnn": 0.0, "third": 0.0, "plaquette": 0.0, "field": 0.0}


def load_both(first: str | Path, second: str | Path, kind: str) -> list[np.ndarray]:
    """The configurations of two files; FileRefused where they are not of one system."""
    found = [load(each, kind) for each in (first, second)]
    shapes = [each.shape[1:] for each in found]
    if shapes[0] != shapes[1]:
        raise FileRefused(f"--second {second}: configurations of shape {shapes[1]}, those of the first are {shapes[0]}")
    return found


def check_parameters(file: str, kind: str, T0: float, second: str, T1: float, **_) -> None:
    """The parameters of the chapter `your_configurations`: files are read and checked as a whole."""
    if second and T1 == T0:
        raise FileRefused(f"T1={T1} is that of the first file; the second needs another")
    if second:
        load_both(file, second, kind)
    else:
        load(file, kind)


def check(array: np.ndarray, kind: str) -> np.ndarray:
    """The configurations in the type of their kind, or FileRefused. array: as read, any numeric type."""
    _known(kind)
    if array.dtype.hasobject or array.dtype.kind not in "biuf":
        complex_spins = "; complex spins exp(i theta) are --kind xy --complex"
        remedy = {"c": complex_spins}.get(array.dtype.kind, "; save one plain numeric array")
        raise FileRefused(f"dtype {array.dtype} is not numeric{remedy}")
    _check_shape(array.shape, kind)
    _check_finite(array)
    _check_states(array, kind)
    return {"ising": _spins, "xy": _angles, "path": _paths, "field": _fields, "chain": _spins}[kind](array)


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise FileRefused(f"kind={kind!r} is not possible; give one of {', '.join(map(repr, KINDS))}")


def _check_shape(shape: tuple, kind: str) -> None:
    wanted = LAYOUT[kind]
    if len(shape) != (2 if kind in RINGS else 3) or (kind == "xy" and shape[-1] == 2):
        raise FileRefused(f"shape {shape} is not {wanted}{_which_flag(shape, kind)}")
    if kind not in RINGS and shape[-1] >= FEWEST > max(shape[:2]):
        raise FileRefused(f"shape {shape} is not {wanted}; add --last if its last axis counts configurations")
    low, high = OF_KIND.get(kind, SIDES)
    name = "N" if kind in RINGS else "L"
    for side in shape[1:]:
        if not low <= side <= high:
            first = "is the first axis the configurations?"
            hint = first if low <= shape[0] <= high and shape[0] < max(shape[1:]) else _why(side, low, kind)
            raise FileRefused(f"shape {shape}: {name} = {side} is not possible, {low} to {high} can be learned; {hint}")
    if shape[0] < FEWEST:
        hint = "; add --last if the last axis counts them" if kind in RINGS and shape[1] >= FEWEST else ""
        raise FileRefused(f"shape {shape}: {shape[0]} configurations are too few, at least {FEWEST} are needed{hint}")


def _why(side: int, low: int, kind: str) -> str:
    """Why a lattice of this side, or a path of as many sites, cannot be learned."""
    if side < low:
        return "on a smaller one a site meets the same neighbour twice"
    if kind == "path":
        return "save every second site, whose action is another one, or shorter paths"
    if kind == "chain":
        return "cut windows out of it, which are not periodic"
    if kind == "field":
        return "of larger fields these networks miss too much (chapter scalar_field)"
    return "a network draws a larger one site by site for minutes; cut windows out of it, which are not periodic"


def _which_flag(shape: tuple, kind: str) -> str:
    """What would make an array of this shape, which is not what it should be, acceptable."""
    if len(shape) < 2:
        return "; one configuration alone is not enough"
    vectors = kind == "xy" and shape[-1] == 2
    flat = shape[:-1] if vectors and len(shape) == 3 else shape
    found = []
    if kind not in RINGS and len(flat) == 2:
        n, width = flat
        side, also = int(width**0.5), "--vectors " * vectors
        if width >= SIDES[0] ** 2:
            said = side if side**2 == width else "ROWSxCOLUMNS"
            found.append(f"{also}--side {said} if each row is a lattice")
        if n % width == 0 and n > width >= SIDES[0]:
            found.append(f"{also}--stacked if every {width} rows are one")
        if n >= FEWEST * SIDES[0] and SIDES[0] <= width <= SIDES[1]:
            found.append(f"{also}--stacked --side ROWSx{width} if so many rows are one")
    if len(shape) == 2 and shape[0] >= FEWEST and kind in RING_OF:
        found.append(f"--kind {RING_OF[kind]} if each row is a ring")
    if len(shape) == 3 and (lattice := LATTICE_OF.get(kind)):
        return f"; give --kind {lattice} if these are lattices"
    if kind == "xy" and len(shape) == 4 and vectors:
        found.append("--vectors if the last axis is x, y")
    if len(shape) == 4 and not found:
        found.append("--select T=VALUE if the first axis is of temperatures")
        dimensions = "; lattices of three dimensions, and spins of three components, are not learned"
        return f"; add {found[0]}{dimensions}"
    return f"; add {', or '.join(found)}" if found else ""


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


def _check_states(array: np.ndarray, kind: str) -> None:
    """Whole numbers 0 ... q - 1 or 1 ... q, all of which occur and are more than two, are a Potts model."""
    low, high = float(array.min()), float(array.max())
    if kind == "path" or low not in (0, 1) or not 2 <= high - low < STATES or (array != np.rint(array)).any():
        return
    if len(np.unique(array)) == high - low + 1:
        raise FileRefused(
            f"states {low:.0f} to {high:.0f} are those of a Potts model, which is not learned: the networks for "
            "lattices know two states (+-1), angles and real numbers"
        )


def _spins(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "b" or (((array == 0) | (array == 1)).all() and (array == 0).any()):
        raise FileRefused("spins are 0 and 1; add --zero-one if 1 is up")
    wrong = (array != 1) & (array != -1)
    bad = _rows(wrong)
    if len(bad):
        value = np.asarray(array[bad[0]])[wrong[bad[0]]].flat[0]
        raise FileRefused(
            f"spins must be +-1; {value!s} in configuration {bad[0]} (from 0), and {len(bad)} configurations in all; "
            "map two values to +-1, angles are --kind xy"
        )
    return np.ascontiguousarray(array, dtype=np.int8)


def _angles(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f" and np.isin(array, (-1, 1)).all():
        raise FileRefused("the values are +-1, not angles; give --kind ising")
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise FileRefused("all angles are the same; there is nothing to learn")
    if set(np.unique(array[:20])) <= {-1.0, 1.0}:
        raise FileRefused("the values are +-1, not angles; give --kind ising")
    if max(-low, high) > 2 * TWO_PI and max(-low, high) <= 360 + 1e-6:
        raise FileRefused(f"angles from {low:.4g} to {high:.4g} look like degrees; add --degrees")
    if low < 0 or high > TWO_PI + SLACK:
        bad = _rows((array < 0) | (array > TWO_PI + SLACK))
        near = max(-low, high) <= 2 * TWO_PI
        raise FileRefused(
            f"angles from {low:.4g} to {high:.4g}, first in configuration {bad[0]} (from 0); they must lie in "
            f"[0, 2 pi): {'add --wrap if they are radians' if near else 'save theta % (2 * np.pi)'}"
        )
    return np.asarray(array, dtype=float) % TWO_PI


def _paths(array: np.ndarray) -> np.ndarray:
    paths = np.array(array, dtype=float)
    if not paths.std() > 0 or (paths == paths[0]).all():
        raise FileRefused("all paths are the same; there is nothing to learn")
    if np.isin(paths[:20], (-1.0, 1.0)).all():
        raise FileRefused(
            "the values are +-1: spins, not paths; square lattices of them are --kind ising, rings --kind chain"
        )
    _check_distinct(paths, "path")
    return paths


def _fields(array: np.ndarray) -> np.ndarray:
    fields = np.array(array, dtype=float)
    if not fields.std() > 0 or (fields == fields[0]).all():
        raise FileRefused("all fields are the same; there is nothing to learn")
    if np.isin(fields[:20], (-1.0, 1.0)).all():
        raise FileRefused("the values are +-1, not fields; give --kind ising")
    _check_distinct(fields, "field")
    return fields


def _check_distinct(values: np.ndarray, name: str) -> None:
    distinct = len(np.unique(values[:FEWEST]))
    if distinct < DISTINCT:
        raise FileRefused(f"only {distinct} different values: a {name} needs real numbers, not whole or rounded ones")
