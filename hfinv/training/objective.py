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
from hfinv.training.guide import guided_distances, surface_along
from hfinv.training.points import sample_points


@dataclass(frozen=True)
class ObjectiveConfig:
    """How the three kinds of lesson are drawn and weighed."""

    near_points: int = 3072
    """Points a head around the surface."""
    free_points: int = 1536
    """Points a head anywhere in the box."""
    face: float = 4.0
    """How many times as often a point of the face is drawn as another of the surface: eyes and mouth are small, and carry
    all expression."""
    ray_views: int = 2
    """Views a head in a lesson of rays."""
    rays: int = 1024
    """Rays a view in a lesson of rays."""
    guided_samples: tuple[int, int, int] = (2, 6, 3)
    """Samples a ray while training: before the known surface, around it, and behind it."""
    plain_every: int = 2
    """Every so many lessons of rays or pictures march without a guide, as at inference, and see the fog before a surface that
    guided samples pass by; 0 for none."""
    ray_samples: tuple[int, int] = (32, 16)
    """Coarse and fine samples a ray of those."""
    colour: float = 2.0
    """Weight of colour at points and along rays."""
    distance: float = 2.0
    """Weight of the distance to the surface along rays."""
    lpips: float = 1.0
    """Weight of LPIPS in lessons of pictures."""
    adversarial: float = 0.1
    """Weight of the discriminator's opinion in adversarial lessons."""
    r1: float = 2.0
    """Weight of the discriminator's slope at real pictures."""
    r1_every: int = 16
    """Steps between measurements of that slope; each then counts so many times."""
    codes: float = 1e-3
    """Weight that keeps learnt codes of unlabelled pictures near N(0, 1)."""


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
    counts = config.near_points, config.free_points
    points = sample_points(batch, *counts, generator.card.box, rng, config.face)
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
    generator: Heads,
    batch: Batch,
    config: ObjectiveConfig,
    rng: torch.Generator,
    guided: bool = True,
) -> dict[str, Tensor]:
    """Colour, coverage and distance along random rays of random views.

    Args:
        generator: in training.
        batch: B heads of K views.
        config: how many rays.
        rng: chooses them, and moves their samples.
        guided: look where the surface is known to be.
    """
    b, k = batch.alpha.shape[:2]
    size = generator.card.arguments["ray_size"]
    device = batch.z.device
    wanted = wanted_rays(batch, size)  # [B, K * h * h, 5]
    pixel = torch.randint(size * size, (b, k, config.rays), generator=rng, device=device)
    pixel = pixel + size * size * torch.arange(k, device=device)[:, None]
    chosen = pixel.flatten(1)  # [B, K * rays]
    planes = generator.planes(generator.map(batch.z))
    samples = config.guided_samples if guided else None
    marched = look(generator, planes, batch, config.ray_samples, samples, rng, chosen)
    return compare_rays(*marched, wanted.gather(1, chosen[..., None].expand(-1, -1, 5)), config)


