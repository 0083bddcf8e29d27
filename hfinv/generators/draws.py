"""Random heads of a generator, as latents."""

from __future__ import annotations

import torch
from torch import Tensor

from hfinv.generators.base import Generator


@torch.no_grad()
def latents(generator: Generator, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Samples of the prior: z [count, Z] and w [count, D], on the CPU.

    Args:
        generator: any.
        count: how many.
        rng: on the CPU.
    """
    width = generator.card.arguments.get("z_dim") or len(generator.card.factors)
    z = torch.randn(count, width, generator=rng)
    device = generator.mean_latent().device
    parts = [generator.map(part.to(device))[:, 0].float().cpu() for part in z.split(8192)]
    return z, torch.cat(parts)
