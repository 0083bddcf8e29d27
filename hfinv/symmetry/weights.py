"""How much a mirrored view counts, by how far the head is turned.

A frontal photo sees both sides and needs no mirror; the further the head is turned, the less is known of its far
side. SPI (Yin et al., "3D GAN Inversion with Facial Symmetry Prior", CVPR 2023) weighs the mirror by the complement
of a Gaussian over yaw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from hfinv.camera import Camera


@dataclass(frozen=True)
class YawConfig:
    """The weight of a mirrored view over the yaw of the photo."""

    rule: Literal["continuous", "step", "none"] = "continuous"
    """`continuous` grows from 0 without a jump, `step` is as SPI's code has it, `none` is no mirror at all."""
    most: float = 0.5
    """The weight that a profile comes near to."""
    spread: float = 0.29
    """Standard deviation of the Gaussian whose complement the weight is, radians."""
    peak: float = 2.7
    """The step rule divides the Gaussian's density by it."""
    threshold: float = 0.2
    """Below this yaw the step rule gives 0, radians."""


def yaw_of(camera: Camera) -> float:
    """The angle between the first camera's line of sight and the face's plane of symmetry, x = 0; radians.

    For a camera without pitch it is its yaw, > 0 where it stands on the side of +x.
    """
    return math.asin(max(-1.0, min(1.0, -float(camera.cam2world[0, 0, 2]))))


def yaw_weight(yaw: float, config: YawConfig) -> float:
    """The mirror's weight, in [0, most].

    Args:
        yaw: of the photo's camera, radians; its sign does not matter.
        config: the rule. The step is most * (1 - N(yaw; spread) / peak) from `threshold` on.
    """
    if config.rule == "none":
        return 0.0
    bell = math.exp(-0.5 * (yaw / config.spread) ** 2)
    if config.rule == "continuous":
        return config.most * (1 - bell)
    if abs(yaw) < config.threshold:
        return 0.0
    return config.most * (1 - bell / (config.spread * math.sqrt(2 * math.pi)) / config.peak)
