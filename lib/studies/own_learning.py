r"""From configurations somebody else made to what networks have learned from them: train, test, read, reweight.

The networks are the book's: the frontier network for spins, the equivariant one for angles, the chain network with
mixtures of Gaussians for paths (in units of the root mean square of x). A symmetry is imposed, by construction or by
augmentation, only where the file does not contradict it (`own_data.asymmetries`); the O(2) of the equivariant network
is the exception, it cannot be switched off.

T0 is the number in the weight exp(-H / T0) of the file. For a path the weight is exp(-S / T0): T0 = 1 gives the action
itself, and "another temperature" is another hbar.

Errors have three parts, in quadrature: of the configurations or samples on which a network is evaluated; of the spread
between networks that differ in initial weights and batches; and of the file itself, which all networks share. The last
is that of an exponential family with the readable operators and n_effective configurations: the Cramer-Rao bound for
the couplings, and linear response, d<A>/dK_a = (T0 / T) Cov(A, O_a), for predictions at T.
"""

import functools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from lib import lattice, parallel
from lib.analysis import action, couplings
from lib.analysis.divergence import kl_divergence
from lib.analysis.hamiltonian_error import symmetry_violation
from lib.analysis.own_data import KINDS, asymmetries, average, split, summary
from lib.analysis.reweighting import effective_sample_size, reweight
from lib.models.chain import ChainNetwork
from lib.models.gaussian_mixture import GaussianMixture
from lib.models.hamiltonian import LearnedHamiltonian
from lib.models.heads import Bernoulli
from lib.models.learned_action import LearnedAction
from lib.models.learned_xy import LearnedXY, as_angle
from lib.models.markov_lattice import FrontierNetwork
from lib.models.o2_equivariant import EquivariantFrontier
from lib.statistics import over_networks
from lib.studies import ising as study
from lib.studies import task
from lib.studies.recipes import RECIPES
from lib.systems import ising, xy

ESS_BAR = 0.1  # effective samples / samples above which a temperature counts as within reach
EVALUATED = 200  # configurations from which couplings and symmetry violations are read


# ---------------------------------------------------------------- which symmetries


def holds(broken, *names):
    """Is none of these symmetries contradicted by the file? broken: set of names."""
    return not broken & set(names)


