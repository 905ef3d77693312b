r"""Monte Carlo for the scalar field of `systems/phi_four.py`: Metropolis, and clusters of signs.

A sweep has two parts. (1) Metropolis: every site in turn is offered a uniform step. (2) With phi = s |phi| at fixed
|phi|, exp(-S) is an Ising model with couplings J |phi phi'|, J = 1 / D in time and D in space, since the potential is
even. Bonds between equal signs are activated with probability 1 - exp(-2 J phi phi'); every cluster takes a random
sign. Without the second part a field near its transition would need hundreds of sweeps to change its mean.

Source: R. C. Brower and P. Tamayo, Phys. Rev. Lett. 62, 1087 (1989).
"""

import numba
import numpy as np

from lib.samplers.chains import Chain
from lib.samplers.swendsen_wang import _root

STEP = 2.5  # half width of what Metropolis offers, in units of the width of exp(-A phi^2), A without lambda
PER_REPLICA = 128  # configurations of a replica, so that its equilibration is a small part of the work
METROPOLIS = 2  # sweeps of it for each update of the clusters


@numba.njit(cache=True, fastmath=True)
def _metropolis(phi, spacing, mass2, coupling, rng):
    n_t, n_x = phi.shape
    quadratic = 1 / spacing + spacing * (1 + mass2 / 2)
    quartic = spacing * coupling / 4
    step = STEP / np.sqrt(2 * max(quadratic, 0.5 / spacing))
    for t in range(n_t):
        before, after = phi[t - 1], phi[t + 1 if t < n_t - 1 else 0]
        for x in range(n_x):
            left, right = phi[t, x - 1], phi[t, x + 1 if x < n_x - 1 else 0]
            force = (before[x] + after[x]) / spacing + spacing * (left + right)
            old = phi[t, x]
            new = old + step * (2 * rng.random() - 1)
            old2, new2 = old * old, new * new
            delta = quadratic * (new2 - old2) + quartic * (new2 * new2 - old2 * old2) - force * (new - old)
            if delta <= 0 or rng.random() < np.exp(-delta):
                phi[t, x] = new


@numba.njit(cache=True)
def _flip_signs(phi, spacing, rng):
    n_t, n_x = phi.shape
    values = phi.reshape(-1)
    parent = np.arange(n_t * n_x)
    sign = np.empty(n_t * n_x)
    for t in range(n_t):
        for x in range(n_x):
            i = t * n_x + x
            right = t * n_x + (x + 1 if x < n_x - 1 else 0)
            down = (t + 1 if t < n_t - 1 else 0) * n_x + x
            for k, J in ((right, spacing), (down, 1 / spacing)):
                product = values[i] * values[k]
                if product > 0 and rng.random() > np.exp(-2 * J * product):
                    a, b = _root(parent, i), _root(parent, k)
                    parent[max(a, b)] = min(a, b)
    for i in range(n_t * n_x):
        root = _root(parent, i)
        if root == i:
            sign[i] = 1.0 if rng.random() < 0.5 else -1.0
        values[i] *= sign[root]


@numba.njit(cache=True)
def _sweep(fields, spacing, mass2, coupling, rng, n_sweeps, clusters):
    for replica in range(len(fields)):
        phi = fields[replica]
        for _ in range(n_sweeps):
            for _ in range(METROPOLIS):
                _metropolis(phi, spacing, mass2, coupling, rng)
            if clusters:
                _flip_signs(phi, spacing, rng)


class Fields(Chain):
    """The chain of fields float64 [n, N_t, N_x] with the distribution exp(-S) / Z of a `phi_four.PhiFour`.

    Observes the means of phi^2 and of phi, and |mean of phi|. clusters: False leaves out the signs. replicas: how many
    side by side.
    """

    def __init__(self, field, *, clusters=True, replicas=None):
        self.field, self.clusters, self.replicas = field, clusters, replicas

    def start(self, n, rng):
        replicas = int(np.clip(n // PER_REPLICA, 16, 512)) if self.replicas is None else self.replicas
        return rng.choice([-1.0, 1.0], (replicas, 1, 1)) * np.ones((replicas, self.field.n_t, self.field.n_x))

    def advance(self, fields, n_sweeps, rng):
        _sweep(fields, *self.field[2:], rng, n_sweeps, self.clusters)

    def observe(self, fields):
        M = fields.mean((1, 2))
        return (fields**2).mean((1, 2)), M, np.abs(M)

    def slow(self, seen):
        return dict(zip(("phi^2", "phi", "|phi|"), np.array(seen).transpose(1, 0, 2), strict=True))

    def configurations(self, fields):
        return fields.copy()
