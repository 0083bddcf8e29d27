"""What to add to a head's planes so that it is painted, and otherwise stays as it is.

The generator and the latent stay: only planes change, only in the cells that the paint's rays read, and only so that
colours change. A residual of planes is small, adds to the planes of any edit, and a step of it needs no backbone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.generators.base import Rendering
from hfinv.image import shrink
from hfinv.latent import learning_ramp
from hfinv.painting.views import PaintedViews
from hfinv.progress import Step, ignore


@dataclass(frozen=True)
class ResidualConfig:
    """How the planes are changed."""

    steps: int = 24
    """Optimiser steps; each looks from the photo's camera and from one of the others."""
    learning_rate: float = 0.6
    """Peak step of Adam, in standard deviations of the planes."""
    keep: float = 6.0
    """Weight of what is not painted, against the paint's own."""
    shape: float = 10.0
    """Weight of outlines and distances, which paint does not change."""
    own: tuple[float, float] = (0.6, 0.9)
    """Cells are left alone up to the first share that is the paint's, of what the cell most its own has, and free from
    the second on. On a cheek, the plane from the side has 0.3 to 0.5, for it serves the other cheek as well."""
    beside: float = 0.05
    """How far from the paint the rest of the head begins, as a share of the picture's side: a cell at a stroke's edge
    is read just beside it as well, and `keep` watches over that."""
    reach: float = 0.02
    """Cells whose influence on the paint is a smaller share of the strongest one's are left alone."""


def find_residual(
    generator: Any,
    planes: Tensor,
    w_plus: Tensor,
    views: PaintedViews,
    config: ResidualConfig = ResidualConfig(),
    progress: Callable[[Step], None] = ignore,
) -> Tensor:
    """Optimise the residual.

    Args:
        generator: frozen.
        planes: [1, P, C, h, w], of the head without paint.
        w_plus: [1, L, D].
        views: what is wanted.
        config: the schedule.
        progress: called after each step.

    Returns:
        [1, P, C, h, w], 0 wherever the paint has no say.
    """
    scale = planes.std()
    mask = cells(generator, planes, w_plus, views, config).repeat(1, 1, planes.shape[2], 1, 1)
    mask[:, :, planes.shape[2] - generator.MOVES :] = 0  # paint moves nothing
    offset = torch.zeros_like(planes).requires_grad_()
    optimiser = torch.optim.Adam([offset], lr=0.0, betas=(0.8, 0.99))
    count = len(views.cameras)
    for step in range(config.steps):
        rate = config.learning_rate * learning_ramp(step / config.steps)
        optimiser.param_groups[0]["lr"] = rate
        parts: dict[str, Tensor] = {}
        for k in (0, 1 + step % (count - 1)):  # one at a time bounds the memory
            drawn = generator.render(
                planes + scale * mask * offset, w_plus, views.cameras[k], background=0.0
            )
            found = compare(drawn, views, k)
            (
                found["paint"] + config.keep * found["keep"] + config.shape * found["shape"]
            ).backward()
            parts = {name: parts.get(name, 0.0) + value.item() for name, value in found.items()}
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        progress(Step("paint", step + 1, config.steps, parts))
    return (scale * mask * offset).detach()


def compare(drawn: Rendering, views: PaintedViews, index: int) -> dict[str, Tensor]:
    """How far a rendering is from one of the views: on the paint, beside it, and in shape."""
    k = slice(index, index + 1)
    off = (drawn.image - views.image[k]).abs()
    paint, before = views.paint[k], views.before
    area = views.paint[:1].sum()
    on_head = before.opacity[k]
    distance = F.smooth_l1_loss(drawn.distance, before.distance[k], reduction="none", beta=0.01)
    outline = (drawn.opacity - on_head).abs() + (10 * on_head * drawn.opacity.detach()) * distance
    return {
        "paint": (paint * off).sum() / (3 * area),
        "keep": (views.known[k] * (1 - paint) * off).mean(),
        "shape": outline.mean(),
    }


def cells(
    generator: Any, planes: Tensor, w_plus: Tensor, views: PaintedViews, config: ResidualConfig
) -> Tensor:
    """[1, P, 1, h, w] in [0, 1]: how much each cell is the paint's own.

    The pictures are asked which cells move the paint, and which of those move the rest of the head as well: a cell of
    a plane that looks along a cheek serves the other cheek, too, and paint in it would shine through there.
    """
    asked = planes.detach().clone().requires_grad_()
    painted, rest = (torch.zeros_like(planes[:, :, :1]) for _ in range(2))
    for k in range(len(views.cameras)):
        # Which rays read a cell is the same before super-resolution, and known much sooner.
        drawn = generator.render(
            asked, w_plus, views.cameras[k], superresolve=False, background=0.0
        ).image
        paint = shrink(views.paint[k : k + 1], drawn.shape[-1])
        beside = round(config.beside * drawn.shape[-1])
        far = 1 - F.max_pool2d(paint, 2 * beside + 1, 1, beside)
        for total, where in ((painted, paint), (rest, far)):
            (moved,) = torch.autograd.grad((where * drawn).sum(), asked, retain_graph=True)
            total += moved.abs().sum(2, keepdim=True)
    strongest = painted.amax((1, 3, 4), keepdim=True)
    own = painted / (painted + rest).clamp(min=1e-12)
    own = torch.where(painted > config.reach * strongest, own, 0.0)
    low, high = config.own
    share = ((own / own.max().clamp(min=1e-12) - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)
