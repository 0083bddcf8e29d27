"""Settings of what symmetry says while the generator is tuned.

Apart from the terms themselves, which need the networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class NeighbourTermConfig:
    """The photo carried to random neighbours over the surface as it is at that step (SPI's warp loss)."""

    weight: float = 0.4
    """At each use; 0 leaves it out. SPI: 0.1, times its batch of 4."""
    every: int = 8
    """Steps between two uses; SPI has 4."""
    batch: int = 1
    """Neighbours at each use; SPI has 4."""


@dataclass(frozen=True)
class RegionConfig:
    """Eyes and mouth of the mirrored photo, compared at random neighbours of its camera (SPI's mirror loss)."""

    weight: float = 0.2
    """At each use; 0 leaves it out. SPI: 0.05, times its batch of 4."""
    every: int = 8
    """Steps between two uses; SPI has 4."""
    batch: int = 1
    """Neighbours at each use; SPI has 4."""
    compare: Literal["contextual", "lpips"] = "contextual"
    """By the contextual loss, as SPI, or by mean absolute difference plus LPIPS."""
    scale: float = 0.1
    """The sum over the three boxes is multiplied by it."""
    by_yaw: bool = True
    """Multiply by the mirror's weight for this yaw; SPI's code has that commented out."""
    eye_pad: float = 15 / 256
    """Room around an eye's points, in sides of the picture."""
    mouth_pad: float = 8 / 256
    """Room around the mouth's points, in sides of the picture."""
    crop: int = 80
    """Side to which a box is brought, in pixels."""
    bandwidth: float = 0.5
    """Of the contextual loss: how much better than the rest a match must be."""
    least: float = 0.3
    """A box is compared if at least this share of it may be believed; SPI compares always."""


@dataclass(frozen=True)
class DistanceConfig:
    """The surface stays near where the untouched generator has it, at random cameras (SPI's depth regularisation)."""

    weight: float = 1.0
    """At each use; 0 leaves it out."""
    every: int = 4
    """Steps between two uses."""
    batch: int = 1
    """Cameras at each use; SPI has 4."""
    cameras: int = 24
    """How many random cameras there are to choose from: the untouched surface is looked at once from each."""
    yaw: float = 0.7
    """Cameras are turned to either side by at most this, radians; SPI's code turns to one side only."""
    pitch: float = 0.26
    """Lifted or lowered by at most this, radians: what EG3D's sampler does for SPI's 0.4."""
    on_head: bool = True
    """Compare only where the untouched generator shows the head; off, as published, everywhere."""
