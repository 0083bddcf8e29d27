"""Is everything there that hfinv needs, and what does it find to compute with?"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from hfinv import __version__, versions
from hfinv.errors import HfinvError

PYTHON = (3, 11)
"""The oldest that works."""
ENOUGH_MEMORY_GB = 4
"""What an inversion with the bundled generator needs at most."""
ASSETS = Path(__file__).parent / "assets"
BUNDLED = {
    "generator": "heads.safetensors",
    "LPIPS backbone": "lpips_alex.safetensors",
    "small faces": "intake/face_detection_back.safetensors",
    "large faces": "intake/face_detector.safetensors",
    "landmarks": "intake/face_landmarks_detector.safetensors",
    "matte": "intake/selfie_segmentation.safetensors",
    "head model": "intake/ict468.npz",
}
"""What finds or draws each thing."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    good: bool
    found: str
    """In a few words."""
    needed: bool = True
    """Whether hfinv cannot work without."""


def examine() -> Iterator[Finding]:
    """Look at everything, one thing after another."""
    yield Finding("hfinv", True, __version__)
    yield Finding("python", sys.version_info >= PYTHON, platform.python_version())
    yield Finding("torch", True, versions.of("torch"))
    yield Finding(
        "processor", True, f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    )
    yield _gpu()
    yield _memory()
    for name, file in BUNDLED.items():
        there = (ASSETS / file).is_file()
        yield Finding(
            name, there, f"assets/{file}" + ("" if there else " is missing, install hfinv again")
        )
    yield _tried("ffmpeg", _ffmpeg)
    yield _tried("embree", lambda: _imported("embreex"), needed=False)
    yield _tried("pytorch3d", lambda: _imported("pytorch3d"), needed=False)


def _gpu() -> Finding:
    if not torch.cuda.is_available():
        return Finding("gpu", False, "none that torch can use, so the CPU computes", needed=False)
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("gpu", True, ", ".join(names), needed=False)


def _memory() -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Finding("memory", total >= ENOUGH_MEMORY_GB, f"{total:.1f} GB", needed=False)


def _ffmpeg() -> str:
    import imageio_ffmpeg

    return f"{imageio_ffmpeg.get_ffmpeg_version()} of imageio-ffmpeg"


def _imported(module: str) -> str:
    return getattr(__import__(module), "__version__", "present")


def _tried(name: str, look: Callable[[], str], needed: bool = True) -> Finding:
    """A doctor reports what a part raises, of whatever kind, instead of passing out."""
    try:
        return Finding(name, True, look(), needed)
    except ImportError:
        return Finding(
            name, False, "not installed" + ("" if needed else ", and not needed"), needed
        )
    except Exception as error:
        return Finding(name, False, f"does not work ({error})".splitlines()[0], needed)


def verdict(findings: list[Finding]) -> None:
    """See that hfinv can work.

    Raises:
        HfinvError: something that is needed is missing.
    """
    missing = [finding.name for finding in findings if finding.needed and not finding.good]
    if missing:
        raise HfinvError(
            f"hfinv cannot work without: {', '.join(missing)}",
            "`hfinv doctor` shows what to do for each",
        )


def as_text(findings: list[Finding]) -> str:
    """One line a finding."""
    marks = {True: "ok", False: "MISSING"}
    width = max(len(finding.name) for finding in findings)
    return "\n".join(
        f"{marks[f.good] if f.needed or f.good else '-':8}{f.name:{width}}  {f.found}"
        for f in findings
    )
