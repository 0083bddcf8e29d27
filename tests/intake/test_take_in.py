"""Photo -> face, end to end."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from intake_examples import NAMES, degrees_between, photo, taken

from hfinv import image
from hfinv.camera import look_at
from hfinv.errors import PhotoError
from hfinv.intake import IntakeConfig, take_in
from hfinv.intake.choose import choose
from hfinv.intake.landmarks import Landmarks
from hfinv.intake.overlay import draw
from hfinv.storage import digest

PLAIN = IntakeConfig(matte=False)


def through(face, points: np.ndarray) -> np.ndarray:
    """Photo pixels -> crop pixels."""
    affine = face.crop_from_photo.double().numpy()
    return points @ affine[:, :2].T + affine[:, 2]


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_taken_without_complaint(name: str) -> None:
    face = taken(name)
    assert face.warnings == () and face.faces_found == 1
    assert face.presence > 0.99 and face.reprojection_px < 6
    assert face.photo.shape == (1, 3, 512, 512) and face.landmarks.shape == (1, 468, 2)
    assert len(face.camera) == 1
    assert face.camera.centre.norm().item() == pytest.approx(2.7, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_mirrored_photo_has_the_mirrored_camera(name: str) -> None:
    mirrored = take_in(np.ascontiguousarray(photo(name)[:, ::-1]), PLAIN)
    face = taken(name)
    assert degrees_between(mirrored.camera.mirrored().cam2world, face.camera.cam2world) < 1.5
    torch.testing.assert_close(
        mirrored.camera.mirrored().centre, face.camera.centre, atol=0.08, rtol=0
    )


def test_who_looks_to_the_left_of_the_picture_is_seen_from_the_right() -> None:
    yaw = {name: np.degrees(taken(name).camera.angles()[0].item()) for name in ("f1", "f5", "f6")}
    assert abs(yaw["f1"]) < 3 and -20 < yaw["f5"] < -6 and 8 < yaw["f6"] < 24


def test_the_same_photo_gives_the_same_bytes_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    again = take_in(photo("f2"))
    assert torch.get_num_threads() == 2  # given back as found
    torch.set_num_threads(threads)
    first = take_in(photo("f2"))
    for name in ("photo", "foreground", "landmarks", "crop_from_photo", "seen"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert torch.equal(first.camera.cam2world, again.camera.cam2world)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_photo_gives_the_upright_face(turns: int) -> None:
    face = taken("f1")
    turned = take_in(np.ascontiguousarray(np.rot90(photo("f1"), turns)), PLAIN)
    assert degrees_between(turned.camera.cam2world, face.camera.cam2world) < 0.5
    assert (turned.photo - face.photo).abs().mean() < 0.05
    assert turned.warnings == (
        f"the photo was turned by {360 - 90 * turns} degrees, counter-clockwise",
    )
    corner, turned_corner = [(0, 0)], {1: [(0, 768)], 2: [(768, 768)], 3: [(768, 0)]}[turns]
    np.testing.assert_allclose(
        through(turned, np.array(turned_corner)), through(face, np.array(corner)), atol=3
    )


def test_the_crop_is_the_photo_through_its_own_map() -> None:
    face = taken("f5")
    pixels = photo("f5").astype(np.float32)
    crop = image.to_bytes(face.photo).astype(float)
    inverse = np.linalg.inv(np.vstack([face.crop_from_photo.numpy(), [0, 0, 1]]))
    errors, shifted = [], []
    for x, y in np.random.default_rng(0).uniform(20, 490, (300, 2)).round() + 0.5:
        u, v = (inverse @ [x, y, 1])[:2] - 0.5  # counted from the first pixel's centre
        seen = crop[int(y), int(x)]
        errors.append(np.abs(cv2.getRectSubPix(pixels, (1, 1), (u, v))[0, 0] - seen).mean())
        off = cv2.getRectSubPix(pixels, (1, 1), (u + 0.5, v + 0.5))[0, 0]
        shifted.append(np.abs(off - seen).mean())
    assert np.mean(errors) < 0.5 * np.mean(shifted)  # half a pixel would be seen


def test_a_smaller_crop_has_the_same_camera() -> None:
    small = take_in(photo("f3"), IntakeConfig(size=128))
    assert small.photo.shape[-1] == small.foreground.shape[-1] == 128
    torch.testing.assert_close(small.landmarks, taken("f3").landmarks, atol=1e-4, rtol=0)
    assert degrees_between(small.camera.cam2world, taken("f3").camera.cam2world) < 0.05


def test_what_the_photo_does_not_show_is_marked() -> None:
    cut = np.ascontiguousarray(photo("f1")[:, :560])
    face = take_in(cut, PLAIN)
    edge = through(face, np.array([[560.0, 384.0]]))[0, 0]
    assert 300 < edge < 512
    columns = face.seen[0, 0].mean(0)
    assert (columns[: int(edge) - 1] == 1).all() and (columns[int(edge) + 1 :] == 0).all()
    assert any("lies outside the photo" in warning for warning in face.warnings)


def two_faces() -> np.ndarray:
    small = np.full((768, 500, 3), 128, np.uint8)
    small[100:600] = cv2.resize(photo("f5"), (500, 500), interpolation=cv2.INTER_AREA)
    return np.hstack([small, photo("f1")])


def test_of_two_faces_the_largest_is_taken_and_the_person_told() -> None:
    face = take_in(two_faces(), PLAIN)
    assert face.faces_found == 2
    assert degrees_between(face.camera.cam2world, taken("f1").camera.cam2world) < 1
    (warning,) = face.warnings
    assert "the photo shows 2 faces" in warning and "`--face 1`" in warning


@pytest.mark.parametrize("index, name", [(0, "f5"), (1, "f1")])
def test_a_chosen_face_counts_from_the_left(index: int, name: str) -> None:
    face = take_in(two_faces(), IntakeConfig(face=index, matte=False))
    assert degrees_between(face.camera.cam2world, taken(name).camera.cam2world) < 2
    assert face.warnings == ()


@pytest.mark.parametrize("index", [2, -1])
def test_a_face_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(PhotoError, match=f"there is no face {index}: the photo shows 2 faces") as e:
        take_in(two_faces(), IntakeConfig(face=index))
    assert e.value.exit_code == 3 and "`--face 0` to `--face 1`" in e.value.hint


def test_a_photo_without_a_face_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    with pytest.raises(PhotoError, match="no face found in the photo") as caught:
        take_in(noise)
    assert caught.value.exit_code == 3 and caught.value.hint


def test_a_face_of_few_pixels_is_refused_with_its_size() -> None:
    tiny = cv2.resize(photo("f1"), (68, 68), interpolation=cv2.INTER_AREA)
    with pytest.raises(PhotoError, match=r"the face is only 3\d pixels large, at least 40"):
        take_in(tiny)


def test_gates_speak_when_a_face_is_turned_unclear_or_no_head() -> None:
    with pytest.raises(PhotoError, match=r"turned 1\d degrees to the side, at most 10"):
        take_in(photo("f6"), IntakeConfig(max_yaw_deg=10))
    with pytest.raises(PhotoError, match="do not fit a head: they are 4.. pixels off"):
        take_in(photo("f6"), IntakeConfig(max_reprojection_px=2))
    with pytest.raises(
        PhotoError, match="no clear features .presence 0.27, at least 0.50 is needed"
    ):
        choose([Landmarks(np.zeros((468, 2)), evidence=-1.0)], IntakeConfig())
    warned = take_in(photo("f6"), IntakeConfig(warn_yaw_deg=10, matte=False))
    assert any("its far half will be a guess" in warning for warning in warned.warnings)


def test_pixels_of_another_kind_are_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="photo is float64 .10, 10, 3., expected uint8"):
        take_in(np.zeros((10, 10, 3)))


def given(folder: Path, label: list[float], **more) -> IntakeConfig:
    path = folder / "label.json"
    path.write_text(json.dumps(label))
    return IntakeConfig(camera=path, **more)


def test_another_camera_in_the_same_file_makes_the_stage_anew(tmp_path: Path) -> None:
    label = taken("f2").camera.label()[0].tolist()
    before = digest(given(tmp_path, label))
    assert digest(given(tmp_path, label)) == before
    assert digest(given(tmp_path, [*label[:-1], 2.0])) != before


def test_with_a_camera_the_photo_is_the_crop(tmp_path: Path) -> None:
    face = taken("f2")
    crop = image.to_bytes(face.photo)
    again = take_in(crop, given(tmp_path, face.camera.label()[0].tolist()))
    assert torch.equal(again.photo, face.photo)
    torch.testing.assert_close(again.camera.label(), face.camera.label())
    torch.testing.assert_close(again.landmarks, face.landmarks, atol=0.01, rtol=0)
    assert again.warnings == () and again.seen.min() == 1
    assert 0.3 < again.foreground.mean() < 0.95


def test_a_camera_that_cannot_be_the_photos_is_doubted(tmp_path: Path) -> None:
    crop = image.to_bytes(taken("f2").photo)
    face = take_in(crop, given(tmp_path, look_at(0.7).label()[0].tolist(), matte=False))
    (warning,) = face.warnings
    assert "differs by 4" in warning


def test_with_a_camera_even_a_photo_without_a_face_is_taken(tmp_path: Path) -> None:
    label = look_at(0.0).label()[0].tolist()
    plain = np.full((300, 300, 3), 90, np.uint8)
    face = take_in(plain, given(tmp_path, label, size=128))
    assert face.photo.shape[-1] == 128 and not face.landmarks.any() and face.presence == 0
    assert face.faces_found == 0 and "no face was found in the crop" in face.warnings[0]
    np.testing.assert_allclose(through(face, np.array([[300.0, 0.0]])), [[128, 0]], atol=1e-4)


def test_with_a_camera_the_photo_must_be_square(tmp_path: Path) -> None:
    label = look_at(0.0).label()[0].tolist()
    with pytest.raises(PhotoError, match="the photo is 300 x 200 pixels, but the crop"):
        take_in(np.zeros((200, 300, 3), np.uint8), given(tmp_path, label))


def test_the_overlay_shows_landmarks_axes_and_words_over_the_crop() -> None:
    face = taken("f6")
    picture = draw(face)
    assert picture.shape == (768, 768, 3) and picture.dtype == np.uint8
    clean = image.to_bytes(image.resize(face.photo, 768))
    x, y = (face.landmarks[0, 1] * 768).int().tolist()  # the tip of the nose is green
    assert (picture[y - 1 : y + 2, x - 1 : x + 2, 1] >= 200).any()
    # the y axis is drawn above its start, the strip below is dark
    pivot = face.camera.project(torch.tensor([[[0.0, 0.1, 0.2]]]))[0][0, 0] * 768
    u, v = pivot.int().tolist()
    assert np.abs(picture[v, u].astype(int) - [80, 220, 80]).max() < 40
    assert picture[-20:].mean() < 0.6 * clean[-20:].mean() + 20
