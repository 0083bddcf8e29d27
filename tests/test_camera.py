"""Cameras see what geometry says they see."""

from __future__ import annotations

import math

import pytest
import torch

from hfinv.camera import FFHQ_FOCAL, concatenate, from_label, look_at, orbit, swing


def test_the_frontal_camera_is_the_one_of_ffhq_labels() -> None:
    camera = look_at(0.0, pivot=(0.0, 0.0, 0.0))
    assert torch.allclose(
        camera.cam2world[0, :3, :3], torch.diag(torch.tensor([1.0, -1.0, -1.0])), atol=1e-6
    )
    assert torch.allclose(camera.centre[0], torch.tensor([0.0, 0.0, 2.7]))
    assert camera.label()[0, 16] == pytest.approx(FFHQ_FOCAL)


def test_yaw_goes_to_the_right_and_pitch_upwards() -> None:
    camera = look_at(torch.tensor([math.pi / 2, 0.0]), torch.tensor([0.0, math.pi / 6]))
    assert torch.allclose(camera.centre[0], torch.tensor([2.7, 0.0, 0.0]), atol=1e-5)
    assert camera.centre[1, 1] == pytest.approx(2.7 * 0.5, abs=1e-5)
    yaw, pitch = camera.angles()
    assert yaw[0] == pytest.approx(math.pi / 2, abs=1e-5)
    assert pitch[1] == pytest.approx(math.pi / 6, abs=1e-5)


def test_a_point_right_of_and_above_the_head_is_drawn_right_and_up() -> None:
    pixels, _ = look_at(0.0).project(torch.tensor([[[0.1, 0.1, 0.2]]]))
    assert pixels[0, 0, 0] > 0.5 and pixels[0, 0, 1] < 0.5
    # At the pivot's depth, 2.5 away, one unit is focal / 2.5 of the image side.
    assert pixels[0, 0, 0] == pytest.approx(0.5 + 0.1 * FFHQ_FOCAL / 2.5, abs=1e-4)


def test_projecting_undoes_the_rays_also_with_skew_and_an_off_centre_camera() -> None:
    camera = look_at(torch.tensor([0.4, -2.0]), torch.tensor([0.2, -0.3]))
    camera.intrinsics[:, 0, 1], camera.intrinsics[:, 0, 2], camera.intrinsics[:, 1, 2] = (
        0.3,
        0.45,
        0.6,
    )
    distance = 2.0 + torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    pixels, found = camera.project(camera.points(distance))
    centres = (torch.arange(8) + 0.5) / 8
    assert torch.allclose(pixels.reshape(2, 8, 8, 2)[..., 0], centres.expand(2, 8, 8), atol=1e-5)
    assert torch.allclose(
        pixels.reshape(2, 8, 8, 2)[..., 1], centres[:, None].expand(2, 8, 8), atol=1e-5
    )
    assert torch.allclose(found.reshape(2, 1, 8, 8), distance, atol=1e-5)


def test_the_mirrored_camera_is_the_camera_at_the_opposite_yaw() -> None:
    camera = look_at(0.7, 0.2)
    assert torch.allclose(camera.mirrored().cam2world, look_at(-0.7, 0.2).cam2world, atol=1e-6)
    assert torch.allclose(camera.mirrored().mirrored().label(), camera.label(), atol=1e-6)


def test_the_mirrored_camera_sees_a_mirrored_point_at_the_mirrored_pixel() -> None:
    camera = look_at(0.7, 0.2)
    camera.intrinsics[:, 0, 2] = 0.4
    point = torch.tensor([[[0.1, 0.2, 0.1]]])
    here, _ = camera.project(point)
    there, _ = camera.mirrored().project(point * torch.tensor([-1.0, 1.0, 1.0]))
    assert torch.allclose(there[..., 0], 1 - here[..., 0], atol=1e-6)
    assert torch.allclose(there[..., 1], here[..., 1], atol=1e-6)


def test_a_label_comes_back_as_it_went_in() -> None:
    camera = look_at(torch.tensor([0.3, 1.0]), 0.1)
    assert torch.equal(from_label(camera.label()).label(), camera.label())
    assert len(concatenate([camera, camera[1]])) == 3


def test_a_full_orbit_does_not_repeat_its_first_view_and_a_swing_returns() -> None:
    full = orbit(4).angles()[0]
    assert torch.allclose(
        full.abs(), torch.tensor([0.0, math.pi / 2, math.pi, math.pi / 2]), atol=1e-5
    )
    half = orbit(3, 90).angles()[0]
    assert half[-1] == pytest.approx(math.pi / 2, abs=1e-5)
    assert swing(8, 30).angles()[0].max() == pytest.approx(math.radians(30), abs=1e-5)


def test_gradients_reach_the_camera() -> None:
    camera = look_at(0.2)
    camera.cam2world.requires_grad_()
    camera.rays(4)[1].sum().backward()
    assert camera.cam2world.grad.abs().sum() > 0
