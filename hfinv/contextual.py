"""The contextual loss: two pictures of the same things, not necessarily in the same places.

Mechrez et al., "The Contextual Loss for Image Transformation with Non-Aligned Data", ECCV 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hfinv.perceptual import Perceptual
from hfinv.shapes import check

LARGEST = 10.0
"""Relative distances are clamped to it."""
TINY = 1e-5


class Contextual(nn.Module):
    """Contextual loss on the first convolution behind VGG's first pooling (conv2_1); frozen.

    VGG16 and VGG19 are built alike up to there; these are VGG16's weights.
    """

    def __init__(self, bandwidth: float = 0.5, perceptual: Perceptual | None = None) -> None:
        """
        Args:
            bandwidth: how much better than the rest a match must be; the paper has 0.5.
            perceptual: LPIPS over VGG, if it is there already.

        Raises:
            WeightsError: the backbone is not there.
        """
        super().__init__()
        self.bandwidth = bandwidth
        self.perceptual = perceptual or Perceptual("vgg")

    def features(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] in [-1, 1] -> [B, 128, H // 2, W // 2].

        The scaling layer knows that pictures are in [-1, 1]; ImageNet's own statistics are for [0, 1].
        """
        model = self.perceptual.model
        layers = [*model.net.slice1, *list(model.net.slice2)[:2]]
        maps = model.scaling_layer(picture)
        for layer in layers:
            maps = layer(maps)
        return maps

    def forward(self, picture: Tensor, target: Tensor) -> Tensor:
        """The loss of each picture against its target, [B], >= 0.

        Args:
            picture, target: [B, 3, H, W] in [-1, 1].
        """
        check(picture=(picture, "B 3 H W"), target=(target, "B 3 H W"))
        with torch.no_grad():
            wanted = self.features(target)
        return contextual(self.features(picture), wanted, self.bandwidth)


def contextual(found: Tensor, wanted: Tensor, bandwidth: float) -> Tensor:
    """The loss between two sets of features, [B], >= 0 but for a hundred-thousandth.

    Args:
        found: [B, C, h, w], of the picture.
        wanted: [B, C, h, w], of the target.
        bandwidth: how much better than the rest a match must be.
    """
    centre = wanted.mean((2, 3), keepdim=True)
    found, wanted = (
        nn.functional.normalize((x - centre).flatten(2), dim=1) for x in (found, wanted)
    )
    distance = (1 - found.mT @ wanted).clamp(min=0)  # [B, I, J], found i to wanted j; equation 2
    relative = distance / (distance.amin(2, keepdim=True) + TINY)  # equation 2 -> 3
    weight = ((1 - relative.clamp(max=LARGEST)) / bandwidth).exp()  # equation 3
    alike = weight / weight.sum(2, keepdim=True)  # equation 4
    return -(alike.amax(1).mean(1) + TINY).log()  # equations 1 and 5
