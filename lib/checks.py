"""Laws that a network, a sampler or a system must obey, as functions that raise `CheckFailed` with one line.

    checks.check_autoregressive(model)        earlier conditionals do not see later sites
    checks.check_normalised(model)            the sum of p over all configurations is 1
    checks.check_sample_log_prob(model)       sample and log_prob agree; cached sampling equals naive sampling
    checks.check_detailed_balance(P, log_w)   a transition matrix leaves exp(log_w) invariant, pair by pair;
                                              P of single-spin flips: `single_flips`
    checks.check_energy_differences(...)      a flip's energy change equals the difference of two energies
    checks.check_commutes(rule, s, before)    a rule (blocking, thresholding) respects a symmetry
    checks.check_schwinger_dyson(f, force)    <f_i dS/dx_i> = 1 at every site, f_i = x_i or x_i minus another site

Models are anything with the interface of `lib.models.autoregressive.Autoregressive`: yours too. The first three work on
a copy of the model whose weights have been shaken: a law of the architecture holds for all weights, and an initial
weight of zero must not hide a leak.
"""

import copy
import itertools

import numpy as np
import torch

from lib.errors import BookError
from lib.statistics import mean


class CheckFailed(BookError):
    """A law is broken; the message names the first place where."""


def shaken(model, seed=0, scale=0.3):
    """A copy of `model` in float64 with Gaussian noise of size `scale` added to every weight."""
    model = copy.deepcopy(model).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight += scale * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


@torch.no_grad()
def check_autoregressive(model, n=8, seed=0):
    """Change one input at a time: conditionals of the same and of earlier sites must not move.

    Returns depends [N, N], a numpy bool array in drawing order: depends[k, j], conditional k moved with site j.
    Raises CheckFailed naming the first conditional, and the first site, for which it should not have.
    """
    model = shaken(model, seed)
    generator = torch.Generator().manual_seed(seed)
    allowed, _ = model.head.site_rule(81)
    index = torch.randint(len(allowed), (n, model.n_sites), generator=generator)
    other = (index + torch.randint(1, len(allowed), index.shape, generator=generator)) % len(allowed)
    base, changed = allowed[index], allowed[other]
    before = model.conditionals(base)
    depends = np.zeros((model.n_sites, model.n_sites), dtype=bool)
    for j in range(model.n_sites):
        values = base.clone()
        values[:, j] = changed[:, j]
        moved = (model.conditionals(values) - before).abs().amax((0, 2))
        depends[:, j] = (moved > 1e-12 * (1 + before.abs().amax((0, 2)))).numpy()
    leaks = np.argwhere(np.triu(depends))
    if len(leaks):
        k, j = leaks[0]
        site = int(model.order[j])
        which = "itself" if j == k else f"number {j}, which comes later"
        raise CheckFailed(
            f"not autoregressive: conditional number {k} moves with site {which} "
            f"(flat index {site}; numbers count in drawing order)"
        )
    return depends


@torch.no_grad()
def check_normalised(model, tolerance=None, seed=0, points=81, largest=2_000_000):
    """The sum (or integral) of p over all configurations is 1 within `tolerance`; for small systems. Returns the sum.

    tolerance: 1e-12 by default for discrete sites; 1e-6 for continuous ones, whose density may diverge at an end.
    """
    model = shaken(model, seed)
    values, weights = model.head.site_rule(points)
    if tolerance is None:
        tolerance = 1e-12 if bool((weights == 1).all()) else 1e-6
    n = len(values) ** model.n_sites
    if n > largest:
        raise ValueError(f"{n} configurations to add up: check a smaller lattice, of at most {largest}")
    total = 0.0
    states = itertools.product(range(len(values)), repeat=model.n_sites)
    while chunk := list(itertools.islice(states, 100_000)):
        index = torch.tensor(chunk)
        log_prob = model.log_prob(model.unflatten(values[index]))
        total += float((log_prob.exp() * weights[index].prod(1)).sum())
    if not abs(total - 1) <= tolerance:
        raise CheckFailed(f"not normalised: p adds up to 1 {total - 1:+.3e}, allowed {tolerance:g}")
    return total


@torch.no_grad()
def check_sample_log_prob(model, n=64, seed=0, tolerance=1e-9):
    """The ln p that `sample` returns is `log_prob` of the sample; cached sampling equals naive sampling."""
    model = shaken(model, seed, scale=0.1)
    configurations, log_prob = model.sample(n, seed)
    _compare(log_prob, model.log_prob(configurations), tolerance, "ln p from sample and from log_prob")
    naive, naive_log_prob = model.sample(n, seed, naive=True)
    _compare(configurations, naive, tolerance, "cached and naive samples")
    _compare(log_prob, naive_log_prob, tolerance, "ln p of cached and of naive samples")


def _compare(ours, theirs, tolerance, what):
    difference = (ours - theirs).abs().flatten(1 if ours.ndim > 1 else 0)
    difference = difference.amax(1) if difference.ndim > 1 else difference
    wrong = ~(difference <= tolerance * (1 + theirs.abs().max()))
    if bool(wrong.any()):
        k = int(wrong.nonzero()[0, 0])
        size = float(difference[k])
        raise CheckFailed(f"{what} differ by {size:.3e} in configuration {k}, allowed {tolerance:g}")


