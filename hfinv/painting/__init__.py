"""Paint on the photo's crop becomes paint on the head: make-up, a tattoo, a logo.

    difference  what was painted            crop, edited crop -> Paint
    follow      where it lies on a face that an edit moved since
    views       what other cameras see of it, by the surface and what the photo's camera sees of that
    residual    what to add to the planes so that all of them see it, and nothing else changes

The residual is a field of the head like the rest: it turns with it, and attributes are edited underneath.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hfinv.generators.base import Generator
from hfinv.painting.difference import DifferenceConfig, find_paint
from hfinv.painting.follow import follow
from hfinv.painting.residual import ResidualConfig, find_residual
from hfinv.painting.views import Paint, ViewsConfig, painted_views
from hfinv.progress import Step, ignore

__all__ = ["Paint", "PaintConfig", "find_paint", "over", "residual_of"]


@dataclass(frozen=True)
class PaintConfig:
    """How paint gets from the crop onto the head."""

    difference: DifferenceConfig = field(default_factory=DifferenceConfig)
    """What counts as paint."""
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """Which cameras look."""
    residual: ResidualConfig = field(default_factory=ResidualConfig)
    """How the planes are changed."""


def over(upper: Paint, lower: Paint | None) -> Paint:
    """Paint over earlier paint on the same crop."""
    if lower is None:
        return upper
    mask = upper.mask + (1 - upper.mask) * lower.mask
    mixed = upper.mask * upper.colour + (1 - upper.mask) * lower.mask * lower.colour
    return Paint(mixed / mask.clamp(min=1e-6), mask, upper.camera, upper.w_plus)


def residual_of(
    generator: Generator,
    w_plus: Tensor,
    paint: Paint,
    config: PaintConfig = PaintConfig(),
    progress: Callable[[Step], None] = ignore,
) -> Tensor:
    """What to add to a head's planes to paint it, [1, P, C, h, w].

    Args:
        generator: tuned to the head.
        w_plus: [1, L, D], the head's, as edited.
        paint: as on the crop.
        config: how.
        progress: called after each step.

    Raises:
        PhotoError: nothing of the paint is on the head.
    """
    with torch.no_grad():
        placed = follow(generator, paint, w_plus)
        planes = generator.planes(w_plus)
        views = painted_views(generator, planes, w_plus, placed, config.views)
    return find_residual(generator, planes, w_plus, views, config.residual, progress)
