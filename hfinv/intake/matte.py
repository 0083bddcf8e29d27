"""Hair, skin and clothes against the background."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.image import resize, to_tensor
from hfinv.intake import graph

NETWORK = "selfie_segmentation"
RADIUS = 8
"""Of the guided filter, in pixels of a 512 px crop."""
SMOOTH = 1e-3
"""Brightness variance (of a picture in [0, 1]) below which the filter sees no edge."""


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
    return guided(matte, (photo.mean(1, keepdim=True) + 1) / 2, radius).clamp(0, 1).clone()


def guided(matte: Tensor, guide: Tensor, radius: int, smooth: float = SMOOTH) -> Tensor:
    """Bend a soft mask to the edges of a picture (He's guided filter): locally, mask = a * guide + b.

    Args:
        matte, guide: [B, 1, H, W] in [0, 1].
        radius: of the neighbourhood, in pixels.
        smooth: variance of the guide below which it has no edges.

    Returns:
        [B, 1, H, W], about [0, 1].
    """
    mean_guide, mean_matte = _mean(guide, radius), _mean(matte, radius)
    variance = _mean(guide * guide, radius) - mean_guide**2
    covariance = _mean(guide * matte, radius) - mean_guide * mean_matte
    a = covariance / (variance + smooth)
    b = mean_matte - a * mean_guide
    return _mean(a, radius) * guide + _mean(b, radius)


def _mean(x: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    return F.avg_pool2d(x, side, 1, radius, count_include_pad=False)
