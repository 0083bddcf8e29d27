"""Affine maps between pictures, and pictures drawn through them without aliasing.

An affine map is a float64 [2, 3] array that takes pixels of one picture to pixels of another, both in
hfinv's convention: corner (0, 0), first centre (0.5, 0.5). `crop_from_photo` takes photo to crop.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

LOW_PASS = 0.35
"""Blur before shrinking, in pixels of the result: little aliasing, little softness."""
BLURRED_SHRINK = 2
"""Above twice this, whole pixels are averaged first, so that large photos cost little."""
MARGIN = 8
"""Pixels of the result read around it, for the blur and the interpolation."""


def apply(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[..., 2] -> [..., 2]."""
    return points @ affine[:, :2].T + affine[:, 2]


def compose(c_from_b: np.ndarray, b_from_a: np.ndarray) -> np.ndarray:
    """`c_from_a`."""
    return np.column_stack([c_from_b[:, :2] @ b_from_a[:, :2], apply(c_from_b, b_from_a[:, 2])])


def invert(b_from_a: np.ndarray) -> np.ndarray:
    """`a_from_b`."""
    linear = np.linalg.inv(b_from_a[:, :2])
    return np.column_stack([linear, -linear @ b_from_a[:, 2]])


def similarity(scale: float, angle: float, centre: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Takes `centre` to `target`, turns by `angle` (radians, x towards y), enlarges by `scale`."""
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, np.asarray(target) - linear @ centre])


def shift_scale(scale: tuple[float, float], shift: tuple[float, float]) -> np.ndarray:
    """Enlarges each axis, then shifts."""
    return np.array([[scale[0], 0.0, shift[0]], [0.0, scale[1], shift[1]]])


def quarter_turns(turns: int, width: float, height: float) -> np.ndarray:
    """Takes the pixels of a width x height picture to those of `np.rot90(picture, turns)`."""
    return np.array(
        (
            [[1.0, 0, 0], [0, 1, 0]],
            [[0, 1, 0], [-1, 0, width]],
            [[-1, 0, width], [0, -1, height]],
            [[0, -1, height], [1, 0, 0]],
        )[turns % 4]
    )


def draw(
    photo: np.ndarray, crop_from_photo: np.ndarray, size: int, border: int = cv2.BORDER_REFLECT
) -> np.ndarray:
    """Look at a photo through a square window.

    Args:
        photo: uint8 [H, W, 3].
        crop_from_photo: similarity or anisotropic scaling, photo to window.
        size: side of the window, in pixels.
        border: what lies outside the photo, in OpenCV's words.

    Returns:
        uint8 [size, size, 3].
    """
    part, crop_from_part = _part(photo, crop_from_photo, size)
    shrink = _shrink(crop_from_part)
    whole = int(shrink / BLURRED_SHRINK)
    if whole > 1:
        height, width = part.shape[:2]
        small = (math.ceil(width / whole), math.ceil(height / whole))
        part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
        part_from_small = shift_scale((width / small[0], height / small[1]), (0.0, 0.0))
        crop_from_part = compose(crop_from_part, part_from_small)
        shrink = _shrink(crop_from_part)
    if shrink > 1:
        sigma = LOW_PASS * math.sqrt(shrink**2 - 1)  # none at all where nothing shrinks
        part = cv2.GaussianBlur(part, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    half = np.full(2, 0.5)  # OpenCV counts from the first pixel's centre
    indexed = np.column_stack([crop_from_part[:, :2], apply(crop_from_part, half) - half])
    return cv2.warpAffine(part, indexed, (size, size), flags=cv2.INTER_CUBIC, borderMode=border)


def inside(crop_from_photo: np.ndarray, size: int, width: int, height: int) -> np.ndarray:
    """float32 [size, size], 1 where the window's pixel centre lies inside a width x height photo."""
    centres = np.arange(size) + 0.5
    window = np.stack(np.meshgrid(centres, centres), -1)  # [size, size, 2], (x, y)
    points = apply(invert(crop_from_photo), window)
    return ((points >= 0) & (points <= [width, height])).all(-1).astype(np.float32)


def _shrink(affine: np.ndarray) -> float:
    """How many pixels of the source fall on one of the result, along a side."""
    return 1 / math.sqrt(abs(np.linalg.det(affine[:, :2])))


def _part(
    photo: np.ndarray, crop_from_photo: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """The part of the photo that the window shows, and the map from it."""
    window = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]]) * (size / 2 + MARGIN) + size / 2
    corners = apply(invert(crop_from_photo), window)
    height, width = photo.shape[:2]
    left, right = _span(*_ends(corners[:, 0]), width)
    top, bottom = _span(*_ends(corners[:, 1]), height)
    photo_from_part = shift_scale((1.0, 1.0), (left, top))
    return photo[top:bottom, left:right], compose(crop_from_photo, photo_from_part)


def _ends(values: np.ndarray) -> tuple[int, int]:
    return math.floor(values.min()), math.ceil(values.max())


def _span(low: int, high: int, side: int) -> tuple[int, int]:
    """[low, high) cut to the photo, with what its mirror image beyond the border shows."""
    start = max(min(low, 2 * side - high), 0)
    stop = min(max(high, -low), side)
    return (start, stop) if start < stop else (0, side)
