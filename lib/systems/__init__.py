"""What is known about each system: energy or action, operators, local moves, symmetries, exact answers."""

import numpy as np


def check_temperature(T):
    """ValueError unless every temperature is positive and finite."""
    if not np.all(np.isfinite(T)) or np.any(np.asarray(T) <= 0):
        raise ValueError(f"T = {T}: the temperature must be positive and finite")