def points(broken):
    """Elements of D4 (`lattice.transform`) that the file does not contradict; they form a group."""
    return [
        p
        for p in range(8)
        if (holds(broken, "axes") or not p & 4) and (holds(broken, "diagonals") or (p & 1) == (p & 2) // 2)
    ]


def lattice_images(side, broken, most=16):
    """`lattice.Image` of a group of at most `most` elements, to average p over."""
    allowed = points(broken)
    shifts = [(0, 0)] + ([(side // 2, side // 2)] if side % 2 == 0 and holds(broken, "boundary") else [])
    images = [lattice.Image(p, shift) for shift in shifts for p in allowed]
    return images if len(images) <= most else [lattice.Image(p, (0, 0)) for p in allowed if p < 4]


def _move(broken):
    return functools.partial(
        lattice.random_transform, points=tuple(points(broken)), translations=holds(broken, "boundary")
    )


def _move_path(broken):
    def move(batch, generator):
        n, n_sites = batch.shape
        start, direction, sign = torch.zeros(n, 1, dtype=torch.long), 1, 1.0
        if holds(broken, "boundary"):
            start = torch.randint(n_sites, (n, 1), generator=generator)
        if holds(broken, "reversal"):
            direction = 2 * torch.randint(2, (n, 1), generator=generator) - 1
            start = torch.where(direction < 0, start + n_sites - 1, start)
        if holds(broken, "sign", "sign, cubic"):
            sign = 2.0 * torch.randint(2, (n, 1), generator=generator) - 1
        return batch.gather(1, (start + direction * torch.arange(n_sites)) % n_sites) * sign

    return move


# ---------------------------------------------------------------- train


class OwnAction:
    """S_theta = -T0 ln p of paths [n, N] in their own units. The network sees (x - centre) / scale.

    shifts: as in `LearnedAction`; needs centre = 0.
    """

    def __init__(self, model, T0, scale, centre=0.0, shifts=None):
        self.model, self.T0, self.scale, self.centre = model, float(T0), float(scale), float(centre)
        self.inner = LearnedAction(model, shifts)

    def seen(self, paths):
        """What the network sees of paths."""
        return (paths - self.centre) / self.scale

    def log_prob(self, paths):
        """ln p with respect to dx, float64 [n]."""
        return -self.inner.action(self.seen(paths)) - paths.shape[1] * np.log(self.scale)

    def energy(self, paths):
        """S_theta, float64 [n]."""
        return -self.T0 * self.log_prob(paths)

    def gradient(self, paths):
        """dS_theta / dx_i, float64 [n, N]."""
        return self.T0 * self.inner.gradient(self.seen(paths)) / self.scale


class Trained(NamedTuple):
    """One network: `bare`, and `hamiltonian` with p averaged over images. history: (step, validation NLL)."""

    bare: object
    hamiltonian: object
    history: list
    steps: int
    n_weights: int


def train(kind, c, validation, T0, broken, steps, seed):
    """`Trained` on configurations c [n, ...], with early stopping on `validation`. Same arguments, same network.

    kind: "ising", "xy" or "path". broken: names of the symmetries that the file contradicts.
    """
    side, view, centre, scale = c.shape[1], None, 0.0, 1.0
    if kind == "ising":
        model = FrontierNetwork(side, Bernoulli(), odd=holds(broken, "flip"), seed=seed)
        recipe = replace(RECIPES["frontier"], augment=_move(broken))
    elif kind == "xy":
        model, view = EquivariantFrontier(side, seed=seed), as_angle
        recipe = replace(RECIPES["xy.equivariant"], augment=_move(broken))
    else:
        model = ChainNetwork(side, GaussianMixture(), seed=seed)
        recipe = replace(RECIPES["path.chain"], augment=_move_path(broken))
        centre = 0.0 if holds(broken, "sign", "sign, cubic") else float(c.mean())
        scale = float(np.sqrt(((c - centre) ** 2).mean()))

        def view(x):
            return ((x - centre) / scale).astype(np.float32)

    def seen(x):
        return x if view is None else view(x)

    recipe = replace(recipe, checks=10)
    result = task.train(recipe, model, seen(c), steps, seed, held_out=seen(validation))
    if kind == "path":
        every = holds(broken, "sign", "sign, cubic", "boundary", "reversal")
        bare = OwnAction(model, T0, scale, centre)
        hamiltonian = OwnAction(model, T0, scale, centre, (2 if side % 2 == 0 else 1) if every else None)
    elif kind == "xy":
        bare = LearnedXY(model, T0, view=as_angle)
        hamiltonian = LearnedXY(model, T0, lattice_images(side, broken, most=4), as_angle)
    else:
        bare = LearnedHamiltonian(model, T0)
        hamiltonian = LearnedHamiltonian(model, T0, lattice_images(side, broken))
    n_weights = sum(weight.numel() for weight in model.parameters())
    return Trained(bare, hamiltonian, result.history, result.steps, n_weights)


# ---------------------------------------------------------------- examine one network


class Examined(NamedTuple):
    """What one network says. log_prob of the test set [m] and of as many training configurations; `couplings` and
    `nearest` (nn alone; None for paths) as `Couplings`; explained: part of the mean square of what the couplings were
    read from that they explain; violations: name -> (largest, rms) change of ln p; schwinger_dyson: per test path,
    mean over sites of x dS/dx / T0 (None but for paths); samples of the network: energy, order [k], operators [k, a],
    log_prob [k]."""

    log_prob: np.ndarray
    log_prob_train: np.ndarray
    couplings: couplings.Couplings
    nearest: couplings.Couplings | None
    explained: float
    violations: dict
    schwinger_dyson: np.ndarray | None
    energy: np.ndarray
    order: np.ndarray
    operators: np.ndarray
    log_prob_samples: np.ndarray


def coupling_names(kind, broken):
    """Names of the couplings that are read: a field only where the flip symmetry was not imposed."""
    names = KINDS[kind].names
    return names[:-1] if kind == "ising" and holds(broken, "flip") else names


def examine(kind, trained, test, some, broken, n_samples, seed):
    """`Examined` on a test set [m, ...] and `some` training configurations."""
    quantities, hamiltonian = KINDS[kind], trained.hamiltonian
    few = test[np.linspace(0, len(test) - 1, min(EVALUATED, len(test))).astype(int)]
    tested = None
    if kind == "path":
        names = quantities.names
        gradient = hamiltonian.gradient(test)
        tested = (test * gradient).mean(1) / hamiltonian.T0
        readable = action.read(test, gradient, keep=0.995, blocks=20)
        values, errors = readable.coefficients[:3], readable.errors[:3]
        read = couplings.Couplings(names, values, errors, float("nan"), float("nan"))
        nearest, explained = None, readable.explained
    else:
        names = coupling_names(kind, broken)
        move = ising.flip_one if kind == "ising" else xy.rotate_one
        both = np.concatenate([few[::2], -few[::2]]) if kind == "ising" and holds(broken, "flip") else few

        def operators(c):
            return quantities.operators(c)[:, : len(names)]

        tried = couplings.try_moves(hamiltonian, both, operators, names, move, seed=seed)
        read = couplings.read_moves(tried, hamiltonian.T0)
        nearest = couplings.read_moves(tried, hamiltonian.T0, ("nn",))
        explained = _explained(tried, read, hamiltonian.T0)
    drawn = draw(kind, hamiltonian, n_samples, seed)
    return Examined(
        hamiltonian.log_prob(test),
        hamiltonian.log_prob(some),
        read,
        nearest,
        explained,
        violations(kind, trained.bare, few, seed),
        tested,
        quantities.energy(drawn),
        quantities.order(drawn),
        quantities.operators(drawn),
        hamiltonian.log_prob(drawn),
    )


def _explained(tried, read, T0):
    q = 1 / (1 + np.exp(-np.clip(tried.log_ratio, -50, 50)))
    weight = q * (1 - q)
    return float(1 - read.residual**2 * weight.sum() / (weight * (T0 * tried.log_ratio) ** 2).sum())


def violations(kind, hamiltonian, c, seed):
    """dict name -> (largest, rms) |ln p(g c) - ln p(c)| of a bare network, for each kind of symmetry."""
    side = c.shape[1]
    if kind == "path":
        groups = {
            "sign": [lambda x: -x],
            "translations": [lambda x, k=k: np.roll(x, k, 1) for k in sorted({1, side // 4, side // 2})],
            "reversal": [lambda x: x[:, ::-1]],
        }
    else:
        groups = {
            "translations": [lattice.Image(0, shift) for shift in ((1, 0), (0, 1), (side // 2, side // 2))],
            "rotations and reflections": [lattice.Image(p, (0, 0)) for p in range(1, 8)],
        }
        if kind == "ising":
            groups = {"flip": [lambda s: -s]} | groups
        else:
            turns = np.random.default_rng(seed).uniform(0, 2 * np.pi, 3)
            o2 = [lambda t, a=a: (t + a) % (2 * np.pi) for a in turns] + [lambda t: -t % (2 * np.pi)]
            groups = {"O(2) of the spins": o2} | groups
    found = {name: symmetry_violation(hamiltonian, c, operations) for name, operations in groups.items()}
    return {name: (largest / hamiltonian.T0, rms / hamiltonian.T0) for name, (largest, rms) in found.items()}


def draw(kind, hamiltonian, n, seed):
    """n independent configurations from p averaged over images: one of the network, under a random image each."""
    values = hamiltonian.model.sample(n, seed)[0].double().numpy()
    rng = np.random.default_rng([seed, 5])
    if kind == "path":
        if hamiltonian.inner.images is None:
            return values * hamiltonian.scale + hamiltonian.centre
        index, sign = (part.numpy() for part in hamiltonian.inner.images)
        chosen = rng.integers(len(sign), size=n)
        return np.take_along_axis(values, index[chosen], 1) * sign[chosen, None] * hamiltonian.scale
    values = values.astype(np.int8) if kind == "ising" else values % (2 * np.pi)
    chosen = rng.integers(len(hamiltonian.images), size=n)
    for k, image in enumerate(hamiltonian.images):
        values[chosen == k] = image(values[chosen == k])
    return values


# ---------------------------------------------------------------- all networks together


class Number(NamedTuple):
    """A value with its standard error."""

    value: float
    error: float


class Reach(NamedTuple):
    """Other temperatures [t]: averages of energy and order with errors, and effective samples / samples. `low` and
    `high`: where the last falls below ESS_BAR on either side of T0 (the end of T where it does not)."""

    T: np.ndarray
    energy: np.ndarray
    energy_error: np.ndarray
    order: np.ndarray
    order_error: np.ndarray
    ess: np.ndarray
    low: float
    high: float

    @property
    def within(self):
        """Which temperatures are within reach, bool [t]."""
        return (self.T >= self.low) & (self.T <= self.high)


class Findings(NamedTuple):
    """Everything `learn` found; see the fields' own classes.

    NLL in nats per configuration of the test set; gap: test less training NLL; baseline: NLL of independent sites;
    gain: how much less that of the networks is; couplings, nearest: name -> Number, and nn alone; classical: name ->
    Number by pseudolikelihood (ising only, else None); explained: see `Examined`; at_T0: quantity -> (Number of the
    networks' samples, Number of the file); improving: largest fall of the validation NLL over the last check;
    expected_duplicates: copies of earlier configurations that independent ones would have had.
    """

    kind: str
    T0: float
    summary: object
    asymmetries: dict
    split: object
    examined: list
    nll: Number
    nll_each: list
    gap: Number
    baseline: float
    gain: Number
    couplings: dict
    nearest: Number | None
    classical: dict | None
    explained: float
    violations: dict
    schwinger_dyson: Number | None
    at_T0: dict
    reach: Reach
    improving: float
    expected_duplicates: float
    n_weights: int
    steps: list
    n_steps: int


def temperatures(T0):
    """Where averages are predicted: from 0.7 to 1.4 T0 in steps of 0.05."""
    return T0 * np.round(np.arange(0.7, 1.4001, 0.05), 2)


def learn(c, kind, T0, n_networks, steps, seed):
    """`Findings` from checked configurations c [n, ...] (`lib.studies.user_file.load`), in the order of the file.

    kind: "ising", "xy" or "path". T0 > 0. n_networks trainings of at most `steps` steps, side by side.
    """
    quantities = KINDS[kind]
    known, found = summary(quantities, c), asymmetries(quantities, c)
    broken = {name for name, each in found.items() if each.broken}
    parts = split(len(c), known.tau_int)
    training, validation, test = c[parts.train], c[parts.validation][:2000], c[parts.test][:4000]
    seeds = [100 * seed + k for k in range(n_networks)]
    trained = parallel.starmap(train, [(kind, training, validation, T0, broken, steps, s) for s in seeds])
    some = training[np.linspace(0, len(training) - 1, min(len(test), len(training))).astype(int)]
    n_samples = int(np.clip(640_000 // c[0].size, 500, 10_000))
    jobs = [(kind, t, test, some, broken, n_samples, s) for t, s in zip(trained, seeds, strict=True)]
    each = parallel.starmap(examine, jobs)

    n_train = known.n_effective * len(training) / len(c)
    nll_each = [Number(-e.log_prob.mean(), _error(e.log_prob, known.tau_int)) for e in each]
    gaps = [(-e.log_prob.mean() + e.log_prob_train.mean()) for e in each]
    gap_errors = [np.hypot(_error(e.log_prob, known.tau_int), _error(e.log_prob_train, known.tau_int)) for e in each]
    plain = independent_sites(kind, training, test)
    names, nearest = each[0].couplings.names, None
    sums = quantities.operators(training)[:, : len(names)]
    values, errors = over_networks([e.couplings.values for e in each], [e.couplings.errors for e in each], shared=True)
    errors = np.hypot(errors, _bound(sums, T0, n_train))
    if each[0].nearest is not None:
        value, error = over_networks([e.nearest.values for e in each], [e.nearest.errors for e in each], shared=True)
        nearest = Number(float(value[0]), float(np.hypot(error[0], _bound(sums[:, :1], T0, n_train)[0])))
    classical = None
    if kind == "ising" and c.shape[1] > 4:
        read = couplings.pseudolikelihood(ising.local_sums(training, names), T0, names)
        classical = _named(names, read.values, read.errors)
    tested = None
    if kind == "path":
        series = [e.schwinger_dyson for e in each]
        tested = _shared([s.mean() for s in series], [_error(s, known.tau_int) for s in series])
    return Findings(
        kind,
        float(T0),
        known,
        found,
        parts,
        each,
        _shared([n.value for n in nll_each], [n.error for n in nll_each]),
        nll_each,
        _shared(gaps, gap_errors),
        float(-plain.mean()),
        _shared([(e.log_prob - plain).mean() for e in each], [_error(e.log_prob - plain, known.tau_int) for e in each]),
        _named(names, values, errors),
        nearest,
        classical,
        float(np.mean([e.explained for e in each])),
        {name: tuple(np.max([e.violations[name] for e in each], axis=0)) for name in each[0].violations},
        tested,
        _at_T0(quantities, c, each),
        reach(T0, each, sums, n_train),
        max(t.history[-2][1] - t.history[-1][1] if len(t.history) > 1 else 0.0 for t in trained),
        expected_duplicates(kind, len(c), each),
        trained[0].n_weights,
        [t.steps for t in trained],
        steps,
    )


def divergence(findings, test):
    """KL(data || networks) of Ising configurations whose Hamiltonian is known to be H, as a `Number`, in nats.

    test: the test set that the findings were made on, `c[findings.split.test]`.
    """
    exact = study.log_prob_exact(test[: len(findings.examined[0].log_prob)], findings.T0)
    each = [kl_divergence(exact, e.log_prob) for e in findings.examined]
    inflation = np.sqrt(2 * findings.summary.tau_int)
    return _shared([d.value for d in each], [d.error * inflation for d in each])


def expected_duplicates(kind, n, each):
    """How many of n independent configurations would equal an earlier one: n less the expected number of states."""
    if kind != "ising":
        return 0.0
    log_np = np.log(n) + np.concatenate([x for e in each for x in (e.log_prob, e.log_prob_train)])
    often = np.exp(np.clip(log_np, -30, 30))
    return float(n * (1 + (np.expm1(-often) / often).mean()))


def _error(series, tau_int):
    """Standard error of the mean of a stretch of the file whose neighbours have this tau_int."""
    return float(series.std(ddof=1) * np.sqrt(2 * tau_int / len(series)))


def _named(names, values, errors):
    return {name: Number(float(v), float(e)) for name, v, e in zip(names, values, errors, strict=True)}


def _shared(values, errors):
    return Number(*(float(x) for x in over_networks(values, errors, shared=True)))


def _bound(sums, T0, n):
    """The Cramer-Rao bound; operators that never vary have none."""
    if not (sums.std(axis=0) > 0).all():
        return np.full(sums.shape[1], np.inf)
    return T0 * np.sqrt(np.diag(np.linalg.pinv(np.atleast_2d(np.cov(sums.T)) * n)))


def independent_sites(kind, c, test):
    """ln p of a test set [m, ...] by independent sites with the mean and, for paths, the variance of training set c."""
    n_sites = c[0].size
    if kind == "xy":
        return np.full(len(test), -n_sites * np.log(2 * np.pi))
    if kind == "path":
        centre, variance = c.mean(), c.var()
        return -((test - centre) ** 2).sum(1) / (2 * variance) - n_sites / 2 * np.log(2 * np.pi * variance)
    up = np.clip((1 + c.mean(dtype=float)) / 2, 1e-12, 1 - 1e-12)
    number = (test == 1).sum((1, 2))
    return number * np.log(up) + (n_sites - number) * np.log1p(-up)


def _at_T0(quantities, c, each):
    """Quantity -> (networks' own samples, file), per site: energy, order, and the operators."""
    n_sites = c[0].size
    sums = quantities.operators(c)
    files = {"energy": quantities.energy(c), "order": quantities.order(c)}
    files |= {name: sums[:, a] / n_sites for a, name in enumerate(quantities.names)}
    drawn = [{"energy": e.energy, "order": e.order} for e in each]
    for e, mine in zip(each, drawn, strict=True):
        mine |= {name: e.operators[:, a] / n_sites for a, name in enumerate(quantities.names)}
    result = {}
    for name, series in files.items():
        means = [mine[name].mean() for mine in drawn]
        errors = [mine[name].std(ddof=1) / np.sqrt(len(mine[name])) for mine in drawn]
        theirs = average(series)
        ours = Number(*(float(x) for x in over_networks(means, errors)))
        result[name] = (ours, Number(theirs.value, theirs.error))
    return result


def reach(T0, each, sums, n_train):
    """`Reach` by plain reweighting of the networks' own samples, ln w = (T0 / T - 1) ln p_theta.

    each: list of `Examined`. O: operators of the training set [n, a], for the part of the error that the file is to
    blame for; n_train: its effective number.
    """
    T = temperatures(T0)
    inverse = np.linalg.pinv(np.atleast_2d(np.cov(sums.T)) * n_train)
    values, errors, blame, ess = [], [], [], []
    for e in each:
        observables = np.stack([e.energy, e.order], axis=1)
        operators = e.operators[:, : sums.shape[1]]
        log_p = e.log_prob_samples - e.log_prob_samples.mean()
        estimates = [reweight(observables, (T0 / t - 1) * log_p) for t in T]
        values.append([x.value for x in estimates])
        errors.append([x.error for x in estimates])
        ess.append([x.ess for x in estimates])
        blame.append([_response(observables, operators, (T0 / t - 1) * log_p, inverse) * T0 / t for t in T])
    mean, error = over_networks(values, errors)
    error = np.hypot(error, np.mean(blame, axis=0))
    fine = T0 * np.geomspace(0.5, 2.0, 201)
    curve = np.mean([[effective_sample_size((T0 / t - 1) * e.log_prob_samples) for t in fine] for e in each], axis=0)
    low, high = _edges(fine, curve, T0)
    return Reach(T, mean[:, 0], error[:, 0], mean[:, 1], error[:, 1], np.mean(ess, axis=0), low, high)


def _response(observables, operators, log_w, inverse):
    """Errors [k] of averages of observables [n, k] from those of the couplings, whose covariance is `inverse`."""
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    change = ((observables - w @ observables) * w[:, None]).T @ (operators - w @ operators)
    return np.sqrt(np.maximum(np.einsum("ka,ab,kb->k", change, inverse, change), 0))


def _edges(T, ess, T0):
    """Temperatures next to T0 where ess crosses ESS_BAR, or the ends of T."""
    at = int(np.argmin(abs(T - T0)))
    below = np.flatnonzero(ess < ESS_BAR)
    low, high = below[below < at], below[below > at]
    return float(T[low[-1] + 1] if len(low) else T[0]), float(T[high[0] - 1] if len(high) else T[-1])
