"""Bend the generator around the pivot until it draws the photo (pivotal tuning).

Roich et al., "Pivotal Tuning for Latent-based Editing of Real Images", 2021. Left alone, tuning paints the photo onto
a billboard: `keep_views` therefore holds the head to what the untouched generator shows from all around.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.generators.base import Generator, Rendering
from hfinv.intake import Face
from hfinv.latent import Pivot, draw, learning_ramp
from hfinv.losses import Target, photometric, prepare, psnr
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore


@dataclass(frozen=True)
class TuningConfig:
    """How the generator is tuned."""

    steps: int = 220
    """Optimiser steps; 0 leaves the generator as it is."""
    learning_rate: float = 0.006
    """Peak step of Adam on the generator's weights."""
    lpips: float = 1.0
    """Weight of LPIPS at the photo's camera."""
    colour: float = 10.0
    """Weight of the colour difference at the photo's camera."""
    squared: bool = False
    """Compare colours by mean square, as PTI does, instead of mean absolute difference."""
    alpha: float = 1.0
    """Weight of the silhouette at the photo's camera."""
    stop_lpips: float = 0.0
    """Stop once LPIPS at the photo's camera falls to this; PTI has 0.06. 0 never stops early."""
    keep_views: float = 1.0
    """Weight of staying as the untouched generator was, seen from all around."""
    keep_every: int = 2
    """Steps between two looks at a held view."""
    keep_cameras: int = 16
    """How many cameras around the head hold it."""
    keep_size: int = 48
    """Rays along one side of a held view."""
    locality: float = 0.0
    """Weight of PTI's locality regulariser: latents near the pivot must go on drawing what they drew."""
    locality_step: float = 30.0
    """How far from the pivot those latents lie, in the units of w."""
    locality_every: int = 4
    """Steps between two uses of the locality regulariser."""
    background: float = 0.0
    """Grey level behind the head while comparing, in [-1, 1]."""


@dataclass(frozen=True)
class Tuned:
    """The tuned generator's weights and what it draws at the photo's camera."""

    weights: dict[str, Tensor]
    """The generator's state, by name."""
    w_plus: Tensor
    """[1, L, D], the pivot."""
    camera: Camera
    """The photo's camera."""
    fit: Tensor
    """[1, 3, H, H] in [-1, 1], over the plain background."""
    psnr: float
    """Foreground PSNR of the fit against the photo, dB."""
    lpips: float
    """LPIPS of the fit against the photo."""


