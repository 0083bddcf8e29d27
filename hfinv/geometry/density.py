"""A generator's density on a grid, and the level at which its surface lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import look_at
from hfinv.errors import HfinvError

SURE = 0.95
"""Opacity from which on a ray's distance is taken for that of a surface."""


@torch.no_grad()
def surface_level(
    generator: Any, planes: Tensor, w_plus: Tensor, cameras: int = 6, rays: int = 32
) -> float:
    """The raw density at the head's surface: the median over what cameras all around measure.

    EG3D, HFGI3D and SPI put a constant here (10), which is another surface for each checkpoint.

    Args:
        generator: any.
        planes: [1, P, C, h, w].
        w_plus: [1, L, D].
        cameras: how many look, evenly spread over the full turn.
        rays: along one side of each picture.

    Raises:
        HfinvError: nothing solid is there.
    """
    card = generator.card
    turn = 2 * torch.pi * torch.arange(cameras) / cameras
    around = look_at(turn, 0.0, card.radius, card.pivot, card.focal).to(planes.device)
    found = []
    for index in range(cameras):
        seen = generator.render(
            planes, w_plus, around[index], size=rays, superresolve=False, background=0.0
        )
        points = around[index].points(seen.distance)[seen.opacity.flatten(1) > SURE]
        if len(points):
            found.append(generator.density(planes, points[None]).flatten())
    if not found:
        raise HfinvError(
            "the generator draws nothing solid, so its surface cannot be measured",
            "look at the latent's `fit.png`: is there a head?",
        )
    return float(torch.cat(found).median())


@torch.no_grad()
def density_grid(
    generator: Any,
    planes: Tensor,
    resolution: int,
    level: float,
    block: int = 4,
    chunk: int = 1 << 18,
) -> np.ndarray:
    """Raw density at resolution ** 3 points that span the generator's box, first index x, then y, then z.

    A coarse grid tells where the surface passes; only there, and one cell around, are all points asked. Elsewhere the
    grid holds the coarse values between, which lie on the right side of the level.

    Args:
        generator: any.
        planes: [1, P, C, h, w].
        resolution: points along one side; the outermost lie on the box's faces.
        level: of the surface.
        block: fine cells along one side of a coarse one; 1 asks every point.
        chunk: points asked at once, which bounds the memory.
    """
    device, box = planes.device, generator.card.box

    def ask(index: Tensor) -> Tensor:
        """Densities at whole indices [N, 3], in chunks."""
        asked = []
        for part in index.split(chunk):
            points = box * (part.to(device).float() / (resolution - 1) - 0.5)
            asked.append(generator.density(planes, points[None])[0, :, 0].float().cpu())
        return torch.cat(asked)

    corners = torch.arange(0, resolution + block - 1, block).clamp(max=resolution - 1).unique()
    count = len(corners)
    coarse = ask(torch.cartesian_prod(corners, corners, corners)).reshape(count, count, count)
    cells = near_surface(coarse, level)  # [count - 1] ** 3
    steps = torch.diff(corners)
    owner = torch.repeat_interleave(torch.arange(count - 1), steps)
    owner = torch.cat([owner, owner[-1:]])  # the coarse cell of each fine point
    wanted = cells[owner][:, owner][:, :, owner]
    grid = between(coarse, corners, resolution)
    if wanted.any():
        grid[wanted] = ask(wanted.nonzero())
    return grid.numpy()


def near_surface(coarse: Tensor, level: float) -> Tensor:
    """Cells of a grid [n, n, n] whose corners lie on both sides of the level, and their neighbours: [n - 1] * 3, bool."""
    inside = (coarse > level)[None, None].float()
    some, all_ = F.max_pool3d(inside, 2, 1), -F.max_pool3d(-inside, 2, 1)
    return F.max_pool3d((some != all_).float(), 3, 1, padding=1)[0, 0].bool()


def between(coarse: Tensor, corners: Tensor, resolution: int) -> Tensor:
    """Linear interpolation of values at whole indices `corners` to all indices, [resolution] * 3."""
    place = torch.arange(resolution)
    upper = torch.searchsorted(corners, place).clamp(min=1)
    lower = upper - 1
    share = (place - corners[lower]).float() / (corners[upper] - corners[lower])
    for axis in range(3):
        shape = [1, 1, 1]
        shape[axis] = -1
        weight = share.reshape(shape)
        coarse = coarse.index_select(axis, lower) * (1 - weight) + weight * coarse.index_select(
            axis, upper
        )
    return coarse
