"""How far a picture is from another. LPIPS is `hfinv.perceptual`, likeness `hfinv.identity`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.losses import psnr
from hfinv.shapes import check

__all__ = ["ms_ssim", "psnr", "ssim", "ssim_map"]

WINDOW, SIGMA = 11, 1.5
"""Of SSIM's Gaussian, in pixels."""
C1, C2 = 0.01**2, 0.03**2
"""SSIM's constants, for images in [0, 1]: it is made for lightness, which is never negative."""
MS_SSIM_SMALLEST = 161
"""Five halvings of a smaller side leave no room for the window."""


def ssim(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """Structural similarity, 1 for equal pictures.

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004; windows that leave the
    picture are not counted.

    Args:
        image, target: [B, 3, H, W] in [-1, 1]; `image` is clamped to it. H and W at least 11.
        weight: [B, 1, H, W] in [0, 1], how much the window around each pixel counts; all alike if None.

    Raises:
        ValueError: a shape does not fit.
    """
    found = ssim_map(image, target).mean(1, keepdim=True)
    if weight is None:
        return float(found.mean())
    check(image=(image, "B 3 H W"), weight=(weight, "B 1 H W"))
    edge = WINDOW // 2
    weight = weight[..., edge:-edge, edge:-edge]
    return float((weight * found).sum() / weight.sum())


def ssim_map(image: Tensor, target: Tensor) -> Tensor:
    """SSIM of each window that lies in the picture, [B, 3, H - 10, W - 10]; arguments as of `ssim`."""
    check(image=(image, "B C H W"), target=(target, "B C H W"))
    x, y = ((z.clamp(-1, 1).double() + 1) / 2 for z in (image, target))
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x = _blurred(x * x) - mean_x**2
    var_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    return light * (2 * covariance + C2) / (var_x + var_y + C2)


def ms_ssim(image: Tensor, target: Tensor) -> float:
    """Structural similarity over five scales; nan for sides under 161 pixels, which are too small for it.

    Wang et al., "Multiscale Structural Similarity for Image Quality Assessment", 2003, by the package pytorch-msssim.

    Args:
        image, target: [B, 3, H, W] in [-1, 1]; `image` is clamped to it.
    """
    from pytorch_msssim import ms_ssim as multiscale

    if min(image.shape[-2:]) < MS_SSIM_SMALLEST:
        return math.nan
    x, y = ((z.clamp(-1, 1).double() + 1) / 2 for z in (image, target))
    return float(multiscale(x, y, data_range=1.0))


def _blurred(x: Tensor) -> Tensor:
    along = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    kernel = torch.exp(-(along**2) / (2 * SIGMA**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, WINDOW)
    x = F.conv2d(x, kernel, groups=x.shape[1])
    return F.conv2d(x, kernel.mT, groups=x.shape[1])
