"""The six example faces, each read and taken in once for all tests."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from hfinv import image
from hfinv.intake import Face, IntakeConfig, take_in

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
NAMES = ("f1", "f2", "f3", "f4", "f5", "f6")


@lru_cache(maxsize=None)
def photo(name: str) -> np.ndarray:
    pixels = image.read(ROOT / "examples" / "faces" / f"{name}.jpg")
    pixels.setflags(write=False)
    return pixels


@lru_cache(maxsize=None)
def taken(name: str) -> Face:
    return take_in(photo(name), IntakeConfig(matte=False))


def degrees_between(a: torch.Tensor, b: torch.Tensor) -> float:
    """The angle of the turn from one camera's [1, 4, 4] to the other's."""
    chord = torch.linalg.norm(a[0, :3, :3].double() - b[0, :3, :3].double()).item()
    return math.degrees(2 * math.asin(min(chord / math.sqrt(8), 1.0)))
