"""Magnetisation against temperature from a text file. Nothing is guessed: what can be read in two ways is refused.

The separator is a tab, semicolon or comma. The first line names the columns, each with its unit (UNITS below), in one
of the spellings `T (K)`, `T [K]`, `T / K`, `T_K`, `T K`; instead of a slash a unit may have _per_ (`Ms_emu_per_cc`).
Columns of other names are ignored, and so are empty lines and lines that begin with #.

Decimal commas are read where they cannot be separators. 961,160 alone may be thousands; then some number of the file
must show that it is not. In a file with commas between the columns, a row of more cells than the header is refused.

Files of Quantum Design instruments (.dat: [Header] ... [Data], then columns with commas) are read by column name;
rows without a temperature or a moment are comments there. They must have been measured in one field.
"""

import csv
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.errors import BookError

T_NAMES = ("t", "temp", "temperature")
_LONG = ("magnetization", "magnetisation", "saturation magnetization", "saturation magnetisation")
# the last two: SQUID magnetometers of Quantum Design; "Moment (emu)" is their vibrating-sample magnetometer
M_NAMES = ("m", "ms", "m_s", *_LONG, "moment", "dc moment fixed ctr", "long moment")
ERROR_NAMES = ("error",)  # standard error of M; without a unit: in that of M
FIELD_NAMES = ("magnetic field",)
ZERO_CELSIUS = 273.15
T_UNITS = {"K": 0.0, "C": ZERO_CELSIUS, "degC": ZERO_CELSIUS, "°C": ZERO_CELSIUS}  # to be added
M_UNITS = {"emu/cc": 1.0, "emu/cm3": 1.0, "A/m": 1e-3, "kA/m": 1.0, "MA/m": 1e3, "emu": 1.0}  # factors; to emu/cc
FIELD_UNITS = {"Oe": 1.0}
ACCEPTED = (
    "name a temperature in K, C, degC or °C (such as 'T (K)', 'T_K', 'Temperature [°C]') and a magnetisation in "
    "emu/cc, emu/cm3, A/m, kA/m or MA/m (such as 'Ms (kA/m)', 'Ms_emu_per_cc') or a moment in emu ('Moment (emu)')"
)
SEPARATORS = ("\t", ";", ",")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")  # a decimal comma or thousands
ONE_FIELD = 0.01  # of its largest value, by which the field of an instrument's file may vary


class Magnetization(NamedTuple):
    """Magnetisation against temperature.

    T: [n] in K, increasing; only an instrument's file may have a temperature twice.
    M: [n] in `unit`, which is "emu/cc" (that is kA/m) or, for a moment of unknown volume, "emu".
    errors: [n] in `unit`, or None where the file has none.
    source: the file. notes: lines about what was converted, ignored or left out, for the reader.
    """

    T: np.ndarray
    M: np.ndarray
    errors: np.ndarray | None = None
    unit: str = "emu/cc"
    source: str = "the points"
    notes: tuple[str, ...] = ()


class _Column(NamedTuple):
    index: int
    title: str
    unit: str | None


