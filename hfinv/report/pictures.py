"""The report's pictures: what is in each, and how it becomes part of a page."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.warp import surface_normals
from hfinv.image import shrink, to_bytes
from hfinv.video import write_video

COLOURS = {"seen": (31, 157, 138), "mirrored": (240, 180, 60), "guessed": (208, 72, 60)}
"""Of the kinds of `hfinv.report.origin`, RGB; told apart by the colour-blind, too."""
EXAGGERATED = 3.0
"""Factor on differences, which would else be too dark to be seen."""
LIGHT = (-0.4, 0.5, 0.77)
"""Where the light of `shaded` comes from, camera frame with y up and z to the viewer."""
QUALITY = 88
"""Of WebP."""


def inline(pixels: np.ndarray, quality: int = QUALITY) -> str:
    """uint8 [H, W, 3] as a data URI of a WebP; the same pixels give the same text."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, format="WEBP", quality=quality, method=4)
    return data_uri("image/webp", data.getvalue())


def inline_video(frames: list[np.ndarray], fps: int) -> str:
    """uint8 [H, W, 3] frames as a data URI of an MP4."""
    with tempfile.TemporaryDirectory() as folder:
        return data_uri(
            "video/mp4", write_video(Path(folder) / "film.mp4", frames, fps).read_bytes()
        )


def data_uri(kind: str, data: bytes) -> str:
    """Bytes as an address that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def read_rgb(path: Path) -> np.ndarray:
    """A picture that the run holds, uint8 [H, W, 3]."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def origin_map(picture: Tensor, parts: Tensor) -> np.ndarray:
    """A view in the colours of where its parts come from, uint8 [h, h, 3]; white beside the head.

    Args:
        picture: [1, 3, S, S] in [-1, 1], the view; its light and dark stay visible.
        parts: [3, h, h] in [0, 1], as `Origin.parts`.
    """
    grey = (shrink(picture, parts.shape[-1]).mean(1)[0].cpu() + 1) / 2  # [h, h] in [0, 1]
    parts = parts.cpu()
    paint = torch.tensor(list(COLOURS.values())) / 255  # [3, 3]
    colour = torch.einsum("khw,kc->chw", parts, paint) * (0.5 + 0.6 * grey)
    return to_bytes(2 * (colour + 1 - parts.sum(0)) - 1)


def difference(fit: Tensor, photo: Tensor, counted: Tensor) -> np.ndarray:
    """How far a fit is from the photo, uint8 [H, H, 3], white where they are alike and darker times `EXAGGERATED`.

    Args:
        fit: [1, 3, H, H] in [-1, 1].
        photo: [1, 3, H, H] in [-1, 1].
        counted: [1, 1, H, H] in [0, 1], where the photo may be believed.
    """
    off = (counted * (fit - photo)).abs().mean(1, keepdim=True) / 2  # [1, 1, H, H] in [0, 1]
    return to_bytes(1 - 2 * (EXAGGERATED * off).clamp(0, 1))


def distance_map(distance: Tensor) -> tuple[np.ndarray, float, float]:
    """Distances in colours from yellow (near) to violet (far), white beside the head.

    Args:
        distance: [1, 1, h, h], infinite beside the head.

    Returns:
        uint8 [h, h, 3], and the distances that the scale runs over; both 0 if there is no head.
    """
    values = distance[0, 0].cpu().numpy()
    head = np.isfinite(values)
    if not head.any():
        return np.full((*values.shape, 3), 255, np.uint8), 0.0, 0.0
    near, far = np.percentile(values[head], [0.5, 99.5])
    nearness = 1 - (np.where(head, values, far) - near) / max(far - near, 1e-9)
    levels = (nearness.clip(0, 1) * 255).round().astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    colours[~head] = 255
    return colours, float(near), float(far)


def shaded(camera: Camera, distance: Tensor) -> np.ndarray:
    """The surface alone, like plaster, uint8 [h, h, 3]; white beside the head.

    Args:
        camera: one.
        distance: [1, 1, h, h] that it measured, infinite beside the head.
    """
    size = distance.shape[-1]
    normals = surface_normals(camera, distance)[0].float()  # [h * h, 3], world
    right, down, forward = camera.cam2world[0, :3, :3].to(normals).mT
    light = LIGHT[0] * right - LIGHT[1] * down - LIGHT[2] * forward
    bright = 0.15 + 0.85 * (normals @ light).clamp(0, 1).reshape(1, size, size)
    bright = torch.where(distance[0].isfinite(), bright, 1.0)
    return to_bytes(2 * bright - 1)
