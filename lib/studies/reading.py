"""A trained network as an action that can be read, beside what its training paths give without a network."""

from typing import NamedTuple

import numpy as np

from lib import lattice
from lib.analysis import action, action_floor
from lib.analysis.divergence import kl_divergence
from lib.models.learned import LearnedHamiltonian
from lib.statistics import Estimate, over_networks
from lib.studies.task import Learned, Task
from lib.systems import double_well
from lib.systems.double_well import Couplings


class ReadAction(NamedTuple):
    """A learned action, averaged over reversal and sign, and what is read from it on paths it has not seen, of its own
    beta.

    readable, from_forces: `action.Readable`, by `action.read_values` and by `action.read`.
    scored, likely: couplings that the paths it was trained on give without a network, by score matching and by maximum
        likelihood.
    history: of the loss in training, `FitResult.batch_history`.
    """

    task: Task
    action: LearnedHamiltonian
    kl: Estimate
    readable: action.Readable
    from_forces: action.Readable
    scored: Couplings
    likely: Couplings
    history: list
    cpu_seconds: float

    def couplings(self, which="readable"):
        """As `Couplings`; which: "readable", "from_forces", "scored" or "likely"."""
        found = getattr(self, which)
        return found if isinstance(found, Couplings) else found.couplings()

    def readable_action(self, paths):
        """S of the readable couplings, up to a constant, of paths [n, N] -> [n]."""
        return double_well.action(paths, self.couplings())


def read_action(learned: Learned, n_read: int = 6000) -> ReadAction:
    """A network read on n_read paths; for `task.learn_all(tasks, then=read_action)`."""
    task, source = learned.task, learned.task.source
    test = source.configurations(n_read, task.seed)
    S = LearnedHamiltonian(learned.model, 1.0, lattice.ring_group(source.n_sites, shifts=1))
    values = S.action(test)
    scored, likely = without_network(source.configurations(task.n_train, task.data, "train"))
    return ReadAction(
        task=task,
        action=S,
        kl=kl_divergence(source.log_prob(test), -values),
        readable=action.read_values(test, values),
        from_forces=action.read(test, learned.hamiltonian.gradient(test)),
        scored=scored,
        likely=likely,
        history=learned.fit.batch_history,
        cpu_seconds=learned.cpu_seconds,
    )


def without_network(paths):
    """`Couplings` of paths [n, N] by score matching, and by maximum likelihood."""
    scored = Couplings(*map(float, action_floor.score_matching(paths).value))
    return scored, action_floor.maximum_likelihood(paths, scored).couplings


class BesideFloor(NamedTuple):
    """lambda, mu^2 and the kinetic coefficient times a, from m networks of one source: arrays [3] (true: 4, 7.84, 1).

    networks, scored, likely: `Estimate` of the mean over networks, and over their training paths.
    bound: Cramer-Rao, the smallest error of an unbiased estimator from the paths of *one* network.
    ratio: of the error of one network to it, `action_floor.ratio_to_bound`.
    """

    networks: Estimate
    scored: Estimate
    likely: Estimate
    bound: np.ndarray
    ratio: Estimate


def beside_floor(read):
    """`BesideFloor` of networks of one source, `ReadAction` [m]."""
    task = read[0].task
    n_sites, spacing = task.source.n_sites, task.source.beta / task.source.n_sites
    true = double_well.couplings(task.source.beta, n_sites)
    found = [
        np.array([action.physical(one.couplings(which)[:3], spacing) for one in read])
        for which in ("readable", "scored", "likely")
    ]
    unit = np.abs(action.physical(action_floor.cramer_rao(true, n_sites, task.n_train), spacing))
    ratio = action_floor.ratio_to_bound(found[0], found[2], unit)
    return BesideFloor(*(over_networks(each) for each in found), unit, ratio)
