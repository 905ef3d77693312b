"""What an execution costs."""

import subprocess
import sys
import time

from lib import parallel
from lib.book import usage


def test_the_memory_of_a_child_is_seen():
    with usage.PeakMemory(0.05) as others:  # worker processes that an earlier test left for the next one
        time.sleep(0.5)
    code = "import time; x = bytearray(b'1') * 300_000_000; time.sleep(3)"
    with usage.PeakMemory(0.05) as peak:
        child = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(2)
        child.kill()
        child.wait()
    assert 250 < peak.megabytes - others.megabytes < 600


def test_the_machine_in_words():
    assert usage.machine().startswith(f"{parallel.cores()} cores of ") and "GB" in usage.machine()
    assert set(usage.versions()) == {"python", *usage.NAMES}
