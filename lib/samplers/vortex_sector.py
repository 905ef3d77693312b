r"""Metropolis for XY angles that keeps every vortex where it is: spin waves around given vortices.

Turning the spin at a site by Delta changes the wrapped difference to each of its four neighbours by -Delta + 2 pi k
with an integer k. The winding of a square that holds two of these bonds changes by the difference of their k. So all
windings stay if, and only if, the four k are equal; every other proposal is rejected. What is sampled is exp(-H / T)
restricted to configurations with the same vortices that small steps can reach; the windings of loops around the torus
stay, too.
"""

import math

import numba
import numpy as np

from lib.systems import check_temperature

WIDTH = 1.2  # largest proposed rotation, in units of T: about half of the moves are accepted


@numba.njit(inline="always")
def _turns(difference):
    """How many turns bring an angle into [-pi, pi)."""
    return math.floor((difference + math.pi) / (2 * math.pi))


@numba.njit(cache=True)
def _sweep(theta, beta, width, rng):
    n, L, _ = theta.shape
    for k in range(n):
        t = theta[k]
        for i in range(L):
            for j in range(L):
                old = t[i, j]
                new = old + width * (2 * rng.random() - 1)
                right, left = t[i, (j + 1) % L], t[i, j - 1]
                down, up = t[(i + 1) % L, j], t[i - 1, j]
                jump = _turns(right - new) - _turns(right - old)
                if (
                    _turns(left - new) - _turns(left - old) != jump
                    or _turns(down - new) - _turns(down - old) != jump
                    or _turns(up - new) - _turns(up - old) != jump
                ):
                    continue
                gain = math.cos(right - new) + math.cos(left - new) + math.cos(down - new) + math.cos(up - new)
                gain -= math.cos(right - old) + math.cos(left - old) + math.cos(down - old) + math.cos(up - old)
                if gain >= 0 or rng.random() < math.exp(beta * gain):
                    t[i, j] = new


def sweep(theta, T, rng, n_sweeps=1):
    """Sweeps of every configuration of angles float64 [n, L, L] at temperature T, in place; angles are not wrapped."""
    check_temperature(T)
    if theta.ndim != 3 or theta.dtype != np.float64:
        raise ValueError(f"angles of shape {theta.shape} and type {theta.dtype}: give float64 [n, L, L]")
    for _ in range(n_sweeps):
        _sweep(theta, 1 / T, WIDTH * min(T, 1.5), rng)
