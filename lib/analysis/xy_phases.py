r"""Energy, helicity modulus and vortices under exp(-H_theta / T), from networks learned at T0.

The route is that of `transitions.by_surrogate`: read the couplings of `lib.systems.xy.OPERATORS` from the network
(`couplings.py`, with rotations of single spins as moves), adapt them to H_theta at T, sample that surrogate H_s, and
reweight by exp[-(H_theta - H_s) / T]. A long run of the surrogate is the control variate: what the few configurations
that a network has evaluated supply is the difference between the two. The couplings of several networks nearly
coincide, so one surrogate, adapted to their mean, and one set of its configurations serve all of them.

H_theta averaged over lattice images of a configuration is smoother than the raw one, and the weights are more even.
Here H_theta itself is averaged, not p: -ln of an average of p is a soft minimum over the images, lowest where one of
them errs, and favours configurations rich in vortices.
"""

from typing import NamedTuple

import numpy as np

from lib import lattice, parallel
from lib.analysis import couplings
from lib.analysis.importance import effective_sample_size
from lib.samplers import chains, mcmc
from lib.statistics import block_sums, jackknife, over_networks
from lib.systems import xy

NAMES = ("energy", "helicity", "vortices")


class Curves(NamedTuple):
    """Averages at temperatures T [t]: `values`, `errors` map each of NAMES to an array [t]; ess [t] between 0 and 1."""

    T: np.ndarray
    values: dict
    errors: dict
    ess: np.ndarray


def read(hamiltonian, theta, *, moves=16, seed=0):
    """`Couplings` of H_theta on all of `xy.OPERATORS`, and on nn alone, from moves of angles [n, L, L] drawn at T0."""
    tried = couplings.try_moves(
        hamiltonian, theta, xy.operators, tuple(xy.OPERATORS), xy.rotate_one, moves=moves, seed=seed
    )
    return couplings.read_moves(tried, hamiltonian.T0), couplings.read_moves(tried, hamiltonian.T0, ("nn",))


class MeanOverImages:
    """H_theta averaged over the first `images` elements of `lattice.subgroup`: 4 (reflections), 8 (D4), 16."""

    def __init__(self, hamiltonian, images=8):
        if images not in (4, 8, 16):
            raise ValueError(f"images = {images}: 4, 8 or 16 of them form a group")
        (side, _) = hamiltonian.model.site_shape
        self.hamiltonian, self.T0, self.images = hamiltonian, hamiltonian.T0, lattice.subgroup(side)[:images]

    def log_prob(self, theta):
        """-H / T0 of angles [n, L, L]: the mean of ln p over the images, not normalised."""
        return np.mean([self.hamiltonian.log_prob(image(theta)) for image in self.images], axis=0)

    def energy(self, theta):
        """H_theta [n], in units of T0."""
        return -self.T0 * self.log_prob(theta)


def _observables(theta):
    return np.stack([xy.energy(theta), (xy.currents(theta) ** 2).sum(1), xy.vortex_density(theta)], axis=1)


def _derived(T, n_sites):
    """Function from <E>, <I^2>, <vortices> to NAMES."""
    return lambda means: np.array([means[0] / n_sites, xy.helicity_modulus(means[0], means[1], T, n_sites), means[2]])


def _adapted(energy, theta):
    """Couplings (dict name -> J) that fit energies [n] of angles [n, L, L] best, by least squares."""
    operators = xy.operators(theta)
    columns = np.concatenate([np.ones((len(theta), 1)), -operators], axis=1)
    solution = np.linalg.lstsq(columns, energy, rcond=None)[0]
    return dict(zip(xy.OPERATORS, solution[1:].tolist(), strict=True))


class Averages(NamedTuple):
    """Mean over the networks of each of NAMES, its error, and the mean effective sample size."""

    values: np.ndarray
    errors: np.ndarray
    ess: float


