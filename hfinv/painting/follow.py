"""Where paint lies after the face has moved under it: by the landmarks of both faces, as their camera sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.image import resize
from hfinv.intake.find import landmarks_of
from hfinv.painting.views import Change, Paint

GRID = 32
"""Points along one side of the crop at which the motion is computed."""
STIFFNESS = 1e-3
"""Smoothing of the motion: single landmarks are a pixel off."""


@torch.no_grad()
def follow(generator: Any, paint: Paint, w_plus: Tensor) -> Change:
    """What the paint changes on the head as it is now.

    Where the head is the one that the crop shows, the change leads to the very colours that were painted. On an edited
    head the same change lies where the face has moved to; a face without landmarks is taken as not moved.

    Args:
        generator: tuned to the head.
        paint: on the crop.
        w_plus: [1, L, D], of the head as it is now.
    """
    size = paint.colour.shape[-1]
    then = seen(generator, paint.w_plus, paint.camera)
    change = torch.cat([paint.mask * (paint.colour - resize(then, size)), paint.mask], 1)
    if not torch.equal(w_plus, paint.w_plus):
        came_from = motion(seen(generator, w_plus, paint.camera), then)
        if came_from is not None:
            change = moved(change, came_from)
    return Change(change[:, :3], change[:, 3:], paint.camera)


def seen(generator: Any, w_plus: Tensor, camera: Camera) -> Tensor:
    """[1, 3, H, H], a head over grey."""
    return generator.render(generator.planes(w_plus), w_plus, camera, background=0.0).image.clamp(
        -1, 1
    )


def motion(now: Tensor, then: Tensor) -> Tensor | None:
    """For each point of a face, where it was: [1, 2, GRID, GRID] in [-1, 1] as (x, y); None without landmarks.

    Args:
        now, then: [1, 3, H, H] in [-1, 1], two pictures of one face from one camera.
    """
    from scipy.interpolate import (
        RBFInterpolator,
    )  # the slowest import of hfinv's own, and only paint needs it

    places = [landmarks(picture) for picture in (now, then)]
    if any(place is None for place in places):
        return None
    here, there = places
    # The frame of the picture stays where it is.
    edge = np.linspace(-1, 1, 9)
    frame = np.array([(x, y) for x in edge for y in edge if max(abs(x), abs(y)) == 1])
    points = np.concatenate([here, frame])
    shift = np.concatenate([there - here, np.zeros_like(frame)])
    field = RBFInterpolator(points, shift, neighbors=64, smoothing=STIFFNESS)
    step = (np.arange(GRID) + 0.5) / GRID * 2 - 1
    y, x = np.meshgrid(step, step, indexing="ij")
    grid = np.stack([x, y], -1).reshape(-1, 2)
    came_from = (grid + field(grid)).reshape(GRID, GRID, 2)
    return torch.from_numpy(came_from).permute(2, 0, 1)[None].to(now)


def landmarks(picture: Tensor) -> np.ndarray | None:
    """[468, 2] in [-1, 1] of the surest face of a picture [1, 3, H, H]; None if there is none."""
    points = landmarks_of(picture)
    return None if points is None else points * 2 - 1


def moved(picture: Tensor, came_from: Tensor) -> Tensor:
    """[1, C, S, S] read where each point was, from `motion`."""
    size = picture.shape[-1]
    # The motion is smooth: it is its difference from standing still that is enlarged.
    still = F.affine_grid(
        torch.eye(2, 3)[None].to(picture), [1, 1, GRID, GRID], align_corners=False
    )
    shift = F.interpolate(
        came_from - still.permute(0, 3, 1, 2), (size, size), mode="bicubic", align_corners=False
    )
    fine = F.affine_grid(torch.eye(2, 3)[None].to(picture), [1, 1, size, size], align_corners=False)
    return F.grid_sample(picture, fine + shift.permute(0, 2, 3, 1), align_corners=False)
