"""Colours for the pixels of a texture that no triangle shows, which smaller copies of the texture mix with the others."""

from __future__ import annotations

import numpy as np


def filled(texture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Fill a texture by averages over ever larger squares (push-pull, Gortler et al. 1996).

    Args:
        texture: [H, W, 3] float32, anything where it is not known.
        known: [H, W] bool; somewhere true.

    Returns:
        [H, W, 3] float32, the known pixels as they were.
    """
    if known.all():
        return texture
    height, width = known.shape
    padded = np.pad(texture * known[..., None], ((0, height % 2), (0, width % 2), (0, 0)))
    count = np.pad(known.astype(np.float32), ((0, height % 2), (0, width % 2)))
    total, count = _quarters(padded), _quarters(count[..., None])
    smaller = filled(total / count.clip(1), count[..., 0] > 0)
    larger = smaller.repeat(2, 0).repeat(2, 1)[:height, :width]
    return np.where(known[..., None], texture, larger)


def _quarters(values: np.ndarray) -> np.ndarray:
    """Sums over squares of two by two pixels."""
    return values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
