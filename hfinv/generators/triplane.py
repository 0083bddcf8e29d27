"""Three feature planes, and the small network that reads colour and density off them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.generators.layers import FullyConnected, bias_act

PLANE_ORDERS = {
    "eg3d": ((0, 1), (0, 2), (2, 0)),
    "fixed": ((0, 1), (0, 2), (2, 1)),
    "halves": ((0, 1), (0, 2), (2, 1), (0, 1)),
    "trigrid": ((0, 1, 2), (0, 2, 1), (1, 2, 0)),
}
"""Which world axes (x 0, y 1, z 2) run along each plane's width and height.

"trigrid" is PanoHead's: each plane is a stack of slices along a third axis, so that front and back differ.

"halves" has a fourth plane: its first XY plane serves the front of the head, the fourth the back, and `OVERLAP` joins
them. A single XY plane prints the face onto the back of the head as well (PanoHead and SphereHead name the fault).

All released EG3D weights were trained with "eg3d", whose third plane is the second one transposed: none sees
y and z together. The order is thus a property of the weights.
"""
OVERLAP = 0.16
"""Depth about z = 0 over which the front XY plane of "halves" fades into the back one, world units."""
MARGIN = 0.001
"""EG3D's decoder reaches this far beyond [0, 1], so that 0 and 1 themselves have a gradient."""

DECODED = {
    "sigmoid": lambda x: x.sigmoid() * (1 + 2 * MARGIN) - MARGIN,
    "lrelu": lambda x: bias_act(x, activation="lrelu"),
    "none": lambda x: x,
}
"""How the decoder's last numbers become colour features."""


def sample_planes(planes: Tensor, points: Tensor, box: float, order: str = "eg3d") -> Tensor:
    """What each plane holds at each point's projection, bilinearly, fading to 0 outside the box.

    Args:
        planes: [B, P, C, h, w], or [1, P, C, h, w] shared by all B sets of points without a copy; P is 3, or
            as many as the order has, times D slices of a tri-grid. The width runs along the first axis of `PLANE_ORDERS`, the height (downwards) along the second.
        points: [B, N, 3], world frame.
        box: side of the cube about the world origin that the planes span, world units.
        order: a key of `PLANE_ORDERS`.

    Returns:
        [B, 3, N, C], or their mean [B, 1, N, C] with the order "halves"; its memory has the channels before the points.
    """
    batch, count = points.shape[:2]
    if len(planes) == 1 and batch > 1:
        sampled = sample_planes(planes, points.reshape(1, -1, 3), box, order)[0]  # [3, B * N, C]
        return sampled.unflatten(1, (batch, count)).transpose(0, 1)
    scaled = points * (2 / box)
    axes = torch.tensor([axis for each in PLANE_ORDERS[order] for axis in each[:2]])
    grid = (
        scaled.index_select(-1, axes.to(scaled.device))
        .unflatten(-1, (-1, 2))
        .transpose(1, 2)
        .contiguous()
    )
    slices = planes.shape[1] // len(PLANE_ORDERS[order])  # 1 but for tri-grids
    grid = grid.repeat_interleave(slices, 1) if slices > 1 else grid  # [B, P, N, 2]
    texels = texels_together(planes).flatten(0, 1)  # [B * P, C, h, w]
    sampled = F.grid_sample(texels, grid.flatten(0, 1)[:, :, None], align_corners=False)
    sampled = sampled.squeeze(3).unflatten(0, (batch, -1)).mT  # [B, P, N, C]
    if order == "trigrid":
        return joined_slices(sampled, scaled, order)
    return joined_halves(sampled, points[..., 2:]) if order == "halves" else sampled


def joined_slices(sampled: Tensor, scaled: Tensor, order: str) -> Tensor:
    """The slices of each plane as one, linearly along the third axis, fading to 0 beyond the outer ones.

    Args:
        sampled: [B, 3 * D, N, C], the slices of a plane one after the other.
        scaled: [B, N, 3], the points with the box from -1 to 1.
        order: a key of `PLANE_ORDERS` with three axes a plane.

    Returns:
        [B, 3, N, C].
    """
    depth = torch.stack([scaled[..., axes[2]] for axes in PLANE_ORDERS[order]], 1)  # [B, 3, N]
    stacked = sampled.unflatten(1, (depth.shape[1], -1))  # [B, 3, D, N, C]
    slices = stacked.shape[2]
    place = ((depth + 1) * slices - 1) / 2  # slice 0 is at 0
    each = torch.arange(slices, device=depth.device)[:, None]
    near = (1 - (place[:, :, None] - each).abs()).clamp(min=0)  # [B, 3, D, N]
    return (near[..., None] * stacked).sum(2)


def joined_halves(sampled: Tensor, z: Tensor) -> Tensor:
    """[B, 4, N, C] and depths [B, N, 1] -> [B, 1, N, C]: the mean of three planes, the front and the back XY plane as one.

    The mean at once, since to lay the three side by side costs as much as to sample them.
    """
    ahead = (0.5 + z / OVERLAP).clamp(0, 1)
    ahead = ahead * ahead * (3 - 2 * ahead)
    front, top, side, back = sampled.unbind(1)
    joined = torch.lerp(back, front, ahead)
    return joined.add_(top).add_(side).div_(3)[:, None]  # fresh memory costs more than the sums


def texels_together(planes: Tensor) -> Tensor:
    """The same [B, P, C, h, w] with a texel's channels side by side in memory; no copy if they are.

    A corner of a bilinear sample is then one read from memory instead of C.
    """
    if planes.stride(2) == 1:
        return planes
    texels = planes.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return texels.unflatten(0, planes.shape[:2])


class Decoder(nn.Module):
    """A point's plane features to its colour features and raw density.

    Args:
        in_features: C of the planes.
        hidden: width of the layer between.
        out_features: O, how many colour features.
        lr_multiplier: see `FullyConnected`.
        activation: of the colour features: "sigmoid", "lrelu" or "none".
    """

    def __init__(
        self,
        in_features: int = 32,
        hidden: int = 64,
        out_features: int = 32,
        lr_multiplier: float = 1.0,
        activation: str = "sigmoid",
    ) -> None:
        super().__init__()
        if activation not in DECODED:
            raise ValueError(f"activation is {activation!r}, expected one of {', '.join(DECODED)}")
        self.out_features, self.activation = out_features, activation
        self.net = nn.Sequential(
            FullyConnected(in_features, hidden, lr_multiplier=lr_multiplier),
            nn.Softplus(),
            FullyConnected(hidden, 1 + out_features, lr_multiplier=lr_multiplier),
        )

    def forward(self, sampled: Tensor) -> tuple[Tensor, Tensor]:
        """Average over the planes and decode.

        Args:
            sampled: [B, 3, N, C] or [B, 1, N, C], as `sample_planes` returns it.

        Returns:
            features [B, N, O], with a sigmoid in (-MARGIN, 1 + MARGIN); raw sigma [B, N, 1], unbounded.
        """
        # A sum's gradient is a view, a mean's is written out once for each plane.
        count = sampled.shape[1]
        mean = sampled.sum(1) / count if count > 1 else sampled[:, 0]
        colours, sigma = self.read(mean)
        return DECODED[self.activation](colours), sigma

    def read(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, C], the planes' mean -> colour features before their activation [B, N, O], raw sigma [B, N, 1]."""
        sigma, colours = self.net(mean).float().split([1, self.out_features], -1)
        return colours, sigma