def read(path):
    """`Magnetization` from a file of the form described above, sorted by temperature.

    BookError where it is not to be had: one line that names the file, the line and the remedy.
    """
    lines = _lines(path)
    instrument = next((line for _, line in lines), "").strip() == "[Header]"
    if instrument:
        start = next((k for k, (_, line) in enumerate(lines) if line.strip() == "[Data]"), None)
        if start is None:
            raise BookError(f"{path}: [Header] without [Data]; give the file as the instrument wrote it")
        lines = lines[start + 1 :]
    separator, header = _header(path, lines[0][1] if lines else "", instrument)
    rows = _rows(path, lines[1:], separator, header)
    t = _only(path, rows, _columns(header, T_NAMES, T_UNITS))
    m = _only(path, rows, _columns(header, M_NAMES, M_UNITS))
    fields = _columns(header, FIELD_NAMES, FIELD_UNITS) if instrument else []
    errors = [] if instrument else _error_columns(path, header, m)
    before = len(rows)
    if instrument:
        rows = [(line, cells) for line, cells in rows if cells[t.index] and cells[m.index]]
    if not rows:
        raise BookError(f"{path}: no row with a temperature and a magnetisation; add the points below the header")
    values = _numbers(path, rows, [t, m, *errors, *fields])
    T, M = values[:, 0] + T_UNITS[t.unit], values[:, 1] * M_UNITS[m.unit]
    if np.any(T <= 0):
        line, cells = rows[int(np.argmin(T))]
        raise BookError(f"{path}, line {line}: {t.title} = {cells[t.index]} is not above absolute zero; correct it")
    sigma = None
    if errors:
        sigma = values[:, 2] * M_UNITS[errors[0].unit]
        if np.any(sigma <= 0):
            line, cells = rows[int(np.argmin(sigma))]
            what = f"{errors[0].title} = {cells[errors[0].index]}"
            raise BookError(f"{path}, line {line}: {what} must be positive; correct it, or remove the column")
    if fields:
        field = values[:, -1]
        if np.ptp(field) > ONE_FIELD * np.abs(field).max():
            runs = f"the field runs from {field.min():g} to {field.max():g} Oe"
            raise BookError(f"{path}: {runs}; keep the rows of one field")
    order = np.argsort(T, kind="stable")
    T, M, sigma = T[order], M[order], None if sigma is None else sigma[order]
    if not instrument and np.any(np.diff(T) == 0):
        twice = values[order, 0][:-1][np.diff(T) == 0][0]
        raise BookError(f"{path}: {t.title} = {twice:g} appears twice; give one point, for example the mean")
    notes = _notes(t, m, before - len(rows))
    return Magnetization(T, M, sigma, "emu" if m.unit == "emu" else "emu/cc", str(path), notes)


def _notes(t, m, left):
    notes = []
    if left:
        notes.append(f"Rows without a temperature or a moment, not used: {left}.")
    if t.unit != "K":
        notes.append(f"{t.title}: {ZERO_CELSIUS} added, T is in K.")
    if m.unit == "emu":
        notes.append(f"{m.title}: a moment, no volume. M and M_0 are in emu; T_C does not depend on the scale.")
    elif not m.unit.startswith("emu"):
        notes.append(f"{m.title}: M is in emu/cc (1 emu/cc = 1 kA/m).")
    return tuple(notes)


# Lines and columns -----------------------------------------------------------------------------------------


def _lines(path):
    """[(number, text)] without empty lines and comments."""
    try:
        raw = Path(path).read_bytes()
        text = _decoded(raw)
    except (OSError, UnicodeDecodeError) as problem:
        what = f"cannot be read as text ({type(problem).__name__})"
        raise BookError(f"{path}: {what}; give the path of a csv file, or of an instrument's .dat") from None
    numbered = enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1)
    return [(k, line) for k, line in numbered if line.strip() and not line.lstrip().startswith("#")]


def _decoded(raw):
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):  # "Unicode text" of Excel
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")  # Windows in the west: the degree sign


def _split(line, separator):
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]


def _header(path, line, instrument):
    """The separator with which the line names both columns, and the titles."""
    separators = (",",) if instrument else SEPARATORS
    for separator in separators:
        titles = _split(line, separator)
        if _columns(titles, T_NAMES, T_UNITS) and _columns(titles, M_NAMES, M_UNITS):
            return separator, titles
    titles = _split(line, max(separators, key=line.count)) if line else []
    for names, units, what in ((T_NAMES, T_UNITS, "temperature"), (M_NAMES, M_UNITS, "magnetisation")):
        if not _columns(titles, names, units):
            near = [title for title in titles if _bare(title) in names]
            problem = f"the unit of column {near[0]!r} is missing or not known" if near else f"no column with a {what}"
            raise BookError(f"{path}: {problem}; the first line must {ACCEPTED}")


