"""Points around a ball get the answers that the ball's radius gives."""

from __future__ import annotations

import torch
from torch import Tensor

from hfinv.camera import Camera, orbit
from hfinv.training.dataset import Batch
from hfinv.training.points import FACE, in_front, near_surface, sample_points

RADIUS = 0.25


def ball_distance(camera: Camera, size: int) -> Tensor:
    """[B, size, size], distance to a ball about the origin; 0 beside it."""
    origins, directions = camera.rays(size)
    along = -(origins * directions).sum(-1)
    inside = along.square() - origins.square().sum(-1) + RADIUS**2
    return torch.where(inside > 0, along - inside.clamp(min=0).sqrt(), 0).unflatten(
        -1, (size, size)
    )


def ball_batch(views: int = 6) -> Batch:
    camera = orbit(views, pitch=0.2)
    distance = ball_distance(camera, 128)
    alpha = (ball_distance(camera, 256) > 0).float()[None, :, None]
    colour = torch.tensor([0.2, 0.5, 0.8]).reshape(1, 1, 3, 1, 1)
    return Batch(torch.zeros(1, 4), camera, (2 * colour - 1) * alpha, alpha, distance[None])


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_points_well_inside_are_solid_and_points_well_outside_are_free() -> None:
    points = sample_points(ball_batch(), 4000, 4000, 1.0, rng())
    radius = points.position.norm(dim=-1, keepdim=True)
    known = points.known > 0
    assert (points.occupancy[known & (radius < RADIUS - 0.02)] > 0.9).all()
    # Six views do not carve above and below the ball where none of them looks from.
    seen = known & (radius > RADIUS + 0.03) & (points.position[..., 1:2].abs() < 0.1)
    assert (points.occupancy[seen] < 0.1).float().mean() > 0.99


def test_the_offset_behind_the_surface_is_the_distance_to_it_along_the_ray() -> None:
    position, offset, colour = near_surface(ball_batch(1), 2000, rng())
    origin = orbit(1, pitch=0.2).centre[:, None]
    direction = torch.nn.functional.normalize(position - origin, dim=-1)
    radius = (position - offset * direction).norm(dim=-1)
    assert torch.allclose(radius, torch.full_like(radius, RADIUS), atol=1e-4)


def test_points_at_the_surface_carry_its_colour() -> None:
    points = sample_points(ball_batch(), 4000, 100, 1.0, rng())
    colour = points.colour[(points.at_surface > 0).expand_as(points.colour)].reshape(-1, 3)
    assert len(colour) > 500
    assert (colour - torch.tensor([0.2, 0.5, 0.8])).abs().median() < 0.01


def test_a_point_that_no_view_frames_is_unknown() -> None:
    _, known = in_front(ball_batch(), torch.tensor([[[0.0, 0.9, 0.0], [0.0, 0.0, 0.0]]]))
    assert known.flatten().tolist() == [0.0, 1.0]


def test_the_face_is_drawn_more_often_by_as_much_as_asked() -> None:
    batch = ball_batch()

    def odds(face: float) -> float:
        position, offset, _ = near_surface(batch, 20_000, rng(), face)
        surface = position - offset * torch.nn.functional.normalize(position, dim=-1)
        low, high = (torch.tensor(corner) for corner in FACE)
        share = ((surface > low) & (surface < high)).all(-1).float().mean().item()
        return share / (1 - share)

    assert abs(odds(4.0) / odds(1.0) - 4) < 0.6
