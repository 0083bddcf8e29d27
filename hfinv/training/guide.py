"""Where to look along a ray whose answer is known: most samples around the surface, a few before and behind it.

Marching as at inference spends most of its samples in empty space and deep inside. While the truth is at hand, a
quarter of them teaches as much. Those behind matter at silhouettes: without them the coverage that a grazing ray
gathers there would be learned from a part of the ray, and be too large on the whole of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MARGIN = 0.02
"""How far before and behind the surface its samples reach, world units; about four rays' width."""
DEEPEST = 0.1
"""Most that the surfaces within one ray's pixel may lie apart, world units; what is farther is another thing."""


def surface_along(distance: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Nearest and farthest surface within each ray's pixel.

    Args:
        distance: [V, h, h], world units along the unit ray, 0 where nothing is.
        size: rays along one side; divides h, or the nearest entry of the map counts.

    Returns:
        first, last: [V, size * size, 1]; 0 where nothing is.
    """
    maps = distance[:, None]
    if maps.shape[-1] % size:
        maps = F.interpolate(maps, size=(size, size), mode="nearest-exact")
    factor = maps.shape[-1] // size
    first = -F.max_pool2d(torch.where(maps > 0, -maps, -1e3), factor)
    first = torch.where(first < 1e3, first, 0.0)
    last = torch.minimum(F.max_pool2d(maps, factor), first + DEEPEST)
    return first.flatten(1)[..., None], last.flatten(1)[..., None]


def guided_distances(
    first: Tensor,
    last: Tensor,
    near: Tensor,
    far: Tensor,
    counts: tuple[int, int, int],
    rng: torch.Generator,
) -> Tensor:
    """Stratified distances of samples: some from `near` to the surface, some around it, some on to `far`.

    Args:
        first, last: [B, N, 1], from `surface_along`.
        near, far: [B, N, 1], where the ray enters and leaves the box.
        counts: samples before, around and behind the surface; a ray without a surface in the box spreads all of them
            over the box.
        rng: the randomness, on the tensors' device.

    Returns:
        [B, N, sum(counts)], ascending.
    """
    total = sum(counts)
    u = torch.rand((*first.shape[:2], total), generator=rng, device=first.device)
    step = torch.arange(total, device=first.device)
    edges = [near, (first - MARGIN).maximum(near), (last + MARGIN).minimum(far), far]
    parts, begin = [], 0
    for count, start, end in zip(counts, edges, edges[1:]):
        strata = step[:count] + u[..., begin : begin + count]
        parts.append(start + (end - start) * strata / max(count, 1))
        begin += count
    anywhere = near + (far - near) * (step + u) / total
    hit = (first > near) & (first < far)
    return torch.where(hit, torch.cat(parts, -1), anywhere)
