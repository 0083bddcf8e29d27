"""What the near side of a face says of its far side (SPI: Yin et al., CVPR 2023)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.intake import Face
from hfinv.symmetry.authenticity import AuthenticityConfig
from hfinv.symmetry.confidence import ConfidenceConfig, compare_sides
from hfinv.symmetry.light import LightConfig
from hfinv.symmetry.mirror import sight_of
from hfinv.symmetry.neighbours import NeighbourConfig, neighbours_of
from hfinv.symmetry.settings import DistanceConfig, NeighbourTermConfig, RegionConfig
from hfinv.symmetry.surface import Surface, look
from hfinv.symmetry.weights import YawConfig, yaw_of, yaw_weight


@dataclass(frozen=True)
class SymmetryConfig:
    """What symmetry is trusted with."""

    use: bool = True
    """Trust symmetry with anything; off leaves all of it out."""
    mirror: bool = True
    """Use the photo in a mirror as a second photo."""
    rays: int = 128
    """Rays along one side when the head's surface is looked at."""
    yaw: YawConfig = field(default_factory=YawConfig)
    """How much the mirror counts, by how far the head is turned."""
    light: LightConfig = field(default_factory=LightConfig)
    """What is done about light from one side."""
    confidence: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    """How much the mirror counts, region by region."""
    neighbours: NeighbourConfig = field(default_factory=NeighbourConfig)
    """The cameras near the photo's and the mirror's that both are carried to."""
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    """What of the head the photo sees."""
    authenticity: AuthenticityConfig = field(default_factory=AuthenticityConfig)
    """Which carried pixels are believed."""
    warp: NeighbourTermConfig = field(default_factory=NeighbourTermConfig)
    """While tuning: the photo carried to neighbours over the head as it is then."""
    regions: RegionConfig = field(default_factory=RegionConfig)
    """While tuning: eyes and mouth of the mirrored photo, carried likewise."""
    distance: DistanceConfig = field(default_factory=DistanceConfig)
    """While tuning: the surface stays where the untouched generator has it."""


@dataclass(frozen=True)
class Mirror:
    """The photo in a mirror, as a second photo of the same head, and both from nearby."""

    photo: Tensor
    """[1, 3, S, S] in [-1, 1], mirrored, in the photo's own light."""
    weight: Tensor
    """[1, 1, S, S] in [0, 1], how much each of its pixels counts."""
    camera: Camera
    """One camera, that of the mirrored photo."""
    landmarks: Tensor
    """[1, 468, 2] of the mirrored photo; right and left are the subject's."""
    counted: Tensor
    """[1, 1, S, S] in [0, 1], 1 where the mirrored photo shows the head."""
    unseen: Tensor
    """[1, 1, S, S] in [0, 1], 1 where the photo itself does not see that part of the head."""
    symmetric: Tensor
    """[1, 1, S, S] in [0, 1], how symmetric the face is there."""
    strength: float
    """In [0, 1], the weight for the head's yaw; a factor of `weight`."""
    images: Tensor
    """[K, 3, S, S] in [-1, 1], photo and mirrored photo from neighbouring cameras."""
    masks: Tensor
    """[K, 1, S, S] in [0, 1], how much each of their pixels counts."""
    cameras: Camera
    """K cameras."""


@torch.no_grad()
def mirror_view(
    generator: Any,
    face: Face,
    w_plus: Tensor,
    camera: Camera,
    config: SymmetryConfig,
    *,
    seed: int = 0,
) -> Mirror:
    """What a face's symmetry says of its far side, where this face is symmetric.

    Args:
        generator: the one that is tuned next; its surface carries the pictures.
        face: the photo.
        w_plus: [1, L, D], the pivot.
        camera: the photo's camera, refined.
        config: what to trust.
        seed: of the neighbouring cameras.
    """
    photo = sight_of(face, camera, generator.card.image_size)
    mirrored = photo.mirrored()
    planes = generator.planes(w_plus)

    def seen_from(cameras: Camera) -> Surface:
        return look(generator, planes, w_plus, cameras, config.rays)

    here, there = seen_from(photo.camera), seen_from(mirrored.camera)
    mirrored, unseen, symmetric = compare_sides(
        photo, mirrored, here, there, config.confidence, config.light, config.visibility
    )
    strength = yaw_weight(yaw_of(camera), config.yaw) if config.mirror else 0.0
    weight = strength * mirrored.counted * unseen * symmetric
    sides = [(photo, here, photo.counted), (mirrored, there, weight)]
    rng = torch.Generator().manual_seed(seed)
    views = neighbours_of(
        sides[: 1 + config.mirror],
        generator.card.pivot,
        seen_from,
        config.neighbours,
        config.authenticity,
        config.visibility,
        rng,
    )
    return Mirror(
        mirrored.picture,
        weight,
        mirrored.camera,
        mirrored.landmarks,
        mirrored.counted,
        unseen,
        symmetric,
        strength,
        views.images,
        views.masks,
        views.cameras,
    )
