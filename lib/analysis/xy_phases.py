r"""Energy, helicity modulus and vortices under exp(-H_theta / T), from one network learned at T0.

The route is that of `transitions.by_surrogate`: read the couplings of `lib.systems.xy.OPERATORS` from the network
(`couplings.py`, with rotations of single spins as moves), adapt them to H_theta at T, sample that surrogate H_s, and
reweight by exp[-(H_theta - H_s) / T]. A long run of the surrogate is the control variate: what the few configurations
that the network has evaluated supply is the difference between the two. H_theta averaged over lattice images of a
configuration is smoother than the raw one, and the weights are much more even.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import couplings
from lib.analysis.importance import Control, reweight
from lib.models.learned_xy import LearnedXY
from lib.samplers import xy as sampler
from lib.statistics import over_networks
from lib.systems import lattice, xy

NAMES = ("energy", "helicity", "vortices")


class Curves(NamedTuple):
    """Averages at temperatures T [t]: `values`, `errors` map each of NAMES to an array [t]; ess [t] between 0 and 1."""

    T: np.ndarray
    values: dict
    errors: dict
    ess: np.ndarray


def rotate_one(theta, rng):
    """Copies of angles [n, L, L] with one spin of each, chosen at random, turned by up to a quarter turn."""
    theta = theta.copy()
    flat = theta.reshape(len(theta), -1)
    site = rng.integers(flat.shape[1], size=len(theta))
    flat[np.arange(len(theta)), site] += rng.uniform(-np.pi / 2, np.pi / 2, len(theta))
    return theta % xy.TWO_PI


def read(hamiltonian, theta, *, moves=16, seed=0):
    """`Couplings` of H_theta on all of `xy.OPERATORS`, and on nn alone, from moves of angles [n, L, L] drawn at T0."""
    tried = couplings.try_moves(
        hamiltonian, theta, xy.operators, tuple(xy.OPERATORS), rotate_one, moves=moves, seed=seed
    )
    return couplings.read_moves(tried, hamiltonian.T0), couplings.read_moves(tried, hamiltonian.T0, ("nn",))


def symmetrised(hamiltonian, images=4):
    """The same network, p averaged over lattice images: 4 (reflections), 8 (D4) or 16 (with a shift by L/2)."""
    if images not in (4, 8, 16):
        raise ValueError(f"images = {images}: 4, 8 or 16 of them form a group")
    (side, _) = hamiltonian.model.site_shape
    return LearnedXY(hamiltonian.model, hamiltonian.T0, lattice.subgroup(side)[:images], hamiltonian.view)


def _observables(theta):
    return np.stack([xy.energy(theta), (xy.currents(theta) ** 2).sum(1), xy.vortex_density(theta)], axis=1)


def _derived(T, n_sites):
    """Function from <E>, <I^2>, <vortices> to NAMES."""
    return lambda means: np.array([means[0] / n_sites, xy.helicity_modulus(means[0], means[1], T, n_sites), means[2]])


def adapted(hamiltonian, theta):
    """Couplings (dict name -> J) that fit H_theta best on angles [n, L, L], by least squares."""
    operators = xy.operators(theta)
    columns = np.concatenate([np.ones((len(theta), 1)), -operators], axis=1)
    solution = np.linalg.lstsq(columns, hamiltonian.energy(theta), rcond=None)[0]
    return dict(zip(xy.OPERATORS, solution[1:].tolist(), strict=True))


def by_surrogate(hamiltonian, surrogate, L, temperatures, n, n_sweeps, seed, pilot=200):
    """`Curves` under exp(-H_theta / T).

    surrogate: dict name -> J, read at T0. At each temperature it is `adapted` to H_theta on `pilot` of its
    configurations (0: not) before it is used. n: configurations that the network evaluates, a number or one for each
    temperature. n_sweeps: of the long run of the surrogate. Errors: jackknife and those of the long run; the spread
    between networks is not in them.
    """
    rows, errors, ess, first = [], [], [], surrogate
    for number, (T, n_here) in enumerate(zip(temperatures, np.broadcast_to(n, len(temperatures)), strict=True)):
        rng = np.random.default_rng([seed, 4, number])
        if pilot:
            theta = sampler.sample(L, T, pilot, rng, couplings=first).configurations
            surrogate = adapted(hamiltonian, theta)
        run = sampler.measure(L, T, n_sweeps, rng, couplings=surrogate)
        theta = sampler.sample(L, T, n_here, rng, couplings=surrogate).configurations
        observables = _observables(theta)
        own = -xy.operators(theta, tuple(surrogate)) @ np.array(list(surrogate.values()))
        log_w = -(hamiltonian.energy(theta) - own) / T
        means = run.replica_means[:, [0, 2, 3]]
        control = Control(means.mean(0), observables, np.zeros(n_here))
        derived = _derived(T, L * L)
        estimate = reweight(observables, log_w, derived, control=control)
        long_run = np.array([run.energy()[1], run.helicity()[1], run.vortex_density()[1]])
        rows.append(estimate.value)
        errors.append(np.hypot(estimate.error, long_run))
        ess.append(estimate.ess)
    return _curves(temperatures, rows, errors, ess)


class Extrapolated(NamedTuple):
    """What one network says: `Couplings` on all operators and on nn alone, and its `Curves`."""

    couplings: couplings.Couplings
    nearest: couplings.Couplings
    curves: Curves


def extrapolate(learned, temperatures, n, n_sweeps, seed):
    """`Extrapolated` of a `Learned` network: couplings read at T0, then `by_surrogate`, H averaged over reflections.

    The couplings are read from 150 new configurations at T0.
    """
    task = learned.task
    L, T0 = task.source.L, task.source.T
    theta = sampler.sample(L, T0, 150, np.random.default_rng([seed, 2])).configurations
    hamiltonian = symmetrised(learned.hamiltonian)
    every, nearest = read(hamiltonian, theta, seed=seed)
    surrogate = dict(zip(every.names, every.values.tolist(), strict=True))
    curves = by_surrogate(hamiltonian, surrogate, L, temperatures, n, n_sweeps, seed)
    return Extrapolated(every, nearest, curves)


def direct(L, temperatures, n_sweeps, seed, surrogate=None):
    """`Curves` by direct Monte Carlo of the true Hamiltonian, or of a surrogate (dict name -> J)."""
    rows, errors = [], []
    for number, T in enumerate(temperatures):
        run = sampler.measure(L, T, n_sweeps, np.random.default_rng([seed, 3, number]), couplings=surrogate)
        parts = run.energy(), run.helicity(), run.vortex_density()
        rows.append([value for value, _ in parts])
        errors.append([error for _, error in parts])
    return _curves(temperatures, rows, errors, np.ones(len(temperatures)))


def _curves(T, rows, errors, ess):
    rows, errors = np.array(rows), np.array(errors)
    named = [{name: table[:, k] for k, name in enumerate(NAMES)} for table in (rows, errors)]
    return Curves(np.asarray(T, float), *named, np.asarray(ess))


def average(curves):
    """Mean over the `Curves` of several networks; errors hold the spread between them (`statistics.over_networks`)."""
    values, errors = {}, {}
    for name in NAMES:
        values[name], errors[name] = over_networks([c.values[name] for c in curves], [c.errors[name] for c in curves])
    return Curves(curves[0].T, values, errors, np.mean([c.ess for c in curves], axis=0))
