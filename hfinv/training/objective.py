"""What the generator is taught: first points in space, then rays, then whole pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.generators.heads import DENSITY_GAIN, Heads
from hfinv.perceptual import Perceptual
from hfinv.training.dataset import Batch
from hfinv.training.points import sample_points


@dataclass(frozen=True)
class ObjectiveConfig:
    """How the three kinds of lesson are drawn and weighed."""

    near_points: int = 3072
    """Points a head around the surface."""
    free_points: int = 1536
    """Points a head anywhere in the box."""
    ray_views: int = 2
    """Views a head in a lesson of rays."""
    rays: int = 1024
    """Rays a view in a lesson of rays."""
    ray_samples: tuple[int, int] = (32, 16)
    """Coarse and fine samples a ray while training."""
    colour: float = 2.0
    """Weight of colour at points and along rays."""
    distance: float = 2.0
    """Weight of the distance to the surface along rays."""
    lpips: float = 0.5
    """Weight of LPIPS in lessons of pictures."""


def point_loss(
    generator: Heads, batch: Batch, config: ObjectiveConfig, rng: torch.Generator
) -> dict[str, Tensor]:
    """Free or solid, and the colour of the surface, at points in space; no marching.

    Args:
        generator: in training.
        batch: B heads of K views.
        config: how many points.
        rng: chooses them.
    """
    points = sample_points(batch, config.near_points, config.free_points, generator.card.box, rng)
    planes = generator.planes(generator.map(batch.z))
    features, sigma = generator.field(planes, points.position)
    occupancy = F.binary_cross_entropy_with_logits(
        sigma / DENSITY_GAIN, points.occupancy, reduction="none"
    )
    colour = (features[..., :3] - points.colour).abs()
    return {
        "occupancy": (points.known * occupancy).sum() / points.known.sum(),
        "colour": config.colour
        * (points.at_surface * colour).sum()
        / (3 * points.at_surface.sum()),
    }


def ray_loss(
    generator: Heads, batch: Batch, config: ObjectiveConfig, rng: torch.Generator
) -> dict[str, Tensor]:
    """Colour, coverage and distance along random rays of random views.

    Args:
        generator: in training.
        batch: B heads of K views.
        config: how many rays.
        rng: chooses them, and moves their samples.
    """
    b, k = batch.alpha.shape[:2]
    size = generator.card.arguments["ray_size"]
    wanted = wanted_rays(batch, size)  # [B, K * h * h, 5]
    pixel = torch.randint(size * size, (b, k, config.rays), generator=rng)
    _, directions = batch.camera.rays(size)
    index = pixel.flatten(0, 1)[..., None].expand(-1, -1, 3)
    directions = directions.gather(1, index).reshape(b, -1, 3)
    origins = (
        batch.camera.centre.reshape(b, k, 1, 3).expand(-1, -1, config.rays, -1).reshape(b, -1, 3)
    )
    flat = (pixel + size * size * torch.arange(k)[:, None]).flatten(1)  # [B, K * rays]
    target = wanted.gather(1, flat[..., None].expand(-1, -1, 5))
    planes = generator.planes(generator.map(batch.z))
    features, opacity, distance = generator.march(
        planes, origins, directions, config.ray_samples, rng
    )
    return compare_rays(features, opacity, distance, target, config)


def wanted_rays(batch: Batch, size: int) -> Tensor:
    """The answers along the rays of size x size images: premultiplied RGB, coverage, distance; [B, K * h * h, 5]."""
    b, k = batch.alpha.shape[:2]
    colour = torch.cat([(batch.image + batch.alpha) / 2, batch.alpha], 2).flatten(0, 1)
    colour = F.interpolate(colour, size=(size, size), mode="area")
    # Mixed with background at an edge, but believed only where the pixel is covered.
    distance = F.interpolate(batch.distance.flatten(0, 1)[:, None], size=(size, size), mode="area")
    return torch.cat([colour, distance], 1).flatten(2).mT.reshape(b, k * size * size, 5)


def compare_rays(
    features: Tensor, opacity: Tensor, distance: Tensor, target: Tensor, config: ObjectiveConfig
) -> dict[str, Tensor]:
    """Weighted differences of marched rays [B, N, ...] from their answers [B, N, 5]."""
    solid = (target[..., 3:4] > 0.98).float() * (opacity.detach() > 0.5)
    away = F.smooth_l1_loss(distance, target[..., 4:], reduction="none", beta=0.02)
    return {
        "colour": config.colour * (features[..., :3] - target[..., :3]).abs().mean(),
        "coverage": (opacity - target[..., 3:4]).abs().mean(),
        "distance": config.distance * (solid * away).mean(),
    }


def picture_loss(
    generator: Heads,
    perceptual: Perceptual,
    batch: Batch,
    config: ObjectiveConfig,
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """Whole pictures after super-resolution, one random view a head, over a random grey.

    Args:
        generator: in training.
        perceptual: LPIPS.
        batch: B heads of one view each.
        config: weights.
        rng: moves the samples along the rays, chooses the grey.
    """
    size = generator.card.arguments["ray_size"]
    w_plus = generator.map(batch.z)
    planes = generator.planes(w_plus)
    features, opacity, distance = generator.march(
        planes, *batch.camera.rays(size), config.ray_samples, rng
    )
    terms = compare_rays(features, opacity, distance, wanted_rays(batch, size), config)
    maps = (x.mT.unflatten(-1, (size, size)) for x in (features, opacity))
    picture = generator.upsample(*maps, w_plus).float()
    image, alpha = batch.image[:, 0], batch.alpha[:, 0]
    background = 2 * torch.rand(len(image), 1, 1, 1, generator=rng) - 1
    drawn = picture[:, :3] + (1 - picture[:, 3:].clamp(0, 1)) * background
    lpips = perceptual(drawn, image + (1 - alpha) * background)
    return terms | {
        "picture": config.colour * (picture[:, :3] - image).abs().mean(),
        "alpha": (picture[:, 3:] - alpha).abs().mean(),
        "lpips": config.lpips * lpips.mean(),
    }


def one_view(batch: Batch) -> Batch:
    """The first view of each head, as heads of one view."""
    k = batch.alpha.shape[1]
    first = torch.arange(len(batch.z)) * k
    camera = Camera(batch.camera.cam2world[first], batch.camera.intrinsics[first])
    return Batch(batch.z, camera, batch.image[:, :1], batch.alpha[:, :1], batch.distance[:, :1])
