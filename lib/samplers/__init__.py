"""Monte Carlo: one algorithm a file, and a driver that returns independent configurations."""