def look(
    generator: Heads,
    planes: Tensor,
    batch: Batch,
    plain: tuple[int, int],
    guided: tuple[int, int, int] | None,
    rng: torch.Generator,
    chosen: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """March the rays of all views of each head.

    Args:
        generator: in training.
        planes: [B, 4, C, h, h], one set a head.
        batch: B heads of K views.
        plain: coarse and fine samples without a guide.
        guided: samples before, around and behind the known surface; None marches as at inference.
        rng: moves the samples.
        chosen: [B, N] which of the K * h * h rays; all if None.

    Returns:
        as `Heads.march`, N or K * h * h rays a head.
    """
    b, k = batch.alpha.shape[:2]
    size = generator.card.arguments["ray_size"]
    rays = [x.reshape(b, -1, 3) for x in batch.camera.rays(size)]
    surface = [x.reshape(b, -1, 1) for x in surface_along(batch.distance.flatten(0, 1), size)]
    if chosen is not None:
        rays, surface = (
            [x.gather(1, chosen[..., None].expand(-1, -1, x.shape[-1])) for x in part]
            for part in (rays, surface)
        )
    if guided is None:
        return tuple(x.float() for x in generator.march(planes, *rays, plain, rng))
    distances = guided_distances(*surface, *generator.limits(*rays), guided, rng)
    return generator.march_at(planes, *rays, distances)


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
    solid = (target[..., 3:4] > 0.98) & (target[..., 4:] > 0) & (opacity.detach() > 0.5)
    away = F.smooth_l1_loss(distance, target[..., 4:], reduction="none", beta=0.02)
    return {
        "colour": config.colour * (features[..., :3] - target[..., :3]).abs().mean(),
        "coverage": (opacity - target[..., 3:4]).abs().mean(),
        "distance": config.distance * (solid * away).mean(),
    }


@dataclass(frozen=True)
class Drawn:
    """V pictures of a step beside the photographs they should be, all over the same random greys in [-1, 1]."""

    camera: Camera
    """V cameras."""
    picture: Tensor
    """[V, 3, H, H], after super-resolution."""
    raw: Tensor
    """[V, 3, h, h], from the rays."""
    real: Tensor
    """[V, 3, H, H]."""
    real_raw: Tensor
    """[V, 3, h, h]."""


def picture_loss(
    generator: Heads,
    perceptual: Perceptual,
    batch: Batch,
    config: ObjectiveConfig,
    rng: torch.Generator,
    guided: bool = True,
) -> tuple[dict[str, Tensor], Drawn]:
    """Whole pictures after super-resolution; a head's views share its planes.

    Args:
        generator: in training.
        perceptual: LPIPS.
        batch: B heads of K views.
        config: weights.
        rng: moves the samples along the rays, chooses the greys.
        guided: look where the surface is known to be.
    """
    k = batch.alpha.shape[1]
    size = generator.card.arguments["ray_size"]
    w_plus = generator.map(batch.z)
    planes = generator.planes(w_plus)
    samples = config.guided_samples if guided else None
    features, opacity, distance = look(generator, planes, batch, config.ray_samples, samples, rng)
    wanted = wanted_rays(batch, size)
    terms = compare_rays(features, opacity, distance, wanted, config)
    maps = [as_maps(x, k, size) for x in (features, opacity, wanted)]
    picture = generator.upsample(*maps[:2], w_plus.repeat_interleave(k, 0)).float()
    truth = torch.cat([batch.image, batch.alpha], 2).flatten(0, 1)
    grey = 2 * torch.rand(len(truth), 1, 1, 1, generator=rng, device=truth.device) - 1
    raw = torch.cat([2 * maps[0][:, :3] - maps[1], maps[1]], 1)
    real_raw = torch.cat([2 * maps[2][:, :3] - maps[2][:, 3:4], maps[2][:, 3:4]], 1)
    drawn = Drawn(batch.camera, *(over(x, grey) for x in (picture, raw, truth, real_raw)))
    return (
        terms
        | {
            "picture": config.colour * (picture[:, :3] - truth[:, :3]).abs().mean(),
            "alpha": (picture[:, 3:] - truth[:, 3:]).abs().mean(),
            "lpips": config.lpips * perceptual(drawn.picture, drawn.real).mean(),
        },
        drawn,
    )


def as_maps(rays: Tensor, views: int, size: int) -> Tensor:
    """[B, views * size * size, C] -> [B * views, C, size, size]."""
    return rays.unflatten(1, (views, -1)).flatten(0, 1).mT.unflatten(-1, (size, size))


def over(picture: Tensor, background: Tensor) -> Tensor:
    """[B, 4, H, H] premultiplied colour and coverage over a grey level in [-1, 1]: [B, 3, H, H]."""
    return picture[:, :3] + (1 - picture[:, 3:].clamp(0, 1)) * background
