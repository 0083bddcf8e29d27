"""Which points of a surface a camera saw.

HFGI3D (Xie et al., CVPR 2023, section 3.2 there) calls a point visible if it is nearest in the camera's z-buffer. Its code
allows a constant slack of 1/512, so that whatever is steeper than about 58 degrees is lost; SPI's slack of 0.05 lets a nose
be seen through. Here the slack follows the pixel's footprint and the surface's slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.shapes import check


@dataclass(frozen=True)
class VisibilityConfig:
    """When a point counts as seen."""

    tolerance: float = 1.0
    """How far a point may lie off the surface that the camera measured, in footprints of a pixel of that measurement."""
    slope: float = 1.0
    """How much more per footprint of slope, the change of distance from one pixel to the next."""
    constant: float = 0.0
    """World units that replace the two above; HFGI3D's code has 0.00195, SPI's 0.05. 0 does not."""
    jump: float = 6.0
    """Slopes beyond so many footprints a pixel are an edge of the head, and widen the tolerance no further."""
    grazing: float = 75.0
    """Degrees between ray and surface normal at which trust begins to fade."""
    grazing_end: float = 84.0
    """Degrees at which no trust is left."""
    soft: bool = True
    """Fade over the tolerance and the grazing angles; otherwise cut hard."""


def visible(
    points: Tensor,
    source: Camera,
    source_distance: Tensor,
    config: VisibilityConfig | None = None,
    normals: Tensor | None = None,
) -> Tensor:
    """How much of each point a camera saw, [K, N, 1] in [0, 1].

    A point is compared with the four pixels around its projection, each of which stands for a little plane: its distance
    and its slope; pixels that look past an edge of the head into the distance have no say. A point in front of all that was
    measured was not seen either, for the camera looked past it.

    Args:
        points: [K, N, 3], world frame; those that are not finite were not seen.
        source: one camera.
        source_distance: [1, 1, h, w], what it measured, along unit rays; not finite where nothing is.
        config: the tolerances.
        normals: [K, N, 3], of the surface at the points, outwards; what faces away from the camera was not seen.

    Raises:
        ValueError: a shape does not fit.
    """
    config = config or VisibilityConfig()
    check(points=(points, "K N 3"), source_distance=(source_distance, "1 1 H W"))
    size = source_distance.shape[-1]
    pixels, distance, front = locate(points, source)
    surface = Surfels.of(source_distance.double(), source, config)
    place = pixels * size - 0.5  # in pixels, centres at whole numbers
    corner = place.floor()
    agreed, asked = torch.zeros_like(distance), torch.full_like(distance, 1e-9)
    for dy in (0, 1):
        for dx in (0, 1):
            tap = corner + torch.tensor([dx, dy]).to(corner)
            share = (1 - (place - tap).abs()).clamp(min=0).prod(-1, keepdim=True)
            near, trust, beyond = surface.agrees(tap, place, distance, config)
            agreed = agreed + share * near * trust
            asked = asked + share * (~beyond | (near > 0))
    seen = agreed / asked
    if normals is not None:
        way = source.centre.double()[:, None] - points.double()
        facing = (normals.double() * way).sum(-1, keepdim=True) / way.norm(dim=-1, keepdim=True)
        seen = seen * trusted(torch.rad2deg(torch.acos(facing.clamp(-1, 1))), config)
    return torch.where(front, seen, 0.0).float().clamp(0, 1)


def trusted(angle: Tensor, config: VisibilityConfig) -> Tensor:
    """Trust in [0, 1] at angles between ray and normal, in degrees."""
    width = max(config.grazing_end - config.grazing, 1e-9)
    trust = ((config.grazing_end - angle) / width).clamp(0, 1)
    return trust if config.soft else (trust > 0.5).to(trust)


def locate(points: Tensor, camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Where one camera sees K sets of points, in double precision.

    Returns:
        pixels [K, N, 2] in [0, 1] inside the picture, distance [K, N, 1], and whether the point is finite, in front of the
        camera and inside the picture, [K, N, 1]; the others have pixels (-1, -1) and distance 0.
    """
    double = Camera(camera.cam2world.double(), camera.intrinsics.double())
    points = points.double()
    pixels, distance = double.project(points)
    depth = (points - double.centre[:, None]) @ double.cam2world[:, :3, 2:3]
    finite = points.isfinite().all(-1, keepdim=True)
    inside = ((pixels > 0) & (pixels < 1)).all(-1, keepdim=True)
    front = finite & inside & (depth > 0)
    return torch.where(front, pixels, -1.0), torch.where(front, distance, 0.0), front


