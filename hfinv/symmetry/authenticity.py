"""Which pixels may be believed after a warp: those that come back from it unchanged.

SPI's authenticity mask: carry the photo to the other view and back again; where its colour changed, the warp went
over an edge or a fold of the surface. The paper has it; its code never calls it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.geometry.warp import carry
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.surface import Surface


@dataclass(frozen=True)
class AuthenticityConfig:
    """The check there and back."""

    check: bool = True
    """Believe only what comes back unchanged."""
    tolerance: float = 0.1
    """Change of colour that counts as none: sum over three channels in [-1, 1]."""


def authentic(sight: Sight, source: Surface, target: Surface, config: AuthenticityConfig) -> Tensor:
    """[K, 1, S, S] in [0, 1], 1 where the sight comes back to its own camera as it left.

    Args:
        sight: the picture and its camera.
        source: the head from that camera.
        target: the head from K cameras.
        config: what counts as unchanged.
    """
    source = source.resized(sight.picture.shape[-1])
    there = carry(sight.picture, source.camera, source.solid, target.camera, target.solid).image
    masks = []
    for index in range(len(there)):
        view = target.camera[index], target.solid[index : index + 1]
        back = carry(there[index : index + 1], *view, source.camera, source.solid)
        change = (back.image - sight.picture).abs().sum(1, keepdim=True)
        same = (change < config.tolerance).to(change)  # [1, 1, S, S], the sight's own frame
        masks.append(carry(same, source.camera, source.solid, *view).image)
    return torch.cat(masks).clamp(0, 1)
