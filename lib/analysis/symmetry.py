r"""Does a learned Hamiltonian have the symmetry of the system? The talk's test: H(g s) against H(s).

`violation` is the largest |H(g s) - H(s)| over given configurations s and operations g. A symmetry that is built into
the network holds to rounding; one that had to be learned holds as well as the data and the training allow.
"""

import numpy as np


def violation(hamiltonian, configurations, operations):
    """Largest and root-mean-square |H(g s) - H(s)|, in units of energy, as two floats.

    hamiltonian: has energy(configurations [n, ...]) -> [n]. operations: functions configurations -> configurations.
    """
    before = hamiltonian.energy(configurations)
    changes = np.stack([hamiltonian.energy(g(configurations)) - before for g in operations])
    return float(np.abs(changes).max()), float(np.sqrt((changes**2).mean()))
