"""How far a head's shape and camera are from the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.shapes import check

HEAD_HEIGHT = 0.55
"""From chin to crown of the mean head in EG3D's frame, in world units."""
SOLID = 0.5
"""Opacity from which a ray has met a surface."""
EDGE = 0.05
"""World units from pixel to pixel beyond which two surface points are not neighbours."""
SLACK = 0.02
"""World units by which a surface point may lie behind what a camera measured there and still count as seen."""


@dataclass(frozen=True)
class CameraError:
    """How far a camera is from another."""

    turn_deg: float
    """Angle of the rotation between them, in degrees."""
    distance_percent: float
    """Difference of their distances from the world origin, in percent of the true one."""


def camera_error(camera: Camera, truth: Camera) -> CameraError:
    """How far a measured camera is from the true one.

    Args:
        camera, truth: one camera each.
    """
    found, wanted = camera.cam2world[0].double(), truth.cam2world[0].double()
    turn = found[:3, :3].T @ wanted[:3, :3]
    axis = torch.stack([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    # atan2 tells small angles that acos rounds away
    angle = math.degrees(math.atan2(axis.norm().item(), turn.trace().item() - 1))
    near, far = found[:3, 3].norm().item(), wanted[:3, 3].norm().item()
    return CameraError(angle, 100 * abs(near - far) / far)


def surface(distance: Tensor, opacity: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """A distance map made smaller without mixing the head with what is behind it.

    Args:
        distance: [B, 1, H, H], along the unit ray.
        opacity: [B, 1, H, H] in [0, 1]; 0 where the distance means nothing.
        size: of the result; not above H.

    Returns:
        distance [B, 1, size, size], and where it means something, bool of the same shape: all pixels of H that it
        stands for are on the head.
    """
    check(distance=(distance, "B 1 H H"), opacity=(opacity, "B 1 H H"))
    solid = (opacity >= SOLID) & torch.isfinite(distance) & (distance > 0)
    known = torch.where(solid, distance, torch.zeros_like(distance))
    if distance.shape[-1] == size:
        return known, solid
    share = F.interpolate(solid.to(known), (size, size), mode="area")
    mean = F.interpolate(known, (size, size), mode="area") / share.clamp(min=1e-6)
    return mean, share > 1 - 1e-4


def scale_between(distance: Tensor, truth: Tensor, where: Tensor) -> float:
    """The factor s for which the mean of |s distance - truth| is least: the weighted median of truth / distance.

    One picture cannot tell a small head from a far one, so distances are compared up to this factor.

    Args:
        distance, truth: same shape, positive.
        where: bool of the same shape; at least one place.
    """
    found, wanted = distance[where].double(), truth[where].double()
    ratio, order = (wanted / found).sort()
    weight = found[order].cumsum(0)
    return float(ratio[torch.searchsorted(weight, weight[-1] / 2).clamp(max=len(ratio) - 1)])


def distance_error(distance: Tensor, truth: Tensor, where: Tensor) -> float:
    """Mean absolute difference after the best scale, in percent of the head's height; nan if `where` is nowhere.

    Args:
        distance, truth: [B, 1, h, h], along the unit ray, world units.
        where: bool [B, 1, h, h], where both mean something.
    """
    if not where.any():
        return math.nan
    scale = scale_between(distance, truth, where)
    return float(100 * (scale * distance - truth)[where].abs().mean() / HEAD_HEIGHT)


def normal_angle(distance: Tensor, truth: Tensor, where: Tensor, camera: Camera) -> float:
    """Mean angle between the surfaces' normals, in degrees; nan if they cannot be told anywhere.

    Args:
        distance, truth: [1, 1, h, h], along the unit ray, from one camera.
        where: bool [1, 1, h, h], where both mean something.
        camera: that camera.
    """
    found, there = _normals(distance, where, camera)
    wanted, also = _normals(truth, where, camera)
    both = there & also
    if not both.any():
        return math.nan
    sine = torch.linalg.cross(found, wanted).norm(dim=-1)
    angle = torch.atan2(sine, (found * wanted).sum(-1))
    return math.degrees(float(angle[both].mean()))


def silhouette_iou(alpha: Tensor, truth: Tensor) -> float:
    """Intersection over union of two silhouettes, cut at one half; 1 if both are empty.

    Args:
        alpha, truth: [B, 1, H, W] in [0, 1].
    """
    found, wanted = alpha >= SOLID, truth >= SOLID
    union = (found | wanted).sum().item()
    return (found & wanted).sum().item() / union if union else 1.0


def warp_error(
    image: Tensor,
    distance: Tensor,
    opacity: Tensor,
    camera: Camera,
) -> float:
    """How much neighbouring views of one head contradict each other, in levels of 255; nan if they share nothing.

    Each view is carried to the next by the next one's distances, and the other way round; what is compared is the mean
    absolute colour difference where both see the same surface point. A head that is one solid thing has 0.

    Args:
        image: [K, 3, H, H] in [-1, 1], K neighbouring views in order.
        distance, opacity: [K, 1, h, h] of the same views.
        camera: K cameras.
    """
    check(image=(image, "K 3 H H"), distance=(distance, "K 1 h h"), opacity=(opacity, "K 1 h h"))
    size = distance.shape[-1]
    small = F.interpolate(image, (size, size), mode="area")  # h is a fraction of H
    total = count = 0.0
    for k in range(len(image) - 1):
        for here, there in ((k, k + 1), (k + 1, k)):
            carried, seen = _carried(
                image[there : there + 1], distance, opacity, camera, there, here
            )
            difference = (carried - small[here : here + 1]).abs().mean(1, keepdim=True)
            total += float((seen * difference).sum())
            count += float(seen.sum())
    return 127.5 * total / count if count else math.nan


def _carried(
    picture: Tensor, distance: Tensor, opacity: Tensor, camera: Camera, source: int, target: int
) -> tuple[Tensor, Tensor]:
    """View `source` as `target` sees its surface: colours [1, 3, h, h], and where both see it, [1, 1, h, h]."""
    size = distance.shape[-1]
    points = camera[target].points(distance[target : target + 1])  # [1, N, 3]
    pixels, length = camera[source].project(points)
    grid = (2 * pixels - 1).reshape(1, size, size, 2)
    measured = torch.cat([distance[source], opacity[source]])[None]
    there = F.grid_sample(measured, grid, mode="bilinear", align_corners=False)
    length = length.reshape(1, 1, size, size)
    whole = (there[:, 1:] > 0.99) & (opacity[target : target + 1] > 0.99)
    seen = whole & ((length - there[:, :1]).abs() < SLACK)
    # blurred as the picture that it is compared with
    scale = picture.shape[-1] // size
    picture = F.avg_pool2d(picture, scale) if scale > 1 else picture
    return F.grid_sample(picture, grid, align_corners=False, padding_mode="border"), seen.float()


def _normals(distance: Tensor, where: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Unit normals [n, n, 3] of the inner pixels, and where all four neighbours are on one surface."""
    check(distance=(distance, "1 1 h h"), where=(where, "1 1 h h"))
    size = distance.shape[-1]
    double = Camera(camera.cam2world.double(), camera.intrinsics.double())
    # `rays` are single precision by nature; the distances carry the shape
    points = double.rays_through(_centres(size, double))[1] * distance.double().flatten()[:, None]
    points = points.reshape(size, size, 3)
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    normal = F.normalize(torch.linalg.cross(down, across), dim=-1)
    on, far = where[0, 0], distance[0, 0]
    fine = on[1:-1, 1:-1].clone()
    for rows, columns in ((slice(0, -2), slice(1, -1)), (slice(2, None), slice(1, -1))):
        for r, c in ((rows, columns), (columns, rows)):
            fine &= on[r, c] & ((far[r, c] - far[1:-1, 1:-1]).abs() < EDGE)
    return normal, fine


def _centres(size: int, camera: Camera) -> Tensor:
    step = (torch.arange(size, device=camera.cam2world.device).double() + 0.5) / size
    v, u = torch.meshgrid(step, step, indexing="ij")
    return torch.stack([u, v], -1).reshape(1, -1, 2)
