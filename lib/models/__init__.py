"""Deep autoregressive networks: value heads, trunks, their fit, and the Hamiltonian they have learned."""
