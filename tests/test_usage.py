"""What an execution costs."""

import os
import subprocess
import sys
import time

from lib import usage


def test_the_memory_of_children_is_seen_and_that_of_this_process_is_not():
    ours = bytearray(80_000_000)
    with usage.PeakMemory(0.05) as none:
        time.sleep(0.2)
    code = "import time; x = bytearray(b'1') * 300_000_000; time.sleep(3)"
    with usage.PeakMemory(0.05) as peak:
        child = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(2)
        child.kill()
        child.wait()
    assert len(ours) == 80_000_000 and none.megabytes < 50 and 250 < peak.megabytes < 600


def test_the_machine_in_words():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert usage.machine().startswith(f"{cores} cores of ") and "GB" in usage.machine()
    assert set(usage.versions()) == {"python", *usage.NAMES}
