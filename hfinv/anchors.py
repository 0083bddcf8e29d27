"""A face's landmarks, tied to points of the generator's mean head: they say where things are before any picture is drawn.

A generator that moves points (`hfinv.generators.warp`) can say where a point of its mean head goes on the head of a
latent. So the latent's shape is fitted to landmarks as a morphable model's is (Blanz and Vetter, 1999), for the price of
reading planes at 468 points; a picture's loss, with a blurred eye beside the photo's, hardly tells in which direction to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.intake import Face
from hfinv.intake.find import CLEAR, landmarks_of

PIXELS = 256
"""Distances between landmarks are counted in pixels of a crop of this side."""
OPAQUE = 0.5
"""Opacity of a ray from which on a landmark is on the head."""
FAR = 3.0
"""Pixels, beyond which a distance counts linearly."""


@dataclass(frozen=True)
class Anchors:
    """N points of a generator's mean head, and where the photo has them."""

    points: Tensor
    """[1, N, 3], world frame."""
    wanted: Tensor
    """[1, N, 2], (x, y) in [0, 1] of the crop."""

    def loss(self, generator: Any, w_plus: Tensor, camera: Camera) -> Tensor:
        """Mean square over the coordinates of how far they are off, in pixels of `PIXELS`; linear beyond `FAR`.

        Args:
            generator: one whose planes move points.
            w_plus: [1, L, D].
            camera: the photo's.
        """
        found, _ = camera.project(generator.carried(self.points, w_plus))
        away = PIXELS * (found - self.wanted)
        return F.huber_loss(away, torch.zeros_like(away), delta=FAR) * 2


@torch.no_grad()
def find_anchors(generator: Any, face: Face) -> Anchors | None:
    """The landmarks of the generator's mean head beside the photo's.

    Args:
        generator: any.
        face: with landmarks.

    Returns:
        None if the generator does not move points, or one of the two faces has no landmarks.
    """
    if not getattr(generator, "MOVES", 0) or face.presence < CLEAR:
        return None
    found = landmarks_in_space(generator)
    if found is None:
        return None
    points, clear = found
    return Anchors(points[:, clear], face.landmarks.to(points)[:, clear])


def landmarks_in_space(generator: Any) -> tuple[Tensor, Tensor] | None:
    """The common head's 468 landmarks [1, 468, 3], world frame, and which of them are on it [468]; None without a face."""
    card = generator.card
    w_plus = generator.mean_latent()
    planes = generator.planes(w_plus)
    camera = look_at(0.0, 0.0, card.radius, card.pivot, card.focal).to(planes.device)
    picture = generator.render(planes, w_plus, camera, background=0.0).image
    found = landmarks_of(picture.clamp(-1, 1))
    if found is None:
        return None
    pixels = torch.from_numpy(found).to(planes)[None]
    origins, directions = camera.rays_through(pixels)
    _, opacity, distance = generator.march(planes, origins, directions)
    points = generator.brought_back(origins + distance * directions, w_plus)
    return points, opacity[0, :, 0] > OPAQUE
