"""An offset counts on the side of a ball that its photo sees, and on the other side of its face; not behind, not inside."""

from __future__ import annotations

import math

import pytest
import torch
from conftest import Ball

from hfinv.camera import look_at
from hfinv.generators.raymarch import counted
from hfinv.reach import CELLS, cells, extended, find_reach

NEAR = 0.06


def place(yaw: float, distance: float, pitch: float = 0.0) -> torch.Tensor:
    """[3], so far from the origin, seen from above at degrees of yaw to the right of the front, and of pitch."""
    yaw, pitch = math.radians(yaw), math.radians(pitch)
    return distance * torch.tensor(
        [math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]
    )


def counts(ball: Ball, yaw: float, places: list[torch.Tensor]) -> list[float]:
    camera = look_at(math.radians(yaw), 0.0, ball.card.radius, (0.0, 0.0, 0.0), ball.card.focal)
    reach = find_reach(ball, ball.mean_latent(), camera, NEAR)
    return counted(reach, torch.stack(places)[None], ball.card.box).flatten().tolist()


def test_what_the_photo_sees_is_within_reach_and_what_lies_behind_is_not(ball: Ball) -> None:
    r = ball.radius
    front, above, inside, centre, back, behind_ear = counts(
        ball,
        0.0,
        [place(0, r), place(0, r, 50), place(0, r - 3 * NEAR), place(0, 0), place(180, r), place(130, r)],
    )  # fmt: skip
    assert front == pytest.approx(1, abs=1e-3) and above == pytest.approx(1, abs=1e-3)
    assert (inside, centre, back, behind_ear) == (0, 0, 0, 0)


def test_the_reach_fades_between_once_and_twice_the_distance(ball: Ball) -> None:
    depths = [0.5, 1.25, 1.5, 1.75]
    found = counts(ball, 0.0, [place(0, ball.radius - d * NEAR) for d in depths])
    # A cell is 0.016 wide, and the volume is smoothed over three of them.
    assert found == pytest.approx([1.0, 0.75, 0.5, 0.25], abs=0.05)


def test_the_mirrored_side_is_within_reach_too(ball: Ball) -> None:
    near, far, between, back = counts(
        ball, 50.0, [place(yaw, ball.radius) for yaw in (80, -80, 0, 180)]
    )
    assert min(near, far, between) == pytest.approx(1, abs=1e-3) and back == 0


def test_the_reach_ends_at_the_frame() -> None:
    """The ball is wider than the photo, which does not show the sides of its front."""
    ball = Ball(radius=0.45)
    camera = look_at(0.0, 0.0, ball.card.radius, (0.0, 0.0, 0.0), ball.card.focal)
    shown, cut = place(25, ball.radius), place(50, ball.radius)
    pixels, _ = camera.project(torch.stack([shown, cut])[None])
    assert pixels[0, 0].max() < 0.95 and pixels[0, 1].max() > 1.05
    found = counts(ball, 0.0, [shown, cut])
    assert found == pytest.approx([1, 0], abs=1e-3)


def test_beside_the_outline_something_may_grow(ball: Ball) -> None:
    (found,) = counts(ball, 0.0, [place(90, ball.radius + 0.04)])
    assert found > 0.9  # the last ray that hits ends a little before the ball's widest


def test_distances_go_on_beyond_the_outline_as_at_their_nearest_pixel() -> None:
    distance = torch.arange(16.0).reshape(1, 1, 4, 4)
    opacity = torch.zeros(1, 1, 4, 4)
    assert torch.equal(extended(distance, opacity), distance)  # nothing is known
    opacity[0, 0, 1:3, 1] = 1
    expected = torch.tensor([5.0, 5.0, 9.0, 9.0])[:, None].expand(4, 4)
    assert torch.equal(extended(distance, opacity)[0, 0], expected)


def test_cells_are_read_where_they_lie() -> None:
    """A volume of the cells' own y is read as y anywhere inside: axes and half cells are right."""
    points = cells(2.0)
    for axis in range(3):
        volume = points[..., axis].reshape(1, 1, CELLS, CELLS, CELLS)
        somewhere = 1.6 * torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)) - 0.8
        found = counted(volume, somewhere, 2.0)
        torch.testing.assert_close(found[:, 0, :, 0], somewhere[..., axis], atol=1e-4, rtol=0)