def _bare(title):
    """The name in a title whose unit is not known."""
    return re.split(r"[\[(/]", title)[0].strip().lower()


def _columns(titles, names, units):
    """Columns with one of these names and one of these units."""
    found = []
    for index, title in enumerate(titles):
        name, unit = _name_and_unit(title, units)
        if unit is not None and name.lower() in names:
            found.append(_Column(index, title, unit))
    return found


def _name_and_unit(title, units):
    """("Ms", "emu/cc") of `Ms (emu/cc)` and of the other spellings; (title, None) where the unit is none of `units`."""
    title = unicodedata.normalize("NFKC", title)  # cm³ is cm3
    for unit in units:
        for spelled in {unit, unit.replace("/", "_per_"), unit.replace("cm3", "cm^3")}:
            u = re.escape(spelled)
            match = re.fullmatch(rf"(.+?)\s*(?:\(\s*{u}\s*\)|\[\s*{u}\s*\]|[/_ ]\s*(?:{u}|\({u}\)))", title)
            if match:
                return match[1], unit
    return title, None


def _only(path, rows, columns):
    """The one column of these that is not empty: instruments write columns of what they did not measure."""
    used = [column for column in columns if any(cells[column.index] for _, cells in rows)]
    if len(used) > 1:
        both = ", ".join(repr(column.title) for column in used)
        raise BookError(f"{path}: columns {both} could each be meant; keep one of them")
    return (used or columns)[0]


def _error_columns(path, header, m):
    """The column of errors, in a list, or none."""
    found = _columns(header, ERROR_NAMES, M_UNITS)
    found += [_Column(k, title, m.unit) for k, title in enumerate(header) if title.lower() in ERROR_NAMES]
    if len(found) > 1:
        raise BookError(f"{path}: two columns of errors; keep one of them")
    if found and (found[0].unit == "emu") != (m.unit == "emu"):
        raise BookError(f"{path}: {found[0].title!r} has another unit than {m.title!r}; give both in one unit")
    return found


def _rows(path, lines, separator, header):
    """[(line number, cells)], each as long as the header."""
    rows = []
    for number, line in lines:
        cells = _split(line, separator)
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) > len(header):
            many = f"{len(cells)} cells below {len(header)} titles"
            remedy = "with decimal commas, separate columns by semicolons or tabs, or write decimal points"
            raise BookError(f"{path}, line {number}: {many}; {remedy}")
        rows.append((number, cells + [""] * (len(header) - len(cells))))
    return rows


# Numbers ---------------------------------------------------------------------------------------------------


def _numbers(path, rows, columns):
    """float [n, columns] from cells with decimal points, or all with decimal commas."""
    cells = [(number, row[column.index]) for number, row in rows for column in columns]
    commas = [(number, cell) for number, cell in cells if "," in cell]
    if commas:
        number, cell = commas[0]
        if any("." in other for _, other in cells):
            problem = f"{cell!r} has a comma, other numbers of the file have points"
            raise BookError(f"{path}, line {number}: {problem}; write all with decimal points, no thousands separators")
        if all(EITHER.fullmatch(other) for _, other in commas):
            either = f"{cell!r} may be {cell.replace(',', '.')} or {cell.replace(',', '')}"
            raise BookError(f"{path}, line {number}: {either}; write a decimal point, or leave the comma out")
    return np.array([[_number(path, number, c.title, row[c.index]) for c in columns] for number, row in rows])


def _number(path, line, title, cell):
    if NUMBER.fullmatch(cell.replace(",", ".")):
        value = float(cell.replace(",", "."))
        if np.isfinite(value):
            return value
    what = f"{title} = {cell!r} is not a number" if cell else f"{title} is empty"
    raise BookError(f"{path}, line {line}: {what}; correct it, or remove the row")