def tune(
    generator: Generator,
    perceptual: Perceptual,
    face: Face,
    pivot: Pivot,
    config: TuningConfig,
    *,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> Tuned:
    """Tune all of the generator's weights on the photo; the pivot and the camera stay.

    Args:
        generator: its weights are changed in place.
        perceptual: LPIPS.
        face: the photo.
        pivot: where to tune.
        config: the schedule.
        seed: of the views and latents drawn.
        progress: called after each step.
    """
    size = generator.card.image_size
    target = prepare(face.photo, face.foreground, face.seen, size, config.background, perceptual)
    rng = torch.Generator().manual_seed(seed)
    kept = KeptViews(generator, pivot.w_plus, config) if config.keep_views else None
    local = Locality(generator, perceptual, pivot, config) if config.locality else None
    weights = [p.requires_grad_() for p in generator.parameters()]
    optimiser = torch.optim.Adam(weights, lr=0.0)
    for step in range(config.steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * learning_ramp(step / config.steps)
        planes = generator.planes(pivot.w_plus)
        fit = generator.render(planes, pivot.w_plus, pivot.camera, background=config.background)
        terms = photometric(fit.image, fit.alpha, target, perceptual, config.squared)
        loss = (
            config.lpips * terms["lpips"]
            + config.colour * terms["colour"]
            + config.alpha * terms["alpha"]
        )
        if terms["lpips"].item() <= config.stop_lpips:
            break
        if kept and step % config.keep_every == 0:
            terms["kept"] = kept.loss(planes, rng)
            loss = loss + config.keep_every * config.keep_views * terms["kept"]
        if local and step % config.locality_every == 0:
            terms["locality"] = local.loss(rng)
            loss = loss + config.locality * terms["locality"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        progress(Step("tuning", step + 1, config.steps, {k: v.item() for k, v in terms.items()}))
    generator.requires_grad_(False)
    return conclude(generator, perceptual, pivot, target, config)


@torch.no_grad()
def conclude(
    generator: Any, perceptual: Perceptual, pivot: Pivot, target: Target, config: TuningConfig
) -> Tuned:
    """The tuned weights, in half precision as they are stored, and what they draw."""
    weights = {name: value.half().cpu() for name, value in generator.state_dict().items()}
    generator.load_state_dict({name: value.float() for name, value in weights.items()})
    fit = draw(generator, pivot.w_plus, pivot.camera, config.background)
    lpips = photometric(fit.image, fit.alpha, target, perceptual)["lpips"]
    quality = psnr(fit.image, target.image, target.foreground * target.counted)
    return Tuned(weights, pivot.w_plus, pivot.camera, fit.image.clamp(-1, 1), quality, float(lpips))


class KeptViews:
    """What the untouched generator shows of the pivot from all around, as a thing to stay close to.

    The regulariser on distance at random cameras is SPI's; here it also holds colour and opacity, on both sides,
    and never runs the super-resolution.
    """

    def __init__(self, generator: Generator, w_plus: Tensor, config: TuningConfig) -> None:
        self.generator, self.w_plus, self.size = generator, w_plus, config.keep_size
        turn = 2 * math.pi * torch.arange(config.keep_cameras) / config.keep_cameras
        pitch = 0.25 * torch.sin(2.4 * torch.arange(config.keep_cameras))
        card = generator.card
        self.cameras = look_at(turn, pitch, card.radius, card.pivot, card.focal)
        with torch.no_grad():
            planes = generator.planes(w_plus)
            self.views = [self._draw(planes, camera) for camera in range(config.keep_cameras)]

    def _draw(self, planes: Tensor, camera: int) -> Rendering:
        return self.generator.render(
            planes,
            self.w_plus,
            self.cameras[camera],
            size=self.size,
            superresolve=False,
            background=0.0,
        )

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """How far one of the views, chosen at random, has moved.

        Args:
            planes: [1, 3, C, h, w], of the tuned generator.
            rng: chooses the view.
        """
        chosen = int(torch.randint(len(self.views), (), generator=rng))
        held, now = self.views[chosen], self._draw(planes, chosen)
        # Towards the front the photo knows better than the prior.
        behind = 0.5 - 0.5 * math.cos(2 * math.pi * chosen / len(self.views))
        on_head = held.opacity * now.opacity.detach()
        distance = (
            on_head * F.smooth_l1_loss(now.distance, held.distance, reduction="none", beta=0.01)
        ).mean()
        shape = (now.opacity - held.opacity).abs().mean() + 10 * distance
        return shape + behind * (now.raw - held.raw).abs().mean()


class Locality:
    """PTI's locality regulariser (section 3.3 there): near the pivot, the tuned generator must match the frozen one."""

    def __init__(
        self, generator: Any, perceptual: Perceptual, pivot: Pivot, config: TuningConfig
    ) -> None:
        import copy

        self.generator, self.perceptual, self.pivot, self.config = (
            generator,
            perceptual,
            pivot,
            config,
        )
        self.frozen = copy.deepcopy(generator).requires_grad_(False)

    def loss(self, rng: torch.Generator) -> Tensor:
        """Mean square difference plus LPIPS at one random latent `locality_step` away from the pivot."""
        mean, scale = self.frozen.mean_latent(), self.frozen.latent_scale()
        sample = mean + 0.5 * scale * torch.randn(mean[:, :1].shape, generator=rng)
        away = sample - self.pivot.w_plus
        w_plus = self.pivot.w_plus + self.config.locality_step * away / away.norm()
        with torch.no_grad():
            held = draw(self.frozen, w_plus, self.pivot.camera, self.config.background).image
        now = draw(self.generator, w_plus, self.pivot.camera, self.config.background).image
        return (now - held).square().mean() + self.perceptual(now, held).mean()
