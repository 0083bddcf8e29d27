"""Hair, skin and clothes against the background."""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.image import resize, to_tensor
from hfinv.intake import graph

NETWORK = "selfie_segmentation"
RADIUS = 4
"""Of the guided filter, in pixels of a 512 px crop."""
SMOOTH = 1e-4
"""Colour variance (of a picture in [0, 1]) below which the filter sees no edge."""


def foreground(crop: np.ndarray) -> Tensor:
    """[1, 1, S, S] in [0, 1], 1 = person.

    Args:
        crop: uint8 [S, S, 3].
    """
    photo = to_tensor(crop)
    network = graph.load(NETWORK)
    with torch.inference_mode():
        coarse = network(resize(photo, network.size))["matte"]
    size = crop.shape[0]
    matte = F.interpolate(coarse, (size, size), mode="bilinear", align_corners=False)
    radius = max(round(RADIUS * size / 512), 1)
    fine = guided(matte[0, 0].numpy(), ((photo[0] + 1) / 2).numpy(), radius)
    return torch.from_numpy(fine.clip(0, 1)).float()[None, None]


def guided(matte: np.ndarray, guide: np.ndarray, radius: int, smooth: float = SMOOTH) -> np.ndarray:
    """Bend a soft mask to the edges of a picture (He's guided filter): locally, mask = a . colour + b.

    Args:
        matte: [H, W] in [0, 1].
        guide: [3, H, W] in [0, 1].
        radius: of the neighbourhood, in pixels.
        smooth: variance of the colours below which they show no edge.

    Returns:
        float64 [H, W], about [0, 1].
    """
    mask, colour = matte.astype(np.float64), guide.astype(np.float64)  # Cramer's rule eats digits
    mean_mask, mean_colour = _mean(mask[None], radius), _mean(colour, radius)
    together = _mean(colour * mask, radius) - mean_colour * mean_mask  # [3, H, W]
    spread = np.empty((3, *colour.shape))  # [3, 3, H, W], covariance of the colours
    for i in range(3):
        spread[i] = _mean(colour * colour[i], radius) - mean_colour * mean_colour[i]
        spread[i, i] += smooth
    a = _solve(spread, together)
    b = mean_mask - (a * mean_colour).sum(0)
    return (_mean(a, radius) * colour).sum(0) + _mean(b, radius)[0]


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """x of the symmetric 3 x 3 system `matrix` . x = `right` in each pixel, by Cramer's rule."""
    minors = [np.cross(matrix[i - 2], matrix[i - 1], axis=0) for i in range(3)]
    determinant = (matrix[0] * minors[0]).sum(0)
    return sum(right[i] * minors[i] for i in range(3)) / determinant


def _mean(planes: np.ndarray, radius: int) -> np.ndarray:
    """Of each plane of [C, H, W], over a square of side 2 radius + 1."""
    side = (2 * radius + 1, 2 * radius + 1)
    return np.stack([cv2.blur(plane, side, borderType=cv2.BORDER_REFLECT) for plane in planes])
