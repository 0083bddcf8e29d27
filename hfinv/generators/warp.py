"""Where each point of a head lies on the head that all share.

Heads differ above all in where things are: planes that draw every mouth at a place of its own learn blurred mouths, and
learn a smile texel by texel. So the last three channels of the planes hold a displacement, and take points to one common
place before the other channels are read (as in GNARF, Bergman et al. 2022, and Next3D, Sun et al. 2023). It is a sum of
known fields, those of the mesh that the training heads were made from, by weights that are the last numbers of w.

Being a part of the planes, the displacement goes wherever they go: files, tuned offsets, density grids.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.generators.triplane import sample_planes

AXES = 3
"""Channels that hold the displacement."""
UNIT = 0.02
"""World units that a plane's value of 1 moves points by, so that these channels are about as large as the others."""
GUESSES = (1.0, 0.6, 0.6)
"""How far each guess of where a point came from goes towards the next. Whole steps would do for gentle fields (an eighth
of the displacement is left after two); at shutting lids they go to and fro, and shorter ones halve what they leave."""


class Warp(nn.Module):
    """The last K numbers of w to the displacement's channels.

    Args:
        fields: K, how many are mixed.
        size: texels along a side of a field; they are smooth.
        planes: P.
        fine: which of them are drawn finer: those that part lips and shut lids.
        fine_size: texels along a side of these.
    """

    fields: Tensor
    """[K, 3 * P, size, size], in `UNIT`s, the displacement of one standard deviation of each weight; 0 of fine ones."""
    fine_fields: Tensor
    """[F, 3 * P, fine_size, fine_size], the same of the fine ones."""

    def __init__(
        self, fields: int, size: int, planes: int, fine: Sequence[int] = (), fine_size: int = 1
    ) -> None:
        super().__init__()
        self.planes, self.fine = planes, list(fine)
        self.register_buffer("fields", torch.zeros(fields, planes * AXES, size, size))
        if fine:
            shape = (len(fine), planes * AXES, fine_size, fine_size)
            self.register_buffer("fine_fields", torch.zeros(shape))

    def weights(self, w_plus: Tensor) -> Tensor:
        """[B, L, D] -> [B, K], 0 being the mean head."""
        return w_plus[..., -len(self.fields) :].mean(1).float()

    def strength(self) -> Tensor:
        """[K], the largest displacement of each field, in `UNIT`s."""
        found = self.fields.abs().amax((1, 2, 3))
        if self.fine:
            found[self.fine] = self.fine_fields.abs().amax((1, 2, 3))
        return found

    def forward(self, w_plus: Tensor, side: int) -> Tensor:
        """[B, L, D] -> [B, P, 3, side, side], in `UNIT`s."""
        weights = self.weights(w_plus)
        mixed = enlarged(torch.tensordot(weights, self.fields, 1), side)
        if self.fine:
            fine = torch.tensordot(weights[:, self.fine], self.fine_fields, 1)
            mixed = mixed + enlarged(fine, side)
        return mixed.unflatten(1, (self.planes, AXES))


def enlarged(fields: Tensor, side: int) -> Tensor:
    """[B, C, h, h] -> [B, C, side, side], linearly."""
    return F.interpolate(fields, (side, side), mode="bilinear", align_corners=False)


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
    for step in GUESSES:
        found = found.lerp(points - displacement(moves, found, box, order), step)
    return found


def displacement(moves: Tensor, points: Tensor, box: float, order: str) -> Tensor:
    """How points of the common head move; arguments as for `origins_of`.

    Returns:
        [B, N, 3], world units.
    """
    return 3 * UNIT * sample_planes(moves, points, box, order).mean(1)
