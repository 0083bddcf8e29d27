"""Balls whose brightness is a known linear function of w."""

from __future__ import annotations

from dataclasses import replace

import torch
from conftest import Ball
from torch import Tensor

from hfinv.directions.scorers import LUMA
from hfinv.generators.base import Factor


class TintedBall(Ball):
    """w is z, squeezed: its first three numbers are the ball's tint. The others do nothing."""

    squeeze = torch.tensor([0.2, 0.1, 0.1, 0.2, 0.05, 0.1, 0.2, 0.1])

    def __init__(self, factors: tuple[str, ...] = ()) -> None:
        super().__init__(image_size=32, rays=32)
        named = tuple(Factor(name, "more of it") for name in factors)
        self.card = replace(self.card, arguments={"z_dim": 8}, factors=named)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        return super().map(truncation * z * self.squeeze, 1.0)


def true_direction() -> Tensor:
    """[8], what goes with one standard deviation of brightness: the regression of w on it.

    Brightness is half the luma of the tint, n @ w; the covariance of w is diagonal.
    """
    normal = torch.zeros(8)
    normal[:3] = torch.tensor(LUMA) / 2
    spread = TintedBall.squeeze.square()
    return spread * normal / (spread * normal.square()).sum().sqrt()
