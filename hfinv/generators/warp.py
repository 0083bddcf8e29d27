"""Where each point of a head lies on the head that all share.

Heads differ above all in where things are: planes that draw every mouth at a place of its own learn blurred mouths, and
learn a smile texel by texel. So the last three channels of the planes hold a displacement, and take points to one common
place before the other channels are read (as in GNARF, Bergman et al. 2022, and Next3D, Sun et al. 2023). It is a sum of
known fields, those of the mesh that the training heads were made from, by weights that are the last numbers of w.

Being a part of the planes, the displacement goes wherever they go: files, tuned offsets, density grids.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.generators.triplane import sample_planes

AXES = 3
"""Channels that hold the displacement."""
UNIT = 0.02
"""World units that a plane's value of 1 moves points by, so that these channels are about as large as the others."""
ROUNDS = 2
"""How often the place that a point came from is guessed: after two, an eighth of the displacement is left, and no
further guess does better (measured on random heads)."""


class Warp(nn.Module):
    """The last K numbers of w to the displacement's channels.

    Args:
        fields: K, how many are mixed.
        size: texels along a side of a field; they are smooth.
        planes: P.
    """

    fields: Tensor
    """[K, 3 * P, size, size], in `UNIT`s, the displacement of one standard deviation of each weight."""

    def __init__(self, fields: int, size: int, planes: int) -> None:
        super().__init__()
        self.planes = planes
        self.register_buffer("fields", torch.zeros(fields, planes * AXES, size, size))

    def weights(self, w_plus: Tensor) -> Tensor:
        """[B, L, D] -> [B, K], 0 being the mean head."""
        return w_plus[..., -len(self.fields) :].mean(1).float()

    def forward(self, w_plus: Tensor, side: int) -> Tensor:
        """[B, L, D] -> [B, P, 3, side, side], in `UNIT`s."""
        mixed = torch.tensordot(self.weights(w_plus), self.fields, 1)
        mixed = F.interpolate(mixed, (side, side), mode="bilinear", align_corners=False)
        return mixed.unflatten(1, (self.planes, AXES))


def origins_of(moves: Tensor, points: Tensor, box: float, order: str) -> Tensor:
    """The points of the common head that were moved to these points.

    Args:
        moves: [B, P, 3, h, w] or [1, ...], how the common head's points move, in `UNIT`s.
        points: [B, N, 3], world frame.
        box, order: as for `sample_planes`.

    Returns:
        [B, N, 3], world frame.
    """
    found = points
    for _ in range(ROUNDS):
        found = points - 3 * UNIT * sample_planes(moves, found, box, order).mean(1)
    return found


def sample_warped(planes: Tensor, points: Tensor, box: float, order: str) -> Tensor:
    """`sample_planes` of all but the last three channels, where these points came from.

    Args:
        planes: [B, P, C + 3, h, w] or [1, ...].
        points: [B, N, 3], world frame.
        box, order: as for `sample_planes`.

    Returns:
        as `sample_planes`.
    """
    points = origins_of(planes[:, :, -AXES:], points, box, order)
    return sample_planes(planes[:, :, :-AXES], points, box, order)
