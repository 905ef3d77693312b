"""What is done with configurations or with a learned Hamiltonian."""
