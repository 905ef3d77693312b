r"""The worm algorithm for the conserved currents of `systems/rotor_field.py`.

A worm is a pair of sites, head and tail, at which conservation is broken. Both start at one random site. In each step
the head is offered one of its four neighbours: moving along a link raises its current by one, moving against it lowers
it, accepted with the ratio of the weights,

    I_{k+-1}(beta) / I_k(beta) * e^(+-mu)       (the last factor on time links only).

When the head meets the tail the currents are conserved again. Moves and their reverses are offered equally often, so
the currents seen at these meetings (a first step refused is a meeting, too) have the weight of the field. Worms that
wind around time change the charge.

Source: N. Prokof'ev and B. Svistunov, Phys. Rev. Lett. 87, 160601 (2001); for this model D. Banerjee and
S. Chandrasekharan, arXiv:1001.3648.
"""

import numba
import numpy as np
from scipy.special import ive

from lib.samplers.chains import Chain

LARGEST = 40  # |current| beyond which nothing is offered: far beyond any weight


@numba.njit(cache=True)
def _worm(k, j, up, tilt, rng):
    """One worm on time currents k [N_t, N_x] and space currents j (from x to x + 1); up: I_{k+1} / I_k, k >= 0."""
    n_t, n_x = k.shape
    tail_t, tail_x = rng.integers(0, n_t), rng.integers(0, n_x)
    t, x = tail_t, tail_x
    while True:
        direction = rng.integers(0, 4)
        along_time, forward = direction < 2, direction % 2 == 0
        new_t, new_x = t, x
        if along_time:
            new_t = (t + 1) % n_t if forward else (t - 1) % n_t
        else:
            new_x = (x + 1) % n_x if forward else (x - 1) % n_x
        link_t = t if forward else new_t
        link_x = x if forward else new_x
        links = k if along_time else j
        sign = 1 if forward else -1
        size = sign * links[link_t, link_x]  # the step takes it to size + 1
        ratio = up[size] if size >= 0 else 1 / up[-size - 1]
        if along_time:
            ratio = ratio * tilt if forward else ratio / tilt
        if abs(size) < LARGEST and rng.random() < ratio:
            links[link_t, link_x] += sign
            t, x = new_t, new_x
        if t == tail_t and x == tail_x:
            return


@numba.njit(cache=True)
def _worms(k, j, up, tilt, n, rng):
    for replica in range(len(k)):
        for _ in range(n):
            _worm(k[replica], j[replica], up, tilt, rng)


class Worms(Chain):
    """The chain of the currents of a `rotor_field.Field`, from none at all; a sweep is one worm in every replica.

    Observes the charge and the sum of k^2. Configurations are the free currents, int8 [n, N_t, N_x].
    """

    def __init__(self, field, *, replicas=None):
        self.field, self.replicas = field, replicas
        sizes = np.arange(LARGEST + 2)
        bessel = ive(sizes, field.beta)
        self.up = bessel[1:] / np.maximum(bessel[:-1], 1e-300)

    def start(self, n, rng):
        replicas = int(np.clip(n // 16, 16, 512)) if self.replicas is None else self.replicas
        shape = replicas, self.field.n_t, self.field.n_x
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def advance(self, state, n_sweeps, rng):
        _worms(*state, self.up, np.exp(self.field.mu), n_sweeps, rng)

    def observe(self, state):
        return state[0][:, 0].sum(-1), (state[0] ** 2).sum((1, 2))

    def slow(self, seen):
        return dict(zip(("charge", "k^2"), np.array(seen).transpose(1, 0, 2), strict=True))

    def configurations(self, state):
        k, j = state
        return np.concatenate([k[:, :1], j[:, 1:]], axis=1).astype(np.int8)
