"""How much a picture changes with each factor, so that the encoder learns what can be seen."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hfinv.camera import look_at
from hfinv.device import in_half
from hfinv.generators.base import Generator

STEP = 0.5
"""Step of the differences, in standard deviations of a factor."""
YAWS = (0.0, math.radians(40))
"""Where from the change is looked at, radians."""
SAMPLES = (20, 10)
"""Coarse and fine samples a ray: enough for a difference."""


@torch.no_grad()
def picture_metric(generator: Generator, heads: int, seed: int) -> Tensor:
    """M [Z, Z], with e' M e about the mean squared change of the picture that an error e of z makes.

    M is the mean over random heads of J' J, J the derivative of the colours and the coverage before
    super-resolution by z, taken by differences: the Gauss-Newton approximation of an image loss, without
    drawing an image while training.

    Args:
        generator: labelled.
        heads: around which derivatives are taken.
        seed: of those heads.
    """
    count = len(generator.card.factors)
    rng = torch.Generator().manual_seed(seed)
    bases = torch.randn(heads, count, generator=rng)
    total = torch.zeros(count, count)
    for base in bases:
        here = drawing(generator, base)
        jacobian = torch.stack(
            [(drawing(generator, base + STEP * unit) - here) / STEP for unit in torch.eye(count)]
        )
        total += jacobian @ jacobian.mT / jacobian.shape[1]
    return total / heads


def drawing(generator: Generator, z: Tensor) -> Tensor:
    """Colours and coverage of one head from all `YAWS`, in one row."""
    with in_half("cpu"):
        w_plus = generator.map(z[None])
        planes = generator.planes(w_plus)
        views = [
            generator.render(
                planes, w_plus, look_at(yaw), samples=SAMPLES, superresolve=False, background=0.0
            )
            for yaw in YAWS
        ]
    return torch.cat([x.float().flatten() for v in views for x in (v.image, v.opacity)])
