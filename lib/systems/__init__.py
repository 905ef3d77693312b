"""What is known about each system: energy or action, operators, local moves, symmetries, exact answers."""

import numpy as np


def check_temperature(T):
    """ValueError unless every temperature is positive and finite."""
    if not np.all(np.isfinite(T)) or np.any(np.asarray(T) <= 0):
        raise ValueError(f"T = {T}: the temperature must be positive and finite")


def coupling_vector(couplings, operators):
    """dict name -> J as float64 [a] in the order of these operators; None is J = 1 for "nn". Unknown names: refused."""
    couplings = {"nn": 1.0} if couplings is None else couplings
    unknown = set(couplings) - set(operators)
    if unknown:
        raise ValueError(f"unknown coupling {sorted(unknown)[0]!r}: choose from {', '.join(operators)}")
    return np.array([couplings.get(name, 0.0) for name in operators], dtype=float)
