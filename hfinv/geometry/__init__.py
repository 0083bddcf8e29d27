"""From a generator to a surface, and from a surface to what cameras measure of it.

HFGI3D (Xie et al., CVPR 2023) extracts a mesh; its code lifts one coarse distance map, stored in steps of 0.001 and taken
for z. Both ways are here, the second (`mesh = false`) with a map of its own for every camera and true distances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.density import density_grid, surface_level
from hfinv.geometry.raster import rasterise
from hfinv.geometry.surface import extract
from hfinv.geometry.visibility import smoother_slope
from hfinv.geometry.warp import background_to_infinity
from hfinv.shapes import check

__all__ = ["Shape", "ShapeConfig", "enlarge", "measure_distances", "measure_shape"]


@dataclass(frozen=True)
class ShapeConfig:
    """How the surface is found."""

    mesh: bool = True
    """Measure distances on a mesh; otherwise render them, ray by ray."""
    resolution: int = 192
    """Points of the density grid along one side of the box, 128 to 512."""
    block: int = 4
    """Fine cells along one side of the coarse cells that tell where the surface is."""
    level: float | None = None
    """Raw density of the surface; none takes the median over what cameras all around measure."""
    rays: int = 128
    """Rays along one side of a rendered distance map."""
    engine: Literal["auto", "embree", "pytorch3d"] = "auto"
    """Who rasterises the mesh."""


@dataclass(frozen=True)
class Shape:
    """A head's surface."""

    vertices: Tensor
    """[V, 3], world frame."""
    faces: Tensor
    """[F, 3] int64, counter-clockwise from outside."""
    level: float
    """The raw density where it lies."""


def measure_shape(
    generator: Any, planes: Tensor, w_plus: Tensor, config: ShapeConfig | None = None
) -> Shape:
    """The surface of a head.

    Args:
        generator: any.
        planes: [1, P, C, h, w].
        w_plus: [1, L, D].
        config: the grid.

    Raises:
        HfinvError: nothing solid is there.
    """
    config = config or ShapeConfig()
    level = config.level
    if level is None:
        level = surface_level(generator, planes, w_plus)
    grid = density_grid(generator, planes, config.resolution, level, config.block)
    vertices, faces = extract(grid, level, generator.card.box)
    return Shape(vertices.to(planes.device), faces.to(planes.device), level)


@torch.no_grad()
def measure_distances(
    generator: Any,
    planes: Tensor,
    w_plus: Tensor,
    camera: Camera,
    size: int,
    shape: Shape | None,
    config: ShapeConfig | None = None,
) -> Tensor:
    """How far the head is along each pixel's ray, [K, 1, size, size]; infinite beside it.

    Args:
        generator, planes, w_plus: the head.
        camera: K cameras.
        size: side of the maps, in pixels.
        shape: its mesh; None renders the distances instead, and enlarges them if they are smaller.
        config: rays of the rendering, engine of the rasteriser.
    """
    config = config or ShapeConfig()
    if shape is not None:
        return rasterise(shape.vertices, shape.faces, camera, size, config.engine).distance[:, None]
    maps = []
    for index in range(len(camera)):  # one at a time bounds the memory
        seen = generator.render(
            planes, w_plus, camera[index], size=config.rays, superresolve=False, background=0.0
        )
        maps.append(
            enlarge(background_to_infinity(seen.distance, seen.opacity), size, camera[index])
        )
    return torch.cat(maps)


def enlarge(distance: Tensor, size: int, camera: Camera, jump: float = 4.0) -> Tensor:
    """A distance map of more pixels, without skirts: nothing spans the gap between nose and cheek or head and background.

    Each new pixel takes the side of its nearest old one, and of the four around it averages those on that side.

    Args:
        distance: [B, 1, h, h], infinite where nothing is.
        size: side of the new map.
        camera: B cameras.
        jump: a neighbour further than so many footprints off the plane of the nearest is on another side.
    """
    old = check(distance=(distance, "B 1 H W"))["W"]
    if old == size:
        return distance
    place = (torch.arange(size, device=distance.device) + 0.5) / size * old - 0.5
    y, x = (p.reshape(s) for p, s in zip((place, place), ((-1, 1), (1, -1))))
    own = (y.round().clamp(0, old - 1).long(), x.round().clamp(0, old - 1).long())
    slopes = [
        torch.stack([smoother_slope(m[0], axis) for m in distance])[:, None] for axis in (0, 1)
    ]
    nearest = distance[..., own[0], own[1]]
    plane = nearest + sum(s[..., own[0], own[1]] * (p - o) for s, p, o in zip(slopes, (y, x), own))
    limit = jump * nearest / (camera.intrinsics[:, 0, 0].reshape(-1, 1, 1, 1) * old)
    total, weight = torch.zeros_like(nearest), torch.full_like(nearest, 1e-9)
    for dy in (0, 1):
        for dx in (0, 1):
            tap = (y.floor() + dy, x.floor() + dx)
            share = (1 - (y - tap[0]).abs()) * (1 - (x - tap[1]).abs())
            at = tuple(t.clamp(0, old - 1).long() for t in tap)
            # The neighbour's plane, where it reaches the new pixel.
            value = distance[..., at[0], at[1]] + sum(
                s[..., at[0], at[1]] * (p - t) for s, p, t in zip(slopes, (y, x), at)
            )
            with_it = share * ((value - plane).abs() < limit)
            total = total + torch.where(with_it > 0, with_it * value, 0.0)
            weight = weight + with_it
    joined = torch.where(weight > 1e-6, total / weight, plane)
    return torch.where(nearest.isfinite(), joined, torch.inf)
