"""pytest plugin for nbval, loaded with `-p tests.verdicts`: what is compared when a chapter is executed again.

In a cell tagged `nbval-check-output` the streams are compared, exactly: verdict lines on stdout, and stderr, which a
chapter leaves empty. Displayed data is not compared in any form (pictures, HTML, plain text, claim values, glue): it
holds measured digits. Kernels are this interpreter with the environment of `lib.runner`: one thread, this lib.
"""

import os
import shutil
import tempfile
from pathlib import Path

from jupyter_client.manager import KernelManager
from nbval import kernel
from nbval.plugin import IPyNbFile

from lib.runner import kernel_variables

FOLDER = tempfile.mkdtemp()  # of the kernels: their sockets and settings


def _over_files(**options):
    """A kernel manager that talks over files, for the reason given in `lib.runner._connection`."""
    if os.name == "posix":
        options |= {"transport": "ipc", "ip": f"{tempfile.mkdtemp(dir=FOLDER)}/kernel"}
    return KernelManager(**options)


def pytest_configure(config):
    os.environ.update(kernel_variables(Path(FOLDER)))  # nbval's kernels inherit it
    kernel.KernelManager = _over_files
    config.option.nbval_current_env = True


def pytest_unconfigure(config):
    shutil.rmtree(FOLDER, ignore_errors=True)


def pytest_itemcollected(item):
    file = item.parent
    if isinstance(file, IPyNbFile) and "data" not in file.skip_compare:
        file.skip_compare += ("data",)  # nbval's name for all MIME types of display_data and execute_result
