"""The space in which a boundary is sought: w in units of its own spread.

A boundary's normal says what tells two groups apart; what changes with it is another matter. In whitened coordinates
the two are the same: there, going one unit along the normal is, back in w, the mean change that goes with one standard
deviation of the read-out (for a labelled generator: the regression that `generators.directions` makes). In w itself a
normal would exaggerate whatever hardly varies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.generators.base import Generator
from hfinv.generators.draws import latents

EXPLAINED = 0.97
"""Share of w's variance that is kept; what varies less only adds noise to a boundary."""
DRAWN = 20_000
"""Latents that the spread is measured on; they cost no pictures."""


@dataclass(frozen=True)
class Space:
    """Principal axes of w over the prior."""

    mean: Tensor
    """[D]."""
    axes: Tensor
    """[D, M], orthogonal, each as long as the standard deviation along it."""

    def inside(self, w: Tensor) -> Tensor:
        """[B, D] -> [B, M], of unit variance over the prior."""
        return (w - self.mean) @ (self.axes / self.axes.square().sum(0))

    def direction(self, unit: Tensor) -> Tensor:
        """What one unit along a unit normal [M] does to w, [D]."""
        return self.axes @ unit

    def normal(self, unit: Tensor) -> Tensor:
        """[D], whose product with w - mean is the read-out of a unit normal [M]."""
        return (self.axes / self.axes.square().sum(0)) @ unit


@torch.no_grad()
def space_of(generator: Generator, drawn: int = DRAWN) -> Space:
    """Measure the spread of w, always the same for the same generator.

    Args:
        generator: any.
        drawn: latents.
    """
    w = latents(generator, drawn, torch.Generator().manual_seed(0))[1].double()
    mean = w.mean(0)
    spread = (w - mean).T @ (w - mean) / (len(w) - 1)
    values, vectors = torch.linalg.eigh(spread)
    values, vectors = values.flip(0), vectors.flip(1)
    kept = int((values.cumsum(0) / values.sum() < EXPLAINED).sum()) + 1
    axes = vectors[:, :kept] * values[:kept].clamp(min=0).sqrt()
    return Space(mean.float(), axes.float())
