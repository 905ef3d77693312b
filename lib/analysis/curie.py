r"""Curie temperature of a ferromagnet from its saturation magnetisation M_s(T) well below it.

A form M_s(T) = M_0 m(T / T_C) is fitted by least squares; what T_C comes out depends on the form:

    power law   m = (1 - x)^beta                             x = T / T_C; beta = 1/3 (the talk), another, or fitted
    Bloch       m = 1 - x^(3/2)                              spin waves (F. Bloch, Z. Phys. 61, 206 (1930))
    Kuz'min     m = [1 - s x^(3/2) - (1 - s) x^(5/2)]^(1/3)  shape parameter s fitted

Kuz'min's form (M. D. Kuz'min, Phys. Rev. Lett. 94, 107204 (2005)) has Bloch's law at low temperature (coefficient s /
3) and the exponent 1/3 at T_C; it is the only one here that is meant for all temperatures. A power law holds near
T_C. Bloch's law has no critical point: the temperature at which it would vanish bounds T_C from above, loosely.

Errors. With errors sigma_i of the data, the covariance is (J^T Sigma^-1 J)^-1 as it stands. Without them, sigma is
taken proportional to a power of M (0: all points alike, 1: the same relative error), its size is not known, and the
covariance is scaled by chi^2 / (n - p): the scatter around the form serves as the error, even where it is a misfit of
the form. It says nothing about other forms; `spread` over several forms does.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from lib.errors import BookError

FEWEST = 4  # points: one more than the largest number of parameters
NEAR = 1e-3  # relative distance of T_C from the last point below which the fit is refused
NOISE = 0.05  # of the largest M. A power law 1/3 is that small within 0.02 % of T_C: no M_s is measured there
NOISE_ERRORS = 3  # M within so many errors of zero is noise, too


class Undetermined(BookError, ValueError):
    """The points do not determine T_C with this form."""


class AtTheLastPoint(Undetermined):
    """The fit puts T_C at the last point."""


class CurieFit(NamedTuple):
    """A fitted form M_0 m(T / T_C).

    t_c, m0: in K and in the units of M, with their errors.
    exponent: of the power law, None for the other forms; its error is 0 where it was given.
    shape: Kuz'min's s with its error, None for the other forms.
    residuals, rms: M - fit [n] and its root mean square, in the units of M.
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
    shape_error: float | None
    residuals: np.ndarray
    rms: float
    reach: float
    function: Callable


def _power(x, exponent):
    return np.maximum(1 - x, 0.0) ** exponent


def _bloch(x):
    return np.maximum(1 - x**1.5, 0.0)


def _kuzmin(x, s):
    return np.cbrt(np.maximum(1 - s * x**1.5 - (1 - s) * x**2.5, 0.0))


def power_law(T, M, exponent=1 / 3, *, weights=0, name=None):
    """M_0 (1 - T/T_C)^exponent -> `CurieFit`.

    T, M: [n] in K and in any units, n >= 4, in any order.
    exponent: positive, or None: it is fitted.
    weights: a number k, sigma proportional to M^k; or errors [n] in the units of M.

    ValueError for points or weights of another form, `Undetermined` where the points do not determine T_C.
    """
    if exponent is None:
        return _fit(T, M, _power, (0.35,), weights, name or "exponent free")
    if not 0 < exponent < 5:
        raise ValueError(f"exponent = {exponent}: give a positive number, for example 1/3")
    return _fit(T, M, _power, (), weights, name or f"exponent {exponent:.3g}", fixed=float(exponent))


def bloch(T, M, *, weights=0):
    """M_0 (1 - (T/T_C)^(3/2)), with T_C where Bloch's law would vanish."""
    return _fit(T, M, _bloch, (), weights, "Bloch 3/2")


def kuzmin(T, M, *, weights=0):
    """Kuz'min's form (top of this file) with its shape parameter s fitted; arguments as in `power_law`."""
    return _fit(T, M, _kuzmin, (0.5,), weights, "Kuz'min")


def _sigma(M, weights):
    """Errors for curve_fit, and whether they are absolute."""
    try:
        errors = np.asarray(weights, dtype=float)
    except ValueError:
        remedy = "give k, for sigma proportional to M^k, or the errors of the points"
        raise ValueError(f"weights = {weights!r}: {remedy}") from None
    if errors.ndim == 0:
        if not abs(errors) <= 10:
            raise ValueError(f"weights = {weights}: give a power of M between -10 and 10, for example 1")
        return (M / M.mean()) ** float(errors), False
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
        raise Undetermined(
            f"{name}: the fit does not converge; M must fall with T, and T must stay below T_C"
        ) from None
    above = np.exp(p[1])
    if not np.all(np.isfinite(covariance)) or above > 1e3:
        raise Undetermined(f"{name}: these points do not determine T_C; M must fall with T, up to a good part of T_C")
    if above < NEAR:
        at_end = f"the fit puts T_C at the last point, T = {last:g} K"
        raise AtTheLastPoint(f"{name}: {at_end}; leave out points at or above T_C")
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
        shape_error=float(errors[2]) if is_kuzmin else None,
        residuals=residuals,
        rms=float(np.sqrt((residuals**2).mean())),
        reach=float(last / t_c),
        function=function,
    )


# The forms of the page -------------------------------------------------------------------------------------

ISING_3D, HEISENBERG_3D = 0.326, 0.365  # critical exponents of the magnetisation in three dimensions


class Form(NamedTuple):
    """A form that one might fit: what it assumes, whether that can be defended, fit: (T, M, weights=) -> `CurieFit`."""

    name: str
    assumes: str
    defensible: bool
    fit: Callable


