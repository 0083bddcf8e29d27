"""A ball that can be painted: its colours are its own plus what two small planes hold."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from conftest import Ball
from PIL import Image
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.painting import Paint

FACE = Path(__file__).parents[2] / "examples" / "faces" / "f1.jpg"
CAMERA = look_at(0.2, pivot=(0.0, 0.0, 0.0))
DISC = (0.45, 0.42)
"""Middle of the painted disc on the crop, in shares of its side."""
RADIUS = 0.05
RED = (0.9, -0.8, -0.8)


def portrait(size: int) -> Image.Image:
    """An example face as a square of so many pixels."""
    image = Image.open(FACE).convert("RGB")
    side = min(image.size)
    return image.crop((0, 0, side, side)).resize((size, size), Image.LANCZOS)


class PaintableBall(Ball):
    """The first plane tints the front half (x to the right, y downwards), the second the back half, the third, of
    stripes, nothing."""

    def planes(self, w_plus: Tensor) -> Tensor:
        tint = w_plus.mean(1)[:, :3, None, None].expand(-1, -1, 64, 64)
        stripes = 4 * torch.sin(torch.arange(64.0)).expand_as(tint)
        return torch.stack([tint, tint, stripes], 1)

    def look(
        self, planes: Tensor, camera: Camera, size: int, background: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        origins, directions = camera.rays(size)
        near = -(origins * directions).sum(-1, keepdim=True)
        aside = (origins + near * directions).norm(dim=-1, keepdim=True)
        distance = near - (self.radius**2 - aside**2).clamp(min=0).sqrt()
        points = origins + distance * directions
        grid = (2 * points[..., :2] / self.card.box)[:, :, None]
        front, back = (
            F.grid_sample(planes[:, k].expand(len(points), -1, -1, -1), grid, align_corners=False)
            for k in (0, 1)
        )
        tint = torch.where(points[..., 2].unsqueeze(1).unsqueeze(-1) > 0, front, back)
        colour = 0.5 * self.colour(points) + tint[..., 0].mT
        alpha = (self.radius > aside).to(colour)
        image = alpha * colour + (1 - alpha) * (1.0 if background is None else background)
        return tuple(x.mT.unflatten(-1, (size, size)) for x in (image, alpha, distance))


class SharingBall(PaintableBall):
    """The third plane tints as well, seen from the side (z to the right, y downwards): left and right share it."""

    def look(
        self, planes: Tensor, camera: Camera, size: int, background: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        image, alpha, distance = super().look(planes, camera, size, background)
        origins, directions = camera.rays(size)
        points = origins + distance.flatten(2).mT * directions
        grid = (2 * points[..., [2, 1]] / self.card.box)[:, :, None]
        side = planes[:, 2].expand(len(points), -1, -1, -1)
        tint = F.grid_sample(side, grid, align_corners=False)[..., 0]
        return image + 0.2 * alpha * tint.unflatten(-1, (size, size)), alpha, distance


def disc(size: int) -> Tensor:
    """[1, 1, size, size], 1 inside the painted disc."""
    step = (torch.arange(size) + 0.5) / size
    y, x = torch.meshgrid(step, step, indexing="ij")
    return ((x - DISC[0]).hypot(y - DISC[1]) < RADIUS).float()[None, None]


def red_disc(ball: Ball, size: int = 128) -> Paint:
    """Red paint on the mean ball's picture."""
    colour = torch.tensor(RED).reshape(1, 3, 1, 1).expand(1, 3, size, size)
    return Paint(colour, disc(size), CAMERA, ball.mean_latent())


def middle_of_disc(ball: Ball) -> Tensor:
    """[1, 1, 3], the point of the ball in the middle of the disc, from its own equation."""
    origin, ray = CAMERA.rays_through(torch.tensor([[DISC]]))
    near = -(origin * ray).sum(-1, keepdim=True)
    half = (ball.radius**2 - (origin + near * ray).square().sum(-1, keepdim=True)).sqrt()
    return origin + (near - half) * ray
