"""How far a head is from the truth: its pictures, its shape, its camera."""

from __future__ import annotations

from hfinv.metrics.pictures import ms_ssim, psnr, ssim
from hfinv.metrics.shape import (
    CameraError,
    camera_error,
    distance_error,
    normal_angle,
    scale_between,
    silhouette_iou,
    surface,
    warp_error,
)

__all__ = [
    "CameraError",
    "camera_error",
    "distance_error",
    "ms_ssim",
    "normal_angle",
    "psnr",
    "scale_between",
    "silhouette_iou",
    "ssim",
    "surface",
    "warp_error",
]
