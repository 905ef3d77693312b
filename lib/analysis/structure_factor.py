r"""The structure factor of spins on the torus, S(k) = |sum_i s_i exp(i k r_i)|^2 / N; its sum over all k is N."""

from typing import NamedTuple

import numpy as np


class StructureFactor(NamedTuple):
    """S(k) in rings of mean |k| [m], the first k = 0: mean, error over configurations [m]; and the map S(k) [L, L], in
    the order of numpy.fft.fftfreq."""

    k: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    plane: np.ndarray


def structure_factor(s):
    """`StructureFactor` of configurations s [n, L, L] of +-1 on the torus; rings are 2 pi / L wide."""
    s = np.asarray(s)
    if s.ndim != 3 or s.shape[1] != s.shape[2]:
        raise ValueError(f"configurations of shape {s.shape}: give [n, L, L]")
    n, L, _ = s.shape
    step = np.fft.fftfreq(L) * L
    radius = np.hypot(step[:, None], step)
    ring = np.rint(radius).astype(int).ravel()
    count = np.bincount(ring)
    plane, sums = np.zeros((L, L)), np.zeros((n, len(count)))
    for start in range(0, n, 512):
        power = np.abs(np.fft.fft2(s[start : start + 512])) ** 2 / L**2
        plane += power.sum(axis=0) / n
        for k in range(len(count)):
            sums[start : start + 512, k] = power.reshape(len(power), -1)[:, ring == k].mean(axis=1)
    error = sums.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(count), np.nan)
    k_mean = 2 * np.pi / L * np.bincount(ring, radius.ravel()) / count
    return StructureFactor(k_mean, sums.mean(axis=0), error, plane)
