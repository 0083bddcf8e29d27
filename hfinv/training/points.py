"""Points in space whose answer is known from a head's distance maps: free, solid, and the colour at the surface.

The cheap way to teach a field: no ray marching, thousands of points a head. A point is free if any view looks
through it; solid if every view that frames it finds the surface before it (a visual hull cut by distance maps).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.training.dataset import Batch

SOFTNESS = 0.004
"""Width of the step from free to solid, in world units; about two thirds of a distance-map pixel."""
FACE = ((-0.12, -0.14, 0.1), (0.12, 0.09, 0.5))
"""Lowest and highest corner of a box around eyes, nose and mouth, world frame; a seventh of what the views see."""
BACKGROUND = 0.1
"""How far in front of a surface a point counts that a view sees against the background."""


@dataclass(frozen=True)
class Points:
    """N points in each of B heads."""

    position: Tensor
    """[B, N, 3], world frame."""
    occupancy: Tensor
    """[B, N, 1] in [0, 1]."""
    known: Tensor
    """[B, N, 1], 1 where the views can tell."""
    colour: Tensor
    """[B, N, 3] in [0, 1]."""
    at_surface: Tensor
    """[B, N, 1], 1 where `colour` means something."""


def sample_points(
    batch: Batch, near: int, anywhere: int, box: float, rng: torch.Generator, face: float = 1.0
) -> Points:
    """Points along the surface and all through the box, with their answers.

    Args:
        batch: B heads of K views.
        near: points a head around the surface.
        anywhere: points a head, uniform in the box.
        box: side of the cube, world units.
        rng: the randomness.
        face: how many times as often a point of the face is drawn as another of the surface.
    """
    position, offset, colour = near_surface(batch, near, rng, face)
    uniform = (
        torch.rand(len(batch.z), anywhere, 3, generator=rng, device=batch.z.device) - 0.5
    ) * box
    position = torch.cat([position, uniform], 1)  # [B, N, 3]
    front, known = in_front(batch, position)  # [B, N, 1]
    # The view that a point was drawn from knows its own offset exactly.
    own = torch.cat([-offset, torch.full_like(uniform[..., :1], -BACKGROUND)], 1)
    occupancy = torch.sigmoid(-torch.maximum(front - SOFTNESS, own) / SOFTNESS)
    known = torch.cat([torch.ones_like(offset), known[:, near:]], 1)
    inside = (
        (position.abs() < box / 2).all(-1, keepdim=True)
    ).float()  # outside, there is no field
    known = known * inside
    at_surface = inside * torch.cat(
        [(offset.abs() < 2 * SOFTNESS).float(), torch.zeros_like(uniform[..., :1])], 1
    )
    return Points(
        position, occupancy, known, torch.cat([colour, torch.zeros_like(uniform)], 1), at_surface
    )


def near_surface(
    batch: Batch, count: int, rng: torch.Generator, face: float = 1.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Points a little before and behind the first surface along random rays; `face` as in `sample_points`.

    Returns:
        position [B, N, 3]; offset [B, N, 1], how far behind the surface along the ray; colour [B, N, 3] in [0, 1].
    """
    b, k, h, _ = batch.distance.shape
    origins, directions = (x.reshape(b, -1, 3) for x in batch.camera.rays(h))  # [B, K*h*h, 3]
    surface = origins + batch.distance.reshape(b, -1, 1) * directions
    low, high = (surface.new_tensor(corner) for corner in FACE)
    on_face = ((surface > low) & (surface < high)).all(-1)
    wanted = (batch.distance.flatten(1) > 0) * torch.where(on_face, face, 1.0)
    pixel = torch.multinomial(wanted, count, replacement=True, generator=rng)  # [B, N]
    origins, directions = (
        x.gather(1, pixel[..., None].expand(-1, -1, 3)) for x in (origins, directions)
    )
    device = batch.distance.device
    often = torch.rand(b, count, 1, generator=rng, device=device) < 0.7
    width = torch.where(often, 0.006, 0.04)
    offset = width * torch.randn(b, count, 1, generator=rng, device=device)
    distance = batch.distance.flatten(1).gather(1, pixel)[..., None]
    position = origins + (distance + offset) * directions
    factor = batch.image.shape[-1] // h
    image = F.avg_pool2d(batch.image.flatten(0, 1), factor).reshape(b, k, 3, h * h)
    alpha = F.avg_pool2d(batch.alpha.flatten(0, 1), factor).reshape(b, k, 1, h * h)
    straight = (image / alpha.clamp(min=0.05) + 1) / 2  # [B, K, 3, h*h]
    colour = (
        straight.transpose(2, 3).reshape(b, -1, 3).gather(1, pixel[..., None].expand(-1, -1, 3))
    )
    return position, offset, colour.clamp(0, 1)


def in_front(batch: Batch, position: Tensor) -> tuple[Tensor, Tensor]:
    """How far each point lies before the surface, in the view that sees it best.

    The nearest of the four surrounding distances counts, so that steep surfaces are not eaten away.

    Returns:
        front [B, N, 1]: > 0 where some view looks through the point; known [B, N, 1]: 1 where that is so, or
        where at least half of the views frame the point: one view alone cannot tell solid from hidden.
    """
    b, k, h, _ = batch.distance.shape
    n = position.shape[1]
    pixels, distance = batch.camera.project(
        position.repeat_interleave(k, 0)
    )  # [B*K, N, 2], [B*K, N, 1]
    inside = ((pixels > 0) & (pixels < 1)).all(-1)
    surface = torch.where(batch.distance > 0, batch.distance, 1e3).reshape(b * k, 1, h, h)
    nearest = -F.max_pool2d(
        F.pad(-surface, (0, 1, 0, 1), value=-1e3), 2, 1
    )  # [B*K, 1, h, h], of each pixel and its next
    index = (pixels * h - 0.5).floor().long().clamp(0, h - 1)
    seen = nearest.flatten(1).gather(1, index[..., 1] * h + index[..., 0])  # [B*K, N]
    front = (seen - distance[..., 0]).clamp(max=BACKGROUND)
    front = torch.where(inside, front, -BACKGROUND).reshape(b, k, n).amax(1)
    framed = 2 * inside.reshape(b, k, n).sum(1) >= k
    return front[..., None], ((front > 0) | framed)[..., None].float()
