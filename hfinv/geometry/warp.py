"""A picture carried from the camera that took it to other cameras, by reading it backwards.

Each pixel of the new view asks where in the picture its surface point lies. Nothing is splatted: no hole opens between
pixels, no far point shines through between near ones, and the identity is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.visibility import VisibilityConfig, locate, smoother_slope, visible
from hfinv.shapes import check


@dataclass(frozen=True)
class Carried:
    """A picture as K other cameras would have taken it, as far as it shows what they see."""

    image: Tensor
    """[K, C, h, w], the picture's values; meaningless where not visible."""
    visible: Tensor
    """[K, 1, h, w] in [0, 1], 1 where the picture shows the surface point."""


def carry(
    picture: Tensor,
    source: Camera,
    source_distance: Tensor,
    target: Camera,
    target_distance: Tensor,
    config: VisibilityConfig | None = None,
) -> Carried:
    """Read a picture at the surface points that other cameras see (HFGI3D's warp; algorithms of SPI use the same).

    Where a camera sees no surface its distance is not finite (`background_to_infinity` makes it so), and nothing is
    visible there. Gradients flow to the picture only.

    Args:
        picture: [1, C, H, H], any values: colours, masks, features.
        source: the camera that took it.
        source_distance: [1, 1, s, s], what it measured along its unit rays; its size need not be the picture's.
        target: K cameras.
        target_distance: [K, 1, h, h], what they measure.
        config: when a point counts as visible.

    Raises:
        ValueError: a shape does not fit.
    """
    sizes = check(picture=(picture, "1 C H W"), target_distance=(target_distance, "K 1 h w"))
    count, side = sizes["K"], sizes["h"]
    with torch.no_grad():
        points = surface_points(target, target_distance)  # [K, N, 3]
        normals = surface_normals(target, target_distance)
        seen = visible(points, source, source_distance, config, normals)
        pixels, _, _ = locate(points, source)
        grid = (2 * pixels - 1).reshape(count, side, side, 2).to(picture)
    image = F.grid_sample(
        picture.expand(count, -1, -1, -1),
        grid,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return Carried(image, seen.reshape(count, 1, side, side).to(picture))


def surface_points(camera: Camera, distance: Tensor) -> Tensor:
    """World points that cameras measure, [B, h * h, 3], in double precision.

    Args:
        camera: B cameras.
        distance: [B, 1, h, h], along the unit ray (never z); not finite where nothing is.
    """
    double = Camera(camera.cam2world.double(), camera.intrinsics.double())
    return double.points(distance.double())


def surface_normals(camera: Camera, distance: Tensor) -> Tensor:
    """Unit normals of what cameras measure, towards them, [B, h * h, 3], in double precision.

    Args:
        camera: B cameras.
        distance: [B, 1, h, h]; not finite where nothing is, and the normals there mean nothing.
    """
    size = distance.shape[-1]
    double = Camera(camera.cam2world.double(), camera.intrinsics.double())
    middle = (torch.arange(size, device=distance.device).double() + 0.5) / size
    v, u = torch.meshgrid(middle, middle, indexing="ij")
    pixel = torch.stack([u, v], -1).reshape(1, -1, 2).expand(len(camera), -1, -1)
    _, ray = double.rays_through(pixel)
    along = distance.double().flatten(1)[..., None]
    sides = []
    for axis in (0, 1):
        slope = torch.stack([smoother_slope(x[0].double(), 1 - axis) for x in distance])
        step = torch.zeros(2).to(pixel)
        step[axis] = 1 / size
        turn = (double.rays_through(pixel + step)[1] - double.rays_through(pixel - step)[1]) / 2
        sides.append(slope.flatten(1)[..., None] * ray + along * turn)
    normal = F.normalize(torch.linalg.cross(*sides), dim=-1)
    return torch.where((normal * ray).sum(-1, keepdim=True) > 0, -normal, normal)


def background_to_infinity(distance: Tensor, opacity: Tensor, least: float = 0.5) -> Tensor:
    """A rendering's distance with infinity where a ray meets less than `least` of a surface.

    Args:
        distance: [B, 1, h, w].
        opacity: [B, 1, h, w] in [0, 1].
    """
    return torch.where(opacity >= least, distance, torch.inf)
