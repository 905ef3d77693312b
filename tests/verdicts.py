"""pytest plugin for nbval, loaded with `-p tests.verdicts`: what is compared when a chapter is executed again.

In a cell tagged `nbval-check-output` the streams are compared, exactly: verdict lines on stdout, and stderr, which a
chapter leaves empty. Displayed data is not compared in any form (pictures, HTML, plain text, claim values, glue): it
holds measured digits. Kernels are this interpreter with the environment of `lib.runner`: one thread, this lib.
"""

import os

from nbval.plugin import IPyNbFile

from lib.runner import kernel_variables


def pytest_configure(config):
    os.environ.update(kernel_variables())  # nbval's kernels inherit it
    config.option.nbval_current_env = True


def pytest_itemcollected(item):
    file = item.parent
    if isinstance(file, IPyNbFile) and "data" not in file.skip_compare:
        file.skip_compare += ("data",)  # nbval's name for all MIME types of display_data and execute_result
