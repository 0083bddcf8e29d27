"""Cameras close to a photo's, and the photo carried to them over the head's surface."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hfinv.camera import Camera, concatenate
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.geometry.warp import carry
from hfinv.symmetry.authenticity import AuthenticityConfig, authentic
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.surface import Surface
from hfinv.symmetry.weights import yaw_of


@dataclass(frozen=True)
class NeighbourConfig:
    """Which neighbours of a camera are looked at."""

    count: int = 4
    """How many neighbours of the photo's camera, and as many of its mirror image; 0 is none."""
    yaw: float = 0.2
    """Turned to either side by at most this, radians."""
    pitch: float = 0.1
    """Lifted or lowered by at most this, radians."""
    adaptive: bool = True
    """Turn further where the photo is frontal and less where it is a profile, as SPI's code can but does not."""
    adaptive_spread: float = 0.4
    """Standard deviation of the Gaussian over the photo's yaw that then limits the turn, radians."""
    adaptive_peak: float = 2.6
    """That Gaussian's density is divided by it."""
    about: Literal["pivot", "origin"] = "pivot"
    """Turn about the point that the generator's cameras look at, or about the world's origin as SPI's code does."""


@dataclass(frozen=True)
class Views:
    """A sight carried to K cameras."""

    images: Tensor
    """[K, 3, S, S] in [-1, 1]; where `masks` is 0 the colours mean nothing."""
    masks: Tensor
    """[K, 1, S, S] in [0, 1], how far the image may be believed."""
    cameras: Camera
    """K cameras."""


def neighbours_of(
    sides: list[tuple[Sight, Surface, Tensor]],
    pivot: tuple[float, float, float],
    seen_from: Callable[[Camera], Surface],
    config: NeighbourConfig,
    authenticity: AuthenticityConfig,
    visibility: VisibilityConfig,
    rng: torch.Generator,
) -> Views:
    """Photo and mirrored photo, each carried to neighbours of its own camera.

    Args:
        sides: for each a picture, the head from its camera, and the weight of its pixels [1, 1, S, S].
        pivot: of the generator's cameras.
        seen_from: the head's surface from given cameras.
        config: which neighbours.
        authenticity: which of their pixels are believed.
        visibility: what counts as seen.
        rng: draws the neighbours.
    """
    first = sides[0][0]
    if config.count == 0:
        blank = first.picture[0:0]
        return Views(blank, blank[:, :1], first.camera[0:0])
    views = []
    for sight, source, weight in sides:
        cameras = neighbour_cameras(sight.camera, config.count, pivot, config, rng)
        target = seen_from(cameras).resized(sight.picture.shape[-1])
        views.append(carried(sight, weight, source, target, authenticity, visibility))
    return Views(
        torch.cat([v.images for v in views]),
        torch.cat([v.masks for v in views]),
        concatenate([v.cameras for v in views]),
    )


def widest_yaw(yaw: float, config: NeighbourConfig) -> float:
    """How far a neighbour may be turned, radians, if the photo's camera has this yaw."""
    if not config.adaptive:
        return config.yaw
    bell = math.exp(-0.5 * (yaw / config.adaptive_spread) ** 2)
    density = bell / (config.adaptive_spread * math.sqrt(2 * math.pi))
    return density / config.adaptive_peak


def neighbour_cameras(
    camera: Camera,
    count: int,
    pivot: tuple[float, float, float],
    config: NeighbourConfig,
    rng: torch.Generator,
) -> Camera:
    """`count` cameras, spread evenly at random to both sides, above and below.

    Args:
        camera: one camera.
        count: how many.
        pivot: the point that the generator's training cameras look at.
        config: how far, and about what.
        rng: draws them.
    """
    draw = 2 * torch.rand(2, count, generator=rng) - 1  # both signs: SPI's sampler knew only one
    yaw, pitch = draw[0] * widest_yaw(yaw_of(camera), config), draw[1] * config.pitch
    return turned(camera, yaw, pitch, pivot if config.about == "pivot" else None)


def turned(
    camera: Camera, yaw: Tensor, pitch: Tensor, pivot: tuple[float, float, float] | None
) -> Camera:
    """The camera turned about a point that keeps its place in the picture.

    Args:
        camera: one camera.
        yaw: [K], radians about the world's y; > 0 towards +x.
        pitch: [K], radians; > 0 lifts it.
        pivot: the point; then pitch is about the camera's own x. None turns about the world's origin and axes.
    """
    origin = camera.cam2world[0, :3, :3].new_tensor(pivot or (0.0, 0.0, 0.0))
    across = camera.cam2world[0, :3, 0] if pivot else origin.new_tensor([1.0, 0.0, 0.0])
    axes = torch.stack([origin.new_tensor([0.0, 1.0, 0.0]), across])
    angles = torch.stack([yaw, -pitch]).to(origin)  # lifting a camera at +z turns it against x
    turn = rotation(axes[0], angles[0]) @ rotation(axes[1], angles[1])  # [K, 3, 3]
    motion = torch.eye(4).to(origin).repeat(len(turn), 1, 1)
    motion[:, :3, :3] = turn
    motion[:, :3, 3] = origin - turn @ origin
    return Camera(motion @ camera.cam2world, camera.intrinsics.expand(len(turn), 3, 3))


def rotation(axis: Tensor, angle: Tensor) -> Tensor:
    """[3] unit axis and [K] radians -> [K, 3, 3] (Rodrigues)."""
    x, y, z = axis.tolist()
    cross = axis.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3).to(axis) + sin * cross + (1 - cos) * (cross @ cross)


def carried(
    sight: Sight,
    weight: Tensor,
    source: Surface,
    target: Surface,
    authenticity: AuthenticityConfig,
    visibility: VisibilityConfig,
) -> Views:
    """A sight drawn as K other cameras would see it, with how far it may be believed there.

    Args:
        sight: the photo, or the photo in a mirror.
        weight: [1, 1, S, S] in [0, 1], how far each of its pixels counts.
        source: the head from the sight's camera.
        target: the head from the K cameras, S x S.
        authenticity: the check there and back.
        visibility: what counts as seen by the sight's camera.
    """
    found = carry(
        torch.cat([sight.picture, weight], 1),
        source.camera,
        source.solid,
        target.camera,
        target.solid,
        visibility,
    )
    images, counted = found.image.split([3, 1], 1)
    masks = found.visible * counted.clamp(0, 1) * target.opacity
    if authenticity.check:
        masks = masks * authentic(sight, source, target, authenticity)
    return Views(images, masks, target.camera)
