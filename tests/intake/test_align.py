"""The crop: five points to where EG3D has them."""

from __future__ import annotations

import numpy as np
import pytest
from intake_examples import NAMES, taken

from hfinv.intake.align import crop_from_photo, five_points
from hfinv.intake.resample import apply

# By hand from EG3D's numbers: 300 px a unit in a 1024 px image whose middle 700 px become 512.
EYES, NOSE_Y, MOUTH = (
    ((182.69, 201.01), (329.31, 201.01)),
    265.68,
    ((202.37, 330.47), (309.63, 330.47)),
)


def face(five: np.ndarray) -> np.ndarray:
    """[468, 2] with these five points: eyes, nose, corners of the mouth."""
    points = np.zeros((468, 2))
    for eye, corners in zip(five[:2], ((33, 133), (263, 362))):
        points[list(corners)] = eye + np.array([[-9.0, 2.0], [9.0, -2.0]])
    points[1], points[61], points[291] = five[2:]
    return points


def test_a_standard_face_lands_where_eg3d_has_it() -> None:
    standard = np.array([*EYES, (256.0, NOSE_Y), *MOUTH])
    shift, scale = np.array([71.0, -20.0]), 3.7
    photo = face(standard) * scale + shift
    crop = apply(crop_from_photo(photo, 512), photo)
    np.testing.assert_allclose(five_points(crop), standard, atol=0.05)


def test_the_crop_scales_with_its_size_and_never_turns() -> None:
    standard = np.array([*EYES, (256.0, NOSE_Y), *MOUTH])
    leaning = (standard - 256) @ np.array([[0.94, 0.342], [-0.342, 0.94]]) + 400
    small, large = (crop_from_photo(face(leaning), size) for size in (256, 512))
    np.testing.assert_allclose(large, 2 * small)
    assert large[0, 0] == large[1, 1] > 0 and large[0, 1] == large[1, 0] == 0
    assert large[0, 0] == pytest.approx(1.0, abs=0.005)  # leaning does not change the scale


@pytest.mark.parametrize("name", NAMES)
def test_real_faces_lie_as_in_eg3ds_training_photos(name: str) -> None:
    points = taken(name).landmarks[0].numpy() * 512
    eyes_y = points[[33, 133, 263, 362], 1].mean()
    mouth_y = points[[61, 291], 1].mean()
    # measured on EG3D's own crops: eyes at 200, mouth at 345
    assert abs(eyes_y - 200) < 20 and abs(mouth_y - 345) < 20
    assert abs(points[[33, 263, 61, 291], 0].mean() - 256) < 30
