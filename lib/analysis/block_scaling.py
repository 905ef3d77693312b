r"""Block spins at other temperatures: what p_theta(S)^(T0 / T) says, with and without the multiplicities.

A network has learned p(S) of block sums at T0. Scaling the temperature as for spins gives p^(T0/T). But p(S) contains
the number of spin configurations behind a block, g(S) = prod_i (1, 4, 6, 4, 1), which is not an energy: it is there at
any temperature. So there are two ways,

    ln w = (T0 / T) ln p                         (everything scaled, as the talk does)
    ln w = (T0 / T) (ln p - ln g) + ln g          (energies scaled, multiplicities kept: free spins as T -> infinity)

Either is sampled through a surrogate (`lib.systems.block_spins`) whose couplings are read from the network at T0,
annealed from T0 upwards and downwards (`lib.samplers.population_annealing`), and reweighted to the network, as in
`importance.py`. Where the effective sample size is too small to tell, the curves are nan.
"""

from typing import NamedTuple

import numpy as np

from lib.analysis import blocking
from lib.analysis.couplings import read_moves, try_moves
from lib.analysis.importance import effective_sample_size, reweight
from lib.analysis.transitions import NAMES, Curves
from lib.samplers import population_annealing
from lib.statistics import Estimate, NoFeature, or_nan, over_networks
from lib.systems import block_spins

GROUPS = 25
ENOUGH = 100  # smallest effective sample size that is shown


def observables(states):
    """Columns [n, 4] of block sums 0 ... 4 [n, L, L]: bonds S S' / 16 per bond, |m|, m^2, m^4 with m = mean S / 4."""
    S = 2.0 * states - 4
    bonds = (S * np.roll(S, -1, 1) + S * np.roll(S, -1, 2)).mean((1, 2)) / 32
    m = np.abs(S.mean((1, 2))) / 4
    return np.stack([bonds, m, m**2, m**4], axis=1)


class Surrogate:
    """The block-spin model that stands in for `hamiltonian` (a `LearnedHamiltonian` on states 0 ... 4) at any T.

    configurations: states [n, L, L] drawn at T0, on which the couplings are read. keep_multiplicity: which of the two
    ways to scale the temperature.
    """

    def __init__(self, hamiltonian, configurations, keep_multiplicity, seed):
        self.hamiltonian = hamiltonian
        tried = try_moves(
            hamiltonian, configurations, block_spins.operators, block_spins.names(), block_spins.change_one,
            moves=24, seed=seed,
        )  # fmt: skip
        read = read_moves(tried, 1.0)
        self.K = read.values
        self.log_g = np.log(blocking.multiplicity()) if keep_multiplicity else np.zeros(5)

    def tables(self, T):
        """`block_spins.Tables` of ln w at temperature T."""
        ratio = self.hamiltonian.T0 / T
        return block_spins.tables(ratio * self.K, one=(1 - ratio) * self.log_g)

    def change(self, states, T, T_next):
        """ln w(T_next) - ln w(T) [n] of the surrogate."""
        scaled = block_spins.log_weight(states, block_spins.tables(self.K, one=-self.log_g))
        return self.hamiltonian.T0 * (1 / T_next - 1 / T) * scaled

    def correction(self, states, T):
        """ln of the network's weight relative to the surrogate's at T [n], and ln p [n]."""
        log_p = self.hamiltonian.log_prob(states)
        stand_in = block_spins.log_weight(states, block_spins.tables(self.K))
        return self.hamiltonian.T0 / T * (log_p - stand_in), log_p


def curves(hamiltonian, configurations, temperatures, keep_multiplicity, seed, sweeps=20):
    """`transitions.Curves` of block sums under a learned Hamiltonian, at temperatures that contain its T0.

    hamiltonian: a `LearnedHamiltonian` on states 0 ... 4. configurations: states [n, L, L] drawn at T0, also the
    population that is annealed. energy: minus the mean of S S' / 16 over bonds; specific heat: Var(H_theta) / (N T^2);
    m = mean S / 4. Values whose effective sample size is below `ENOUGH` are nan. Errors: jackknife over independent
    groups; the spread between networks is not in them.
    """
    T, T0 = np.asarray(temperatures, float), hamiltonian.T0
    if not np.isclose(T, T0).any():
        raise ValueError(f"temperatures: T0 = {T0:g} must be one of them, annealing starts there")
    surrogate = Surrogate(hamiltonian, configurations[:250], keep_multiplicity, seed)
    rng = np.random.default_rng([seed, 5])
    populate = configurations.copy()
    population_annealing.sweep(populate, surrogate.tables(T0), rng, 3 * sweeps)
    found = {}
    for path in (T[T >= T0 - 1e-9], T[T <= T0 + 1e-9][::-1]):
        steps = population_annealing.anneal(
            populate, path, surrogate.change, surrogate.tables, rng, sweeps=sweeps, groups=GROUPS
        )
        for t, states in zip(path, steps, strict=True):
            found[t] = _averages(surrogate, states, t)
    rows = [found[t] for t in T]
    values, errors = np.array([value for value, _, _ in rows]), np.array([error for _, error, _ in rows])
    return Curves(
        T,
        {name: values[:, k] for k, name in enumerate(NAMES)},
        {name: errors[:, k] for k, name in enumerate(NAMES)},
        np.full(len(T), np.nan),
        np.array([ess for _, _, ess in rows]),
        len(configurations),
    )


