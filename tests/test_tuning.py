"""Tuning moves the generator to the photo, and only as far as it is let."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from conftest import Ball
from test_latent import face_of
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.generators.base import Rendering
from hfinv.intake import Face
from hfinv.latent import Pivot
from hfinv.perceptual import Perceptual
from hfinv.progress import Step
from hfinv.reach import find_reach
from hfinv.tuning import TuningConfig, hold_back, limit, tune

PLAIN = TuningConfig(
    variables="weights", steps=30, learning_rate=0.05, colour=2.0, keep_views=0.0, reach=0.0
)


@pytest.fixture
def ball() -> Ball:
    return Ball(edge=0.01)


@pytest.fixture
def face(ball: Ball) -> Face:
    """A tinted ball; the pivot below has no tint, so only the generator's own paint can follow."""
    return face_of(ball, look_at(0.2))


def pivot_of(ball: Ball, face: Face) -> Pivot:
    return Pivot(ball.mean_latent(), face.camera, face.photo, 0.0, 1.0)


def test_the_weights_move_to_the_photo_and_the_pivot_stays(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    tuned = tune(ball, perceptual, face, pivot_of(ball, face), PLAIN)
    assert torch.allclose(
        tuned.weights["paint"].float(), torch.tensor([0.25, -0.2, 0.1]), atol=0.02
    )
    assert torch.equal(tuned.w_plus, ball.mean_latent())
    assert torch.equal(tuned.camera.cam2world, face.camera.cam2world)
    assert tuned.psnr > 35


def test_the_weights_that_are_kept_draw_the_fit_that_is_told(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    tuned = tune(ball, perceptual, face, pivot_of(ball, face), PLAIN)
    again = Ball(edge=0.01)
    again.change(tuned.weights)
    drawn = again.render(again.planes(tuned.w_plus), tuned.w_plus, tuned.camera, background=0.0)
    assert torch.equal(drawn.image.clamp(-1, 1), tuned.fit)


@pytest.mark.parametrize(
    "held",
    [
        replace(PLAIN, keep_views=100.0, keep_size=16),
        replace(PLAIN, locality=100.0, locality_every=1, locality_step=1.0),
    ],
    ids=["the other views", "latents near the pivot"],
)
def test_what_is_held_holds_the_generator_back(
    held: TuningConfig, ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    free = tune(copy.deepcopy(ball), perceptual, face, pivot_of(ball, face), PLAIN)
    kept = tune(copy.deepcopy(ball), perceptual, face, pivot_of(ball, face), held)
    assert kept.weights["paint"].abs().sum() < 0.5 * free.weights["paint"].abs().sum()


def test_it_stops_when_the_photo_is_near_enough(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    heard: list[Step] = []
    near = TuningConfig(steps=30, keep_views=0.0, stop_lpips=10.0)
    tune(ball, perceptual, face, pivot_of(ball, face), near, progress=heard.append)
    assert heard == [] and ball.paint.abs().sum() == 0


def test_no_steps_leave_the_generator_as_it_is(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    tuned = tune(ball, perceptual, face, pivot_of(ball, face), TuningConfig(steps=0))
    assert tuned.weights["paint"].abs().sum() == 0


def test_the_result_is_measured_alike_whatever_the_losses_look_with(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    few = replace(PLAIN, steps=3)
    by_vgg = tune(ball, Perceptual("vgg"), face, pivot_of(ball, face), few, measure=perceptual)
    photo = face.foreground * face.photo  # over the plain background
    wanted = perceptual(by_vgg.fit, photo).item()
    assert by_vgg.lpips == pytest.approx(wanted, rel=1e-3)
    assert by_vgg.lpips != pytest.approx(Perceptual("vgg")(by_vgg.fit, photo).item(), rel=0.01)


def test_an_offset_of_the_planes_takes_what_the_photo_has_of_its_own(
    ball: Ball, face: Face, perceptual: Perceptual
) -> None:
    """The ball's planes hold its tint: with its paint all but frozen, the offset must find the tint of the face."""
    config = replace(PLAIN, variables="planes", steps=80, plane_rate=2.0, learning_rate=1e-6)
    pivot = pivot_of(ball, face)
    pivot = replace(pivot, w_plus=pivot.w_plus + torch.tensor([0.1, -0.1, 0, 0, 0, 0, 0, 0]))
    tuned = tune(ball, perceptual, face, pivot, config)
    there = ball.planes(pivot.w_plus).mean((0, 1, 3, 4))
    assert torch.allclose(there, torch.tensor([0.25, -0.2, 0.1]), atol=0.03)
    assert set(tuned.weights) == {"offset", "paint"} and tuned.psnr > 30
    away = ball.planes(pivot.w_plus + 1) - ball.planes(pivot.w_plus)
    torch.testing.assert_close(away, torch.ones_like(away))  # an edit moves as it would without


class Halved(Ball):
    """A ball of which one plane is said to show nothing but the front, and another nothing but the back."""

    HALVES = (0, 2)


@pytest.mark.parametrize("variables", ["planes", "both"])
def test_the_front_takes_the_photo_and_the_planes_it_shares_with_the_back_a_share(
    variables: str, face: Face, perceptual: Perceptual
) -> None:
    """All planes of the ball have the same gradient, so they differ by what they are let."""
    config = replace(PLAIN, variables=variables, steps=30, plane_rate=1.0, learning_rate=1e-6)
    ball = Halved(edge=0.01)
    pivot = pivot_of(ball, face)
    pivot = replace(pivot, w_plus=pivot.w_plus + torch.tensor([0.1, -0.1, 0, 0, 0, 0, 0, 0]))
    tuned = tune(ball, perceptual, face, pivot, replace(config, side_planes=0.25))
    front, side, back = tuned.weights["offset"].float()[0]
    assert front.abs().max() > 0.05 and back.abs().max() == 0
    torch.testing.assert_close(side, 0.25 * front, atol=1e-4, rtol=0.01)


def test_a_new_offset_is_limited_to_what_the_photo_sees_and_an_old_one_left_as_it_is(
    face: Face,
) -> None:
    ball = Halved(edge=0.01)
    pivot = pivot_of(ball, face)
    for other in ({"variables": "weights"}, {"variables": "planes", "reach": 0.0}):
        limit(ball, pivot, TuningConfig(**other))
        assert ball.reach is None
    limit(ball, pivot, TuningConfig(reach=0.1))
    assert torch.equal(ball.reach, find_reach(ball, pivot.w_plus, pivot.camera, 0.1))
    before = ball.reach
    ball.choose("planes", pivot.w_plus)
    limit(ball, pivot, TuningConfig())  # the second tuning goes on with the first one's
    assert ball.reach is before
    one_for_all = Ball()
    limit(one_for_all, pivot, TuningConfig())
    assert one_for_all.reach is None


@pytest.mark.parametrize("epsilon, ratio", [(0.0, 1.0), (1.0, 0.0024)])
def test_texels_that_hardly_anything_is_seen_of_stay(epsilon: float, ratio: float) -> None:
    planes = torch.zeros(1, 2, 1, 1, 2, requires_grad=True)
    optimiser = torch.optim.Adam([planes], lr=0.1, eps=1e-12)
    hold_back(optimiser, planes, torch.ones(1, 2, 1, 1, 1), epsilon)
    planes.grad = torch.tensor([1.0, 0.001, 0.0, 0.0]).view(planes.shape)
    optimiser.step()
    seen, hardly = planes.detach()[0, 0].flatten().tolist()
    assert hardly / seen == pytest.approx(ratio, rel=0.02) and seen < -0.05
    assert planes[0, 1].abs().max() == 0


class Disguised(Ball):
    """A ball whose picture is right, but whose rays end at a ball smaller by what it can tune."""

    def render(self, planes: Tensor, w_plus: Tensor, camera: Camera, **settings: Any) -> Rendering:
        shown = super().render(planes, w_plus, camera, **settings)
        whole, self.radius = self.radius, self.radius + 0.1 * self.paint[0]
        _, opacity, _ = self.look(planes, camera, self.rays, 0.0)
        self.radius = whole
        return replace(shown, image=shown.image.detach(), opacity=opacity)


@pytest.mark.parametrize("rays, left", [(0.0, 0.9), (2.0, 0.2)])
def test_the_outline_of_the_rays_follows_the_photo_where_super_resolution_hides_it(
    face: Face, perceptual: Perceptual, rays: float, left: float
) -> None:
    ball = Disguised(edge=0.05)
    with torch.no_grad():
        ball.paint[0] = -0.5  # 0.05 of a radius of 0.25 is missing
    tune(ball, perceptual, face, pivot_of(ball, face), replace(PLAIN, rays=rays))
    missing = abs(float(ball.paint[0])) / 0.5
    assert missing > left if rays == 0 else missing < left
