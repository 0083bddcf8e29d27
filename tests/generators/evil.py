"""Files that want harm; `main` has hfinv read them and tells what happened."""

from __future__ import annotations

import functools
import json
import sys
import time
from pathlib import Path

import torch
from evil_archives import archives, headers
from evil_pickles import (
    COMMAND,
    END,
    P2,
    called,
    held,
    imports,
    instructions,
    module,
    repetitions,
    sizes,
    storage,
    strange,
    tensor,
    tensors,
    text,
)

__all__ = ["END", "P2", "called", "cases", "main", "text"]


@functools.cache
def cases() -> dict[str, bytes]:
    """All of them, by what they are."""
    whole = held(module(tensor(storage())))
    cut = {f"cut off at {at}": whole[:at] for at in range(2, len(whole), len(whole) // 7)}
    older = {
        "protocol 0": b"cos\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.",
        "protocol 9": b"\x80\x09N.",
    }
    pickles = imports() | instructions() | sizes() | repetitions() | strange() | tensors()
    return pickles | archives() | headers() | cut | older


PACE = 0.08
"""CPU seconds of counting to a million on the machine for which the limits of time were set."""


def peak() -> float:
    """Megabytes that this process has had at most. `getrusage` would tell the parent's, too."""
    words = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()
    return int(words[0]) / 1e3


def slowness() -> float:
    """How many times slower than `PACE` this machine counts just now, at least 1: shared ones slow down to the half."""
    start, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number
    return max(1.0, (time.process_time() - start) / PACE)


def main(folder: Path) -> None:
    """Read each file of a folder, and print what happened to each as JSON."""
    from hfinv.errors import WeightsError
    from hfinv.generators.checkpoint import load, read_card

    torch.zeros(1)
    before = peak()
    told = {}
    for path in sorted(folder.iterdir()):
        slow = slowness()
        for reader in (read_card, load):
            start = time.process_time()
            try:
                reader(path)
                said = "was read"
            except WeightsError as error:
                said = f"{error.exit_code} {error.message}"
            except BaseException as error:  # what a person would see as a traceback
                said = f"crashed: {error!r}"
            told[f"{path.name} {reader.__name__}"] = (
                said,
                (time.process_time() - start) / slow,
                peak() - before,
            )
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
