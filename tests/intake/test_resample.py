"""Pictures drawn through affine maps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hfinv.intake import resample


def ramp(width: int, height: int) -> np.ndarray:
    """Red is x and green is y of the pixel's centre, in pixels, times 255 / 256."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    scale = 255 / 256
    return np.stack([x * scale, y * scale, 0 * x], -1).round().astype(np.uint8)


def test_a_map_and_its_inverse_undo_each_other() -> None:
    b_from_a = resample.similarity(1.7, 0.4, np.array([10.0, 20.0]), np.array([3.0, -5.0]))
    points = np.array([[0.0, 0.0], [5.0, 7.0]])
    back = resample.apply(resample.invert(b_from_a), resample.apply(b_from_a, points))
    np.testing.assert_allclose(back, points, atol=1e-12)
    np.testing.assert_allclose(resample.apply(b_from_a, np.array([10.0, 20.0])), [3, -5])


def test_composed_maps_are_applied_right_to_left() -> None:
    shift = resample.shift_scale((1.0, 1.0), (5.0, 0.0))
    double = resample.shift_scale((2.0, 2.0), (0.0, 0.0))
    both = resample.compose(double, shift)
    np.testing.assert_allclose(resample.apply(both, np.array([1.0, 1.0])), [12, 2])


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_follow_numpys_rot90(turns: int) -> None:
    picture = np.arange(5 * 7).reshape(5, 7)
    turned = np.rot90(picture, turns)
    turned_from_picture = resample.quarter_turns(turns, 7, 5)
    for row in range(5):
        for column in range(7):
            x, y = resample.apply(turned_from_picture, np.array([column + 0.5, row + 0.5]))
            assert turned[int(y), int(x)] == picture[row, column]


def test_the_identity_leaves_every_pixel_alone() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    same = resample.draw(photo, resample.shift_scale((1.0, 1.0), (0.0, 0.0)), 32)
    np.testing.assert_array_equal(same, photo)


@pytest.mark.parametrize("shrink", [1.0, 1.6, 3.0, 5.5, 9.0])
def test_coordinates_survive_any_shrinking(shrink: float) -> None:
    photo = cv2.resize(ramp(256, 256), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    size = 24
    crop_from_photo = resample.similarity(
        1 / shrink, 0.0, np.array([480.0, 530.0]), np.full(2, size / 2)
    )
    crop = resample.draw(photo, crop_from_photo, size)
    centres = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), -1)
    wanted = resample.apply(resample.invert(crop_from_photo), centres) / 4 * 255 / 256
    np.testing.assert_allclose(crop[..., :2], wanted, atol=1.5)  # bytes


def test_a_turned_window_shows_the_turned_photo() -> None:
    photo = ramp(128, 128)
    crop_from_photo = resample.similarity(1.0, 0.5, np.array([64.0, 64.0]), np.array([16.0, 16.0]))
    crop = resample.draw(photo, crop_from_photo, 32)
    centres = np.stack(np.meshgrid(np.arange(32) + 0.5, np.arange(32) + 0.5), -1)
    wanted = resample.apply(resample.invert(crop_from_photo), centres) * 255 / 256
    np.testing.assert_allclose(crop[..., :2], wanted, atol=1.5)


def test_fine_patterns_turn_grey_instead_of_into_coarse_ones() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    for size in (200, 110, 40):  # 2.56, 4.65 and 12.8 pixels on one
        scale = size / 512
        crop = resample.draw(stripes, resample.shift_scale((scale, scale), (0.0, 0.0)), size)
        inner = crop[4:-4, 4:-4].astype(float)
        assert abs(inner.mean() - 127.5) < 2
        assert inner.std() < 12  # nearest neighbours would leave 127


def test_beyond_the_border_the_photo_is_mirrored() -> None:
    photo = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    crop = resample.draw(photo, resample.shift_scale((1.0, 1.0), (10.0, 0.0)), 40)
    np.testing.assert_array_equal(crop[:, 10:], photo[:, :30])
    np.testing.assert_array_equal(crop[:, :10], photo[:, :10][:, ::-1])


def test_only_reading_the_part_in_sight_changes_nothing() -> None:
    photo = cv2.GaussianBlur(
        np.random.default_rng(2).integers(0, 256, (300, 400, 3), dtype=np.uint8), (0, 0), 2
    )
    for centre in ((200.0, 150.0), (390.0, 20.0), (5.0, 290.0)):
        crop_from_photo = resample.similarity(1.3, 0.2, np.array(centre), np.full(2, 32.0))
        crop = resample.draw(photo, crop_from_photo, 64)
        half = np.full(2, 0.5)
        indexed = np.column_stack(
            [crop_from_photo[:, :2], resample.apply(crop_from_photo, half) - half]
        )
        whole = cv2.warpAffine(
            photo, indexed, (64, 64), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        )
        # OpenCV rounds positions to 1/32 pixel, differently after a shift
        assert np.abs(crop.astype(int) - whole).mean() < 0.5


def test_inside_is_one_exactly_where_the_photo_is() -> None:
    seen = resample.inside(resample.shift_scale((2.0, 2.0), (3.0, -4.0)), 32, 10, 100)
    wanted = np.zeros((32, 32))
    wanted[:, 3:23] = 1  # 10 pixels, twice as large, from 3 on
    np.testing.assert_array_equal(seen, wanted)
