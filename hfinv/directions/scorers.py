"""How much of an attribute a picture shows, from our own landmarks or from its colours.

Scores are compared among pictures from one camera, so their units do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import concatenate
from hfinv.generators.base import Generator
from hfinv.intake.find import landmarks_of
from hfinv.intake.landmarks import LEFT_EYE, MOUTH, RIGHT_EYE
from hfinv.intake.pose import camera_of, fit_head
from hfinv.render import still_camera

LIPS = (13, 14)
"""Upper and lower lip, inside, in the middle."""
LIDS = ((159, 145), (386, 374))
"""Upper and lower lid, in the middle, of the right and the left eye."""
FACE = ((0.35, 0.8), (0.3, 0.7))
"""Rows and columns of a frontal crop that the face fills, in shares of its side."""
LUMA = (0.299, 0.587, 0.114)
SMALL = 32
"""Rays along one side of a picture of which only the colours count."""


@dataclass(frozen=True)
class Scorer:
    """What is measured, and where."""

    meaning: str
    landmarks: Callable[[np.ndarray], float] | None = None
    """Score of [468, 2] points in shares of the picture's side; None measures colours."""


def smile(points: np.ndarray) -> float:
    """Width of the mouth and lift of its corners, in distances between the eyes."""
    corners, lips = points[list(MOUTH)], points[list(LIPS)]
    wide = np.linalg.norm(corners[1] - corners[0])
    lifted = lips[:, 1].mean() - corners[:, 1].mean()
    return float((wide + 2 * lifted) / between_eyes(points))


def mouth_open(points: np.ndarray) -> float:
    """Gap between the lips, in distances between the eyes."""
    return float(np.linalg.norm(points[LIPS[0]] - points[LIPS[1]]) / between_eyes(points))


def eyes_open(points: np.ndarray) -> float:
    """Height of the eyes by their width, mean of both."""
    each = [
        np.linalg.norm(points[top] - points[bottom]) / np.linalg.norm(points[a] - points[b])
        for (top, bottom), (a, b) in zip(LIDS, (RIGHT_EYE, LEFT_EYE))
    ]
    return float(np.mean(each))


def yaw(points: np.ndarray) -> float:
    """Turn of the face, degrees; > 0 as if the camera stood to the right of the image."""
    return math.degrees(camera_of(fit_head(points)).angles()[0].item())


def between_eyes(points: np.ndarray) -> float:
    """Distance of the middles of the eyes."""
    right, left = (points[list(eye)].mean(0) for eye in (RIGHT_EYE, LEFT_EYE))
    return float(np.linalg.norm(left - right))


def brightness(image: Tensor, alpha: Tensor) -> Tensor:
    """Mean luma of the face, [B] in [0, 1].

    Args:
        image: [B, 3, H, H] in [-1, 1], frontal.
        alpha: [B, 1, H, H] in [0, 1].
    """
    size = image.shape[-1]
    rows, columns = (slice(int(low * size), int(high * size) + 1) for low, high in FACE)
    luma = (image * image.new_tensor(LUMA).reshape(1, 3, 1, 1)).sum(1, keepdim=True)
    weight = alpha[..., rows, columns]
    mean = (weight * luma[..., rows, columns]).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)
    return (mean + 1) / 2


SCORERS = {
    "smile": Scorer("mouth wide, corners up", smile),
    "mouth-open": Scorer("lips apart", mouth_open),
    "eyes-open": Scorer("lids apart", eyes_open),
    "yaw": Scorer("face turned", yaw),
    "brightness": Scorer("face bright"),
}
"""By the name that is typed."""


@torch.no_grad()
def scores(generator: Generator, w: Tensor, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Scores of heads as the frontal camera sees them, [B] each; NaN where no face was found.

    Args:
        generator: any.
        w: [B, D], one vector for all rows.
        names: keys of `SCORERS`.
    """
    w_plus = w[:, None].expand(-1, generator.card.num_ws, -1)
    faces = any(SCORERS[name].landmarks for name in names)
    # Colours of the whole face need no details.
    seen = generator.render(
        generator.planes(w_plus),
        w_plus,
        concatenate([still_camera(generator)] * len(w)).to(w.device),
        size=None if faces else SMALL,
        superresolve=faces,
        background=0.0,
    )
    points = [landmarks_of(image[None]) for image in seen.image] if faces else []
    found = {}
    for name in names:
        measure = SCORERS[name].landmarks
        if measure is None:
            found[name] = brightness(seen.image, seen.alpha).cpu().double().numpy()
        else:
            found[name] = np.array([np.nan if p is None else measure(p) for p in points])
    return found
