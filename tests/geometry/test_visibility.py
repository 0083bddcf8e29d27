from __future__ import annotations

import math

import torch
from conftest import Ball
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.geometry.visibility import VisibilityConfig, visible
from hfinv.geometry.warp import background_to_infinity, surface_normals, surface_points

BALLS = ((0.0, 0.0, 0.0, 0.25), (0.0, 0.0, 0.27, 0.07))
"""A head and a nose before it: centre and radius."""


BALL = Ball()


def ball_seen(camera: Camera, size: int) -> Tensor:
    _, alpha, distance = BALL.look(BALL.planes(BALL.mean_latent()), camera, size, 0.0)
    return background_to_infinity(distance, alpha)


def cast(origins: Tensor, directions: Tensor) -> Tensor:
    """[N] distances along rays to the nearest of the balls; infinite beside them."""
    nearest = torch.full(origins.shape[:1], math.inf, dtype=torch.float64)
    for x, y, z, radius in BALLS:
        offset = origins - torch.tensor([x, y, z]).double()
        along = -(offset * directions).sum(-1)
        aside = (offset + along[:, None] * directions).norm(dim=-1)
        hit = along - (radius**2 - aside**2).sqrt()
        nearest = torch.where((aside < radius) & (hit > 1e-6) & (hit < nearest), hit, nearest)
    return nearest


def look(camera: Camera, size: int) -> Tensor:
    origins, directions = camera.rays(size)
    return cast(origins[0].double(), directions[0].double()).reshape(1, 1, size, size)


def truth(points: Tensor, source: Camera) -> Tensor:
    """Whether nothing stands between the points and the camera, ray by ray: [N]."""
    centre = source.centre[0].double()
    far = (points - centre).norm(dim=-1)
    return cast(centre.expand_as(points), (points - centre) / far[:, None]) >= far - 5e-5


def test_it_agrees_with_casting_a_ray_back_from_every_pixel() -> None:
    size, source = 128, look_at(0.35, 0.05)
    config = VisibilityConfig(grazing=89.0, grazing_end=90.0)  # the ray knows nothing of trust
    for yaw in (-0.45, 0.0, 0.8):
        distance = look(look_at(yaw), size)
        points = surface_points(look_at(yaw), distance)
        normals = surface_normals(look_at(yaw), distance)
        mask = visible(points, source, look(source, size), config, normals)[0, :, 0] > 0.5
        hit = points[0].isfinite().all(-1)
        wanted = torch.zeros_like(hit)
        wanted[hit] = truth(points[0][hit], source)
        assert 0.05 < wanted.float().mean() < 0.95
        assert (mask == wanted).float().mean() >= 0.995


def test_the_cheek_behind_the_nose_is_not_seen_through_it() -> None:
    """SPI's slack of 0.05 world units lets it through where the nose is thinner than that."""
    source = look_at(0.8)
    behind = torch.tensor(
        [[[-0.25 * math.sin(0.25), 0.0, 0.25 * math.cos(0.25)]]]
    )  # beside the nose
    distance = look(source, 128)
    assert not truth(behind[0].double(), source).any()
    assert visible(behind, source, distance).item() == 0


def test_what_the_camera_looks_past_was_not_seen() -> None:
    """A point beside the head, before the empty background, has no colour in the photo."""
    source = look_at(0.0)
    beside = torch.tensor([[[0.29, 0.0, 0.0], [math.nan, 0.0, 0.0], [0.0, 0.0, 5.0]]])
    assert (visible(beside, source, look(source, 64)) == 0).all()


def test_slopes_of_sixty_to_seventy_degrees_are_still_seen() -> None:
    """HFGI3D's constant slack loses them on a coarse map; there only the four-pixel planes know better."""
    source, size = look_at(0.0, pivot=(0.0, 0.0, 0.0)), 64
    angle = torch.deg2rad(torch.arange(58.0, 70.0))
    around = 2 * math.pi * torch.arange(40) / 40
    a, b = (x.flatten() for x in torch.meshgrid(angle, around, indexing="ij"))
    points = 0.25 * torch.stack([a.sin() * b.cos(), a.sin() * b.sin(), a.cos()], -1)[None]
    distance = ball_seen(source, size)
    # Normals at 58 to 70 degrees to the axis are within five degrees of that to the rays.
    assert visible(points, source, distance).min() > 0.9


def test_trust_fades_towards_grazing_angles_and_is_soft() -> None:
    source, size = look_at(0.0, pivot=(0.0, 0.0, 0.0)), 256
    angle = torch.deg2rad(torch.tensor([40.0, 65.0, 74.0, 81.0]))
    points = 0.25 * torch.stack([angle.sin(), 0 * angle, angle.cos()], -1)[None]
    trust = visible(points, source, ball_seen(source, size))[0, :, 0]
    assert trust[0] > 0.999 and trust[1] > 0.999
    assert 0.1 < trust[2] < 0.95 and trust[3] < 0.1


def test_the_tolerance_grows_with_the_pixel() -> None:
    """Half a coarse pixel off the surface is within what a coarse map can tell, not within what a fine one can."""
    source = look_at(0.0, pivot=(0.0, 0.0, 0.0))
    off = torch.tensor([[[0.0, 0.0, BALL.radius - 0.006]]])
    coarse, fine = (visible(off, source, ball_seen(source, size)).item() for size in (64, 512))
    assert coarse > 0.8 and fine == 0


def test_a_hard_mask_is_zero_or_one_inside() -> None:
    source, size = look_at(0.2), 64
    points = surface_points(look_at(0.0), look(look_at(0.0), size))
    mask = visible(points, source, look(source, size), VisibilityConfig(soft=False))
    middle = mask[(mask > 0.02) & (mask < 0.98)]
    soft = visible(points, source, look(source, size))
    assert len(middle) < 0.1 * mask.numel() and not torch.equal(soft, mask)


def test_no_far_point_shows_through_the_hidden_side_of_the_nose() -> None:
    """Splatting only what the photo saw, as HFGI3D's code does, draws the seen cheek over the unseen nose before it."""
    source, size = look_at(0.8), 128
    target = look_at(-0.5)
    distance = look(target, size)
    points = surface_points(target, distance)
    on_nose = (points[0] - torch.tensor([0.0, 0.0, 0.27]).double()).norm(dim=-1) < 0.0701
    hidden = on_nose & ~truth(points[0].nan_to_num(0.0, 0.0, 0.0), source)
    assert hidden.sum() > 50
    mask = visible(points, source, look(source, size), None, surface_normals(target, distance))
    assert (mask[0, hidden, 0] > 0.5).float().mean() < 0.02
