"""Which cameras the pseudo views are taken from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from hfinv.camera import Camera, look_at
from hfinv.generators.base import Card


@dataclass(frozen=True)
class ViewsConfig:
    """Where the new cameras stand."""

    sampling: Literal["fan", "ellipse", "random"] = "fan"
    """`fan`: given yaws to both sides; `ellipse`: the 30 cameras of HFGI3D's code; `random`: as in HFGI3D's paper."""
    yaws: tuple[float, ...] = (0.0, 0.2, 0.45, 0.8)
    """Of the fan, radians; each but 0 to both sides."""
    pitches: tuple[float, ...] = (0.0,)
    """Of the fan, radians; every yaw at every pitch."""
    count: int = 30
    """Cameras of the ellipse, or of the random sampling."""
    yaw_range: float = 0.35
    """Half the width of the ellipse or of the random sampling, radians."""
    pitch_centre: float = -0.05
    """Of the ellipse or of the random sampling, in EG3D's nominal pitch, downwards, which is about 1.57 times the angle."""
    pitch_range: float = 0.25
    """Half their height, in the same nominal pitch."""
    outlines: int = 6
    """Cameras all around, beyond the fan, for which only the silhouette and the distances are kept; 0 for none."""


def choose_cameras(card: Card, config: ViewsConfig, rng: torch.Generator) -> Camera:
    """The cameras of the pseudo views.

    Args:
        card: of the generator: radius, pivot and focal length of its cameras.
        config: the sampling.
        rng: of the random sampling.
    """
    if config.sampling == "fan":
        sides = [side * yaw for yaw in config.yaws for side in ((1, -1) if yaw else (1,))]
        yaw = torch.tensor([y for y in sides for _ in config.pitches])
        pitch = torch.tensor([p for _ in sides for p in config.pitches])
    elif config.sampling == "ellipse":
        turn = 2 * math.pi * torch.arange(config.count) / config.count
        yaw = config.yaw_range * turn.sin()
        pitch = true_pitch(config.pitch_centre + config.pitch_range * turn.cos())
    else:
        drawn = 2 * torch.rand(config.count, 2, generator=rng) - 1
        yaw = config.yaw_range * drawn[:, 0]
        pitch = true_pitch(config.pitch_centre + config.pitch_range * drawn[:, 1])
    return look_at(yaw, pitch, card.radius, card.pivot, card.focal)


def outline_cameras(card: Card, config: ViewsConfig) -> Camera:
    """Cameras spread over the rest of the full turn, behind the widest of the others; there may be none."""
    widest = max(config.yaws) if config.sampling == "fan" else config.yaw_range
    gap = (2 * math.pi - 2 * widest) / (config.outlines + 1)
    yaw = widest + gap * torch.arange(1, config.outlines + 1)
    pitch = 0.2 * torch.sin(2.4 * torch.arange(config.outlines))
    return look_at(yaw, pitch, card.radius, card.pivot, card.focal)


def true_pitch(nominal: torch.Tensor) -> torch.Tensor:
    """The elevation that EG3D's sampler gives to a nominal pitch offset: its cosine is linear, and points down."""
    return torch.asin(-2 * nominal / math.pi)
