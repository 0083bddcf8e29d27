"""MediaPipe's points: where dlib has them too, and moving with the picture."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from intake_examples import DATA, NAMES, photo

from hfinv.intake.detect import detect
from hfinv.intake.head import partners
from hfinv.intake.landmarks import Landmarks, locate

DLIB = json.loads((DATA / "intake_dlib.json").read_text())
SAME_PLACE = {
    "right_eye_outer": 33,
    "right_eye_inner": 133,
    "left_eye_inner": 362,
    "left_eye_outer": 263,
    "mouth_right": 61,
    "mouth_left": 291,
    "chin": 152,
}


def found(pixels: np.ndarray) -> Landmarks:
    (face,) = detect(pixels, 0.5)
    return locate(pixels, face)


def apart(points: np.ndarray) -> float:
    """The distance of the outer eye corners, the yardstick of all tolerances here."""
    return float(np.linalg.norm(points[33] - points[263]))


@pytest.mark.parametrize("name", NAMES)
def test_landmarks_lie_where_dlib_puts_them(name: str) -> None:
    face = found(photo(name))
    assert face.presence > 0.99
    errors = [np.linalg.norm(face.points[i] - DLIB[name][k]) for k, i in SAME_PLACE.items()]
    assert np.mean(errors) < 0.03 * apart(face.points)
    assert np.max(errors) < 0.08 * apart(face.points)


def test_a_shifted_face_has_shifted_landmarks() -> None:
    pixels = photo("f4")
    moved = cv2.copyMakeBorder(pixels, 57, 0, 131, 0, cv2.BORDER_REPLICATE)
    before, after = found(pixels).points, found(moved).points
    error = np.linalg.norm(after - before - [131, 57], axis=1)
    assert error.max() < 0.01 * apart(before)


def test_a_smaller_picture_has_smaller_landmarks() -> None:
    pixels = photo("f2")
    half = cv2.resize(pixels, (384, 384), interpolation=cv2.INTER_AREA)
    before, after = found(pixels).points, found(half).points
    error = np.linalg.norm(2 * after - before, axis=1)
    assert error.max() < 0.02 * apart(before)


def test_a_leaning_face_has_leaning_landmarks() -> None:
    pixels = photo("f1")
    turn = cv2.getRotationMatrix2D((384, 384), 20, 1.0)
    leaning = cv2.warpAffine(pixels, turn, (768, 768), borderMode=cv2.BORDER_REPLICATE)
    before, after = found(pixels).points, found(leaning).points
    error = np.linalg.norm(after - (before @ turn[:, :2].T + turn[:, 2]), axis=1)
    assert error.max() < 0.03 * apart(before)


@pytest.mark.parametrize("name", ["f1", "f5", "f6"])
def test_the_mirrored_face_has_the_mirrored_landmarks(name: str) -> None:
    pixels = photo(name)
    before, after = found(pixels).points, found(np.ascontiguousarray(pixels[:, ::-1])).points
    back = after[partners()] * [-1, 1] + [768, 0]
    assert np.linalg.norm(back - before, axis=1).max() < 0.02 * apart(before)


def test_every_point_has_a_partner_whose_partner_it_is() -> None:
    other = partners()
    np.testing.assert_array_equal(other[other], np.arange(468))
    assert other[33] == 263 and other[61] == 291 and other[1] == 1 and other[133] == 362


def test_a_patch_without_a_face_has_no_presence() -> None:
    (face,) = detect(photo("f1"), 0.5)
    noise = np.random.default_rng(3).integers(0, 256, (768, 768, 3), dtype=np.uint8)
    assert locate(noise, face).presence < 0.1
