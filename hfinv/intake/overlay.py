"""What the intake found, drawn for a person to judge."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hfinv.camera import FFHQ_PIVOT
from hfinv.image import resize, to_bytes
from hfinv.intake.face import Face

SMALLEST = 768
"""Smaller crops are enlarged, so that the writing fits."""
LONGEST = 1024
"""Larger photos are made smaller."""
AXIS = 0.2
"""Length of an axis, in world units."""
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
POINT, OUTLINE = (90, 255, 160), (255, 210, 0)
AXES = (((255, 70, 70), "x"), ((80, 220, 80), "y"), ((80, 140, 255), "z"))
UNSEEN = 0.5
"""Brightness of what lies outside the photo."""
STRIP = 0.35
"""Brightness of the picture behind the writing."""
LINE = 28
"""Height of a line of writing, in pixels."""
DOT = 1.6
"""Radius of a landmark, in pixels."""
SHIFT = 4
"""Bits after the point in OpenCV's coordinates."""


def draw(face: Face) -> np.ndarray:
    """The crop with matte outline, landmarks, the head's axes and the pose in words.

    Returns:
        uint8 [S, S, 3], at least 768 px; what lies outside the photo is darker.
    """
    size = max(face.photo.shape[-1], SMALLEST)
    picture = to_bytes(resize(face.photo, size)).astype(np.float32)
    seen = resize(face.seen, size)[0, 0, :, :, None].numpy()
    picture = np.ascontiguousarray((picture * (UNSEEN + (1 - UNSEEN) * seen)).astype(np.uint8))
    _draw_outline(picture, resize(face.foreground, size))
    _draw_landmarks(picture, face.landmarks)
    _draw_axes(picture, face)
    _write(picture, _lines(face))
    return picture


def framed(photo: np.ndarray, face: Face) -> np.ndarray:
    """The whole photo with the outline of the crop.

    Args:
        photo: uint8 [H, W, 3].
        face: its crop.

    Returns:
        uint8 [h, w, 3], at most `LONGEST` px a side.
    """
    scale = min(1.0, LONGEST / max(photo.shape[:2]))
    size = [max(1, round(scale * side)) for side in photo.shape[1::-1]]
    picture = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    crop = face.photo.shape[-1]
    corners = np.array([[0, 0, 1], [crop, 0, 1], [crop, crop, 1], [0, crop, 1]], np.float64)
    back = np.linalg.inv(np.vstack([face.crop_from_photo.double().numpy(), [0, 0, 1]]))
    outline = (corners @ back.T)[:, :2] * scale - 0.5
    points = np.round(outline * (1 << SHIFT)).astype(np.int32)
    for colour, width in ((BLACK, 4), (OUTLINE, 2)):
        cv2.polylines(picture, [points], True, colour, width, cv2.LINE_AA, SHIFT)
    return picture


def save_framed(path: Path, photo: np.ndarray, face: Face) -> None:
    """Write `framed` as a JPEG."""
    Image.fromarray(framed(photo, face)).save(path, format="JPEG", quality=90)


def _draw_outline(picture: np.ndarray, foreground: Tensor) -> None:
    person = (foreground[0, 0] > 0.5).numpy().astype(np.uint8)
    outlines, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outlines, -1, OUTLINE, 1, cv2.LINE_AA)


def _draw_landmarks(picture: np.ndarray, landmarks: Tensor) -> None:
    if not landmarks.any():  # none found
        return
    for point in landmarks[0]:
        cv2.circle(
            picture,
            _place(picture, point),
            round(DOT * (1 << SHIFT)),
            POINT,
            -1,
            cv2.LINE_AA,
            SHIFT,
        )


def _draw_axes(picture: np.ndarray, face: Face) -> None:
    pivot = torch.tensor([FFHQ_PIVOT])
    ends = torch.cat([pivot, pivot + AXIS * torch.eye(3)])[None]  # [1, 4, 3]
    pixels, _ = face.camera.project(ends)
    start, *tips = [_place(picture, p) for p in pixels[0]]
    for tip, (colour, name) in zip(tips, AXES):
        cv2.line(picture, start, tip, BLACK, 5, cv2.LINE_AA, SHIFT)
        cv2.line(picture, start, tip, colour, 3, cv2.LINE_AA, SHIFT)
        _put(picture, name, ((tip[0] >> SHIFT) + 6, (tip[1] >> SHIFT) - 6), colour)


def _place(picture: np.ndarray, pixel: Tensor) -> tuple[int, int]:
    """(x, y) in [0, 1] -> OpenCV's fixed-point pixel, counted from the first pixel's centre."""
    x, y = (pixel * picture.shape[0] - 0.5).tolist()
    return round(x * (1 << SHIFT)), round(y * (1 << SHIFT))


def _lines(face: Face) -> list[str]:
    yaw, pitch = (math.degrees(a.item()) for a in face.camera.angles())
    right = face.camera.cam2world[0, :3, 0]
    roll = math.degrees(math.atan2(-right[1].item(), math.hypot(right[0].item(), right[2].item())))
    return [
        f"yaw {yaw:+.1f}  pitch {pitch:+.1f}  roll {roll:+.1f} deg",
        f"landmarks {face.reprojection_px:.1f} px off at 512, presence {face.presence:.2f}",
    ]


def _write(picture: np.ndarray, lines: list[str]) -> None:
    """Lines of writing on a dark strip at the bottom."""
    strip = LINE * len(lines) + LINE // 2
    picture[-strip:] = (picture[-strip:] * STRIP).astype(np.uint8)
    for number, line in enumerate(reversed(lines)):
        _put(picture, line, (LINE // 2, picture.shape[0] - LINE // 2 - LINE * number), WHITE)


def _put(
    picture: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.65, colour, 1, cv2.LINE_AA)
