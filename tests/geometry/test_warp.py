from __future__ import annotations

import pytest
import torch
from conftest import Ball
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.geometry.warp import background_to_infinity, carry, surface_points


def seen(ball: Ball, camera: Camera, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Image, alpha and distance, the last infinite beside the ball."""
    image, alpha, distance = ball.look(ball.planes(ball.mean_latent()), camera, size, 0.0)
    return image, alpha, background_to_infinity(distance, alpha)


def places(camera: Camera, size: int) -> Tensor:
    """A picture that shows, in each pixel, where the pixel is: [1, 2, size, size] in pixels."""
    step = torch.arange(size) + 0.5
    return torch.stack(torch.meshgrid(step, step, indexing="xy"))[None]


def test_warping_to_the_same_camera_changes_nothing() -> None:
    """Half a pixel's shift, as HFGI3D's texture look-up has, would blur this noise beyond recognition."""
    camera = look_at(0.3, 0.2)
    photo = torch.rand(1, 3, 100, 100, generator=torch.Generator().manual_seed(0)) * 2 - 1
    distance = surface_of_a_bowl(camera, 100)
    carried = carry(photo, camera, distance, camera, distance)
    assert (carried.image - photo).abs().max() < 1e-4
    assert (carried.visible > 0.999).all()


def surface_of_a_bowl(camera: Camera, size: int) -> Tensor:
    u = (torch.arange(size) + 0.5) / size - 0.5
    return (2.5 + 0.3 * (u[None] ** 2 + u[:, None] ** 2))[None, None].expand(len(camera), 1, -1, -1)


def test_a_ball_warped_to_a_new_view_matches_the_ball_seen_from_there() -> None:
    ball, size = Ball(), 256
    source, target = look_at(0.0), look_at(torch.tensor([0.3, -0.5]), 0.1)
    photo, _, source_distance = seen(ball, source, size)
    wanted, _, target_distance = seen(ball, target, size)
    carried = carry(photo, source, source_distance, target, target_distance)
    sure = (carried.visible > 0.99).expand_as(wanted)
    assert sure.float().mean() > 0.15
    assert (carried.image - wanted)[sure].abs().max() < 3e-3


@pytest.mark.parametrize("radius", [0.45, 0.25])
def test_a_ball_is_warped_to_within_a_quarter_pixel_out_to_the_corners(radius: float) -> None:
    """Distance taken for z, as HFGI3D and SPI do, is several pixels off; the test measures that mistake, too."""
    ball, size = Ball(radius), 256
    source, target = look_at(0.0, pivot=(0.0, 0.0, 0.0)), look_at(0.35, pivot=(0.0, 0.0, 0.0))
    _, _, source_distance = seen(ball, source, size)
    _, _, target_distance = seen(ball, target, size)
    carried = carry(places(source, size), source, source_distance, target, target_distance)
    truth = size * exact_places(ball, source, target, size)
    within = ((truth > 0.5) & (truth < size - 0.5)).all(1)[
        0
    ]  # beyond the outer centres the border repeats
    sure = (carried.visible[0, 0] > 0.5) & within
    assert (carried.image - truth)[0].norm(dim=0)[sure].max() < 0.25

    wrong = carry(
        places(source, size), source, as_if_z(source_distance), target, as_if_z(target_distance)
    )
    assert (wrong.image - truth)[0].norm(dim=0)[sure].max() > 1.0


def exact_places(ball: Ball, source: Camera, target: Camera, size: int) -> Tensor:
    """Where the source sees what the target's pixels see, [1, 2, size, size] in [0, 1], in closed form."""
    origins, directions = (x[0].double() for x in target.rays(size))
    along = -(origins * directions).sum(-1)
    aside = (origins + along[:, None] * directions).norm(dim=-1)
    points = origins + (along - (ball.radius**2 - aside**2).sqrt())[:, None] * directions
    rotation, centre = source.cam2world[0, :3, :3].double(), source.centre[0].double()
    x, y, z = ((points - centre) @ rotation).unbind(-1)
    focal = source.intrinsics[0, 0, 0].double()
    return torch.stack([focal * x / z + 0.5, focal * y / z + 0.5]).reshape(1, 2, size, size)


def as_if_z(distance: Tensor) -> Tensor:
    """What un-projecting the distance as z amounts to."""
    size = distance.shape[-1]
    u = ((torch.arange(size) + 0.5) / size - 0.5) / 4.2647
    return distance * (1 + u[None] ** 2 + u[:, None] ** 2).sqrt()


def test_a_picture_and_its_distances_may_have_different_sizes() -> None:
    ball, camera = Ball(), look_at(0.0)
    photo, _, _ = seen(ball, camera, 128)
    _, _, coarse = seen(ball, camera, 64)
    _, _, fine = seen(ball, look_at(0.2), 128)
    wanted, _, _ = seen(ball, look_at(0.2), 128)
    carried = carry(photo, camera, coarse, look_at(0.2), fine)
    sure = (carried.visible > 0.99).expand_as(wanted)
    assert sure.float().mean() > 0.15 and (carried.image - wanted)[sure].abs().max() < 1e-2


def test_gradients_reach_the_picture() -> None:
    ball, camera = Ball(), look_at(0.0)
    _, _, distance = seen(ball, camera, 32)
    photo = torch.zeros(1, 3, 32, 32, requires_grad=True)
    carry(photo, camera, distance, camera, distance).image.sum().backward()
    torch.testing.assert_close(
        photo.grad[..., 10:20, 10:20], torch.ones(1, 3, 10, 10), atol=1e-3, rtol=0
    )


def test_points_stand_on_the_ball_although_distance_is_not_z() -> None:
    ball, camera = Ball(0.3), look_at(0.6, 0.3)
    _, alpha, distance = seen(ball, camera, 32)
    points = surface_points(camera, distance)[alpha.flatten(1)[..., None].expand(-1, -1, 3) > 0]
    radius = points.reshape(-1, 3).norm(dim=-1)
    assert (radius - 0.3).abs().max() < 2e-6


def test_a_wrong_shape_is_named() -> None:
    camera = look_at(0.0)
    with pytest.raises(ValueError, match="source_distance"):
        carry(torch.zeros(1, 3, 8, 8), camera, torch.zeros(8, 8), camera, torch.ones(1, 1, 8, 8))
