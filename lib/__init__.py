"""Systems, samplers, models and analysis behind the book. Importing it does nothing else."""
