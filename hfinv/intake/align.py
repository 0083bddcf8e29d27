"""The crop, as EG3D's training photos were cropped: scaled and shifted, never turned."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from hfinv.intake import assets
from hfinv.intake.landmarks import LEFT_EYE, MOUTH, NOSE, RIGHT_EYE
from hfinv.intake.resample import compose, shift_scale

UNIT = 300 / 700
"""One unit of the template in sides of the crop: EG3D's rescale factor over its central crop, in pixels."""


PANOHEAD_TOP, PANOHEAD_SIDE = 0.10, 0.05
"""What PanoHead's photos show beyond a face crop, above it and on either side, in sides of that crop. That the face crop
within is as large as EG3D's is our assumption: its refinement is not documented in such terms."""


@lru_cache(maxsize=1)
def template() -> np.ndarray:
    """[5, 3], x right, y up, z to the viewer: eyes, nose and mouth corners of a standard face."""
    return np.array(json.loads(assets.path("frame.json").read_text())["crop_template"])


def five_points(points: np.ndarray) -> np.ndarray:
    """[468, 2] -> [5, 2], the template's points."""
    eyes = [points[list(eye)].mean(0) for eye in (RIGHT_EYE, LEFT_EYE)]
    return np.stack([*eyes, points[NOSE], points[MOUTH[0]], points[MOUTH[1]]])


def crop_from_photo(points: np.ndarray, size: int) -> np.ndarray:
    """The map that brings a face to where EG3D has it.

    The template is laid over the five points by an affine camera; its origin goes to the middle of the
    crop and its unit to `UNIT` of the side.

    Args:
        points: [468, 2], pixels of the photo.
        size: side of the crop, in pixels.

    Returns:
        [2, 3], photo pixel -> crop pixel.
    """
    corners = np.column_stack([template(), np.ones(5)])  # [5, 4]
    solution, *_ = np.linalg.lstsq(corners, five_points(points), rcond=None)  # [4, 2]
    unit = np.linalg.norm(solution[:3], axis=0).mean()  # pixels of the photo
    scale = UNIT * size / unit
    shift = size / 2 - scale * solution[3]
    return shift_scale((scale, scale), tuple(shift))


def widened(crop_from_photo: np.ndarray, size: int) -> np.ndarray:
    """EG3D's crop made PanoHead's: more room above and beside the head.

    Args:
        crop_from_photo: [2, 3], of `crop_from_photo`.
        size: side of both crops, in pixels.

    Returns:
        [2, 3], photo pixel -> pixel of the wider crop.
    """
    smaller = 1 / (1 + 2 * PANOHEAD_SIDE)
    shift = (smaller * PANOHEAD_SIDE * size, smaller * PANOHEAD_TOP * size)
    return compose(shift_scale((smaller, smaller), shift), crop_from_photo)
