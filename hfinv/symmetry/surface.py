"""Where the head is, seen from a few cameras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.warp import background_to_infinity
from hfinv.image import shrink


@dataclass(frozen=True)
class Surface:
    """How far the head is from B cameras."""

    distance: Tensor
    """[B, 1, h, h], along the unit ray, world units; nothing where opacity is 0."""
    opacity: Tensor
    """[B, 1, h, h] in [0, 1]."""
    camera: Camera
    """B cameras."""

    @property
    def solid(self) -> Tensor:
        """[B, 1, h, h], the distance, infinite where there is no head."""
        return background_to_infinity(self.distance, self.opacity)

    def resized(self, size: int) -> Surface:
        """The same surface on size x size rays, without what lies beside the head bending its edge."""
        return Surface(
            enlarge(self.distance, self.opacity, size), shrink(self.opacity, size), self.camera
        )


@torch.no_grad()
def look(generator: Any, planes: Tensor, w_plus: Tensor, camera: Camera, rays: int) -> Surface:
    """The head's surface from B cameras, without running the super-resolution.

    Args:
        generator, planes, w_plus: the head.
        camera: B cameras, one rendered after the other.
        rays: along one side.
    """
    drawn = [
        generator.render(planes, w_plus, camera[index], size=rays, superresolve=False)
        for index in range(len(camera))
    ]
    distance = torch.cat([one.distance for one in drawn])
    opacity = torch.cat([one.opacity for one in drawn])
    return Surface(distance, opacity, camera)


def enlarge(distance: Tensor, opacity: Tensor, size: int) -> Tensor:
    """A distance map resized, so that what lies beside the head does not bend its edge.

    Args:
        distance: [B, 1, h, h].
        opacity: [B, 1, h, h] in [0, 1].
        size: the new side.
    """
    if distance.shape[-1] == size:
        return distance
    weight = opacity.clamp(min=1e-4)
    return shrink(weight * distance, size) / shrink(weight, size)


def normals(surface: Surface) -> Tensor:
    """[B, 3, h, h], unit vectors out of the head, world frame; they mean nothing where opacity is 0."""
    size = surface.distance.shape[-1]
    points = surface.camera.points(surface.distance).mT.unflatten(-1, (size, size))
    ahead = F.pad(points, (1, 1, 1, 1), mode="replicate")
    right = ahead[..., 1:-1, 2:] - ahead[..., 1:-1, :-2]
    down = ahead[..., 2:, 1:-1] - ahead[..., :-2, 1:-1]
    return F.normalize(torch.linalg.cross(down, right, dim=1), dim=1)


def blur(image: Tensor, sigma: float) -> Tensor:
    """[B, C, h, w] smoothed by a Gaussian; beyond the border is nothing.

    Args:
        image: what to smooth.
        sigma: in sides of the image.
    """
    pixels = sigma * image.shape[-1]
    radius = max(1, round(3 * pixels))
    offset = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    bell = torch.exp(-0.5 * (offset / max(pixels, 1e-3)) ** 2)
    bell = (bell / bell.sum()).expand(image.shape[1], 1, 1, -1)
    image = F.conv2d(image, bell, padding=(0, radius), groups=image.shape[1])
    return F.conv2d(image, bell.mT, padding=(radius, 0), groups=image.shape[1])


def spread(image: Tensor, weight: Tensor, sigma: float, otherwise: Tensor | float = 0.0) -> Tensor:
    """The mean of what is known around each pixel, and `otherwise` where nothing near is known.

    Args:
        image: [B, C, h, w].
        weight: [B, 1, h, w], >= 0, how well each pixel is known.
        sigma: how far to look around, in sides of the image.
        otherwise: counts as one fiftieth of a well-known neighbourhood.
    """
    faint = 0.02
    known = blur(weight, sigma)
    return (blur(weight * image, sigma) + faint * otherwise) / (known + faint)