def check_detailed_balance(transition_matrix, log_weights, tolerance=1e-12):
    """w_i P_ij = w_j P_ji for every pair of states, w = exp(log_weights); the rows of P are probabilities.

    transition_matrix [S, S], P_ij from state i to state j; log_weights [S].
    """
    P, log_w = np.asarray(transition_matrix, float), np.asarray(log_weights, float)
    if P.shape != (len(log_w), len(log_w)):
        raise ValueError(f"transition matrix of shape {P.shape} for {len(log_w)} states: it must be [S, S]")
    if not np.all(np.isfinite(P)) or P.min() < -tolerance:
        raise CheckFailed(f"not a transition matrix: its smallest entry is {P.min():.3e}")
    rows = P.sum(1)
    if not np.abs(rows - 1).max() <= tolerance:
        i = int(np.abs(rows - 1).argmax())
        raise CheckFailed(f"not a transition matrix: the row of state {i} adds up to 1 {rows[i] - 1:+.3e}")
    w = np.exp(log_w - np.logaddexp.reduce(log_w))
    flow = w[:, None] * P
    wrong = ~(np.abs(flow - flow.T) <= tolerance * w.max())
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise CheckFailed(
            f"no detailed balance: the flow from state {i} to {j} is {flow[i, j]:.6e}, back {flow[j, i]:.6e}"
        )


def single_flips(acceptance, energies):
    """Transition matrix [S, S] of single-spin flips, for `check_detailed_balance`, of a lattice small enough for it.

    One step: a site chosen at random, its spin flipped with probability a(dE). So P_ss' = a(E(s') - E(s)) / N for
    states that differ in one spin, and the rest stays.

    acceptance: a, energy changes [S] -> probabilities [S] between 0 and 1
    energies: [S = 2^N] of all states, counted by their spins that are down (`ising.enumerate_states`), N <= 12
    ValueError for another number of energies and for an acceptance of another shape or range.
    """
    E = np.asarray(energies, float)
    N = len(E).bit_length() - 1
    if len(E) != 2**N or not 1 <= N <= 12:
        raise ValueError(f"{len(E)} energies: give those of all 2^N states of N = 1 to 12 spins")
    P, here = np.zeros((len(E), len(E))), np.arange(len(E))
    for site in range(N):
        there = here ^ (1 << site)
        a = np.asarray(acceptance(E[there] - E), float)
        if a.shape != E.shape or not ((a >= 0) & (a <= 1)).all():
            raise ValueError("acceptance: give one probability between 0 and 1 for each energy change")
        P[here, there] = a / N
    P[here, here] = 1 - P.sum(1)
    return P


def check_energy_differences(energy, flip_energy, configurations, sites=None, tolerance=1e-9):
    """flip_energy(s, site) = energy(s with that spin reversed) - energy(s), for every configuration and site.

    energy: configurations [n, ...] -> [n]. flip_energy: (configurations, flat site index) -> [n].
    configurations: array [n, ...] of +-1. sites: flat indices to try, default all.
    """
    before = np.asarray(energy(configurations), float)
    n_sites = int(np.prod(configurations.shape[1:]))
    for site in range(n_sites) if sites is None else sites:
        flipped = configurations.copy()
        flipped.reshape(len(flipped), -1)[:, site] *= -1
        expected = np.asarray(energy(flipped), float) - before
        found = np.asarray(flip_energy(configurations, site), float)
        wrong = ~(np.abs(found - expected) <= tolerance * (1 + np.abs(expected)))
        if wrong.any():
            k = int(np.argwhere(wrong)[0, 0])
            raise CheckFailed(
                f"flip of site {site} in configuration {k}: energy change {found[k]:.6g}, "
                f"but the energies differ by {expected[k]:.6g}"
            )


def check_commutes(rule, configurations, before, after=None, tolerance=0.0):
    """rule(before(s)) = after(rule(s)) for every configuration: the rule respects a symmetry.

    rule: configurations [n, ...] -> array [n, ...], deterministic. before: a symmetry operation on configurations.
    after: what it does to the results (default: the same function). tolerance: fraction of the entries of one
    configuration that may differ, for a threshold that rounding may cross. Raises CheckFailed naming the first
    violation.
    """
    after = before if after is None else after
    one, other = np.asarray(rule(before(configurations))), np.asarray(after(rule(configurations)))
    if one.shape != other.shape:
        raise CheckFailed(f"the rule gives the shape {one.shape} after the operation, {other.shape} before it")
    share = (one != other).reshape(len(one), -1).mean(axis=1)
    wrong = ~(share <= tolerance)
    if wrong.any():
        k = int(wrong.argmax())
        raise CheckFailed(
            f"the rule does not commute with the operation: {100 * share[k]:.3g} % of the entries of configuration {k} "
            f"differ, in {int(wrong.sum())} of {len(wrong)} configurations"
        )


def check_schwinger_dyson(factor, force, sigmas=8):
    """<f_i dS/dx_i> = <df_i/dx_i> = 1 at every site, within so many errors: integration by parts.

    factor: f_i [n, N] on n independent configurations of exp(-S), with df_i/dx_i = 1: x_i, or x_i - x_{i-1}.
    force: dS/dx_i on them, [n, N].

    Raises CheckFailed, naming the first site that is off.
    """
    found, error = mean(factor * force)
    off = np.abs(found - 1) / error
    if not off.max() <= sigmas:
        i = int(off.argmax())
        raise CheckFailed(f"<f dS/dx> at site {i} is {found[i]:.2f} +- {error[i]:.2f}, not 1")
