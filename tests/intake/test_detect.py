"""Where the faces are."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from intake_examples import DATA, NAMES, photo

from hfinv.intake.detect import Detection, _merged, _moved, _overlap, detect
from hfinv.intake.resample import apply, quarter_turns

DLIB = json.loads((DATA / "intake_dlib.json").read_text())
"""Landmarks of the examples by dlib's predictor, pixels."""


@pytest.mark.parametrize("name", NAMES)
def test_one_face_is_found_and_its_eyes_are_where_dlib_sees_them(name: str) -> None:
    (face,) = detect(photo(name), 0.5)
    eyes = [
        np.mean([DLIB[name][f"{side}_eye_outer"], DLIB[name][f"{side}_eye_inner"]], 0)
        for side in ("right", "left")
    ]
    apart = np.linalg.norm(eyes[1] - eyes[0])
    assert face.score > 0.75
    np.testing.assert_allclose(face.keypoints[:2], eyes, atol=0.1 * apart)
    assert (face.box[0] < eyes[0]).all() and (DLIB[name]["mouth_left"] < face.box[1]).all()


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_searching_a_turned_photo_by_the_turn_back_finds_the_same_face(turns: int) -> None:
    wide = np.full((768, 1500, 3), 128, np.uint8)
    wide[:, 600:1368] = photo("f2")
    (upright,) = detect(wide, 0.5)
    (found,) = detect(np.ascontiguousarray(np.rot90(wide, turns)), 0.5, (4 - turns,))
    wanted = apply(quarter_turns(turns, 1500, 768), upright.keypoints[:4])
    np.testing.assert_allclose(found.keypoints[:4], wanted, atol=3)
    assert abs((found.roll - upright.roll + turns * np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) < 0.05


def test_a_large_photo_gives_the_same_place_as_its_small_copy() -> None:
    large = cv2.resize(photo("f1"), (2500, 2500), interpolation=cv2.INTER_CUBIC)
    (small_face,), (large_face,) = detect(photo("f1"), 0.5), detect(large, 0.5)
    np.testing.assert_allclose(
        large_face.keypoints[:4] * 768 / 2500, small_face.keypoints[:4], atol=4
    )


def test_a_close_look_finds_a_face_too_small_for_the_whole() -> None:
    scene = np.full((1400, 2000, 3), 110, np.uint8)
    scene[700:775, 1100:1175] = cv2.resize(photo("f3"), (75, 75), interpolation=cv2.INTER_AREA)
    assert detect(scene, 0.5) == []
    (found,) = detect(scene, 0.5, closely=True)  # though overlapping parts see it more than once
    (alone,) = detect(photo("f3"), 0.5)
    wanted = alone.keypoints[:3] * 75 / 768 + [1100, 700]
    np.testing.assert_allclose(found.keypoints[:3], wanted, atol=6)


@pytest.mark.parametrize("closely", [False, True])
def test_noise_and_plain_colours_hold_no_face(closely: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for scene in (noise, np.full((200, 500, 3), 200, np.uint8)):
        assert detect(scene, 0.5, closely=closely) == []


def test_overlap_is_intersection_over_union() -> None:
    boxes = np.array([[[0, 0], [2, 2]], [[1, 1], [3, 3]], [[5, 5], [6, 6]]], float)
    np.testing.assert_allclose(_overlap(boxes, boxes[0]), [1, 1 / 7, 0])


def test_guesses_of_one_face_are_averaged_by_their_scores() -> None:
    one = np.tile([[0.0, 0.0], [10.0, 10.0]], (4, 1))  # box and six points
    guesses = np.stack([one, one + 1, one + 100])
    near, far = _merged(guesses, np.array([0.9, 0.6, 0.8]))
    assert (near.score, far.score) == (0.9, 0.8)
    np.testing.assert_allclose(near.box[0], [0.4, 0.4])
    np.testing.assert_allclose(far.box[0], [100, 100])


def test_a_turned_box_stays_around_its_face() -> None:
    face = Detection(1.0, np.array([[10.0, 20.0], [30.0, 60.0]]), np.full((6, 2), 25.0))
    turned = _moved(face, quarter_turns(1, 100, 80))
    np.testing.assert_allclose(turned.box, [[20, 70], [60, 90]])
    np.testing.assert_allclose(turned.keypoints, apply(quarter_turns(1, 100, 80), face.keypoints))
