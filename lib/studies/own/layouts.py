"""How somebody else's numbers are meant: the flags of `python -m lib learn`, and the book's arrays made with them.

    spins   0 and 1                --zero-one
    angles  in (-pi, pi]           --wrap            lattices  [n, L*L]            --side L, or --side ROWSxCOLUMNS
            in degrees             --degrees                   L rows after L rows --stacked
            unit vectors           --vectors         both      [L, L, n]           --last
            complex numbers        --complex

Nothing is guessed: without a flag an array is what the book says (`user_file.LAYOUT`), with one it must be what the
flag says. Files and flags together are one text, as on the command line: `runs.npz --array spins --select T=2.25`. That
is what the parameter `file` of the chapter holds, so that a run says what was read and can be repeated.
"""

import argparse
import os
import shlex
from dataclasses import dataclass, fields

import numpy as np

from lib.studies.own.readers import FileRefused, locate, split_path

TWO_PI = 2 * np.pi
UNIT = 0.01  # how far the length of a unit vector may be from 1: text has few digits
FULL = {"degrees": 360.0, "radians": TWO_PI}


@dataclass(frozen=True)
class Flags:
    """What the reader says about a file; every field is a flag of the same name.

    array: name of the array in the file. select: NAME=VALUE of labels, one for each configuration.
    header, skip_columns: lines and columns of text files to leave out. side: (rows, columns) of flattened lattices.
    """

    array: str | None = None
    select: str | None = None
    header: int = 0
    skip_columns: int = 0
    side: tuple = ()
    stacked: bool = False
    last: bool = False
    zero_one: bool = False
    wrap: bool = False
    degrees: bool = False
    vectors: bool = False
    complex: bool = False


KINDS = ("ising", "xy", "path", "field", "chain")
RINGS = ("path", "chain")  # kinds of [n, N]; all others are [n, L, L]
LATTICES = tuple(kind for kind in KINDS if kind not in RINGS)
OF_KIND = {"zero_one": ("ising", "chain"), "side": LATTICES, "stacked": LATTICES}
OF_KIND |= dict.fromkeys(("wrap", "degrees", "vectors", "complex"), ("xy",))
NOT_BOTH = ("vectors", "complex", "degrees"), ("vectors", "complex", "wrap"), ("stacked", "last")


def add_flags(option) -> None:
    """Declare the flags. option: `add_argument` of a parser."""
    option("--array", metavar="NAME", help="which array of a .npz, .mat, .pt or HDF5 file")
    option("--select", metavar="T=2.25", help="one value of labels in the same file: an array, or a column with a name")
    option("--header", type=_count, default=0, metavar="N", help="text: leave out N lines at the top (words are seen)")
    option("--skip-columns", type=_count, default=0, metavar="N", help="text: leave out the first N columns")
    option("--side", type=_sides, default=(), metavar="L", help="lattices are flattened: [n, L*L]; or ROWSxCOLUMNS")
    option("--stacked", action="store_true", help="text: a configuration is L rows of L numbers (or as --side says)")
    option("--last", action="store_true", help="the last axis counts configurations: [L, L, n]")
    option("--zero-one", action="store_true", help="ising, chain: spins are 0 and 1; 1 is up")
    option("--wrap", action="store_true", help="xy: angles are not in [0, 2 pi) but, say, (-pi, pi]")
    option("--degrees", action="store_true", help="xy: angles are in degrees")
    option("--vectors", action="store_true", help="xy: unit vectors, the last axis is x, y")
    option("--complex", action="store_true", help="xy: complex numbers exp(i theta)")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not possible; give a whole number")
    return int(text)


def _sides(text: str) -> tuple[int, int]:
    numbers = text.split("x")
    if len(numbers) > 2 or not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not possible; give L, or ROWSxCOLUMNS")
    return int(numbers[0]), int(numbers[-1])


def _plain(value) -> str:
    """A flag's value as on the command line."""
    if not isinstance(value, tuple):
        return str(value)
    return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise FileRefused(f"flags of the file: {message}")


def parse(text: str) -> tuple[list[str], Flags]:
    """Files and `Flags` from a text as on the command line; the path of a file that is there is that file alone."""
    if _is_there(text):
        return [text], Flags()
    try:
        words = shlex.split(text)
    except ValueError:  # a quotation mark without its other one
        words = [text]
    if not any(word.startswith("--") for word in words):
        return (words if any(map(_is_there, words)) else [text]), Flags()
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("file", nargs="+")
    add_flags(parser.add_argument)
    found = vars(parser.parse_args(words))
    return found.pop("file"), Flags(**found)


def _is_there(file: str) -> bool:
    return os.path.exists(locate(split_path(file)[0]))


def written(files: list[str], flags: Flags) -> str:
    """The text that `parse` reads. A single file without flags is its path."""
    words = []
    for field in fields(Flags):
        value = getattr(flags, field.name)
        if value != field.default:
            words += [f"--{field.name.replace('_', '-')}", *([] if value is True else [_plain(value)])]
    return files[0] if len(files) == 1 and not words else shlex.join([*files, *words])


