"""Landmarks -> camera, on heads whose camera is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from intake_examples import degrees_between

from hfinv.camera import FFHQ_FOCAL, Camera, look_at
from hfinv.intake.head import head_model, partners, to_world
from hfinv.intake.pose import _Problem, _State, camera_of, fit_head


def seen(camera: Camera, strengths: torch.Tensor | None = None) -> np.ndarray:
    """[468, 2], where a camera sees the head's points."""
    model = head_model()
    head = model.neutral
    if strengths is not None:
        head = head + torch.einsum("k,knc->nc", strengths, model.shapes)
    exact = Camera(camera.cam2world.double(), camera.intrinsics.double())
    return exact.project(to_world(head)[None])[0][0].numpy()


def camera_at(
    yaw_deg: float, pitch_deg: float, roll_deg: float = 0.0, radius: float = 2.7
) -> Camera:
    camera = look_at(math.radians(yaw_deg), math.radians(pitch_deg), radius=radius)
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))
    roll = torch.eye(4)
    roll[:2, :2] = torch.tensor([[cos, -sin], [sin, cos]])
    return Camera(camera.cam2world @ roll, camera.intrinsics)


@pytest.mark.parametrize("pose", [(0, 0), (20, -10), (-45, 5), (30, 25, 15), (-10, -20, -40)])
def test_the_camera_of_a_neutral_head_is_found_exactly(pose: tuple) -> None:
    camera = camera_at(*pose)
    fit = fit_head(seen(camera))
    found = camera_of(fit)
    assert degrees_between(found.cam2world, camera.cam2world) < 0.01
    torch.testing.assert_close(found.centre, camera.centre, atol=1e-3, rtol=0)
    assert fit.error < 1e-5


def test_noise_of_two_pixels_moves_the_camera_by_under_a_degree() -> None:
    random = np.random.default_rng(0)
    for pose in ((0, 0), (25, 10), (-40, -5)):
        camera = camera_at(*pose)
        noisy = seen(camera) + random.normal(0, 2 / 512, (468, 2))
        fit = fit_head(noisy)
        assert degrees_between(camera_of(fit).cam2world, camera.cam2world) < 1.0
        assert 512 * fit.error == pytest.approx(2 * math.sqrt(2), rel=0.15)  # in x and in y


def test_other_peoples_faces_and_grimaces_move_it_by_a_few_degrees() -> None:
    random = torch.Generator().manual_seed(0)
    model = head_model()
    errors = []
    for pose in ((0, 0), (20, 10), (-30, -10), (10, -20), (-15, 15), (35, 0)):
        strengths = torch.randn(len(model.shapes), generator=random, dtype=torch.float64)
        strengths[model.identities :] = (0.2 * strengths[model.identities :]).clamp(0, 1)
        camera = camera_at(*pose)
        found = camera_of(fit_head(seen(camera, strengths)))
        errors.append(degrees_between(found.cam2world, camera.cam2world))
    assert np.mean(errors) < 2.5 and np.max(errors) < 5


def test_a_camera_farther_off_is_told_at_eg3ds_distance_with_the_same_picture() -> None:
    camera = camera_at(15, 10, radius=3.1)
    found = camera_of(fit_head(seen(camera)))
    assert found.centre.norm().item() == pytest.approx(2.7, abs=1e-5)
    scaled = to_world(head_model().neutral)[None].float() * 2.7 / 3.1
    np.testing.assert_allclose(found.project(scaled)[0][0].numpy(), seen(camera), atol=1e-4)


def test_mirrored_landmarks_give_the_mirrored_camera() -> None:
    camera = camera_at(25, -8, 5)
    landmarks = seen(camera) + np.random.default_rng(1).normal(0, 1 / 512, (468, 2))
    mirrored = landmarks[partners()] * [-1, 1] + [1, 0]
    found, other = camera_of(fit_head(landmarks)), camera_of(fit_head(mirrored))
    assert degrees_between(other.mirrored().cam2world, found.cam2world) < 0.15


def test_a_tenth_of_the_points_gone_astray_hardly_matters() -> None:
    random = np.random.default_rng(2)
    camera = camera_at(10, 5)
    landmarks = seen(camera)
    astray = random.choice(468, 46, replace=False)
    landmarks[astray] += random.normal(0, 0.3, (46, 2))
    assert degrees_between(camera_of(fit_head(landmarks)).cam2world, camera.cam2world) < 3


def test_the_head_lies_in_the_world_where_eg3ds_labels_put_it() -> None:
    world = to_world(head_model().neutral)
    eyes = (world[[33, 263]] + world[[133, 362]]) / 2
    # measured with EG3D's own labels, world units; +x is the subject's left
    torch.testing.assert_close(
        eyes,
        torch.tensor([[-0.079, 0.075, 0.190], [0.079, 0.075, 0.190]]).double(),
        atol=2e-3,
        rtol=0,
    )
    torch.testing.assert_close(
        world[1], torch.tensor([0.0, -0.015, 0.292]).double(), atol=3e-3, rtol=0
    )


def test_the_jacobian_is_the_derivative_of_the_residuals() -> None:
    model = head_model()
    random = torch.Generator().manual_seed(3)
    landmarks = torch.from_numpy(seen(camera_at(12, 7))) - 0.5
    problem = _Problem(model, landmarks, FFHQ_FOCAL)
    angle = torch.linalg.matrix_exp(
        torch.tensor([[0, -0.2, 0.1], [0.2, 0, -0.3], [-0.1, 0.3, 0]], dtype=torch.float64)
    )
    rotation = angle @ torch.diag(torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    strengths = 0.1 * torch.rand(len(model.shapes), generator=random, dtype=torch.float64)
    state = _State(rotation, torch.tensor([1.0, -2.0, 110.0], dtype=torch.float64), strengths)

    def residuals(move: torch.Tensor) -> torch.Tensor:
        x, y, z = move[:3]
        zero = 0 * x
        cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero]).reshape(3, 3)
        turned = (model.neutral + torch.einsum("k,knc->nc", strengths + move[6:], model.shapes)) @ (
            torch.linalg.matrix_exp(cross) @ rotation
        ).T
        points = turned + state.translation + move[3:6]
        return (points[:, :2] / points[:, 2:] - landmarks / FFHQ_FOCAL) * FFHQ_FOCAL * 512 / 25

    columns = []
    for unit in 1e-5 * torch.eye(6 + len(strengths), dtype=torch.float64):
        columns.append((residuals(unit) - residuals(-unit)) / 2e-5)
    turned = problem.turned(state)
    found = problem.jacobian(state, turned, turned + state.translation)
    torch.testing.assert_close(found, torch.stack(columns, -1), atol=1e-6, rtol=1e-6)
