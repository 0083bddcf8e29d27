"""The search finds a tint and a camera that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from conftest import Ball

from hfinv.camera import Camera, look_at
from hfinv.generators import load_generator
from hfinv.intake import Face
from hfinv.latent import (
    LatentConfig,
    cross_matrix,
    estimate_latent,
    first_guess,
    learning_ramp,
    move,
)
from hfinv.perceptual import Perceptual
from hfinv.progress import Step
from hfinv.symmetry.weights import YawConfig

TINT = (0.25, -0.2, 0.1)
QUICK = LatentConfig(camera_steps=0, w_steps=25, w_plus_steps=15, learning_rate=0.08, prior=0.0)


@pytest.fixture
def ball() -> Ball:
    return Ball(edge=0.01)


@torch.no_grad()
def face_of(ball: Ball, camera: Camera, seen_from: Camera | None = None) -> Face:
    """The tinted ball as `seen_from` sees it, said to be seen from `camera`."""
    w_plus = ball.mean_latent().clone()
    w_plus[..., :3] = torch.tensor(TINT)
    drawn = ball.render(ball.planes(w_plus), w_plus, seen_from or camera, background=0.0)
    size = drawn.image.shape[-1]
    return Face(
        photo=drawn.image,
        foreground=drawn.alpha,
        camera=camera,
        landmarks=torch.zeros(1, 468, 2),
        presence=1.0,
        reprojection_px=0.0,
        warnings=(),
        crop_from_photo=torch.eye(2, 3),
        seen=torch.ones(1, 1, size, size),
        faces_found=1,
    )


def test_a_known_tint_is_found(ball: Ball, perceptual: Perceptual) -> None:
    pivot = estimate_latent(ball, perceptual, face_of(ball, look_at(0.2)), QUICK)
    assert torch.allclose(pivot.w_plus.mean(1)[0, :3], torch.tensor(TINT), atol=0.02)
    assert pivot.psnr > 35


def test_a_camera_that_is_a_little_off_is_turned_back(ball: Ball, perceptual: Perceptual) -> None:
    true, wrong = look_at(0.2, 0.1), look_at(0.2, 0.1 + math.radians(2))
    face = face_of(ball, wrong, true)
    config = LatentConfig(
        w_steps=60, w_plus_steps=0, learning_rate=0.08, camera_rate=0.003, prior=0.0
    )
    kept = LatentConfig(w_steps=60, w_plus_steps=0, learning_rate=0.08, camera_rate=0.0, prior=0.0)
    refined = estimate_latent(ball, perceptual, face, config)
    stuck = estimate_latent(ball, perceptual, face, kept)
    assert torch.equal(stuck.camera.cam2world, wrong.cam2world)
    # A ball hardly tells turning from shifting, so where its middle is drawn is what can be found.
    middle = torch.zeros(1, 1, 3)
    miss = [
        (c.project(middle)[0] - true.project(middle)[0]).norm() for c in (refined.camera, wrong)
    ]
    assert miss[0] < 0.4 * miss[1]
    assert refined.psnr > stuck.psnr + 2


def test_the_same_seed_gives_the_same_pivot_and_another_one_does_not(
    ball: Ball, perceptual: Perceptual
) -> None:
    face = face_of(ball, look_at(0.0))
    first, again, other = (
        estimate_latent(ball, perceptual, face, QUICK, seed=seed).w_plus for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_every_step_is_told_with_its_losses(ball: Ball, perceptual: Perceptual) -> None:
    heard: list[Step] = []
    config = LatentConfig(camera_steps=2, w_steps=2, w_plus_steps=3)
    estimate_latent(ball, perceptual, face_of(ball, look_at(0.0)), config, progress=heard.append)
    assert [step.step for step in heard] == list(range(1, 8))
    assert heard[0].steps == 7 and {"lpips", "colour", "alpha"} <= heard[0].losses.keys()


def test_the_ramp_rises_stays_and_falls_to_nothing() -> None:
    assert learning_ramp(0.0) < 0.1
    assert learning_ramp(0.5) == 1.0
    assert learning_ramp(0.875) == pytest.approx(0.5)
    assert learning_ramp(1.0) == pytest.approx(0.0)


def test_moving_turns_about_the_pivot_then_shifts() -> None:
    camera = look_at(0.0)
    turned = move(camera, torch.tensor([[0.0, 0.3, 0.0, 0.0, 0.0, 0.0]]), (0.0, 0.0, 0.2))
    pixels, distance = turned.project(torch.tensor([[[0.0, 0.0, 0.2]]]))
    assert torch.allclose(pixels, torch.tensor([0.5, 0.5]), atol=1e-5)
    assert distance.item() == pytest.approx(2.5, abs=1e-5)
    assert turned.centre[0, 0] == pytest.approx(2.5 * math.sin(0.3), abs=1e-5)
    shifted = move(camera, torch.tensor([[0.0, 0.0, 0.0, 0.1, 0.2, 0.3]]), (0.0, 0.0, 0.2))
    assert torch.allclose(shifted.centre - camera.centre, torch.tensor([0.1, 0.2, 0.3]), atol=1e-6)


def test_the_cross_matrix_is_the_cross_product() -> None:
    a, b = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[-1.0, 0.5, 2.0]])
    assert torch.allclose((cross_matrix(a) @ b[..., None])[..., 0], torch.linalg.cross(a, b))


def test_a_search_from_the_encoder_begins_at_its_guess_and_that_is_nearer_than_the_mean(
    perceptual: Perceptual,
) -> None:
    generator = load_generator("heads")
    z = torch.randn(1, len(generator.card.factors), generator=torch.Generator().manual_seed(3))
    w_plus, camera = generator.map(z), look_at(0.1, 0.05)
    with torch.no_grad():
        drawn = generator.render(generator.planes(w_plus), w_plus, camera, background=0.0)
    size = drawn.image.shape[-1]
    plain = face_of(Ball(), camera)
    face = replace(
        plain, photo=drawn.image, foreground=drawn.alpha, seen=torch.ones(1, 1, size, size)
    )
    still = LatentConfig(camera_steps=0, w_steps=0, w_plus_steps=0, landmarks=0.0)
    encoded = estimate_latent(generator, perceptual, face, still)
    mean = estimate_latent(generator, perceptual, face, replace(still, start="mean"))
    assert torch.equal(mean.w_plus, generator.mean_latent())
    told = first_guess(generator, face)
    assert torch.allclose(encoded.w_plus, told.w_plus, atol=1e-5)
    assert torch.allclose(
        encoded.camera.cam2world, move(camera, told.motion, generator.card.pivot).cam2world
    )
    assert encoded.psnr > mean.psnr + 1


def test_a_generator_without_factors_starts_at_its_mean(ball: Ball, perceptual: Perceptual) -> None:
    still = LatentConfig(start="encoder", camera_steps=0, w_steps=0, w_plus_steps=0)
    pivot = estimate_latent(ball, perceptual, face_of(ball, look_at(0.2)), still)
    assert torch.equal(pivot.w_plus, ball.mean_latent())


class Even(Ball):
    """A ball painted alike on both sides."""

    def colour(self, points: torch.Tensor) -> torch.Tensor:
        return super().colour(torch.cat([points[..., :1].abs(), points[..., 1:]], -1))


def test_the_photo_in_a_mirror_is_a_second_view_of_the_same_tint(perceptual: Perceptual) -> None:
    heard: list[Step] = []
    config = replace(QUICK, mirror=YawConfig(rule="step"))
    face = face_of(Even(edge=0.01), look_at(0.4))
    pivot = estimate_latent(Even(edge=0.01), perceptual, face, config, progress=heard.append)
    assert torch.allclose(pivot.w_plus.mean(1)[0, :3], torch.tensor(TINT), atol=0.03)
    # Seen right, the mirrored photo of an even ball is reached as well as the photo itself.
    losses = heard[-1].losses
    assert losses["mirror"] < 1.5 * (losses["lpips"] + losses["colour"] + losses["alpha"]) + 0.02


def test_a_frontal_photo_is_found_as_without_a_mirror(ball: Ball, perceptual: Perceptual) -> None:
    face = face_of(ball, look_at(0.05))
    quick = replace(QUICK, w_steps=5, w_plus_steps=2)
    with_mirror = replace(quick, mirror=YawConfig(rule="step"))
    found = [estimate_latent(ball, perceptual, face, c).w_plus for c in (quick, with_mirror)]
    assert torch.equal(*found)


def test_the_mirror_does_not_move_the_camera(ball: Ball, perceptual: Perceptual) -> None:
    config = LatentConfig(camera_steps=4, w_steps=0, w_plus_steps=0, noise=0.0)
    face = face_of(ball, look_at(0.4), look_at(0.4, 0.03))
    found = [
        estimate_latent(ball, perceptual, face, replace(config, mirror=YawConfig(rule=rule))).camera
        for rule in ("none", "step")
    ]
    assert torch.allclose(found[0].cam2world, found[1].cam2world, atol=1e-6)
