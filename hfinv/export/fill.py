"""Colours for the pixels of a texture that no triangle shows; smaller copies of it mix them with the others."""

from __future__ import annotations

import numpy as np
import scipy


def filled(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give each unknown pixel the colour of the nearest known one, so that no patch takes another's at its rim.

    Args:
        texture: [H, W, 3], anything where it is not known.
        known: [H, W] bool; somewhere true.

    Returns:
        [H, W, 3], the known pixels as they were.
    """
    row, column = scipy.ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    return texture[row, column]
