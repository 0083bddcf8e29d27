"""What holds a tuned generator to what it drew before: seen from all around, and for latents near the pivot."""

from __future__ import annotations

import copy
import math
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import look_at
from hfinv.generators.base import Generator, Rendering
from hfinv.latent import Pivot, draw
from hfinv.perceptual import Perceptual


class Keep(Protocol):
    """How much is kept of what was there, as in `TuningConfig`."""

    keep_views: float
    keep_colour: float
    keep_final: bool
    keep_lpips: float
    keep_smooth: float
    keep_every: int
    keep_cameras: int
    keep_size: int
    locality: float
    locality_step: float
    locality_every: int
    background: float | None


class KeptViews:
    """What the untouched generator shows of the pivot from all around, as a thing to stay close to.

    The regulariser on distance at random cameras is SPI's; here it also holds colour and opacity, on both sides.
    """

    def __init__(
        self, generator: Generator, perceptual: Perceptual, w_plus: Tensor, config: Keep
    ) -> None:
        self.name, self.every = "kept", config.keep_every
        self.weight = config.keep_every * config.keep_views
        self.generator, self.perceptual = generator, perceptual
        self.w_plus, self.config = w_plus, config
        turn = 2 * math.pi * torch.arange(config.keep_cameras) / config.keep_cameras
        pitch = 0.25 * torch.sin(2.4 * torch.arange(config.keep_cameras))
        card = generator.card
        cameras = look_at(turn, pitch, card.radius, card.pivot, card.focal)
        self.cameras = cameras.to(w_plus.device)
        with torch.no_grad():
            planes = generator.planes(w_plus)
            self.views = [self._draw(planes, camera) for camera in range(config.keep_cameras)]
            looked_at = self.views if config.keep_lpips else []
            self.features = [perceptual.features(view.image) for view in looked_at]

    def _draw(self, planes: Tensor, camera: int) -> Rendering:
        return self.generator.render(
            planes,
            self.w_plus,
            self.cameras[camera],
            size=self.config.keep_size,
            superresolve=self.config.keep_final,
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
        if self.config.keep_smooth:
            shape = shape + self.config.keep_smooth * roughness(
                now.distance, held.distance, on_head
            )
        colour = (now.raw - held.raw).abs().mean()
        if self.config.keep_final:
            colour = colour / 2 + (now.image - held.image).abs().mean() / 2
        look = self.config.keep_colour * colour
        if self.config.keep_lpips:
            seen = self.perceptual.features(now.image)
            lpips = self.perceptual.compare(seen, self.features[chosen]).mean()
            look = look + self.config.keep_lpips * lpips
        return shape + behind * look


def roughness(distance: Tensor, held: Tensor, on_head: Tensor) -> Tensor:
    """How far the slopes of a surface are from those of another, world units a ray; a scalar, 0 where one is only moved.

    Args:
        distance, held: [B, 1, h, h], along the unit ray, world units.
        on_head: [B, 1, h, h] in [0, 1], where both are solid.
    """
    moved = distance - held
    across = (moved[..., 1:] - moved[..., :-1]).abs() * on_head[..., 1:] * on_head[..., :-1]
    down = (
        (moved[..., 1:, :] - moved[..., :-1, :]).abs() * on_head[..., 1:, :] * on_head[..., :-1, :]
    )
    return across.mean() + down.mean()


class Locality:
    """PTI's locality regulariser (section 3.3 there): near the pivot, the tuned generator must match the frozen one."""

    def __init__(self, generator: Any, perceptual: Perceptual, pivot: Pivot, config: Keep) -> None:
        self.generator, self.perceptual = generator, perceptual
        self.pivot, self.config = pivot, config
        self.name, self.every, self.weight = "locality", config.locality_every, config.locality
        self.frozen = copy.deepcopy(generator).requires_grad_(False)

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """Mean square difference plus LPIPS at one random latent `locality_step` away from the pivot."""
        mean, scale = self.frozen.mean_latent(), self.frozen.latent_scale()
        drawn = torch.randn(mean[:, :1].shape, generator=rng)  # on the CPU: the same on all devices
        sample = mean + 0.5 * scale * drawn.to(mean)
        pivot = self.pivot.w_plus.detach()
        away = sample - pivot
        w_plus = pivot + self.config.locality_step * away / away.norm()
        with torch.no_grad():
            held = draw(self.frozen, w_plus, self.pivot.camera, self.config.background).image
        now = draw(self.generator, w_plus, self.pivot.camera, self.config.background).image
        return (now - held).square().mean() + self.perceptual(now, held).mean()
