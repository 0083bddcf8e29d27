"""Balls that are symmetric, and photos of them."""

from __future__ import annotations

import math

import torch
from conftest import Ball
from torch import Tensor

from hfinv.camera import Camera
from hfinv.intake import Face
from hfinv.intake.head import head_model, to_world
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.surface import Surface

SIZE = 64


class SymmetricBall(Ball):
    """Painted alike on both sides of x = 0; `lamp` brightens the side of +x, `mole` blackens a spot there."""

    def __init__(self, lamp: float = 0.0, mole: bool = False, **size: float) -> None:
        super().__init__(**size)
        self.lamp, self.mole = lamp, mole

    def colour(self, points: Tensor) -> Tensor:
        right = torch.cat([points[..., :1].abs(), points[..., 1:]], -1)
        light = ((0.8 * super().colour(right) + 1) / 2) ** 2.2
        light = light * torch.exp(self.lamp * points[..., :1] / self.radius)
        if self.mole:
            centre = self.radius * points.new_tensor([math.sin(0.3), 0.0, math.cos(0.3)])
            near = (points - centre).norm(dim=-1, keepdim=True) < 0.05
            light = torch.where(near, torch.zeros_like(light), light)
        return 2 * light.clamp(0, 1) ** (1 / 2.2) - 1


@torch.no_grad()
def face_of(ball: Ball, camera: Camera) -> Face:
    """The ball's photo; the landmarks are the average head's."""
    w_plus = ball.mean_latent()
    drawn = ball.render(ball.planes(w_plus), w_plus, camera, background=0.0)
    return Face(
        photo=drawn.image,
        foreground=drawn.alpha,
        camera=camera,
        landmarks=landmarks_from(camera),
        presence=1.0,
        reprojection_px=0.0,
        warnings=(),
        crop_from_photo=torch.eye(2, 3),
        seen=torch.ones_like(drawn.alpha),
        faces_found=1,
    )


def landmarks_from(camera: Camera) -> Tensor:
    """[1, 468, 2], the average head's landmarks as the camera sees them."""
    return camera.project(symmetric_head())[0]


def symmetric_head() -> Tensor:
    """[1, 468, 3], the average head's landmarks in the world, made symmetric to the last digit."""
    from hfinv.intake.head import partners

    points = to_world(head_model().neutral).float()
    other = points[torch.from_numpy(partners())] * points.new_tensor([-1.0, 1.0, 1.0])
    return ((points + other) / 2)[None]


@torch.no_grad()
def sight_and_surface(ball: Ball, camera: Camera, size: int = SIZE) -> tuple[Sight, Surface]:
    """What each camera sees of the ball, and where, from exact rays."""
    image, alpha, distance = ball.look(ball.planes(ball.mean_latent()), camera, size, 0.0)
    return Sight(image, alpha, torch.zeros(1, 468, 2), camera), Surface(distance, alpha, camera)


def inner(alpha: Tensor, pixels: int = 3) -> Tensor:
    """[B, 1, h, w] bool, on the ball and so many pixels away from its outline."""
    return -torch.nn.functional.max_pool2d(-alpha, 2 * pixels + 1, 1, pixels) > 0.5