@dataclass(frozen=True)
class Surfels:
    """A distance map as a field of little planes."""

    distance: Tensor
    """[h, w], not finite where nothing is."""
    slope: Tensor
    """[h, w, 2], change of distance per pixel to the right and downwards, on the smoother side."""
    footprint: Tensor
    """[h, w], the width of a pixel at that distance, world units."""
    trust: Tensor
    """[h, w] in [0, 1], falls towards grazing angles."""

    @classmethod
    def of(cls, distance: Tensor, camera: Camera, config: VisibilityConfig) -> Surfels:
        """The planes of a map [1, 1, h, w]."""
        map_ = distance[0, 0]
        slope = torch.stack([smoother_slope(map_, 1), smoother_slope(map_, 0)], -1)
        focal = camera.intrinsics[0, 0, 0].double()
        footprint = map_ / (focal * map_.shape[-1])
        # tan of the angle between ray and normal is the change of distance per footprint.
        angle = torch.rad2deg(torch.atan(slope.norm(dim=-1) / footprint))
        trust = torch.where(map_.isfinite(), trusted(angle, config), 0.0)
        return cls(map_, slope, footprint, trust)

    def agrees(
        self, tap: Tensor, place: Tensor, distance: Tensor, config: VisibilityConfig
    ) -> tuple[Tensor, Tensor, Tensor]:
        """How well points lie on the planes of given pixels in [0, 1], the trust there, and whether the plane lies beyond
        the point; [K, N, 1] each.

        Args:
            tap: [K, N, 2], whole pixels (x, y); outside of the map there is nothing.
            place: [K, N, 2], where the points are in the image, in pixels.
            distance: [K, N, 1], of the points.
        """
        height, width = self.distance.shape
        x, y = tap.long().unbind(-1)
        x, y = x.clamp(0, width - 1), y.clamp(
            0, height - 1
        )  # the border's planes go on half a pixel
        slope, footprint = self.slope[y, x], self.footprint[y, x][..., None]
        expected = self.distance[y, x][..., None] + (slope * (place - torch.stack([x, y], -1))).sum(
            -1, keepdim=True
        )
        steepness = slope.norm(dim=-1, keepdim=True).clamp(max=config.jump * footprint)
        tolerance = config.constant or (config.tolerance * footprint + config.slope * steepness)
        off = (distance - expected).abs() / tolerance
        near = (1.5 - off).clamp(0, 1) if config.soft else (off <= 1).to(off)
        finite = expected.isfinite()
        near = torch.where(finite, near, 0.0)
        return near, self.trust[y, x][..., None], ~finite | (expected > distance)


def smoother_slope(distance: Tensor, axis: int) -> Tensor:
    """Change of distance per pixel along an axis, [h, w]: of the two sides of a pixel the one that changes less.

    At an edge of the head one side jumps to the background, and says nothing of the surface.
    """
    step = distance.diff(dim=axis)
    pad = step.new_full([1 if k == axis else n for k, n in enumerate(distance.shape)], torch.inf)
    before, after = torch.cat([pad, step], axis), torch.cat([step, pad], axis)
    before, after = (torch.where(x.isfinite(), x, torch.inf) for x in (before, after))
    slope = torch.where(before.abs() < after.abs(), before, after)
    # In the middle of a smooth patch both sides count, which is exact to second order.
    smooth = (before - after).abs() < 0.5 * slope.abs()
    slope = torch.where(smooth, (before + after) / 2, slope)
    return torch.where(slope.isfinite(), slope, 0.0)
