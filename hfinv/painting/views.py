"""What cameras around a head should see of paint that lies on the photo's crop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, concatenate, look_at
from hfinv.errors import PhotoError
from hfinv.generators.base import Rendering
from hfinv.geometry import enlarge
from hfinv.geometry.warp import background_to_infinity, carry
from hfinv.image import shrink

GAP = 7
"""Pixels: narrower gaps in what the photo's camera saw are closed."""
UNSEEN = 0.05
"""Visibility below which a point is behind something, and not paint."""


@dataclass(frozen=True)
class ViewsConfig:
    """Which cameras look."""

    turns: tuple[float, ...] = (-40.0, -18.0, 18.0, 40.0)
    """Yaws of the cameras beside the photo's, degrees to its sides."""
    lifts: tuple[float, ...] = (0.0, 10.0, -10.0, 0.0)
    """Their pitches above the photo's, degrees."""


@dataclass(frozen=True)
class Paint:
    """Colours on a crop, and the head they were meant for."""

    colour: Tensor
    """[1, 3, S, S] in [-1, 1]; where nothing is painted it means nothing."""
    mask: Tensor
    """[1, 1, S, S] in [0, 1], 1 where it was painted."""
    camera: Camera
    """The crop's."""
    w_plus: Tensor
    """[1, L, D], the head's, before any edit: the crop shows that one."""


@dataclass(frozen=True)
class Change:
    """A change of colours on the crop."""

    colour: Tensor
    """[1, 3, S, S], to be added, times its own mask."""
    mask: Tensor
    """[1, 1, S, S] in [0, 1], where."""
    camera: Camera
    """The crop's."""


@dataclass(frozen=True)
class PaintedViews:
    """The head from K cameras, before and as it should become; the first camera is the photo's."""

    cameras: Camera
    """K cameras."""
    before: Rendering
    """What they see now, over a plain grey."""
    image: Tensor
    """[K, 3, H, H] in [-1, 1], what they should see."""
    paint: Tensor
    """[K, 1, H, H] in [0, 1], how much of it is paint."""
    known: Tensor
    """[K, 1, H, H] in [0, 1], less than 1 where paint may lie that the photo's camera saw at a grazing angle."""


@torch.no_grad()
def painted_views(
    generator: Any, planes: Tensor, w_plus: Tensor, change: Change, config: ViewsConfig
) -> PaintedViews:
    """Carry a change over the head's surface to other cameras, as far as the photo's camera sees that surface.

    Args:
        generator, planes, w_plus: the head.
        change: on the photo.
        config: the cameras.

    Raises:
        PhotoError: none of the change is on the head.
    """
    size = generator.card.image_size
    cameras = concatenate([change.camera, around(generator, change.camera, config)])
    before = joined(
        [generator.render(planes, w_plus, cameras[k], background=0.0) for k in range(len(cameras))]
    )
    small = background_to_infinity(before.distance, before.opacity)
    distance = enlarge(small, size, cameras)
    picture = shrink(torch.cat([change.colour, change.mask], 1), size)
    carried = carry(picture, change.camera, distance[:1], cameras[1:], distance[1:])
    # On the photo itself nothing needs to be carried.
    visible = torch.cat([torch.ones_like(picture[:, :1]), closed(carried.visible)]) * before.alpha
    everywhere = torch.cat([picture, carried.image])
    shown = visible * everywhere
    if shown[:1, 3:].sum() < 1:
        raise PhotoError("none of the paint is on the head", "paint on the face or the hair")
    image = (before.image + shown[:, :3]).clamp(-1, 1)
    unsure = everywhere[:, 3:] * (1 - visible) * (visible > UNSEEN)
    return PaintedViews(cameras, before, image, shown[:, 3:].clamp(0, 1), 1 - unsure.clamp(0, 1))


def closed(visible: Tensor) -> Tensor:
    """[K, 1, H, H] without its gaps: the slit of a mouth or a sliver of noise must not split a stroke."""
    wide = F.max_pool2d(visible, GAP, 1, GAP // 2)
    return -F.max_pool2d(-wide, GAP, 1, GAP // 2)


def around(generator: Any, camera: Camera, config: ViewsConfig) -> Camera:
    """The cameras beside the photo's, on the generator's sphere."""
    yaw, pitch = camera.angles()
    turns, lifts = (
        torch.tensor([math.radians(angle) for angle in angles]).to(yaw)
        for angles in (config.turns, config.lifts)
    )
    card = generator.card
    return look_at(yaw + turns, pitch + lifts, card.radius, card.pivot, card.focal).to(yaw.device)


def joined(parts: list[Rendering]) -> Rendering:
    """Renderings of one camera each as one of all."""
    names = ("image", "alpha", "raw", "opacity", "distance")
    return Rendering(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
