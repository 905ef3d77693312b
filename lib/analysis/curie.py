r"""Curie temperature of a ferromagnet from its saturation magnetisation M_s(T) well below it.

A form M_s(T) = M_0 m(T / T_C) is fitted by least squares; what T_C comes out depends on the form:

    power law   m = (1 - x)^beta                             x = T / T_C; beta = 1/3 (the talk), another, or fitted
    Bloch       m = 1 - x^(3/2)                              spin waves (F. Bloch, Z. Phys. 61, 206 (1930))
    Kuz'min     m = [1 - s x^(3/2) - (1 - s) x^(5/2)]^(1/3)  shape parameter s fitted

Kuz'min's form (M. D. Kuz'min, Phys. Rev. Lett. 94, 107204 (2005)) has Bloch's law at low temperature (coefficient s /
3) and the exponent 1/3 at T_C; it is the only one here that is meant for all temperatures. A power law holds near
T_C. Bloch's law has no critical point: the temperature at which it would vanish bounds T_C from above, loosely.

Errors. With errors sigma_i of the data, the covariance is (J^T Sigma^-1 J)^-1 as it stands. Without them, all points
are taken to have the same error ("equal") or relative error ("relative") of unknown size, and the covariance is scaled
by chi^2 / (n - p): the scatter around the form serves as the error, even where it is a misfit of the form. It says
nothing about other forms; `spread` over several forms does.
"""

import csv
import warnings
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from lib.errors import BookError

COLUMNS = ("T_K", "Ms_emu_per_cc")
ERROR_COLUMN = "error"  # optional: standard error of Ms, in its units
FEWEST = 4  # points: one more than the largest number of parameters
NEAR = 1e-3  # relative distance of T_C from the last point below which the fit is refused


class Magnetization(NamedTuple):
    """T [n] in K, increasing, and M [n] in emu/cc; `errors` [n] in emu/cc, or None where the file has none."""

    T: np.ndarray
    M: np.ndarray
    errors: np.ndarray | None = None


class CurieFit(NamedTuple):
    """A fitted form M_0 m(T / T_C).

    t_c, m0: in K and emu/cc, with their errors.
    exponent: of the power law, None for the other forms; its error is 0 where it was given.
    shape: Kuz'min's s, None for the other forms.
    residuals, rms: M - fit [n] and its root mean square, in emu/cc.
    reach: largest temperature of the data, in units of T_C. function: T -> M (zero from T_C on).
    """

    name: str
    t_c: float
    error: float
    m0: float
    m0_error: float
    exponent: float | None
    exponent_error: float | None
    shape: float | None
    residuals: np.ndarray
    rms: float
    reach: float
    function: object


