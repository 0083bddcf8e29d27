"""Which hfinv this is, and what it stands on."""

from __future__ import annotations

import platform
from importlib import metadata

LIBRARIES = ("torch", "numpy", "scipy", "opencv-python-headless", "lpips", "safetensors", "imageio")
"""Those whose version may change a result."""


def of(package: str) -> str:
    """The installed version of a package, `unknown` if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def all_versions() -> dict[str, str]:
    """Python's, the machine's kind and every library's version, by name."""
    machine = {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return machine | {name: of(name) for name in LIBRARIES}
