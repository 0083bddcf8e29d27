"""How far an offset of the planes reaches: to what the photo, or its mirror image, sees of the head.

Planes print through: what a photo writes on them runs on behind its surface, as streaks along the sides and down the back.
So the offset is counted in a shell about the surface that is seen; all else keeps the planes of the untouched generator.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, concatenate
from hfinv.fill import filled
from hfinv.symmetry.surface import look

CELLS = 64
"""Along each side of the box."""
RAYS = 128
"""Along each side of the pictures in which the surface is looked at."""
SOLID = 0.5
"""Opacity from which on a ray ends on the head."""


@torch.no_grad()
def find_reach(generator: Any, w_plus: Tensor, camera: Camera, near: float) -> Tensor:
    """How much of an offset counts at each place of the common head.

    Args:
        generator: untouched.
        w_plus: [1, L, D].
        camera: the photo's; its mirror image sees what symmetry tells.
        near: world units from the surface, along the rays, up to which all of it counts; none does beyond twice that.

    Returns:
        [1, 1, CELLS, CELLS, CELLS] in [0, 1], by z, y and x over the box.
    """
    planes = generator.planes(w_plus)
    points = cells(generator.card.box).to(planes)
    if generator.MOVES:
        points = generator.carried(points, w_plus)
    cameras = concatenate([camera, camera.mirrored()])
    seen = look(generator, planes, w_plus, cameras, RAYS)
    found = torch.zeros_like(points[..., 0])
    for k in range(len(cameras)):
        surface = extended(seen.distance[k : k + 1], seen.opacity[k : k + 1])
        pixels, distance = cameras[k].project(points)
        there = F.grid_sample(
            surface, 2 * pixels[:, None] - 1, padding_mode="border", align_corners=False
        )
        away = (distance[..., 0] - there[:, 0, 0]).abs()
        within = ((pixels - 0.5).abs() <= 0.5).all(-1)  # the photo ends at its frame
        found = found.maximum((2 - away / near).clamp(0, 1) * within)
    volume = found.reshape(1, 1, CELLS, CELLS, CELLS)
    return F.avg_pool3d(volume, 3, 1, 1, count_include_pad=False)


def cells(box: float) -> Tensor:
    """The middles of the cells, [1, CELLS ** 3, 3], world units, x changing fastest."""
    along = box * ((torch.arange(CELLS) + 0.5) / CELLS - 0.5)
    z, y, x = torch.meshgrid(along, along, along, indexing="ij")
    return torch.stack([x, y, z], -1).reshape(1, -1, 3)


def extended(distance: Tensor, opacity: Tensor) -> Tensor:
    """Distances [1, 1, h, h] where the head is solid, elsewhere those of the nearest pixel where it is: hair may grow
    beyond its outline."""
    solid = (opacity[0, 0] > SOLID).cpu().numpy()
    if not solid.any():
        return distance
    return torch.from_numpy(filled(distance[0, 0].cpu().numpy(), solid))[None, None].to(distance)
