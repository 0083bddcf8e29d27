"""Values for the pixels of a map that nothing is known of: of a texture, which no triangle shows and smaller copies of it mix
with the others; of a distance map, beside the head."""

from __future__ import annotations

import numpy as np
import scipy


def filled(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give each unknown pixel the value of the nearest known one, so that no patch takes another's at its rim.

    Args:
        texture: [H, W, ...], anything where it is not known.
        known: [H, W] bool; somewhere true.

    Returns:
        [H, W, ...], the known pixels as they were.
    """
    row, column = scipy.ndimage.distance_transform_edt(
        ~known, return_distances=False, return_indices=True
    )
    return texture[row, column]
