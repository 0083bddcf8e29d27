"""How likely a latent is before any photo is seen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hfinv.generators.draws import latents

SAMPLES = 4096
"""Heads from which one learns how traits go together."""
LEAST = 0.02
"""Least variance of a direction among traits, of a single trait's 1: nothing is ruled out."""


class Prior:
    """A Gaussian over w: each number by itself, and traits together as well.

    Traits are numbers of w that a generator knows from the factors, such as the colours of hair to five sides
    (`hfinv.generators.mapping`). Over the prior they hang together closely: of 50 directions, twenty hold 99.8 % of their
    variance. A search that asks of each alone whether it is likely gives the back of a head, which the photo does not
    show, tints that no head has.
    """

    def __init__(self, generator: Any, together: float) -> None:
        """
        Args:
            generator: any; those without traits have the first part alone.
            together: weight of the second part beside the first.
        """
        self.together = together
        self.part: slice | None = getattr(generator, "TRAITS", None) if together else None
        if self.part is not None:
            self.axes, self.variance = axes_of(generator, self.part)

    def unlikely(self, offset: Tensor) -> Tensor:
        """Minus the logarithms of the two parts' densities but for constants, times 2 / D, weighed; the rows' mean, a scalar.

        Args:
            offset: [1, R, D] in standard deviations of w's numbers from their mean; R is 1 or the number of layers.
        """
        alone = offset.square().mean()
        if self.part is None:
            return alone
        along = offset[..., self.part] @ self.axes
        joint = (along.square() / (self.variance + LEAST)).sum(-1).mean() / offset.shape[-1]
        return alone + self.together * joint


@torch.no_grad()
def axes_of(generator: Any, part: slice) -> tuple[Tensor, Tensor]:
    """Principal axes of a part of w over the prior: unit columns [T, T], and the variance along each [T].

    Args:
        generator: any.
        part: which T numbers of w.
    """
    scale = generator.latent_scale()
    _, w = latents(generator, SAMPLES, torch.Generator().manual_seed(0))
    offset = ((w.to(scale) - generator.mean_latent()[:, 0]) / scale[0])[:, part].double()
    variance, axes = torch.linalg.eigh(offset.mT @ offset / SAMPLES)
    return axes.to(scale), variance.clamp(min=0).to(scale)
