"""Photographs that were never taken: the head from new cameras, as far as the photo can tell, the rest painted.

Xie et al., "High-fidelity 3D GAN Inversion by Pseudo-multi-view Optimization" (HFGI3D), CVPR 2023, section 3 there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.errors import HfinvError
from hfinv.generators.base import Rendering
from hfinv.geometry import ShapeConfig, measure_distances, measure_shape
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.geometry.warp import carry
from hfinv.image import shrink
from hfinv.intake import Face
from hfinv.latent import LatentConfig, Pivot
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore
from hfinv.pseudoview.blend import BlendConfig, blend, trim
from hfinv.pseudoview.occluded import OccludedConfig, difference_map, find_hidden_latent, paint
from hfinv.pseudoview.views import ViewsConfig, choose_cameras, outline_cameras


@dataclass(frozen=True)
class PseudoViewConfig:
    """How pseudo views are made."""

    use: bool = True
    """Tune on pseudo views, too, after an early tuning; each one costs a step as much as the photo."""
    restart: bool = False
    """Begin the last tuning with the untouched generator, as HFGI3D does, instead of the early tuned one."""
    textures: bool = True
    """Show the photo where it saw the head; without, everything is painted."""
    painted: float = 0.3
    """How much the painted parts count while tuning; the photo's parts count 1."""
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """Which cameras."""
    shape: ShapeConfig = field(default_factory=ShapeConfig)
    """How the head's surface is measured."""
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    """What of it the photo saw."""
    occluded: OccludedConfig = field(default_factory=OccludedConfig)
    """What is painted where it saw nothing."""
    blend: BlendConfig = field(default_factory=BlendConfig)
    """How the two meet."""


@dataclass(frozen=True)
class PseudoViews:
    """The head from K cameras that took no photo, and its outlines from J more."""

    images: Tensor
    """[K, 3, H, H] in [-1, 1], the photo's part and the painted part as one picture."""
    masks: Tensor
    """[K, 1, H, H] in [0, 1], how much each pixel counts."""
    cameras: Camera
    """K cameras."""
    foreground: Tensor
    """[K, 1, H, H] in [0, 1], 1 on the head."""
    visible: Tensor
    """[K, 1, H, H] in [0, 1], 1 where the picture is the photo's."""
    seen: Tensor
    """[K, 3, H, H], float16, the photo carried to the cameras; meaningless where not visible."""
    painted: Tensor
    """[K, 3, H, H], float16, what the generator paints."""
    opacity: Tensor
    """[J, 1, h, h] in [0, 1], outlines."""
    distance: Tensor
    """[J, 1, h, h], along the unit ray, world units; where the opacity is 0 it means nothing."""
    outline_cameras: Camera
    """J cameras."""
    known: Tensor
    """[1, 1, H, H], 1 where the photo is within what the untouched generator knows."""
    theta: float
    """The colour difference that separates the two."""


def pseudo_views(
    generator: Any,
    early: Any,
    perceptual: Perceptual,
    face: Face,
    pivot: Pivot,
    config: PseudoViewConfig,
    *,
    latent: LatentConfig,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> PseudoViews:
    """Carry the photo to new cameras over the head's surface, and paint what it did not see.

    Args:
        generator: untouched.
        early: a copy, tuned until its surface is the photo's.
        perceptual: LPIPS.
        face: the photo.
        pivot: latent and camera.
        config: how.
        latent: how the pivot was found; z_o is searched with the same weights.
        seed: of random cameras and of the search.
        progress: called after each step of the search.
    """
    cameras = choose_cameras(early.card, config.views, torch.Generator().manual_seed(seed))
    cameras = cameras.to(face.photo.device)
    known, theta = difference_map(face, pivot, latent.background, config.occluded)
    hidden = pivot.w_plus
    if config.occluded.source == "latent":
        hidden = find_hidden_latent(
            generator, perceptual, face, pivot, known, latent, config.occluded, seed, progress
        )
    with torch.no_grad():
        planes = early.planes(pivot.w_plus)
        seen, visible, solid = photo_part(early, planes, face, pivot, cameras, latent, config)
        painted = painted_part(
            generator, early, planes, pivot, hidden, cameras, solid, latent, config
        )
        visible = trim(visible, solid, config.blend)
        images = blend(seen, painted.image, solid, visible, config.blend)
        weight = config.painted if config.occluded.source != "none" else 0.0
        return PseudoViews(
            images.clamp(-1, 1),
            visible + weight * (1 - visible),
            cameras,
            visible * solid + (1 - visible) * painted.alpha,
            visible,
            seen.half(),
            painted.image.half(),
            *outlines(early, planes, pivot, config.views),
            known,
            theta,
        )


def photo_part(
    early: Any,
    planes: Tensor,
    face: Face,
    pivot: Pivot,
    cameras: Camera,
    latent: LatentConfig,
    config: PseudoViewConfig,
) -> tuple[Tensor, Tensor, Tensor]:
    """The photo in the new views [K, 3, H, H], where it may be believed there and where the head is [K, 1, H, H]."""
    size = early.card.image_size
    shape = None
    if config.shape.mesh:
        with contextlib.suppress(HfinvError):  # all is too thin for a surface: distances do without
            shape = measure_shape(early, planes, pivot.w_plus, config.shape)

    def distances(camera: Camera) -> Tensor:
        return measure_distances(early, planes, pivot.w_plus, camera, size, shape, config.shape)

    there = distances(cameras)
    photo, foreground, counted = (shrink(x, size) for x in (face.photo, face.foreground, face.seen))
    if latent.background is not None:  # the photo's background must not be glued to the hair
        counted = counted * foreground
    carried = carry(
        torch.cat([photo, counted], 1),
        pivot.camera,
        distances(pivot.camera),
        cameras,
        there,
        config.visibility,
    )
    visible = carried.visible * carried.image[:, 3:] * float(config.textures)
    return carried.image[:, :3], visible, there.isfinite().to(visible)


def painted_part(
    generator: Any,
    early: Any,
    planes: Tensor,
    pivot: Pivot,
    hidden: Tensor,
    cameras: Camera,
    solid: Tensor,
    latent: LatentConfig,
    config: PseudoViewConfig,
) -> Rendering:
    """What a generator shows of the new views; nothing but background without an occluded part."""
    source = config.occluded.source
    if source == "latent":
        return paint(generator, generator.planes(hidden), hidden, cameras, latent.background)
    drawn = paint(early, planes, pivot.w_plus, cameras, latent.background)
    if source == "tuned":
        return drawn
    empty = torch.full_like(drawn.image, latent.background or 0.0)
    return Rendering(empty, solid, empty, solid, drawn.distance)


def outlines(
    early: Any, planes: Tensor, pivot: Pivot, config: ViewsConfig
) -> tuple[Tensor, Tensor, Camera]:
    """Opacity and distance [J, 1, h, h] of the early tuned head from all around, and the cameras; no super-resolution."""
    cameras = outline_cameras(early.card, config).to(planes.device)
    if not len(cameras):
        return planes.new_zeros(0, 1, 1, 1), planes.new_zeros(0, 1, 1, 1), cameras
    drawn = [
        early.render(planes, pivot.w_plus, cameras[index], superresolve=False, background=0.0)
        for index in range(len(cameras))
    ]
    opacity, distance = (torch.cat(maps) for maps in zip(*((d.opacity, d.distance) for d in drawn)))
    return opacity, distance, cameras
