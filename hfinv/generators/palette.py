"""Colours that a latent names, laid on where masks say: what hfinv's own generator paints whole regions with.

The traits of `hfinv.generators.mapping` say which colours skin, crown and shirt have in a head's light, to five sides. A
network that has to learn to pass colours on does so for the heads it was trained on, and errs in the shirts of all others.
So the planes hold three masks more, and their last channels become the colours themselves under these masks: what is left to
learn is where skin, crown and shirt are, and which side a place faces, which heads have in common.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hfinv.generators.warp import enlarged

CHANNELS = 3
"""Red, green, blue."""
STRONG = 9.0
"""How much a mask of 1 counts: a point sees the mean of three planes, and what is learned anew must be learned soon."""
LEAST = 0.02
"""Colours are kept this far from 0 and 1, where logits have no bounds."""


class Palette(nn.Module):
    """Masks and a latent to a wash: what is added to the logits of a point's red, green and blue."""

    middle: Tensor
    """[parts * sides * 3], mean sRGB in [0, 1] of each colour over the prior."""
    scale: Tensor
    """[parts * sides * 3], what one unit of the number in w adds to it."""

    def __init__(self, parts: int, sides: int, planes: int, start: int, size: int) -> None:
        """
        Args:
            parts, sides: what has colours of its own, and how many each, one to a side.
            planes: P.
            start: where in w their parts * sides * 3 numbers begin.
            size: texels along a side of the maps that say which way places face; heads share them.
        """
        super().__init__()
        self.parts, self.sides, self.start = parts, sides, start
        self.facing = nn.Parameter(torch.full((planes, parts * sides, size, size), 1 / sides))
        self.register_buffer("middle", torch.full((parts * sides * CHANNELS,), 0.5))
        self.register_buffer("scale", torch.zeros(parts * sides * CHANNELS))

    def colours(self, w_plus: Tensor) -> Tensor:
        """[B, L, D] -> [B, parts, sides, 3], logits of sRGB less those of the mean head."""
        named = w_plus[..., self.start : self.start + len(self.middle)].mean(1).float()
        away = (self.middle + self.scale * named).logit(LEAST) - self.middle.logit(LEAST)
        return away.unflatten(1, (self.parts, self.sides, CHANNELS))

    def forward(self, masks: Tensor, w_plus: Tensor) -> Tensor:
        """[B, P, parts, h, h] and [B, L, D] -> [B, P, 3, h, h]."""
        facing = self.facing.unflatten(1, (self.parts, self.sides))
        tint = torch.einsum("pksyx,bksc->bpkcyx", facing, self.colours(w_plus))
        tint = enlarged(tint.flatten(1, 3), masks.shape[-1])
        tint = tint.unflatten(1, (masks.shape[1], self.parts, CHANNELS))
        return STRONG * (masks[:, :, :, None] * tint).sum(2)