def _averages(surrogate, states, T):
    n_sites = states[0].size
    log_w, log_p = surrogate.correction(states, T)
    H = -surrogate.hamiltonian.T0 * (log_p - log_p.mean())
    columns = np.column_stack([observables(states), H, H**2])

    def derived(means):
        bonds, m, m2, m4, H, H2 = means
        return np.array([-bonds, (H2 - H**2) / (n_sites * T**2), m, n_sites * (m2 - m**2) / T, 1 - m4 / (3 * m2**2)])

    ess = effective_sample_size(log_w)
    if ess * len(states) < ENOUGH:
        return np.full(len(NAMES), np.nan), np.full(len(NAMES), np.nan), ess
    estimate = reweight(columns, log_w, derived, blocks=GROUPS)
    return estimate.value, estimate.error, ess


class AtT0(NamedTuple):
    """|m|, bond average S S' / 16, Var(H_theta) / (N T0^2): [3] over block sums, [3] over the network's own samples."""

    blocks: np.ndarray
    blocks_error: np.ndarray
    network: np.ndarray
    network_error: np.ndarray

    def deviation(self):
        """network / blocks - 1, its error from the network's samples, and from the blocks, [3] each; the last is
        common to all networks that are compared with the same blocks."""
        ratio = self.network / self.blocks
        return ratio - 1, self.network_error / self.blocks, ratio * self.blocks_error / self.blocks


def at_T0(hamiltonian, states, seed):
    """`AtT0`: does the network have the averages of its data? states [n, L, L]: new block sums; as many are sampled."""
    drawn, _ = hamiltonian.model.sample(len(states), seed)
    rows = []
    for s in (states, drawn.numpy().astype(np.int8)):
        H = hamiltonian.energy(s) / (hamiltonian.T0 * np.sqrt(s[0].size))
        columns = np.column_stack([observables(s)[:, [1, 0]], (H - H.mean()) ** 2])
        rows += [columns.mean(axis=0), columns.std(axis=0, ddof=1) / np.sqrt(len(s))]
    return AtT0(*rows)


def transition(curve, level):
    """Temperature at which the Binder cumulant of `Curves` falls through `level`, an `Estimate`.

    A weighted parabola through the two known points on either side: the cumulant saturates below, so points farther
    away would bend it. `NoFeature` without enough known points or without a passage: nothing is read off an edge.
    """
    known = np.isfinite(curve.values["binder"])
    T, U, error = curve.T[known], curve.values["binder"][known], curve.errors["binder"][known]
    falls = np.flatnonzero((U[:-1] >= level) & (U[1:] < level))
    if len(falls) == 0:
        raise NoFeature("the Binder cumulant does not pass the level within the temperatures that are known")
    inner = falls[(falls >= 1) & (falls + 3 <= len(T))]  # noise can make it pass more than once
    if len(inner) == 0:
        raise NoFeature("too few temperatures near the transition have enough effective samples")
    near = slice(inner[len(inner) // 2] - 1, inner[len(inner) // 2] + 3)
    T, U, error = T[near], U[near], error[near]
    centre = T.mean()
    fit, covariance = np.polyfit(T - centre, U - level, 2, w=1 / error, cov="unscaled")

    def root(coefficients):
        roots = np.roots(coefficients)
        roots = roots[np.abs(roots.imag) < 1e-12].real
        falling = roots[np.polyval(np.polyder(coefficients), roots) < 0]
        return falling[0] + centre if len(falling) else np.nan

    found = root(fit)
    if not T[0] <= found <= T[-1]:
        raise NoFeature("the Binder cumulant does not pass the level within the temperatures that are known")
    draws = np.random.default_rng(0).multivariate_normal(fit, covariance, 400)
    return Estimate(float(found), float(np.nanstd([root(draw) for draw in draws])))


def transition_of(curves, level):
    """`transition`, the mean over the `Curves` of several networks; nan if it is not seen in one of them."""
    return over_networks(*np.transpose([or_nan(transition, curve, level) for curve in curves]))
