"""Speed of the samplers: spin updates per nanosecond and seconds to a data set; medians of repeated runs, one core.

python benchmarks/samplers.py
"""

import numpy as np
from timing import median_seconds

from lib.samplers import chains, ising_couplings, mcmc, metropolis, multispin, swendsen_wang

T = 2.27


def main():
    rng = np.random.default_rng(1)
    print(f"spin updates per ns, T = {T}, median of 5")
    for L in (16, 32, 64):
        spins = np.ones((64, L, L), np.int8)
        for sweep in (metropolis.sweep, swendsen_wang.sweep):
            seconds = median_seconds(lambda sweep=sweep, spins=spins: sweep(spins, 1 / T, rng))
            print(f"  {sweep.__module__.split('.')[-1]:20s} L = {L:3d}             {spins.size / seconds / 1e9:7.3f}")
        for replicas in (64, 512):
            state = ising_couplings.cold_start(L, replicas, rng)
            seconds = median_seconds(
                lambda state=state: ising_couplings.sweep(state, 1 / T, rng, np.array([1, 0.01, 0, 0, 0]), 10)
            )
            print(f"  coupled              L = {L:3d} chains {replicas:4d} {10 * state.size / seconds / 1e9:7.3f}")
        for words in (8, 16, 32, 64):
            state = multispin.cold_start(L, words, rng)
            n = 2**21 // (L * L * words)
            seconds = median_seconds(lambda state=state, n=n: multispin.sweep(state, 1 / T, rng, n))
            per_ns = n * 64 * state.size / seconds / 1e9
            observe = median_seconds(lambda state=state: multispin.observe(state))
            print(
                f"  multispin            L = {L:3d} words {words:5d} {per_ns:7.2f}    "
                f"sweep {1e6 * seconds / n:6.0f} us, E and m of {64 * words} replicas {1e6 * observe:4.0f} us"
            )
    print("seconds to independent configurations, median of 3")
    for L, temperature, n in [
        (8, T, 10**5), (16, 1.5, 10**5), (16, T, 10**5), (16, 3.5, 10**5), (16, T, 9000), (32, T, 10**4),
        (32, T, 10**5), (64, T, 1000), (64, T, 10000),
    ]:  # fmt: skip
        for method in ("multispin", "swendsen_wang") if n <= 10**4 else ("multispin",):
            chain = chains.Ising(L, temperature, method=method)
            seconds = median_seconds(lambda chain=chain, n=n: mcmc.sample(chain, n, np.random.default_rng(1)), 3)
            print(f"  L = {L:3d} T = {temperature:4.2f} n = {n:6d} {method:14s} {seconds:7.2f} s")


if __name__ == "__main__":
    main()
