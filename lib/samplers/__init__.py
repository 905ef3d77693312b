"""Monte Carlo: one algorithm a file, the systems as chains, and one driver that returns independent configurations.

rng is a numpy.random.Generator everywhere.
"""
