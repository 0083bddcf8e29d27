"""How much memory a piece of work needed at most."""

from __future__ import annotations

import contextlib
import ctypes
import resource
from pathlib import Path
from typing import Self

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux takes for "forget the high-water mark"."""

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Parameters of `mallopt` in glibc's malloc.h."""


def keep_freed() -> bool:
    """Let this process keep the memory it frees; whether the C library can.

    Every step asks for the same large blocks, and to have each of them from the system, page by page and zeroed, takes
    up to a sixth of a step's time on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return False
    return bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, 2**31 - 1))


class Peak:
    """Watches the memory of this process, or of the GPU if that is where the work is.

        with Peak(device) as peak:
            ...
        peak.megabytes

    Where the system cannot forget the high-water mark, it is the largest of the process so far.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.megabytes = 0.0
        """Resident memory, or what torch held on the GPU; 2^20 bytes."""

    def __enter__(self) -> Self:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            with contextlib.suppress(OSError):  # not allowed: the whole process's mark must do
                CLEAR.write_text(RESET_PEAK)
        return self

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            self.megabytes = torch.cuda.max_memory_allocated(self.device) / 2**20
        else:
            self.megabytes = resident_peak() / 2**20


def resident_peak() -> float:
    """Bytes, the high-water mark of this process's resident memory."""
    with contextlib.suppress(OSError):  # a system without /proc has only the mark of all time
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
