"""Where the mirror may be believed: where the photo sees nothing, and where this face is symmetric."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.geometry.warp import carry
from hfinv.symmetry.light import LightConfig, evened, relight
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.surface import Surface, blur, normals, spread


@dataclass(frozen=True)
class ConfidenceConfig:
    """What the mirror is believed of, region by region."""

    only_unseen: bool = True
    """Only where the photo does not see the head well; off, as published, everywhere."""
    oblique: float = 50.0
    """Degrees between the photo's ray and the surface's normal at which the photo begins to see it less well."""
    oblique_end: float = 75.0
    """Degrees at which the photo counts as seeing nothing."""
    only_symmetric: bool = True
    """Only as far as the face is symmetric, judged where both sides are seen; off, as published, everywhere."""
    tolerance: float = 0.35
    """Difference between the sides that halves the belief: of the logarithm of light, once light is evened out."""
    detail: float = 0.012
    """Differences finer than this do not count, in sides of the picture: no two sides match to the pixel."""
    reach: float = 0.06
    """How far around it a difference speaks for the side that is not seen, in sides of the picture."""
    unknown: float = 0.7
    """Belief where nothing near is seen on both sides, in [0, 1]."""


def compare_sides(
    photo: Sight,
    mirrored: Sight,
    here: Surface,
    there: Surface,
    config: ConfidenceConfig,
    light: LightConfig,
    visibility: VisibilityConfig,
) -> tuple[Sight, Tensor, Tensor]:
    """Lay the photo over its mirror image, on the head, as the mirrored camera sees it.

    Args:
        photo, mirrored: what each camera saw.
        here, there: the head from the photo's camera and from the mirrored one.
        config: what is believed.
        light: how the two are brought to one light.
        visibility: what of the head the photo saw.

    Returns:
        The mirrored photo in the photo's light, counted only on the head; where the photo does not see that
        part of the head, and how symmetric the head is there, each [1, 1, S, S] in [0, 1].
    """
    there = there.resized(photo.picture.shape[-1])
    seen = carry(
        torch.cat([photo.picture, photo.counted], 1),
        here.camera,
        here.solid,
        there.camera,
        there.solid,
        visibility,
    )
    picture, shown = seen.image.split([3, 1], 1)
    visible = seen.visible * shown.clamp(0, 1)
    counted = mirrored.counted * there.opacity
    both = visible * counted
    relit = relight(picture, mirrored.picture, both, there, light)
    alike = symmetric(picture, relit, both, config, light)
    sight = Sight(relit, counted, mirrored.landmarks, mirrored.camera)
    return sight, unseen(visible, there, photo.camera, config), alike


def symmetric(
    seen: Tensor, mirrored: Tensor, both: Tensor, config: ConfidenceConfig, light: LightConfig
) -> Tensor:
    """How symmetric the face is around each pixel, [1, 1, S, S] in [0, 1].

    Args:
        seen: [1, 3, S, S] in [-1, 1], the photo carried to the mirrored camera.
        mirrored: [1, 3, S, S] in [-1, 1], the photo in a mirror, in the photo's light.
        both: [1, 1, S, S] in [0, 1], where both show the head.
        config: what counts as symmetric.
        light: how light is evened out before the sides are compared.
    """
    if not config.only_symmetric:
        return torch.ones_like(both)
    difference = evened(seen, both, light) - evened(mirrored, both, light)
    known = blur(both, config.detail)
    difference = blur(both * difference, config.detail) / known.clamp(min=1e-2)
    size = difference.norm(dim=1, keepdim=True)
    alike = 1 / (1 + (size / config.tolerance) ** 2)
    return spread(alike, both, config.reach, config.unknown)


def unseen(visible: Tensor, there: Surface, photo: Camera, config: ConfidenceConfig) -> Tensor:
    """[1, 1, S, S] in [0, 1], 1 where the photo does not see what the mirrored photo shows.

    Args:
        visible: [1, 1, S, S] in [0, 1], where the photo does see it, in the mirrored camera's frame.
        there: the head from the mirrored camera, S x S.
        photo: the photo's camera.
        config: how well is well.
    """
    if not config.only_unseen:
        return torch.ones_like(visible)
    size = visible.shape[-1]
    ray = F.normalize(photo.centre[:, None] - there.camera.points(there.distance), dim=-1)
    cos = (normals(there) * ray.mT.unflatten(-1, (size, size))).sum(1, keepdim=True)
    angle = torch.rad2deg(torch.acos(cos.clamp(-1, 1)))
    well = (config.oblique_end - angle) / max(config.oblique_end - config.oblique, 1e-6)
    return 1 - visible * well.clamp(0, 1)