def by_surrogate(hamiltonians, surrogate, L, T, n, n_sweeps, seed, pilot=200, blocks=50):
    """`Averages` over the networks under exp(-H_theta / T).

    hamiltonians: have energy(theta). surrogate: dict name -> J, read at T0; `_adapted` to their mean energy on `pilot`
    of its configurations at T (0: not) before it is used. n: configurations that every network evaluates. n_sweeps: of
    the long run of the surrogate. Errors: jackknife of the mean, since the configurations are shared; the long run; and
    the spread between networks, which one network alone does not have.
    """
    rng = np.random.default_rng(seed)
    if pilot:
        theta = mcmc.sample(chains.XY(L, T, couplings=surrogate), pilot, rng).configurations
        surrogate = _adapted(np.mean([h.energy(theta) for h in hamiltonians], axis=0), theta)
    chain = chains.XY(L, T, couplings=surrogate)
    run = mcmc.measure(chain, n_sweeps, rng)
    known = run.replica_means[:, [0, 2, 3]].mean(0)
    theta = mcmc.sample(chain, n, rng).configurations
    observables = _observables(theta)
    own = -xy.operators(theta, tuple(surrogate)) @ np.array(list(surrogate.values()))
    log_w = np.array([-(h.energy(theta) - own) / T for h in hamiltonians])
    w = np.exp(log_w - log_w.max(axis=1, keepdims=True)).T  # [n, networks]
    weights = np.concatenate([np.ones((n, 1)), w], axis=1)  # those of the control variate first
    columns = np.concatenate([weights[:, :, None], weights[:, :, None] * observables[:, None]], axis=2)
    derived = _derived(T, L * L)

    def each(total):
        means = total[:, 1:] / total[:, :1]
        return np.array([derived(mean - means[0] + known) for mean in means[1:]])

    sums = block_sums(columns, min(blocks, n))
    _, error = jackknife(lambda total: each(total).mean(0), sums)
    long_run = np.array([run.energy()[1], run.helicity()[1], run.vortex_density()[1]])
    average = over_networks(each(sums.sum(0)), shared=np.hypot(error, long_run))
    return Averages(*average, float(np.mean([effective_sample_size(x) for x in log_w])))


class Extrapolated(NamedTuple):
    """What networks of one lattice say: `Couplings` on all operators and on nn alone of each; `Curves` of the mean."""

    couplings: list
    nearest: list
    curves: Curves


def _read(learned, seed):
    """`read` of a `Learned` network, H averaged over images, from 150 new configurations at T0."""
    task = learned.task
    theta = mcmc.sample(chains.XY(task.source.L, task.source.T), 150, np.random.default_rng([seed, 2])).configurations
    return read(MeanOverImages(learned.hamiltonian), theta, seed=seed)


def extrapolate(learned, temperatures, n, n_sweeps, seed):
    """Dict L -> `Extrapolated`: couplings read at T0, then `by_surrogate` at each temperature, side by side.

    learned: dict L -> list of `Learned`. temperatures, n: dict L -> of the lattice, the latter the configurations
    evaluated at each temperature. n_sweeps: of the long runs.
    """
    found = iter(parallel.run((_read, one, seed + k) for group in learned.values() for k, one in enumerate(group)))
    couplings_of = {L: [next(found) for _ in group] for L, group in learned.items()}
    jobs = []
    for L, group in learned.items():
        hamiltonians = [MeanOverImages(one.hamiltonian) for one in group]
        mean = np.mean([every.values for every, _ in couplings_of[L]], axis=0)
        surrogate = dict(zip(xy.OPERATORS, mean.tolist(), strict=True))
        points = enumerate(zip(temperatures[L], n[L], strict=True))
        jobs += [(by_surrogate, hamiltonians, surrogate, L, T, m, n_sweeps, [seed, 4, L, k]) for k, (T, m) in points]
    rows = iter(parallel.run(jobs))
    curves = {L: _curves(temperatures[L], *zip(*(next(rows) for _ in temperatures[L]), strict=True)) for L in learned}
    return {
        L: Extrapolated([every for every, _ in pairs], [nearest for _, nearest in pairs], curves[L])
        for L, pairs in couplings_of.items()
    }


def direct(L, temperatures, n_sweeps, seed, surrogate=None):
    """`Curves` by direct Monte Carlo of the true Hamiltonian, or of a surrogate (dict name -> J)."""
    rows, errors = [], []
    for number, T in enumerate(temperatures):
        run = mcmc.measure(chains.XY(L, T, couplings=surrogate), n_sweeps, np.random.default_rng([seed, 3, number]))
        parts = run.energy(), run.helicity(), run.vortex_density()
        rows.append([value for value, _ in parts])
        errors.append([error for _, error in parts])
    return _curves(temperatures, rows, errors, np.ones(len(temperatures)))


def _curves(T, rows, errors, ess):
    rows, errors = np.array(rows), np.array(errors)
    named = [{name: table[:, k] for k, name in enumerate(NAMES)} for table in (rows, errors)]
    return Curves(np.asarray(T, float), *named, np.asarray(ess))
