"""A ball to export: everything about its mesh is known."""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from conftest import Ball

from hfinv.camera import look_at
from hfinv.export import ExportConfig, mesh_of
from hfinv.export.mesh import Mesh
from hfinv.head import Head
from hfinv.intake import Face

QUICK = ExportConfig(grid=64, faces=4000, texture=256)


@functools.cache
def ball_head() -> Head:
    """A ball as a finished head, whose run is not there, so that no photo is found."""
    ball = Ball(image_size=128, rays=32)
    w_plus = ball.mean_latent()
    with torch.no_grad():
        planes = ball.planes(w_plus)
    return Head(ball, w_plus, planes, look_at(0.3), 30.0, 0.1, Path("no run"))


def photo_of_ball(tint: float = 0.0, size: int = 256) -> Face:
    """What the head's camera sees of it, brighter by `tint`."""
    head = ball_head()
    with torch.no_grad():
        image, alpha, _ = head.generator.look(head.planes, head.camera, size, 0.0)
    return Face(
        photo=image + tint * alpha,
        foreground=alpha,
        camera=head.camera,
        landmarks=torch.zeros(1, 468, 2),
        presence=1.0,
        reprojection_px=0.0,
        warnings=(),
        crop_from_photo=torch.eye(2, 3),
        seen=torch.ones_like(alpha),
        faces_found=1,
    )


@functools.cache
def textured() -> Mesh:
    """The ball with a texture, coloured from its photo and from all around."""
    return mesh_of(ball_head(), photo_of_ball(), QUICK)


@functools.cache
def coloured() -> Mesh:
    """The ball with colours at its vertices, by the generator alone."""
    return mesh_of(ball_head(), None, ExportConfig(grid=64, faces=6000, texture=0))


def true_colours(points: torch.Tensor) -> torch.Tensor:
    """[N, 3] points near the ball -> their colours in [0, 1]."""
    ball = ball_head().generator
    on_it = ball.radius * torch.nn.functional.normalize(points, dim=-1)
    return (ball.colour(on_it) + 1) / 2
