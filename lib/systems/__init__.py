"""Physical systems: energy or action, symmetries, exact results; one file each."""
