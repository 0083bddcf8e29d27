"""Real or drawn: a critic of the final picture and the rays' own picture together, as the camera should see them.

The dual discriminator of EG3D (Chan et al., CVPR 2022, section 4.3) over the residual network of StyleGAN2 (Karras et
al., CVPR 2020). Both pictures in one input force the super-resolution to draw what the field holds.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.camera import Camera
from hfinv.generators.backbone import Mapping
from hfinv.generators.layers import Conv2dLayer, FullyConnected, full_precision

SMALLEST = 4
"""Side of the features that are judged as a whole."""
LABEL = 25
"""Numbers of a camera's label."""


class Block(nn.Module):
    """Halves the resolution: two convolutions beside a shortcut.

    Args:
        before: channels that come in.
        after: channels that go out.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv0 = Conv2dLayer(before, before, 3, activation="lrelu")
        self.conv1 = Conv2dLayer(before, after, 3, activation="lrelu", down=2)
        self.skip = Conv2dLayer(before, after, 1, bias=False, down=2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, before, H, W] -> [B, after, H / 2, W / 2]."""
        gain = math.sqrt(0.5)  # keeps the variance of the sum
        return self.skip(x, gain=gain) + self.conv1(self.conv0(x), gain=gain)


class Discriminator(nn.Module):
    """Camera-conditioned score of a picture and its coarse version.

    Args:
        size: H, a power of two.
        channel_base: features of side r have channel_base / r channels,
        channel_max: but never more than this.
        width: of the camera's embedding.
    """

    def __init__(
        self, size: int, channel_base: int = 4096, channel_max: int = 128, width: int = 64
    ) -> None:
        super().__init__()
        self.size = size
        sides = [size >> k for k in range(size.bit_length()) if size >> k >= SMALLEST]
        channels = [min(channel_base // side, channel_max) for side in sides]
        self.entry = Conv2dLayer(6, channels[0], 1, activation="lrelu")
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip(channels, channels[1:])))
        self.whole = Conv2dLayer(channels[-1] + 1, channels[-1], 3, activation="lrelu")
        self.fc = FullyConnected(channels[-1] * SMALLEST**2, channels[-1], activation="lrelu")
        self.out = FullyConnected(channels[-1], width)
        self.camera = Mapping(0, LABEL, width, None, num_layers=2, lr_multiplier=0.1)
        self.to(memory_format=torch.channels_last)

    def forward(self, picture: Tensor, raw: Tensor, camera: Camera) -> Tensor:
        """How real each pair looks from its camera, unbounded.

        Args:
            picture: [B, 3, H, H] in [-1, 1].
            raw: [B, 3, h, h] in [-1, 1], over the same background.
            camera: B cameras.

        Returns:
            [B].
        """
        large = F.interpolate(raw, size=(self.size, self.size), mode="bilinear", antialias=True)
        x = torch.cat([picture, large], 1).contiguous(memory_format=torch.channels_last)
        x = self.blocks(self.entry(x))
        with full_precision(x):
            x = x.to(self.fc.weight.dtype)
            spread = x.std(0, correction=0).mean() if len(x) > 1 else x.new_zeros(())
            x = torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], 1)
            x = self.out(self.fc(self.whole(x).flatten(1)))
            wanted = self.camera(None, camera.label())
            return (x * wanted).sum(1) / math.sqrt(x.shape[1])


def deceive(scores: Tensor) -> Tensor:
    """The generator's part of the game, non-saturating: softplus(-D)."""
    return F.softplus(-scores).mean()


def judge(drawn: Tensor, real: Tensor) -> dict[str, Tensor]:
    """The discriminator's part, [B] scores each."""
    return {"judge_drawn": F.softplus(drawn).mean(), "judge_real": F.softplus(-real).mean()}


def slope(discriminator: Discriminator, picture: Tensor, raw: Tensor, camera: Camera) -> Tensor:
    """R1 of Mescheder et al. (ICML 2018): mean squared length of the score's gradient at real pictures.

    Args:
        picture, raw, camera: as in `Discriminator.forward`.
    """
    inputs = [x.detach().requires_grad_() for x in (picture, raw)]
    scores = discriminator(*inputs, camera)
    gradients = torch.autograd.grad(scores.sum(), inputs, create_graph=True)
    return sum(g.float().square().sum((1, 2, 3)) for g in gradients).mean()