def check(flags: Flags, kind: str) -> None:
    """FileRefused for flags that are of another kind, or contradict each other."""
    given = [field.name for field in fields(Flags) if getattr(flags, field.name) != field.default]
    for name in given:
        kinds = OF_KIND.get(name, KINDS)
        if kind not in kinds:
            raise FileRefused(f"{_flag(name)} is for --kind {' or '.join(kinds)}, not for {kind}; leave it out")
    for group in NOT_BOTH:
        both = [name for name in group if name in given]
        if len(both) > 1:
            raise FileRefused(f"{_flag(both[0])} and {_flag(both[1])} contradict each other; give one")


def n_axes(flags: Flags, kind: str) -> int:
    """Axes of an array of configurations as the file has it."""
    return (2 if kind in RINGS or flags.side or flags.stacked else 3) + flags.vectors


def arrange(array: np.ndarray, flags: Flags, kind: str) -> np.ndarray:
    """The array in the book's layout, as far as flags say what it is in; `user_file.check` looks at the result.

    FileRefused where the array is not what a flag says.
    """
    if flags.select and array.ndim == n_axes(flags, kind) + 1 and not flags.last:
        array = array.reshape(-1, *array.shape[2:])  # labels of blocks [n_T, n, L, L]
    if (flags.side or flags.stacked or flags.last or flags.vectors) and array.ndim != n_axes(flags, kind):
        said = ", ".join(_flag(name) for name in ("side", "stacked", "last", "vectors") if getattr(flags, name))
        raise FileRefused(f"shape {array.shape} has {array.ndim} axes, with {said} there must be {n_axes(flags, kind)}")
    if flags.last:
        array = np.moveaxis(array, -1, 0)
    if flags.stacked:
        array = _unstacked(array, flags.side)
    elif flags.side:
        array = _unflattened(array, flags.side)
    if flags.zero_one:
        array = _plus_minus(array)
    if flags.complex or flags.vectors:
        array = _directions(array, flags)
    if flags.degrees or flags.wrap:
        array = _radians(array, flags)
    return array


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def block(width, side):
    """(rows, columns) of the blocks in a text file whose lines hold `width` numbers. side: what --side says."""
    rows, columns = side or (width, width)
    if columns != width:
        raise FileRefused(f"lines of {width} numbers are not rows of {_plain(side)}; --side {rows}x{width}?")
    return rows, columns


def _unstacked(array, side):
    rows, columns = block(array.shape[1], side)
    if len(array) % rows:
        remedy = "leave --stacked out" if side else "add --side ROWSxCOLUMNS, or leave --stacked out"
        raise FileRefused(f"{len(array)} rows of {columns} numbers are not blocks of {rows} x {columns}; {remedy}")
    return array.reshape(-1, rows, *array.shape[1:])


def _unflattened(array, side):
    rows, columns = side
    if array.shape[1] != rows * columns:
        whole = int(array.shape[1] ** 0.5)
        remedy = f"--side {whole}" if whole**2 == array.shape[1] else "is there a column that holds something else?"
        raise FileRefused(f"{array.shape[1]} numbers a configuration are not {rows} x {columns}; {remedy}")
    return array.reshape(len(array), rows, columns, *array.shape[2:])


def _plus_minus(array):
    if array.dtype.kind not in "biuf" or not ((array == 0) | (array == 1) | ~np.isfinite(array)).all():
        raise FileRefused("--zero-one, but there are other values than 0 and 1; leave it out")
    return 2 * array.astype(float if array.dtype.kind == "f" else np.int8) - 1


def _directions(array, flags):
    """Angles of complex numbers, or of vectors on the last axis."""
    if flags.complex:
        if array.dtype.kind != "c":
            raise FileRefused(f"--complex, but the numbers are {array.dtype}; leave it out")
        x, y = array.real, array.imag
    else:
        if array.shape[-1] != 2 or array.dtype.kind not in "iuf":
            raise FileRefused(f"--vectors, but shape {array.shape} of {array.dtype} has no last axis of x, y")
        x, y = array[..., 0], array[..., 1]
    length = np.hypot(x, y)
    off = np.abs(length - 1) > UNIT
    if off.any():
        raise FileRefused(
            f"a vector of length {length[off].flat[0]:.4g}, not 1: divide by the length, if it has no meaning"
        )
    return np.arctan2(y, x) % TWO_PI


def _radians(array, flags):
    """Angles in [0, 2 pi) from degrees, or from what is up to two turns away."""
    unit = "degrees" if flags.degrees else "radians"
    full = FULL[unit]
    if array.dtype.kind not in "iuf" or not array.size or not np.isfinite(array).all():
        return array  # `user_file.check` says what is wrong
    low, high = float(array.min()), float(array.max())
    between = f"angles from {low:.4g} to {high:.4g}"
    if flags.degrees and max(-low, high) <= TWO_PI + 1e-3:
        raise FileRefused(f"{between} look like radians; leave --degrees out")
    if not flags.degrees and 2 * full < max(-low, high) <= 360 + 1e-3:
        raise FileRefused(f"{between} look like degrees; add --degrees")
    if max(-low, high) > 2 * full:
        raise FileRefused(
            f"{between} {unit} are beyond two turns; save theta % {'360' if flags.degrees else '(2 * np.pi)'}"
        )
    if not flags.wrap and (low < 0 or high > full + 1e-3):
        raise FileRefused(f"{between} {unit} are not in [0, {full:.4g}); add --wrap")
    turned = np.asarray(array, float) % full
    return turned * (TWO_PI / full)
