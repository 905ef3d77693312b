"""Inner loops of the networks and heads, compiled by numba, with gradients by hand; tests compare them with torch's."""
