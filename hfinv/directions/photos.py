"""Folders of photos as points in w: what the encoder takes them for, or a few steps of search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hfinv.adapt import adapted, placed
from hfinv.config import InvertConfig
from hfinv.errors import PhotoError, UsageError
from hfinv.generators.base import Generator
from hfinv.image import read
from hfinv.intake import take_in
from hfinv.latent import LatentConfig, estimate_latent
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore

ENCODED = LatentConfig(camera_steps=0, w_steps=0, w_plus_steps=0)
"""The encoder's guess as it is, for a generator that it knows."""
SEARCHED = LatentConfig(start="mean", camera_steps=4, w_steps=24, w_plus_steps=0)
"""For any other: one vector for all rows, near the prior."""
PHOTOS = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".tif", ".tiff", ".bmp"}


def latents_of(
    generator: Generator,
    folder: Path,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> tuple[Tensor, list[str]]:
    """The photos of a folder as w [N, D] on the CPU, and a sentence for each that cannot be used.

    Raises:
        UsageError: there is no such folder, or no photo in it.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder `{folder}`", "name a folder of photos")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in PHOTOS)
    if not files:
        raise UsageError(f"`{folder}` holds no photos", "name a folder of photos")
    config = adapted(InvertConfig(), generator.card)
    steps = ENCODED if generator.card.factors else SEARCHED
    device = generator.mean_latent().device
    perceptual = Perceptual().to(device)
    found, skipped = [], []
    for number, path in enumerate(files):
        try:
            face = placed(take_in(read(path), config.intake), generator.card)
        except PhotoError as error:
            skipped.append(f"`{path.name}` is left out: {error.message}")
            continue
        pivot = estimate_latent(generator, perceptual, face, steps, seed=seed)
        found.append(pivot.w_plus[:, 0].cpu())
        progress(Step(folder.name, number + 1, len(files)))
    width = generator.card.w_dim
    return torch.cat(found) if found else torch.zeros(0, width), skipped
