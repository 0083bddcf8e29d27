"""Heads that the generator drew itself: what the encoder learns from beside photographed heads.

They are files of the same kind as those of `hfinv.training.dataset`, so one reader serves both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import Camera, concatenate, look_at
from hfinv.device import in_half
from hfinv.generators.base import Generator
from hfinv.image import written_aside

PITCH_MEAN, PITCH_SPREAD, PITCH_MOST = 0.05, 0.17, 0.6
"""How far from above or below photos are taken, radians."""
SIDE_SHARE = 0.2
"""Share of the cameras spread evenly over all yaws a face is found at; the others are near the front."""
FRONT_SPREAD = 0.35
"""Spread of the yaw of cameras near the front, radians."""


def front_cameras(rng: np.random.Generator, views: int, card: object, max_yaw: float) -> Camera:
    """Cameras from which photos of faces are taken.

    Args:
        rng: draws them.
        views: how many.
        card: the generator's; cameras stand at its radius and look near its pivot.
        max_yaw: radians; none stands further to the side.
    """
    cameras = []
    for _ in range(views):
        side = rng.uniform() < SIDE_SHARE
        yaw = rng.uniform(-max_yaw, max_yaw) if side else rng.normal(0, FRONT_SPREAD)
        pitch = rng.normal(PITCH_MEAN, PITCH_SPREAD)
        cameras.append(
            look_at(
                float(np.clip(yaw, -max_yaw, max_yaw)),
                float(np.clip(pitch, -PITCH_MOST, PITCH_MOST)),
                radius=card.radius,
                pivot=tuple(rng.normal(0, 0.01, 3) + card.pivot),
                focal=card.focal,
            )
        )
    return concatenate(cameras)


@torch.no_grad()
def draw_heads(
    folder: Path,
    generator: Generator,
    heads: int,
    views: int,
    seed: int,
    max_yaw: float = math.radians(60),
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Write heads of random z as the generator draws them, one file each; those already there are kept.

    Args:
        folder: made if missing.
        generator: labelled.
        heads: how many.
        views: cameras a head.
        seed: head i of seed s is always the same z and cameras.
        max_yaw: radians.
        report: called with (done, of) after each head.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(heads):
        path = folder / f"head_{index:05d}.npz"
        if not path.exists():
            rng = np.random.default_rng([seed, index])
            z = rng.standard_normal(len(generator.card.factors)).astype(np.float32)
            camera = front_cameras(rng, views, generator.card, max_yaw)
            with written_aside(path, shared=True) as aside:
                np.savez(aside, **drawn_head(generator, z, camera))
        if report:
            report(index + 1, heads)


def drawn_head(generator: Generator, z: np.ndarray, camera: Camera) -> dict[str, np.ndarray]:
    """One head as `hfinv.training.dataset` stores it."""
    device = next(generator.parameters()).device
    with in_half(device):
        w_plus = generator.map(torch.from_numpy(z)[None].to(device))
        planes = generator.planes(w_plus)
        views = [
            generator.render(planes, w_plus, camera[k].to(device), background=0.0)
            for k in range(len(camera))
        ]
    image = torch.cat([view.image for view in views]).float()
    alpha = torch.cat([view.alpha for view in views]).float()
    # The files hold plain colour times coverage; over grey 0 in [-1, 1] that is (image + alpha) / 2.
    colour = torch.cat([(image + alpha) / 2, alpha], 1).clamp(0, 1)
    return {
        "z": z,
        "label": camera.label().numpy(),
        "colour": to_bytes(colour),
        "distance": torch.cat([view.distance for view in views])[:, 0].float().cpu().numpy(),
    }


def to_bytes(colour: Tensor) -> np.ndarray:
    """[K, C, H, W] in [0, 1] -> uint8 [K, H, W, C]."""
    return (colour * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