def _power_form(name, assumes, exponent, defensible=True):
    return Form(name, assumes, defensible, partial(power_law, exponent=exponent, name=name))


FORMS = (
    _power_form("exponent 1/3", "one power law at all T; the form of the talk", 1 / 3),
    _power_form("Ising 0.326", "the same, exponent of an easy axis near T_C", ISING_3D),
    _power_form("Heisenberg 0.365", "the same, exponent of free spins near T_C", HEISENBERG_3D),
    _power_form("exponent free", "the same, exponent from these points", None),
    Form("Kuz'min", "spin waves when cold, exponent 1/3 at T_C, s from these points", True, kuzmin),
    # no ferromagnet in three dimensions has the exponent 1/2 near T_C, and Bloch's law ends nowhere near it
    _power_form("mean field 1/2", "one power law at all T, no fluctuations", 0.5, defensible=False),
    Form("Bloch 3/2", "spin waves only, up to T_C", False, bloch),
)
DEFENSIBLE = tuple(form.name for form in FORMS if form.defensible)


def all_forms(T, M, *, weights=0):
    """dict name -> `CurieFit` of FORMS, without those that these points do not determine. Arguments as in `power_law`.

    `Undetermined` where they do not determine the first of them, the form of the talk.
    """
    fits = {}
    for form in FORMS:
        try:
            fits[form.name] = form.fit(T, M, weights=weights)
        except Undetermined:
            if form is FORMS[0]:
                raise
    return fits


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


def spread(fits, names=None):
    """`Spread` of T_C over the fits with these names, by default the defensible ones.

    fits: dict name -> `CurieFit` (`all_forms`).
    """
    names = [name for name in DEFENSIBLE if name in fits] if names is None else names
    unknown = [name for name in names if name not in fits]
    if unknown or not names:
        raise ValueError(f"names = {tuple(names)}: choose some of {', '.join(fits)}")
    low, high = min(names, key=lambda n: fits[n].t_c), max(names, key=lambda n: fits[n].t_c)
    return Spread(fits[low].t_c, fits[high].t_c, low, high)


def leave_one_out(T, M, fit=power_law):
    """The fit repeated without each point in turn: a list [n] of `CurieFit`, or None where T_C is not determined then.

    fit: function (T, M) -> `CurieFit`. ValueError with fewer than 5 points.
    """
    T, M = _check(T, M)
    if len(T) <= FEWEST:
        raise ValueError(f"{len(T)} points: leaving one out needs at least {FEWEST + 1}")
    return [_or_none(fit, np.delete(T, k), np.delete(M, k)) for k in range(len(T))]


def _or_none(fit, T, M):
    try:
        return fit(T, M)
    except Undetermined:
        return None


# Points above T_C ------------------------------------------------------------------------------------------


def below_t_c(data):
    """The points below T_C: `Magnetization`, with a note that names the temperatures of the others.

    data: `Magnetization`. Left out are all points from the lowest T on at which M is noise: below NOISE of its largest
    value, zero or negative, or within NOISE_ERRORS errors of zero. Then those above the T_C of the power law 1/3 that
    describes all points best, with M = 0 above it. A tail that a field keeps up beyond noise is not recognised.

    `Undetermined`, one line with the file, where M is large again beyond noise, or too few points are left, or they do
    not determine the T_C of that power law.
    """
    T, M, errors = data.T, data.M, data.errors
    noise = np.full(len(T), NOISE * M.max() if M.max() > 0 else np.inf)
    if errors is not None:
        noise = np.maximum(noise, NOISE_ERRORS * errors)
    small = M <= noise
    end = int(np.argmax(small)) if small.any() else len(T)
    again = np.flatnonzero(M[end:] > 2 * noise[end:]) + end
    if len(again):
        where = f"M = {M[end]:g} at {T[end]:g} K is noise, but M = {M[again[0]]:g} at {T[again[0]]:g} K is not"
        raise Undetermined(f"{data.source}: {where}; correct the file")
    problem = None
    while end >= FEWEST:
        sigma = None if errors is None else errors[:end]
        kept = int((T[:end] <= _best_t_c(T[:end], M[:end], sigma)).sum())
        if kept < end:
            end = kept
            continue
        try:
            power_law(T[:end], M[:end], weights=0 if sigma is None else sigma)
        except AtTheLastPoint:
            end -= 1 + end // 200  # files of instruments have thousands of points
            continue
        except Undetermined as caught:
            problem = caught
        break
    many = len(T) - end > 12
    left_out = f"{T[end]:g} to {T[-1]:g}" if many else ", ".join(f"{t:g}" for t in T[end:])
    above = f"M is noise, or the fit puts T_C below, at T = {left_out} K" if left_out else ""
    if end < FEWEST:
        problem = f"{end} points below T_C, a fit needs at least {FEWEST}; add points"
    if problem:
        raise Undetermined(f"{data.source}: {problem}{f' ({above})' if above else ''}")
    notes = (*data.notes, f"Points left out: {len(T) - end}. {above}.") if above else data.notes
    return data._replace(T=T[:end], M=M[:end], errors=None if errors is None else errors[:end], notes=notes)


def _best_t_c(T, M, errors):
    """T_C of the least squares of M_0 (1 - T/T_C)^(1/3), zero above T_C, on a grid that begins inside the data."""
    weight = np.ones_like(M) if errors is None else errors**-2.0

    def misfit(t_c):
        shape = _power(T / t_c, 1 / 3)
        m0 = (weight * shape * M).sum() / (weight * shape**2).sum()
        return (weight * (M - m0 * shape) ** 2).sum()

    return min(np.geomspace(T[FEWEST - 1] * (1 + NEAR), 4 * T[-1], 2000), key=misfit)
