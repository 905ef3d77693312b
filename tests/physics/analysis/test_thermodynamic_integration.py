"""ln Z of the 4 x 4 XY model against the transfer matrix."""

from lib.analysis.thermodynamic_integration import log_partition_function

EXACT = {0.8929: 0.8403269511, 1.25: 0.40478343}  # ln Z / N at T, see systems/test_xy.py


def test_thermodynamic_integration_against_the_transfer_matrix():
    for T, found in zip((1.25, 0.8929), log_partition_function(4, [1.25, 0.8929], seed=1, n_sweeps=500), strict=True):
        assert abs(found.value - 16 * EXACT[T]) < 4 * found.error
        assert found.error < 0.04
