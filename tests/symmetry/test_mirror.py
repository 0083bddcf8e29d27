"""A mirror twice is no mirror, and in it the right eye is a left one."""

from __future__ import annotations

import pytest
import torch
from symmetry_examples import SymmetricBall, face_of, landmarks_from

from hfinv.camera import look_at
from hfinv.intake.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE
from hfinv.symmetry.mirror import Sight, mirror_landmarks, sight_of


@pytest.fixture
def sight() -> Sight:
    generator = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 16, 16, generator=generator)
    landmarks = torch.rand(1, 468, 2, generator=generator)
    return Sight(picture, picture[:, :1], landmarks, look_at(0.3, 0.1))


def test_mirroring_twice_changes_nothing(sight: Sight) -> None:
    twice = sight.mirrored().mirrored()
    assert torch.equal(twice.picture, sight.picture) and torch.equal(twice.counted, sight.counted)
    assert torch.allclose(twice.landmarks, sight.landmarks, atol=1e-6)
    assert torch.equal(twice.camera.cam2world, sight.camera.cam2world)


def test_mirrored_landmarks_are_numbered_anew_so_that_right_stays_right() -> None:
    frontal = landmarks_from(look_at(0.0))
    mirrored = mirror_landmarks(frontal)
    for region in (RIGHT_EYE, LEFT_EYE, MOUTH):
        # A symmetric face in a mirror looks as before; moved without new numbers the eyes would change places.
        assert torch.allclose(mirrored[:, region], frontal[:, region], atol=1e-5)
    assert mirrored[0, RIGHT_EYE[0], 0] < mirrored[0, LEFT_EYE[0], 0]


def test_the_mirrored_landmarks_of_a_turned_head_are_those_seen_from_the_other_side() -> None:
    mirrored = mirror_landmarks(landmarks_from(look_at(0.5, 0.1)))
    assert torch.allclose(mirrored, landmarks_from(look_at(-0.5, 0.1)), atol=1e-5)


def test_the_mirrored_photo_of_a_symmetric_head_is_its_photo_from_the_opposite_yaw() -> None:
    ball = SymmetricBall()
    mirrored = sight_of(face_of(ball, look_at(0.4)), look_at(0.4), 64).mirrored()
    other = sight_of(face_of(ball, look_at(-0.4)), look_at(-0.4), 64)
    assert torch.allclose(mirrored.picture, other.picture, atol=1e-3)
    assert torch.allclose(mirrored.camera.cam2world, other.camera.cam2world, atol=1e-6)


def test_a_wrong_number_of_landmarks_is_refused() -> None:
    with pytest.raises(ValueError, match="landmarks is"):
        mirror_landmarks(torch.zeros(1, 5, 2))