def read_csv(path):
    """`Magnetization` from a csv file, sorted by temperature.

    path: columns `T_K` (K) and `Ms_emu_per_cc` (emu/cc), and perhaps `error` (emu/cc); others are ignored, and so are
        lines that begin with #.

    BookError where that is not to be had, one line that names the file, the place and the remedy.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader("" if line.isspace() or line.lstrip().startswith("#") else line for line in file)
            (_, header), *rows = [(reader.line_num, row) for row in reader if row] or [(0, [])]
    except (OSError, UnicodeDecodeError) as problem:
        problem = f"cannot be read as text ({type(problem).__name__})"
        raise BookError(f"{path}: {problem}; give the path of a csv file") from None
    header = [title.strip() for title in header]
    for column in COLUMNS:
        if column not in header:
            raise BookError(f"{path}: no column {column!r}; the first line must name the columns {', '.join(COLUMNS)}")
    wanted = [*COLUMNS, ERROR_COLUMN] if ERROR_COLUMN in header else list(COLUMNS)
    values = []
    for line, row in rows:
        cells = dict(zip(header, row, strict=False))
        values.append([_positive(path, line, column, cells.get(column, "")) for column in wanted])
    if len(values) < FEWEST:
        raise BookError(f"{path}: {len(values)} points; a fit needs at least {FEWEST}")
    values = np.array(sorted(values))
    if np.any(np.diff(values[:, 0]) == 0):
        twice = values[:-1, 0][np.diff(values[:, 0]) == 0][0]
        raise BookError(f"{path}: T = {twice:g} K appears twice; give one point, for example the mean")
    return Magnetization(values[:, 0], values[:, 1], values[:, 2] if len(wanted) == 3 else None)


def _positive(path, line, column, cell):
    """A cell as a positive number, or a line that says where it is not."""
    try:
        value = float(cell)
    except ValueError:
        raise BookError(f"{path}, line {line}: {column} = {cell.strip()!r} is not a number; correct it") from None
    if not (np.isfinite(value) and value > 0):
        raise BookError(f"{path}, line {line}: {column} = {cell.strip()} must be positive and finite; remove the point")
    return value


def _power(x, exponent):
    return np.maximum(1 - x, 0.0) ** exponent


def _bloch(x):
    return np.maximum(1 - x**1.5, 0.0)


def _kuzmin(x, s):
    return np.cbrt(np.maximum(1 - s * x**1.5 - (1 - s) * x**2.5, 0.0))


def power_law(T, M, exponent=1 / 3, *, weights="equal", name=None):
    """M_0 (1 - T/T_C)^exponent -> `CurieFit`.

    T, M: [n] in K and emu/cc, n >= 4, in any order.
    exponent: positive, or None: it is fitted.
    weights: "equal", "relative" (sigma proportional to M), or errors [n] in emu/cc.
    """
    if exponent is None:
        return _fit(T, M, _power, (0.35,), weights, name or "exponent free")
    if not 0 < exponent < 5:
        raise ValueError(f"exponent = {exponent}: give a positive number, for example 1/3")
    return _fit(T, M, _power, (), weights, name or f"exponent {exponent:.3g}", fixed=float(exponent))


def bloch(T, M, *, weights="equal"):
    """M_0 (1 - (T/T_C)^(3/2)), with T_C where Bloch's law would vanish."""
    return _fit(T, M, _bloch, (), weights, "Bloch 3/2")


def kuzmin(T, M, *, weights="equal"):
    """Kuz'min's form (top of this file) with its shape parameter s fitted; arguments as in `power_law`."""
    return _fit(T, M, _kuzmin, (0.5,), weights, "Kuz'min")


def _sigma(M, weights):
    """Errors for curve_fit, and whether they are absolute."""
    if isinstance(weights, str):
        if weights not in ("equal", "relative"):
            raise ValueError(f"weights = {weights!r}: choose 'equal', 'relative' or give the errors of the points")
        return (np.ones_like(M) if weights == "equal" else M / M.mean()), False
    errors = np.asarray(weights, dtype=float)
    if errors.shape != M.shape or not np.all(np.isfinite(errors)) or np.any(errors <= 0):
        raise ValueError(f"weights: the errors must be {len(M)} positive numbers, one a point")
    return errors, True


def _check(T, M):
    T, M = np.asarray(T, dtype=float), np.asarray(M, dtype=float)
    if T.ndim != 1 or T.shape != M.shape:
        raise ValueError(f"T {T.shape} and M {M.shape}: give two lists of the same length")
    if len(T) < FEWEST:
        raise ValueError(f"{len(T)} points: a fit needs at least {FEWEST}")
    for name, values in (("T", T), ("M", M)):
        if not np.all(np.isfinite(values)) or np.any(values <= 0):
            raise ValueError(f"{name} must be positive and finite at every point: remove the others")
    return T, M


