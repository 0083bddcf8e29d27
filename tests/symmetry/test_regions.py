"""Eyes and mouth are where the head has them in each view."""

from __future__ import annotations

import torch
from conftest import Ball
from symmetry_examples import landmarks_from, sight_and_surface, symmetric_head

from hfinv.camera import look_at
from hfinv.intake.head import partners
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.regions import (
    LEFT_EYE,
    MOUTH,
    REGIONS,
    RIGHT_EYE,
    boxes,
    crops,
    landmarks_on_head,
)
from hfinv.symmetry.settings import RegionConfig

CONFIG = RegionConfig()


def test_the_right_eyes_partners_are_the_left_eye_and_the_mouths_the_mouth() -> None:
    found = [{int(partners()[number]) for number in region} for region in REGIONS]
    assert found == [set(LEFT_EYE), set(RIGHT_EYE), set(MOUTH)]


def test_landmarks_are_lifted_to_where_the_ball_is_hit() -> None:
    ball, camera = Ball(radius=0.3), look_at(0.3, 0.1)
    sight, surface = sight_and_surface(ball, camera, 128)
    towards = torch.randn(1, 468, 3, generator=torch.Generator().manual_seed(0))
    towards = 0.12 * towards / towards.norm(dim=-1, keepdim=True)
    pixels = camera.project(towards)[0]
    found = landmarks_on_head(Sight(sight.picture, sight.counted, pixels, camera), surface)
    assert (found.norm(dim=-1) - 0.3).abs().max() < 1e-3
    assert torch.allclose(camera.project(found)[0], pixels, atol=1e-5)


def test_a_box_moves_with_the_view_and_holds_its_points() -> None:
    points = symmetric_head()
    cameras = look_at(torch.tensor([0.0, 0.5]), pivot=(0.0, 0.0, 0.0))
    found = boxes(points, cameras, CONFIG)
    pixels = cameras.project(points.expand(2, -1, -1))[0]
    for index, region in enumerate(REGIONS):
        assert (pixels[:, region] > found[:, index, None, :2]).all()
        assert (pixels[:, region] < found[:, index, None, 2:]).all()
    moved = found[1, 2, :2] - found[0, 2, :2]
    assert moved.norm() > 0.03  # where the mouth was in the photo is not where it is now


def test_boxes_in_the_mirror_are_the_mirrored_boxes_of_the_other_side() -> None:
    points, camera = symmetric_head(), look_at(0.4)
    here, there = boxes(points, camera, CONFIG), boxes(points, camera.mirrored(), CONFIG)
    flipped = torch.stack([1 - here[..., 2], here[..., 1], 1 - here[..., 0], here[..., 3]], -1)
    assert torch.allclose(there, flipped[:, [1, 0, 2]], atol=1e-5)


def test_pads_are_the_published_pixels_of_a_256_pixel_picture() -> None:
    points, camera = symmetric_head(), look_at(0.0)
    pixels = 256 * camera.project(points)[0]
    found = 256 * boxes(points, camera, CONFIG)
    assert torch.allclose(found[0, 0, :2], pixels[0, list(RIGHT_EYE)].amin(0) - 15, atol=1e-2)
    assert torch.allclose(found[0, 2, 2:], pixels[0, list(MOUTH)].amax(0) + 8, atol=1e-2)


def test_without_landmarks_the_average_heads_stand_in() -> None:
    sight, surface = sight_and_surface(Ball(), look_at(0.2))
    found = landmarks_on_head(sight, surface)
    assert torch.allclose(look_at(0.2).project(found)[0], landmarks_from(look_at(0.2)), atol=3e-3)


def test_a_crop_of_a_ramp_is_the_ramp_at_the_boxs_pixel_centres() -> None:
    ramp = ((torch.arange(64) + 0.5) / 64).expand(1, 1, 64, 64)
    box = torch.tensor([[[0.25, 0.25, 0.75, 0.75]]]).expand(1, 3, 4)
    crop = crops(ramp, box, 8)
    assert crop.shape == (3, 1, 8, 8)
    assert torch.allclose(crop[0, 0, 0], 0.25 + 0.5 * (torch.arange(8) + 0.5) / 8, atol=1e-5)
