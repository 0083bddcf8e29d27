from __future__ import annotations

import subprocess
import sys

import pytest

from hfinv.memory import Peak

MEBIBYTES = 256
TRIAL = """
import sys, torch
from hfinv.memory import STATUS, keep_freed
sys.argv[1] == "keep" and keep_freed()
torch.zeros({numbers})
print(next(line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("VmRSS")))
"""


def resident_after_freeing(what: str) -> float:
    """Mebibytes of a new process that used and freed `MEBIBYTES`."""
    code = TRIAL.format(numbers=MEBIBYTES * 2**18)
    printed = subprocess.run([sys.executable, "-c", code, what], capture_output=True, check=True)
    return int(printed.stdout) / 1024


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library must be glibc")
def test_what_is_freed_is_kept_only_where_that_is_asked_for() -> None:
    kept, given_back = resident_after_freeing("keep"), resident_after_freeing("plain")
    assert MEBIBYTES * 0.9 < kept - given_back < MEBIBYTES * 1.1


def test_the_peak_counts_what_was_freed_before_the_end() -> None:
    with Peak() as before:
        pass
    with Peak() as peak:
        block = bytearray(64 * 2**20)
        del block
    assert peak.megabytes - before.megabytes > 60