def _fit(T, M, form, start, weights, name, fixed=None):
    """Least squares of M_0 form(T / T_C, shape); start: of the shape parameters, fixed: one that is not fitted."""
    T, M = _check(T, M)
    sigma, absolute = _sigma(M, weights)
    last = T.max()
    given = () if fixed is None else (fixed,)

    # T_C enters as last (1 + exp u): always above the data, and free of bounds, which curve_fit handles poorly here
    def model(T, m0, u, *shape):
        return m0 * form(T / (last * (1 + np.exp(u))), *shape, *given)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow in a trial step
            p0 = 1.1 * M.max(), np.log(0.5), *start
            p, covariance = curve_fit(model, T, M, p0, sigma, absolute, maxfev=20_000)
    except (RuntimeError, OptimizeWarning, ValueError, FloatingPointError):
        raise ValueError(f"{name}: the fit does not converge; M must fall with T, and T must stay below T_C") from None
    above = np.exp(p[1])
    if not np.all(np.isfinite(covariance)) or above > 1e3:
        raise ValueError(f"{name}: these points do not determine T_C; M must fall with T, up to a good part of T_C")
    if above < NEAR:
        at_end = f"the fit puts T_C at the last point, T = {last:g} K"
        raise ValueError(f"{name}: {at_end}; leave out points at or above T_C")
    t_c = float(last * (1 + above))
    errors = np.sqrt(np.diag(covariance))
    m0, shape = float(p[0]), [float(value) for value in p[2:]]
    residuals = M - model(T, *p)
    is_power, is_kuzmin = form is _power, form is _kuzmin
    constants = (*shape, *given)

    def function(T):
        return m0 * form(np.minimum(np.asarray(T, dtype=float) / t_c, 1.0), *constants)

    return CurieFit(
        name=name,
        t_c=t_c,
        error=float(np.sqrt(covariance[1, 1] * (last * above) ** 2)),  # dT_C / du = last above
        m0=m0,
        m0_error=float(errors[0]),
        exponent=constants[0] if is_power else None,
        exponent_error=(0.0 if fixed is not None else float(errors[2])) if is_power else None,
        shape=constants[0] if is_kuzmin else None,
        residuals=residuals,
        rms=float(np.sqrt((residuals**2).mean())),
        reach=float(last / t_c),
        function=function,
    )


ISING_3D, HEISENBERG_3D = 0.326, 0.365  # critical exponents of the magnetisation in three dimensions


def all_forms(T, M, *, weights="equal"):
    """dict name -> `CurieFit` of the form of the talk, of the other forms one might use, and of two that one would not.

    The last two, the mean-field exponent 1/2 and Bloch's law, are not in REASONABLE: no ferromagnet has the exponent
    1/2 near T_C, and Bloch's law ends nowhere near it. Arguments as in `power_law`.
    """
    fits = [
        power_law(T, M, 1 / 3, weights=weights, name="exponent 1/3"),
        power_law(T, M, ISING_3D, weights=weights, name="Ising 0.326"),
        power_law(T, M, HEISENBERG_3D, weights=weights, name="Heisenberg 0.365"),
        power_law(T, M, None, weights=weights),
        kuzmin(T, M, weights=weights),
        power_law(T, M, 0.5, weights=weights, name="mean field 1/2"),
        bloch(T, M, weights=weights),
    ]
    return {fit.name: fit for fit in fits}


REASONABLE = ("exponent 1/3", "Ising 0.326", "Heisenberg 0.365", "exponent free", "Kuz'min")


class Spread(NamedTuple):
    """Smallest and largest T_C in K over several forms, and the names of the two forms."""

    low: float
    high: float
    lowest: str
    highest: str

    @property
    def width(self):
        """Largest minus smallest T_C, in K."""
        return self.high - self.low


def spread(fits, names=REASONABLE):
    """`Spread` of T_C over the fits with these names. fits: dict name -> `CurieFit` (`all_forms`)."""
    unknown = [name for name in names if name not in fits]
    if unknown or not names:
        raise ValueError(f"names = {tuple(names)}: choose some of {', '.join(fits)}")
    low, high = min(names, key=lambda n: fits[n].t_c), max(names, key=lambda n: fits[n].t_c)
    return Spread(fits[low].t_c, fits[high].t_c, low, high)


def leave_one_out(T, M, fit=power_law):
    """The fit repeated without each point in turn, a list [n] of `CurieFit`; fit: function (T, M) -> `CurieFit`.

    ValueError with fewer than 5 points.
    """
    T, M = _check(T, M)
    if len(T) <= FEWEST:
        raise ValueError(f"{len(T)} points: leaving one out needs at least {FEWEST + 1}")
    return [fit(np.delete(T, k), np.delete(M, k)) for k in range(len(T))]
