"""A red disc on a ball whose every point is known: it must lie where it was painted, from wherever it is seen."""

from __future__ import annotations

import pytest
import torch
from painting_examples import CAMERA, RED, PaintableBall, SharingBall, middle_of_disc, red_disc
from torch import Tensor

from hfinv.camera import look_at
from hfinv.errors import PhotoError
from hfinv.painting import Paint, over, residual_of
from hfinv.painting.residual import ResidualConfig, cells
from hfinv.painting.views import Change, ViewsConfig, closed, painted_views

SIZE = 64


@pytest.fixture(scope="module")
def ball() -> PaintableBall:
    return PaintableBall(image_size=SIZE, rays=32)


@pytest.fixture(scope="module")
def residual(ball: PaintableBall) -> Tensor:
    return residual_of(ball, ball.mean_latent(), red_disc(ball))


def seen(ball: PaintableBall, residual: Tensor, yaw: float, pitch: float = 0.0) -> list[Tensor]:
    """The picture before and after, from a camera about the ball's middle."""
    w_plus = ball.mean_latent()
    camera = look_at(yaw, pitch, pivot=(0.0, 0.0, 0.0))
    planes = ball.planes(w_plus)
    return [ball.render(p, w_plus, camera).image for p in (planes, planes + residual)]


def test_the_photo_camera_sees_the_colour_that_was_painted(ball, residual) -> None:
    w_plus = ball.mean_latent()
    image = ball.render(ball.planes(w_plus) + residual, w_plus, CAMERA).image
    pixel, _ = CAMERA.project(middle_of_disc(ball))
    x, y = (int(p) for p in pixel[0, 0] * SIZE)
    assert torch.allclose(image[0, :, y, x], torch.tensor(RED), atol=0.12)


@pytest.mark.parametrize(("yaw", "pitch"), [(-0.3, 0.0), (0.0, 0.2), (0.5, 0.1), (0.75, 0.0)])
def test_the_paint_stays_at_its_point_of_the_surface(ball, residual, yaw, pitch) -> None:
    before, after = seen(ball, residual, yaw, pitch)
    change = (after - before).abs().sum(1)[0]
    step = (torch.arange(SIZE) + 0.5) / SIZE
    centre = (
        torch.stack([(change.sum(0) * step).sum(), (change.sum(1) * step).sum()]) / change.sum()
    )
    pixel, _ = look_at(yaw, pitch, pivot=(0.0, 0.0, 0.0)).project(middle_of_disc(ball))
    assert (centre - pixel[0, 0]).norm() * SIZE < 1.0  # pixels


@pytest.mark.parametrize("yaw", [-0.6, 0.0, 0.4, 1.57, 3.14])
def test_what_is_not_painted_stays_the_same(ball, residual, yaw) -> None:
    before, after = seen(ball, residual, yaw)
    change = (after - before).abs().mean(1)[0] * 127.5
    pixel, distance = look_at(yaw, pivot=(0.0, 0.0, 0.0)).project(middle_of_disc(ball))
    step = (torch.arange(SIZE) + 0.5) / SIZE
    away = (step[None, :] - pixel[0, 0, 0]).hypot(step[:, None] - pixel[0, 0, 1]) > 0.09
    assert change[away].mean() < 1 / 3
    if yaw > 2:  # the back does not see the disc at all
        assert change.max() < 0.5


def test_the_residual_is_nothing_where_the_paint_has_no_say(ball, residual) -> None:
    touched = (residual.abs().sum(2) > 0).float().mean((0, 2, 3))
    assert 0 < touched[0] < 0.05  # the front
    assert touched[1:].max() == 0


def test_the_cells_of_the_paint_are_those_that_its_rays_read(ball) -> None:
    w_plus = ball.mean_latent()
    planes = ball.planes(w_plus)
    paint = red_disc(ball)
    change = Change(paint.colour, paint.mask, CAMERA)
    views = painted_views(ball, planes, w_plus, change, ViewsConfig())
    found = cells(ball, planes, w_plus, views, ResidualConfig(reach=0.0))[0, 0, 0]
    x, y, _ = middle_of_disc(ball)[0, 0]
    row, column = (int((p / ball.card.box + 0.5) * 64) for p in (y, x))
    assert found[row, column] > 0.9 and found[row, (column + 20) % 64] == 0


def test_paint_does_not_shine_through_where_another_side_shares_its_plane() -> None:
    ball = SharingBall(image_size=SIZE, rays=32)
    paint = red_disc(ball)
    aside = Paint(paint.colour, paint.mask.roll(-28, -1), CAMERA, paint.w_plus)
    before, after = seen(ball, residual_of(ball, ball.mean_latent(), aside), 0.0)
    change = (after - before).abs().mean(1)[0] * 127.5
    assert change[:, : SIZE // 2].max() > 60  # the painted side
    assert change[:, SIZE // 2 :].max() < 1  # the other


def test_paint_beside_the_head_is_refused(ball) -> None:
    paint = red_disc(ball)
    corner = torch.zeros_like(paint.mask)
    corner[..., :8, :8] = 1
    with pytest.raises(PhotoError, match="on the head"):
        residual_of(ball, ball.mean_latent(), Paint(paint.colour, corner, CAMERA, paint.w_plus))


def test_later_paint_covers_earlier_paint(ball) -> None:
    lower = red_disc(ball)
    half = lower.mask.clone()
    half[..., :50, :] = 0
    upper = Paint(-lower.colour, half, CAMERA, lower.w_plus)
    both = over(upper, lower)
    assert torch.equal(both.mask, lower.mask)
    assert torch.allclose((both.colour * half), (-lower.colour * half), atol=1e-5)
    below = lower.mask * (1 - half)
    assert torch.allclose(both.colour * below, lower.colour * below, atol=1e-5)
    assert over(upper, None) is upper


def test_slits_are_closed_and_outlines_stay() -> None:
    visible = torch.zeros(1, 1, 32, 32)
    visible[..., 8:24, 8:24] = 1
    whole = visible.clone()
    visible[..., 15:17, :] = 0
    assert torch.equal(closed(visible), whole)
