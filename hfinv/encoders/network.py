"""The network that guesses a head's factors and its camera's correction from one crop."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.camera import Camera

MOTION = 6
"""Numbers of a camera's motion: a rotation vector in radians, then a shift in world units."""
CAMERA = 13
"""Numbers that tell the network of a camera."""
CHANNELS = 4
"""Colour times coverage, and coverage."""


@dataclass(frozen=True)
class EncoderCard:
    """What an encoder's file says of itself."""

    factors: tuple[str, ...]
    """Names of the factors that it guesses, in order; their meaning is the renderer's, not a generator's."""
    size: int
    """Side of the crop that it reads, in pixels."""
    widths: tuple[int, ...]
    """Channels after the stem and after each halving."""
    blocks: int
    """Residual blocks at each size."""
    hidden: int
    """Width of the last layer but one."""
    radius: float
    """Distance of the cameras it knows from the world origin."""
    focal: float
    """Their focal length, in image sides."""
    made: str = ""
    """How it was trained."""


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a short cut; the first may halve the size."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.norm0 = nn.BatchNorm2d(outer)
        self.conv1 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outer)
        self.short = nn.Conv2d(inner, outer, 1, bias=False) if inner != outer else nn.Identity()
        nn.init.zeros_(self.norm1.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] -> [B, C', h / stride, w / stride]."""
        y = self.norm1(self.conv1(F.relu(self.norm0(self.conv0(x)))))
        if y.shape[-1] != x.shape[-1]:
            x = F.avg_pool2d(x, 2)
        return F.relu(self.short(x) + y)


class Encoder(nn.Module):
    """A small residual network (He et al., CVPR 2016); its last map is read place by place, not averaged away.

    Trained by squared error, so what it says is the mean of what the picture leaves possible: where it
    cannot tell, it says 0, the prior's mean.
    """

    def __init__(self, card: EncoderCard) -> None:
        super().__init__()
        self.card = card
        widths = card.widths
        self.stem = nn.Sequential(
            nn.Conv2d(CHANNELS, widths[0], 7, 2, 3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        stages = []
        for inner, outer in zip(widths, widths[1:]):
            stages += [Residual(inner, outer, 2)]
            stages += [Residual(outer, outer, 1) for _ in range(card.blocks - 1)]
        self.stages = nn.Sequential(*stages)
        places = (card.size >> len(widths)) ** 2
        self.squeeze = nn.Conv2d(widths[-1], SQUEEZED, 1)
        self.hidden = nn.Linear(places * SQUEEZED + widths[-1] + CAMERA, card.hidden)
        self.answer = nn.Linear(card.hidden, len(card.factors) + MOTION)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)
        self.to(memory_format=torch.channels_last)

    def forward(self, crop: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
        """Guess.

        Args:
            crop: [B, 4, S, S], colour in [-1, 1] times coverage, then coverage in [0, 1]; any size.
            camera: B cameras, as the intake measures them.

        Returns:
            z [B, Z] in standard deviations; motion [B, 6], see `MOTION`.
        """
        if crop.shape[-1] != self.card.size:
            crop = F.interpolate(
                crop, size=(self.card.size, self.card.size), mode="bilinear", antialias=True
            )
        maps = self.stages(self.stem(crop.contiguous(memory_format=torch.channels_last)))
        seen = [self.squeeze(maps).flatten(1), maps.mean((2, 3)), self.told(camera)]
        answer = self.answer(F.relu(self.hidden(torch.cat(seen, 1)))).float()
        return answer[:, :-MOTION], MOTION_UNIT * answer[:, -MOTION:]

    def told(self, camera: Camera) -> Tensor:
        """[B, 13]: axes, centre and focal length of cameras, each about 0 for a frontal one."""
        front = torch.diag(camera.cam2world.new_tensor([1.0, -1.0, -1.0]))
        axes = (camera.cam2world[:, :3, :3] - front).flatten(1)
        centre = camera.centre - camera.cam2world.new_tensor([0.0, 0.0, self.card.radius])
        focal = camera.intrinsics[:, :1, 0] / self.card.focal - 1
        return 3.0 * torch.cat([axes, centre, focal], 1)


SQUEEZED = 24
"""Channels of the map that is read place by place."""
MOTION_UNIT = 0.02
"""The network speaks of motion in these: radians, world units."""
